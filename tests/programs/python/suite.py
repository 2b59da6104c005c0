# SPDX-License-Identifier: MIT
"""Runs files of Python's own test suite in the guest, and says what became of each test:

    TEST-FILE <tab> TEST <tab> ok | fail | error | skip | hung | lost

usage: suite.py SECONDS FILE...      (test_os, test_asyncio.test_events, ...)

Each file runs in a process of its own.  When nothing is heard of it for SECONDS, its
process group is killed, the test that it was at is `hung` (or `lost`, when the process
ended by itself within the test), and the file goes on behind that test.  What failed is
told on standard error.
"""
import os
import select
import signal
import subprocess
import sys
import tempfile
import unittest


class Teller(unittest.TestResult):
    """Writes a line to the channel when a test begins and when it ended."""

    def __init__(self, channel):
        super().__init__()
        self.channel, self.word = channel, "ok"

    def tell(self, word, test):
        name = test.id() if hasattr(test, "id") else str(test)
        os.write(self.channel, ("%s\t%s\n" % (word, name.replace("\n", " "))).encode())

    def startTest(self, test):
        super().startTest(test)
        self.word = "ok"
        self.tell("begin", test)

    def stopTest(self, test):
        super().stopTest(test)
        self.tell(self.word, test)

    def outside(self, word, test):
        """What befell a class or a module, not a test."""
        if not isinstance(test, unittest.TestCase):
            self.tell(word, test)

    def show(self, word, test, err):
        text = self._exc_info_to_string(err, test)
        sys.stderr.write("%s: %s\n%s\n" % (word, test, text[-1500:]))
        sys.stderr.flush()

    def addError(self, test, err):
        self.word = "error"
        self.show("error", test, err)
        self.outside("error", test)

    def addFailure(self, test, err):
        self.word = "fail"
        self.show("fail", test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.word = "fail"
            self.show("fail", subtest, err)

    def addSkip(self, test, reason):
        self.word = "skip"
        self.outside("skip", test)

    def addExpectedFailure(self, test, err):
        self.word = "ok"

    def addUnexpectedSuccess(self, test):
        self.word = "fail"


def flat(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from flat(one)
        else:
            yield one


def child(channel, name, done):
    """Run the tests of one file but those whose names the file DONE has."""
    from test import support
    support.use_resources = ["cpu", "subprocess", "decimal"]
    support.verbose = False
    with open(done) as file:
        passed = set(file.read().split("\n"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # before the file is loaded: some ask then where they are
        try:
            suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
        except unittest.SkipTest:
            return
        result = Teller(channel)
        unittest.TestSuite(one for one in flat(suite)
                           if one.id() not in passed)(result)
        os.chdir("/")
    os.write(channel, b"end\t-\n")
    sys.stderr.flush()
    os._exit(0)


def once(name, done, seconds, say):
    """Run what is left of a file; True when it came to its end."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", str(writer), name, done],
        pass_fds=[writer], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        start_new_session=True)
    os.close(writer)
    now, rest = None, b""
    why = "lost"
    ended = False
    while not ended:
        if not select.select([reader], [], [], seconds)[0]:
            why = "hung"
            break
        got = os.read(reader, 65536)
        if not got:
            break
        *lines, rest = (rest + got).split(b"\n")
        for line in lines:
            word, test = line.decode(errors="replace").split("\t", 1)
            if word == "begin":
                now = test
            elif word == "end":
                ended, now = True, None
            else:
                say(test, word)
                now = None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        pass
    process.wait()
    os.close(reader)
    if now is not None:
        say(now, why)
    return ended or now is None


def main():
    if sys.argv[1] == "--child":
        child(int(sys.argv[2]), sys.argv[3], sys.argv[4])
        return
    seconds = int(sys.argv[1])
    for name in sys.argv[2:]:
        with tempfile.NamedTemporaryFile("w") as done:
            def say(test, word):
                print(name, test, word, sep="\t", flush=True)
                done.write(test + "\n")
                done.flush()
            while not once(name, done.name, seconds, say):
                pass
        print("# file", name, "ended", flush=True)


if __name__ == "__main__":
    main()
