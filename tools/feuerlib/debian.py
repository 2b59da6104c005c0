# SPDX-License-Identifier: MIT
"""Debian packages: downloaded with apt-get, unpacked, kept in the cache.

Nothing is installed, and no rights are needed.  A package that is in the cache is used
without asking the archive again; `refresh` asks.
"""
import glob
import os
import re
import shutil
import subprocess

from .common import UserError, cache_dir, say


def run_tool(arguments, what, cwd=None):
    """Run a Debian tool and return its output; a clear error if it fails."""
    try:
        done = subprocess.run(arguments, cwd=cwd, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise UserError("%s is needed to %s, and is not on this machine (is it Debian? "
                        "else give --initrd and --kernel)" % (arguments[0], what))
    if done.returncode != 0:
        raise UserError("cannot %s: `%s` failed:\n%s" % (
            what, " ".join(arguments), done.stderr.decode(errors="replace").strip()))
    return done.stdout


def package(name, refresh=False):
    """The path of NAME's .deb in the cache; downloaded when missing."""
    directory = cache_dir("packages")
    have = sorted(glob.glob(os.path.join(directory, glob.escape(name) + "_*.deb")),
                  key=os.path.getmtime)
    if have and not refresh:
        return have[-1]
    say("downloading Debian's package %s" % name)
    partial = os.path.join(directory, "partial.%d" % os.getpid())
    os.makedirs(partial, exist_ok=True)
    try:
        try:
            run_tool(["apt-get", "download", "-q", name], "download " + name, partial)
        except UserError as error:
            raise UserError("%s\n(no package lists yet? run `apt-get update` as root)"
                            % error)
        found = glob.glob(os.path.join(partial, "*.deb"))
        if len(found) != 1:
            raise UserError("apt-get download %s gave no package" % name)
        path = os.path.join(directory, os.path.basename(found[0]))
        os.replace(found[0], path)
        return path
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def unpacked(name, refresh=False):
    """The directory with NAME's files, unpacked once for each version."""
    archive = package(name, refresh)
    directory = os.path.join(cache_dir("unpacked"), os.path.basename(archive)[:-4])
    if not os.path.isdir(directory):
        partial = "%s.%d.part" % (directory, os.getpid())
        try:
            run_tool(["dpkg-deb", "-x", archive, partial], "unpack " + archive)
            try:
                os.rename(partial, directory)
            except OSError:
                if not os.path.isdir(directory):
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return directory


def linux_kernel(refresh=False):
    """The path of the vmlinuz of Debian's current cloud kernel."""
    kept = sorted(glob.glob(os.path.join(cache_dir("linux"), "vmlinuz-*")),
                  key=os.path.getmtime)
    if kept and not refresh:
        return kept[-1]
    meta = "linux-image-cloud-amd64"
    text = run_tool(["apt-cache", "depends", meta], "find the kernel's package").decode()
    match = re.search(r"Depends: (linux-image-[0-9]\S*)", text)
    if match is None:
        raise UserError("apt-cache knows no %s; run `apt-get update` as root" % meta)
    directory = unpacked(match.group(1), refresh)
    images = glob.glob(os.path.join(directory, "boot", "vmlinuz-*"))
    if len(images) != 1:
        raise UserError("no vmlinuz in %s" % match.group(1))
    path = os.path.join(cache_dir("linux"), os.path.basename(images[0]))
    shutil.copyfile(images[0], path + ".part")
    os.replace(path + ".part", path)
    shutil.rmtree(directory, ignore_errors=True)
    return path
