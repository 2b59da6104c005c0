# SPDX-License-Identifier: MIT
"""A pseudo-terminal with `feuer run` on it, for the tests of the console."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from harness import FEUER, kernel_options

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

    def paste(self, data, seconds=WAIT):
        """Type a lot at once, and read what comes meanwhile."""
        limit = time.monotonic() + seconds
        os.set_blocking(self.master, False)
        while data:
            assert time.monotonic() < limit, "%d bytes are not taken" % len(data)
            readable, writable, _ = select.select([self.master], [self.master], [], 1)
            if readable:
                self.text += os.read(self.master, 65536)
            if writable:
                try:
                    data = data[os.write(self.master, data[:4096]):]
                except BlockingIOError:
                    pass
        os.set_blocking(self.master, True)

    def resize(self, rows, columns):
        """The user changes the window's size."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def line(self, text):
        """Type a line; what is shown up to the next prompt, without the echo.

        A prompt counts only after the line's end: a shell that hears of a new size
        draws the prompt again, with or without what is typed so far.
        """
        self.type(text + b"\r")
        return self.expect(rb"(?s:\n.*)" + PROMPT).split(b"\n", 1)[1]

    def start(self, command, before=b":"):
        """Type a command; it has the terminal, and BEFORE is done, when this returns.

        The echo of a line says less: the shell's line editor shows it before it puts back
        the modes of the line, and what comes in between is taken in the editor's.
        """
        self.type(b"sh -c '%s; echo go; %s'\r" % (before, command))
        self.expect(rb"[\r\n]go\r?\n")

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


def with_screen(test, options=()):
    """The test gets a screen that goes away whatever happens."""
    def run(_directory):
        screen = Screen(options)
        try:
            test(screen)
        except AssertionError:
            print("# the screen ends with %r" % screen.text[-500:])
            raise
        finally:
            screen.close()
    run.__code__ = run.__code__.replace(co_firstlineno=test.__code__.co_firstlineno)
    return run
