# SPDX-License-Identifier: MIT
"""A kept table of the bench's smaller parts: notes, a line of titles, rows of text fields.

    # KEY: TEXT
    TITLE<TAB>TITLE...
    FIELD<TAB>FIELD...
"""
import datetime
import os
import sys

from . import benchstore, machine
from .common import UserError, replace_file, say


def notes(command, **more):
    """What every kept table says about its making."""
    return {"command": command, "commit": benchstore.source_commit(),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "host": "%s, %d CPUs" % (benchstore.host_processor(), os.cpu_count() or 1),
            "qemu": benchstore.first_line([machine.find_qemu(), "--version"]), **more}


def text_of(about, titles, rows):
    lines = ["# %s: %s" % pair for pair in about.items()]
    lines += ["\t".join(str(field).replace("\t", " ") for field in row)
              for row in [titles, *rows]]
    return "\n".join(lines) + "\n"


def parse(text, titles):
    """(notes, rows) of a table with these TITLES."""
    about, rows = {}, []
    for line in text.splitlines():
        if line.startswith("# "):
            key, _, value = line[2:].partition(": ")
            about[key] = value
        else:
            rows.append(line.split("\t"))
    if not rows or rows[0] != list(titles) or any(len(row) != len(titles) for row in rows):
        raise UserError("a kept table has not the columns " + " ".join(titles))
    return about, rows[1:]


def write(path, about, titles, rows):
    replace_file(path, lambda file: file.write(text_of(about, titles, rows).encode()))


def read(results, name, titles):
    """(notes, rows) of RESULTS/NAME.tsv, or None where there is none."""
    path = os.path.join(results, name + ".tsv")
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        return parse(file.read(), titles)


def markdown(titles, rows):
    """A table, the first column left, the others right."""
    lines = [list(titles), ["---"] + ["---:"] * (len(titles) - 1), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def made_by(about):
    return "Made by `%s` at commit %s, %s; %s, %s.\n" % tuple(
        about.get(key, "?") for key in ("command", "commit", "date", "host", "qemu"))


def section(results, name, titles, head, body):
    """HEAD, what BODY makes of the rows of RESULTS/NAME.tsv, and how they were made; None without it."""
    found = read(results, name, titles)
    if found is None:
        return None
    about, rows = found
    return head + "\n\n" + body(rows) + "\n" + made_by(about)


def finish(folder, name, about, titles, rows, body):
    """Write FOLDER/NAME.tsv, and print what BODY makes of the rows."""
    path = os.path.join(folder, name + ".tsv")
    write(path, about, titles, rows)
    print(body(rows))
    sys.stdout.flush()
    say("written: " + os.path.relpath(path))
