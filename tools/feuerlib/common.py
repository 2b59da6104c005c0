# SPDX-License-Identifier: MIT
"""Paths, temporary files and the one kind of error that a user is meant to see."""
import os
import sys

TOOLS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
REPO = os.path.dirname(TOOLS)


class UserError(Exception):
    """Something the user can put right; its text says what to do."""

    def __init__(self, text, status=125):
        super().__init__(text)
        self.status = status


def build_dir():
    """The build directory: $FEUER_BUILD, or build/ of this working tree."""
    path = os.environ.get("FEUER_BUILD") or os.path.join(REPO, "build")
    return os.path.abspath(path)


def cache_dir(*parts):
    """A directory that outlives `make clean`: downloads and verdicts.  It is made."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "feuerbird", *parts)
    os.makedirs(path, exist_ok=True)
    return path


def anonymous_file():
    """An open read-write file under $TMPDIR that has no name.

    It goes away with its last descriptor, however the program ends.  QEMU is given
    /proc/self/fd/N as its path.
    """
    directory = os.environ.get("TMPDIR") or "/tmp"
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.fdopen(os.open(directory, flags | os.O_TMPFILE, 0o600), "w+b")
    except OSError:
        pass
    name = os.path.join(directory, "feuer-%d-%s" % (os.getpid(), os.urandom(6).hex()))
    try:
        descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UserError("cannot write a temporary file in %s (%s); set TMPDIR to a "
                        "directory with room" % (directory, error.strerror))
    os.unlink(name)
    return os.fdopen(descriptor, "w+b")


def replace_file(path, writer):
    """Write PATH through WRITER(file) so that nobody ever sees half of it."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    partial = "%s.%d.part" % (path, os.getpid())
    try:
        with open(partial, "wb") as out:
            writer(out)
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def say(text):
    """One message of the tool itself, on standard error."""
    try:
        sys.stderr.write("feuer: %s\n" % text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
