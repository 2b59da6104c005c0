/* SPDX-License-Identifier: MIT */
/*
 * /proc itself, /proc/PID and /proc/PID/task: which names there are.
 *
 * Positions of a reader in /proc: the fixed entries in their order, then PIDS + number
 * of a process; so a reader goes on behind the last number that it saw, whoever came or
 * ended meanwhile.  Cost: O(1) for each process. In a task directory: the thread's number
 * itself.
 */
#include "core/heap.h"
#include "core/log.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "procfs/private.h"
#include "procfs/shows.h"

#define FIXED_MAX 256u
#define PIDS 256u

/* Everything that a thread has as well as its process. */
#define COMMON_ENTRIES                                                                  \
    { .name = "fd", .type = IT_DIR, .mode = 0500, .ops = &fd_dir_ops },                 \
        { .name = "fdinfo", .type = IT_DIR, .mode = 0555, .ops = &fdinfo_dir_ops },     \
        ENTRY_FILE("environ", 0400, .show = environ_show, .open = view_open_memory),    \
        ENTRY_FILE("auxv", 0400, .show = auxv_show, .open = view_open_memory),          \
        ENTRY_FILE("status", 0444, .show = status_show),                                \
        ENTRY_FILE("personality", 0400, .show = personality_show, .open = inspect_open),                      \
        ENTRY_FILE("limits", 0444, .show = limits_show),                                \
        ENTRY_FILE("sched_class", 0644, .show = sched_class_show, .store = sched_class_store),                \
        ENTRY_FILE("comm", 0644, .show = comm_show, .store = comm_store),               \
        ENTRY_FILE("syscall", 0400, .show = syscall_show, .open = inspect_open),                              \
        ENTRY_FILE("cmdline", 0444, .show = cmdline_show),        \
        ENTRY_FILE("stat", 0444, .show = stat_show),                                    \
        ENTRY_FILE("statm", 0444, .show = statm_show),                                  \
        ENTRY_FILE("maps", 0444, .show = maps_show, .open = view_open_memory),          \
        ENTRY_FILE("mem", 0600, .open = view_open_memory, .file_ops = &mem_file_ops),   \
        ENTRY_FILE("pagemap", 0400, .open = pagemap_open,                               \
                   .file_ops = &pagemap_file_ops),                                      \
        { .name = "cwd", .type = IT_LINK, .mode = 0777, .ops = &cwd_link_ops },         \
        { .name = "root", .type = IT_LINK, .mode = 0777, .ops = &root_link_ops },       \
        { .name = "exe", .type = IT_LINK, .mode = 0777, .ops = &exe_link_ops },         \
        ENTRY_FILE("mounts", 0444, .show = mounts_show, .open = mounts_open,            \
                   .file_ops = &mounts_file_ops),                                       \
        ENTRY_FILE("mountinfo", 0444, .show = mountinfo_show, .open = mounts_open,      \
                   .file_ops = &mounts_file_ops),                                       \
        ENTRY_FILE("smaps", 0444, .show = smaps_show, .open = view_open_memory),        \
        ENTRY_FILE("smaps_rollup", 0444, .show = rollup_show, .open = view_open_memory),\
        ENTRY_FILE("wchan", 0444, .show = wchan_show),                                  \
        ENTRY_FILE("cgroup", 0444, .show = cgroup_show),                                \
        ENTRY_FILE("oom_score", 0444, .show = oom_score_show),                          \
        ENTRY_FILE("oom_score_adj", 0644, .show = oom_adjust_show,                      \
                   .store = oom_adjust_store),                                          \
        ENTRY_FILE("uid_map", 0444, .show = id_map_show),                               \
        ENTRY_FILE("gid_map", 0444, .show = id_map_show),                               \
        ENTRY_FILE("setgroups", 0444, .show = setgroups_show),                          \
        { .name = "net", .type = IT_DIR, .mode = 0555, .children = net_entries,         \
          .count = NET_ENTRIES }

static const struct inode_ops pid_dir_ops, thread_dir_ops, task_dir_ops;
static const struct entry thread_entries[] = {
    COMMON_ENTRIES,
    ENTRY_FILE("children", 0444, .show = children_show),
};
static const struct entry pid_entries[] = {
    { .name = "task", .type = IT_DIR, .mode = 0555, .ops = &task_dir_ops },
    COMMON_ENTRIES,
};
/* Numbered, so without a name. */
static const struct entry pid_entry = {
    .type = IT_DIR, .mode = 0555, .group = 1, .ops = &pid_dir_ops,
    .children = pid_entries, .count = ARRAY_SIZE(pid_entries),
};
static const struct entry thread_entry = {
    .type = IT_DIR, .mode = 0555, .group = 2, .ops = &thread_dir_ops,
    .children = thread_entries, .count = ARRAY_SIZE(thread_entries),
};

/* ---- /proc/PID ---- */

static bool
is_there(const struct node *n)
{
    struct process *p = subject_get(&n->who);
    if (p != NULL)
        proc_release(p);
    return p != NULL;
}

static int
pid_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    struct node *n = node_of(dir);
    if (!is_there(n))
        return -E_SRCH;
    return node_find(dir, n->entry->children, n->entry->count, name, length, &n->who, 0,
                     out);
}

static int
pid_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    struct node *n = node_of(dir);
    if (!is_there(n))
        return -E_NOENT;
    node_list(dir, n->entry->children, n->entry->count, 0, offset, fn, arg);
    return 0;
}

static struct process *
pid_process(struct inode *dir)
{
    return subject_get(&node_of(dir)->who);
}

static const struct inode_ops thread_dir_ops = {
    .lookup = pid_lookup,
    .list = pid_list,
    .create = node_create,
    .getattr = node_getattr,
    .setattr = node_setattr,
    .release = node_release,
};
static const struct inode_ops pid_dir_ops = {
    .lookup = pid_lookup,
    .list = pid_list,
    .create = node_create,
    .getattr = node_getattr,
    .setattr = node_setattr,
    .process = pid_process,
    .release = node_release,
};

/* ---- /proc/PID/task ---- */

static int
task_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    const struct node *n = node_of(dir);
    u64 tid;
    if (!node_name_number(name, length, &tid) || tid == 0 || tid >= PID_MAX)
        return -E_NOENT;
    struct subject who = n->who;
    who.tid = (i32)tid;
    struct process *p = subject_get(&who);
    if (p == NULL)
        return -E_NOENT;
    proc_release(p);
    return node_make(dir->fs, &thread_entry, &who, 0, out);
}

/* Sort by shells (D. Shell, 1959); gaps 4^k + 3 * 2^(k-1) + 1 (R. Sedgewick, 1982). */
static void
sort(i32 *a, u32 count)
{
    static const u32 gaps[] = { 16577, 4193, 1073, 281, 77, 23, 8, 1 };
    for (u32 g = 0; g < ARRAY_SIZE(gaps); g++) {
        for (u32 i = gaps[g]; i < count; i++) {
            i32 v = a[i];
            u32 j = i;
            for (; j >= gaps[g] && a[j - gaps[g]] > v; j -= gaps[g])
                a[j] = a[j - gaps[g]];
            a[j] = v;
        }
    }
}

/* The numbers of all threads from `from` on, in order; heap; NULL with *count 0: none, or
 * -E_NOMEM. */
static int
thread_numbers(struct process *p, i32 from, i32 **out, u32 *count)
{
    u32 room = 0;
    *out = NULL;
    for (;;) {
        *count = 0;
        spin_lock(&p->lock);
        u32 needed = p->nthreads + 1;
        bool leader = false;
        for (struct list *it = p->threads.next; needed <= room && it != &p->threads;
             it = it->next) {
            i32 tid = container_of(it, struct thread, process_link)->tid;
            leader |= tid == p->pid;
            if (tid >= from)
                (*out)[(*count)++] = tid;
        }
        /* It stays as long as the process, though it may have ended. */
        if (needed <= room && !leader && p->pid >= from)
            (*out)[(*count)++] = p->pid;
        spin_unlock(&p->lock);
        if (needed <= room)
            break;
        heap_free(*out);
        room = needed + 16; /* more may have come when we look again */
        *out = heap_alloc(room * sizeof **out);
        if (*out == NULL)
            return -E_NOMEM;
    }
    sort(*out, *count);
    return 0;
}

static int
task_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    const struct node *n = node_of(dir);
    struct subject who = n->who;
    i32 *tids;
    u32 count;
    struct process *p = subject_get(&n->who);
    if (p == NULL)
        return -E_NOENT;
    int r = offset >= PID_MAX ? 0 : thread_numbers(p, (i32)offset, &tids, &count);
    proc_release(p);
    if (r != 0 || offset >= PID_MAX)
        return r;
    for (u32 i = 0; i < count; i++) {
        char name[24];
        who.tid = tids[i];
        u32 length = node_number_name(name, (u64)tids[i]);
        if (!fn(arg, name, length, node_ino(&thread_entry, &who, 0), IT_DIR,
                (u64)tids[i] + 1))
            break;
    }
    heap_free(tids);
    return 0;
}

static int
task_getattr(struct inode *i, struct vattr *out)
{
    node_getattr(i, out);
    struct process *p = subject_get(&node_of(i)->who);
    if (p == NULL)
        return -E_SRCH;
    out->nlink = 2 + p->nthreads;
    proc_release(p);
    return 0;
}

static const struct inode_ops task_dir_ops = {
    .lookup = task_lookup,
    .list = task_list,
    .create = node_create,
    .getattr = task_getattr,
    .setattr = node_setattr,
    .release = node_release,
};

/* ---- /proc ---- */

static int
root_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    const struct entry *e = node_of(dir)->entry;
    u64 pid;
    if (!node_name_number(name, length, &pid))
        return node_find(dir, e->children, e->count, name, length, NULL, 0, out);
    struct process *p = pid < PID_MAX ? proc_find((i32)pid) : NULL;
    struct subject who = { .pid = (i32)pid };
    if (p == NULL && pid > 0 && pid < PID_MAX) {
        /* A thread's number leads to the thread, though it is not listed. */
        spin_lock(&pid_lock);
        struct pid_slot *s = pid_slot_locked((i32)pid);
        p = s != NULL && s->thread != NULL ? s->thread->process : NULL;
        if (p != NULL)
            proc_hold(p);
        spin_unlock(&pid_lock);
    }
    if (p == NULL)
        return -E_NOENT;
    who.tid = p->pid != who.pid ? who.pid : 0;
    who.pid = p->pid;
    who.start_ns = p->start_ns;
    proc_release(p);
    return node_make(dir->fs, &pid_entry, &who, 0, out);
}

static int
root_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    const struct entry *e = node_of(dir)->entry;
    if (!node_list(dir, e->children, e->count, 0, offset, fn, arg))
        return 0;
    i32 after = offset > PIDS ? (i32)MIN(offset - PIDS, (u64)PID_MAX) - 1 : 0;
    for (struct process *p = proc_next(after); p != NULL; p = proc_next(after)) {
        char name[24];
        struct subject who = { .pid = p->pid, .start_ns = p->start_ns };
        proc_release(p);
        after = who.pid;
        u32 length = node_number_name(name, (u64)who.pid);
        if (!fn(arg, name, length, node_ino(&pid_entry, &who, 0), IT_DIR,
                PIDS + (u64)who.pid + 1))
            return 0;
    }
    return 0;
}

static int
root_getattr(struct inode *i, struct vattr *out)
{
    node_getattr(i, out);
    out->nlink = 2 + proc_count();
    return 0;
}

const struct inode_ops root_dir_ops = {
    .lookup = root_lookup,
    .list = root_list,
    .create = node_create,
    .getattr = root_getattr,
    .setattr = node_setattr,
    .release = node_release,
};

_Static_assert(FIXED_MAX <= PIDS, "fixed entries come before numbers");
