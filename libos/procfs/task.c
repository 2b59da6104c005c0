/* SPDX-License-Identifier: MIT */
/* The small files of /proc/PID. */
#include "core/log.h"
#include "core/string.h"
#include "core/thread.h"
#include "proc/cred.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "procfs/shows.h"
#include "vm/oom.h"

int
inspect_open(struct view *v)
{
    struct process *p = subject_get(view_who(v));
    if (p == NULL)
        return -E_SRCH;
    int r = subject_may_inspect(p);
    proc_release(p);
    return r;
}

/* What is shown of whoever may look at any time: 0 or an error, and the text is over. */
static int
still_there(struct view *v)
{
    struct process *p = subject_get(view_who(v));
    v->ended = true;
    if (p == NULL)
        return -E_SRCH;
    proc_release(p);
    return 0;
}

int
personality_show(struct view *v, struct text *t)
{
    struct process *p = subject_get(view_who(v));
    v->ended = true;
    if (p == NULL)
        return -E_SRCH;
    u32 personality = __atomic_load_n(&p->personality, __ATOMIC_RELAXED);
    int r = subject_may_inspect(p);
    proc_release(p);
    if (r == 0)
        text_add(t, "%08x\n", personality);
    return r;
}

/* ---- limits ---- */

static const struct {
    const char *name, *unit;
} limit_names[PROC_RLIMITS] = {
    { "Max cpu time", "seconds" },
    { "Max file size", "bytes" },
    { "Max data size", "bytes" },
    { "Max stack size", "bytes" },
    { "Max core file size", "bytes" },
    { "Max resident set", "bytes" },
    { "Max processes", "processes" },
    { "Max open files", "files" },
    { "Max locked memory", "bytes" },
    { "Max address space", "bytes" },
    { "Max file locks", "locks" },
    { "Max pending signals", "signals" },
    { "Max msgqueue size", "bytes" },
    { "Max nice priority", "" },
    { "Max realtime priority", "" },
    { "Max realtime timeout", "us" },
};

static void
limit_value(struct text *t, u64 value)
{
    if (value == ~0ull)
        text_add(t, "%-20s ", "unlimited");
    else
        text_add(t, "%-20lu ", value);
}

int
limits_show(struct view *v, struct text *t)
{
    struct rlimit_pair limits[PROC_RLIMITS];
    struct process *p = subject_get(view_who(v));
    v->ended = true;
    if (p == NULL)
        return -E_SRCH;
    spin_lock(&p->lock);
    memcpy(limits, p->limits, sizeof limits);
    spin_unlock(&p->lock);
    proc_release(p);
    text_add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (u32 i = 0; i < PROC_RLIMITS; i++) {
        text_add(t, "%-25s ", limit_names[i].name);
        limit_value(t, limits[i].soft);
        limit_value(t, limits[i].hard);
        if (limit_names[i].unit[0] != '\0')
            text_add(t, "%-10s", limit_names[i].unit);
        text_add(t, "\n");
    }
    return 0;
}

/* ---- what it waits in ---- */

int
syscall_show(struct view *v, struct text *t)
{
    struct process *p = subject_get(view_who(v));
    v->ended = true;
    if (p == NULL)
        return -E_SRCH;
    struct user_frame f = { .orig_rax = 0 };
    bool asleep = false;
    spin_lock(&p->lock);
    struct thread *th = process_thread_locked(p, subject_tid(view_who(v)));
    if (th != NULL) {
        asleep = atomic_load(&th->state) == THREAD_SLEEPING;
        f = *thread_frame(th);
    }
    spin_unlock(&p->lock);
    int r = subject_may_inspect(p); /* now: it may have executed a set-id program */
    proc_release(p);
    if (r != 0)
        return r;
    if (!asleep)
        text_add(t, "running\n");
    else if (f.orig_rax == ~0ull)
        text_add(t, "-1 0x%lx 0x%lx\n", f.rsp, f.rip);
    else
        text_add(t, "%ld 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n",
                 (i64)f.orig_rax, f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9, f.rsp, f.rip);
    return 0;
}

/* Linux names a function of its own here; it says 0 where it has none to name. */
int
wchan_show(struct view *v, struct text *t)
{
    int r = still_there(v);
    if (r == 0)
        text_add(t, "0");
    return r;
}

/* ---- what every process has, as there are no namespaces and no control groups ---- */

int
cgroup_show(struct view *v, struct text *t)
{
    int r = still_there(v);
    if (r == 0)
        text_add(t, "0::/\n");
    return r;
}

int
id_map_show(struct view *v, struct text *t)
{
    int r = still_there(v);
    if (r == 0)
        text_add(t, "%10u %10u %10u\n", 0u, 0u, 0xffffffffu);
    return r;
}

int
setgroups_show(struct view *v, struct text *t)
{
    int r = still_there(v);
    if (r == 0)
        text_add(t, "allow\n");
    return r;
}

/* ---- the order in which processes are ended when memory runs out ---- */

int
oom_adjust_show(struct view *v, struct text *t)
{
    struct process *p = subject_get(view_who(v));
    v->ended = true;
    if (p == NULL)
        return -E_SRCH;
    text_add(t, "%d\n", atomic_load(&p->oom_score_adj));
    proc_release(p);
    return 0;
}

int
oom_score_show(struct view *v, struct text *t)
{
    struct process *p = subject_get(view_who(v));
    v->ended = true;
    if (p == NULL)
        return -E_SRCH;
    text_add(t, "%u\n", oom_score(p));
    proc_release(p);
    return 0;
}

/* -1000 to 1000; to be spared more than now takes a privilege. */
int
oom_adjust_store(const struct node *n, char *text, size_t bytes)
{
    u64 value;
    const char *end;
    bool negative = text[0] == '-';
    if (!string_number(text + negative, 10, &value, &end) || value > 1000)
        return -E_INVAL;
    if ((size_t)(end - text) != bytes && (*end != '\n' || end[1] != '\0'))
        return -E_INVAL;
    i32 adjust = negative ? -(i32)value : (i32)value;
    struct process *p = subject_get(&n->who);
    if (p == NULL)
        return -E_SRCH;
    int r = adjust < atomic_load(&p->oom_score_adj) &&
                    !cred_can(cred_own(), CAP_SYS_RESOURCE)
                ? -E_ACCES
                : 0;
    if (r == 0)
        atomic_store(&p->oom_score_adj, adjust);
    proc_release(p);
    return r;
}

/* ---- children: of the whole process, shown for its first thread ---- */

#define CHILDREN_PIECE 128u

/* Children with numbers of their own order: the ones after the cursor's, which is how many
 * were shown.  As Linux says, the list is exact only while they are stopped. */
int
children_show(struct view *v, struct text *t)
{
    i32 pids[CHILDREN_PIECE];
    u32 count = 0;
    u64 at = 0;
    struct process *p = subject_get(view_who(v));
    if (p == NULL)
        return -E_SRCH;
    if (view_who(v)->tid == p->pid) {
        spin_lock(&family_lock);
        list_for_each(it, &p->children) {
            if (at++ >= v->cursor)
                pids[count++] = container_of(it, struct process, sibling)->pid;
            if (count == CHILDREN_PIECE)
                break;
        }
        spin_unlock(&family_lock);
    }
    proc_release(p);
    for (u32 i = 0; i < count; i++)
        text_add(t, "%d ", pids[i]);
    v->cursor += count;
    v->ended = count < CHILDREN_PIECE;
    return 0;
}
