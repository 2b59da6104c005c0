#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the names of an image's functions, for the steward's backtraces (feuerlib/symbols.py).

usage: symbols.py IMAGE.elf OUT
"""
import sys

from feuerlib import symbols
from feuerlib.common import UserError

if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    table = symbols.of_image(sys.argv[1])
except UserError as error:
    sys.exit("symbols.py: %s" % error)
with open(sys.argv[2], "wb") as out:
    out.write(table)
