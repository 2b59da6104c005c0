# SPDX-License-Identifier: MIT
"""A bench's table as text, and the figures that are made from it: ratios and spreads."""
import math

from .benchrun import Figure

# Counted, every row is to cost at most half of what Linux, tuned, takes for it; in wall time, where
# an emulator's own costs are in it, not more.
AIMS = {"instructions": (2.0, "take at most half of what Linux tuned takes"),
        "ns": (1.0, "take no longer than Linux tuned")}
LISTED_MOST = 45
# How the columns are called where people read them.
NAMES = {"linux": "Linux", "tuned": "Linux tuned"}


def number(figure):
    return "{:,}".format(figure.value)


def cell(value):
    return number(value) if isinstance(value, Figure) else "-"


def ratio(line, ours, theirs="tuned"):
    """How many times what OURS costs THEIRS takes; None where one of them is missing."""
    one, other = line.values.get(ours), line.values.get(theirs)
    if not isinstance(one, Figure) or not isinstance(other, Figure):
        return None
    return other.value / one.value if one.value else None


def ratio_text(value):
    return "-" if value is None else "%.2f" % value if value < 10 else "%.1f" % value


def spread(figure):
    """How far apart the runs are, as a part of the median."""
    if not isinstance(figure, Figure) or not figure.value:
        return 0.0
    return (figure.most - figure.least) / figure.value


def spread_text(figure):
    return "%.1f%%" % (100 * spread(figure)) if isinstance(figure, Figure) else "-"


def range_text(figure):
    return "{:,}..{:,}".format(figure.least, figure.most) if isinstance(figure, Figure) else "-"


def mean(ratios):
    """The geometric mean of RATIOS; None of none."""
    found = [one for one in ratios if one]
    return math.exp(sum(map(math.log, found)) / len(found)) if found else None


def is_user(row):
    """The row is the program's own instructions: no kernel can make it cheaper."""
    return "user" in row.flags


def unit_text(line):
    return " ".join([line.unit] + [flag for flag in ("rep", "user") if flag in
                                   line.row.flags])


def headings(table, wall):
    """The titles of the table's columns and, for each, line -> text."""
    found = [("name", lambda line: line.row.name),
             ("unit", unit_text)]
    main = [title for title in table.titles if "." not in title]
    for title in main:
        found.append((NAMES.get(title, title), lambda line, t=title: cell(line.values.get(t))))
    for title in main:
        if wall:
            found.append((NAMES.get(title, title) + " from..to", lambda line, t=title:
                          range_text(line.values.get(t))))
        elif title in ("linux", "tuned"):
            found.append((NAMES[title] + " +-", lambda line, t=title:
                          spread_text(line.values.get(t))))
    if "tuned" in main:
        for ours in ("views", "direct"):
            found.append(("tuned/" + ours, lambda line, o=ours: ratio_text(ratio(line, o))))
    for title in table.titles:
        if title not in main:
            name, _, mode = title.partition(".")
            found.append((NAMES.get(name, name) + (" ns" if mode == "wall" else " " + mode),
                          lambda line, t=title: cell(line.values.get(t))))
    return found


def grid(table, wall):
    """The table as lists of texts, the headings first."""
    columns = headings(table, wall)
    return [[title for title, _ in columns]] + [
        [text(line) for _, text in columns] for line in table.lines.values()]


def text_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(text.ljust(width) if i < 2 else text.rjust(width)
                               for i, (text, width) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)


def markdown_table(rows):
    lines = ["| " + " | ".join(rows[0]) + " |",
             "|---|---|" + "---:|" * (len(rows[0]) - 2)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows[1:]])


def summary(table):
    """Lines under the table: mean ratios, the rows above half of Linux's, errors."""
    found = []
    if "tuned" in table.titles:
        for ours in ("views", "direct"):
            measured = {line.row.name: ratio(line, ours) for line in table.lines.values()
                        if not is_user(line.row)}
            measured = {name: one for name, one in measured.items() if one is not None}
            if not measured:
                continue
            aim, words = AIMS[next(iter(table.lines.values())).unit]
            short = [name for name, one in measured.items() if one < aim]
            found.append("%s: %d of %d rows %s; geometric mean of the ratios %s" % (
                ours, len(measured) - len(short), len(measured), words,
                ratio_text(mean(measured.values()))))
            if 0 < len(short) <= LISTED_MOST:
                found.append("  %s, the others: " % ours + ", ".join(
                    "%s (%s)" % (name, ratio_text(measured[name])) for name in short))
    errors = {}
    for line in table.lines.values():
        for title, value in line.values.items():
            if isinstance(value, str):
                errors.setdefault((line.row.name, value), []).append(title)
    found += ["not measured: %s on %s: %s" % (name, ", ".join(where), text)
              for (name, text), where in errors.items()]
    return found
