# SPDX-License-Identifier: MIT
"""Which tests there are.  One Job is one process; the runner counts what it reports.

Where each is, and why (two jobs at once on two cores: --quick within 3 minutes, all
within 15):
  host       All in both: the unit tests and fuzzers take about 40 s together; a fuzzer's
             rounds are bounded by its defaults, and more are had by its arguments.
  proofs     Only in the full run: a minute; with --all: minutes, with larger searches.
  tools      All in both, but for what a test itself leaves to the full run
             (harness.full_run_only): waiting for guests rather than work.
  guest      The programs tests/guest/c/test_*.c run one after the other in a few boots
             (tests/guest/c/several.c), with a time limit and an empty /tmp for each.
             quick: on 2 CPUs, where races are, without the LONG ones; full: all on 1 and
             4; --all: on 1, 2 and 4.  OWN_GUEST has those that take the machine's memory or processes.
             Shell scripts, stress, fuzz_calls, accounting: quick on 2 CPUs, full on 1 and
             4, --all on 1, 2 and 4, and longer.  Other machines and the direct gate: few programs, --all with the shell.
  bench      The limits of tests/bench/limits.tsv in both: one boot.  That a slowdown would
             be found takes a build: full.
  programs   tests/programs: Debian's programs as shipped.  Full: the short ones in one boot;
             --all: the others, and Python's own test suite, which take many minutes.
  Debian     procfs.sh, which is short, in both, so that dynamic programs are always run.
             The comparisons take 20 to 130 s each: full has each once, and together they
             cover 1, 2 and 4 CPUs; tools/linux-compare runs all on all.
"""
import glob
import os
import shlex
import stat
import subprocess

from .common import REPO, TOOLS, build_dir

GROUPS = ("host", "proofs", "tools", "guest", "bench", "programs")
FEUER = os.path.join(TOOLS, "feuer")
# More than 2.5 seconds each on an idle machine: storms, bombs, and real time that passes.
LONG = {"test_bombs", "test_restart", "test_fd", "test_pipe_storm", "test_process_usage",
        "test_storms", "test_pty_storm", "test_poll", "test_tty_modes", "test_sched",
        "test_poll_eventfd", "test_latency", "test_exit_storm", "test_unix_hostile",
        "test_thread_bomb"}
# Fork and memory bombs: what they leave in the kernel's stores must not meet others.
OWN_GUEST = {"test_bombs", "test_thread_bomb"}
OWN_GUEST_MB = "1536"  # 10,000 threads at 128 KiB each, and the rest
PROGRAM_SECONDS = 300
# Seconds on an idle machine, of those that take half a minute or more: the runner starts
# them first, so that no core is idle at the end.
EXPECTED = {"proofs": 120, "guest kernel": 90, "guest debian-work-2 cpus=4": 80,
            "guest debian-tools cpus=2": 70, "guest programs 1 cpus=4": 60,
            "guest programs 2 cpus=4": 60, "tools exec": 55, "guest debian-work cpus=2": 50,
            "guest debian-coreutils cpus=4": 50, "guest test_bombs cpus=4": 50,
            "tools image": 50, "guest shell cpus=4": 50, "guest programs 1 cpus=1": 45,
            "guest programs 2 cpus=1": 45, "guest steward": 40, "guest slices": 35,
            "guest reclaim posix": 35, "tools run": 30, "guest test_bombs cpus=1": 30}
# Boots for each number of CPUs: two, so that both cores of the host have one.
BOOTS = 2


class Job:
    """A command, how long it may take, and how to judge its output further.

    PARTS are the programs of a job of several.c; each is reported as a test of its own.
    """

    def __init__(self, name, command, seconds=120, check=None, environment=None, parts=()):
        self.name, self.command, self.seconds = name, command, seconds
        self.check, self.environment, self.parts = check, environment or {}, parts
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
    """proofs/run where there is one; it knows how each is called.  With --all it takes minutes."""
    if options.quick:
        return
    path = os.path.join(REPO, "proofs", "run")
    if is_program(path):
        yield Job("proofs", [path] + (["--all"] if options.all else []), 1800)
        return
    for path in sorted(glob.glob(os.path.join(REPO, "proofs", "*.py"))):
        yield Job("proof " + os.path.basename(path), ["python3", path], 600)


def tool_jobs(options):
    """Tests of the runner itself; those that boot use the kernel under test."""
    environment = {"FEUER_TEST_KERNEL": options.kernel} if options.kernel else {}
    if options.quick:
        environment["FEUER_TEST_QUICK"] = "1"
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


def test_programs():
    """The names of the guest's test programs."""
    return sorted(os.path.basename(path)[:-2] for path in glob.glob(
        os.path.join(REPO, "tests", "guest", "c", "test_*.c")))


def several(programs):
    """The guest's command that runs PROGRAMS one after the other."""
    return (["/add/several", "-t", str(PROGRAM_SECONDS)]
            + ["/add/" + name for name in programs])


def several_job(options, name, arguments, programs):
    """PROGRAMS in one guest; a hang of one costs PROGRAM_SECONDS."""
    seconds = 300 + PROGRAM_SECONDS
    return Job("guest " + name, in_guest(options, [
        "--add", os.path.join(build_dir(), "guest"),
        "--mem", "1024", *arguments],
        several(programs), seconds), seconds, parts=programs)


def shares(programs, count):
    """PROGRAMS dealt out to COUNT lists; neighbours, which are alike, go to different."""
    return [part for part in (programs[i::count] for i in range(count)) if part]


def cpu_counts(options):
    """What is run on several numbers of CPUs: without races, and with most of them."""
    return (2,) if options.quick else (1, 2, 4) if options.all else (1, 4)


def program_jobs(options):
    names = test_programs()
    if options.quick:
        names = [name for name in names if name not in LONG]
    for cpus in cpu_counts(options):
        for name in names:
            if name in OWN_GUEST:
                yield several_job(options, "%s cpus=%d" % (name, cpus),
                                  ["--cpus", str(cpus), "--mem", OWN_GUEST_MB], [name])
        rest = [name for name in names if name not in OWN_GUEST]
        for number, part in enumerate(shares(rest, BOOTS), 1):
            yield several_job(options, "programs %d cpus=%d" % (number, cpus),
                              ["--cpus", str(cpus)], part)


def debian_jobs(options):
    """Scripts on the Debian root."""
    added = ["--image", "debian", "--add", os.path.join(REPO, "tests", "guest")]
    yield guest_job(options, "procfs cpus=2", added + ["--cpus", "2"],
                    ["bash", "/add/procfs.sh"])
    if options.quick:
        return
    for name, cpus in (("debian-coreutils", 4), ("debian-work", 2), ("debian-bash", 1),
                       ("debian-work-2", 4), ("debian-tools", 2), ("debian-tools-2", 1)):
        yield guest_job(options, "%s cpus=%d" % (name, cpus), added + ["--cpus", str(cpus)],
                        ["sh", "-c", "exec bash /add/%s.sh 2>/dev/null" % name], 600,
                        same_as(name))


def size(options, quick, full, everything):
    """How much of a check that can be longer or shorter."""
    return quick if options.quick else everything if options.all else full


def load_jobs(options, cpus):
    """What makes one guest busy: the shell, random calls, storms of processes."""
    programs = os.path.join(build_dir(), "guest")
    scripts = os.path.join(REPO, "tests", "guest")
    here = ["--cpus", str(cpus)]
    few = options.quick
    # Standard error may differ: bash tells of killed jobs with their numbers.
    yield guest_job(options, "shell cpus=%d" % cpus, ["--add", scripts] + here,
                    ["sh", "-c", "exec sh /add/shell-both.sh 2>/dev/null"], 600,
                    same_as("shell"))
    rounds = size(options, "50", "100", "300")
    yield guest_job(options, "stress cpus=%d" % cpus, ["--add", programs] + here,
                    ["sh", "-c", "for s in stress stress_threads stress_talk; do "
                     "/add/$s -n %s || exit; done" % rounds], 600)
    yield guest_job(options, "fuzz_calls cpus=%d" % cpus, ["--add", programs] + here,
                    ["/add/fuzz_calls", "-p", "4", "-n", "3000" if few else "9000"], 600)
    if options.kernel == "linux":
        return
    yield guest_job(options, "accounting cpus=%d" % cpus, ["--add", programs] + here,
                    ["sh", "/add/accounting.sh", "/add", "10" if few else "20"], 600)
    yield guest_job(options, "memory is full cpus=%d" % cpus,
                    ["--add", programs, "--mem", "48"] + here,
                    ["sh", "/add/full.sh", "/add"])


def variant_jobs(options):
    """Other machines, and the gate without system-call upcalls."""
    scripts = os.path.join(REPO, "tests", "guest")
    quiet = ["sh", "-c", "exec sh /add/shell-both.sh 2>/dev/null"]
    for machine in ("q35", "microvm"):
        arguments = ["--machine", machine]
        if not options.all:
            yield several_job(options, "machine=" + machine, arguments,
                              ["test_process", "test_time"])
        else:
            yield guest_job(options, "shell machine=" + machine,
                            ["--add", scripts] + arguments, quiet, 600, same_as("shell"))
    if options.kernel == "linux":
        return
    yield several_job(options, "gate=direct", ["--gate", "direct"],
                      ["test_process", "test_memory", "test_signal", "test_efault"])
    if not options.quick:
        yield guest_job(options, "shell gate=direct", ["--add", scripts, "--gate", "direct"],
                        quiet, 600, same_as("shell"))


def kills_job(options):
    """Instances end at any moment: few of them, or as many as docs/results/kills.tsv."""
    count, cpus, limit = (1000, "2,4", 5400) if options.all else (8, "2", 300)
    return Job("guest kills", [os.path.join(REPO, "tests", "steward", "kills.sh"),
                               "--count", str(count), "--cpus", cpus, build_dir()], limit)


def guest_jobs(options):
    yield from debian_jobs(options)
    yield from program_jobs(options)
    for cpus in cpu_counts(options):
        yield from load_jobs(options, cpus)
    yield from variant_jobs(options)
    if options.kernel == "linux":
        return
    yield guest_job(options, "calls without a handler",
                    ["--add", os.path.join(build_dir(), "guest")],
                    ["/add/absent"] + absent_calls())
    yield Job("guest kernel", [os.path.join(REPO, "tests", "kernel", "run.sh"), build_dir(),
                               size(options, "2", "8", "20")], 900)
    yield Job("guest steward", [os.path.join(REPO, "tests", "steward", "run.sh"), build_dir()], 900)
    yield kills_job(options)
    yield Job("guest reclaim", [os.path.join(REPO, "tests", "reclaim", "run.sh"), build_dir()], 300)
    yield Job("guest sdk", [os.path.join(REPO, "tests", "sdk", "run.sh"), build_dir()], 900)
    yield Job("guest slices", [os.path.join(TOOLS, "slices")]
              + size(options, ["--mix", "even"], ["--mix", "even", "--mix", "hog first"], []),
              600)
    yield Job("guest reclaim posix", [os.path.join(REPO, "tests", "reclaim", "posix.sh"), build_dir()]
              + [str(cpus) for cpus in cpu_counts(options)], 900)
    yield Job("guest boots", [os.path.join(TOOLS, "many-boots"),
                              size(options, "6", "21", "50")], 900)


def bench_jobs(options):
    """What some rows may cost, and that it is noticed when they cost more."""
    if options.kernel == "linux":
        return
    kernel = ["--kernel", options.kernel] if options.kernel else []
    yield Job("bench limits", [FEUER, "bench", "--guard"] + kernel)
    if not options.quick:
        yield Job("bench planted slowdown",
                  [os.path.join(REPO, "tests", "bench", "planted.py")], 600)


def shipped_jobs(options):
    """Debian's programs as shipped, against what they wrote on Linux."""
    if options.quick:
        return
    folder = os.path.join(REPO, "tests", "programs")
    kernel = ["--kernel", options.kernel] if options.kernel else []
    yield Job("programs short", [os.path.join(folder, "run"), "--quick"] + kernel, 600)
    if options.all:
        yield Job("programs rest", [os.path.join(folder, "run"), "--rest"] + kernel, 3600)
        yield Job("programs python", [os.path.join(folder, "python-suite")] + kernel, 7200)


def plan(options):
    """The longest first (the order of the others stays)."""
    groups = options.group or GROUPS
    makers = {"host": host_jobs, "proofs": proof_jobs, "tools": tool_jobs,
              "guest": guest_jobs, "bench": bench_jobs, "programs": shipped_jobs}
    jobs = [job for group in GROUPS if group in groups for job in makers[group](options)]
    return sorted(jobs, key=lambda job: -EXPECTED.get(job.name, 0))
