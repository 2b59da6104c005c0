# SPDX-License-Identifier: MIT
"""The command line of tools/feuer."""
import argparse
import os
import sys

from .common import UserError, say

EXEC_ABOUT = """\
Boots a guest, runs CMD as root in it, and exits with its exit status: 128+N if signal N
ended it, 127 if it was not found, 126 if it could not be run, 124 for a time-out, 125 if
the guest did not start, panicked or ended early (a message says which), 141 if nobody
reads the output any more.  Standard input, output and error are passed through apart."""

RUN_ABOUT = """\
Boots a guest with its serial console on this terminal: a shell by default, or CMD.
Every key goes to the guest, Ctrl-C too.  `exit` or `poweroff` ends it; Ctrl-] three
times within a second ends it by force."""

BENCH_ABOUT = """\
Boots the same bench program on FeuerBird, with both gates, and on Debian's kernel, as
shipped and tuned, in the same machine, and prints one table.  It is also written, with a
plot, to build/bench-results.  Ends with 1 if a run failed, or if FeuerBird's counts are
not the same in all runs."""

IMAGE_ABOUT = """\
Makes a root archive that --image boots, on FeuerBird and on Linux, and prints its path.
It has an unprivileged user named `user`; neither he nor root has a password."""


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def seconds(text):
    value = float(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def add_machine_options(parser):
    """What exec and run have in common."""
    add = parser.add_argument
    add("--cpus", type=positive, default=1, metavar="N", help="virtual CPUs (1)")
    add("--mem", type=positive, metavar="MB", help="memory; by default what is needed")
    add("--add", metavar="DIR", help="put DIR's files into the guest's /add")
    add("--initrd", metavar="FILE", help="root archive (cpio, may be gzipped) instead "
        "of the default one with busybox and bash")
    add("--image", metavar="FILE", help="root made by `feuer image`; the word `debian` "
        "stands for the default one, made when missing")
    add("--gate", choices=("views", "direct"), help="how the LibOS is kept apart")
    add("--machine", choices=("pc", "q35", "microvm"), default="pc", help="(pc)")
    add("--kernel", metavar="FILE", help="another kernel; a Linux bzImage will do, and "
        "the word `linux` stands for Debian's (see `feuer linux-kernel`)")
    add("--manifest", metavar="FILE", help="replace the manifest inside the kernel file")
    add("--personality", action="append", default=[], metavar="NAME=ELF",
        help="a LibOS beside those in the kernel file, for the manifest; may be repeated")
    add("--root", action="append", default=[], metavar="NAME=FILE",
        help="the archive that `root NAME` in the manifest means; `shell` and `debian` "
        "are known, other names are files; may be repeated")
    add("--append", metavar="STR", help="more kernel parameters")
    add("--icount", action="store_true", help="count instructions: TCG, one CPU, virtual "
        "clock, fixed date and seed")
    add("--seed", type=positive, default=1, metavar="N",
        help="of what is random under --icount (1)")
    add("--accel", choices=("auto", "kvm", "tcg"), default="auto",
        help="(auto: KVM where a trial guest runs on it)")
    add("--tuned", action="store_true", help="Linux without its optional checks")
    add("--env", action="append", default=[], metavar="K=V", help="environment of CMD")
    add("--cwd", default="/", metavar="DIR", help="directory of CMD in the guest (/)")
    add("--qemu-arg", action="append", default=[], metavar="ARG",
        help="one more argument for QEMU")
    add("--show", action="store_true", help="print QEMU's command line and stop")


def add_bench_options(commands):
    one = commands.add_parser("bench", help="what each basic operation costs, on "
                              "FeuerBird (both gates) and on Linux", description=BENCH_ABOUT)
    add = one.add_argument
    add("--wall", action="store_true", help="wall time instead of instructions")
    add("--only", action="append", default=[], metavar="NAME",
        help="only this row; may be repeated, and * stands for any text")
    add("--runs", type=positive, metavar="N", help="runs of each column (3)")
    add("--samples", type=positive, metavar="N", help="of each row (31; wall time 11)")
    add("--no-linux", action="store_true", help="FeuerBird alone")
    add("--cpus", type=positive, default=1, metavar="N",
        help="with more than 1: wall time of the rows that ask for several CPUs")
    add("--mem", type=positive, metavar="MB", help="memory of each guest (1024)")
    add("--kernel", metavar="FILE", help="(build/feuerbird)")
    add("--program", action="append", default=[], metavar="NAME",
        help="build/bench/NAME; may be repeated (micro and micro-glibc)")
    add("--growth", action="store_true", help="the curves of build/bench/growth instead")
    add("--keep", action="store_true", help="write docs/results and the pages made of it")
    add("--guard", action="store_true", help="compare a few rows with their limits")
    add("--limits", metavar="FILE", help="of --guard (tests/bench/limits.tsv)")
    add("--lower", action="store_true", help="with --guard: lower the limits to what is "
        "measured")
    add("--zones", action="store_true", help="instead: the three zones against their targets, "
        "and the stages of one call (5 minutes)")
    add("--programs", action="store_true", help="instead: whole programs, counted and in wall "
        "time; ROW names some")
    add("--size", action="store_true", help="instead: lines, bytes, power-on to the prompt, "
        "memory for a process and a thread")
    add("--page", action="store_true", help="make docs/performance.md and README's figures "
        "from docs/results")
    add("--check", action="store_true", help="are those pages what docs/results gives?")
    add("rows", nargs="*", metavar="ROW", help="as --only ROW")


def make_parser():
    parser = argparse.ArgumentParser(prog="feuer", description="Runs FeuerBird in QEMU.")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)

    one = commands.add_parser("exec", help="run a command in a guest", description=
                              EXEC_ABOUT, formatter_class=
                              argparse.RawDescriptionHelpFormatter)
    add_machine_options(one)
    one.add_argument("--timeout", type=seconds, default=0, metavar="S",
                     help="end the guest after S seconds, start-up included (0: never)")
    one.add_argument("--boot-timeout", type=seconds, default=120, metavar="S",
                     help="how long the guest may take to start CMD (120)")
    one.add_argument("--verbose", action="store_true",
                     help="show the guest's console on standard error")
    one.add_argument("--console", metavar="FILE",
                     help="write the guest's console to FILE")
    one.add_argument("command", nargs="*", metavar="CMD")

    one = commands.add_parser("run", help="use a guest on this terminal", description=
                              RUN_ABOUT, formatter_class=
                              argparse.RawDescriptionHelpFormatter)
    add_machine_options(one)
    one.add_argument("--verbose", action="store_true", help="the kernel says more")
    one.add_argument("command", nargs="*", metavar="CMD")

    one = commands.add_parser("rootfs", help="build the default root archive")
    one.add_argument("-o", "--output", metavar="FILE", help="(build/rootfs.cpio)")
    one.add_argument("--refresh", action="store_true",
                     help="ask Debian's archive for newer packages")

    one = commands.add_parser("image", help="make a root of Debian's packages, or of a "
                              "tar", description=IMAGE_ABOUT, formatter_class=
                              argparse.RawDescriptionHelpFormatter)
    one.add_argument("--packages", metavar="A,B,C", help="these packages and all that "
                     "they need (a small Debian: shell, coreutils and friends)")
    one.add_argument("--from", metavar="TAR", dest="source", help="a root directory in a "
                     "tar; plain, or compressed with gzip, xz, bzip2 or zstd")
    one.add_argument("--add", metavar="DIR", help="lay DIR's files over the root")
    one.add_argument("-o", "--output", metavar="FILE", help="(build/debian.cpio, or "
                     "build/image*.cpio)")
    one.add_argument("--refresh", action="store_true",
                     help="ask Debian's archive again instead of using the cache")

    one = commands.add_parser("linux-kernel", help="print the path of Debian's kernel, "
                              "downloaded when missing")
    one.add_argument("--refresh", action="store_true", help="ask for a newer one")

    add_bench_options(commands)

    one = commands.add_parser("manifest", help="print or replace a kernel's manifest")
    one.add_argument("--kernel", metavar="FILE", help="(build/feuerbird)")
    one.add_argument("--set", metavar="FILE", help="the new manifest's text")
    one.add_argument("-o", "--output", metavar="FILE", help="the new kernel file")
    return parser


def run_rootfs(options):
    from . import rootfs
    from .common import build_dir
    path = options.output or os.path.join(build_dir(), "rootfs.cpio")
    rootfs.build(path, options.refresh)
    print(path)
    return 0


def run_linux_kernel(options):
    from . import debian
    print(debian.linux_kernel(options.refresh))
    return 0


def run_manifest(options):
    from . import machine, manifest
    from .common import replace_file
    kernel = machine.find_kernel(options)
    if options.set is None:
        os.write(1, manifest.read(kernel))
        return 0
    if options.output is None:
        raise UserError("--set needs -o FILE for the new kernel")
    with open(options.set, "rb") as file:
        copy = manifest.replaced(kernel, file.read())
    copy.seek(0)
    replace_file(options.output, lambda out: out.write(copy.read()))
    return 0


def run_show(options):
    import shlex
    from .machine import Machine
    print(shlex.join(Machine(options, options.name == "run", []).command))
    return 0


def dispatch(options):
    if getattr(options, "show", False):
        return run_show(options)
    if options.name == "exec":
        from . import execute
        return execute.main(options)
    if options.name == "run":
        from . import interact
        return interact.main(options)
    if options.name == "image":
        from . import image
        return image.main(options)
    if options.name == "bench":
        from . import bench
        return bench.main(options)
    return {"rootfs": run_rootfs, "linux-kernel": run_linux_kernel,
            "manifest": run_manifest}[options.name](options)


def main(arguments):
    """Does not return: ends the program with the right status."""
    # Files that are opened later must not get the numbers 0, 1 and 2.
    while os.open("/dev/null", os.O_RDWR) < 3:
        pass
    # The command is cut off here: argparse would look into it.
    command = []
    if "--" in arguments:
        cut = arguments.index("--")
        arguments, command = arguments[:cut], arguments[cut + 1:]
    parser = make_parser()
    options = parser.parse_args(arguments)
    if command and options.name not in ("exec", "run"):
        parser.error("%s takes no command" % options.name)
    if options.name in ("exec", "run"):
        options.command = options.command + command
        if options.name == "exec" and not options.command:
            parser.error("exec needs a command: feuer exec [OPTIONS] -- CMD ARG...")
    try:
        status = dispatch(options)
        sys.stdout.flush()
    except UserError as error:
        say(error)
        status = error.status
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        status = 141
    # Threads may still wait in a read of standard input; nothing is left to tidy up.
    os._exit(status)
