# SPDX-License-Identifier: MIT
"""`feuer run` on a pseudo-terminal, with the kernel under test."""
import os
import re
import signal
import subprocess
import sys
import time

from harness import FEUER, kernel_options, run_all
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
