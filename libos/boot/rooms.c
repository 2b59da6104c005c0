/* SPDX-License-Identifier: MIT */
/* The rooms above core, in the order in which they need each other. */
#include "boot/rooms.h"

#include "core/error.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/work.h"
#include "fs/cpio/cpio.h"
#include "fs/dev/dev.h"
#include "fs/tmpfs/tmpfs.h"
#include "posix/posix.h"
#include "proc/proc.h"
#include "procfs/procfs.h"
#include "signal/signal.h"
#include "time/vdso.h"
#include "tty/tty.h"
#include "vfs/mount.h"
#include "vm/mm.h"

static bool found_archive;

static void
mount_root(void)
{
    struct filesystem *fs;
    const struct fs_type *type = fs_type_find("tmpfs");
    int r = type->make(type, "mode=755,nr_inodes=0", &fs);
    if (r == 0)
        r = vfs_mount_root(fs);
    if (r != 0)
        libos_panic("no root file system: error %d", r);
    r = cpio_unpack_initrd(&found_archive);
    if (r != 0)
        log_error("Initramfs unpacking failed: error %d", r);
    r = dev_populate();
    if (r == 0)
        r = hostpipe_populate();
    if (r != 0)
        log_error("cannot make the nodes of /dev: error %d", r);
}

void
boot_rooms(void)
{
    work_init_shared();
    vdso_init();
    vm_init();
    vfs_init();
    tty_init();
    hostpipe_init();
    counts_init();
    proc_init();
    signal_init();
    posix_init();
    procfs_init();
    mount_root();
    orders_start();
}

bool
boot_have_archive(void)
{
    return found_archive;
}

int
boot_start_process(const char *path, char **argv, char **envp)
{
    return proc_start_init(path, argv, envp);
}
