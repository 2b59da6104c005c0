# SPDX-License-Identifier: MIT
"""Archives of files that the steward finds by name (steward/archive.h).

One page: "FBPACK01", u64 count, then for each member { char name[48]; u64 offset; u64 bytes; };
after it the members, each at a page boundary.  A member is named KIND:NAME.
"""
import os
import shutil
import struct

from .common import UserError

PAGE = 4096
MAGIC = b"FBPACK01"
NAME = 48
MOST = (PAGE - 16) // (NAME + 16)


def is_bundle(file):
    return os.pread(file.fileno(), len(MAGIC), 0) == MAGIC


def write(out, members):
    """Write MEMBERS, (name, open file) pairs, to the seekable file OUT."""
    if len(members) > MOST:
        raise UserError("a bundle has at most %d members" % MOST)
    head = MAGIC + struct.pack("<Q", len(members))
    at = PAGE
    for name, file in members:
        encoded = os.fsencode(name)
        if len(encoded) >= NAME or b":" not in encoded:
            raise UserError("'%s' is no name for a member of a bundle: KIND:NAME, "
                            "less than %d bytes" % (name, NAME))
        file.seek(0)
        out.seek(at)
        shutil.copyfileobj(file, out, 1 << 20)
        size = out.tell() - at
        head += encoded.ljust(NAME, b"\0") + struct.pack("<QQ", at, size)
        at += (size + PAGE - 1) // PAGE * PAGE
    out.truncate(at)
    out.seek(0)
    out.write(head.ljust(PAGE, b"\0"))
    out.flush()


def named_files(kind, settings, option):
    """(KIND:NAME, open file) for each NAME=FILE of a command-line option."""
    for setting in settings:
        name, equals, path = setting.partition("=")
        if not equals or not name or not path:
            raise UserError("%s wants NAME=FILE, not %r" % (option, setting))
        try:
            yield "%s:%s" % (kind, name), open(path, "rb")
        except OSError as error:
            raise UserError("cannot read %s: %s" % (path, error.strerror))
