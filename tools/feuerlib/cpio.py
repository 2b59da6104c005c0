# SPDX-License-Identifier: MIT
"""A writer of cpio archives ("newc"), the format of an initramfs.

Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.

Invariants of what is written:
  C1  The data of a regular file that is not empty begins at a multiple of 4096 bytes
      of the archive, and no two files' data share a page, so that a kernel can use the
      archive's pages in place.  The room before it is made by NULs at the end of the
      file's name; c_namesize counts them.
  C2  c_namesize is at most 4096, since Linux ends the archive at a longer one.  Where
      the name would have to be longer, entries for "." take up the rest.
  C3  Equal input gives equal output: inode numbers are counted, and the caller gives
      times and owners (root, if it says nothing).
  C4  Of several names of one file the first carries the data, and each its count.
"""
import os
import stat

from .common import UserError

PAGE = 4096
HEADER = 110
NAME_MAX = 4096
SIZE_MAX = 0xFFFFFFFF
CHUNK = 1 << 20
ROOT = (0, 0)


class Writer:
    """Appends entries to OUT, a binary file that is at position `start`."""

    def __init__(self, out, start=0):
        self.out = out
        self.offset = start
        self.inode = 0

    def _write(self, data):
        self.out.write(data)
        self.offset += len(data)

    def _pad(self, boundary):
        self._write(bytes(-self.offset % boundary))

    def _header(self, name, mode, size, mtime, links, rdev, namesize, owner=ROOT,
                inode=None):
        if inode is None:
            self.inode += 1
            inode = self.inode
        fields = (inode, mode, *owner, links, mtime & 0xFFFFFFFF, size, 0, 0,
                  os.major(rdev), os.minor(rdev), namesize, 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields))
        self._write(name + bytes(namesize - len(name)))
        self._pad(4)

    def _filler(self):
        """An entry for "." that ends where a name of moderate length can follow (C2)."""
        wanted = -(self.offset + 2 * HEADER + NAME_MAX // 2) % PAGE
        namesize = wanted if wanted >= 2 else wanted + PAGE
        self._header(b".", stat.S_IFDIR | 0o755, 0, 0, 2, 0, min(namesize, NAME_MAX))

    def _aligned_namesize(self, name):
        namesize = -(self.offset + HEADER) % PAGE
        if namesize < len(name) + 1:
            namesize += PAGE
        return namesize

    @staticmethod
    def _clean(name):
        raw = os.fsencode(name)
        if not raw or b"\0" in raw or len(raw) > NAME_MAX // 2 - 8:
            raise UserError("cannot archive the path %r" % name)
        return raw

    def directory(self, name, mode=0o755, mtime=0, owner=ROOT):
        name = self._clean(name)
        self._header(name, stat.S_IFDIR | mode, 0, mtime, 2, 0, len(name) + 1, owner)

    def symlink(self, name, target, mtime=0, owner=ROOT):
        name, target = self._clean(name), os.fsencode(target)
        self._header(name, stat.S_IFLNK | 0o777, len(target), mtime, 1, 0,
                     len(name) + 1, owner)
        self._write(target)
        self._pad(4)

    def node(self, name, mode, rdev=0, mtime=0, owner=ROOT):
        """A device or FIFO; MODE with its type."""
        name = self._clean(name)
        self._header(name, mode, 0, mtime, 1, rdev, len(name) + 1, owner)

    def bytes(self, name, data, mode=0o644, mtime=0, owner=ROOT):
        """A regular file with the content DATA."""
        name = self._clean(name)
        self._begin_data(name, len(data), mode, mtime, owner)
        self._write(data)
        self._pad(4)

    def stream(self, name, source, size, mode, mtime, owner, links):
        """A regular file of LINKS names with SIZE bytes of SOURCE; its inode's number."""
        self._begin_data(self._clean(name), size, mode, mtime, owner, links)
        inode = self.inode
        self._copy(source, size, os.fsdecode(name))
        return inode

    def link(self, name, mode, mtime, owner, links, inode):
        """One more name of the file that `stream` wrote as INODE (C4)."""
        name = self._clean(name)
        self._header(name, stat.S_IFREG | stat.S_IMODE(mode), 0, mtime, links, 0,
                     len(name) + 1, owner, inode)

    def _begin_data(self, name, size, mode, mtime, owner=ROOT, links=1):
        if size > SIZE_MAX:
            raise UserError("%s is larger than 4 GiB, which cpio cannot hold"
                            % os.fsdecode(name))
        mode = stat.S_IFREG | stat.S_IMODE(mode)
        if size == 0:
            self._header(name, mode, 0, mtime, links, 0, len(name) + 1, owner)
            return
        if self._aligned_namesize(name) > NAME_MAX:
            self._filler()
        self._header(name, mode, size, mtime, links, 0, self._aligned_namesize(name),
                     owner)
        assert self.offset % PAGE == 0, "C1"

    def _copy(self, source, size, path):
        while size > 0:
            piece = source.read(min(size, CHUNK))
            if not piece:
                raise UserError("%s became shorter while it was read" % path)
            self._write(piece)
            size -= len(piece)
        self._pad(4)

    def file(self, name, path, mode=None, mtime=None):
        """A regular file with the content of PATH, copied in pieces."""
        try:
            source = open(path, "rb", buffering=0)
        except OSError as error:
            raise UserError("cannot read %s: %s" % (path, error.strerror))
        with source:
            info = os.fstat(source.fileno())
            self._begin_data(self._clean(name), info.st_size,
                             info.st_mode if mode is None else mode,
                             int(info.st_mtime) if mtime is None else mtime)
            self._copy(source, info.st_size, path)

    def rest(self, name, descriptor):
        """A file with what is left to read in the regular file DESCRIPTOR."""
        with open(descriptor, "rb", buffering=0, closefd=False) as source:
            size = os.fstat(descriptor).st_size - os.lseek(descriptor, 0, os.SEEK_CUR)
            self._begin_data(self._clean(name), size, 0o600, 0)
            self._copy(source, size, "standard input")

    def tree(self, name, path):
        """PATH with all below it as NAME: links, modes, times and empty files too."""
        info = os.lstat(path)
        mode, mtime = info.st_mode, int(info.st_mtime)
        if stat.S_ISDIR(mode):
            self.directory(name, stat.S_IMODE(mode), mtime)
            try:
                children = sorted(os.listdir(path))
            except OSError as error:
                raise UserError("cannot read %s: %s" % (path, error.strerror))
            for child in children:
                self.tree(name + "/" + child, os.path.join(path, child))
        elif stat.S_ISREG(mode):
            self.file(name, path)
        elif stat.S_ISLNK(mode):
            self.symlink(name, os.readlink(path), mtime)
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            self.node(name, mode, info.st_rdev, mtime)
        elif stat.S_ISFIFO(mode):
            self.node(name, mode, 0, mtime)

    def finish(self):
        """The trailer, and zeros to the next page: another archive may follow (C1)."""
        self._header(b"TRAILER!!!", 0, 0, 0, 1, 0, 11)
        self._pad(PAGE)
