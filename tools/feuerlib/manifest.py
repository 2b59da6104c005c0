# SPDX-License-Identifier: MIT
"""Puts another manifest into a copy of the kernel file.

The file holds one area of AREA bytes that begins with MARKER; text follows, and NULs.
"""
import mmap

from .common import UserError, anonymous_file

AREA = 16384
MARKER = b"FBMANIFEST-AREA\0"


def find_area(kernel, path):
    """The offset of the area in the mapped file KERNEL."""
    hits, at = [], kernel.find(MARKER)
    while at >= 0:
        # The area is page-aligned; the mark may stand elsewhere too, among constants.
        if at % 4096 == 0:
            hits.append(at)
        at = kernel.find(MARKER, at + 1)
    if not hits:
        raise UserError("%s has no manifest area: is it a FeuerBird kernel?" % path)
    if len(hits) > 1:
        raise UserError("%s has more than one manifest area" % path)
    at = hits[0]
    if at + AREA > len(kernel):
        raise UserError("%s is cut off in its manifest area" % path)
    return at


def read(path):
    """The manifest text in the kernel file PATH."""
    with open(path, "rb") as file, \
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as kernel:
        at = find_area(kernel, path)
        return kernel[at + len(MARKER):at + AREA].split(b"\0", 1)[0]


def replaced(path, text):
    """An open anonymous file: the kernel PATH with the manifest TEXT."""
    room = AREA - len(MARKER) - 1
    if len(text) > room:
        raise UserError("the manifest has %d bytes; %d is the most" % (len(text), room))
    if b"\0" in text:
        raise UserError("the manifest contains a NUL")
    with open(path, "rb") as file:
        content = bytearray(file.read())
    at = find_area(content, path)
    content[at + len(MARKER):at + AREA] = text + bytes(AREA - len(MARKER) - len(text))
    copy = anonymous_file()
    copy.write(content)
    copy.flush()
    return copy
