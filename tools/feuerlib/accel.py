# SPDX-License-Identifier: MIT
"""Which accelerator QEMU uses: KVM where a guest really runs on it, else TCG.

On some hosts /dev/kvm opens and yet no guest gets anywhere.  So a tiny guest is run
once for each boot of the host, and what came of it is kept in the cache.
"""
import os
import subprocess

from .common import anonymous_file, cache_dir

KVM = ("-accel", "kvm", "-cpu", "host")
TCG = ("-accel", "tcg", "-cpu", "max")
# MEASURING.md gives exactly this machine; -rtc and -seed make its runs repeat.
ICOUNT = ("-accel", "tcg", "-cpu", "max,-erms,-pku", "-icount", "shift=0,sleep=off",
          "-smp", "1", "-rtc", "clock=vm,base=2026-01-01T00:00:00", "-seed")

TRIAL_SECONDS = 5
TRIAL_EXIT = 0x2A << 1 | 1
# trial.S, assembled: `tools/runtests --host` checks that the two agree.
TRIAL_CODE = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007066bf001000000f22df6631c066b9000c0000fc66f3ab66c70600"
    "100320000066c706002003300000bf003066b88300000066890566050000200083c70881ff00"
    "4075ee0f20e06683c8200f22e066b9800000c00f32660d000100000f300f20c0660d01000080"
    "0f22c02e660f0116180166ea84000f000800b8100000008ed88ed0bc007000000f011c251e01"
    "0f00488d0554000000668904256050000066c7042562500000080066c7042564500000008e48"
    "c1e8106689042566500000c704256850000000000000bf0000010048893f48393f751081c700"
    "10000081ff0000050075ea0f0bb001eb02b02a66ba0105eef4ebfd9000000000000000000000"
    "0000009a20000000000000920000170000010f006f000050000000000000"
)
RESET_JUMP = bytes.fromhex("ea000000f0")  # ljmp 0xf000:0


def trial_image():
    """The firmware image: the code at its start, and a jump there at the reset vector."""
    image = bytearray(65536)
    image[:len(TRIAL_CODE)] = TRIAL_CODE
    image[0xFFF0:0xFFF0 + len(RESET_JUMP)] = RESET_JUMP
    return bytes(image)


def trial(qemu, accelerator):
    """Run the tiny guest; True if it got to its end."""
    with anonymous_file() as image:
        image.write(trial_image())
        image.flush()
        command = [qemu, *accelerator, "-M", "pc", "-m", "4", "-display", "none",
                   "-nodefaults", "-no-user-config", "-bios",
                   "/proc/self/fd/%d" % image.fileno(),
                   "-device", "isa-debug-exit,iobase=0x501,iosize=1"]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  pass_fds=[image.fileno()], timeout=TRIAL_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == TRIAL_EXIT


def verdict_key(qemu):
    """What the verdict depends on: this boot, this QEMU, this device."""
    with open("/proc/sys/kernel/random/boot_id") as boot:
        boot_id = boot.read().strip()
    return "%s %s %d" % (boot_id, qemu, os.stat(qemu).st_mtime_ns)


def kvm_works(qemu):
    """True if KVM runs guests here; the answer is kept until the next boot."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    path = os.path.join(cache_dir(), "kvm-verdict")
    key = verdict_key(qemu)
    try:
        with open(path) as kept:
            old_key, verdict = kept.read().rsplit("\n", 1)
        if old_key == key:
            return verdict == "yes"
    except (OSError, ValueError):
        pass
    verdict = trial(qemu, KVM)
    partial = "%s.%d" % (path, os.getpid())
    with open(partial, "w") as kept:
        kept.write("%s\n%s" % (key, "yes" if verdict else "no"))
    os.replace(partial, path)
    return verdict


def arguments(qemu, icount, cpus, choice="auto", seed=1):
    """QEMU's arguments for accelerator, processor and clock."""
    if icount:
        return [*ICOUNT, str(seed)]
    if choice == "auto":
        choice = "kvm" if kvm_works(qemu) else "tcg"
    accelerator = KVM if choice == "kvm" else TCG
    return [*accelerator, "-smp", str(cpus)]
