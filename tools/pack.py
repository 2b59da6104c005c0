#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pack personalities into one page-aligned archive for the kernel file.

usage: pack.py OUT NAME=FILE...
Layout: "FBPACK01", u64 count, then for each { char name[48]; u64 offset; u64 bytes; }; members at page boundaries.
"""
import struct
import sys

PAGE = 4096


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    members = []
    for item in sys.argv[2:]:
        name, _, path = item.partition("=")
        if not path or len(name) > 47:
            sys.exit(f"pack.py: '{item}' is not NAME=FILE")
        with open(path, "rb") as f:
            members.append((name.encode(), f.read()))
    head = b"FBPACK01" + struct.pack("<Q", len(members))
    offset = PAGE
    body = b""
    for name, data in members:
        head += name.ljust(48, b"\0") + struct.pack("<QQ", offset, len(data))
        padded = data + b"\0" * (-len(data) % PAGE)
        body += padded
        offset += len(padded)
    if len(head) > PAGE:
        sys.exit("pack.py: too many members")
    with open(sys.argv[1], "wb") as f:
        f.write(head.ljust(PAGE, b"\0") + body)


main()
