# SPDX-License-Identifier: MIT
"""A root directory as a table of names, read from a tar and written as a cpio.

  T1  A name has no slash at its ends and no component "." or "..".
  T2  What lies below a symbolic link of the tree is kept under the link's target: cpio
      has no order that would make the target first.
  T3  Every directory that a name needs is in the table.
"""
import os
import stat
import tarfile

from . import cpio
from .common import UserError

LINKS_MAX = 40


class Entry:
    """KIND: directory, file, symlink, node.  DATA: bytes, a path, or a tar's member for a
    file; a symlink's target; a node's number."""

    __slots__ = ("kind", "mode", "owner", "mtime", "data", "links", "inode")

    def __init__(self, kind, mode, data=None, owner=cpio.ROOT, mtime=0):
        self.kind, self.mode, self.data = kind, mode, data
        self.owner, self.mtime, self.links, self.inode = owner, mtime, 1, None


class Tree:
    def __init__(self, date):
        self.table = {}
        self.date = date
        self.tar = None

    # ---- names ----

    @staticmethod
    def clean(name):
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise UserError("the path %r leads out of the root" % name)
        return "/".join(parts)

    def resolve(self, name):
        """NAME with the links of all but its last component followed (T2)."""
        todo, done, followed = self.clean(name).split("/")[::-1], [], 0
        while len(todo) > 1:
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            entry = self.table.get("/".join(done + [part]))
            if entry is None or entry.kind != "symlink":
                done.append(part)
                continue
            followed += 1
            if followed > LINKS_MAX:
                raise UserError("the path %r has too many symbolic links" % name)
            if entry.data.startswith("/"):
                done = []
            todo += [one for one in entry.data.split("/")[::-1] if one not in ("", ".")]
        return "/".join(done + todo)

    # ---- entries ----

    def put(self, name, entry):
        """Add or replace; the directories above are made where missing (T3)."""
        name = self.resolve(name)
        if not name:
            return
        old = self.table.get(name)
        if old is not None and old.kind == "directory" and entry.kind != "directory":
            self.remove(name)
        above = name.rpartition("/")[0]
        if above and (above not in self.table or self.table[above].kind != "directory"):
            self.put(above, Entry("directory", 0o755, mtime=self.date))
        self.table[name] = entry

    def remove(self, name):
        """NAME and all below it."""
        for one in [one for one in self.table
                    if one == name or one.startswith(name + "/")]:
            del self.table[one]

    def directory(self, name, mode, owner=cpio.ROOT):
        self.put(name, Entry("directory", mode, None, owner, self.date))

    def symlink(self, name, target):
        self.put(name, Entry("symlink", 0o777, target, mtime=self.date))

    def text(self, name, content, mode=0o644, owner=cpio.ROOT):
        self.put(name, Entry("file", mode, content.encode(), owner, self.date))

    def file(self, name, path, mode, mtime=None):
        self.put(name, Entry("file", mode, path, mtime=self.date if mtime is None
                             else mtime))

    def node(self, name, mode, rdev):
        self.put(name, Entry("node", mode, rdev, mtime=self.date))

    def has(self, name):
        return self.resolve(name) in self.table

    def read(self, name):
        """The content of a file, or "" when it is missing, a link or no text."""
        entry = self.table.get(self.resolve(name))
        if entry is None or entry.kind != "file":
            return ""
        if isinstance(entry.data, tarfile.TarInfo):
            return self.tar.extractfile(entry.data).read().decode(errors="replace")
        if isinstance(entry.data, str):
            with open(entry.data, "rb") as file:
                return file.read().decode(errors="replace")
        return entry.data.decode(errors="replace")

    # ---- where entries come from ----

    def lay_over(self, path, name=""):
        """The files of the host's directory PATH, owned by root."""
        for child in sorted(os.listdir(path)):
            full, inner = os.path.join(path, child), (name + "/" + child).strip("/")
            info = os.lstat(full)
            mode, when = stat.S_IMODE(info.st_mode), int(info.st_mtime)
            if stat.S_ISDIR(info.st_mode):
                if not self.leads_to_directory(inner):
                    self.put(inner, Entry("directory", mode, mtime=when))
                self.lay_over(full, inner)
            elif stat.S_ISREG(info.st_mode):
                self.file(inner, full, mode, when)
            elif stat.S_ISLNK(info.st_mode):
                self.put(inner, Entry("symlink", 0o777, os.readlink(full), mtime=when))
            elif not stat.S_ISSOCK(info.st_mode):
                self.put(inner, Entry("node", info.st_mode, info.st_rdev, mtime=when))

    def leads_to_directory(self, name):
        """True if NAME is a directory, or a link to one."""
        entry = self.table.get(self.resolve(name + "/x").rpartition("/")[0])
        return entry is not None and entry.kind == "directory"

    def read_tar(self, file, latest=None):
        """All members of FILE, an open tar without compression, which stays in use.

        LATEST cuts off later times.  Extended attributes are not kept.
        """
        try:
            self.tar = tarfile.open(fileobj=file, mode="r:")
            members = self.tar.getmembers()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise UserError("this is not a whole tar archive: %s" % error)
        size = os.fstat(file.fileno()).st_size
        links = []
        for member in members:
            if member.isreg() and member.offset_data + member.size > size and \
                    not member.issparse():
                raise UserError("the tar archive ends in the middle of %s" % member.name)
            if member.islnk():
                links.append(member)
            else:
                self.put_member(member, latest)
        for member in links:
            target = self.table.get(self.resolve(member.linkname))
            if target is None or target.kind == "directory":
                raise UserError("the tar archive's %s is a link to %s, which is not in it"
                                % (member.name, member.linkname))
            target.links += 1
            self.put(member.name, target)
        if not self.table:
            raise UserError("the tar archive is empty")

    def put_member(self, member, latest):
        mtime = int(member.mtime)
        if latest is not None:
            mtime = min(mtime, latest)
        entry = Entry("file", member.mode & 0o7777, member, (member.uid, member.gid),
                      max(mtime, 0))
        if member.isdir():
            entry.kind = "directory"
        elif member.issym():
            entry.kind, entry.data = "symlink", member.linkname
        elif member.ischr() or member.isblk() or member.isfifo():
            entry.kind = "node"
            kind = (stat.S_IFCHR if member.ischr() else stat.S_IFBLK if member.isblk()
                    else stat.S_IFIFO)
            entry.mode |= kind
            entry.data = 0 if member.isfifo() else os.makedev(member.devmajor,
                                                              member.devminor)
        elif not member.isreg():
            raise UserError("the tar archive's %s is of the unknown type %r"
                            % (member.name, member.type))
        self.put(member.name, entry)

    # ---- out ----

    def write(self, out, progress):
        """The archive; PROGRESS(part) is told how much of it is done, 0 to 1."""
        archive = cpio.Writer(out)
        names = sorted(self.table)
        for count, name in enumerate(names):
            self.write_entry(archive, name, self.table[name])
            if count % 64 == 0:
                progress(count / len(names))
        archive.finish()

    def write_entry(self, archive, name, entry):
        about = (entry.mode, entry.mtime, entry.owner)
        if entry.kind == "directory":
            archive.directory(name, *about)
        elif entry.kind == "symlink":
            archive.symlink(name, entry.data, entry.mtime, entry.owner)
        elif entry.kind == "node":
            archive.node(name, entry.mode, entry.data, entry.mtime, entry.owner)
        elif entry.inode is not None:
            archive.link(name, *about, entry.links, entry.inode)
        elif isinstance(entry.data, tarfile.TarInfo):
            with self.tar.extractfile(entry.data) as source:
                entry.inode = archive.stream(name, source, entry.data.size, *about,
                                             entry.links)
        elif isinstance(entry.data, str):
            archive.file(name, entry.data, entry.mode, entry.mtime)
        else:
            archive.bytes(name, entry.data, entry.mode, entry.mtime, entry.owner)
