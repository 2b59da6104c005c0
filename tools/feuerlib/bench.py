# SPDX-License-Identifier: MIT
"""`feuer bench`: instructions for each basic operation, on FeuerBird and on Linux.

Each column is one run of build/bench/micro under --icount; a figure is the median.
"""
import os
import subprocess
import sys

from .common import TOOLS, UserError, build_dir

FEUER = os.path.join(TOOLS, "feuer")
SECONDS = 600


def column(options, arguments):
    """{row name: (minimum, median) or an error text} of one run."""
    folder = os.path.join(build_dir(), "bench")
    if not os.path.isfile(os.path.join(folder, "micro")):
        raise UserError("no %s/micro; run `make benches`" % folder)
    command = [FEUER, "exec", "--icount", "--timeout", str(SECONDS), "--add", folder,
               *arguments, "--", "/add/micro", "-n", str(options.samples), *options.rows]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    rows = {}
    for line in done.stdout.decode(errors="replace").split("\n"):
        words = line.split()
        if len(words) == 3 and words[1].isdigit() and words[2].isdigit():
            rows[words[0]] = (int(words[1]), int(words[2]))
        elif len(words) > 2 and words[1] == "-":
            rows[words[0]] = " ".join(words[2:])
    if done.returncode != 0:
        sys.stderr.write("feuer: the run %s ended with status %d; what it measured is "
                         "shown\n" % (" ".join(arguments), done.returncode))
    return rows


def cell(value):
    return "-" if value is None else str(value[1]) if isinstance(value, tuple) else value


def main(options):
    kernel = ["--kernel", options.kernel] if options.kernel else []
    columns = [("views", column(options, kernel + ["--gate", "views"])),
               ("direct", column(options, kernel + ["--gate", "direct"]))]
    if not options.no_linux:
        columns.append(("linux", column(options, ["--kernel", "linux", "--tuned"])))
    names = list(dict.fromkeys(name for _, rows in columns for name in rows))
    print("%-24s" % "instructions" + "".join("%14s" % title for title, _ in columns))
    for name in names:
        print("%-24s" % name + "".join("%14s" % cell(rows.get(name))[:13]
                                       for _, rows in columns))
    return 0 if names else 1
