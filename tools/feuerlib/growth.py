# SPDX-License-Identifier: MIT
"""`feuer bench --growth`: what operations cost against how much there is of something.

The rows of build/bench/growth are called BASE/SIZE; a BASE is a curve.  They are counted,
but for those flagged `wall`, whose size is a number of CPUs: these take wall time, in a
machine with so many.  It gives a TSV, a plot with a small panel for each curve, and a section
of docs/performance.md that says how steep each curve is.
"""
import fnmatch
import math
import os

from . import benchrun, benchstore
from .benchplot import COLOURS, INK, PALE, TITLES, Drawing, LogScale, short
from .benchrun import Figure
from .benchstore import Line, Table
from .common import REPO, UserError, build_dir, replace_file, say

RESULTS = os.path.join(REPO, "docs", "results")
PROGRAM = "growth"
TITLES_SHOWN = ("tuned", "views")
MEMORY_MB = 4096
SAMPLES, WALL_SAMPLES, WALL_RUNS = 5, 7, 3
# What the sizes of a group count.
AGAINST = {"memory": "MiB touched", "mappings": "mappings", "directory": "files in the directory",
           "depth": "directories deep", "processes": "processes that sleep",
           "descriptors": "open descriptors", "cpus": "CPUs, each with a process that does it"}
# Steeper than Linux by less than this is the same: a power of the size.
SAME_SLOPE = 0.1

PANEL_WIDTH, PANEL_HEIGHT, ACROSS = 236, 176, 4
LEFT, RIGHT, ABOVE, BELOW = 40, 12, 24, 24
GROUP_HEIGHT = 30


def split(name):
    base, _, size = name.rpartition("/")
    return base, int(size)


# ---- measuring ----

def columns(options, cpus=1):
    """Linux tuned and gate views, with the memory and the CPUs that the rows ask for."""
    return [one for one in benchrun.columns(options.kernel, not options.no_linux, cpus,
                                            options.mem or MEMORY_MB)
            if one.title in TITLES_SHOWN]


def chosen(patterns):
    """({name: Row}, those of them that are counted, those that take wall time)."""
    rows = benchrun.list_rows(PROGRAM)
    wanted = {name: row for name, row in rows.items() if not patterns or
              any(fnmatch.fnmatchcase(name, one) for one in patterns)}
    if not wanted:
        raise UserError("no row is called " + " or ".join(patterns))
    wall = {name: row for name, row in wanted.items() if "wall" in row.flags}
    return wanted, {name: wanted[name] for name in wanted if name not in wall}, wall


def add_lines(lines, measured, unit):
    for name, row in measured.rows.items():
        lines[name] = Line(row, unit, {column.title: measured.figure(column.title, name)
                                       for column in measured.columns})


def as_typed(options):
    words = ["tools/feuer", "bench", "--growth"]
    words += ["--no-linux"] if options.no_linux else []
    words += ["--runs", str(options.runs)] if options.runs else []
    words += ["--samples", str(options.samples)] if options.samples else []
    return " ".join(words + ["--only '%s'" % one for one in options.only + options.rows])


def measure(options):
    """(Table, problems)."""
    rows, counted, wall = chosen(options.only + options.rows)
    runs, samples = options.runs or 1, options.samples or SAMPLES
    lines, parts, which = {}, [], columns(options)
    if counted:
        parts.append(benchrun.measure({PROGRAM: list(counted)}, counted, which, runs, samples,
                                      "counted"))
        add_lines(lines, parts[-1], "instructions")
    for cpus in sorted({split(name)[1] for name in wall}):
        some = {name: row for name, row in wall.items() if split(name)[1] == cpus}
        parts.append(benchrun.measure({PROGRAM: list(some)}, some,
                                      columns(options, cpus), WALL_RUNS,
                                      WALL_SAMPLES, "wall"))
        add_lines(lines, parts[-1], "ns")
    jobs = {column.title: benchrun.run_command({PROGRAM: []}, column, samples, "counted")
            for column in which}
    notes = benchstore.describe(as_typed(options), runs, samples, jobs)
    if wall:
        notes["wall time"] = "rows of CPUs: %d runs in turn of %d samples" % (
            WALL_RUNS, WALL_SAMPLES)
    ordered = {name: lines[name] for name in rows}
    return (Table(notes, [column.title for column in which], ordered),
            [problem for part in parts for problem in part.problems])


# ---- curves ----

class Curve:
    """One BASE: .points is {title: [(size, value)]}, sizes ascending."""

    def __init__(self, base, group, unit):
        self.base, self.group, self.unit = base, group, unit
        self.points, self.errors = {}, {}

    def sizes(self):
        return sorted({size for found in (*self.points.values(), *self.errors.values())
                       for size, _ in found})

    def slope(self, title):
        """The power of the size that the cost grows with at the far end: 0 is flat, 1 is
        linear.  Over the last two sizes; None where they are not there."""
        points = [one for one in self.points.get(title, []) if one[1] > 0]
        if len(points) < 2:
            return None
        (near, low), (far, high) = points[-2:]
        return math.log(high / low) / math.log(far / near)


def curves(table):
    """{base: Curve}, in the table's order."""
    found = {}
    for line in table.lines.values():
        base, size = split(line.row.name)
        curve = found.setdefault(base, Curve(base, line.row.group, line.unit))
        for title, value in line.values.items():
            if isinstance(value, Figure):
                curve.points.setdefault(title, []).append((size, max(value.value, 1)))
            elif value:
                curve.errors.setdefault(title, []).append((size, value))
    for curve in found.values():
        for points in curve.points.values():
            points.sort()
    return found


def judgement(curve):
    """What there is to say of FeuerBird's curve beside Linux's; "" if nothing is wrong."""
    words = []
    ours, theirs = curve.slope("views"), curve.slope("tuned")
    for title, errors in curve.errors.items():
        words += ["%s fails at %d: %s" % (title, size, text) for size, text in errors]
    if ours is not None and theirs is not None and ours > theirs + SAME_SLOPE:
        words.append("steeper than Linux")
    linux = dict(curve.points.get("tuned", []))
    above = [size for size, value in curve.points.get("views", [])
             if size in linux and value > linux[size]]
    if above:
        words.append("above Linux at " + ", ".join(map(short, above)))
    return "; ".join(words)


# ---- the plot ----

def draw_axes(drawing, across, up, left, top):
    bottom = top + PANEL_HEIGHT - BELOW
    for tick in across.ticks(6):
        x = across.at(tick)
        drawing.line(x, top + ABOVE, x, bottom)
        drawing.words(x, bottom + 12, short(tick), "middle", PALE)
    for tick in up.ticks(5):
        y = up.at(tick)
        drawing.line(left + LEFT, y, left + PANEL_WIDTH - RIGHT, y)
        drawing.words(left + LEFT - 4, y + 4, short(tick), "end", PALE)


def draw_curve(drawing, curve, left, top):
    points = [one for found in curve.points.values() for one in found]
    drawing.words(left + LEFT, top + 15, curve.base.replace("_", " "), bold=True)
    if not points:
        drawing.words(left + LEFT, top + PANEL_HEIGHT / 2, "not measured", fill=PALE)
        return
    values = [value for _, value in points]
    # At least two decades high, so that noise does not look like growth.
    middle = math.sqrt(min(values) * max(values))
    across = LogScale([size for size, _ in points], left + LEFT, left + PANEL_WIDTH - RIGHT)
    up = LogScale(values + [middle / 10, middle * 10], top + PANEL_HEIGHT - BELOW,
                  top + ABOVE)
    draw_axes(drawing, across, up, left, top)
    for title in ("tuned", "views"):
        places = [(across.at(size), up.at(value))
                  for size, value in curve.points.get(title, [])]
        if places:
            drawing.path(places, COLOURS[title])
        for x, y in places:
            drawing.dot(x, y, COLOURS[title], 2.2)


def plot(table):
    """SVG text; None without curves."""
    found = list(curves(table).values())
    groups = {}
    for curve in found:
        groups.setdefault(curve.group, []).append(curve)
    if not groups:
        return None
    height = 56 + sum(GROUP_HEIGHT + PANEL_HEIGHT * -(-len(one) // ACROSS)
                      for one in groups.values())
    title = "Cost of one operation against what it may grow with (both axes logarithmic)"
    drawing = Drawing(16 + PANEL_WIDTH * ACROSS, height + 8, title)
    drawing.words(14, 24, title, size=15, bold=True)
    x = 14
    for name in [name for name in TITLES if name in table.titles]:
        drawing.bar(x, 35, 18, 4, COLOURS[name])
        drawing.words(x + 24, 42, TITLES[name])
        x += 150
    top = 52
    for group, some in groups.items():
        drawing.line(14, top + 4, 2 + PANEL_WIDTH * ACROSS, top + 4)
        drawing.words(14, top + 22, "%s, against %s" % (some[0].unit, AGAINST.get(group, group)),
                      fill=INK, size=13)
        top += GROUP_HEIGHT
        for number, curve in enumerate(some):
            draw_curve(drawing, curve, 6 + number % ACROSS * PANEL_WIDTH,
                       top + number // ACROSS * PANEL_HEIGHT)
        top += PANEL_HEIGHT * -(-len(some) // ACROSS)
    return drawing.text()


# ---- text ----

def cell(curve, title, size):
    value = dict(curve.points.get(title, [])).get(size)
    if value is not None:
        return "{:,}".format(value)
    return "fails" if size in dict(curve.errors.get(title, [])) else ""


def group_table(some, titles):
    """Markdown: a line for each curve and kernel, a column for each size."""
    sizes = sorted({size for curve in some for size in curve.sizes()})
    lines = ["| | | " + " | ".join("{:,}".format(size) for size in sizes) + " | power | |",
             "|---|---|" + "---:|" * (len(sizes) + 1) + "---|"]
    for curve in some:
        for title in titles:
            slope = curve.slope(title)
            words = [curve.base.replace("_", " ") if title == titles[0] else "",
                     "Linux" if title == "tuned" else "`%s`" % title]
            words += [cell(curve, title, size) for size in sizes]
            words += ["" if slope is None else "%.2f" % slope,
                      judgement(curve) if title == "views" else ""]
            lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines)


def section(results):
    """The section of docs/performance.md, or None without a kept table."""
    path = os.path.join(results, PROGRAM + ".tsv")
    if not benchstore.exists(path):
        return None
    table = benchstore.read(path)
    groups = {}
    for curve in curves(table).values():
        groups.setdefault(curve.group, []).append(curve)
    parts = ["## Growth\n\n`make bench-growth`: the cost of one operation against what it may "
             "grow with, Linux tuned and gate `views`. The power is that of the size which the "
             "cost follows over the last two sizes: 0 is flat, 1 linear.\n\n"
             "![curves of growth](results/%s.svg)\n\n" % PROGRAM]
    titles = [title for title in TITLES_SHOWN if title in table.titles]
    for group, some in groups.items():
        parts.append("### Against %s (%s)\n\n%s\n\n" % (
            AGAINST.get(group, group), some[0].unit, group_table(some, titles)))
    notes = ["`%s`" % table.notes.get("command", "?"),
             "commit " + table.notes.get("commit", "?"), table.notes.get("date", "?"),
             table.notes.get("runs", ""), table.notes.get("wall time", ""),
             table.notes.get("host", "")]
    return "".join(parts) + "Made by " + "; ".join(note for note in notes if note) + ".\n"


def show(table):
    for curve in curves(table).values():
        for title in table.titles:
            points = ["%s:%s" % (short(size), cell(curve, title, size) or "-")
                      for size in curve.sizes()]
            slope = curve.slope(title)
            print("%-30s %-7s %s  %s" % (curve.base, title, "  ".join(points),
                                         "" if slope is None else "power %.2f" % slope))
        if judgement(curve):
            print("%-30s %s" % ("", judgement(curve)))


def keep(table, folder):
    path = os.path.join(folder, PROGRAM)
    benchstore.write(path + ".tsv", table)
    text = plot(table)
    if text:
        replace_file(path + ".svg", lambda file: file.write(text.encode()))
    say("written: " + os.path.relpath(path) + ".tsv and .svg")


def main(options):
    table, problems = measure(options)
    show(table)
    keep(table, RESULTS if options.keep else os.path.join(build_dir(), "bench-results"))
    for problem in problems:
        say(problem)
    return 1 if problems else 0
