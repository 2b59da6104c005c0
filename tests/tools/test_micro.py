# SPDX-License-Identifier: MIT
"""The bench programs micro and micro-glibc, and what counts inside them: profile, copied."""
import os
import re
import subprocess
import sys

from harness import REPO, Skip, feuer_exec, full_run_only, run_all
from feuerlib import benchrun, profiling
from feuerlib.common import build_dir

# What the default root or FeuerBird does not have, with what the row says then.
ABSENT = {"fork_exec_wait_dynamic": "No such file or directory",
          "vfork_exec_wait_dynamic": "No such file or directory",
          "udp_round_trip": "Address family not supported by protocol",
          "tcp_round_trip": "Address family not supported by protocol",
          "tcp_connect_accept_close": "Address family not supported by protocol"}


def program(name):
    path = os.path.join(build_dir(), "bench", name)
    if not os.path.isfile(path):
        raise Skip("no %s; `make benches`" % path)
    return path


def run_here(name, *arguments):
    return subprocess.run([program(name), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def test_lists_when_read_then_each_name_once(_directory):
    """Verify that --list is what the runner takes, and that no row is in both programs."""
    names = []
    for name in ("micro", "micro-glibc"):
        text = run_here(name, "--list").stdout
        rows = benchrun.parse_list(text)
        assert len(rows) == len(text.splitlines()), name
        names += rows
    assert len(names) == len(set(names))
    assert "null_call" in names and "glibc_malloc_free_64" in names


def test_rows_when_named_then_these_and_no_others(_directory):
    """Verify that rows are chosen by name, and that an unknown name is an error."""
    done = run_here("micro", "-n", "3", "lseek", "null_call")
    assert done.returncode == 0, done
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["null_call", "lseek"]
    done = run_here("micro", "no_such_row")
    assert done.returncode == 2 and done.stdout == "" and "no_such_row" in done.stderr, done


def every_row(cpus):
    text = feuer_exec(["--cpus", str(cpus), "--add", os.path.join(build_dir(), "bench")],
                      ["/add/micro", "-n", "1"]).out.decode()
    found = dict(filter(None, map(benchrun.parse_row, text.splitlines())))
    assert list(found) == list(benchrun.parse_list(run_here("micro", "--list").stdout)), text
    for name, value in found.items():
        assert isinstance(value, tuple) if name not in ABSENT else value == ABSENT[name], \
            (name, value)


def test_rows_when_all_are_run_then_figures(_directory):
    """Verify that every row runs on FeuerBird, on 1 and 2 CPUs."""
    program("micro")
    every_row(1)
    full_run_only()
    every_row(2)


def test_stores_when_64_kib_are_read_then_one_copy(_directory):
    """Verify that counting stores sees each byte of a read once, and none of a tee."""
    program("micro")
    for row, copies in (("pread_65536", 1), ("tee_65536", 0)):
        sums, _ = profiling.by_function(profiling.operation(row, stores=True))
        everything = sum(sums.values()) / 65536
        assert copies <= everything < copies + 0.1, (row, everything)


def test_profile_when_a_row_is_profiled_then_its_functions(_directory):
    """Verify that the functions' sum is near what the row itself counts."""
    program("micro")
    done = subprocess.run([os.path.join(REPO, "tools", "profile"), "null_call"],
                          capture_output=True, text=True, timeout=300)
    total = re.match(r" *([0-9.]+) instructions for one operation of null_call", done.stdout)
    assert done.returncode == 0 and total and 30 < float(total[1]) < 150, done
    assert "gate_entry" in done.stdout or "(gate and calls)" in done.stdout, done


run_all(sys.modules[__name__])
