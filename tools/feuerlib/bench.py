# SPDX-License-Identifier: MIT
"""`feuer bench`: what each basic operation costs, on FeuerBird and on Linux, in one run.

The same program boots on FeuerBird with both gates and on Debian's kernel as shipped and
tuned (MEASURING.md).  The table is printed, and written to build/bench-results as a TSV
and a plot of the ratios, or with --keep to docs/results, which docs/performance.md and
README.md are made from.  The parts: benchrun (guests), benchstore (files), benchtable
(text), benchplot (SVG), benchpage (pages), benchguard (limits).
"""
import os
import shlex
import sys

from . import benchguard, benchpage, benchplot, benchrun, benchstore, benchtable
from .benchstore import Line, Table, is_count
from .common import REPO, UserError, build_dir, replace_file, say

RESULTS = os.path.join(REPO, "docs", "results")
WALL_RUNS = 3
# What is shown beside the counts of rows that copy or clear: a rep instruction counts once
# for each of its iterations.
WALL_BESIDE = ("tuned", "views", "direct")


def base_name(options):
    """bench, bench-wall, growth, ...: the file's name without its end."""
    name = "bench" if options.program == "micro" else options.program
    return name + ("-wall" if options.wall else "")


def as_typed(options):
    """The command that makes this table again."""
    words = ["tools/feuer", "bench"]
    if options.program != "micro":
        words += ["--program", options.program]
    words += ["--wall"] if options.wall else []
    words += ["--runs", str(options.runs), "--samples", str(options.samples)]
    words += ["--no-linux"] if options.no_linux else []
    for pattern in options.only + options.rows:
        words += ["--only", pattern]
    return shlex.join(words)


def unit(row, counted):
    return "count" if is_count(row) else "instructions" if counted else "ns"


def make_table(measured, options, beside):
    """The Table of what was measured; BESIDE: wall times of the rep rows, or None."""
    titles = [column.title for column in measured.columns]
    lines = {}
    for name, row in measured.rows.items():
        values = {title: measured.figure(title, name) for title in titles}
        if beside is not None:
            values.update({column.title + ".wall": beside.figure(column.title, name)
                           for column in beside.columns})
        lines[name] = Line(row, unit(row, measured.counted), values)
    if beside is not None:
        titles = titles + [column.title + ".wall" for column in beside.columns]
    jobs = {column.title: benchrun.run_command(
        options.program, column, [], options.samples, measured.counted)
        for column in measured.columns}
    notes = benchstore.describe(as_typed(options), options.runs, options.samples, jobs)
    return Table(notes, titles, lines)


def measure(options):
    """(Table, problems) of what the options ask for."""
    everything = benchrun.list_rows(options.program)
    rows = benchrun.chosen(everything, options.only + options.rows)
    which = benchrun.columns(options.kernel, not options.no_linux)
    counted = not options.wall
    measured = benchrun.measure(options.program, rows, which, options.runs,
                                options.samples, counted, len(everything))
    problems, beside = measured.problems, None
    copying = {name: row for name, row in rows.items() if "rep" in row.flags}
    if counted and copying:
        beside = benchrun.measure(
            options.program, copying, [one for one in which if one.title in WALL_BESIDE],
            WALL_RUNS, options.samples, False, len(everything))
        problems = problems + beside.problems
    return make_table(measured, options, beside), problems


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
    plot = benchplot.for_table(table, options.program)
    if plot:
        replace_file(path + ".svg", lambda file: file.write(plot.encode()))
        found.append(path + ".svg")
    return found


def main(options):
    if options.guard:
        return benchguard.main(options)
    if options.page or options.check:
        return benchpage.main(RESULTS, options.check)
    if options.keep and (options.only or options.rows or options.no_linux):
        raise UserError("--keep is for whole tables; leave out rows and --no-linux")
    if options.runs is None:
        options.runs = WALL_RUNS
    table, problems = measure(options)
    show(table, options.wall)
    folder = RESULTS if options.keep else os.path.join(build_dir(), "bench-results")
    for path in keep(table, options, folder):
        say("written: " + os.path.relpath(path))
    if options.keep:
        benchpage.main(RESULTS, False)
    for problem in problems:
        say(problem)
    sys.stdout.flush()
    return 1 if problems else 0
