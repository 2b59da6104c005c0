# SPDX-License-Identifier: MIT
"""`feuer bench`: what each basic operation costs, on FeuerBird and on Linux, in one run.

The same program boots on FeuerBird with both gates and on Debian's kernel as shipped and
tuned (machine.TUNED).  The table is printed, and written to build/bench-results as a TSV
and a plot of the ratios, or with --keep to docs/results, which docs/performance.md and
README.md are made from.  The parts: benchrun (guests), benchstore (files), benchtable
(text), benchplot (SVG), benchpage (pages), benchguard (limits).
"""
import importlib
import os
import shlex
import sys

from . import (accel, benchguard, benchpage, benchplot, benchrun, benchstore, benchtable, growth,
               machine)
from .benchstore import Line, Table
from .common import REPO, UserError, build_dir, replace_file, say

RESULTS = os.path.join(REPO, "docs", "results")
RUNS = 3
SAMPLES = {"counted": 31, "wall": 11, "cycles": 31}
# What is shown beside the counts of rows that copy or clear: a rep instruction counts once
# for each of its iterations.
BESIDE = ("tuned", "views", "direct")
UNITS = {"counted": "instructions", "wall": "ns"}


def mode_of(options):
    return "wall" if options.wall or options.cpus > 1 else "counted"


def base_name(options):
    """bench, bench-wall, growth, ...: the file's name without its end."""
    programs = tuple(options.program)
    name = "bench" if programs == benchrun.DEFAULT_PROGRAMS else "-".join(programs)
    return name + ("-cpus" if options.cpus > 1 else "-wall" if options.wall else "")


def as_typed(options):
    """The command that makes this table again."""
    words = ["tools/feuer", "bench"]
    if tuple(options.program) != benchrun.DEFAULT_PROGRAMS:
        for program in options.program:
            words += ["--program", program]
    words += ["--wall"] if options.wall else []
    words += ["--cpus", str(options.cpus)] if options.cpus > 1 else []
    words += ["--mem", str(options.mem)] if options.mem != benchrun.MEMORY_MB else []
    words += ["--runs", str(options.runs), "--samples", str(options.samples)]
    words += ["--no-linux"] if options.no_linux else []
    for pattern in options.only + options.rows:
        words += ["--only", pattern]
    return shlex.join(words)


def make_table(measured, extra, options, programs):
    """The Table of what was measured; EXTRA: what stands beside it, Measured as well."""
    every = [("", measured)] + [("." + one.mode, one) for one in extra]
    titles = [column.title + end for end, one in every for column in one.columns]
    lines = {}
    for name, row in measured.rows.items():
        lines[name] = Line(row, UNITS[measured.mode], {
            column.title + end: one.figure(column.title, name)
            for end, one in every for column in one.columns})
    jobs = {column.title: benchrun.run_command(programs, column, options.samples,
                                               measured.mode)
            for column in measured.columns}
    notes = benchstore.describe(as_typed(options), options.runs, options.samples, jobs)
    return Table(notes, titles, lines)


def measure(options):
    """(Table, problems) of what the options ask for."""
    everything, owner = benchrun.list_all(options.program)
    rows = benchrun.chosen(everything, options.only + options.rows, options.cpus)
    which = benchrun.columns(options.kernel, not options.no_linux, options.cpus,
                             options.mem)
    programs = benchrun.commands(rows, everything, owner)
    measured = benchrun.measure(programs, rows, which, options.runs, options.samples,
                                mode_of(options))
    few = [column for column in which if column.title in BESIDE]
    extra = []
    copying = {name: row for name, row in rows.items() if "rep" in row.flags}
    if measured.mode == "counted" and copying:
        extra.append(benchrun.measure(benchrun.commands(copying, everything, owner), copying,
                                      few, RUNS, SAMPLES["wall"], "wall"))
    if measured.mode == "counted" and accel.kvm_works(machine.find_qemu()):
        extra.append(benchrun.measure(programs, rows, few, RUNS, SAMPLES["cycles"],
                                      "cycles"))
    problems = [line for one in [measured] + extra for line in one.problems]
    return make_table(measured, extra, options, programs), problems


def show(table, wall):
    rows = benchtable.grid(table, wall)
    print(benchtable.text_table(rows))
    print()
    for line in benchtable.summary(table):
        print(line)
    print("kvm: " + table.notes["kvm"])
    if any("rep" in line.row.flags for line in table.lines.values()) and not wall:
        print("rep: the row copies or clears memory, and each iteration of a rep "
              "instruction counts as one; wall time is beside it")


def keep(table, options, folder):
    """Write TSV and plot to FOLDER; the paths."""
    path = os.path.join(folder, base_name(options))
    benchstore.write(path + ".tsv", table)
    found = [path + ".tsv"]
    plot = benchplot.ratios(table)
    if plot:
        replace_file(path + ".svg", lambda file: file.write(plot.encode()))
        found.append(path + ".svg")
    return found


def other_part(name, options):
    """--zones, --programs, --size: modules of their own, with tables of their own."""
    folder = RESULTS if options.keep else os.path.join(build_dir(), "bench-results")
    module = importlib.import_module("." + name, __package__)
    words = ["tools/feuer", "bench", "--" + name]
    if name == "programs":
        words += ["--runs", str(options.runs or RUNS)]
        words += [word for one in options.only + options.rows for word in ("--only", one)]
        if options.keep and options.only + options.rows:
            raise UserError("--keep is for whole tables; leave out rows")
        status = module.main(shlex.join(words), folder, options.only + options.rows,
                             options.runs or RUNS)
    else:
        status = module.main(shlex.join(words), folder)
    if options.keep:
        benchpage.main(RESULTS, False)
    return status


def main(options):
    if options.guard:
        return benchguard.main(options)
    if options.page or options.check:
        return benchpage.main(RESULTS, options.check)
    if options.growth:
        status = growth.main(options)
        if options.keep:
            benchpage.main(RESULTS, False)
        return status
    for part, name in ((options.zones, "zones"), (options.programs, "programs"),
                       (options.size, "size")):
        if part:
            return other_part(name, options)
    if options.keep and (options.only or options.rows or options.no_linux):
        raise UserError("--keep is for whole tables; leave out rows and --no-linux")
    if options.runs is None:
        options.runs = RUNS
    if options.samples is None:
        options.samples = SAMPLES[mode_of(options)]
    options.program = options.program or list(benchrun.DEFAULT_PROGRAMS)
    options.mem = options.mem or benchrun.MEMORY_MB
    table, problems = measure(options)
    show(table, mode_of(options) == "wall")
    folder = RESULTS if options.keep else os.path.join(build_dir(), "bench-results")
    for path in keep(table, options, folder):
        say("written: " + os.path.relpath(path))
    if options.keep:
        benchpage.main(RESULTS, False)
    for problem in problems:
        say(problem)
    sys.stdout.flush()
    return 1 if problems else 0
