# SPDX-License-Identifier: MIT
"""Which tests there are.  One Job is one process; the runner counts what it reports."""
import glob
import os
import shlex
import stat
import subprocess

from .common import REPO, TOOLS, build_dir

GROUPS = ("host", "proofs", "tools", "guest")
FEUER = os.path.join(TOOLS, "feuer")


class Job:
    """A command, how long it may take, and how to judge its output further."""

    def __init__(self, name, command, seconds=120, check=None, environment=None):
        self.name, self.command, self.seconds = name, command, seconds
        self.check, self.environment = check, environment or {}
        self.directory = REPO


def is_program(path):
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o100)


def host_jobs(options):
    """Unit tests: every build/host/<room>/test_<name>, and those the build names."""
    build = build_dir()
    wanted = {os.path.join(REPO, path) for path in shlex.split(options.host_tests or "")}
    found = {path for path in glob.glob(os.path.join(build, "host", "**", "test_*"),
                                        recursive=True) if is_program(path)}
    for path in sorted({os.path.normpath(path) for path in wanted | found}):
        yield Job("host " + os.path.relpath(path, os.path.join(build, "host")), [path],
                  300)
    yield Job("kernel lines", [os.path.join(TOOLS, "kernel-lines")])
    yield Job("headers", [os.path.join(TOOLS, "check-headers"), build_dir()])
    yield Job("made pages", [os.path.join(TOOLS, "check-docs")])


def proof_jobs(options):
    """proofs/run where there is one; it knows how each is called.  It takes minutes."""
    if options.quick:
        return
    path = os.path.join(REPO, "proofs", "run")
    if is_program(path):
        yield Job("proofs", [path], 900)
        return
    for path in sorted(glob.glob(os.path.join(REPO, "proofs", "*.py"))):
        yield Job("proof " + os.path.basename(path), ["python3", path], 600)


def tool_jobs(options):
    """Tests of the runner itself; those that boot use the kernel under test."""
    environment = {"FEUER_TEST_KERNEL": options.kernel} if options.kernel else {}
    for path in sorted(glob.glob(os.path.join(REPO, "tests", "tools", "test_*.py"))):
        yield Job("tools " + os.path.basename(path)[5:-3], ["python3", path], 900,
                  environment=environment)


def same_as(name):
    """A judge: the output of tests/guest/NAME.sh against what Linux gave."""
    path = os.path.join(REPO, "tests", "guest", name + ".expected")
    return lambda output: difference(output, path)


def difference(output, path):
    try:
        with open(path, errors="replace") as file:
            expected = file.read()
    except OSError:
        return "no %s; make it with tools/linux-compare --write" % path
    if output == expected:
        return None
    got, want = output.split("\n"), expected.split("\n")
    for number, (one, two) in enumerate(zip(got, want), 1):
        if one != two:
            return "line %d is %r, expected %r" % (number, one, two)
    return "%d lines, expected %d" % (len(got), len(want))


def in_guest(options, arguments, command, seconds):
    """A `feuer exec` command; its time is up before the runner's."""
    full = [FEUER, "exec", "--timeout", str(seconds - 10)]
    if options.kernel:
        full += ["--kernel", options.kernel]
    return full + arguments + ["--"] + command


def guest_job(options, name, arguments, command, seconds=300, check=None):
    return Job("guest " + name, in_guest(options, arguments, command, seconds), seconds,
               check)


def absent_calls():
    """NUMBER:NAME of each system call without a handler."""
    done = subprocess.run([os.path.join(TOOLS, "syscalls.py"), "--absent"], check=True,
                          stdout=subprocess.PIPE)
    return done.stdout.decode().split()


def debian_jobs(options):
    """The comparison scripts on the Debian root; with --quick, only the shortest."""
    if options.quick:
        plans = (("debian-bash", (2,)),)
    else:
        plans = (("debian-bash", (1, 2, 4)), ("debian-coreutils", (1, 4)),
                 ("debian-work", (1, 2, 4)))
    for name, cpus in plans:
        for count in cpus:
            yield guest_job(options, "%s cpus=%d" % (name, count), [
                "--image", "debian", "--cpus", str(count),
                "--add", os.path.join(REPO, "tests", "guest")],
                ["sh", "-c", "exec bash /add/%s.sh 2>/dev/null" % name], 600,
                same_as(name))


def guest_jobs(options):
    programs = os.path.join(build_dir(), "guest")
    scripts = os.path.join(REPO, "tests", "guest")
    cpus = (1, 2) if options.quick else (1, 2, 4)
    for path in sorted(glob.glob(os.path.join(scripts, "c", "test_*.c"))):
        name = os.path.basename(path)[:-2]
        for count in cpus[:2]:
            yield guest_job(options, "%s cpus=%d" % (name, count), [
                "--add", programs, "--cpus", str(count)], ["/add/" + name])
    # Standard error may differ: bash tells of killed jobs with their numbers.
    quiet = ["sh", "-c", "exec sh /add/shell-both.sh 2>/dev/null"]
    for count in cpus:
        yield guest_job(options, "shell cpus=%d" % count, [
            "--add", scripts, "--cpus", str(count)], quiet, 600, same_as("shell"))
        yield guest_job(options, "stress cpus=%d" % count, [
            "--add", programs, "--cpus", str(count)],
            ["/add/stress", "-n", "50" if options.quick else "300"], 600)
        yield guest_job(options, "fuzz_calls cpus=%d" % count, [
            "--add", programs, "--cpus", str(count)],
            ["/add/fuzz_calls", "-p", "4", "-n", "3000" if options.quick else "9000"], 600)
        if options.kernel != "linux" and count == 1:
            yield guest_job(options, "calls without a handler", ["--add", programs],
                            ["/add/absent"] + absent_calls())
        if options.kernel != "linux":
            yield guest_job(options, "accounting cpus=%d" % count, [
                "--add", programs, "--cpus", str(count)],
                ["sh", "/add/accounting.sh", "/add", "20"], 600)
            yield guest_job(options, "memory is full cpus=%d" % count, [
                "--add", programs, "--mem", "48", "--cpus", str(count)],
                ["sh", "/add/full.sh", "/add"], 300)
    yield from debian_jobs(options)
    for machine in ("q35", "microvm"):
        yield guest_job(options, "shell machine=%s" % machine, [
            "--add", scripts, "--machine", machine], quiet, 600, same_as("shell"))
    if options.kernel == "linux":
        return
    yield Job("guest kernel", [os.path.join(REPO, "tests", "kernel", "run.sh"), build_dir(),
                               "5" if options.quick else "20"], 900)
    for name in ("test_process", "test_memory", "test_signal", "test_efault"):
        yield guest_job(options, "%s gate=direct" % name, [
            "--add", programs, "--gate", "direct"], ["/add/" + name])
    yield guest_job(options, "shell gate=direct", [
        "--add", scripts, "--gate", "direct"], quiet, 600, same_as("shell"))
    yield Job("guest boots", [os.path.join(TOOLS, "many-boots"),
                              "10" if options.quick else "50"], 900)


def plan(options):
    groups = options.group or GROUPS
    makers = {"host": host_jobs, "proofs": proof_jobs, "tools": tool_jobs,
              "guest": guest_jobs}
    for group in GROUPS:
        if group in groups:
            yield from makers[group](options)
