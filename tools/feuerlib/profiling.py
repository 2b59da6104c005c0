# SPDX-License-Identifier: MIT
"""What a row of build/bench/micro, or growth, does inside a guest, by instruction and by function.

A QEMU plugin (tools/profile_plugin.c) counts, for each instruction's address, how often it
is executed, or how many bytes it stores.  The row is run twice with different numbers of
samples under `feuer exec --icount`; the difference, divided by the operations in it, is
exactly what one operation does, with what surrounds its sample.
"""
import bisect
import os
import struct
import subprocess
import tempfile

from .common import TOOLS, UserError, build_dir

FEUER = os.path.join(TOOLS, "feuer")
SOURCE = os.path.join(TOOLS, "profile_plugin.c")
IMAGES = (("kernel", "feuerbird"), ("libos", "libos.elf"), ("micro", "bench/micro"),
          ("growth", "bench/growth"))
# Samples of the two runs; rows of growth may take long, and some at most three samples.
SAMPLES = {"micro": (4, 24), "growth": (1, 3)}
SECONDS = 600
UPPER_HALF = 1 << 63


def program_of(row):
    """A row that is called BASE/SIZE is one of growth's."""
    return "growth" if "/" in row else "micro"


def image_path(image):
    return os.path.join(build_dir(), dict(IMAGES)[image])


def rows(name="micro"):
    """{name: (flags, operations in one sample)}, as program NAME itself says."""
    program = image_path(name)
    if not os.path.isfile(program):
        raise UserError("no %s; run `make benches`" % program)
    text = subprocess.run([program, "--list"], check=True, capture_output=True,
                          text=True).stdout
    found = {}
    for line in text.splitlines():
        name, _, flags, operations = line.split()
        found[name] = (flags.split(","), int(operations))
    return found


def plugin():
    built = os.path.join(build_dir(), "profile_plugin.so")
    if not os.path.exists(built) or os.path.getmtime(built) < os.path.getmtime(SOURCE):
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-fPIC",
                        "-shared", "-o", built, SOURCE], check=True)
    return built


def counts(samples, row, options, stores):
    """{address: count}, of the whole life of a guest that takes SAMPLES samples of ROW."""
    return guest_counts(["/add/" + program_of(row), "-n", str(samples), row], options, stores)


def guest_counts(command, options, stores=False):
    """{address: count}, of the whole life of a guest that runs COMMAND; with /add."""
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "counts")
        what = plugin() + ",out=" + out + (",stores=on" if stores else "")
        subprocess.run([FEUER, "exec", "--icount", "--timeout", str(SECONDS), *options,
                        "--add", os.path.join(build_dir(), "bench"), "--qemu-arg=-plugin",
                        "--qemu-arg=" + what, "--", *command],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        with open(out, "rb") as f:
            return {a: n for a, n in struct.iter_unpack("=QQ", f.read()) if n}


def operation(row, options=(), stores=False, samples=None):
    """{address: count} of one operation of ROW; more SAMPLES spread what happens seldom."""
    program = program_of(row)
    known = rows(program)
    if row not in known:
        raise UserError("build/bench/%s has no row %s; `%s --list` names them"
                        % (program, row, program))
    flags, operations = known[row]
    if "derived" in flags:
        raise UserError("%s is computed from other rows; profile those" % row)
    fewer, more = SAMPLES[program]
    more = samples or more
    few = counts(fewer, row, options, stores)
    many = counts(more, row, options, stores)
    unit = operations * (more - fewer)
    return {a: (n - few.get(a, 0)) / unit for a, n in many.items()}


def symbols(program):
    """Sorted (address, image, name) of the functions, with those of PROGRAM."""
    found = {}
    for image in ("kernel", "libos", program):
        lines = subprocess.run(["nm", image_path(image)], check=True,
                               capture_output=True, text=True).stdout
        for line in lines.splitlines():
            fields = line.split()
            if len(fields) == 3 and fields[1] in "tTwW":
                found[int(fields[0], 16)] = (image, fields[2])
                if fields[2] == "rodata_end":  # behind it are entry.S's copies for each CPU
                    found[int(fields[0], 16)] = (image, "(gate and calls)")
    return sorted((a, *rest) for a, rest in found.items())


def by_function(executed, program="micro"):
    """{(image, name): sum}, {(image, name): count of its first instruction}; PROGRAM ran.
    Without one, whatever is in the lower half is of one function, `user`."""
    if program is None:
        user = sum(n for a, n in executed.items() if a < UPPER_HALF)
        sums, entered = by_function({a: n for a, n in executed.items() if a >= UPPER_HALF})
        return {**sums, ("user", "user"): user}, entered
    table = symbols(program)
    starts = [a for a, *_ in table]
    sums, entered = {}, {}
    for address, n in executed.items():
        at = bisect.bisect(starts, address) - 1
        key = table[at][1:] if at >= 0 else ("?", "?")
        sums[key] = sums.get(key, 0) + n
        if at >= 0 and starts[at] == address:
            entered[key] = n
    return sums, entered
