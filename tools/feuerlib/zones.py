# SPDX-License-Identifier: MIT
"""`feuer bench --zones`: targets of the three zones, and the stages of one call.

Three sources, which are never mixed in one figure:
  - native: build/native/* run here, in Ring 3, in cycles of this host's cores;
  - counted: instructions of a guest, by where they lie (profiling), for one operation;
  - estimate: counted instructions at one a cycle, with what PUBLISHED says for the few that
    cost more.  It is an estimate on paper, not a measurement, and marked so wherever shown.

The kernel's stub is copied for each CPU to a page of its own, so its instructions are known
by their offset in the page.  What is before its branch to an exokernel call is the gate.
"""
import bisect
import collections
import os
import re
import subprocess
import tempfile

from . import kept, profiling
from .common import REPO, UserError, build_dir, say
from .machine import find_qemu

NAME = "zones"
TITLES = ("kind", "name", "gate", "what", "value")
GATES = ("views", "direct")
# What a row of the table is made of: rows of build/bench/micro with factors.
ROWS = {
    "system call": {"null_call": 1},
    "context switch": {"pipe_round_trip": 0.5, "pipe_to_self": -1},
    "file open": {"open_close": 1},
    "pread of 1 byte": {"pread_1": 1},
    "stat": {"stat": 1},
    "mprotect": {"mprotect": 1},
}
STAGED = ("system call", "pread of 1 byte", "stat", "file open", "mprotect")
STAGES = (("entry", 100), ("libos", 500), ("kernel", 200), ("hardware", 100))
ALL_STAGES = 1000
# (name, target in cycles, where its value comes from)
TABLE = (
    ("context switch", 2000, "counted"),
    ("capability check", 100, "capability_check"),
    ("system call", 500, "counted"),
    ("LibOS memory allocation (malloc and free of 64 bytes)", 200, "libos_alloc_free_64"),
    ("SDK memory allocation (malloc and free of 64 bytes)", 200, "sdk_alloc_free_64"),
    ("IPC (call and reply between two domains)", 1000, "ipc_round_trip"),
    ("file open (with its close)", 5000, "counted"),
)
# What a call and its reply run besides: not in the estimate are the two XSAVE and XRSTOR.
IPC = {"syscall": 2, "sysret": 2, "cr3": 2}
FAST = (("capability check", 100, "capability_check"),
        ("cached answer (the time, from the vDSO)", 50, "clock_gettime"),
        ("inline (two authorities compared)", 10, "lattice_compare"))
KTEST_SECONDS = 120
PAGE = 4096
SAMPLES = 404  # of each row, so that what happens once in a while is spread thin
Cost = collections.namedtuple("Cost", "cycles source")
PUBLISHED = {
    "syscall": Cost(27, "AMD, Software Optimization Guide for AMD64 Processors, "
                    "publication 25112, revision 3.06, appendix C, Instruction Latencies"),
    "sysret": Cost(35, "the same"),
    "cr3": Cost(100, "Linux kernel documentation, Page Table Isolation (PTI), Runtime Cost: "
                "on the order of a hundred cycles"),
    "refill": Cost(30, "University of Washington, CSE 378, lecture 28, Translation Lookaside "
                   "Buffer: a miss costs 10 to 30 cycles (the upper end is taken)"),
}


# ---- the stub ----

class Stub:
    """Offsets in the stub's page for one gate."""

    def __init__(self, instructions, start, end):
        """INSTRUCTIONS: [(offset, text)] of the page; this gate's are in [start, end)."""
        mine = [(at, text) for at, text in instructions if start <= at < end]
        branch = [int(re.search(r"([0-9a-f]+)\b", text.split(None, 1)[1])[1], 16) % PAGE
                  for _, text in mine if re.match(r"(js|jne|jnz)\s", text)]
        if len(branch) < 2:
            raise UserError("the kernel's stub has not the branches of a gate")
        self.start, self.end, self.leave, self.call = start, end, branch[0], branch[1]
        self.sysret = [at for at, text in mine if text.startswith("sysret")]
        self.cr3 = [at for at, text in mine if text.endswith("%cr3")]
        self.shared = 4  # two tests and two branches are on the way to an exokernel call


def disassembly(path, *options):
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", *options, path], check=True,
                          capture_output=True, text=True).stdout
    for line in text.splitlines():
        found = re.match(r" *([0-9a-f]+):\t(.*?)\s*(#.*)?$", line)
        if found:
            yield int(found[1], 16), found[2].strip()


class Kernel:
    """What build/feuerbird says about its instructions."""

    def __init__(self):
        path = os.path.join(build_dir(), "feuerbird")
        if not os.path.isfile(path):
            raise UserError("no %s; run `make all benches`" % path)
        lines = subprocess.run(["nm", path], check=True, capture_output=True,
                               text=True).stdout.split("\n")
        self.symbol = {line.split()[2]: int(line.split()[0], 16) for line in lines if line}
        start, end = self.symbol["stub_start"], self.symbol["stub_end"]
        page = [(at % PAGE, text) for at, text in disassembly(
            path, "-D", "-j", ".rodata", "--start-address=%#x" % start,
            "--stop-address=%#x" % end)]
        views, direct = (self.symbol["stub_entry_" + gate] % PAGE for gate in GATES)
        self.stubs = {"views": Stub(page, views, direct), "direct": Stub(page, direct,
                                                                         end % PAGE)}
        self.cr3 = [at for at, text in disassembly(path, "-j", ".text")
                    if re.match(r"mov\s.*%cr3$", text) and not re.match(r"mov\s+%cr3", text)]


def stages(executed, stub, kernel, symbols):
    """{what: number} of one operation: EXECUTED is {address: count}."""
    starts = [at for at, *_ in symbols]
    sums = collections.Counter({"entry": 0, "libos": 0, "kernel": 0, "user": 0})
    copies, pages = collections.Counter(), collections.Counter()
    for address, count in executed.items():
        at = bisect.bisect(starts, address) - 1
        _, image, name = symbols[at] if at >= 0 else (0, "?", "?")
        if name == "(gate and calls)":
            copies[address % PAGE] += count
            image = "stub"
        elif image in ("kernel", "libos"):
            sums[image] += count
        else:
            sums["user"] += count
        if count >= 0.5:
            pages[image, address // PAGE] = 1
    whole = sum(count for at, count in copies.items() if stub.start <= at < stub.end)
    gate = sum(count for at, count in copies.items() if stub.start <= at < stub.call)
    calls = copies[stub.call]
    sums["entry"] += gate - stub.shared * calls
    sums["kernel"] += whole - gate + stub.shared * calls
    sums["syscall"] = copies[stub.start]
    sums["sysret"] = sum(copies[at] for at in stub.sysret)
    sums["cr3"] = sum(copies[at] for at in stub.cr3) + sum(
        executed.get(at, 0) for at in kernel.cr3)
    sums["exokernel calls"] = calls
    leaving = copies[stub.leave] - calls
    sums["calls"] = copies[stub.start] - calls - leaving
    for image in ("kernel", "stub", "libos"):
        sums["pages"] += sum(one[0] == image for one in pages)
    sums["pages"] += sum(one[0] not in ("kernel", "stub", "libos") for one in pages)
    return dict(sums)


def combined(parts, factors):
    """The sum of {row: {what: number}} with FACTORS; pages are not added up."""
    names = dict.fromkeys(what for one in factors for what in parts[one])
    found = {what: sum(parts[one][what] * factor for one, factor in factors.items())
             for what in names}
    found["pages"] = max(parts[one]["pages"] for one in factors)
    return found


# ---- the estimate ----

def hardware(one):
    """Cycles of the instructions that PUBLISHED knows, the TLB left alone (with PCIDs)."""
    return sum(one[what] * PUBLISHED[what].cycles for what in ("syscall", "sysret", "cr3"))


def refills(one):
    """Pages to be found again: after each write of CR3 at most all code pages that the row
    uses, and as many of data, divided among the two views that a pair leads to."""
    return one["cr3"] * one["pages"]


def instructions(one):
    return sum(one[what] for what in ("entry", "libos", "kernel"))


def estimate(one, pcid):
    """Cycles on paper of one operation, without the program's own instructions."""
    special = one["syscall"] + one["sysret"] + one["cr3"]
    cycles = instructions(one) - special + hardware(one)
    return cycles + (0 if pcid else refills(one) * PUBLISHED["refill"].cycles)


# ---- measuring ----

def native():
    """[(name, cycles)] of build/native/*."""
    found = []
    for program in ("capability", "allocator"):
        path = os.path.join(build_dir(), "native", program)
        if not os.path.isfile(path):
            raise UserError("no %s; run `make benches`" % path)
        say("zones: native %s" % program)
        found += parse_native(subprocess.run([path], check=True, capture_output=True,
                                             text=True).stdout)
    return found


def parse_native(text):
    """[(name, median in cycles)]: the row `cycle` says what a cycle is in ticks."""
    rows = [line.split() for line in text.splitlines()]
    if not rows or rows[0][0] != "cycle" or any(len(row) != 3 for row in rows):
        raise UserError("a native bench printed %r" % text[:80])
    cycle = int(rows[0][2])
    return [(name, "%.1f" % (int(median) / cycle)) for name, _, median in rows[1:]]


def parse_ktest(text):
    return re.findall(r"^bench (\w+) (\d+)\r?$", text, re.M)


def ktest():
    """[(name, instructions)] of the test LibOS's own rows of exokernel calls."""
    say("zones: exokernel calls")
    with tempfile.TemporaryDirectory() as directory:
        copy = os.path.join(directory, "kernel")
        subprocess.run([os.path.join(REPO, "tests/kernel/with-manifest"),
                        os.path.join(build_dir(), "feuerbird"),
                        os.path.join(REPO, "tests/manifests/ktest.manifest"), copy], check=True)
        done = subprocess.run(
            [find_qemu(), "-kernel", copy, "-display", "none", "-serial", "stdio",
             "-no-reboot", "-m", "80", "-smp", "1", "-append",
             "console=ttyS0 panic=-1 ktest.bench", "-accel", "tcg", "-cpu",
             "max,-erms,-pku", "-icount", "shift=0,sleep=off"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=KTEST_SECONDS)
    rows = parse_ktest(done.stdout.decode(errors="replace"))
    if not rows:
        raise UserError("the test LibOS printed no bench rows")
    return rows


def measure():
    """The rows of the kept table."""
    rows = [("native", name, "-", "cycles", value) for name, value in native()]
    rows += [("exokernel", name, "-", "instructions", value) for name, value in ktest()]
    kernel, symbols = Kernel(), profiling.symbols("micro")
    needed = list(dict.fromkeys(row for factors in ROWS.values() for row in factors))
    for gate in GATES:
        parts = {}
        for number, row in enumerate(needed + ["clock_gettime"], 1):
            say("zones: %s, %s (%d of %d)" % (gate, row, number, len(needed) + 1))
            executed = profiling.operation(row, ["--gate", gate], samples=SAMPLES)
            parts[row] = stages(executed, kernel.stubs[gate], kernel, symbols)
        for name, factors in ROWS.items():
            rows += [("counted", name, gate, what, "%.1f" % value)
                     for what, value in combined(parts, factors).items()]
        rows.append(("counted", "clock_gettime", gate, "user",
                     "%.1f" % parts["clock_gettime"]["user"]))
    return rows


# ---- showing ----

def index(rows):
    """({native name: cycles}, {(name, gate): {what: number}}, [(exokernel row, count)])."""
    here, counted, calls = {}, {}, []
    for kind, name, gate, what, value in rows:
        if kind == "native":
            here[name] = float(value)
        elif kind == "exokernel":
            calls.append((name, value))
        else:
            counted.setdefault((name, gate), {})[what] = float(value)
    return here, counted, calls


def status(value, target):
    return "not built yet" if value is None else "met" if value <= target else "missed"


def status_of_estimates(one, target):
    if estimate(one, False) <= target:
        return "met (estimate)"
    return "met with PCIDs (estimate)" if estimate(one, True) <= target else \
        "missed (estimate)"


def ipc_estimate(count):
    return count - sum(IPC.values()) + hardware(IPC)


def table_rows(here, counted, calls):
    for name, target, source in TABLE:
        if source in calls:
            value = ipc_estimate(int(calls[source]))
            yield [name, target, "%s instructions" % calls[source], "%d with PCIDs" % value, "",
                   status(value, target) + " (estimate)"]
        elif source != "counted" and source not in here:
            yield [name, target, "not measured yet", "", "", "not measured yet"]
        elif source == "counted":
            one = {gate: counted[name.split(" (")[0], gate] for gate in GATES}
            cells = ["%.0f, %.0f" % (estimate(one[gate], True), estimate(one[gate], False))
                     for gate in GATES]
            yield [name, target, "%.0f, %.0f instructions" % tuple(
                instructions(one[gate]) for gate in GATES), *cells,
                status_of_estimates(one["views"], target)]
        else:
            yield [name, target, "%.1f cycles" % here[source], "", "",
                   status(here[source], target)]


def fast_rows(here, counted):
    for name, target, source in FAST:
        if source in here:
            yield [name, target, "%.1f cycles" % here[source], status(here[source], target)]
        else:
            value = counted[source, "views"]["user"]
            yield [name, target, "%.0f instructions" % value, status(value, target)
                   + " (at one a cycle)"]


def stage_rows(counted):
    """For one call: an operation of several is divided by their number."""
    yield ["**target**", "", *("**%d**" % target for _, target in STAGES),
           "**%d**" % ALL_STAGES, ""]
    for name in STAGED:
        for gate in GATES:
            one = counted[name, gate]
            calls = one["calls"]
            cells = [one["entry"], one["libos"], one["kernel"], hardware(one),
                     estimate(one, True), estimate(one, False)]
            yield [name, "`%s`" % gate, *("%.0f" % (cell / calls) for cell in cells)]


def body(rows):
    """Markdown of the tables."""
    here, counted, calls = index(rows)
    parts = [kept.markdown(["what", "target, cycles", "current (`views`, `direct`)",
                            "estimate `views`: with PCIDs, without",
                            "estimate `direct`", "status"],
                           table_rows(here, counted, dict(calls))),
             "\nFast paths:\n\n",
             kept.markdown(["what", "target, cycles", "current", "status"],
                           fast_rows(here, counted)),
             "\nThe stages of one call: instructions in the entry (the gate's way in and out), the "
             "LibOS's handler and the kernel's operations; cycles on paper for what the hardware "
             "adds (`syscall`, `sysret`, CR3), and in all with PCIDs and without.\n\n",
             kept.markdown(["call", "gate", "entry", "LibOS handler", "kernel operation",
                            "hardware (estimate)", "in all (estimate)", "without PCIDs "
                            "(estimate)"], stage_rows(counted)),
             "\nNatively, in cycles of the core: " + ", ".join(
                 "%s %.1f" % (name.replace("_", " "), value) for name, value in here.items())
             + ".\n\nExokernel calls from the test LibOS, in instructions: " + ", ".join(
                 "%s %s" % (name.replace("_", " "), value) for name, value in calls) + ".\n",
             "\nEstimates are on paper: one cycle for each counted instruction, and for what costs "
             "more:\n\n"]
    parts += ["- %s: %d cycles (%s)\n" % ({
        "syscall": "`syscall`", "sysret": "`sysret`", "cr3": "a write of CR3",
        "refill": "a TLB refill, without PCIDs only, each write of CR3 costing as many as the row "
        "uses pages of code"}[what], cost.cycles, cost.source)
        for what, cost in PUBLISHED.items()]
    return "".join(parts)


def section(results):
    """Markdown for docs/performance.md, or None."""
    return kept.section(
        results, NAME, TITLES,
        "## The zones\n\n`tools/feuer bench --zones`: targets of the design, and what there "
        "is. What runs in Ring 3 anyway is measured natively; the rest is counted in "
        "a guest, and its cycles are an estimate.", body)


def main(command, folder):
    rows = measure()
    kept.finish(folder, NAME, kept.notes(command), TITLES, rows, body)
    return 0
