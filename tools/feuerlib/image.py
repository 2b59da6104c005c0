# SPDX-License-Identifier: MIT
"""`feuer image`: a root archive of Debian's packages, or of any tar.

mmdebstrap downloads, unpacks and configures the packages, as root or as an ordinary
user; the tar that it gives is kept in the cache.  From a tar comes a cpio whose file
data lie on pages (cpio.py, C1), with FeuerBird's init and what a bootable root needs.

  I1  The same packages give the same bytes: times are cut off at one date, and what
      depends on the host or the moment is left out.
  I2  What the tar has is kept, but for what `finish` names.
"""
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

from .common import (TOOLS, UserError, anonymous_file, build_dir, cache_dir,
                     replace_file, say)
from .machine import guest_program, program_sources
from .tree import Tree

SUITE = "bookworm"
DATE = 1767225600  # 2026-01-01 00:00:00 UTC
VERSION = 1        # Of what is cached: count up when mmdebstrap is called differently.
PACKAGES = (
    "base-files base-passwd bash bc bsdextrautils bsdutils bzip2 coreutils dash "
    "debianutils diffutils file findutils grep gzip hostname less libc-bin "
    "libpam-modules libpam-runtime login mawk mount ncurses-base ncurses-bin passwd "
    "perl-base procps psmisc sed tar tzdata usr-is-merged util-linux util-linux-extra "
    "vim-tiny xz-utils").split()
# What every package list needs, so that maintainer scripts run.
NEEDED = "base-files base-passwd coreutils dash diffutils libc-bin perl-base sed tar " \
    "grep mawk findutils debianutils usr-is-merged".split()
LEFT_OUT = re.compile(
    r"(usr/share/(man|locale|info|lintian)/.|usr/share/doc/[^/]+/(?!copyright$)|"
    r"var/log/.*\.log$|var/cache/(apt|debconf|ldconfig)/.|var/lib/apt/lists/.|"
    r"(etc|var/lib/dpkg|var/cache/debconf)/[^/]*-(old)?$|etc/alternatives/.*\.gz$|"
    r"etc/dpkg/dpkg.cfg.d/99mmdebstrap$|etc/apt/apt.conf.d/99mmdebstrap$|"
    r"etc/(resolv\.conf|hostname|\.pwd\.lock)$|dev/.|run/.|tmp/.)")
MERGED = 'for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s usr/$d "$1/$d"; done'
PROGRESS_SECONDS = 2.0
COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"),
                (b"\x28\xb5\x2f\xfd", "zstd"))
DIRECTORIES = (("dev", 0o755), ("etc", 0o755), ("home", 0o755), ("mnt", 0o755),
               ("proc", 0o555), ("root", 0o700), ("run", 0o755), ("sys", 0o555),
               ("tmp", 0o1777), ("var", 0o755), ("var/tmp", 0o1777))
NODES = (("console", 0o600, 5, 1), ("full", 0o666, 1, 7), ("null", 0o666, 1, 3),
         ("random", 0o666, 1, 8), ("tty", 0o666, 5, 0), ("urandom", 0o666, 1, 9),
         ("zero", 0o666, 1, 5))
POWER = ("halt", "poweroff", "reboot")


class Progress:
    """Says how far something is, each two seconds; a quick job stays silent."""

    def __init__(self, what):
        self.what, self.next = what, time.monotonic() + PROGRESS_SECONDS

    def __call__(self, part):
        if time.monotonic() >= self.next:
            say("%s: %d %%" % (self.what, part * 100))
            self.next = time.monotonic() + PROGRESS_SECONDS


# ---- Debian's packages ----

def problem(text, packages):
    """What went wrong, from mmdebstrap's messages."""
    unknown = re.findall(r"Unable to locate package (\S+)|"
                         r"Package '?([^\s']+)'? has no installation candidate", text)
    if unknown:
        names = sorted({one or two for one, two in unknown})
        return "Debian %s has no package named %s" % (SUITE, ", ".join(names))
    if re.search(r"resolv|Could not connect|Unable to connect|Network is unreachable|"
                 r"Connection (refused|timed out)|Failed to fetch|no longer signed", text):
        return ("Debian's archive does not answer. Connect this machine to the network "
                "(a proxy is named by http_proxy), or bring a root in a tar: "
                "feuer image --from FILE. Its words:\n%s" % last_lines(text))
    if re.search(r"No space left", text):
        return "the disk is full; set TMPDIR to a directory with 500 MB of room"
    return "mmdebstrap could not make a root of %s:\n%s" % (
        ",".join(packages), last_lines(text))


def last_lines(text):
    wanted = [line for line in text.split("\n")
              if re.search(r"(^E:|^W:|error|Err:|fail)", line, re.I)] or text.split("\n")
    return "\n".join("  | " + line[:200] for line in wanted[-12:])


def mmdebstrap_command(packages, path):
    command = ["mmdebstrap", "--variant=custom", "--format=tar",
               "--include=" + ",".join(packages), "--setup-hook=" + MERGED]
    for place in ("locale", "info", "doc"):
        command.append("--dpkgopt=path-exclude=/usr/share/%s/*" % place)
    command.append("--dpkgopt=path-include=/usr/share/doc/*/copyright")
    return command + [SUITE, path]


def show_steps(stream, kept):
    """mmdebstrap's messages: its steps are shown, and all is kept."""
    for line in stream:
        line = line.decode(errors="replace").rstrip()
        kept.append(line)
        if line.startswith("I: ") and ("..." in line or "success" in line):
            say(line[3:])


def run_mmdebstrap(packages, path):
    """Make the tar PATH.  Shows what it does, and that it still works."""
    if shutil.which("mmdebstrap") is None:
        raise UserError("mmdebstrap is missing; run tools/deps.sh, or install the "
                        "packages mmdebstrap and fakechroot, or bring a root in a tar: "
                        "feuer image --from FILE")
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(DATE), LC_ALL="C",
                       DEBIAN_FRONTEND="noninteractive")
    environment["PATH"] = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    begin = time.monotonic()
    process = subprocess.Popen(mmdebstrap_command(packages, path), env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    kept = []
    reader = threading.Thread(target=show_steps, args=(process.stdout, kept), daemon=True)
    reader.start()
    try:
        while True:
            try:
                process.wait(10)
                break
            except subprocess.TimeoutExpired:
                say("still at it after %d s" % (time.monotonic() - begin))
    except BaseException:
        # It removes its half-made root when it is asked to end.
        process.terminate()
        process.wait()
        raise
    reader.join()
    if process.returncode != 0 or not os.path.getsize(path):
        raise UserError(problem("\n".join(kept), packages))


def packages_tar(packages, refresh):
    """The tar of the packages from the cache, made when missing."""
    packages = sorted(set(packages))
    bad = [name for name in packages if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name)]
    if bad:
        raise UserError("%r is no name of a Debian package" % bad[0])
    key = hashlib.sha256(" ".join([SUITE, str(VERSION), str(DATE)] + packages).encode())
    directory = cache_dir("images")
    path = os.path.join(directory, key.hexdigest()[:24] + ".tar")
    if os.path.isfile(path) and not refresh:
        return path
    say("making a root of %d Debian packages and what they need; this takes a minute, "
        "once" % len(packages))
    # mmdebstrap may work as another user of a namespace: the tar is made where it may.
    partial = tempfile.NamedTemporaryFile(prefix="feuer-", suffix=".tar")
    with partial:
        run_mmdebstrap(packages, partial.name)
        with open(partial.name, "rb") as made:
            replace_file(path, lambda out: shutil.copyfileobj(made, out, 1 << 20))
    return path


# ---- a tar ----

def open_tar(path):
    """An open file with the tar's bytes, compression undone."""
    try:
        file = open(path, "rb")
        magic = file.read(6)
        file.seek(0)
    except OSError as error:
        raise UserError("cannot read %s: %s" % (path, error.strerror))
    for start, tool in COMPRESSIONS:
        if magic.startswith(start):
            return decompressed(path, file, tool)
    return file


def decompressed(path, file, tool):
    if shutil.which(tool) is None:
        raise UserError("%s is compressed with %s, which is not on this machine; install "
                        "it (the package is %s)" % (path, tool, {"xz": "xz-utils"}.get(
                            tool, tool)))
    out = anonymous_file()
    os.lseek(file.fileno(), 0, os.SEEK_SET)     # the program reads the descriptor
    process = subprocess.Popen([tool, "-dc"], stdin=file, stdout=out,
                               stderr=subprocess.PIPE)
    progress, size = Progress("unpacking " + os.path.basename(path)), \
        max(1, os.fstat(file.fileno()).st_size)
    while True:
        try:
            error = process.communicate(timeout=0.5)[1]
            break
        except subprocess.TimeoutExpired:
            progress(os.lseek(file.fileno(), 0, os.SEEK_CUR) / size)
    file.close()
    if process.returncode != 0:
        raise UserError("%s is damaged: %s" % (path, error.decode(errors="replace")
                                               .strip() or tool + " failed"))
    out.seek(0)
    return out


# ---- what a bootable root needs ----

def add_line(tree, name, key, line, mode=0o644, owner=(0, 0)):
    """Add LINE to the file NAME unless an entry for KEY is there; the file must be."""
    content = tree.read(name)
    if not content or re.search(r"^%s:" % re.escape(key), content, re.M):
        return
    tree.text(name, content.rstrip("\n") + "\n" + line + "\n", mode, owner)


def shadow_group(tree):
    found = re.search(r"^shadow:[^:]*:(\d+):", tree.read("etc/group"), re.M)
    return int(found.group(1)) if found else 0


def add_user(tree):
    """`user`, 1000, without a password, as is root; the home is a copy of /etc/skel."""
    passwd = tree.read("etc/passwd")
    shell = "/bin/bash" if tree.has("bin/bash") else "/bin/sh"
    if not passwd:
        tree.text("etc/passwd", "root:x:0:0:root:/root:%s\n" % shell)
    if not tree.read("etc/group"):
        tree.text("etc/group", "root:x:0:\ntty:x:5:\n")
    owner = (0, shadow_group(tree))
    if not tree.read("etc/shadow"):
        tree.text("etc/shadow", "root::19000:0:99999:7:::\n", 0o640, owner)
    shadow = re.sub(r"^root:[^:]*:", "root::", tree.read("etc/shadow"), flags=re.M)
    tree.text("etc/shadow", shadow, 0o640, owner)
    if re.search(r"^[^:]*:[^:]*:1000:", passwd, re.M) or \
            re.search(r"^user:", passwd, re.M):
        return
    add_line(tree, "etc/passwd", "user", "user:x:1000:1000:user:/home/user:" + shell)
    add_line(tree, "etc/group", "user", "user:x:1000:")
    add_line(tree, "etc/shadow", "user", "user::19000:0:99999:7:::", 0o640, owner)
    add_line(tree, "etc/gshadow", "user", "user:!::", 0o640, owner)
    tree.directory("home/user", 0o755, (1000, 1000))
    for name in [one for one in sorted(tree.table) if one.startswith("etc/skel/")]:
        if tree.table[name].kind == "file":
            tree.text("home/user/" + name[9:], tree.read(name), 0o644, (1000, 1000))


def finish(tree):
    """Add what the machine is started with; keep what the root has of it."""
    for name, mode in DIRECTORIES:
        if not tree.leads_to_directory(name):
            tree.directory(name, mode)
    for name, mode, major, minor in NODES:
        tree.node("dev/" + name, stat.S_IFCHR | mode, os.makedev(major, minor))
    for name in (".dockerenv", "etc/hostname", "etc/hosts"):
        if tree.has(name):
            tree.remove(tree.resolve(name))
    tree.text("etc/hostname", "feuerbird\n")
    tree.text("etc/hosts", "127.0.0.1\tlocalhost feuerbird\n"
              "::1\t\tlocalhost ip6-localhost ip6-loopback\n")
    add_user(tree)
    if not tree.has("usr/sbin/zonectl") and not tree.has("sbin/zonectl"):
        tree.file("sbin/zonectl", guest_program("zonectl"), 0o755, DATE)
    if not tree.has("init"):
        tree.file("init", guest_program("init"), 0o755, DATE)
        for name in POWER:
            if not tree.has("sbin/" + name) and not tree.has("usr/sbin/" + name):
                tree.symlink("sbin/" + name, "/init")


def write_image(tree, path):
    finish(tree)
    progress = Progress("writing " + os.path.basename(path))
    replace_file(path, lambda out: tree.write(out, progress))


def of_packages(packages, path, refresh=False, add=None):
    """Write the archive of PACKAGES to PATH."""
    with open(packages_tar(set(packages) | set(NEEDED), refresh), "rb") as file:
        tree = Tree(DATE)
        tree.read_tar(file, DATE)
        for name in [one for one in tree.table if LEFT_OUT.match(one)]:
            tree.remove(name)
        if add:
            tree.lay_over(add)
        write_image(tree, path)


def of_tar(source, path, add=None):
    with open_tar(source) as file:
        tree = Tree(DATE)
        try:
            tree.read_tar(file)
        except UserError as error:
            raise UserError("%s: %s" % (source, error))
        if add:
            tree.lay_over(add)
        write_image(tree, path)


def default():
    """The path of the default image, made when missing or older than its sources."""
    path = os.path.join(build_dir(), "debian.cpio")
    here = os.path.join(TOOLS, "feuerlib")
    sources = [os.path.join(here, name) for name in ("image.py", "tree.py", "cpio.py")]
    sources += program_sources("init") + program_sources("zonectl")
    try:
        built = os.stat(path).st_mtime
    except OSError:
        built = -1
    if any(os.stat(source).st_mtime > built for source in sources):
        of_packages(PACKAGES, path)
    return path


def chosen(name):
    """The archive that --image NAME means."""
    if name == "debian":
        return default()
    try:
        with open(name, "rb") as file:
            head = file.read(512)
    except OSError as error:
        raise UserError("cannot read the image %s: %s" % (name, error.strerror))
    if head[257:262] == b"ustar" or any(head.startswith(start)
                                        for start, _ in COMPRESSIONS[1:]):
        raise UserError("%s is a tar, not an image; make one of it: feuer image --from %s"
                        % (name, name))
    return name


def main(options):
    if options.add and not os.path.isdir(options.add):
        raise UserError("--add wants a directory, and %s is none" % options.add)
    if options.source:
        if options.packages or options.refresh:
            raise UserError("--from takes a tar; --packages and --refresh go without it")
        stem = re.sub(r"\.(tar|tgz|txz)(\.\w+)?$", "", os.path.basename(options.source))
        path = options.output or os.path.join(build_dir(), "image-%s.cpio" % stem)
        of_tar(options.source, path, options.add)
    else:
        packages = [one for one in re.split(r"[,\s]+", options.packages or "") if one]
        plain = not packages and not options.add
        path = options.output or os.path.join(build_dir(), "debian.cpio" if plain
                                              else "image.cpio")
        of_packages(packages or PACKAGES, path, options.refresh, options.add)
    say("%d MB in %s" % (os.path.getsize(path) >> 20, path)) if sys.stderr.isatty() \
        else None
    print(path)
    return 0
