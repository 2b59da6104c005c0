#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does the guard find a slowdown?

Copies the working tree, plants a loop in one system call's handler, builds, and runs the
guard on that kernel: it must fail for the row of this call, and for no other.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.path.abspath(os.environ.get("FEUER_BUILD") or os.path.join(REPO, "build"))
ROW, FILE = "null_call", "libos/posix/proc.c"
HANDLER = re.compile(r"^sys_getppid\(struct user_frame \*\w+\)\n\{\n", re.M)
LOOP = "    for (volatile int planted = 0; planted < 16; planted++)\n        ;\n"


def copy_tree(target):
    """The files that git knows or would take, and what is built, with their times."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=REPO,
                           check=True, stdout=subprocess.PIPE).stdout.split(b"\0")
    for name in map(os.fsdecode, names):
        source = os.path.join(REPO, name)
        if name and os.path.isfile(source):
            os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
            shutil.copy2(source, os.path.join(target, name), follow_symlinks=False)
    for name in ("gen", "kernel", "libos", "small", "ktest"):
        if os.path.isdir(os.path.join(BUILD, name)):
            shutil.copytree(os.path.join(BUILD, name), os.path.join(target, "build", name))


def plant(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    changed, count = HANDLER.subn(lambda found: found.group(0) + LOOP, text)
    if count != 1:
        sys.exit("not ok - %s has %d handlers of the call" % (FILE, count))
    with open(path, "w", encoding="utf-8") as file:
        file.write(changed)


def main():
    with tempfile.TemporaryDirectory() as tree:
        copy_tree(tree)
        plant(os.path.join(tree, FILE))
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "FEUER_BUILD")}
        built = subprocess.run(["make", "-s", "BUILD=build", "all"], cwd=tree,
                               env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
        if built.returncode != 0:
            sys.stdout.write(built.stdout.decode(errors="replace"))
            sys.exit("not ok - the tree with the loop does not build")
        guard = subprocess.run([os.path.join(REPO, "tools", "feuer"), "bench", "--guard",
                                "--kernel", os.path.join(tree, "build", "feuerbird")],
                               stdout=subprocess.PIPE)
    said = guard.stdout.decode(errors="replace")
    failed = re.findall(r"^not ok - (\w+) costs \d+ instructions, [\d.]+% above", said, re.M)
    # The guard's own report lines are not this test's.
    sys.stdout.write(re.sub(r"^", "# ", said, flags=re.M) + "\n")
    good = guard.returncode == 1 and failed == [ROW]
    print("%s - a loop planted in one call fails the guard for %s alone"
          % ("ok" if good else "not ok", ROW))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
