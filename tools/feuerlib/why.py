# SPDX-License-Identifier: MIT
"""Why a test failed: the few lines of its output that say it.

Who reads a failure often sees some kilobytes of it and no more, so these lines come first:
each failed check, panic, sanitizer's report or time limit, with the diagnostics beside it.

W1. What was cut away is never silent: the result says how many lines that were.
"""
import re

# What a line says that tells of a failure.
TELLS = re.compile(r"^(# )*(not ok\b|Bail out!|FAILED\b|# ?missing:)|PANIC|panic:|Traceback"
                   r"|(Address|Undefined\w*|Leak|Memory)Sanitizer|runtime error:"
                   r"|time limit|time-out|timed out|Assertion|assertion failed"
                   r"|Segmentation fault|Killed$|could not be started|has ended the guest")
# A diagnostic: it belongs to the result after it (a check says what it found, and the
# test's result follows), or to the one before (TAP).
NOTE = re.compile(r"^\s*#|^[\w./-]+\.[ch]:\d+|^line \d+")
BEFORE, AFTER, TAIL = 8, 10, 6
WIDTH = 300


def lines_of(text):
    return [line.rstrip() for line in text.replace("\r", "").replace("\0", "").split("\n")]


def cut(line):
    """A long line's beginning and end."""
    half = WIDTH // 2
    return line if len(line) <= WIDTH else line[:half] + " [...] " + line[-half:]


def chosen(lines):
    """The numbers of the lines that tell, with the diagnostics beside each, in order."""
    numbers = set()
    for i, line in enumerate(lines):
        if not TELLS.search(line):
            continue
        numbers.add(i)
        for step, count in ((-1, BEFORE), (1, AFTER)):
            j = i + step
            while 0 <= j < len(lines) and abs(j - i) <= count and NOTE.match(lines[j]):
                numbers.add(j)
                j += step
        if "PANIC" in line or "panic:" in line or "Traceback" in line or "Sanitizer" in line:
            numbers.update(range(i, min(i + 1 + AFTER, len(lines))))
    return sorted(numbers)


def why(text, budget=1500):
    """Lines that say why, of BUDGET characters at most; the last lines if none does."""
    lines = lines_of(text)
    while lines and not lines[-1]:
        lines.pop()
    numbers = chosen(lines)
    if not numbers:
        numbers = [i for i in range(max(0, len(lines) - TAIL), len(lines)) if lines[i]]
    result, left, before = [], budget, -1
    for n, i in enumerate(numbers):
        line = cut(lines[i])
        if len(line) > left:
            result.append("... (%d more lines)" % (len(numbers) - n))
            break
        if result and i != before + 1:
            result.append("...")
        result.append(line)
        left -= len(line) + 1
        before = i
    return result
