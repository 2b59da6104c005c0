# SPDX-License-Identifier: MIT
"""The test runner: host tests, proofs, tests of the tools, tests in the guest.

A test program writes lines "ok - name" and "not ok - name" ("ok - name # SKIP why" for
what cannot run here); each counts.  A program that writes none counts as one test, by
its exit status; one that fails without a "not ok" line adds one failure.  Lines
"warning: text" are shown and do not fail.

A job of several programs (Job.parts) has a mark before and after what each one says
(tests/guest/c/several.c).  Each is judged by itself; one that began and did not end, and
those that never began, have failed.

Under a failed job stand the lines of its output that tell why (why.py), and then its last
lines.  The first of them stand once more at the end, where a log that shows no more than
some kilobytes shows them.
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

from . import why
from .common import build_dir
from .testplan import GROUPS, plan

OK = re.compile(r"^ok\b(?![^#\n]*# ?SKIP)", re.M | re.I)
SKIP = re.compile(r"^ok\b[^#\n]*# ?SKIP", re.M | re.I)
NOT_OK = re.compile(r"^(not ok|FAILED)\b.*$", re.M)
WARNING = re.compile(r"^warning: .*$", re.M)
BEGINS = re.compile(r"^# begins: (\S+)$", re.M)
ENDED = re.compile(r"^# ended: (\S+) (\d+) (\d+)$", re.M)
TAIL_LINES = 8
# Characters of what is said at the end of a run: of one failed job, and of all.
CAUSE, CAUSES = 700, 2400
NEVER = "never ran"


class Result:
    """What one job gave."""

    def __init__(self, name, passed, failed, skipped, notes, seconds):
        self.name, self.seconds = name, seconds
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.notes = notes


def judge(status, output, limit):
    """(passed, failed, skipped, notes) of a program that ended with STATUS."""
    passed = len(OK.findall(output))
    skipped = len(SKIP.findall(output))
    failed = len(NOT_OK.findall(output))
    if status == "timeout":
        return passed, failed + 1, skipped, [
            "time limit: ended after %d s; %d results came, the last is: %s"
            % (limit, passed + failed, last_result(output))]
    if status != 0 and failed == 0:
        return passed, 1, skipped, ["ended with status %d%s" % (
            status, " (time limit of the guest)" if status == 124 else "")]
    if status == 0 and passed + failed + skipped == 0:
        passed = 1
    return passed, failed, skipped, WARNING.findall(output)


def last_result(output):
    found = re.findall(r"^(?:not )?ok\b.*$", output, re.M)
    return found[-1].strip() if found else "none"


def run_process(job, log):
    """Run the job's command with output to LOG; its status, or "timeout"."""
    environment = dict(os.environ, **job.environment)
    try:
        process = subprocess.Popen(job.command, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, env=environment,
                                   cwd=job.directory, start_new_session=True)
    except OSError as error:
        log.write(("not ok - cannot run %s: %s\n" % (job.command[0], error.strerror))
                  .encode())
        return 1
    try:
        return process.wait(job.seconds)
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        # What the test left behind ends too; its children are in its session.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass
        process.wait()


def split(output, names):
    """[(name, status, seconds, what it said)] of a job's NAMES; the status is a number,
    "hung" for one that began and did not end, or None for one that never began."""
    marks = [(match.start(), match.end(), match.group(1))
             for match in BEGINS.finditer(output)]
    found = {}
    for i, (_, begin, name) in enumerate(marks):
        text = output[begin:marks[i + 1][0] if i + 1 < len(marks) else len(output)]
        end = ENDED.search(text)
        if end and end.group(1) == name:
            found[name] = (int(end.group(2)), int(end.group(3)) / 1000, text[:end.start()])
        else:
            found[name] = ("hung", 0, text)
    return [(name, *found.get(name, (None, 0, ""))) for name in names]


def with_cause(notes, output, path):
    """NOTES, then what the output says of the failure, then its last lines."""
    told = why.why(output)
    last = [line for line in why.lines_of(output) if line][-TAIL_LINES:]
    notes = notes + told
    if any(line not in told for line in last):
        notes += ["last lines:"] + ["  | " + why.cut(line) for line in last]
    return notes + ["(whole output: %s)" % path]


def part_results(job, status, output, path):
    """A result for each program of the job."""
    tail = output[-2000:]
    for name, ended, seconds, text in split(output, job.parts):
        if isinstance(ended, int):
            numbers = judge(ended, text, job.seconds)
        else:
            what = NEVER if ended is None else "began and did not end"
            numbers = (len(OK.findall(text)), 1, 0,
                       ["%s: the guest's status is %s" % (what, status)])
            text = tail if ended else ""
        passed, failed, skipped, notes = numbers
        yield Result("%s: %s" % (job.name, name), passed, failed, skipped,
                     with_cause(notes, text, path) if failed else notes, seconds)


def run_job(job):
    """Run one job; its results; never raises."""
    folder = os.path.join(build_dir(), "test-logs")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, re.sub(r"[^A-Za-z0-9._-]+", "-", job.name) + ".log")
    begin = time.monotonic()
    with open(path, "w+b") as log:
        status = run_process(job, log)
        log.flush()
        log.seek(0)
        output = log.read().decode(errors="replace")
    if job.parts:
        results = list(part_results(job, status, output, path))
        if status != 0 and not any(result.failed for result in results):
            results.append(Result(job.name, 0, 1, 0, with_cause(
                ["all programs ended well, and the guest's status is %s" % status],
                output, path), time.monotonic() - begin))
        return results
    if job.check is not None and status == 0:
        problem = job.check(output)
        if problem:
            output += "\nnot ok - %s\n" % problem
            status = 1
    passed, failed, skipped, notes = judge(status, output, job.seconds)
    if failed:
        notes = with_cause(notes, output, path)
    return [Result(job.name, passed, failed, skipped, notes, time.monotonic() - begin)]


def report(result):
    word = "FAIL" if result.failed else "skip" if not result.passed else "pass"
    extra = ", %d failed" % result.failed if result.failed else ""
    extra += ", %d skipped" % result.skipped if result.skipped else ""
    print("%s  %-44s %4d ok%s  %.1f s" % (word, result.name, result.passed, extra,
                                          result.seconds), flush=True)
    for note in result.notes:
        print("      " + note, flush=True)


def causes(results):
    """For the end of the run: each failed job, with the first of what it said."""
    left, never = CAUSES, 0
    for result in sorted(results, key=lambda one: one.name):
        if result.failed and result.notes[0].startswith(NEVER):
            never += 1  # the one that began and did not end tells why
            continue
        if not result.failed:
            continue
        yield "failed: %s" % result.name
        room = min(CAUSE, left)
        for note in result.notes:
            if note.startswith(("last lines:", "(whole")) or len(note) > room:
                break
            room -= len(note) + 7
            left -= len(note) + 7
            yield "      " + note
    if never:
        yield "failed: %d programs that never ran" % never


def pattern(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError("not a regular expression: %s" % error) from None


def parse(arguments):
    parser = argparse.ArgumentParser(prog="runtests", description="Runs the tests.")
    parser.add_argument("--group", action="append", choices=GROUPS,
                        help="only this group; may be repeated")
    parser.add_argument("--only", metavar="PATTERN", type=pattern,
                        help="only jobs whose name matches this regular expression")
    parser.add_argument("--quick", action="store_true", help="leave the slow ones out")
    parser.add_argument("--all", action="store_true", help="the long ones as well")
    parser.add_argument("--kernel", metavar="FILE", help="kernel for the guest tests; "
                        "the word `linux` stands for Debian's")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="at once (2)")
    parser.add_argument("--host-tests", metavar="LIST", help="host test programs "
                        "that must be there, besides those found below build/host")
    parser.add_argument("--list", action="store_true", help="print the jobs and stop")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    jobs = [job for job in plan(options)
            if not options.only or options.only.search(job.name)]
    if options.list:
        for job in jobs:
            print(job.name)
        return 0
    results = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run_job, job)
                                                       for job in jobs]):
            for result in future.result():
                results.append(result)
                report(result)
    failed = sum(result.failed for result in results)
    skipped = sum(result.skipped for result in results)
    for line in causes(results):
        print(line)
    line = "%d passed, %d failed" % (sum(result.passed for result in results), failed)
    print(line + (", %d skipped" % skipped if skipped else ""))
    sys.stdout.flush()
    return 1 if failed else 0
