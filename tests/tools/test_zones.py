# SPDX-License-Identifier: MIT
"""`feuer bench --zones`, --programs, --size: parsing, sums, tables.  No guest is booted."""
import sys

from harness import refuses, run_all
from feuerlib import kept, programs, size, zones

# A stub as objdump shows it: two gates, each with its two branches to later parts.
PAGE = [(0x00, "test %rcx,%rcx"), (0x03, "js ffffffff80215020 <stub_start+0x20>"),
        (0x05, "mov %rsp,0x10(%rip)"), (0x0b, "mov %rcx,%cr3"), (0x10, "sysretq"),
        (0x20, "test %rsp,%rsp"), (0x23, "jne ffffffff80215040 <stub_start+0x40>"),
        (0x25, "cmpq $0x0,0x8(%rsp)"), (0x29, "jne ffffffff80215060 <stub_start+0x60>"),
        (0x30, "mov %rcx,%cr3"), (0x36, "sysretq"), (0x40, "pop %rsp"), (0x42, "sysretq")]
BASE = 0xffffffff80300000
SYMBOLS = [(0x400000, "micro", "main"), (0xffff900000000000, "libos", "handler"),
           (0xffffffff80200000, "kernel", "call"), (BASE, "kernel", "(gate and calls)")]


class NoText:
    cr3 = [0xffffffff80200008]


def executed():
    """One call of the gate, with one exokernel call that writes CR3 in the kernel."""
    counts = {BASE + 0x5000 + at: 1 for at, _ in PAGE if at < 0x40}
    counts.update({BASE + 0x5000: 3, BASE + 0x5003: 3})           # in, out, exokernel call
    counts.update({BASE + 0x5020: 2, BASE + 0x5023: 2})           # out, exokernel call
    counts.update({BASE + 0x5040: 1, BASE + 0x5042: 1})
    counts.update({0x400000: 1, 0x400004: 1, 0xffff900000000010: 5,
                   0xffffffff80200000: 1, 0xffffffff80200008: 1})
    return counts


def test_stub_when_disassembled_then_gate_and_calls_are_apart(_directory):
    """Verify the offsets of the branches, of sysret and CR3, and a stub without them."""
    stub = zones.Stub(PAGE, 0, 0x100)
    assert (stub.leave, stub.call) == (0x20, 0x40)
    assert stub.sysret == [0x10, 0x36, 0x42] and stub.cr3 == [0x0b, 0x30]
    assert "branches" in refuses(zones.Stub, PAGE[:1], 0, 0x100)


def test_stages_when_one_call_then_each_instruction_counts_once(_directory):
    """Verify that the stages are a partition, and how often the special ones ran."""
    counts = executed()
    one = zones.stages(counts, zones.Stub(PAGE, 0, 0x100), NoText, SYMBOLS)
    assert sum(one[what] for what in ("entry", "libos", "kernel", "user")) \
        == sum(counts.values()), one
    assert (one["libos"], one["user"]) == (5, 2)
    assert one["kernel"] == 2 + 2 + 4       # its text, the call's own part, the way to it
    assert one["calls"] == 1 and one["exokernel calls"] == 1
    assert (one["syscall"], one["sysret"], one["cr3"]) == (3, 3, 3)
    assert one["pages"] == 4
    twice = zones.combined({"a": one, "b": one}, {"a": 1, "b": -0.5})
    assert twice["kernel"] == 4 and twice["pages"] == 4


def test_estimate_when_no_pcid_then_refills_are_added(_directory):
    """Verify that special instructions are not counted twice, and the status."""
    one = {"entry": 10, "libos": 20, "kernel": 0, "user": 99, "syscall": 2, "sysret": 2,
           "cr3": 2, "pages": 5, "calls": 1}
    cost = zones.PUBLISHED
    hardware = 2 * (cost["syscall"].cycles + cost["sysret"].cycles + cost["cr3"].cycles)
    assert zones.estimate(one, True) == 30 - 6 + hardware
    assert zones.estimate(one, False) == 24 + hardware + 10 * cost["refill"].cycles
    assert zones.status_of_estimates(one, 10000) == "met (estimate)"
    assert zones.status_of_estimates(one, 24 + hardware) == "met with PCIDs (estimate)"
    assert zones.status_of_estimates(one, 10) == "missed (estimate)"
    rows = {row[0]: row[5] for row in zones.table_rows(
        {"capability_check": 1, "libos_alloc_free_64": 1},
        {(name, gate): one for name in ("context switch", "system call", "file open")
         for gate in zones.GATES}, {"ipc_round_trip": "400"})}
    assert rows["IPC (call and reply between two domains)"] == "met (estimate)"
    assert zones.ipc_estimate(400) == 400 - 6 + hardware
    assert zones.status(None, 1) == "not built yet"
    assert zones.status(2, 1) == "missed" and zones.status(1, 1) == "met"


def test_native_when_printed_then_cycles_by_its_own_clock(_directory):
    """Verify the division by `cycle`, and that another text is refused."""
    assert zones.parse_native("cycle 500 500\nheap 9 10000\n") == [("heap", "20.0")]
    refuses(zones.parse_native, "heap 9 10000\n")
    assert zones.parse_ktest("ok 1\nbench switch 75\r\n# bench\n") == [("switch", "75")]


def test_kept_when_written_then_read_the_same(directory):
    """Verify notes and rows, a table that is missing, and one with other columns."""
    about = {"command": "tools/feuer bench --size", "commit": "abc"}
    rows = [["bytes", "a file", "views", "10", "bytes"]]
    kept.write(directory + "/size.tsv", about, size.TITLES, rows)
    assert kept.read(directory, "size", size.TITLES) == (about, rows)
    assert kept.read(directory, "zones", zones.TITLES) is None
    refuses(kept.read, directory, "size", zones.TITLES)
    assert "| a file | 10 |" in size.section(directory)
    assert zones.section(directory) is None and programs.section(directory) is None


def test_size_when_tools_print_then_parsed(_directory):
    """Verify lines of the kernel, sections, and what the guest says."""
    assert size.parse_lines("   12  abi\n  300  kernel/cap\n  312  in all, 10000 allowed\n") \
        == [("abi", 12), ("kernel/cap", 300), ("in all", 312)]
    refuses(size.parse_lines, "nothing\n")
    text = ("  [ 1] .text PROGBITS ffffffff80200000 001000 014000 00  AX  0   0 4096\n"
            "  [ 6] .debug_info PROGBITS 0000000000000000 9d0000 012345 00      0   0  1\n")
    assert size.parse_sections(text) == {".text": 0x14000}
    assert size.parse_said("x\r\nstart: init 12\r\nstart: free -3\nstart: end 0") \
        == {"init": 12, "free": -3, "end": 0}
    assert "no exec" in refuses(size.parse_said, "start: failed no exec\r\nstart: end 1\r\n")


def test_programs_when_run_then_ratios_and_problems(_directory):
    """Verify units, errors, ratios, and outputs that differ."""
    found = programs.parse("awk 1500 77\nbad - status 1: no file\nnoise\n", True)
    assert found == {"awk": programs.Result(1500000, "77"), "bad": "status 1: no file"}
    result = programs.Result
    rows = [programs.row_of("awk", "wall", "tuned", "us", [result(3000, "7")] * 3),
            programs.row_of("awk", "wall", "views", "us", [result(1000, "7"), result(1500, "7"),
                                                           result(2000, "7")]),
            programs.row_of("awk", "wall", "direct", "us", ["gone"])]
    line = next(programs.grid(rows, "wall", 1e3))
    assert line == ["awk", "3.0", "1.5 (1.0..2.0)", "gone", "2.00", ""], line
    assert programs.problems(rows) == ["awk, wall, direct: gone"]
    rows[1] = programs.row_of("awk", "wall", "views", "us", [result(1000, "8")])
    assert any("not the same" in one for one in programs.problems(rows))


run_all(sys.modules[__name__])
