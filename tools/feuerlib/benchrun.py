# SPDX-License-Identifier: MIT
"""Runs the bench programs in guests and puts together what the runs gave.

A program says with --list which rows it has, one a line:
    NAME GROUP FLAGS OPERATIONS-PER-SAMPLE       FLAGS: `-`, or words with commas between
and measures rows, one a line:
    NAME MINIMUM MEDIAN       or       NAME - ERROR TEXT
In ns for one operation; under --icount a virtual nanosecond is one instruction.

  B1  Every column is the same program file, in the same machine: processor, memory, root
      archive and init.  Only the kernel and its parameters differ.
  B2  A figure is the median over the runs of each run's median.
  B3  Counted, FeuerBird's runs are equal in every line; `differences` says where not.
"""
import collections
import concurrent.futures
import fnmatch
import os
import re
import shlex
import statistics
import subprocess
import sys
import threading
import time

from .common import TOOLS, UserError, build_dir

FEUER = os.path.join(TOOLS, "feuer")
RUN_SECONDS = 3600
MEMORY_MB = 1024
COUNTED_JOBS = 2
QUIET_SECONDS = 2
LINE_SECONDS = 10

# What a figure is.  Wall time is had from the same processor as the count: with ERMS Linux copies
# by bytes, and with CR4.PKE its signals are several times slower, on an emulator only.
MODES = {
    "counted": ["--icount"],
    "wall": ["--qemu-arg=-cpu", "--qemu-arg=max,-erms,-pku"],
    "cycles": ["--accel", "kvm", "--env", "BENCH_TICKS=1"],
}

Row = collections.namedtuple("Row", "name group flags operations")
DEFAULT_PROGRAMS = ("micro", "micro-glibc")
# Of several runs: their median, the least and the greatest.
Figure = collections.namedtuple("Figure", "value least most")


class Column:
    """A kernel with its options; TITLE names it in tables and in files."""

    def __init__(self, title, arguments, feuerbird):
        self.title, self.arguments, self.feuerbird = title, arguments, feuerbird


def columns(kernel=None, linux=True, cpus=1, memory=MEMORY_MB):
    """The columns of a table, in its order."""
    shared = ["--mem", str(memory)] + (["--cpus", str(cpus)] if cpus > 1 else [])
    ours = shared + (["--kernel", kernel] if kernel else [])
    theirs = shared + ["--kernel", "linux"]
    found = [Column("linux", theirs, False), Column("tuned", theirs + ["--tuned"], False),
             Column("views", ours + ["--gate", "views"], True),
             Column("direct", ours + ["--gate", "direct"], True)]
    return [column for column in found if linux or column.feuerbird]


# ---- what a program says ----

def parse_list(text):
    """{name: Row}, in the program's order."""
    rows = {}
    for line in text.split("\n"):
        words = line.split()
        if not words:
            continue
        if len(words) != 4 or not words[3].isdigit():
            raise UserError("--list of a bench program printed %r" % line)
        flags = frozenset(words[2].split(",")) if words[2] != "-" else frozenset()
        rows[words[0]] = Row(words[0], words[1], flags, int(words[3]))
    return rows


def parse_row(line):
    """(name, (minimum, median)), (name, an error's text), or None for another line.

    A derived row is a difference: by a wall clock on a busy host it can be below zero.
    """
    words = line.split()
    if len(words) == 3 and all(re.fullmatch("-?[0-9]+", word) for word in words[1:]):
        return words[0], (int(words[1]), int(words[2]))
    if len(words) > 2 and words[1] == "-":
        return words[0], " ".join(words[2:])
    return None


def program_path(program):
    path = os.path.join(build_dir(), "bench", program)
    if not os.path.isfile(path):
        raise UserError("no %s; run `make benches`" % path)
    return path


def list_rows(program):
    """What PROGRAM's --list says; it is a static program that runs here as well."""
    done = subprocess.run([program_path(program), "--list"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, timeout=60)
    rows = parse_list(done.stdout.decode(errors="replace"))
    if done.returncode != 0 or not rows:
        raise UserError("%s --list gives no rows" % program_path(program))
    return rows


def chosen(rows, patterns, cpus=1):
    """The rows whose names match one of PATTERNS; all without patterns.

    Those with the flag `wall` ask for several CPUs, where nothing can be counted, and the
    others for one.
    """
    rows = {name: row for name, row in rows.items() if ("wall" in row.flags) == (cpus > 1)}
    if not rows:
        raise UserError("no row asks for %s" % ("several CPUs" if cpus > 1 else "one CPU"))
    for pattern in patterns:
        if not fnmatch.filter(rows, pattern):
            raise UserError("no row is called %s" % pattern)
    return {name: row for name, row in rows.items()
            if not patterns or any(fnmatch.fnmatchcase(name, one) for one in patterns)}


# ---- one run ----

def guest_command(programs, samples):
    """What runs in the guest: each of PROGRAMS, {name: its rows' names or [] for all}."""
    each = [["/add/" + name, "-n", str(samples), *rows] for name, rows in programs.items()]
    if len(each) == 1:
        return each[0]
    # The others run even if one fails.
    return ["sh", "-c", "status=0; " + " ".join(shlex.join(one) + " || status=$?;"
                                                for one in each) + " exit $status"]


def run_command(programs, column, samples, mode, seed=1):
    """The `feuer exec` command of one run; PROGRAMS as in guest_command.

    Counted runs of Linux with one SEED are equal, and its cost depends on where it happened
    to lay things out: so each run gets a seed of its own.
    """
    seeds = [] if column.feuerbird or mode != "counted" else \
        ["--seed", str(seed)]
    return [FEUER, "exec", *MODES[mode], *seeds, *column.arguments, "--image", "debian",
            "--add", os.path.join(build_dir(), "bench"), "--timeout", str(RUN_SECONDS), "--", *guest_command(programs, samples)]


def run_once(command, on_row):
    """{name: what parse_row gives} of one guest, and its status; ON_ROW(name) for each."""
    found = {}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        for line in process.stdout:
            row = parse_row(line.decode(errors="replace"))
            if row is not None:
                found[row[0]] = row[1]
                on_row(row[0])
        return found, process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


class Progress:
    """Says on standard error how far the runs are, once they take long."""

    def __init__(self, total):
        self.total, self.done, self.name = total, 0, ""
        self.lock = threading.Lock()
        self.begin = self.said = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.shown = False

    def row(self, title, name):
        with self.lock:
            self.done += 1
            now = time.monotonic()
            if now - self.begin < QUIET_SECONDS:
                return
            if not self.terminal and now - self.said < LINE_SECONDS and self.shown:
                return
            self.said, self.shown = now, True
            text = "%d of %d rows measured, %.0f s: %s on %s" % (
                self.done, self.total, now - self.begin, name, title)
            sys.stderr.write("\r\033[Kfeuer: " + text if self.terminal
                             else "feuer: %s\n" % text)
            sys.stderr.flush()

    def end(self):
        if self.shown and self.terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


class Measured:
    """What all runs of one program gave.

    runs: {column title: [{name: (minimum, median) or text}]}; problems: lines that say
    what went wrong, which the caller shows and fails for.
    """

    def __init__(self, rows, which, mode):
        self.rows, self.columns, self.mode = rows, which, mode
        self.runs = {column.title: [] for column in which}
        self.problems = []

    def figure(self, title, name):
        """A Figure; a text where it could not be measured; None where it was not."""
        values = [run.get(name) for run in self.runs.get(title, [])]
        texts = [value for value in values if isinstance(value, str)]
        if texts:
            return texts[0]
        medians = [value[1] for value in values if value is not None]
        if not medians:
            return None
        return Figure(statistics.median_low(medians), min(medians), max(medians))


def differences(runs):
    """Lines for the rows whose figures are not the same in all RUNS (B3)."""
    lines = []
    for name in dict.fromkeys(name for run in runs for name in run):
        seen = [run.get(name) for run in runs]
        if any(one != seen[0] for one in seen):
            lines.append("%s differs between runs: %s" % (name, ", ".join(
                one if isinstance(one, str) else "none" if one is None
                else "%d %d" % one for one in seen)))
    return lines


def list_all(programs):
    """({name: Row} of all PROGRAMS, {name: its program})."""
    rows, owner = {}, {}
    for program in programs:
        for name, row in list_rows(program).items():
            if name in rows:
                raise UserError("%s and %s both have a row %s" % (owner[name], program, name))
            rows[name], owner[name] = row, program
    return rows, owner


def commands(rows, everything, owner):
    """For guest_command: which rows of which program; no names for all that it has."""
    found = {}
    for program in dict.fromkeys(owner[name] for name in rows):
        names = [name for name in rows if owner[name] == program]
        whole = sum(owner[name] == program for name in everything) == len(names)
        found[program] = [] if whole else names
    return found


def measure(programs, rows, which, runs, samples, mode):
    """Run all columns RUNS times, in turn, and return a Measured of ROWS."""
    result = Measured(rows, which, mode)
    progress = Progress(len(rows) * len(which) * runs)

    def one(job):
        seed, column = job
        return run_once(run_command(programs, column, samples, mode, seed),
                        lambda name: progress.row(column.title, name))

    jobs = [(seed, column) for seed in range(1, runs + 1) for column in which]
    with concurrent.futures.ThreadPoolExecutor(
            COUNTED_JOBS if mode == "counted" else 1) as pool:
        for (_, column), (found, status) in zip(jobs, pool.map(one, jobs)):
            result.runs[column.title].append(found)
            missing = [name for name in rows if name not in found]
            if status != 0 or missing:
                result.problems.append("a run of column %s ended with status %d%s" % (
                    column.title, status, "" if not missing else ", without the rows "
                    + " ".join(missing[:10]) + (" ..." if len(missing) > 10 else "")))
    progress.end()
    if mode == "counted":
        for column in which:
            if column.feuerbird:
                result.problems += ["column %s: %s" % (column.title, line) for line in
                                    differences(result.runs[column.title])]
    return result
