#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the kernel's table of function names, which the panic backtrace searches.

usage: ksyms.py LINES [NM_OUTPUT]        writes assembly to stdout; without NM_OUTPUT an empty table
       ksyms.py --check NM_FIRST NM_LAST  fails if the functions moved between the two links

LINES is the number of source lines of the kernel, which the boot line reports.  NM_OUTPUT is that of `nm`.
"""
import sys


def functions(path):
    """(address, name) of each text symbol, sorted; of aliases the first by name."""
    found = {}
    bounds = {}
    with open(path, encoding="ascii") as f:
        for line in f:
            fields = line.split()
            if len(fields) != 3:
                continue
            address, kind, name = int(fields[0], 16), fields[1], fields[2]
            if name in ("image_start", "text_end"):
                bounds[name] = address
            elif kind in "tT":
                found[address] = min(found.get(address, name), name)
    if len(bounds) != 2:
        sys.exit(f"ksyms.py: {path} lacks image_start or text_end")
    start, end = bounds["image_start"], bounds["text_end"]
    return start, sorted((a, n) for a, n in found.items() if start <= a < end)


def table(lines, path):
    start, syms = functions(path) if path else (0, [])
    out = ["/* SPDX-License-Identifier: MIT */", "/* Made by tools/ksyms.py. */", '    .section .ksyms, "a", @progbits',
           "    .balign 4", "    .globl ksyms_count, ksyms_address, ksyms_name, ksyms_strings, ksyms_lines",
           f"ksyms_lines: .long {lines}", f"ksyms_count: .long {len(syms)}", "ksyms_address:"]
    out += [f"    .long {address - start:#x}" for address, _ in syms]
    out.append("ksyms_name:")
    at = 0
    for _, name in syms:
        out.append(f"    .long {at}")
        at += len(name) + 1
    out.append("ksyms_strings:")
    out += [f'    .asciz "{name}"' for _, name in syms]
    out.append('    .section .note.GNU-stack, "", @progbits')
    print("\n".join(out))


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--check":
        if functions(sys.argv[2]) != functions(sys.argv[3]):
            sys.exit("ksyms.py: functions moved between the links")
    elif len(sys.argv) in (2, 3):
        table(int(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None)
    else:
        sys.exit(__doc__)


main()
