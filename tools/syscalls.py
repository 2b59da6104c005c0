#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What each Linux system call does here, from tests that ran.

usage: tools/syscalls.py            write docs/syscalls.md from the kept results
       tools/syscalls.py --check    fail if the page is not what sources and results give
       tools/syscalls.py --run [PROGRAM ...]
                                    run the guest tests on FeuerBird and on Debian's Linux,
                                    keep the results, write the page

A guest test names the calls that it verifies (tests/guest/c/check.h, RUN).  A call
  works   has a handler, and all tests that name it passed on both kernels;
  partly  has a handler, but docs/missing.md names something that it lacks;
  untested  has a handler, and no test names it;
  fails   has a test that failed here, or that Linux fails as well (then it proves nothing);
  ENOSYS  has no handler, and a program that made the call got ENOSYS.
"""
import datetime
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from feuerlib.testplan import OWN_GUEST, several, test_programs  # noqa: E402
from feuerlib.testrun import split  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "syscalls.md")
RESULTS = os.path.join(ROOT, "docs", "results", "guest-tests.tsv")
BUILD = os.environ.get("FEUER_BUILD", os.path.join(ROOT, "build"))
LINE = re.compile(r"^(ok|not ok) - (\S+)(?: \(status [^)]*\))?(?: \[([^\]]*)\])?$", re.M)
KERNELS = ("feuerbird", "linux")


def calls():
    """[(number, name)] of the table of system calls."""
    with open(os.path.join(ROOT, "libos", "posix", "syscalls.def")) as file:
        found = re.findall(r"^SYSCALL(?:_WHOLE)?\((\d+), (\w+)\)", file.read(), re.M)
    return [(int(number), name) for number, name in found]


def handlers():
    found = set()
    for path in glob.glob(os.path.join(ROOT, "libos", "posix", "*.c")):
        with open(path) as file:
            found |= set(re.findall(r"^sys_(\w+)\(", file.read(), re.M))
    return found


def absent():
    """The calls without a handler."""
    have = handlers()
    return [(number, name) for number, name in calls() if name not in have]


def lacks():
    """{call: [sentence of docs/missing.md that names it]}, system calls' part only."""
    table = {}
    with open(os.path.join(ROOT, "docs", "missing.md")) as file:
        text = file.read()
    for item in re.findall(r"^- (.*(?:\n  .*)*)", text, re.M):
        item = " ".join(item.split())
        for name in re.findall(r"`(\w+)`", item):
            table.setdefault(name, []).append(item)
    return table


# ---- running ----

def guest(kernel, command):
    """What COMMAND says in a guest.  Each program in it has its own limit; the guest's is
    for one that hangs altogether."""
    done = subprocess.run(
        [os.path.join(ROOT, "tools", "feuer"), "exec", "--timeout", "900", "--cpus", "2",
         "--mem", "512" if any("/add/" + name in command for name in OWN_GUEST) else "1024",
         "--add", os.path.join(BUILD, "guest")]
        + (["--kernel", "linux"] if kernel == "linux" else []) + ["--", *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    sys.stderr.write(done.stderr.decode(errors="replace")[-500:])
    return done.stdout.decode(errors="replace")


def outcomes(status, output):
    """{test: (passed, calls)} of one program; a bad end without a failed test is one."""
    found = {name: (word == "ok", names or "") for word, name, names in LINE.findall(output)}
    if not found or status is None or (status and all(ok for ok, _ in found.values())):
        found["whole_program"] = (False, "")
    return found


def run_programs(kernel, programs):
    """{program: outcomes}; as in the test plan, few boots for many programs."""
    alone = [name for name in programs if name in OWN_GUEST]
    together = [name for name in programs if name not in OWN_GUEST]
    table = {}
    for names in [together] * bool(together) + [[name] for name in alone]:
        for name, status, _, said in split(guest(kernel, several(names)), names):
            table[name] = outcomes(status if isinstance(status, int) else None, said)
            bad = [test for test, (passed, _) in table[name].items() if not passed]
            print("%-10s %-28s %4d tests%s" % (
                kernel, name, len(table[name]),
                ", failed: " + " ".join(bad) if bad else ""), file=sys.stderr)
            if bad:
                sys.stderr.write("".join("    %s\n" % line for line in said.split("\n")
                                         if line.startswith("# ")))
    return table


def rows_of(program, here, linux):
    """The kept lines of one program: what each test gave on each kernel."""
    for name in list(here) + [name for name in linux if name not in here]:
        words = [("ok" if got[name][0] else "not ok") if name in got else "-"
                 for got in (here, linux)]
        yield (program, name, (here.get(name) or linux[name])[1], *words)


def run(only):
    """Run the test programs (all, or those named) on both kernels; keep the results."""
    programs = [name for name in only if name != "absent"] if only else test_programs()
    kept = {row[:2]: row for row in results()
            if only and row[0] not in only} if only else {}
    got = {kernel: run_programs(kernel, programs) for kernel in KERNELS}
    for program in programs:
        for row in rows_of(program, *(got[kernel][program] for kernel in KERNELS)):
            kept[row[:2]] = row
    if not only or "absent" in only:
        said = guest("feuerbird", ["/add/absent", *("%d:%s" % pair for pair in absent())])
        for name, (passed, _) in outcomes(0, said).items():
            kept[("absent", name)] = ("absent", name, name, "ok" if passed else "not ok", "-")
    keep(kept)


def keep(kept):
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            stdout=subprocess.PIPE).stdout.decode().strip()
    os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
    with open(RESULTS, "w") as file:
        file.write("# tools/syscalls.py --run, %s, commit %s: program, test, calls, "
                   "FeuerBird, Debian's Linux\n" % (datetime.date.today(), commit))
        for key in sorted(kept):
            file.write("\t".join(kept[key]) + "\n")


# ---- the page ----

def results():
    """[(program, test, calls, feuerbird, linux)] as kept."""
    try:
        with open(RESULTS) as file:
            return [tuple(line.rstrip("\n").split("\t")) for line in file
                    if not line.startswith("#")]
    except OSError:
        return []


def verdicts():
    """[(name, verdict, number of tests, notes)] for each call."""
    have, missing, tests, refused = handlers(), lacks(), {}, set()
    for program, _, names, here, linux in results():
        if program == "absent":
            refused |= {names} if here == "ok" else set()
            continue
        for name in names.split(", "):
            tests.setdefault(name, []).append((here, linux))
    for _, name in calls():
        ran = tests.get(name, [])
        if name not in have:
            yield name, "ENOSYS" if name in refused else "no handler", 0, []
        elif not ran:
            yield name, "untested", 0, missing.get(name, [])
        elif any(pair != ("ok", "ok") for pair in ran):
            yield name, "fails", len(ran), missing.get(name, [])
        else:
            yield (name, "partly" if name in missing else "works", len(ran),
                   missing.get(name, []))


def page():
    rows = list(verdicts())
    count = {}
    for _, verdict, _, _ in rows:
        count[verdict] = count.get(verdict, 0) + 1
    lines = ["# System calls of the POSIX LibOS\n",
             "Made by `tools/syscalls.py` from the handlers in `libos/posix/`, the guest tests that ran on FeuerBird and on\n"
             "Debian's Linux ([results](results/guest-tests.tsv), `tools/syscalls.py --run`), and [missing.md](missing.md).\n"
             "*Works*: every test that names the call passed on both kernels. *Partly*: so too, and missing.md says what it lacks.\n"
             "*ENOSYS*: a program made the call and got that answer.\n",
             ", ".join("%s %d" % pair for pair in sorted(count.items())) + f", of {len(rows)}.\n"]
    for verdict in ("works", "partly", "untested", "fails"):
        chosen = [row for row in rows if row[1] == verdict]
        if not chosen:
            continue
        lines += ["## %s\n" % verdict.capitalize(), "| call | tests | lacks |\n|---|---|---|"]
        lines += ["| `%s` | %d | %s |" % (name, tests, " ".join(notes).replace("|", "\\|"))
                  for name, _, tests, notes in chosen]
        lines.append("")
    for verdict in ("ENOSYS", "no handler"):
        names = ["`%s`" % row[0] for row in rows if row[1] == verdict]
        if names:
            lines += ["## %s\n" % verdict, ", ".join(names) + "\n"]
    return "\n".join(lines)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--check"]:
        with open(PAGE) as file:
            if file.read() != page():
                sys.exit("docs/syscalls.md is out of date: run tools/syscalls.py")
        return
    if arguments[:1] == ["--absent"]:
        print(" ".join("%d:%s" % pair for pair in absent()))
        return
    if arguments[:1] == ["--run"]:
        run(arguments[1:])
    elif arguments:
        print(__doc__)
        sys.exit(0 if arguments[0] in ("-h", "--help") else 2)
    with open(PAGE, "w") as file:
        file.write(page())


main()
