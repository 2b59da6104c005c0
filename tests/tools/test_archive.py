# SPDX-License-Identifier: MIT
"""The archive writer, the manifest area, the trial guest: no guest is booted."""
import io
import os
import shutil
import stat
import subprocess
import sys

from harness import Skip, run_all
from feuerlib import accel, cpio, manifest, rootfs
from feuerlib.common import TOOLS, UserError


def parse(data):
    """A reader of newc archives: [(name, mode, content, offset of content)]."""
    at, entries = 0, []
    while at < len(data):
        if data[at] == 0:
            at += 1
            continue
        assert data[at:at + 6] == b"070701", at
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        size, namesize = fields[6], fields[11]
        assert namesize <= 4096, "C2"
        name = data[at + 110:at + 110 + namesize].split(b"\0", 1)[0]
        body = (at + 110 + namesize + 3) & ~3
        entries.append((name.decode(), fields[1], data[body:body + size], body))
        at = (body + size + 3) & ~3
    assert len(data) % 4096 == 0
    return entries


def test_writer_when_files_have_data_then_aligned_alone_on_pages(_directory):
    """Verify C1 for names and sizes that force every way of padding."""
    out = io.BytesIO()
    archive = cpio.Writer(out)
    sizes = list(range(0, 40)) + list(range(3800, 4200, 7)) + [10000, 4096, 8192]
    for number, size in enumerate(sizes):
        name = "f%d%s" % (number, "x" * (number * 37 % 200))
        archive.bytes(name, b"d" * size)
        archive.symlink("l%d" % number, "t" * (number * 53 % 3000 + 1))
    archive.finish()
    pages = set()
    found = parse(out.getvalue())
    contents = [len(body) for name, mode, body, _ in found if name.startswith("f")]
    assert contents == sizes
    for name, mode, body, offset in found:
        if stat.S_ISREG(mode) and body:
            assert offset % 4096 == 0, name
            mine = set(range(offset // 4096, (offset + len(body) - 1) // 4096 + 1))
            assert not pages & mine, name
            pages |= mine


def test_tree_when_unpacked_by_cpio_then_same(directory):
    """Verify that GNU cpio gives back links, modes, sizes and contents."""
    if shutil.which("cpio") is None:
        raise Skip("no cpio")
    source = os.path.join(directory, "source")
    os.makedirs(source + "/deep/er")
    for number in range(300):
        with open("%s/deep/%s%d" % (source, "n" * (number % 90), number), "wb") as file:
            file.write(os.urandom(number * 31 % 5000))
    os.symlink("deep/er", source + "/link")
    os.symlink("/nowhere", source + "/dangling")
    os.chmod(source + "/deep/0", 0o4711)
    open(source + "/empty", "w").close()
    os.mkfifo(source + "/fifo")
    path = os.path.join(directory, "archive")
    with open(path, "wb") as out:
        archive = cpio.Writer(out)
        archive.tree("add", source)
        archive.finish()
    target = os.path.join(directory, "target")
    os.mkdir(target)
    with open(path, "rb") as file:
        subprocess.run(["cpio", "-idm", "--quiet"], cwd=target, stdin=file, check=True)
    subprocess.run(["diff", "-r", "--no-dereference", "-x", "fifo", source,
                    target + "/add"], check=True)
    assert stat.S_IMODE(os.stat(target + "/add/deep/0").st_mode) == 0o4711
    assert stat.S_ISFIFO(os.stat(target + "/add/fifo").st_mode)


def test_rootfs_when_built_twice_then_equal(directory):
    """Verify that the default root is reproducible and has what it should."""
    paths = [os.path.join(directory, name) for name in ("one", "two")]
    for path in paths:
        rootfs.build(path)
    contents = [open(path, "rb").read() for path in paths]
    assert contents[0] == contents[1]
    names = {name: mode for name, mode, _, _ in parse(contents[0])}
    for name in ("init", "bin/busybox", "bin/bash", "bin/sh", "etc/passwd", "tmp"):
        assert name in names, name
    assert names["init"] & 0o111 and stat.S_ISLNK(names["bin/sh"])
    assert names["tmp"] & 0o7777 == 0o1777


def test_manifest_when_replaced_then_only_the_area_changes(directory):
    """Verify the area's limits, and errors for files without one."""
    kernel = os.path.join(directory, "kernel")
    area = manifest.MARKER + b"old" + bytes(manifest.AREA - len(manifest.MARKER) - 3)
    with open(kernel, "wb") as file:
        file.write(b"\x7fELF" + os.urandom(8188) + area + b"tail")
    assert manifest.read(kernel) == b"old"
    text = b"n" * (manifest.AREA - len(manifest.MARKER) - 1)
    copy = manifest.replaced(kernel, text)
    copy.seek(0)
    changed, before = copy.read(), open(kernel, "rb").read()
    assert len(changed) == len(before)
    assert changed[:8192] == before[:8192] and changed[-4:] == b"tail"
    for bad in (text + b"n", b"a\0b"):
        try:
            manifest.replaced(kernel, bad)
            raise AssertionError("accepted")
        except UserError:
            pass
    with open(kernel, "wb") as file:
        file.write(b"no area here")
    try:
        manifest.replaced(kernel, b"x")
        raise AssertionError("accepted")
    except UserError as error:
        assert "no manifest area" in str(error)


def test_trial_guest_when_assembled_then_same_as_kept(directory):
    """Verify that accel.TRIAL_CODE is trial.S."""
    if shutil.which("gcc") is None or shutil.which("ld") is None:
        raise Skip("no gcc")
    base = os.path.join(directory, "trial")
    subprocess.run(["gcc", "-m64", "-c", "-o", base + ".o",
                    os.path.join(TOOLS, "feuerlib", "trial.S")], check=True)
    subprocess.run(["ld", "-Ttext=0", "-e", "0", "--oformat", "binary", "-o", base,
                    base + ".o"], check=True)
    assert open(base, "rb").read() == accel.TRIAL_CODE


def test_trial_when_run_on_tcg_then_gets_there(_directory):
    """Verify that the trial guest reports success where a guest does run."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise Skip("no QEMU")
    assert accel.trial(qemu, accel.TCG)
    assert not accel.trial(qemu, ("-accel", "nosuch"))


if __name__ == "__main__":
    run_all(sys.modules[__name__])
