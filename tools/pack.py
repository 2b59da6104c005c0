#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pack files into one archive that the steward finds by name: for the kernel file, or as an initrd.

usage: pack.py OUT KIND:NAME=FILE...
"""
import sys

from feuerlib import bundle
from feuerlib.common import UserError


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    members = []
    try:
        for item in sys.argv[2:]:
            kind, _, rest = item.partition(":")
            members += bundle.named_files(kind, [rest], "pack.py")
        with open(sys.argv[1], "wb") as out:
            bundle.write(out, members)
    except UserError as error:
        sys.exit("pack.py: %s" % error)


main()
