#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the headers, the SDK's call stubs, the kernel's call table and the call pages from feuerbird.toml.

usage: gen.py OUT_DIR [DOCS_DIR]   writes OUT_DIR/abi/calls.h, OUT_DIR/sdk/stubs.h, OUT_DIR/kernel/calls.inc
"""
import os
import sys
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
REGS = ["rdi", "rsi", "rdx", "r10", "r8", "r9"]
HEAD = "/* SPDX-License-Identifier: MIT */\n/* Made by abi/gen.py from abi/feuerbird.toml. */\n"


def load():
    with open(os.path.join(HERE, "feuerbird.toml"), "rb") as f:
        abi = tomllib.load(f)
    seen = set()
    for call in abi["call"]:
        if call["name"] in seen:
            sys.exit(f"gen.py: call {call['name']} is described twice")
        seen.add(call["name"])
        if len(call["args"]) > 6:
            sys.exit(f"gen.py: call {call['name']} has more than six arguments")
        for err in call["errors"]:
            if err not in abi["errors"]:
                sys.exit(f"gen.py: call {call['name']} names the unknown error {err}")
    return abi


def arg_name(arg):
    return arg.split(":", 1)[0].strip()


def header(abi):
    out = [HEAD, "#ifndef ABI_CALLS_H\n#define ABI_CALLS_H\n"]
    out.append("\n/* Errors: a call returns 0 or minus one of these. */\nenum fb_error {")
    out += [f"    FB_E_{n} = {v[0]}, /* {v[1]} */" for n, v in abi["errors"].items()]
    out.append("};\n")
    for table, prefix in (("types", "TYPE"), ("atoms", "ATOM"), ("kinds", "KIND"), ("rights", "RIGHT")):
        for name, (value, text) in abi[table].items():
            shown = str(value) if table == "types" else f"(1u << {value})"
            out.append(f"#define FB_{prefix}_{name} {shown} /* {text} */")
        out.append("")
    for number, call in enumerate(abi["call"]):
        out.append(f"#define FB_CALL_{call['name'].upper()} {number}")
    out.append(f"#define FB_CALLS {len(abi['call'])}\n")
    out.append("static inline const char *\nfb_error_name(long error)\n{\n    switch (error < 0 ? -error : error) {\n"
               "    case 0: return \"OK\";")
    out += [f"    case {v[0]}: return \"{n}\";" for n, v in abi["errors"].items()]
    out.append("    default: return \"?\";\n    }\n}\n\n#endif\n")
    return "\n".join(out)


def stub(number, call):
    args = [arg_name(a) for a in call["args"]]
    params = [f"unsigned long {a}" for a in args] + ["unsigned long *out"]
    lines = [f"/* {call['brief']} */", "static inline long", f"fb_{call['name']}({', '.join(params)})", "{",
             f"    unsigned long rax = {number};", "    unsigned long v;"]
    for i in range(6):
        if i == 2:
            lines.append(f"    register unsigned long a2 __asm__(\"rdx\") = {args[2] if len(args) > 2 else 0};")
        else:
            lines.append(f"    register unsigned long a{i} __asm__(\"{REGS[i]}\") = {args[i] if i < len(args) else 0};")
    # Unused argument registers still have to be named: the kernel zeroes them.
    lines.append("    __asm__ volatile(\"syscall\"")
    lines.append("                     : \"+a\"(rax), \"+r\"(a0), \"+r\"(a1), \"+r\"(a2), \"+r\"(a3), \"+r\"(a4), \"+r\"(a5)")
    lines.append("                     :")
    lines.append("                     : \"rcx\", \"r11\", \"memory\", \"cc\");")
    lines += ["    v = a2;", "    if (out)", "        *out = v;", "    return (long)rax;", "}", ""]
    return "\n".join(lines)


def stubs(abi):
    out = [HEAD, "#ifndef SDK_STUBS_H\n#define SDK_STUBS_H\n",
           "/*\n * One function for each exokernel call: returns 0 or -FB_E_X; *out (may be NULL) gets the value.\n */\n"]
    for number, call in enumerate(abi["call"]):
        if call["name"] != "gate_return":
            out.append(stub(number, call))
    out.append("#endif\n")
    return "\n".join(out)


def table(abi):
    out = [HEAD, "/* CALL(number, name, count of arguments) for each call, in order. */"]
    out += [f"CALL({n}, {c['name']}, {len(c['args'])})" for n, c in enumerate(abi["call"])]
    return "\n".join(out) + "\n"


def page(abi, number, call):
    out = [f"# {call['name']}\n", call["brief"] + "\n", f"Call number {number}.\n", "| argument | register | meaning |",
           "|---|---|---|"]
    for i, arg in enumerate(call["args"]):
        name, _, text = arg.partition(":")
        out.append(f"| {name.strip()} | {REGS[i]} | {text.strip().replace('|', chr(92) + '|')} |")
    if not call["args"]:
        out.append("| none | | |")
    out.append("")
    if "note" in call:
        out.append(call["note"].strip() + "\n")
    out.append("Returns 0 in rax and the value in rdx, or:\n" if call["errors"] else "This call returns no error.\n")
    for err in call["errors"]:
        out.append(f"- `-FB_E_{err}`: {abi['errors'][err][1]}")
    return "\n".join(out) + "\n"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        with open(path) as f:
            if f.read() == text:
                return
    with open(path, "w") as f:
        f.write(text)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    abi = load()
    out = sys.argv[1]
    write(os.path.join(out, "abi", "calls.h"), header(abi))
    write(os.path.join(out, "sdk", "stubs.h"), stubs(abi))
    write(os.path.join(out, "kernel", "calls.inc"), table(abi))
    if len(sys.argv) == 3:
        index = ["# The exokernel calls\n", "Made by `abi/gen.py` from `abi/feuerbird.toml`.\n"]
        for number, call in enumerate(abi["call"]):
            write(os.path.join(sys.argv[2], call["name"] + ".md"), page(abi, number, call))
            index.append(f"{number}. [{call['name']}]({call['name']}.md): {call['brief']}")
        write(os.path.join(sys.argv[2], "README.md"), "\n".join(index) + "\n")


main()
