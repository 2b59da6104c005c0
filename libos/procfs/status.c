/* SPDX-License-Identifier: MIT */
/* /proc/PID/stat, statm, status, comm (proc_pid_stat(5) and its relatives). */
#include "core/digits.h"
#include "core/log.h"
#include "core/string.h"
#include "core/thread.h"
#include "proc/proc.h"
#include "procfs/private.h"
#include "vm/info.h"

#define NS_PER_TICK ((u64)10000000) /* times are in 1/100 s */
#define FLAG_EXITING 0x4u
#define FLAG_NO_EXEC 0x40u
#define FLAG_RANDOM 0x400000u

/* The memory of v's process, for who may know that much of it; NULL: none. */
static struct mm *
memory_of(const struct view *v, bool *may_inspect, bool *executed)
{
    struct process *p = subject_get(view_who(v));
    struct mm *m = NULL;
    *may_inspect = *executed = false;
    if (p != NULL) {
        *executed = p->execed;
        m = mm_of_asked(p, false, may_inspect);
        proc_release(p);
    }
    return m;
}

struct numbers {
    struct mm_counts counts;
    struct mm_layout layout;
    bool may_inspect, executed, has_memory;
};

/* What a file shows: of the process, and of its memory, if it has any.  -E_SRCH; what was
 * got with 0 goes with shown. */
static int
numbers_get(const struct view *v, struct facts *f, struct numbers *n)
{
    int r = facts_get(view_who(v), f);
    if (r != 0)
        return r;
    struct mm *m = memory_of(v, &n->may_inspect, &n->executed);
    n->has_memory = m != NULL;
    if (m == NULL) {
        memset(&n->counts, 0, sizeof n->counts);
        memset(&n->layout, 0, sizeof n->layout);
        return 0;
    }
    mm_count(m, &n->counts);
    mm_layout(m, &n->layout);
    mm_drop(m);
    return 0;
}

/* The whole of the file is in its text. */
static int
shown(struct view *v, struct facts *f)
{
    facts_drop(f);
    v->ended = true;
    return 0;
}

/* " N" for each of them. */
#define NUMBERS(t, ...) \
    text_numbers(t, (const u64[]){ __VA_ARGS__ }, sizeof((u64[]){ __VA_ARGS__ }) / 8)

#define SIGNED(t, ...) \
    text_signed(t, (const i64[]){ __VA_ARGS__ }, sizeof((i64[]){ __VA_ARGS__ }) / 8)

/* "TID (NAME) STATE" */
static void
stat_head(struct text *t, const struct facts *f)
{
    size_t length = strlen(f->name);
    char *to = text_room(t, DIGITS_PUT_ROOM + length + sizeof " () X");
    if (to == NULL)
        return;
    to = digits_put(to, (u64)f->tid);
    *to++ = ' ';
    *to++ = '(';
    bytes_copy(to, f->name, length);
    to += length;
    *to++ = ')';
    *to++ = ' ';
    *to++ = f->state;
    t->length = (u32)(to - t->at);
}

static void
stat_times(struct text *t, const struct facts *f)
{
    NUMBERS(t, f->minor_faults, f->children_minor_faults, f->major_faults,
            f->children_major_faults, f->user_ns / NS_PER_TICK,
            f->system_ns / NS_PER_TICK, f->children_user_ns / NS_PER_TICK,
            f->children_system_ns / NS_PER_TICK);
}

/* startcode to kstkeip: where things are is for those who may look into the process. */
static void
stat_places(struct text *t, const struct numbers *n)
{
    bool may = n->may_inspect && n->has_memory;
    const struct mm_layout *l = &n->layout;
    NUMBERS(t, may ? l->code_start : n->has_memory, may ? l->code_end : n->has_memory,
            may ? l->stack_start : 0, 0, 0);
}

static void
stat_more_places(struct text *t, const struct numbers *n, const struct facts *f)
{
    struct mm_layout none = { 0 };
    bool may = n->may_inspect && n->has_memory;
    const struct mm_layout *l = may ? &n->layout : &none;
    NUMBERS(t, l->data_start, l->data_end, l->brk_start, l->arg_start, l->arg_end,
            l->env_start, l->env_end);
    SIGNED(t, may || n->may_inspect ? f->exit_status : 0);
    text_put(t, "\n", 1);
}

int
stat_show(struct view *v, struct text *t)
{
    struct facts f;
    struct numbers n;
    int r = numbers_get(v, &f, &n);
    if (r != 0)
        return r;
    u32 flags = FLAG_RANDOM | (f.exiting ? FLAG_EXITING : 0) |
                (n.executed ? 0 : FLAG_NO_EXEC);
    stat_head(t, &f);
    SIGNED(t, f.ppid, f.pgid, f.sid, (i64)f.tty, f.tpgid);
    NUMBERS(t, flags);
    stat_times(t, &f);
    SIGNED(t, f.priority, f.nice);
    NUMBERS(t, f.threads, 0, f.start_ns / NS_PER_TICK, n.counts.bytes_virtual,
            n.counts.pages_mapped, f.resident_limit);
    stat_places(t, &n);
    /* These show the first 31 signals; all are in status. */
    NUMBERS(t, (f.pending | f.shared_pending) & 0x7fffffff, f.blocked & 0x7fffffff,
            f.ignored & 0x7fffffff, f.caught & 0x7fffffff, n.may_inspect && f.asleep, 0,
            0);
    SIGNED(t, f.exit_signal);
    NUMBERS(t, f.cpu, f.rt_priority, f.policy, 0, 0, 0);
    stat_more_places(t, &n, &f);
    return shown(v, &f);
}

static u64
text_pages(const struct mm_layout *l)
{
    return (PAGE_UP(l->code_end) - PAGE_DOWN(l->code_start)) >> PAGE_SHIFT;
}

int
statm_show(struct view *v, struct text *t)
{
    struct facts f;
    struct numbers n;
    int r = numbers_get(v, &f, &n);
    if (r != 0)
        return r;
    const struct mm_counts *c = &n.counts;
    text_add(t, "%lu %lu %lu %lu 0 %lu 0\n", c->bytes_virtual >> PAGE_SHIFT,
             c->pages_mapped, c->pages_file + c->pages_shared, text_pages(&n.layout),
             c->pages_data + c->pages_stack);
    return shown(v, &f);
}

static const char *
state_words(char letter)
{
    switch (letter) {
    case 'R':
        return "R (running)";
    case 'S':
        return "S (sleeping)";
    case 'D':
        return "D (disk sleep)";
    case 't':
        return "t (tracing stop)";
    case 'T':
        return "T (stopped)";
    case 'Z':
        return "Z (zombie)";
    default:
        return "X (dead)";
    }
}

#define kilobytes(t, key, bytes) \
    text_kilobytes_line(t, key ":\t", sizeof key + 1, bytes)

/* "KEY:\t" with a key of six letters, sixteen digits, and the end of the line. */
static void
mask(struct text *t, const char *key, u64 v)
{
    char *to = text_room(t, 8 + DIGITS_HEX_ROOM + 1);
    if (to == NULL)
        return;
    __builtin_memcpy(to, key, 6);
    __builtin_memcpy(to + 6, ":\t", 2);
    *digits_hex(to + 8, v, 16) = '\n';
    t->length += 8 + 16 + 1;
}

static void
status_identity(struct text *t, const struct facts *f)
{
    const struct cred *c = &f->cred;
    text_add(t, "Name:\t");
    text_quote(t, f->name, "\n");
    text_add(t, "\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n",
             f->umask, state_words(f->state), f->pid, f->tid, f->ppid);
    text_add(t, "TracerPid:\t%d\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", f->tracer, c->uid,
             c->euid, c->suid, c->fsuid, c->gid, c->egid, c->sgid, c->fsgid);
    text_add(t, "FDSize:\t%u\nGroups:\t", f->fd_slots);
    for (u32 i = 0; c->groups != NULL && i < c->groups->count; i++)
        text_add(t, "%u ", c->groups->id[i]);
    if (c->groups == NULL || c->groups->count == 0)
        text_add(t, " ");
    text_add(t, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", f->pid, f->tid,
             f->pgid, f->sid);
}

static void
status_memory(struct text *t, const struct numbers *n)
{
    const struct mm_counts *c = &n->counts;
    u64 program = text_pages(&n->layout);
    kilobytes(t, "VmPeak", c->peak_virtual);
    kilobytes(t, "VmSize", c->bytes_virtual);
    kilobytes(t, "VmLck", c->pages_locked << PAGE_SHIFT);
    kilobytes(t, "VmPin", 0);
    kilobytes(t, "VmHWM", c->pages_peak << PAGE_SHIFT);
    kilobytes(t, "VmRSS", c->pages_mapped << PAGE_SHIFT);
    kilobytes(t, "RssAnon", c->pages_anonymous << PAGE_SHIFT);
    kilobytes(t, "RssFile", c->pages_file << PAGE_SHIFT);
    kilobytes(t, "RssShmem", c->pages_shared << PAGE_SHIFT);
    kilobytes(t, "VmData", c->pages_data << PAGE_SHIFT);
    kilobytes(t, "VmStk", c->pages_stack << PAGE_SHIFT);
    kilobytes(t, "VmExe", program << PAGE_SHIFT);
    kilobytes(t, "VmLib", (c->pages_text - MIN(program, c->pages_text)) << PAGE_SHIFT);
    kilobytes(t, "VmSwap", 0);
    kilobytes(t, "HugetlbPages", 0);
    text_add(t, "CoreDumping:\t0\nTHP_enabled:\t0\n");
}

static void
status_rights(struct text *t, const struct facts *f)
{
    const struct cred *c = &f->cred;
    text_add(t, "SigQ:\t%lu/%lu\n", f->queued, f->queue_limit);
    mask(t, "SigPnd", f->pending);
    mask(t, "ShdPnd", f->shared_pending);
    mask(t, "SigBlk", f->blocked);
    mask(t, "SigIgn", f->ignored);
    mask(t, "SigCgt", f->caught);
    mask(t, "CapInh", c->inheritable);
    mask(t, "CapPrm", c->permitted);
    mask(t, "CapEff", c->effective);
    mask(t, "CapBnd", c->bounding);
    mask(t, "CapAmb", c->ambient);
    text_add(t, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n",
             f->no_new_privs);
}

static void
status_cpus(struct text *t, const struct facts *f)
{
    u64 cpus = f->allowed & (lcpu_count >= 64 ? ~0ull : (1ull << lcpu_count) - 1);
    text_add(t, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", cpus);
    text_ranges(t, &cpus, MIN(lcpu_count, 64u));
    text_add(t, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
    text_add(t, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
             f->voluntary, f->involuntary);
}

int
status_show(struct view *v, struct text *t)
{
    struct facts f;
    struct numbers n;
    int r = numbers_get(v, &f, &n);
    if (r != 0)
        return r;
    status_identity(t, &f);
    if (n.has_memory)
        status_memory(t, &n);
    text_add(t, "Threads:\t%u\n", f.threads);
    status_rights(t, &f);
    status_cpus(t, &f);
    return shown(v, &f);
}

int
comm_show(struct view *v, struct text *t)
{
    struct facts f;
    int r = facts_get(view_who(v), &f);
    if (r == 0) {
        text_add(t, "%s\n", f.name);
        facts_drop(&f);
    }
    v->ended = true;
    return r;
}

/* Only the process itself may be given another name, by any of its threads. */
int
comm_store(const struct node *n, char *text, size_t bytes)
{
    char name[16] = { 0 };
    struct process *p = subject_get(&n->who);
    if (p == NULL)
        return -E_SRCH;
    if (!subject_is_current(&n->who)) {
        proc_release(p);
        return -E_INVAL;
    }
    memcpy(name, text, MIN(bytes, sizeof name - 1));
    spin_lock(&p->lock);
    i32 tid = subject_tid(&n->who);
    struct thread *t = process_thread_locked(p, tid);
    if (t != NULL)
        memcpy(t->name, name, sizeof name);
    if (tid == p->pid)
        memcpy(p->name, name, sizeof name);
    spin_unlock(&p->lock);
    proc_release(p);
    return 0;
}
