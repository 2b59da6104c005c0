# SPDX-License-Identifier: MIT
"""`feuer image`, and the Debian root on a pseudo-terminal, with the kernel under test."""
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import time

from harness import FEUER, feuer_exec, kernel_options, run_all
from screen import PROMPT, with_screen
from feuerlib import image
from feuerlib.common import UserError, cache_dir
from test_archive import parse

DEBIAN = ["--image", "debian"]


def on_debian(test):
    return with_screen(test, DEBIAN)


def feuer_image(*arguments, **where):
    return subprocess.run([FEUER, "image", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600,
                          **where)


def make_tar(path, mode="w"):
    """A small root with busybox, links of both kinds, owners, a FIFO and a device."""
    from feuerlib import debian, rootfs
    busybox = rootfs.find_program(debian.unpacked("busybox-static"),
                                  ("bin/busybox", "usr/bin/busybox"))

    def entry(name, kind=tarfile.REGTYPE, data=b"", **more):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mtime, info.mode = kind, len(data), 1000000000, 0o755
        for key, value in more.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(data))

    with tarfile.open(path, mode) as tar:
        entry("./usr/bin", tarfile.DIRTYPE)
        entry("./bin", tarfile.SYMTYPE, linkname="usr/bin")
        tar.add(busybox, "./usr/bin/busybox")
        entry("./usr/bin/sh", tarfile.LNKTYPE, linkname="./usr/bin/busybox")
        entry("./opt/data", data=b"some data\n" * 1000, uid=12, gid=34, mode=0o640)
        entry("./opt/same", tarfile.LNKTYPE, linkname="opt/data")
        entry("./opt/" + "long" * 40, data=b"x")
        entry("./opt/fifo", tarfile.FIFOTYPE)
        entry("./opt/null", tarfile.CHRTYPE, devmajor=1, devminor=3)


def test_tar_when_made_an_image_then_all_is_there(directory):
    """Verify links, owners, modes, times and alignment of what comes from a tar."""
    source, path = os.path.join(directory, "root.tar"), os.path.join(directory, "i.cpio")
    make_tar(source)
    done = feuer_image("--from", source, "-o", path)
    assert done.returncode == 0, done
    assert done.stdout.decode().strip() == path
    with open(path, "rb") as file:
        found = {name: (mode, body, at) for name, mode, body, at in parse(file.read())}
    for name in ("init", "bin", "usr/bin/busybox", "etc/passwd", "dev/console", "proc",
                 "home/user", "opt/" + "long" * 40):
        assert name in found, name
    assert stat.S_ISLNK(found["bin"][0]) and stat.S_ISFIFO(found["opt/fifo"][0])
    assert found["opt/data"][2] % 4096 == 0
    outcome = feuer_exec(["--initrd", path], [
        "busybox", "sh", "-c", "alias b=busybox\n"
        "b stat -c '%a %u %g %h %Y' /opt/data; b cmp /opt/data /opt/same\n"
        "b ls -i /opt/data /opt/same | b awk '{ print $1 }' | b uniq | b wc -l\n"
        "b wc -c </bin/busybox | b awk '{ print ($1 > 100000) }'; b id -u user"])
    assert outcome.out == b"640 12 34 2 1000000000\n1\n1\n1000\n", outcome


def test_tar_when_compressed_then_same_image(directory):
    """Verify gzip, xz, bzip2 and zstd; and --image with the result."""
    make_tar(os.path.join(directory, "root.tar"))
    contents = set()
    for tool in ("", "gzip", "xz", "bzip2", "zstd"):
        source = os.path.join(directory, "root.tar")
        if tool:
            if shutil.which(tool) is None:
                continue
            packed = source + "." + tool
            with open(packed, "wb") as out:
                subprocess.run([tool, "-c", source], stdout=out, check=True)
            source = packed
        path = os.path.join(directory, "i.cpio")
        done = feuer_image("--from", source, "-o", path)
        assert done.returncode == 0, done
        with open(path, "rb") as file:
            contents.add(file.read())
    assert len(contents) == 1
    outcome = feuer_exec(["--image", path], ["busybox", "echo", "booted"])
    assert outcome.out == b"booted\n", outcome


def test_add_when_a_directory_is_given_then_laid_over(directory):
    """Verify that files go below links of the root, and replace what was there."""
    source, path = os.path.join(directory, "root.tar"), os.path.join(directory, "i.cpio")
    make_tar(source)
    over = os.path.join(directory, "over")
    os.makedirs(over + "/bin")
    os.makedirs(over + "/opt")
    for name in ("bin/tool", "opt/data"):
        with open(os.path.join(over, name), "w") as file:
            file.write("#!/bin/sh\necho mine\n")
        os.chmod(os.path.join(over, name), 0o755)
    done = feuer_image("--from", source, "--add", over, "-o", path)
    assert done.returncode == 0, done
    with open(path, "rb") as file:
        names = {name: body for name, _, body, _ in parse(file.read())}
    assert b"mine" in names["usr/bin/tool"] and b"mine" in names["opt/data"]
    assert "bin/tool" not in names


def test_tar_when_bad_then_clear_error(directory):
    """Verify damaged, cut, missing and empty archives, and links to nowhere."""
    whole = os.path.join(directory, "root.tar")
    make_tar(whole)
    with open(whole, "rb") as file:
        data = file.read()
    dangling = io.BytesIO()
    with tarfile.open(fileobj=dangling, mode="w") as tar:
        info = tarfile.TarInfo("x")
        info.type, info.linkname = tarfile.LNKTYPE, "y"
        tar.addfile(info)
    escape = io.BytesIO()
    with tarfile.open(fileobj=escape, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../x"))
    for content, words in ((b"no tar at all" * 100, "not a whole tar"),
                           (data[:len(data) // 2], "ends in the middle|not a whole tar"),
                           (b"\x1f\x8b" + os.urandom(500), "damaged"),
                           (dangling.getvalue(), "is a link to y, which is not in it"),
                           (escape.getvalue(), "leads out of the root")):
        path = os.path.join(directory, "bad")
        with open(path, "wb") as file:
            file.write(content)
        done = feuer_image("--from", path, "-o", os.path.join(directory, "out"))
        assert done.returncode == 125, done
        assert re.search(words, done.stderr.decode()), done.stderr
        assert b"Traceback" not in done.stderr, done.stderr
        assert not os.path.exists(os.path.join(directory, "out"))
    done = feuer_image("--from", os.path.join(directory, "nosuch"))
    assert done.returncode == 125 and b"No such file" in done.stderr, done
    done = subprocess.run([FEUER, "exec", *kernel_options(), "--image", whole, "--",
                           "true"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert done.returncode == 125 and b"feuer image --from" in done.stderr, done


def test_mmdebstrap_when_it_fails_then_the_reason_is_told(directory):
    """Verify what is said of a missing tool, package, network and bad names."""
    tools = os.path.join(directory, "bin")
    os.mkdir(tools)
    environment = dict(os.environ, XDG_CACHE_HOME=directory)
    for text, words in (
            ("E: Unable to locate package nosuch", "no package named nosuch"),
            ("E: Failed to fetch x  Could not resolve 'host'", "does not answer.*--from"),
            ("E: something else", "something else")):
        fake = os.path.join(tools, "mmdebstrap")
        with open(fake, "w") as file:
            file.write("#!/bin/sh\necho \"%s\"\nexit 25\n" % text)
        os.chmod(fake, 0o755)
        done = feuer_image("--packages", "bash,nosuch", "-o", directory + "/out",
                           env=dict(environment, PATH=tools + ":" + os.environ["PATH"]))
        assert done.returncode == 125, done
        assert re.search(words, done.stderr.decode(), re.S), done.stderr
    done = feuer_image("--packages", "bash,bad name;", env=environment)
    assert done.returncode == 125 and b"no name of a Debian package" in done.stderr, done
    try:
        path, os.environ["PATH"] = os.environ["PATH"], directory
        image.run_mmdebstrap(["bash"], os.path.join(directory, "x.tar"))
        raise AssertionError("it ran")
    except UserError as error:
        assert "mmdebstrap is missing" in str(error) and "--from" in str(error)
    finally:
        os.environ["PATH"] = path


def test_packages_when_cached_then_quick_and_equal(directory):
    """Verify that the cache is used, and that the image is the same each time."""
    image.default()
    assert os.listdir(cache_dir("images"))
    paths = [os.path.join(directory, name) for name in ("one", "two")]
    for path in paths:
        begin = time.monotonic()
        done = feuer_image("-o", path)
        assert done.returncode == 0 and b"mmdebstrap" not in done.stderr, done
        assert time.monotonic() - begin < 60
    contents = [open(path, "rb").read() for path in paths]
    assert contents[0] == contents[1]
    found = {name: mode for name, mode, _, _ in parse(contents[0])}
    for name in ("usr/bin/bash", "usr/bin/vim.tiny", "usr/bin/ps", "usr/bin/less",
                 "usr/bin/xz", "usr/bin/bc", "usr/bin/file", "usr/bin/su", "home/user"):
        assert name in found, name
    assert found["usr/bin/su"] & 0o4000


@on_debian
def test_debian_when_used_then_prompt_editing_and_jobs(screen):
    """Verify prompt, arrow keys, history, Ctrl-C, Ctrl-Z with fg and bg, and exit."""
    screen.expect(PROMPT)
    assert b"-bash /root C.UTF-8" in screen.line(b"echo $0 $HOME $LANG")
    assert b"37 101" in screen.line(b"stty size")
    assert b"feuerbird" in screen.line(b"hostname")
    screen.type(b"echo wrld\x1b[D\x1b[D\x1b[Do\x1b[H\x1b[F!\r")
    screen.expect(rb"\rworld!\r\n")
    screen.expect(PROMPT)
    screen.type(b"\x1b[A\x7f?\r")
    screen.expect(rb"\rworld\?\r\n")
    screen.expect(PROMPT)
    screen.type(b"\x12wor\r")
    screen.expect(rb"\rworld\?\r\n")
    screen.expect(PROMPT)
    screen.type(b"/bin/hostn\t\r")
    screen.expect(rb"\rfeuerbird\r\n")
    screen.expect(PROMPT)
    screen.start(b"exec sleep 100")
    screen.type(b"\x03")
    screen.expect(PROMPT, 20)
    assert b"130" in screen.line(b"echo $?")
    screen.start(b"exec sleep 101")
    screen.type(b"\x1a")
    assert b"Stopped" in screen.expect(PROMPT, 20)
    assert b"sleep 101' &" in screen.line(b"bg")
    assert b"Running" in screen.line(b"jobs")
    screen.type(b"fg\r")
    screen.expect(rb"sleep 101'\r\n")
    time.sleep(1)
    screen.type(b"\x03")
    screen.expect(PROMPT, 20)
    screen.type(b"exit\r")
    assert screen.wait() == 0
    assert screen.restored()


@on_debian
def test_debian_when_full_screen_programs_run_then_they_work(screen):
    """Verify top, less, and vim.tiny that changes, writes and leaves a file."""
    screen.expect(PROMPT)
    top = screen.line(b"top -b -n1 | head -20")
    assert b"Tasks:" in top and b"init" in top, top
    screen.line(b"seq 1 500 >numbers")
    screen.type(b"less numbers\r")
    screen.expect(rb"numbers\x1b\[|numbers \(END\)|numbers")
    screen.expect(rb"36\r\n|\b36\b")
    screen.type(b"G")
    screen.expect(rb"500")
    screen.type(b"/^77$\r")
    screen.type(b"g")
    screen.type(b"q")
    screen.expect(PROMPT)
    screen.type(b"vim.tiny numbers\r")
    screen.expect(rb"500[LlC,]|500 lines|~|\b30\b")
    time.sleep(1)
    screen.type(b"ggOtyped in vim\x1b")
    time.sleep(1)
    screen.type(b":wq\r")
    screen.expect(PROMPT)
    assert b"typed in vim\r\n1\r\n" in screen.line(b"head -2 numbers")
    screen.type(b"poweroff\r")
    assert screen.wait() == 0


@on_debian
def test_debian_when_users_change_then_identity_does(screen):
    """Verify su both ways on the terminal, with a shell of the user."""
    screen.expect(PROMPT)
    screen.type(b"su - user\r")
    screen.expect(rb"user@feuerbird:~\$ ")
    screen.type(b"id -un; pwd; cat /etc/shadow\r")
    got = screen.expect(rb"denied.*\n[^\n]*user@feuerbird:~\$ ")
    assert b"\nuser\r\n/home/user\r\n" in got.replace(b"\x1b[?2004l\r", b""), got
    screen.type(b"su -c 'id -u'\r")
    assert b"0\r\n" in screen.expect(rb"\r0\r\n[^\n]*user@feuerbird:~\$ ")
    screen.type(b"exit\r")
    screen.expect(PROMPT)


@on_debian
def test_debian_when_user_logs_in_then_session_is_theirs(screen):
    """Verify login with a wrong and the right password, identity, terminal and environment,
    job control in the session, and that logout gives the terminal back."""
    prompt = rb"user@feuerbird:[^\n]*\$ $"
    screen.expect(PROMPT)
    state = b"stty -g; ps -o sid=,tpgid=,tty= -p $$"
    before = screen.line(state)
    screen.line(b"echo user:Pass-word7 | chpasswd")
    screen.type(b"login\r")
    for password in (b"wrong", b"Pass-word7"):
        screen.expect(rb"login: $")
        screen.type(b"user\r")
        screen.expect(rb"assword: $")
        screen.type(password + b"\r")
        if password == b"wrong":
            got = screen.expect(rb"incorrect\r\n")
            assert password not in got, "the password is echoed"
    got = screen.expect(prompt)
    assert b"Pass-word7" not in got, "the password is echoed"

    def line(text):
        screen.type(text + b"\r")
        return screen.expect(rb"(?s:\n.*)" + prompt).split(b"\n", 1)[1]

    assert re.search(rb"uid=1000\(user\) gid=1000\(user\) groups=1000\(user\)[\r,]",
                     line(b"id"))
    assert b"/dev/ttyS0\r\n" in line(b"tty")
    assert re.search(rb"\buser tty\b", line(b"stat -c '%U %G' $(tty)"))
    assert b"/home/user user -bash\r\n" in line(b"echo $HOME $LOGNAME $0; cd /")
    assert b"denied" in line(b"cat /etc/shadow")
    # A loop that forks would not do: a vfork whose child is stopped cannot be.
    screen.start(b"while :; do read x; done", b"trap \"echo on\" CONT")
    screen.type(b"\x1a")
    assert b"Stopped" in screen.expect(prompt)
    assert b"Stopped" in line(b"jobs")
    screen.type(b"fg\r")
    screen.expect(rb"done'[\r\n]")
    # It may have been stopped just before its read, and then looks at its traps after it.
    screen.type(b"\r")
    screen.expect(rb"[\r\n]on\r\n")
    screen.type(b"\x03")
    screen.expect(prompt)
    assert b"ended 130\r\n" in line(b"echo ended $?")
    screen.type(b"logout\r")
    screen.expect(PROMPT)
    assert re.search(rb"(^|\r|\n)root\r\n", screen.line(b"id -un"))
    after = screen.line(state)
    # The group in the foreground is that of ps itself.
    before, after = (re.sub(rb"(\d+) +\d+ (ttyS0)", rb"\1 \2", one) for one in (before, after))
    assert before == after and b"ttyS0" in after, (before, after)


if __name__ == "__main__":
    run_all(sys.modules[__name__])
