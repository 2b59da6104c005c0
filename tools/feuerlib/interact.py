# SPDX-License-Identifier: MIT
"""`feuer run`: the guest's serial console on the user's terminal.

  I1  The terminal is as before when this program has ended, however it ended: by itself,
      by a signal, or killed (a small process that waits for its end sees to that).
  I2  Every byte of the terminal goes to the guest; QEMU has no escape key.  Only this
      program's own, Ctrl-] three times within a second, is looked for.
  I3  A change of the window's size goes to the guest as a line "ROWSxCOLUMNS" over its
      second serial port (feuer.window=com2).
  I4  Input that is not a terminal is held back until the guest prompts, since what
      comes before the guest has set up its serial port would be lost.
"""
import fcntl
import os
import re
import selectors
import signal
import socket
import struct
import sys
import termios
import time
import tty

from .common import say
from .execute import Interrupted, PANIC, raise_interrupted, write_all
from .machine import Machine

ESCAPE = b"\x1d"
ESCAPE_TIMES = 3
ESCAPE_SECONDS = 1.0
INPUT_KEPT = 1 << 20
TAIL_KEPT = 1 << 14
PROMPT = re.compile(rb"[#$>] $")
PROMPT_SECONDS = 60.0
END_OF_TRANSMISSION = b"\x04"


class Terminal:
    """The user's terminal: raw while in use, and put back as it was (I1)."""

    def __init__(self):
        self.saved = None
        self.watch_pipe = None

    def make_raw(self):
        self.saved = termios.tcgetattr(0)
        self.start_watcher()
        tty.setraw(0)

    def start_watcher(self):
        """A child that restores the terminal when this program ends without doing so."""
        near, far = os.pipe()
        if os.fork() != 0:
            os.close(near)
            self.watch_pipe = far
            return
        try:
            os.close(far)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU,
                           signal.SIGQUIT):
                signal.signal(number, signal.SIG_IGN)
            os.setpgid(0, 0)
            if os.read(near, 1) == b"":
                termios.tcsetattr(0, termios.TCSAFLUSH, self.saved)
        finally:
            os._exit(0)

    def restore(self):
        if self.saved is None:
            return
        termios.tcsetattr(0, termios.TCSADRAIN, self.saved)
        self.saved = None
        os.write(self.watch_pipe, b".")
        os.close(self.watch_pipe)


def window_size():
    """ "ROWSxCOLUMNS" of the terminal, or None."""
    for descriptor in (1, 0):
        try:
            data = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
        except OSError:
            continue
        rows, columns = struct.unpack("HHHH", data)[:2]
        if rows and columns:
            return "%dx%d" % (rows, columns)
    return None


def parameters():
    """What the guest should know of the terminal.  Names without a dot become variables
    of the guest's first program, on Linux as on FeuerBird."""
    words = []
    size = window_size()
    if size:
        words += ["feuer.winsize=" + size, "FEUER_WINSIZE=" + size,
                  "feuer.window=com2"]
    terminal = os.environ.get("TERM", "")
    if re.fullmatch(r"[A-Za-z0-9._+-]+", terminal):
        words.append("TERM=" + terminal)
    return words


class Escape:
    """Looks for the escape key in what is typed."""

    def __init__(self):
        self.times = []

    def pressed(self, data):
        now = time.monotonic()
        for at in range(len(data)):
            if data[at:at + 1] == ESCAPE:
                self.times = [one for one in self.times if now - one < ESCAPE_SECONDS]
                self.times.append(now)
            else:
                self.times = []
            if len(self.times) >= ESCAPE_TIMES:
                return True
        return False


class Relay:
    """Between the terminal, the serial line and the ctl channel."""

    def __init__(self, options):
        self.options = options
        self.terminal = Terminal()
        self.escape = Escape()
        self.process = None
        self.window = self.size = None
        self.pending = b""
        self.tail = b""
        self.ctl_text = b""
        self.status = None
        self.held = not os.isatty(0)
        self.begin = time.monotonic()
        self.input_open = True
        self.forced = False

    def launch(self):
        self.size = window_size()
        machine = Machine(self.options, True, parameters())
        self.line, far = socket.socketpair()
        machine.add_socket("console", far.detach(), "serial")
        ctl, ctl_far = os.pipe()
        machine.add_output("ctl", ctl_far, "isa-debugcon,iobase=0x404,readback=0")
        if self.size:
            self.window, far = socket.socketpair()
            machine.add_socket("window", far.detach(), "isa-serial,index=1")
            self.window.setblocking(False)
        self.line.setblocking(False)
        os.set_blocking(ctl, False)
        self.selector = selectors.PollSelector()
        self.selector.register(self.line, selectors.EVENT_READ, self.on_line)
        self.selector.register(ctl, selectors.EVENT_READ, self.on_ctl)
        self.ctl = ctl
        self.process = machine.start()
        if os.isatty(0):
            self.terminal.make_raw()
        if self.window:
            signal.signal(signal.SIGWINCH, self.on_resize)
            self.on_resize()
        try:
            self.selector.register(0, selectors.EVENT_READ, self.on_input)
        except (ValueError, OSError):
            self.end_input()

    def on_resize(self, *_signal):
        """The terminal's window has another size now, or may have."""
        size = window_size()
        if not size or size == self.size:
            return
        try:
            self.window.send(b"%s\n" % size.encode())
            self.size = size
        except OSError:
            pass  # the guest has ended, or takes none; the next change tells it again

    def end_input(self):
        """The end of input that is not a terminal: the guest sees what Ctrl-D gives."""
        self.input_open = False
        self.pending += END_OF_TRANSMISSION

    def on_input(self, _events):
        data = os.read(0, 4096)
        if not data:
            self.selector.unregister(0)
            self.end_input()
        elif self.escape.pressed(data) and os.isatty(0):
            self.forced = True
        elif len(self.pending) < INPUT_KEPT:
            self.pending += data
        elif not os.isatty(0):
            self.selector.unregister(0)
            self.input_open = False
            say("the guest takes no input; the rest is dropped")

    def on_line(self, events):
        if events & selectors.EVENT_WRITE and self.pending:
            try:
                self.pending = self.pending[self.line.send(self.pending[:4096]):]
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
        if events & selectors.EVENT_READ:
            try:
                data = self.line.recv(1 << 16)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            if not data:
                self.selector.unregister(self.line)
                return
            self.tail = (self.tail + data)[-TAIL_KEPT:]
            write_all(1, data)

    def on_ctl(self, _events):
        data = os.read(self.ctl, 4096)
        if not data:
            self.selector.unregister(self.ctl)
            return
        self.ctl_text += data
        for verb, number in re.findall(rb"^(exit|signal) (\d+)$", self.ctl_text, re.M):
            self.status = int(number) & 0xFF if verb == b"exit" else 128 + int(number)

    def pump(self):
        """Until QEMU has closed the line."""
        while self.line in self.registered() and not self.forced:
            if self.held and (PROMPT.search(self.tail) or
                              time.monotonic() > self.begin + PROMPT_SECONDS):
                self.held = False
            wanted = selectors.EVENT_READ
            if self.pending and not self.held:
                wanted |= selectors.EVENT_WRITE
            self.selector.modify(self.line, wanted, self.on_line)
            for key, events in self.selector.select(1.0 if self.held else None):
                if key.fileobj in self.registered():
                    key.data(events)

    def registered(self):
        return {key.fileobj for key in self.selector.get_map().values()}

    def stop(self):
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
        self.terminal.restore()

    def result(self):
        """The status to end with; says what went wrong."""
        try:
            code = self.process.wait(5)
        except Exception:  # subprocess is not imported here for its one exception
            code = 0
        self.stop()
        if self.forced:
            say("ended by Ctrl-]")
            return 130
        errors = self.process.stderr.read().decode(errors="replace").strip()
        if self.ctl in self.registered():
            try:
                self.on_ctl(0)
            except BlockingIOError:
                pass
        if PANIC.search(self.tail.replace(b"\r", b"")):
            say("the guest's kernel panicked")
            return 125
        if code != 0:
            say("QEMU ended with status %d\n%s" % (code, errors))
            return 125
        if self.options.command and self.status is None:
            say("the guest ended without a status")
            return 125
        return self.status or 0


def main(options):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, raise_interrupted)
    relay = Relay(options)
    try:
        relay.launch()
        relay.pump()
        return relay.result()
    except Interrupted as interruption:
        relay.stop()
        signal.signal(interruption.number, signal.SIG_DFL)
        sys.stderr.flush()
        os.kill(os.getpid(), interruption.number)
        return 128 + interruption.number
    finally:
        relay.stop()
