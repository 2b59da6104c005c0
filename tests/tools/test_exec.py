# SPDX-License-Identifier: MIT
"""`feuer exec`: streams, statuses, files, failures, with the kernel under test."""
import hashlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time

from harness import (FEUER, KERNEL, Skip, exec_command, feuer_exec, full_run_only,
                     kernel_options, run_all)
from feuerlib.common import build_dir  # noqa: E402

ALL_BYTES = bytes(range(256)) * 40


def check(outcome, status, out=None, err=None):
    assert outcome.status == status, outcome
    assert out is None or outcome.out == out, outcome
    assert err is None or outcome.err == err, outcome


def test_streams_when_both_are_written_then_apart(_directory):
    """Verify that output and error arrive exactly, apart, with the exit status."""
    check(feuer_exec([], ["sh", "-c", "printf out; printf err >&2; exit 7"]), 7, b"out",
          b"err")


def test_streams_when_not_a_terminal_then_pipes(_directory):
    """Verify that no descriptor is a terminal, and that all but 0, 1, 2 are closed."""
    script = "for i in 0 1 2; do [ -t $i ] && echo tty; done; echo x >&3 || echo closed"
    outcome = feuer_exec([], ["sh", "-c", script + " 2>/dev/null"], b"")
    check(outcome, 0, b"closed\n")


def test_statuses_when_command_ends_then_passed_on(_directory):
    """Verify exit statuses and signals."""
    check(feuer_exec([], ["true"]), 0, b"", b"")
    check(feuer_exec([], ["sh", "-c", "exit 255"]), 255)
    check(feuer_exec([], ["sh", "-c", "kill -9 $$"]), 137)
    check(feuer_exec([], ["sh", "-c", "kill -SEGV $$"]), 139)


def test_command_when_missing_then_127_or_126(_directory):
    """Verify what execvp's callers expect of missing and unexecutable commands."""
    outcome = feuer_exec([], ["no-such-command"])
    check(outcome, 127, b"")
    assert b"no-such-command" in outcome.err
    check(feuer_exec([], ["/etc/passwd"]), 126, b"")
    check(feuer_exec([], ["/etc"]), 126, b"")


def test_arguments_when_odd_then_exact(_directory):
    """Verify that every argument arrives as it was, whatever is in it."""
    arguments = ["", "two words", "-x", "--", "new\nline", "q'uo\"te", "\udcff\udc80"]
    outcome = feuer_exec(["--env", "ODD=a b=c", "--cwd", "/tmp"], [
        "sh", "-c", 'printf "%s|" "$@"; printf "%s|" "$ODD" "$PWD" "$#"', "x", *arguments])
    expected = b"|".join(os.fsencode(one) for one in arguments + ["a b=c", "/tmp", "7"])
    check(outcome, 0, expected + b"|", b"")


def test_input_when_binary_through_pipe_then_exact(_directory):
    """Verify all byte values through a pipe, in both directions, over the serial port
    and with the archive."""
    data = ALL_BYTES * 10 + random.Random(1).randbytes(50000)
    check(feuer_exec([], ["cat"], data), 0, data, b"")
    os.environ["FEUER_PREFETCH"] = "0"
    try:
        check(feuer_exec([], ["cat"], data), 0, data, b"")
    finally:
        del os.environ["FEUER_PREFETCH"]


def test_input_when_a_large_pipe_then_exact_and_a_pipe(_directory):
    """Verify 10 MB through a pipe that ends at once, and that it is a pipe inside: what
    head has read is gone."""
    data = random.Random(4).randbytes(10_000_000)
    check(feuer_exec([], ["sha256sum"], data), 0,
          hashlib.sha256(data).hexdigest().encode() + b"  -\n")
    check(feuer_exec([], ["sh", "-c", "head -n 1; cat"], b"1\n2\n"), 0,
          b"1\n")


def test_input_when_empty_then_end_of_file(_directory):
    """Verify that an empty pipe, /dev/null and a closed descriptor are at their end."""
    check(feuer_exec([], ["sh", "-c", "cat; echo end"], b""), 0, b"end\n")
    check(feuer_exec([], ["sh", "-c", "cat; echo end"]), 0, b"end\n")
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh"] + exec_command(
        [], ["sh", "-c", "cat; echo end"]), stdout=subprocess.PIPE, timeout=200)
    assert done.returncode == 0 and done.stdout == b"end\n"


def test_input_when_a_large_file_then_exact(directory):
    """Verify 10 MB of standard input from a file, and from its middle."""
    path = os.path.join(directory, "large")
    data = random.Random(2).randbytes(10_000_000)
    with open(path, "wb") as file:
        file.write(data)
    with open(path, "rb") as file:
        outcome = feuer_exec([], ["sha256sum"], stdin=file)
    check(outcome, 0, hashlib.sha256(data).hexdigest().encode() + b"  -\n")
    with open(path, "rb") as file:
        os.lseek(file.fileno(), 9_999_000, os.SEEK_SET)
        check(feuer_exec([], ["cat"], stdin=file), 0, data[-1000:])


def test_input_when_slow_then_waited_for(_directory):
    """Verify that input typed over time comes through, each piece as it is sent."""
    process = subprocess.Popen(exec_command([], [
        "sh", "-c", "while read line; do echo got $line; done; echo end"]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for number in range(5):
        process.stdin.write(b"%d\n" % number)
        process.stdin.flush()
        assert process.stdout.readline() == b"got %d\n" % number
        time.sleep(0.05)
    process.stdin.close()
    assert process.stdout.read() == b"end\n" and process.wait(60) == 0


def test_input_when_command_ignores_it_then_no_hang(_directory):
    """Verify that a command that reads nothing ends although much is sent."""
    check(feuer_exec([], ["sh", "-c", "exit 3"], b"x" * 3_000_000), 3)
    check(feuer_exec([], ["head", "-n", "1"], b"first\n" + b"x" * 3_000_000), 0,
          b"first\n")


def test_output_when_large_then_exact(_directory):
    """Verify some megabytes on both streams at once."""
    script = ("dd if=/dev/zero bs=4096 count=500 2>/dev/null | tr '\\0' e >&2 & "
              "dd if=/dev/zero bs=4096 count=500 2>/dev/null | tr '\\0' o; wait")
    outcome = feuer_exec(["--cpus", "2"], ["sh", "-c", script])
    assert outcome.status == 0 and len(outcome.out) == len(outcome.err) == 2048000
    assert set(outcome.out) == {ord("o")} and set(outcome.err) == {ord("e")}


def test_output_when_reader_leaves_then_sigpipe(_directory):
    """Verify that `feuer exec -- yes | head` ends at once, with 141."""
    begin = time.monotonic()
    process = subprocess.Popen(exec_command([], ["yes"]), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(4) == b"y\ny\n"
    process.stdout.close()
    assert process.wait(60) == 141 and process.stderr.read() == b""
    assert time.monotonic() - begin < 60


def test_output_when_only_one_is_read_then_other_does_not_block(_directory):
    """Verify that a reader of standard error gets it while standard output waits."""
    script = "(head -c 600000 /dev/zero) & sleep 1; echo message >&2; wait"
    process = subprocess.Popen(exec_command(["--cpus", "2"], ["sh", "-c", script]),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    assert process.stderr.readline() == b"message\n"
    assert len(process.stdout.read()) == 600000 and process.wait(60) == 0


def test_background_when_left_behind_then_ends_with_the_command(_directory):
    """Verify that a process left behind does not keep the guest."""
    outcome = feuer_exec([], ["sh", "-c", "sleep 1000 & yes >/dev/null & echo done"])
    check(outcome, 0, b"done\n")
    assert outcome.seconds < 60


def make_tree(directory):
    tree = os.path.join(directory, "tree")
    os.makedirs(tree + "/sub/empty")
    with open(tree + "/data", "wb") as file:
        file.write(ALL_BYTES)
    with open(tree + "/script", "w") as file:
        file.write("#!/bin/sh\necho script $1\n")
    os.chmod(tree + "/script", 0o755)
    os.chmod(tree + "/data", 0o640)
    os.symlink("../data", tree + "/sub/link")
    open(tree + "/sub/zero", "w").close()
    return tree


def test_add_when_tree_is_given_then_all_is_there(directory):
    """Verify links, modes, empty files and directories below /add."""
    script = ("cd /add && ./script 1 && stat -c '%a %s %F' data sub/zero && "
              "readlink sub/link && cmp sub/link data && ls -a sub/empty | wc -l")
    outcome = feuer_exec(["--add", make_tree(directory)], ["sh", "-c", script])
    check(outcome, 0, b"script 1\n640 10240 regular file\n644 0 regular empty file\n"
          b"../data\n2\n")


def test_add_when_hundreds_of_megabytes_then_intact(directory):
    """Verify a file of 300 MB by its sum."""
    full_run_only()
    tree = os.path.join(directory, "tree")
    os.mkdir(tree)
    digest = hashlib.md5()
    piece = random.Random(3).randbytes(1 << 20)
    with open(tree + "/large", "wb") as file:
        for number in range(300):
            block = number.to_bytes(4, "little") + piece[4:]
            file.write(block)
            digest.update(block)
    outcome = feuer_exec(["--add", tree], ["md5sum", "/add/large"])
    check(outcome, 0, digest.hexdigest().encode() + b"  /add/large\n")


def test_initrd_when_gzipped_then_used(directory):
    """Verify --initrd with a gzip-compressed archive."""
    from feuerlib import rootfs
    path = os.path.join(directory, "root.cpio.gz")
    with open(path, "wb") as out:
        subprocess.run(["gzip", "-1", "-c", rootfs.default()], stdout=out, check=True)
    check(feuer_exec(["--initrd", path], ["echo", "from gzip"]), 0, b"from gzip\n")
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)
    outcome = feuer_exec(["--initrd", path], ["echo", "x"])
    check(outcome, 125, b"")
    assert b"damaged" in outcome.err


def test_timeout_when_command_is_too_slow_then_124(_directory):
    """Verify status and message of --timeout."""
    begin = time.monotonic()
    outcome = feuer_exec(["--timeout", "8"], ["sleep", "1000"])
    check(outcome, 124, b"")
    assert b"time-out" in outcome.err and time.monotonic() - begin < 15


def test_boot_when_kernel_is_bad_then_125(directory):
    """Verify the messages for kernels that are missing, no kernel, or do not boot."""
    path = os.path.join(directory, "kernel")
    with open(path, "wb") as file:
        file.write(b"garbage" * 1000)
    for kernel in (path, path + ".missing"):
        done = subprocess.run([FEUER, "exec", "--kernel", kernel, "--", "true"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert done.returncode == 125 and b"feuer: " in done.stderr, done
    shutil.copy(os.path.join(build_dir(), "feuerbird"), path)
    with open(path, "r+b") as file:
        file.write(b"\x7fELF" + b"\xff" * 60)
    done = subprocess.run([FEUER, "exec", "--kernel", path, "--", "true"],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=100)
    assert done.returncode == 125 and b"QEMU ended" in done.stderr, done


def test_signals_when_tool_is_interrupted_then_qemu_ends(_directory):
    """Verify that Ctrl-C, a termination and a kill leave no QEMU behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        mark = "mark%d" % random.getrandbits(60)
        process = subprocess.Popen(exec_command([], [
            "sh", "-c", "echo up; sleep 1000"]) [:-4] + [
            "--append", mark, "--", "sh", "-c", "echo up; sleep 1000"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            # A shell that put us into the background has SIGINT ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.wait(20) == -number
        for _ in range(50):
            if not running_with(mark):
                break
            time.sleep(0.1)
        assert not running_with(mark), "QEMU is left after signal %d" % number


def running_with(mark):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as file:
                    text = file.read()
            except OSError:
                continue
            if mark.encode() in text and b"qemu" in text.split(b"\0")[0]:
                return True
    return False


def test_temporary_files_when_done_then_none_is_left(directory):
    """Verify that $TMPDIR is empty afterwards, also after a kill."""
    environment = dict(os.environ, TMPDIR=directory)
    subprocess.run(exec_command([], ["true"]), stdin=subprocess.DEVNULL, env=environment)
    assert os.listdir(directory) == []
    process = subprocess.Popen(exec_command([], ["sh", "-c", "echo up; sleep 1000"]),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               env=environment)
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.wait()
    assert os.listdir(directory) == []


def test_machines_when_named_then_each_works(_directory):
    """Verify pc, q35 and microvm, with several CPUs.  Linux can't measure its clock on a
    microvm whose host is busy, and stops there: that isn't what is tested here."""
    for machine in ("pc", "q35", "microvm"):
        for cpus in ("1", "2", "4"):
            outcome = feuer_exec(["--machine", machine, "--cpus", cpus,
                                  "--boot-timeout", "60"], ["cat"],
                                 b"through " + machine.encode())
            if KERNEL == "linux" and machine == "microvm" and outcome.status == 125:
                raise Skip("Linux did not start on the microvm")
            check(outcome, 0, b"through " + machine.encode())


def test_icount_when_run_twice_then_same_clock(_directory):
    """Verify that --icount gives the fixed date, and nearly the same count each time."""
    outcomes = [feuer_exec(["--icount"], ["date", "-u", "+%Y-%m-%d"]) for _ in range(2)]
    check(outcomes[0], 0, b"2026-01-01\n")
    check(outcomes[1], 0, b"2026-01-01\n")


def test_memory_when_given_then_obeyed(_directory):
    """Verify --mem by what the guest has: /dev/feuer on FeuerBird, free on Linux."""
    script = ("if [ -e /dev/feuer ]; then awk '/frames_total/{print int($2/256)}' /dev/feuer;"
              " else free -m | awk 'NR==2{print $2}'; fi")
    small = feuer_exec(["--mem", "256"], ["sh", "-c", script])
    assert small.status == 0 and 100 < int(small.out) <= 256, small


def test_start_when_measured_then_tool_costs_little(_directory):
    """Verify that the tool itself, up to QEMU's start, takes well under 0.5 s (the aim is
    0.15 s; the limit here allows for a loaded machine)."""
    times = []
    for _ in range(5):
        begin = time.monotonic()
        subprocess.run([FEUER, "exec", *kernel_options(), "--show", "--", "true"],
                       stdout=subprocess.DEVNULL, check=True)
        times.append(time.monotonic() - begin)
    print("# start-up of the tool: %.3f s" % min(times))
    assert min(times) < 0.5, times


run_all(sys.modules[__name__])
