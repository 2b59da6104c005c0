/* SPDX-License-Identifier: MIT */
/* What is in /proc besides processes. */
#include "procfs/procfs.h"

#include "core/log.h"
#include "core/string.h"
#include "procfs/shows.h"
#include "vfs/mount.h"

#define STATFS_TYPE 0x9fa0u /* what statfs(2) reports for proc */

static const struct entry root_entries[] = {
    { .name = "self", .type = IT_LINK, .mode = 0777, .ops = &self_link_ops },
    { .name = "thread-self", .type = IT_LINK, .mode = 0777, .ops = &thread_self_link_ops },
    { .name = "mounts", .type = IT_LINK, .mode = 0777, .data = "self/mounts" },
    ENTRY_FILE("cmdline", 0444, .show = kernel_cmdline_show),
    ENTRY_FILE("loadavg", 0444, .show = loadavg_show),
    ENTRY_FILE("meminfo", 0444, .show = meminfo_show),
    ENTRY_FILE("filesystems", 0444, .show = filesystems_show),
    ENTRY_FILE("stat", 0444, .show = cpu_stat_show),
    ENTRY_FILE("uptime", 0444, .show = uptime_show),
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
}
