# SPDX-License-Identifier: MIT
"""From options to QEMU's command line: kernel, initial archive, machine, channels."""
import os
import shutil
import signal
import subprocess

from . import accel
from .common import REPO, UserError, anonymous_file, build_dir

GZIP_MAGIC = b"\x1f\x8b"
DEFAULT_MEMORY_MB = 512
COMMAND_LINE_MAX = 2047
# What MEASURING.md calls Linux *tuned*.
TUNED = "init_on_alloc=0 mitigations=off lsm= cgroup_disable=memory hardened_usercopy=off"

DEFAULT_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "TERM": "dumb",
}


def find_qemu():
    path = shutil.which(os.environ.get("FEUER_QEMU") or "qemu-system-x86_64")
    if path is None:
        raise UserError("qemu-system-x86_64 is missing; run tools/deps.sh, or install "
                        "the package qemu-system-x86")
    return path


def find_kernel(options):
    if options.kernel == "linux":
        from . import debian
        return debian.linux_kernel()
    path = options.kernel or os.path.join(build_dir(), "feuerbird")
    if not os.path.isfile(path):
        raise UserError("no kernel at %s; run `make`, or give --kernel FILE" % path)
    return path


def kernel_is_linux(path):
    """True for a bzImage, False for an ELF file."""
    try:
        with open(path, "rb") as file:
            head = file.read(0x206)
    except OSError as error:
        raise UserError("cannot read the kernel %s: %s" % (path, error.strerror))
    if head[0x202:0x206] == b"HdrS":
        return True
    if head[:4] == b"\x7fELF":
        return False
    raise UserError("%s is neither a Linux bzImage nor an ELF kernel" % path)


def program_sources(name):
    """The files that user/NAME is made of."""
    return [os.path.join(REPO, "user", folder, one) for folder in (name, "common")
            for one in sorted(os.listdir(os.path.join(REPO, "user", folder)))
            if one.endswith((".c", ".h"))]


def guest_program(name):
    """The path of user/NAME compiled for the guest; done here when the build did not."""
    path = os.path.join(build_dir(), "user", name)
    files = program_sources(name)
    try:
        built = os.stat(path).st_mtime
    except OSError:
        built = -1
    if all(os.stat(file).st_mtime <= built for file in files):
        return path
    partial = "%s.%d" % (path, os.getpid())
    os.makedirs(os.path.dirname(path), exist_ok=True)
    command = ["musl-gcc", "-static", "-std=c17", "-O2", "-s", "-o", partial]
    command += [file for file in files if file.endswith(".c")]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise UserError("musl-gcc is missing, user/%s cannot be compiled; run "
                        "tools/deps.sh, or install the package musl-tools" % name)
    if done.returncode != 0:
        raise UserError("user/%s does not compile:\n%s"
                        % (name, done.stdout.decode(errors="replace")))
    os.replace(partial, path)
    return path


def request_text(options, console):
    """/.feuer/exec, as user/agent/agent.c describes it."""
    environment = dict(DEFAULT_ENVIRONMENT)
    if console:
        environment["TERM"] = os.environ.get("TERM") or "vt100"
    for setting in options.env:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise UserError("--env wants NAME=VALUE, not %r" % setting)
        environment[name] = value
    strings = ["feuer-exec 1", "console" if console else "pipes", options.cwd,
               str(len(options.command)), *options.command]
    strings += ["%s=%s" % pair for pair in environment.items()]
    return b"".join(os.fsencode(string) + b"\0" for string in strings)


def _copy_base(path, out):
    """The first archive, gzip undone, padded so that another can follow."""
    with open(path, "rb") as base:
        magic = base.read(2)
        base.seek(0)
        if magic == GZIP_MAGIC:
            import gzip
            import zlib
            try:
                with gzip.open(base) as plain:
                    shutil.copyfileobj(plain, out, 1 << 20)
            except (OSError, EOFError, zlib.error) as error:
                raise UserError("%s is damaged: %s" % (path, error))
        else:
            shutil.copyfileobj(base, out, 1 << 20)
    out.write(bytes(-out.tell() % 4096))


def initial_archive(options, console, source):
    """An open file for -initrd: the root, then /.feuer and /add.

    SOURCE is standard input if it goes into the archive: the descriptor of a regular
    file, or the bytes that a pipe held; else None.
    """
    from . import cpio, image, rootfs
    if options.initrd and options.image:
        raise UserError("--initrd and --image exclude each other")
    if options.add and not os.path.isdir(options.add):
        raise UserError("--add wants a directory, and %s is none" % options.add)
    out = anonymous_file()
    try:
        _copy_base(options.initrd or (image.chosen(options.image) if options.image
                                      else rootfs.default()), out)
        if options.command or options.add:
            archive = cpio.Writer(out, out.tell())
            if options.command:
                archive.directory(".feuer", 0o755)
                archive.file(".feuer/agent", guest_program("agent"), 0o755, 0)
                archive.bytes(".feuer/exec", request_text(options, console), 0o600)
            if isinstance(source, int):
                archive.rest(".feuer/stdin", source)
            elif source is not None:
                archive.bytes(".feuer/pipe", source, 0o600)
            if options.add:
                archive.tree("add", options.add)
            archive.finish()
        out.flush()
    except OSError as error:
        raise UserError("cannot make the initial archive: %s" % error)
    return out


def manifest_text(options):
    """The manifest that the guest will read: --manifest, or the kernel's own."""
    from . import manifest
    if options.manifest:
        try:
            with open(options.manifest, "rb") as file:
                return file.read()
        except OSError as error:
            raise UserError("cannot read the manifest %s: %s"
                            % (options.manifest, error.strerror))
    kernel = find_kernel(options)
    return b"" if kernel_is_linux(kernel) else manifest.read(kernel)


def root_file(name, options):
    """The open archive that `root NAME` of a manifest means: --root NAME=FILE, `shell` or
    `debian`, or the file NAME, from the directory of the manifest on."""
    from . import image, rootfs
    given = dict(one.partition("=")[::2] for one in options.root)
    if name in given:
        path = given[name]
    elif name == "shell":
        path = rootfs.default()
    elif name == "debian":
        path = image.default()
    else:
        path = os.path.join(os.path.dirname(options.manifest or ""), name)
    try:
        return open(path, "rb")
    except OSError as error:
        raise UserError("cannot read %s, which the manifest names as a root: %s "
                        "(--root %s=FILE names another file)"
                        % (path, error.strerror, name))


def root_names(text):
    """What stands behind `root` in a manifest, each name once."""
    names = []
    for line in text.decode(errors="replace").split("\n"):
        words = line.split("#", 1)[0].split()
        if len(words) > 1 and words[0] == "root" and words[1] != "initrd" \
                and words[1] not in names:
            names.append(words[1])
    return names


def bundled(options, root):
    """ROOT, or a bundle of it and of what options and manifest add (bundle)."""
    from . import bundle, symbols
    roots = root_names(manifest_text(options))
    unused = [one for one in options.root if one.partition("=")[0] not in roots]
    if unused:
        raise UserError("--root %s: the manifest names no such root" % unused[0])
    if not options.personality and not roots:
        return root
    members = [("root:initrd", root)]
    images = list(bundle.named_files("personality", options.personality, "--personality"))
    for name, file in images:
        names = anonymous_file()
        names.write(symbols.of_image(file.name))
        members += [(name, file), (name.replace("personality:", "symbols:"), names)]
    members += [("root:" + name, root_file(name, options)) for name in roots]
    out = anonymous_file()
    bundle.write(out, members)
    for _, file in members:
        file.close()
    return out


def memory_mb(options, archive_bytes):
    """--mem, or a default that holds the archive three times (Linux unpacks it)."""
    if options.mem:
        return options.mem
    extra = 3 * (archive_bytes >> 20)
    return DEFAULT_MEMORY_MB + max(0, extra - DEFAULT_MEMORY_MB // 4)


def kernel_parameters(options, linux, extra):
    words = ["console=ttyS0", "panic=-1"]
    if not getattr(options, "verbose", False):
        words.append("quiet")
    if options.command:
        words.append("rdinit=/.feuer/agent" if linux else "init=/.feuer/agent")
    if linux and options.machine == "microvm":
        words.append("reboot=t")
    if options.tuned and linux:
        words.append(TUNED)
    if options.gate:
        words.append("feuer.gate=" + options.gate)
    if options.icount:
        words.append("feuer.seed=%d" % options.seed)
    words += extra
    if options.append:
        words.append(options.append)
    text = " ".join(words)
    if len(os.fsencode(text)) > COMMAND_LINE_MAX:
        raise UserError("the kernel's command line is longer than %d bytes"
                        % COMMAND_LINE_MAX)
    return text


def machine_arguments(name):
    if name == "microvm":
        return ["-M", "microvm,isa-serial=on,rtc=on,auto-kernel-cmdline=off"]
    return ["-M", name]


def spawn(command, keep):
    """Start QEMU in its own session; the kernel ends it when this program dies."""
    import ctypes
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def before_exec():
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(125)

    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, pass_fds=keep,
                            start_new_session=True, preexec_fn=before_exec)


class Machine:
    """Everything that QEMU needs, put together; `start` runs it."""

    def __init__(self, options, console, extra_parameters, source=None):
        from . import manifest
        self.qemu = find_qemu()
        kernel = find_kernel(options)
        linux = kernel_is_linux(kernel)
        self.archive = bundled(options, initial_archive(options, console, source))
        self.files = [self.archive]
        if options.manifest:
            self.files.append(manifest.replaced(kernel, manifest_text(options)))
            kernel = "/proc/self/fd/%d" % self.files[-1].fileno()
        size = os.fstat(self.archive.fileno()).st_size
        if options.icount and options.cpus != 1:
            raise UserError("--icount is a machine with one CPU; leave --cpus out")
        self.command = [
            self.qemu, *machine_arguments(options.machine),
            *accel.arguments(self.qemu, options.icount, options.cpus, options.accel,
                              options.seed),
            "-m", str(memory_mb(options, size)),
            "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
            "-no-reboot", "-kernel", kernel,
            "-initrd", "/proc/self/fd/%d" % self.archive.fileno(),
            "-append", kernel_parameters(options, linux, extra_parameters)]
        self.command += options.qemu_arg

    def _attach(self, name, backend, descriptor, device):
        self.command += ["-chardev", backend]
        if device == "serial":
            self.command += ["-serial", "chardev:" + name]
        else:
            self.command += ["-device", "%s,chardev=%s" % (device, name)]
        self.files.append(descriptor)

    def add_output(self, name, descriptor, device):
        """DEVICE's output goes to the pipe DESCRIPTOR."""
        backend = "file,id=%s,path=/proc/self/fd/%d" % (name, descriptor)
        self._attach(name, backend, descriptor, device)

    def add_socket(self, name, descriptor, device):
        """DEVICE talks to the connected socket DESCRIPTOR."""
        self._attach(name, "socket,id=%s,fd=%d" % (name, descriptor), descriptor, device)

    def start(self):
        """Run QEMU; the files that it was given are closed here."""
        keep = [file if isinstance(file, int) else file.fileno() for file in self.files]
        try:
            return spawn(self.command, keep)
        except OSError as error:
            raise UserError("cannot run %s: %s" % (self.qemu, error.strerror))
        finally:
            for file in self.files:
                if isinstance(file, int):
                    os.close(file)
                else:
                    file.close()
