# SPDX-License-Identifier: MIT
"""The test runner: how it judges a program's output, and what it says of a failure."""
import os
import subprocess
import sys

from harness import REPO, run_all
from feuerlib import testrun, why


def test_output_when_check_fails_then_its_lines_come_first(_directory):
    """Verify that diagnostics go with their result, and that others stay away."""
    text = "\n".join(["ok 1 - a", "# of a", "ok 2 - b", "# line 12: x is 3",
                      "not ok 3 - c", "ok 4 - d"] + ["ok %d - e" % n for n in range(5, 40)])
    assert why.why(text) == ["# line 12: x is 3", "not ok 3 - c"]


def test_output_when_nothing_tells_then_its_end(_directory):
    """Verify that the last lines stand for a program that just stops."""
    assert why.why("a\n" * 100 + "b\r\n\0\n") == ["a"] * (why.TAIL - 1) + ["b"]


def test_output_when_long_then_cut_and_said(_directory):
    """Verify the limit of characters, and that a long line keeps both ends (W1)."""
    told = why.why("\n".join("not ok %d - %s" % (n, "x" * 100) for n in range(100)), 1000)
    assert sum(len(line) + 1 for line in told) < 1100
    assert told[-1] == "... (%d more lines)" % (100 - len(told) + 1)
    line = why.cut("begin" + "y" * 5000 + "end")
    assert line.startswith("begin") and line.endswith("end") and len(line) < 400


def test_program_when_ended_by_time_limit_then_how_far_it_came(_directory):
    """Verify what is said of a program that hangs."""
    passed, failed, _, notes = testrun.judge("timeout", "ok 1 - a\nok 2 - b\n# x\n", 7)
    assert (passed, failed) == (2, 1)
    assert notes == ["time limit: ended after 7 s; 2 results came, the last is: ok 2 - b"]


def test_program_when_it_ends_then_counted(_directory):
    """Verify what counts as one test, and as a failure."""
    assert testrun.judge(0, "", 1)[:3] == (1, 0, 0)
    assert testrun.judge(0, "ok - a\nok - b # SKIP c\n", 1)[:3] == (1, 0, 1)
    assert testrun.judge(3, "", 1)[:3] == (0, 1, 0)
    assert testrun.judge(1, "ok - a\nnot ok - b\n", 1)[:3] == (1, 1, 0)


def test_run_when_jobs_fail_then_its_end_says_why(_directory):
    """Verify that the end of a run names each failure with its cause, and is short."""
    results = [testrun.Result("job %d" % n, 1, 1, 0, testrun.with_cause(
        [], "# line 5: %s\nnot ok 1 - part %d\n" % ("z" * 200, n), "path"), 1.0)
        for n in range(30)]
    results += [testrun.Result("late %d" % n, 0, 1, 0, [testrun.NEVER + ": x"], 0)
                for n in range(50)]
    lines = list(testrun.causes(results))
    assert "not ok 1 - part 0" in "\n".join(lines[:3])
    assert lines[-1] == "failed: 50 programs that never ran"
    assert sum(len(line) + 1 for line in lines) < 4000


def test_boot_when_it_hangs_then_limit_and_last_result(directory):
    """Verify what tests/why says for the scripts that boot."""
    path = os.path.join(directory, "log")
    with open(path, "w") as file:
        file.write("boot\r\nok 1 - a\r\n# line 9: y\r\nnot ok 2 - b\r\nrest\r\n")
    done = subprocess.run([os.path.join(REPO, "tests", "why"), path, "124", "180"],
                          stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "# time limit: ended after 180 s; 2 results came, the last is: not ok 2 - b"
    assert lines[1:3] == ["#   # line 9: y", "#   not ok 2 - b"]


if __name__ == "__main__":
    run_all(sys.modules[__name__])
