# SPDX-License-Identifier: MIT
"""What a bench gave, as a file: a TSV that begins with a description of the machine.

    # KEY: TEXT                    lines of the description
    name group flags operations unit COLUMN COLUMN_min COLUMN_max ...
One line for each row; an empty field was not measured, and a COLUMN that could not be
holds the error's text, which is no number.  COLUMN.wall is in ns, COLUMN.cycles in ticks
of the time stamp counter.
"""
import collections
import datetime
import io
import os
import platform
import shlex
import struct
import subprocess

from . import accel, machine
from .benchrun import Figure, Row
from .common import REPO, UserError, replace_file

FIXED = ["name", "group", "flags", "operations", "unit"]

# notes: {key: text}, titles: the columns, lines: {name: Line}.
Table = collections.namedtuple("Table", "notes titles lines")
# values: {title: Figure, a text, or None}.
Line = collections.namedtuple("Line", "row unit values")


# ---- the machine ----

def first_line(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, cwd=REPO)
    return done.stdout.decode(errors="replace").split("\n")[0].strip()


def host_processor():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def linux_version(path):
    """The version text inside a bzImage; its header has the offset at 0x20e."""
    with open(path, "rb") as file:
        file.seek(0x20e)
        file.seek(struct.unpack("<H", file.read(2))[0] + 0x200)
        text = file.read(256).split(b"\0")[0].decode(errors="replace")
    return text


def source_commit():
    """The commit of the working tree, with a word if files that are built differ."""
    commit = first_line(["git", "rev-parse", "--short=12", "HEAD"]) or "unknown"
    changed = first_line(["git", "status", "--porcelain", "--untracked-files=no", "--",
                          ".", ":!docs", ":!README.md"])
    return commit + (" and changes" if changed else "")


def describe(command, runs, samples, jobs):
    """The description; JOBS are the run commands, by column title."""
    notes = {"command": command, "commit": source_commit(),
             "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
             "runs": "%d of each column, each row's median of %d samples" % (runs, samples),
             "host": "%s, %d CPUs" % (host_processor(), os.cpu_count() or 1),
             "qemu": first_line([machine.find_qemu(), "--version"])}
    if any("linux" in job for job in jobs.values()):
        from . import debian
        notes["linux kernel"] = linux_version(debian.linux_kernel())
    works = accel.kvm_works(machine.find_qemu())
    notes["kvm"] = "works here" if works else \
        "not run here, since the trial guest does not run on it: no column of cycles"
    for title, job in jobs.items():
        cut = job.index("--")
        shown = first_line([*job[:2], "--show", *job[2:cut], "--", *job[cut + 1:]])
        notes["machine of " + title] = " ".join(
            shlex.quote(os.path.relpath(word, REPO) if word.startswith(REPO + "/") else
                        os.path.basename(word) if word.startswith("/") and
                        os.path.isfile(word) else word) for word in shlex.split(shown))
    return notes


# ---- the file ----

def cells(value):
    if value is None:
        return ["", "", ""]
    if isinstance(value, str):
        return [value.replace("\t", " "), "", ""]
    return [str(value.value), str(value.least), str(value.most)]


def write(path, table):
    out = io.StringIO()
    for key, text in table.notes.items():
        out.write("# %s: %s\n" % (key, text))
    out.write("\t".join(FIXED + [title + end for title in table.titles
                                 for end in ("", "_min", "_max")]) + "\n")
    for line in table.lines.values():
        row = line.row
        fields = [row.name, row.group, ",".join(sorted(row.flags)) or "-",
                  str(row.operations), line.unit]
        for title in table.titles:
            fields += cells(line.values.get(title))
        out.write("\t".join(fields) + "\n")
    replace_file(path, lambda file: file.write(out.getvalue().encode()))


def value_of(words):
    if not words[0]:
        return None
    if not words[0].isdigit():
        return words[0]
    return Figure(*(int(word) for word in words))


def read(path):
    """The Table in PATH; a UserError says what is wrong with it."""
    notes, lines, titles = {}, {}, None
    try:
        with open(path, encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                text = text.rstrip("\n")
                if text.startswith("# "):
                    key, _, note = text[2:].partition(": ")
                    notes[key] = note
                    continue
                fields = text.split("\t")
                if titles is None:
                    titles = fields[len(FIXED)::3]
                    continue
                if len(fields) != len(FIXED) + 3 * len(titles):
                    raise UserError("%s, line %d: %d fields" % (path, number, len(fields)))
                flags = frozenset(fields[2].split(",")) if fields[2] != "-" else frozenset()
                row = Row(fields[0], fields[1], flags, int(fields[3]))
                at = len(FIXED)
                lines[row.name] = Line(row, fields[4], {
                    title: value_of(fields[at + 3 * i:at + 3 * i + 3])
                    for i, title in enumerate(titles)})
    except (OSError, ValueError) as error:
        raise UserError("cannot read %s: %s" % (path, error))
    return Table(notes, titles or [], lines)


def exists(path):
    return os.path.isfile(path)
