# SPDX-License-Identifier: MIT
"""`feuer bench --size`: lines, bytes, power-on to init and to the prompt, memory in use.

bench/size/start.c is the first program of the guest; it says on the console when it started,
and becomes a shell that runs it again before its first prompt.  Counted, its figures are
instructions since power-on, firmware included.  Wall time is from QEMU's start to the line.
Memory in use is what the machine has less what the kernel says is free: kernel, tables, the
root archive and the programs that run.
"""
import collections
import os
import re
import select
import statistics
import subprocess
import time

from . import benchrun, debian, kept
from .common import REPO, UserError, build_dir, say
from .machine import Machine

NAME = "size"
TITLES = ("kind", "name", "column", "value", "unit")
MEMORY_MB = 512
SECONDS = 120
WALL_RUNS = 3
MACHINES = ("pc", "microvm")
# The title of a column and the options of its guest.
COLUMNS = (("tuned", ["--kernel", "linux", "--tuned"]), ("views", ["--gate", "views"]),
           ("direct", ["--gate", "direct"]))
STEPS = (("init", "power-on to init"), ("prompt", "power-on to the shell's prompt"))
MEMORY = (("in use", "in use at the prompt"), ("process_sleep", "each further `sleep`"),
          ("process_forked", "each further process that was forked and runs the same program"),
          ("thread", "each further thread"))
Guest = collections.namedtuple("Guest", "said seconds")


# ---- lines and bytes ----

def parse_lines(text):
    """[(room, lines)] of what tools/kernel-lines prints; the last one is all of them."""
    found = [(name, int(number)) for number, name in
             re.findall(r"^ *(\d+)  (\S+)(?: .*)?$", text, re.M)]
    if not found or found[-1][0] != "in":
        raise UserError("tools/kernel-lines printed no sum")
    return found[:-1] + [("in all", found[-1][1])]


def kernel_lines():
    done = subprocess.run([os.path.join(REPO, "tools/kernel-lines")], check=True,
                          capture_output=True, text=True)
    return parse_lines(done.stdout)


def parse_sections(text):
    """{section: bytes} of `readelf -SW`, of what is loaded."""
    return {name: int(size, 16) for name, size, flags in re.findall(
        r"\] (\S+) +\S+ +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) \S+ +([A-Z]*)", text) if "A" in flags}


def image_bytes():
    """[(part, bytes)]"""
    build = build_dir()
    path = os.path.join(build, "feuerbird")
    found = [("the file that boots", os.path.getsize(path))]
    text = subprocess.run(["readelf", "-SW", path], check=True, capture_output=True,
                          text=True).stdout
    found += [("its section " + name, size) for name, size in parse_sections(text).items()]
    for what, name in (("of .blobs: the steward", "steward.bin"),
                       ("of .blobs: LibOSes", "personalities.bin"),
                       ("of .blobs: the manifest", "manifest.area")):
        file = os.path.join(build, name)
        if os.path.isfile(file):
            found.append((what, os.path.getsize(file)))
    return found


# ---- guests ----

def options_of(arguments, machine):
    from .cli import make_parser
    return make_parser().parse_args(
        ["run", "--machine", machine, "--mem", str(MEMORY_MB), "--image", "debian", "--add",
         os.path.join(build_dir(), "size"), *arguments])


def parse_said(text):
    """{name: number} of the lines `start: NAME NUMBER`."""
    failed = re.search(r"^start: failed (.*?)\r?$", text, re.M)
    if failed:
        raise UserError("the guest could not go on: " + failed[1])
    return {name: int(number) for name, number in
            re.findall(r"^start: (\w+) (-?\d+)\r?$", text, re.M)}


def boot(arguments, machine, last):
    """A Guest that was ended when it had said the line LAST; None for one that did not."""
    options = options_of(arguments, machine)
    linux = options.kernel == "linux"
    options.append = ("rdinit=" if linux else "init=") + "/add/start"
    guest = Machine(options, True, [])
    near, far = os.pipe()
    guest.add_output("console", far, "serial")
    begin = time.monotonic()
    process = guest.start()
    text, seconds = b"", {}
    try:
        while time.monotonic() < begin + SECONDS:
            if not select.select([near], [], [], 1)[0]:
                continue
            data = os.read(near, 1 << 16)
            if not data:
                break
            text += data
            for name in re.findall(rb"start: (\w+) -?\d+\r?\n", text):
                seconds.setdefault(name.decode(), time.monotonic() - begin)
            if last in seconds or "end" in seconds:
                return Guest(parse_said(text.decode(errors="replace")), seconds)
        say("size: the guest did not come to its %s; its console ends with: %s" % (
            last, text[-300:].decode(errors="replace")))
        return None
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        os.close(near)


def guests():
    """The kept rows of all guests."""
    rows = []
    for machine in MACHINES:
        for title, arguments in COLUMNS:
            column = title + " " + machine
            say("size: %s, counted" % column)
            whole = machine == MACHINES[0]
            counted = boot([*arguments, "--icount"], machine, "end" if whole else "prompt")
            if counted is None:
                continue
            rows += [("start", name, column, counted.said[name], "instructions")
                     for name, _ in STEPS]
            if whole:
                rows.append(("memory", "in use", column,
                             MEMORY_MB * 1024 - counted.said["free"], "KiB"))
                rows += [("memory", name, column, counted.said[name], "KiB")
                         for name, _ in MEMORY[1:]]
            runs = []
            for run in range(1, WALL_RUNS + 1):
                say("size: %s, wall time, run %d of %d" % (column, run, WALL_RUNS))
                runs.append(boot([*arguments, *benchrun.MODES["wall"]], machine, "prompt"))
                if runs[-1] is None:
                    break
            if None not in runs:
                rows += [("wall", name, column, "%.0f" % (1000 * statistics.median(
                    one.seconds[name] for one in runs)), "ms") for name, _ in STEPS]
    return rows


def measure():
    rows = [("lines", name, "-", number, "lines") for name, number in kernel_lines()]
    rows += [("bytes", name, "views", number, "bytes") for name, number in image_bytes()]
    rows.append(("bytes", "the file that boots", "tuned",
                 os.path.getsize(debian.linux_kernel()), "bytes"))
    return rows + guests()


# ---- showing ----

def number(value):
    return "{:,}".format(int(value)) if re.fullmatch(r"-?\d+", str(value)) else value


def grid(rows, kind, names, columns):
    """Lines of a table of KIND; NAMES: [(name, text shown)]."""
    values = {(name, column): value for what, name, column, value, _ in rows if what == kind}
    for name, shown in names:
        yield [shown] + [number(values.get((name, column), "not run")) for column in columns]


def body(rows):
    lines = [(name, name) for kind, name, *_ in rows if kind == "lines"]
    parts = ["Lines of the kernel that are compiled, without comments:\n\n",
             kept.markdown(["room", "lines"], grid(rows, "lines", lines, ["-"]))]
    names = dict.fromkeys(name for kind, name, *_ in rows if kind == "bytes")
    parts += ["\nBytes:\n\n", kept.markdown(
        ["part", "FeuerBird", "Debian's Linux (compressed)"],
        [[cell if cell != "not run" else "" for cell in line] for line in grid(
            rows, "bytes", [(name, name) for name in names], ["views", "tuned"])])]
    for machine in MACHINES:
        columns = [title + " " + machine for title, _ in COLUMNS]
        head = ["`%s`" % machine, "Linux tuned", "`views`", "`direct`"]
        parts += ["\nFrom power-on, on QEMU's `%s`:\n\n" % machine, kept.markdown(
            head, [["%s, instructions" % line[0], *line[1:]] for line in grid(
                rows, "start", STEPS, columns)] +
            [["%s, ms of wall time" % line[0], *line[1:]] for line in grid(
                rows, "wall", STEPS, columns)])]
    columns = ["%s %s" % (title, MACHINES[0]) for title, _ in COLUMNS]
    parts += ["\nMemory in KiB, of %d MiB, the root archive included:\n\n" % MEMORY_MB,
              kept.markdown(["memory", "Linux tuned", "`views`", "`direct`"],
                            grid(rows, "memory", MEMORY, columns))]
    return "".join(parts)


def section(results):
    """Markdown for docs/performance.md, or None."""
    return kept.section(results, NAME, TITLES,
                        "## Size and start\n\n`tools/feuer bench --size`.", body)


def main(command, folder):
    if not os.path.isfile(os.path.join(build_dir(), "size", "start")):
        raise UserError("no build/size/start; run `make all benches`")
    rows = measure()
    kept.finish(folder, NAME, kept.notes(command), TITLES, rows, body)
    return 0
