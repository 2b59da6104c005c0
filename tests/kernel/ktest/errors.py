#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""List every documented error of every call, from abi/feuerbird.toml, for the coverage that ktest checks.

usage: errors.py FEUERBIRD_TOML OUT
"""
import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    calls = tomllib.load(file)["call"]
with open(sys.argv[2], "w") as out:
    for call in calls:
        for error in call["errors"]:
            out.write('DOC(%s, %s, "%s")\n' % (call["name"].upper(), error, call["name"]))
