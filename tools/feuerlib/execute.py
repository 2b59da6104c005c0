# SPDX-License-Identifier: MIT
"""`feuer exec`: runs one command in a guest, as if it were run here.

Each stream has its own thread, so that a reader who takes only one of them does not
stop the other.  The command's status comes through the ctl channel, from the guest's
agent; how QEMU ends says nothing about it.

  X1  When "exit" or "signal" has come, all output that the command wrote is in the
      pipes already, since QEMU writes a debug port's bytes before the guest goes on.
      So QEMU can be killed at that moment, and the threads read to the end.
  X2  QEMU does not outlive this program: it is killed in `finally`, and the kernel
      kills it when this program is killed.
  X3  Standard input is sent only after "start": an earlier byte could be lost while
      the guest sets up its serial port.
"""
import collections
import fcntl
import os
import re
import select
import selectors
import signal
import socket
import stat
import struct
import threading
import time

from .common import UserError, say
from .machine import Machine

TIMEOUT_STATUS = 124
BROKEN_STATUS = 125
PACKET = 4096
PREFETCH_MAX = 64 << 20
PREFETCH_SECONDS = 0.05
INPUT_FILE_MAX = 512 << 20
CHUNK = 1 << 18
PIPE_SIZE = 1 << 18
OUTPUT_KEPT = 64 << 20
F_SETPIPE_SZ = 1031
GATHER_SECONDS = 0.001
OUTPUT_BEGINS = b"\1feuer: output begins\1\n"
CONSOLE_KEPT = 1 << 16
CONSOLE_SHOWN = 25
PANIC = re.compile(rb"^(\[[ 0-9.]+\] |[a-z]+: )?(Kernel panic|KERNEL PANIC|PANIC|panic:)",
                   re.M)
PANIC_GRACE = 3.0
POWEROFF_GRACE = 5.0


class Interrupted(Exception):
    """A signal asked this program to end."""

    def __init__(self, number):
        super().__init__()
        self.number = number


def raise_interrupted(number, _frame):
    raise Interrupted(number)


def write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


def input_kind():
    """What standard input is: "none" if closed, /dev/null or an empty file; "file" for
    a regular file, which goes into the archive, since the serial port is slow; else
    "stream"."""
    try:
        info = os.fstat(0)
    except OSError:
        return "none"
    if stat.S_ISCHR(info.st_mode) and info.st_rdev == os.makedev(1, 3):
        return "none"
    if stat.S_ISREG(info.st_mode):
        left = info.st_size - os.lseek(0, 0, os.SEEK_CUR)
        return "none" if left <= 0 else "file" if left <= INPUT_FILE_MAX else "stream"
    return "stream"


def prefetch():
    """What a pipe on standard input holds, if its writer is quick: (bytes, at its end).

    The serial port takes 16 bytes at a time; what has its end before the guest starts
    goes into the archive instead, and the agent feeds it to the command's pipe.
    """
    data = bytearray()
    if os.isatty(0) or os.environ.get("FEUER_PREFETCH") == "0":
        return data, False
    while len(data) < PREFETCH_MAX:
        if not select.select([0], [], [], PREFETCH_SECONDS)[0]:
            return data, False
        try:
            piece = os.read(0, CHUNK)
        except OSError:
            piece = b""
        if not piece:
            return data, True
        data += piece
    return data, False


class Output:
    """Copies one output channel to a descriptor of ours until its end.

    One thread reads and one writes, with a store of OUTPUT_KEPT bytes between them: while
    QEMU waits for room in a pipe the whole guest stands still, the other stream too.
    QEMU writes single bytes.  A pause after each read lets them gather, which more than
    doubles the rate: else each of them wakes this thread.
    """

    def __init__(self, source, target, wake, begin):
        self.source, self.target, self.wake, self.begin = source, target, wake, begin
        self.refused = False
        self.store = collections.deque()
        self.stored = 0
        self.ended = False
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read_all, daemon=True)
        self.writer = threading.Thread(target=self.write_stored, daemon=True)
        try:
            fcntl.fcntl(source, F_SETPIPE_SZ, PIPE_SIZE)
        except OSError:
            pass  # The system's limit for users; it works with less.

    def start(self):
        self.reader.start()
        self.writer.start()

    def skip_firmware(self):
        """What comes before the agent's mark is SeaBIOS's; returns what follows."""
        seen = b""
        while self.begin not in seen:
            data = os.read(self.source, CHUNK)
            if not data:
                return b""
            seen = seen[-len(self.begin):] + data
        return seen.split(self.begin, 1)[1]

    def read_all(self):
        data = self.skip_firmware() if self.begin else os.read(self.source, CHUNK)
        while True:
            with self.changed:
                self.store.append(data)
                self.stored += len(data)
                self.changed.notify_all()
                while self.stored > OUTPUT_KEPT and not self.refused:
                    self.changed.wait()
            time.sleep(GATHER_SECONDS)
            data = os.read(self.source, CHUNK)
            if not data:
                break
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def write_stored(self):
        while True:
            with self.changed:
                while not self.store and not self.ended:
                    self.changed.wait()
                if not self.store:
                    return
                data = self.store.popleft()
            try:
                if not self.refused:
                    write_all(self.target, data)
            except OSError:
                # Nobody reads any more.  What still comes is thrown away.
                self.refused = True
                os.write(self.wake, b"!")
            with self.changed:
                self.stored -= len(data)
                self.changed.notify_all()

    def finished(self, seconds):
        """Wait until all is written; False if that takes longer."""
        self.writer.join(seconds)
        return not self.writer.is_alive()


class Input(threading.Thread):
    """Sends standard input in packets, within the guest's window if it names one."""

    def __init__(self, channel, first):
        super().__init__(daemon=True)
        self.channel = channel
        self.first = first      # Bytes that were read before the guest started.
        self.credit = None
        self.changed = threading.Condition()

    def set_window(self, size):
        self.credit = size

    def add_credit(self, size):
        with self.changed:
            self.credit += size
            self.changed.notify()

    def take_credit(self, size):
        with self.changed:
            while self.credit is not None and self.credit < size:
                self.changed.wait()
            if self.credit is not None:
                self.credit -= size

    def send(self, data):
        self.take_credit(len(data))
        self.channel.sendall(struct.pack("<H", len(data)) + data)

    def run(self):
        try:
            for at in range(0, len(self.first), PACKET):
                self.send(self.first[at:at + PACKET])
            while True:
                try:
                    data = os.read(0, PACKET)
                except OSError:
                    data = b""
                self.send(data)
                if not data:
                    return
        except OSError:
            return  # QEMU has ended.


class Console:
    """The end of what the guest's console said, and all of it in a file if wanted."""

    def __init__(self, options):
        self.tail = b""
        self.verbose = options.verbose
        self.file = None
        if options.console:
            try:
                self.file = open(options.console, "wb", buffering=0)
            except OSError as error:
                raise UserError("cannot write %s: %s" % (options.console, error.strerror))

    def add(self, data):
        self.tail = (self.tail + data)[-CONSOLE_KEPT:]
        if self.file is not None:
            self.file.write(data)
        if self.verbose:
            try:
                write_all(2, data)
            except OSError:
                self.verbose = False

    def panicked(self):
        return PANIC.search(self.tail.replace(b"\r", b"")) is not None

    def last_lines(self):
        text = self.tail.decode(errors="replace").replace("\r", "")
        lines = [line for line in text.split("\n") if line.strip()]
        if not lines:
            return "\n  (the console said nothing)"
        return "; the console's last lines:\n  | " + "\n  | ".join(lines[-CONSOLE_SHOWN:])


class Session:
    """One guest with one command."""

    def __init__(self, options):
        self.options = options
        self.console = Console(options)
        self.ctl_text = b""
        self.started = False
        self.status = None
        self.failure = None
        self.panic_at = None
        self.input = None
        self.process = None
        self.begin = time.monotonic()

    # ---- setting up ----

    def launch(self):
        kind, first, whole = input_kind(), b"", False
        if kind == "stream":
            first, whole = prefetch()
        source = 0 if kind == "file" else first if whole else None
        machine = Machine(self.options, False, ["feuer.stdin=none"]
                          if kind == "none" or source is not None else [], source)
        pipes = {}
        # SeaBIOS writes its log to port 0x402 if it reads 0xe9 from there.
        for name, device in (("console", "serial"),
                             ("stdout", "isa-debugcon,iobase=0x402,readback=0"),
                             ("stderr", "isa-debugcon,iobase=0x403,readback=0"),
                             ("ctl", "isa-debugcon,iobase=0x404,readback=0")):
            pipes[name], far = os.pipe()
            machine.add_output(name, far, device)
        if kind == "stream" and not whole:
            near, far = socket.socketpair()
            machine.add_socket("stdin", far.detach(), "isa-serial,index=1")
            self.input = Input(near, bytes(first))
        self.wake, wake_end = os.pipe()
        self.process = machine.start()
        self.outputs = [Output(pipes["stdout"], 1, wake_end, OUTPUT_BEGINS),
                        Output(pipes["stderr"], 2, wake_end, b"")]
        for output in self.outputs:
            output.start()
        self.selector = selectors.DefaultSelector()
        for name, descriptor in (("console", pipes["console"]), ("ctl", pipes["ctl"]),
                                 ("wake", self.wake),
                                 ("qemu", self.process.stderr.fileno())):
            os.set_blocking(descriptor, False)
            self.selector.register(descriptor, selectors.EVENT_READ, name)

    # ---- what comes from the guest ----

    def on_ctl(self, data):
        self.ctl_text += data
        *lines, self.ctl_text = self.ctl_text.split(b"\n")
        for line in lines:
            verb, _, number = line.partition(b" ")
            try:
                number = int(number) if number else 0
            except ValueError:
                verb = b""
            if verb == b"start":
                self.started = True
                if self.input is not None:
                    self.input.start()
            elif verb == b"window" and self.input is not None:
                self.input.set_window(number)
            elif verb == b"credit" and self.input is not None:
                self.input.add_credit(number)
            elif verb == b"exit":
                self.status = number & 0xFF
            elif verb == b"signal":
                self.status = 128 + (number & 0x7F)
            else:
                self.fail(BROKEN_STATUS, "the guest sent %r on its ctl channel" % line)

    def fail(self, status, text):
        if self.failure is None:
            self.failure = (status, text)

    def deadline(self):
        """When to stop waiting, and why."""
        limits = []
        if self.options.timeout:
            limits.append((self.begin + self.options.timeout, TIMEOUT_STATUS,
                           "time-out: the command ran longer than %g s"
                           % self.options.timeout))
        if not self.started:
            limits.append((self.begin + self.options.boot_timeout, BROKEN_STATUS,
                           "the guest did not start the command within %g s"
                           % self.options.boot_timeout))
        if self.panic_at is not None:
            limits.append((self.panic_at + PANIC_GRACE, BROKEN_STATUS,
                           "the guest's kernel panicked"))
        return min(limits) if limits else (None, None, None)

    def handle(self, name, descriptor):
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.selector.unregister(descriptor)
        elif name == "ctl":
            self.on_ctl(data)
        elif name == "console":
            self.console.add(data)
            if self.panic_at is None and self.console.panicked():
                self.panic_at = time.monotonic()
        elif name == "qemu":
            self.console.add(b"qemu: " + data)

    def wait(self):
        """Until there is a status or a failure, or QEMU has ended."""
        while self.status is None and self.failure is None:
            limit, status, text = self.deadline()
            left = None if limit is None else max(0.0, limit - time.monotonic())
            ready = self.selector.select(left)
            for key, _ in ready:
                self.handle(key.data, key.fd)
            if any(output.refused for output in self.outputs):
                self.fail(128 + signal.SIGPIPE, None)
            names = {key.data for key in self.selector.get_map().values()}
            if self.status is None and "ctl" not in names and "console" not in names:
                self.fail(BROKEN_STATUS, "the guest ended without a status, %s"
                          % self.how_it_ended())
            if not ready and limit is not None and time.monotonic() >= limit:
                self.fail(status, text)

    def how_it_ended(self):
        code = self.process.wait()
        if self.panic_at is not None:
            return "its kernel panicked"
        if code != 0:
            return "QEMU ended with status %d" % code
        return "before" + (" the command did" if self.started else " the command started")

    # ---- the end ----

    def let_power_off(self):
        """With a console to look at, the guest's last words are waited for."""
        if not (self.options.verbose or self.options.console) or self.failure:
            return
        limit = time.monotonic() + POWEROFF_GRACE
        while self.process.poll() is None and time.monotonic() < limit:
            for key, _ in self.selector.select(0.1):
                self.handle(key.data, key.fd)

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def finish(self):
        """The rest of the output, then the status for our own end."""
        limit = self.begin + self.options.timeout if self.options.timeout else None
        refused = any(output.refused for output in self.outputs)
        for output in self.outputs:
            if not output.finished(None if limit is None or refused
                                   else max(0.1, limit - time.monotonic())):
                self.fail(TIMEOUT_STATUS, "time-out: nobody read the command's output")
        if self.failure is None and any(output.refused for output in self.outputs):
            return 128 + signal.SIGPIPE
        if self.status is not None and (self.failure is None or not self.failure[1]):
            return self.status if self.failure is None else self.failure[0]
        for key, _ in self.selector.select(0):
            self.handle(key.data, key.fd)
        status, text = self.failure
        if text:
            say(text + self.console.last_lines())
        return status


def main(options):
    """Runs the command; returns the status to exit with."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, raise_interrupted)
    session = Session(options)
    try:
        session.launch()
        session.wait()
        session.let_power_off()
        session.stop()
        return session.finish()
    except Interrupted as interruption:
        session.stop()
        signal.signal(interruption.number, signal.SIG_DFL)
        os.kill(os.getpid(), interruption.number)
        return 128 + interruption.number
    finally:
        session.stop()
