# SPDX-License-Identifier: MIT
"""The guard: a few rows, counted, against limits in tests/bench/limits.tsv.

Each line of that file is ROW, LIMIT in instructions and REASON with tabs between; `#`
begins a comment.  A row that costs over 5% more than its limit fails: then the file is
changed in the same commit, with the reason.  One that costs over 5% less passes with a
warning: the limit is to be lowered, so that the gain is kept.
"""
import os

from . import benchrun
from .common import REPO, UserError, replace_file

LIMITS = os.path.join(REPO, "tests", "bench", "limits.tsv")
MARGIN = 0.05
SAMPLES = 11


def read_limits(text):
    """{row: (limit, reason)}."""
    limits = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3 or not fields[1].isdigit() or not fields[2].strip():
            raise UserError("limits, line %d: not ROW, LIMIT, REASON with tabs: %r"
                            % (number, line))
        if fields[0] in limits:
            raise UserError("limits, line %d: %s is there twice" % (number, fields[0]))
        limits[fields[0]] = (int(fields[1]), fields[2])
    if not limits:
        raise UserError("no limits in the file")
    return limits


def judge(name, limit, value):
    """One report line for the test runner, and if there is one a warning."""
    if not isinstance(value, tuple):
        return "not ok - %s: %s" % (name, value or "was not measured"), None
    cost = value[1]
    if cost > limit * (1 + MARGIN):
        return ("not ok - %s costs %d instructions, %.1f%% above its limit %d: if it has to, "
                "change tests/bench/limits.tsv in the same commit, with the reason"
                % (name, cost, 100 * (cost / limit - 1), limit)), None
    if cost < limit * (1 - MARGIN):
        return "ok - %s costs %d, limit %d" % (name, cost, limit), (
            "warning: %s costs %d instructions, %.1f%% below its limit %d: lower the limit: "
            "tools/feuer bench --guard --lower" % (name, cost, 100 * (1 - cost / limit), limit))
    return "ok - %s costs %d, limit %d" % (name, cost, limit), None


def lowered(text, values):
    """The limits file's text, each limit that is above its row's cost set to the cost."""
    lines = []
    for line in text.split("\n"):
        fields = line.split("\t")
        value = values.get(fields[0])
        if not line.startswith("#") and len(fields) == 3 and isinstance(value, tuple):
            fields[1] = str(min(int(fields[1]), value[1]))
        lines.append("\t".join(fields))
    return "\n".join(lines)


def count(limits, kernel):
    """({row: what it cost}, status) of one guest with the rows of LIMITS."""
    known = benchrun.list_rows("micro")
    command = benchrun.run_command({"micro": [name for name in limits if name in known]},
                                   benchrun.columns(kernel, False)[0], SAMPLES, "counted")
    return benchrun.run_once(command, lambda name: None)


def main(options):
    path = options.limits or LIMITS
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise UserError("cannot read %s: %s" % (path, error.strerror))
    limits = read_limits(text)
    values, status = count(limits, options.kernel)
    failed = status != 0
    if failed:
        print("not ok - the guest's status is %d" % status)
    elif options.lower:
        replace_file(path, lambda file: file.write(lowered(text, values).encode()))
    for name, (limit, _) in limits.items():
        line, warning = judge(name, limit, values.get(name))
        failed |= line.startswith("not ok")
        print(line)
        if warning and not options.lower:
            print(warning)
    return 1 if failed else 0
