# SPDX-License-Identifier: MIT
"""The default root: Debian's busybox-static and bash-static, tools/rootfs/, user/init.

The archive is the same for the same packages and sources: times are one fixed date,
owners are root, and names are sorted.
"""
import os
import stat
import subprocess

from . import cpio, debian
from .common import TOOLS, UserError, build_dir, replace_file
from .machine import guest_program, program_sources

OVERLAY = os.path.join(TOOLS, "rootfs")
DATE = 1767225600  # 2026-01-01 00:00:00 UTC
DIRECTORIES = (
    ("bin", 0o755), ("dev", 0o755), ("etc", 0o755), ("home", 0o755), ("mnt", 0o755),
    ("proc", 0o555), ("root", 0o700), ("run", 0o755), ("sbin", 0o755), ("sys", 0o555),
    ("tmp", 0o1777), ("usr", 0o755), ("usr/bin", 0o755), ("usr/sbin", 0o755),
    ("usr/share", 0o755), ("usr/share/doc", 0o755), ("var", 0o755),
    ("var/tmp", 0o1777))
NODES = (("dev/console", 0o600, 5, 1), ("dev/null", 0o666, 1, 3),
         ("dev/tty", 0o666, 5, 0), ("dev/zero", 0o666, 1, 5))


def find_program(directory, names):
    """The first of NAMES that exists below DIRECTORY."""
    for name in names:
        path = os.path.join(directory, name)
        if os.path.isfile(path) and not os.path.islink(path):
            return path
    raise UserError("none of %s in %s" % (", ".join(names), directory))


def applets(busybox):
    """The paths, without the first slash, that busybox wants to be called by."""
    try:
        text = subprocess.run([busybox, "--list-full"], check=True,
                              stdout=subprocess.PIPE).stdout.decode()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError("cannot list busybox's applets: %s" % error)
    return [line for line in text.split("\n") if "/" in line]


def entries(refresh=False):
    """{name: (kind, content...)} of the whole root."""
    busybox_dir = debian.unpacked("busybox-static", refresh)
    bash_dir = debian.unpacked("bash-static", refresh)
    busybox = find_program(busybox_dir, ("bin/busybox", "usr/bin/busybox"))
    bash = find_program(bash_dir, ("bin/bash-static", "usr/bin/bash-static"))
    table = {name: ("directory", mode) for name, mode in DIRECTORIES}
    for name, mode, major, minor in NODES:
        table[name] = ("node", stat.S_IFCHR | mode, os.makedev(major, minor))
    for name in applets(busybox):
        table[name] = ("symlink", "/bin/busybox")
    table["init"] = ("file", guest_program("init"), 0o755)
    table["sbin/zonectl"] = ("file", guest_program("zonectl"), 0o755)
    table["bin/busybox"] = ("file", busybox, 0o755)
    table["bin/bash"] = ("file", bash, 0o755)
    table["bin/bash-static"] = ("symlink", "bash")
    for directory, package in ((busybox_dir, "busybox-static"),
                               (bash_dir, "bash-static")):
        for notice in ("%s/copyright" % package, "bash/copyright"):
            path = os.path.join(directory, "usr/share/doc", notice)
            if os.path.isfile(path):
                table["usr/share/doc/" + package] = ("directory", 0o755)
                table["usr/share/doc/%s/copyright" % package] = ("file", path, 0o644)
    for directory, _, names in os.walk(OVERLAY):
        for name in names:
            path = os.path.join(directory, name)
            mode = 0o755 if os.stat(path).st_mode & 0o100 else 0o644
            table[os.path.relpath(path, OVERLAY)] = ("file", path, mode)
    return table


def build(path, refresh=False):
    """Write the archive to PATH."""
    table = entries(refresh)

    def write(out):
        archive = cpio.Writer(out)
        for name in sorted(table):
            kind, *rest = table[name]
            if kind == "directory":
                archive.directory(name, rest[0], DATE)
            elif kind == "symlink":
                archive.symlink(name, rest[0], DATE)
            elif kind == "node":
                archive.node(name, rest[0], rest[1], DATE)
            else:
                archive.file(name, rest[0], rest[1], DATE)
        archive.finish()

    replace_file(path, write)


def default():
    """The path of the default root, built when missing or older than its sources."""
    path = os.path.join(build_dir(), "rootfs.cpio")
    sources = [os.path.join(TOOLS, "feuerlib", name) for name in ("rootfs.py", "cpio.py")]
    sources += program_sources("init") + program_sources("zonectl")
    for directory, _, names in os.walk(OVERLAY):
        sources += [os.path.join(directory, name) for name in names]
    try:
        built = os.stat(path).st_mtime
    except OSError:
        built = -1
    if any(os.stat(source).st_mtime > built for source in sources):
        build(path)
    return path
