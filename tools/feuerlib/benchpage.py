# SPDX-License-Identifier: MIT
"""docs/performance.md and README's figures, made from the kept tables in docs/results.

  P1  No figure is written by hand: each comes from a TSV that names the command, the
      commit and the machine that made it.  tools/check-docs proves that the pages are
      what the TSVs give, the plots among them.
  P2  What stands between the marks "by hand" and "end by hand" in the page is kept.
"""
import os
import re

from . import benchplot, benchstore, benchtable, copied, growth, programs, size, zones
from .common import REPO, UserError, replace_file, say

PAGE = os.path.join(REPO, "docs", "performance.md")
README = os.path.join(REPO, "README.md")
HAND = re.compile(r"<!-- by hand -->\n.*?<!-- end by hand -->\n", re.S)
MADE = re.compile(r"<!-- made by tools/feuer bench --page -->\n.*?<!-- end -->\n", re.S)
NO_HAND = "<!-- by hand -->\n## What is left to gain\n<!-- end by hand -->\n"

# README's rows: what a reader knows from lmbench.
CHOSEN = ("null_call", "stat", "open_close", "pipe_round_trip", "anonymous_write_fault",
          "copy_on_write_fault", "mmap_munmap", "fork_exit_wait", "vfork_exec_wait",
          "fork_exec_wait_dynamic", "signal_to_self", "segv_return", "poll_10")

HEAD = """\
<!-- This page is made by `tools/feuer bench --page` from docs/results; only the part
     between the marks "by hand" is written here. -->
# Performance

The same program files on FeuerBird and on Debian's Linux, in the same QEMU machine with the same memory,
root archive and init. `views` is the gate that keeps a program apart from its library operating system, `direct`
the one that does not; Linux is Debian's cloud kernel as shipped, and tuned without its optional
checks. A ratio says how many times FeuerBird's cost Linux takes, so more is better. Counted figures are instructions: on the
machine of the count, one virtual nanosecond is one instruction, and FeuerBird's figures are the same in
every run. Instructions are not cycles; wall time on an emulator shows the cost of translated code and not of a processor.
"""


def table_path(results, name):
    return os.path.join(results, name + ".tsv")


def read_kept(results, name):
    """The kept Table called NAME, or None."""
    path = table_path(results, name)
    return benchstore.read(path) if os.path.isfile(path) else None


def origin(table):
    """How the table was made, as markdown."""
    lines = ["Made by `%s` at commit %s, %s; %s." % tuple(
        table.notes.get(key, "?") for key in ("command", "commit", "date", "runs"))]
    lines.append("Host: %s. %s%s. KVM: %s." % (
        table.notes.get("host", "?"), table.notes.get("qemu", "?"),
        ". Linux: " + table.notes["linux kernel"] if "linux kernel" in table.notes else "",
        table.notes.get("kvm", "?")))
    machines = ["%s: %s" % (key[len("machine of "):], text)
                for key, text in table.notes.items() if key.startswith("machine of ")]
    return "\n".join(lines) + "\n\n<details><summary>QEMU's command lines</summary>\n\n```\n" \
        + "\n".join(machines) + "\n```\n</details>\n"


def plot(name, table, text):
    if not benchplot.ratios(table):
        return ""
    return "![%s](results/%s.svg)\n\n" % (text, name)


def table_section(results, name, title, about, picture, wall):
    """Markdown of one kept table: heading, plot, figures, summary, origin."""
    table = read_kept(results, name)
    if table is None:
        return None
    parts = ["## %s\n\n%s\n\n" % (title, about), plot(name, table, picture)]
    groups = {}
    for line in table.lines.values():
        groups.setdefault(line.row.group, {})[line.row.name] = line
    for group, lines in groups.items():
        parts.append("### %s\n\n%s\n\n" % (group, benchtable.markdown_table(
            benchtable.grid(table._replace(lines=lines), wall))))
    parts += ["- %s\n" % line.strip() for line in benchtable.summary(table)]
    return "".join(parts) + "\n" + origin(table)


def counted_section(results):
    return table_section(
        results, "bench", "Calls and processes, counted",
        "`make bench`. The columns with +- are the distance between Linux's runs; rows "
        "marked rep copy or clear memory: each iteration of a `rep` instruction counts as one "
        "there, so wall time in ns is beside them.",
        "ratios of instructions on a log scale", False)


def wall_section(results):
    return table_section(
        results, "bench-wall", "Calls and processes, in wall time",
        "`make bench-wall`: runs in turn, the median over the runs, and from..to over them. "
        "On this emulator each change of CR3 costs microseconds, which `views` pays twice in "
        "each call and no processor asks for.",
        "ratios of wall time on a log scale", True)


# Each takes the folder of kept tables and returns markdown, or None where its table is not
# there.  A further section is one more function here.
SECTIONS = [zones.section, counted_section, wall_section, programs.section, growth.section,
            copied.section, size.section]


PLOTTED = {"bench": benchplot.ratios, "bench-wall": benchplot.ratios,
           "growth": growth.plot}


def page(results, old):
    """The page's text; what is by hand comes from the OLD one."""
    hand = HAND.search(old)
    sections = [section(results) for section in SECTIONS]
    return "\n".join([HEAD, *[text for text in sections if text],
                      hand.group(0) if hand else NO_HAND])


def readme_part(results):
    """README's table: few rows, and where all are."""
    table = read_kept(results, "bench")
    if table is None:
        raise UserError("no %s; run `make bench BENCH_ARGS=--keep`"
                        % table_path(results, "bench"))
    lines = {name: table.lines[name] for name in CHOSEN if name in table.lines}
    rows = [["instructions", "Linux tuned", "`views`", "`direct`", "tuned / views"]]
    rows += [[name.replace("_", " "), *[benchtable.cell(line.values.get(title))
                                       for title in ("tuned", "views", "direct")],
              benchtable.ratio_text(benchtable.ratio(line, "views"))]
             for name, line in lines.items()]
    text = "\n".join(["| " + " | ".join(rows[0]) + " |", "|---|---:|---:|---:|---:|"]
                     + ["| " + " | ".join(row) + " |" for row in rows[1:]])
    summary = [line for line in benchtable.summary(table) if line.startswith("views:")]
    return ("%s\n\nCommit %s, %s. %s.\n\n![How many times FeuerBird's instructions Linux takes]"
            "(docs/results/bench.svg)\n" % (
                text, table.notes.get("commit", "?"), table.notes.get("date", "?"),
                "; ".join(summary)))


def readme(results, old):
    if not MADE.search(old):
        raise UserError("README.md has no part that is made by tools/feuer bench --page")
    made = "<!-- made by tools/feuer bench --page -->\n%s<!-- end -->\n" % readme_part(results)
    return MADE.sub(lambda _: made, old)


def content(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def made_files(results):
    """(path, old text -> new text) of all that is made from the kept tables."""
    for name, plot_of in PLOTTED.items():
        table = read_kept(results, name)
        text = table and plot_of(table)
        if text:
            yield os.path.join(results, name + ".svg"), lambda _, text=text: text
    yield PAGE, lambda old: page(results, old)
    yield README, lambda old: readme(results, old)


def main(results, check):
    """Write these files; with CHECK say instead whether they are what the tables give."""
    status = 0
    for path, make in made_files(results):
        old = content(path)
        new = make(old)
        if new == old:
            continue
        if check:
            say("%s is not what docs/results gives" % os.path.relpath(path, REPO))
            status = 1
        else:
            replace_file(path, lambda file: file.write(new.encode()))
            say("written: " + os.path.relpath(path))
    return status
