# SPDX-License-Identifier: MIT
"""`feuer run` on a pseudo-terminal, with the kernel under test."""
import os
import re
import signal
import subprocess
import sys
import time
import zlib

from harness import FEUER, Skip, kernel_options, run_all
from screen import PROMPT, WAIT, Screen, with_screen


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
    screen.start(b"exec sleep 100")
    screen.type(b"\x03")
    screen.expect(PROMPT, 20)
    assert time.monotonic() - begin < 50
    assert screen.line(b"echo $?").startswith(b"130\r\n")
    assert screen.line(b"stty size").startswith(b"37 101\r\n")
    screen.start(b"exec sleep 100")
    screen.type(b"\x1a")
    assert b"Stopped" in screen.expect(PROMPT, 20)
    assert b"sleep" in screen.line(b"jobs")
    screen.line(b"kill %1; wait %1 2>/dev/null")
    screen.line(b"cat &")
    time.sleep(0.5)
    assert re.search(rb"(Stopped|SIGTTIN)[^\n]*cat", screen.line(b"jobs")), "cat goes on"
    screen.line(b"kill -9 %1; wait %1 2>/dev/null")
    assert screen.line(b"tty").startswith(b"/dev/ttyS0\r\n")
    screen.start(b"exec cat")
    screen.type(b"typed\r")
    screen.expect(rb"typed\r\n.*typed\r\n")
    screen.type(b"\x04")
    screen.expect(PROMPT)
    screen.type(b"exit\r")
    assert screen.wait() == 0
    assert screen.restored()


@with_screen
def test_window_when_resized_then_guest_follows(screen):
    """Verify that the size changes and the foreground group gets SIGWINCH."""
    if "linux" in kernel_options():
        raise Skip("Linux has no driver for this")
    screen.expect(PROMPT)
    screen.resize(50, 140)
    for _ in range(50):
        if screen.line(b"stty size").startswith(b"50 140\r\n"):
            break
        time.sleep(0.1)
    else:
        assert False, "the size stays as it was"
    screen.start(b"while :; do sleep 0.1; done", b"trap \"stty size; exit\" WINCH")
    screen.resize(24, 80)
    screen.expect(rb"24 80\r\n", 20)
    screen.expect(PROMPT)


@with_screen
def test_paste_when_10_kb_then_nothing_is_lost(screen):
    """Verify a long paste in lines and one without, and that it is not slow."""
    screen.expect(PROMPT)
    text = b"".join(b"%04d " % i + b"x" * 60 + b"\r" for i in range(160))
    screen.start(b"exec cat >/tmp/pasted")
    begin = time.monotonic()
    screen.paste(text)
    screen.type(b"\x04")
    screen.expect(PROMPT)
    seconds = time.monotonic() - begin
    want = zlib.crc32(text.replace(b"\r", b"\n"))
    print("# %d bytes pasted in %.1f s" % (len(text), seconds))
    assert b"%08x" % want in screen.line(b"crc32 /tmp/pasted"), "lost"
    screen.start(b"head -c 20000 >/tmp/raw; stty sane; echo done", b"stty raw -echo")
    text = bytes(33 + i % 90 for i in range(20000))
    screen.paste(text)
    screen.expect(rb"done\r\n")
    screen.expect(PROMPT)
    assert b"%08x" % zlib.crc32(text) in screen.line(b"crc32 /tmp/raw"), "lost"


@with_screen
def test_output_when_long_then_fast(screen):
    """Verify that a screen of text is there without a delay that one sees."""
    screen.expect(PROMPT)
    screen.type(b"yes 0123456789012345678901234567890123456789 | head -n 10000\r")
    begin = time.monotonic()
    screen.expect(PROMPT)
    seconds = time.monotonic() - begin
    print("# %d bytes a second" % (42 * 10000 / seconds))
    assert seconds < 30


@with_screen
def test_output_when_nobody_reads_then_waits_and_is_complete(screen):
    """Verify that a host that does not read holds the guest back and loses nothing."""
    screen.expect(PROMPT)
    screen.type(b"seq 100000 199999; echo the e''nd\r")
    time.sleep(5)
    text = screen.expect(rb"the end\r\n")
    numbers = re.findall(rb"^(\d{6})\r$", text, re.M)
    assert numbers == [b"%d" % n for n in range(100000, 200000)], len(numbers)
    screen.expect(PROMPT)


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
