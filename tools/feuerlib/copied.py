# SPDX-License-Identifier: MIT
"""`tools/copied`: bytes stored and copied for each byte that a row of the bench delivers.

Counted from outside, by the emulator: nothing in the guest is made for it, and each store is
seen, wherever it is written in the source.
"""
import argparse
import os
import subprocess
import sys

from . import profiling
from .common import REPO, UserError, replace_file

RESULTS = os.path.join(REPO, "docs", "results")
KEPT = "copied.tsv"
# Where the LibOS and the kernel copy: libos/core/arch/x86_64/memory.S and their like.
COPYING = ("memcpy", "memmove", "page_copy", "wide_copy", "usercopy_exact", "usercopy_raw")
ABOUT = """\
## Bytes copied

For each byte that a row delivers: the bytes that FeuerBird's copying routines store, all bytes that its kernel and LibOS store (page
tables, stacks and lists too), and all that Linux's kernel stores. The emulator counts every store from outside. On the rows
marked zero-copy nobody needs bytes of their own.

"""
HEAD = ("row", "zero_copy", "feuerbird_copied", "feuerbird_stored", "linux_stored")


def delivered(flags):
    """The bytes that one operation delivers, or 0."""
    return next((int(flag[9:]) for flag in flags if flag.startswith("delivers=")), 0)


def measure(row, flags, linux):
    """The TSV's fields of one row."""
    size = delivered(flags)
    sums, _ = profiling.by_function(profiling.operation(row, stores=True))
    copies = sum(n for (_, name), n in sums.items() if name in COPYING)
    values = [copies / size, sum(sums.values()) / size]
    if linux:
        stored = profiling.operation(row, ["--kernel", "linux", "--tuned"], stores=True)
        values.append(sum(stored.values()) / size)
    return [row, "yes" if "zero-copy" in flags else "no", *["%.2f" % value for value in values],
            *([] if linux else [""])]


def text_of(lines, command):
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=REPO,
                            capture_output=True, text=True).stdout.strip()
    return "# command: %s\n# commit: %s\n" % (command, commit) + "".join(
        "\t".join(line) + "\n" for line in [HEAD, *lines])


def section(results):
    """Markdown for docs/performance.md of what is kept in the folder RESULTS, or None."""
    try:
        with open(os.path.join(results, KEPT), encoding="ascii") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    notes = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    rows = [line.split("\t") for line in lines if not line.startswith("# ")][1:]
    rows.sort(key=lambda row: row[1] != "yes")
    return ABOUT + "\n".join(
        ["| row | zero-copy | FeuerBird copies | FeuerBird stores | Linux stores |",
         "|---|---|---:|---:|---:|"]
        + ["| " + " | ".join([row[0].replace("_", " "), *row[1:]]) + " |" for row in rows]
    ) + "\n\nMade by `%s` at commit %s.\n" % (notes["command"], notes["commit"])


def main(about):
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="all that deliver bytes by default")
    parser.add_argument("--no-linux", action="store_true", help="FeuerBird alone")
    parser.add_argument("--keep", action="store_true",
                        help="write " + "docs/results/" + KEPT)
    options = parser.parse_args()
    try:
        known = {name: flags for name, (flags, _) in profiling.rows().items()
                 if delivered(flags)}
        unknown = [name for name in options.rows if name not in known]
        if unknown:
            raise UserError("no row that delivers bytes is called " + " ".join(unknown))
        lines = []
        for name in options.rows or known:
            sys.stderr.write("copied: %s\n" % name)
            lines.append(measure(name, known[name], not options.no_linux))
        text = text_of(lines, " ".join(["tools/copied", *sys.argv[1:]]))
        if options.keep:
            replace_file(os.path.join(RESULTS, KEPT), lambda file: file.write(text.encode()))
        sys.stdout.write(text)
    except (UserError, subprocess.CalledProcessError) as error:
        sys.stderr.write("copied: %s\n" % error)
        return 1
    return 0
