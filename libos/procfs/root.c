/* SPDX-License-Identifier: MIT */
/* What is in /proc besides processes. */
#include "procfs/procfs.h"

#include "core/log.h"
#include "core/string.h"
#include "procfs/shows.h"
#include "procfs/sysctl.h"
#include "procfs/sysfs.h"
#include "vfs/mount.h"

#define STATFS_TYPE 0x9fa0u /* what statfs(2) reports for proc */

#define FIXED(n, text) ENTRY_FILE(n, 0444, .show = text_show, .data = (text))

/* What /proc/tty/drivers says is how programs name a terminal by its number. */
static const struct entry tty_entries[] = {
    FIXED("drivers",
          "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
          "/dev/console         /dev/console    5       1 system:console\n"
          "/dev/ptmx            /dev/ptmx       5       2 system\n"
          "serial               /dev/ttyS       4 64-95 serial\n"
          "pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
          "pty_master           /dev/ptm      128 0-1048575 pty:master\n"),
};
static const struct entry root_entries[] = {
    ENTRY_FILE("cmdline", 0444, .show = kernel_cmdline_show),
    ENTRY_FILE("cpuinfo", 0444, .show = cpuinfo_show),
    FIXED("devices", "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n"
                     "  5 /dev/console\n  5 /dev/ptmx\n128 ptm\n136 pts\n\n"
                     "Block devices:\n"),
    FIXED("diskstats", ""),
    ENTRY_FILE("filesystems", 0444, .show = filesystems_show),
    ENTRY_FILE("interrupts", 0444, .show = interrupts_show),
    ENTRY_FILE("loadavg", 0444, .show = loadavg_show),
    ENTRY_FILE("meminfo", 0444, .show = meminfo_show),
    FIXED("modules", ""),
    { .name = "mounts", .type = IT_LINK, .mode = 0777, .data = "self/mounts" },
    { .name = "net", .type = IT_LINK, .mode = 0777, .data = "self/net" },
    FIXED("partitions", ""),
    { .name = "self", .type = IT_LINK, .mode = 0777, .ops = &self_link_ops },
    ENTRY_FILE("stat", 0444, .show = cpu_stat_show),
    FIXED("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    { .name = "sys", .type = IT_DIR, .mode = 0555, .children = sysctl_entries,
      .count = SYSCTL_ENTRIES },
    { .name = "sysvipc", .type = IT_DIR, .mode = 0555, .children = sysvipc_entries,
      .count = SYSVIPC_ENTRIES },
    { .name = "thread-self", .type = IT_LINK, .mode = 0777, .ops = &thread_self_link_ops },
    ENTRY_DIR("tty", tty_entries),
    ENTRY_FILE("uptime", 0444, .show = uptime_show),
    ENTRY_FILE("version", 0444, .show = version_show),
    ENTRY_FILE("vmstat", 0444, .show = vmstat_show),
};
static const struct entry root_entry = {
    .type = IT_DIR, .mode = 0555, .ops = &root_dir_ops, .children = root_entries,
    .count = ARRAY_SIZE(root_entries),
};

/* There is one of each kind, which all its mounts show; it lives for ever. */
static struct filesystem *the_proc;

static int
make_proc(const struct fs_type *t, const char *data, struct filesystem **out)
{
    (void)t;
    /* Who may see which process is not restricted. */
    if (data[0] != '\0' && strcmp(data, "hidepid=0") != 0 && strcmp(data, "hidepid=off") != 0)
        return -E_INVAL;
    *out = the_proc;
    return 0;
}

static struct fs_type proc_type = { .name = "proc", .make = make_proc };

void
procfs_init(void)
{
    int r = tree_create("proc", STATFS_TYPE, &root_entry, &the_proc);
    if (r != 0)
        libos_panic("no memory for /proc");
    fs_type_register(&proc_type);
    sysctl_init();
    sysfs_init();
}
