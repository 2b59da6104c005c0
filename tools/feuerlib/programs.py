# SPDX-License-Identifier: MIT
"""`feuer bench --programs`: whole programs of Debian, counted and in wall time.

bench/programs/run.bash measures in the guest, by its clock, so that start-up is left out;
counted, a nanosecond of that clock is an instruction.  What each program computed has a
checksum, which has to be the same in every column.
"""
import collections
import os
import statistics
import subprocess

from . import benchrun, image, kept
from .common import REPO, UserError, build_dir, say

NAME = "programs"
TITLES = ("name", "mode", "column", "value", "least", "most", "unit", "checksum")
PROGRAMS = {
    "sh_1000_forks": "`sh` forks 1,000 times and runs /bin/true",
    "find_xargs_sort": "find, xargs wc, sort",
    "tar_gzip": "tar and gzip of a tree",
    "awk_20mb": "awk over 20 MB",
    "python3_start": "python3, started ten times",
    "tcc_10000_lines": "tcc compiles 10,000 lines",
}
FOLDER = os.path.join(REPO, "bench", "programs")
EXTRA_PACKAGES = ("python3-minimal", "tcc")
MEMORY_MB = 1024
SECONDS = 3600
COLUMNS = (("tuned", ["--kernel", "linux", "--tuned"]), ("views", ["--gate", "views"]),
           ("direct", ["--gate", "direct"]))
MODES = (("counted", ["--icount"], "instructions"),
         ("wall", benchrun.MODES["wall"], "us"))
Result = collections.namedtuple("Result", "value checksum")


def root():
    """The path of the root archive, made when missing."""
    path = os.path.join(build_dir(), "programs.cpio")
    made = [os.path.getmtime(os.path.join(os.path.dirname(__file__), name))
            for name in ("image.py", "tree.py", "cpio.py")]
    if not os.path.isfile(path) or os.path.getmtime(path) < max(made):
        image.of_packages(list(image.PACKAGES) + list(EXTRA_PACKAGES), path)
    return path


def parse(text, counted):
    """{name: Result, or the text of an error}; counted values are instructions."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1].isdigit():
            found[words[0]] = Result(int(words[1]) * (1000 if counted else 1), words[2])
        elif len(words) > 2 and words[1] == "-":
            found[words[0]] = " ".join(words[2:])
    return found


def run(names, mode, arguments):
    """What one guest gives."""
    command = [benchrun.FEUER, "exec", *mode, *arguments, "--mem", str(MEMORY_MB), "--image",
               root(), "--add", FOLDER, "--timeout", str(SECONDS), "--", "/bin/bash",
               "/add/run.bash", *names]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    found = parse(done.stdout.decode(errors="replace"), "--icount" in mode)
    for name in names:
        found.setdefault(name, "no result: the guest ended with status %d" % done.returncode)
    return found


def row_of(name, mode, column, unit, runs):
    """A kept row of what all RUNS gave for a program."""
    texts = [one for one in runs if isinstance(one, str)]
    if texts:
        return (name, mode, column, texts[0], "", "", unit, "")
    values = [one.value for one in runs]
    sums = sorted({one.checksum for one in runs})
    return (name, mode, column, statistics.median_low(values), min(values), max(values), unit,
            ",".join(sums))


def measure(names, runs):
    rows = []
    for mode, arguments, unit in MODES:
        each = {title: [] for title, _ in COLUMNS}
        times = 1 if mode == "counted" else runs
        for number in range(1, times + 1):
            for title, more in COLUMNS:
                say("programs: %s, %s, run %d of %d" % (mode, title, number, times))
                each[title].append(run(names, arguments, more))
        rows += [row_of(name, mode, title, unit, [one[name] for one in each[title]])
                 for name in names for title, _ in COLUMNS]
    return rows


def problems(rows):
    """Lines for programs that did not run, and whose columns computed different things."""
    lines, sums = [], {}
    for name, mode, column, value, *_, checksum in rows:
        if not checksum:
            lines.append("%s, %s, %s: %s" % (name, mode, column, value))
        else:
            sums.setdefault(name, set()).update(checksum.split(","))
    return lines + ["%s: its output is not the same everywhere" % name
                    for name, some in sums.items() if len(some) > 1]


def cell(row, scale):
    if row is None:
        return ""
    if not row[7]:
        return row[3]
    value, least, most = (int(text) / scale for text in row[3:6])
    return "%.1f" % value if least == most else "%.1f (%.1f..%.1f)" % (value, least, most)


def grid(rows, mode, scale):
    """Lines of a table: each column, then how many times FeuerBird's cost Linux takes."""
    found = {(row[0], row[2]): [str(field) for field in row] for row in rows if row[1] == mode}
    for name in dict.fromkeys(row[0] for row in rows):
        some = [found.get((name, title)) for title, _ in COLUMNS]
        line = [PROGRAMS.get(name, name)] + [cell(one, scale) for one in some]
        for one in some[1:]:
            good = one and some[0] and one[7] and some[0][7] and int(one[3])
            line.append("%.2f" % (int(some[0][3]) / int(one[3])) if good else "")
        yield line


def body(rows):
    head = ["Linux tuned", "`views`", "`direct`", "tuned / views", "tuned / direct"]
    return (kept.markdown(["millions of instructions", *head], grid(rows, "counted", 1e6))
            + "\n" + kept.markdown(["ms of wall time", *head], grid(rows, "wall", 1e3)))


def section(results):
    """Markdown for docs/performance.md, or None."""
    return kept.section(
        results, NAME, TITLES,
        "## Whole programs\n\n`tools/feuer bench --programs`: Debian's own, as they are shipped; "
        "most of their instructions are the programs' own. Each computed the same on every system.",
        body)


def main(command, folder, only, runs):
    unknown = [name for name in only if name not in PROGRAMS]
    if unknown:
        raise UserError("no program is called %s; there are %s" % (
            " ".join(unknown), " ".join(PROGRAMS)))
    rows = measure(only or list(PROGRAMS), runs)
    kept.finish(folder, NAME, kept.notes(command), TITLES, rows, body)
    found = problems(rows)
    for line in found:
        say(line)
    return 1 if found else 0
