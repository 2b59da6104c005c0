/* SPDX-License-Identifier: MIT */
/*
 * /proc/sys: settings.  A file is here if its value is true, and can be written if a
 * write has the effect that it has on Linux.  A value is a number of 32 bits; `data` is
 * where it is (NULL: `value` is the number itself), `value` else the greatest that it may
 * have, `least` the smallest.
 */
#include "procfs/sysctl.h"

#include "core/cmdline.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/log_store.h"
#include "core/page.h"
#include "core/sched.h"
#include "core/random.h"
#include "core/string.h"
#include "fs/tmpfs/tmpfs.h"
#include "ipc/mq.h"
#include "ipc/msg.h"
#include "ipc/shm.h"
#include "pipe/pipe.h"
#include "posix/aio.h"
#include "posix/posix.h"
#include "proc/cred.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "procfs/shows.h"
#include "vfs/mount.h"
#include "vfs/notify.h"
#include "vm/mm.h"

static char boot_id[40];

static void
make_uuid(char to[40])
{
    u8 b[16];
    random_bytes(b, sizeof b);
    b[6] = (b[6] & 0x0f) | 0x40; /* RFC 9562: version 4 */
    b[8] = (b[8] & 0x3f) | 0x80;
    u32 at = 0;
    for (u32 i = 0; i < sizeof b; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        at += (u32)format_text(to + at, 40 - at, "%s%02x", dash, b[i]);
    }
}

void
sysctl_init(void)
{
    make_uuid(boot_id);
}

/* ---- numbers ---- */

static int
number_show(struct view *v, struct text *t)
{
    const struct entry *e = v->node->entry;
    const _Atomic u32 *at = e->data;
    text_add(t, "%lu\n", at != NULL ? atomic_load(at) : e->value);
    v->ended = true;
    return 0;
}

/* What the shell writes ends with a line. */
static bool
read_number(const char *text, u64 *value)
{
    const char *end;
    while (*text == ' ' || *text == '\t')
        text++;
    if (!string_number(text, 10, value, &end))
        return false;
    while (*end == ' ' || *end == '\t' || *end == '\n')
        end++;
    return *end == '\0';
}

static int
number_store(const struct node *n, char *text, size_t bytes)
{
    u64 value;
    (void)bytes;
    if (cred_own()->euid != 0)
        return -E_PERM; /* the file may have been opened by another */
    if (!read_number(text, &value) || value > n->entry->value || value < n->entry->least)
        return -E_INVAL;
    atomic_store((_Atomic u32 *)(uintptr_t)n->entry->data, (u32)value);
    return 0;
}

/* ---- names ---- */

static int
name_show(struct view *v, struct text *t)
{
    char name[POSIX_NAME_BYTES];
    posix_name_get((enum posix_name)v->node->entry->value, name);
    text_add(t, "%s\n", name);
    v->ended = true;
    return 0;
}

/* As Linux: up to the end of the line, cut where it is too long. */
static int
name_store(const struct node *n, char *text, size_t bytes)
{
    char *end = memchr(text, '\n', bytes);
    if (cred_own()->euid != 0)
        return -E_PERM;
    if (end != NULL)
        *end = '\0';
    posix_name_set((enum posix_name)n->entry->value, text);
    return 0;
}

/* ---- others ---- */

static int
boot_id_show(struct view *v, struct text *t)
{
    text_add(t, "%s\n", boot_id);
    v->ended = true;
    return 0;
}

static int
uuid_show(struct view *v, struct text *t)
{
    char uuid[40];
    make_uuid(uuid);
    text_add(t, "%s\n", uuid);
    v->ended = true;
    return 0;
}

static int
random_places_show(struct view *v, struct text *t)
{
    bool fixed = cmdline_has("norandmaps") || cmdline_has("feuer.seed");
    text_add(t, "%u\n", fixed ? 0u : 2u);
    v->ended = true;
    return 0;
}

static int
threads_max_show(struct view *v, struct text *t)
{
    text_add(t, "%lu\n", proc_threads_max());
    v->ended = true;
    return 0;
}

static int
inode_number_show(struct view *v, struct text *t)
{
    struct tmpfs_counts c;
    bool state = v->node->entry->value != 0;
    tmpfs_count(&c);
    text_add(t, state ? "%lu\t0\t0\t0\t0\t0\t0\n" : "%lu\t0\n", c.inodes);
    v->ended = true;
    return 0;
}

/* ---- the part of real-time threads: microseconds; -1 as runtime: all of it ---- */

enum rt_share { RT_RUNTIME, RT_PERIOD };

static int
rt_share_show(struct view *v, struct text *t)
{
    u64 ns = atomic_load(v->node->entry->value == RT_RUNTIME ? &sched_rt_runtime_ns
                                                             : &sched_rt_period_ns);
    if (ns == ~0ull)
        text_add(t, "-1\n");
    else
        text_add(t, "%lu\n", ns / 1000);
    v->ended = true;
    return 0;
}

static int
rt_share_store(const struct node *n, char *text, size_t bytes)
{
    bool runtime = n->entry->value == RT_RUNTIME;
    u64 us, ns;
    (void)bytes;
    if (cred_own()->euid != 0)
        return -E_PERM;
    if (runtime && text[0] == '-' && text[1] == '1')
        ns = ~0ull;
    else if (!read_number(text, &us) || us > 0x7fffffff || (!runtime && us == 0))
        return -E_INVAL;
    else
        ns = us * 1000;
    u64 other = atomic_load(runtime ? &sched_rt_period_ns : &sched_rt_runtime_ns);
    if (ns != ~0ull && other != ~0ull && (runtime ? ns > other : ns < other))
        return -E_INVAL;
    atomic_store(runtime ? &sched_rt_runtime_ns : &sched_rt_period_ns, ns);
    return 0;
}

/* What the rooms count and allow. */
enum count {
    COUNT_AIO, COUNT_FILES, COUNT_FILES_MAX, COUNT_WATCHES_MAX, COUNT_LOG_LEVELS,
};

static int
count_show(struct view *v, struct text *t)
{
    switch ((enum count)v->node->entry->value) {
    case COUNT_AIO:
        text_add(t, "%u\n", atomic_load(&aio_all));
        break;
    case COUNT_FILES:
        text_add(t, "%lu\t0\t%lu\n", atomic_load(&file_count), file_count_max);
        break;
    case COUNT_FILES_MAX:
        text_add(t, "%lu\n", file_count_max);
        break;
    case COUNT_WATCHES_MAX:
        text_add(t, "%lu\n", notify_watches_max());
        break;
    case COUNT_LOG_LEVELS: /* of messages that name none; the least; the one at boot */
        text_add(t, "%u\t4\t1\t7\n", log_console_level);
        break;
    }
    v->ended = true;
    return 0;
}

#define COUNT(n, which) \
    ENTRY_FILE(n, 0444, .strict = true, .show = count_show, .value = (which))
#define NUMBER(n, v) ENTRY_FILE(n, 0444, .strict = true, .show = number_show, .value = (v))
#define SETTING(n, at, most) \
    ENTRY_FILE(n, 0644, .show = number_show, .store = number_store, .data = (at), \
               .value = (most))
#define SETTING_FROM(n, at, from, most) \
    ENTRY_FILE(n, 0644, .show = number_show, .store = number_store, .data = (at), \
               .least = (from), .value = (most))
#define NAME(n, m, which, ...) \
    ENTRY_FILE(n, m, .strict = true, .show = name_show, .value = (which), __VA_ARGS__)

static const struct entry random_entries[] = {
    ENTRY_FILE("boot_id", 0444, .strict = true, .show = boot_id_show),
    NUMBER("entropy_avail", 256), /* the generator is seeded, as Linux says it */
    NUMBER("poolsize", 256),
    ENTRY_FILE("uuid", 0444, .strict = true, .show = uuid_show),
};
static const struct entry kernel_entries[] = {
    NUMBER("cap_last_cap", 40),
    NAME("domainname", 0644, POSIX_NAME_DOMAIN, .store = name_store),
    NAME("hostname", 0644, POSIX_NAME_NODE, .store = name_store),
    SETTING("msgmax", &msg_bytes_max, 0x7fffffff),
    SETTING("msgmnb", &msg_queue_bytes, 0x7fffffff),
    SETTING("msgmni", &msg_queues_max, IPC_INDICES),
    NUMBER("ngroups_max", CRED_GROUPS_MAX),
    NAME("osrelease", 0444, POSIX_NAME_RELEASE),
    NAME("ostype", 0444, POSIX_NAME_SYSTEM),
    NUMBER("overflowgid", 65534),
    NUMBER("overflowuid", 65534),
    NUMBER("pid_max", PID_MAX),
    COUNT("printk", COUNT_LOG_LEVELS),
    ENTRY_DIR("random", random_entries),
    ENTRY_FILE("randomize_va_space", 0444, .strict = true, .show = random_places_show),
    NUMBER("sched_rr_timeslice_ms", 100),
    ENTRY_FILE("sched_rt_period_us", 0644, .show = rt_share_show, .store = rt_share_store,
               .value = RT_PERIOD),
    ENTRY_FILE("sched_rt_runtime_us", 0644, .show = rt_share_show, .store = rt_share_store,
               .value = RT_RUNTIME),
    ENTRY_FILE("sem", 0444, .strict = true, .show = sem_limits_show),
    NUMBER("shmall", SHM_BYTES_MAX),
    NUMBER("shmmax", SHM_BYTES_MAX),
    SETTING("shmmni", &shm_segments_max, IPC_INDICES),
    ENTRY_FILE("threads-max", 0444, .strict = true, .show = threads_max_show),
    NAME("version", 0444, POSIX_NAME_VERSION),
};
static const struct entry inotify_entries[] = {
    NUMBER("max_queued_events", NOTIFY_EVENTS_MAX),
    NUMBER("max_user_instances", NOTIFY_GROUPS_MAX),
    COUNT("max_user_watches", COUNT_WATCHES_MAX),
};
static const struct entry mqueue_entries[] = {
    SETTING_FROM("msg_default", &mq_count_default, 1, MQ_COUNT_MAX),
    SETTING_FROM("msg_max", &mq_count_max, 1, MQ_COUNT_MAX),
    SETTING_FROM("msgsize_default", &mq_bytes_default, 128, MQ_BYTES_MAX),
    SETTING_FROM("msgsize_max", &mq_bytes_max, 128, MQ_BYTES_MAX),
    SETTING("queues_max", &mq_queues_max, 0x7fffffff),
};
static const struct entry fs_entries[] = {
    SETTING("aio-max-nr", &aio_all_max, 0x7fffffff),
    COUNT("aio-nr", COUNT_AIO),
    COUNT("file-max", COUNT_FILES_MAX),
    COUNT("file-nr", COUNT_FILES),
    ENTRY_FILE("inode-nr", 0444, .strict = true, .show = inode_number_show, .value = 0),
    ENTRY_FILE("inode-state", 0444, .strict = true, .show = inode_number_show, .value = 1),
    ENTRY_DIR("inotify", inotify_entries),
    NUMBER("mount-max", MOUNTS_MAX),
    ENTRY_DIR("mqueue", mqueue_entries),
    NUMBER("nr_open", FD_LIMIT_MAX),
    NUMBER("overflowgid", 65534),
    NUMBER("overflowuid", 65534),
    NUMBER("pipe-max-size", PIPE_PAGES_MAX *PAGE_SIZE),
    NUMBER("pipe-user-pages-hard", 0),
    NUMBER("pipe-user-pages-soft", PIPE_PAGES_USER_SOFT),
    SETTING("protected_fifos", &vfs_protected.fifos, 2),
    SETTING("protected_hardlinks", &vfs_protected.hardlinks, 1),
    SETTING("protected_regular", &vfs_protected.regular, 2),
    SETTING("protected_symlinks", &vfs_protected.symlinks, 1),
};
static const struct entry vm_entries[] = {
    SETTING("max_map_count", &vm_max_areas, 0x7fffffff),
    NUMBER("mmap_min_addr", 65536),
    NUMBER("overcommit_memory", 1), /* nothing is accounted for in advance */
};
const struct entry sysctl_entries[SYSCTL_ENTRIES] = {
    ENTRY_DIR("fs", fs_entries),
    ENTRY_DIR("kernel", kernel_entries),
    ENTRY_DIR("vm", vm_entries),
};
