#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that an object whose functions preserve no registers is entered from nowhere but by ENTERING.

usage: check_entered.py ENTRY.S OBJECT OBJECTS...
The kernel's ENTERING (entry.S) has put the preserved registers away, and stops the CPU if the function returns.  So each
function of OBJECT that other files can name must be the handler of an ENTERING, and of OBJECTS none may name one but that
of ENTRY.S: whoever called it from C would find its registers changed.
"""
import pathlib
import re
import subprocess
import sys

HANDLER = re.compile(r"^\s*ENTERING\s+\w+\s*,\s*(\w+)\s*$", re.MULTILINE)


def symbols(path, kinds):
    lines = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[-1] for line in lines if line.split()[-2] in kinds}


def main():
    entry, special, *others = sys.argv[1:]
    entered = set(HANDLER.findall(pathlib.Path(entry).read_text()))
    functions = symbols(special, "TWVi")
    faults = [f"{special}: {name} is no handler of an ENTERING in {entry}" for name in sorted(functions - entered)]
    if not functions:
        faults.append(f"{special}: has no function")
    for path in others:
        if path == special or path.endswith(entry.removeprefix("kernel/") + ".o"):
            continue
        faults += [f"{path}: names {name}, which preserves no registers" for name in sorted(symbols(path, "U") & functions)]
    if faults:
        sys.exit("\n".join(faults))


main()
