#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write docs/syscalls.md: which Linux system calls have a handler.  --check: fail if the page is out of date."""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "syscalls.md")


def handlers():
    found = set()
    for path in glob.glob(os.path.join(ROOT, "libos", "posix", "*.c")):
        with open(path) as f:
            found |= set(re.findall(r"^sys_(\w+)\(", f.read(), re.M))
    return found


def page():
    with open(os.path.join(ROOT, "libos", "posix", "syscalls.def")) as f:
        calls = [(int(n), name) for n, name in re.findall(r"^SYSCALL\((\d+), (\w+)\)", f.read(), re.M)]
    have = handlers()
    there = [name for _, name in calls if name in have]
    lines = ["# System calls of the POSIX LibOS\n",
             "Made by `tools/syscalls.py` from `libos/posix/`. What a call has only in part is in [missing.md](missing.md).\n",
             f"{len(there)} of {len(calls)} have a handler; the others answer ENOSYS.\n",
             "## With a handler\n", ", ".join(f"`{n}`" for n in there) + "\n",
             "## ENOSYS\n", ", ".join(f"`{n}`" for _, n in calls if n not in have) + "\n"]
    return "\n".join(lines)


def main():
    text = page()
    if sys.argv[1:] == ["--check"]:
        with open(PAGE) as f:
            if f.read() != text:
                sys.exit("docs/syscalls.md is out of date: run tools/syscalls.py")
        return
    with open(PAGE, "w") as f:
        f.write(text)


main()
