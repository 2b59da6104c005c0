#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that each room includes only headers of the rooms that it says it needs.

usage: check_includes.py TREE room=need,need ...
Rules beyond that: sdk/stubs.h is for core/arch alone; nobody includes another room's host/ or test/ headers,
but tests and the host stand-in themselves.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')


def main():
    tree = pathlib.Path(sys.argv[1])
    needs = {}
    for argument in sys.argv[2:]:
        room, _, listed = argument.partition("=")
        needs[room] = set(filter(None, listed.split(","))) | {room}
    faults = []
    for path in sorted(tree.rglob("*")):
        if path.suffix not in (".c", ".h", ".S"):
            continue
        parts = path.relative_to(tree).parts
        room = parts[0]
        if room not in needs:
            faults.append(f"{path}: room {room} is not declared in mk/libos.mk")
            continue
        free = "test" in parts or "host" in parts
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            name = match.group(1)
            first = name.split("/")[0]
            if name == "sdk/stubs.h" and parts[:2] != ("core", "arch"):
                faults.append(f"{path}:{number}: only core/arch makes kernel calls")
            if first in needs and "/" in name and first not in needs[room] and not free:
                faults.append(f"{path}:{number}: room {room} does not declare that it needs {first}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


sys.exit(main())
