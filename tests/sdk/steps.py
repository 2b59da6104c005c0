#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the shell steps of a page as they stand, and compare what they print with what the page shows.

usage: steps.py PAGE.md DIRECTORY [HOME]
Blocks marked `sh` are run one after the other by one shell (set -e) that begins in DIRECTORY; each line of a
block marked `output` must begin some line that the step before it printed, in this order.  HOME: an empty
directory, made by the caller.  Prints TAP; exit status 1 if something failed.
"""
import os
import re
import subprocess
import sys

SECONDS = 600
END = "--- step %d ends ---"


def blocks(path):
    """(heading, step, [expected lines]) for each step."""
    steps, heading, kind, lines = [], "", None, []
    with open(path, encoding="utf-8") as page:
        for line in page.read().split("\n"):
            if kind is None and line.startswith("#"):
                heading = line.lstrip("# ")
            if not line.startswith("```"):
                if kind is not None:
                    lines.append(line)
                continue
            if kind is None:
                kind, lines = line[3:].strip(), []
                continue
            if kind == "sh":
                steps.append((heading, "\n".join(lines), []))
            elif kind == "output":
                steps[-1][2].extend(lines)
            kind = None
    return steps


def missing(expected, printed):
    """The first expected line that does not come in its order, or None."""
    at = 0
    for line in expected:
        while at < len(printed) and not printed[at].startswith(line):
            at += 1
        if at == len(printed):
            return line
        at += 1
    return None


def main():
    steps = blocks(sys.argv[1])
    environment = dict(os.environ)
    if len(sys.argv) > 3:
        environment["HOME"] = sys.argv[3]
    script = "set -e\n" + "".join(
        "%s\necho; echo '%s'\n" % (step, END % i) for i, (_, step, _) in enumerate(steps))
    done = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True,
                          errors="replace", cwd=sys.argv[2], env=environment,
                          timeout=SECONDS)
    rest, failed = re.sub("\r+\n", "\n", done.stdout), False
    for number, (heading, step, expected) in enumerate(steps):
        printed, ended, rest = rest.partition(END % number + "\n")
        lost = missing(expected, printed.split("\n"))
        name = "%d - %s: %s" % (number + 1, heading, step.split("\n")[-1][:60])
        if ended and lost is None:
            print("ok " + name)
            continue
        print("not ok " + name)
        print("# expected: %s" % lost if ended else "# the step failed:")
        for line in (printed + ("" if ended else done.stderr)).split("\n")[-25:]:
            print("# " + line)
        failed = True
        if not ended:
            break
    print("1..%d" % len(steps))
    return failed


if __name__ == "__main__":
    sys.exit(main())
