# SPDX-License-Identifier: MIT
"""What the tests of the tools share: report lines, and running feuer."""
import os
import subprocess
import sys
import tempfile
import time
import traceback

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "tools"))
from feuerlib.common import UserError  # noqa: E402
FEUER = os.path.join(REPO, "tools", "feuer")
KERNEL = os.environ.get("FEUER_TEST_KERNEL")
QUICK = os.environ.get("FEUER_TEST_QUICK")


class Skip(Exception):
    """Raised by a test that cannot run here."""


def full_run_only():
    """Leave a test that takes long and finds little more out of the quick run."""
    if QUICK:
        raise Skip("it is in the full run")


def kernel_options():
    return ["--kernel", KERNEL] if KERNEL else []


def exec_command(options, command):
    return [FEUER, "exec", "--timeout", "150", *kernel_options(), *options, "--",
            *command]


class Outcome:
    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds

    def __repr__(self):
        return "status %s, out %r, err %r" % (self.status, self.out[-300:],
                                              self.err[-1500:])


def feuer_exec(options, command, data=None, stdin=None):
    """Run a command in a guest; DATA is sent through a pipe."""
    begin = time.monotonic()
    where = ({"input": data} if data is not None
             else {"stdin": stdin or subprocess.DEVNULL})
    done = subprocess.run(exec_command(options, command), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, **where)
    return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)


def refuses(function, *arguments):
    """The text of the UserError that it must end with."""
    try:
        function(*arguments)
    except UserError as error:
        return str(error)
    assert False, "no UserError"


def run_all(module):
    """Run the module's functions test_*; report each; end the program."""
    failures = 0
    only = sys.argv[1:]
    for name, function in sorted(vars(module).items(), key=lambda pair: getattr(
            getattr(pair[1], "__code__", None), "co_firstlineno", 0)):
        if not name.startswith("test_") or (only and name not in only):
            continue
        with tempfile.TemporaryDirectory() as directory:
            try:
                function(directory)
                print("ok - %s" % name)
            except Skip as reason:
                print("ok - %s # SKIP %s" % (name, reason))
            except Exception:
                failures += 1
                print("# " + traceback.format_exc().replace("\n", "\n# "))
                print("not ok - %s" % name)
        sys.stdout.flush()
    sys.exit(1 if failures else 0)
