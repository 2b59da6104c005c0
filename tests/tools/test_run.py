# SPDX-License-Identifier: MIT
"""`feuer run` on a pseudo-terminal, with the kernel under test."""
import os
import pty
import re
import select
import signal
import struct
import fcntl
import subprocess
import sys
import termios
import time

from harness import FEUER, kernel_options, run_all

PROMPT = rb"root@feuerbird:[^\n]*[#$] $"
WAIT = 120


class Screen:
    """A terminal with `feuer run` on it."""

    def __init__(self, options=(), rows=37, columns=101):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.text = b""
        self.process = subprocess.Popen(
            [FEUER, "run", *kernel_options(), *options], stdin=self.slave,
            stdout=self.slave, stderr=self.slave, start_new_session=True,
            env=dict(os.environ, TERM="vt100"),
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def expect(self, pattern, seconds=WAIT):
        """Read until PATTERN is there; what came before and with it is returned."""
        limit = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                got, self.text = self.text[:match.end()], self.text[match.end():]
                return got
            left = limit - time.monotonic()
            assert left > 0, "no %r in %r" % (pattern, self.text)
            if select.select([self.master], [], [], left)[0]:
                self.text += os.read(self.master, 65536)

    def type(self, data):
        os.write(self.master, data)

    def line(self, text):
        """Type a line; what is shown up to the next prompt, without the echo."""
        self.type(text + b"\r")
        return self.expect(PROMPT).split(b"\n", 1)[1]

    def wait(self, seconds=60):
        """Read to the end; the status of the tool."""
        limit = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < limit:
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536)
        return self.process.poll()

    def restored(self):
        for _ in range(30):
            if termios.tcgetattr(self.slave) == self.before:
                return True
            time.sleep(0.1)
        return False

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def with_screen(test):
    """The test gets a screen that goes away whatever happens."""
    def run(_directory):
        screen = Screen()
        try:
            test(screen)
        except AssertionError:
            print("# the screen ends with %r" % screen.text[-500:])
            raise
        finally:
            screen.close()
    run.__code__ = run.__code__.replace(co_firstlineno=test.__code__.co_firstlineno)
    return run


@with_screen
def test_shell_when_used_then_works_and_exits(screen):
    """Verify prompt, commands, job control, Ctrl-C, the size, and `exit`."""
    screen.expect(PROMPT)
    assert not screen.restored(), "the terminal is not raw"
    listing = screen.line(b"ls /")
    for name in (b"bin", b"etc", b"init", b"tmp"):
        assert re.search(rb"\b%s\b" % name, listing), listing
    assert screen.line(b"echo $((6 * 7)) | cat").startswith(b"42\r\n")
    assert b"hi there" in screen.line(b"f() { for i in hi there; do printf \"$i \"; done; }; f")
    begin = time.monotonic()
    screen.type(b"sleep 100\r")
    screen.expect(rb"sleep 100\r\n")
    time.sleep(1)
    screen.type(b"\x03")
    screen.expect(PROMPT, 20)
    assert time.monotonic() - begin < 50
    assert screen.line(b"echo $?").startswith(b"130\r\n")
    assert screen.line(b"stty size").startswith(b"37 101\r\n")
    screen.type(b"sleep 100\r")
    screen.expect(rb"sleep 100\r\n")
    time.sleep(0.5)
    screen.type(b"\x1a")
    assert b"Stopped" in screen.expect(PROMPT, 20)
    assert b"sleep" in screen.line(b"jobs")
    screen.line(b"kill %1; wait %1 2>/dev/null")
    screen.type(b"cat\r")
    screen.expect(rb"cat\r\n")
    screen.type(b"typed\r")
    screen.expect(rb"typed\r\n.*typed\r\n")
    screen.type(b"\x04")
    screen.expect(PROMPT)
    screen.type(b"exit\r")
    assert screen.wait() == 0
    assert screen.restored()


@with_screen
def test_poweroff_when_typed_then_ends(screen):
    """Verify busybox's poweroff."""
    screen.expect(PROMPT)
    screen.type(b"poweroff\r")
    assert screen.wait() == 0
    assert screen.restored()


@with_screen
def test_signals_when_tool_is_ended_then_terminal_is_restored(screen):
    """Verify SIGTERM."""
    screen.expect(PROMPT)
    screen.process.send_signal(signal.SIGTERM)
    assert screen.wait(20) == -signal.SIGTERM
    assert screen.restored()


@with_screen
def test_kill_when_tool_is_killed_then_terminal_is_restored(screen):
    """Verify that even a kill leaves the terminal as it was."""
    screen.expect(PROMPT)
    screen.process.kill()
    assert screen.wait(20) == -signal.SIGKILL
    assert screen.restored()


@with_screen
def test_escape_when_pressed_thrice_then_ends(screen):
    """Verify the way out of a guest that does not answer."""
    screen.expect(PROMPT)
    screen.type(b"\x1d\x1d\x1d")
    assert screen.wait(20) == 130
    assert screen.restored()


def test_command_when_given_then_status_comes_back(_directory):
    """Verify `feuer run -- CMD`."""
    screen = Screen(["--", "sh", "-c", "test -t 0 && echo on a terminal; exit 9"])
    try:
        screen.expect(rb"on a terminal")
        assert screen.wait() == 9
    finally:
        screen.close()


def test_input_when_it_is_a_pipe_then_typed_into_the_shell(_directory):
    """Verify that commands can be piped in, and the end of input ends the guest."""
    done = subprocess.run([FEUER, "run", *kernel_options()], input=b"echo $((40 + 2))\n",
                          stdout=subprocess.PIPE, timeout=WAIT)
    assert done.returncode == 0 and b"\n42\r\n" in done.stdout, done


run_all(sys.modules[__name__])
