# SPDX-License-Identifier: MIT
"""The names of an image's functions, for the steward's backtraces (steward/trace.c).

u64 count, count times { u64 address, u64 offset of the name in the file }, by address; the names, with NULs.
"""
import struct
import subprocess

from .common import UserError


def of_image(path):
    """The table as bytes; of a stripped image an empty one."""
    try:
        listed = subprocess.run(["nm", "--defined-only", path], check=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        raise UserError("nm cannot read %s: is it an ELF image?" % path)
    functions = {}
    for line in listed.stdout.decode(errors="replace").split("\n"):
        words = line.split()
        if len(words) == 3 and words[1] in "tTwW":
            # What the compiler has split off a function bears its name and a suffix.
            functions.setdefault(int(words[0], 16), words[2].split(".")[0])
    at = 8 + 16 * len(functions)
    head, names = struct.pack("<Q", len(functions)), b""
    for address in sorted(functions):
        head += struct.pack("<QQ", address, at + len(names))
        names += functions[address].encode() + b"\0"
    return head + names
