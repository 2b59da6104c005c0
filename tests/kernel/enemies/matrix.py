#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""List every argument of every call with its kind, from abi/feuerbird.toml, for the enemies' matrix.

usage: matrix.py FEUERBIRD_TOML OUT
"""
import re
import sys
import tomllib

KINDS = {
    "FRAME": ("frame", "cb"),
    "ADDRESS": ("va", "gate", "upcall", "start", "stack", "address"),
    "DEADLINE": ("deadline",),
    "OFFSET": ("offset",),
}


def kind(name, text):
    """A name of an object, or one of KINDS, or a number."""
    if "capability" in text or text.startswith("as ") or "as ipc_receive" in text and name == "endpoint":
        found = re.search(r"\b(MEMORY|SPACE|DOMAIN|VCPU|SLICE|IRQ|PORT|MACHINE|ENDPOINT)\b", text)
        if name == "deadline":
            return "DEADLINE"
        if name in ("bits", "flags"):
            return "NUMBER"
        return "NAME_" + (found.group(1) if found else {"space": "SPACE", "endpoint": "ENDPOINT"}.get(name, "ANY"))
    return next((k for k, names in KINDS.items() if name in names), "NUMBER")


def main():
    with open(sys.argv[1], "rb") as file:
        calls = tomllib.load(file)["call"]
    with open(sys.argv[2], "w") as out:
        for call in calls:
            for i, arg in enumerate(call["args"]):
                name, text = arg.split(":", 1)
                out.write('ARG(%s, %d, "%s", %s)\n' % (call["name"].upper(), i, name, kind(name, text.strip())))


main()
