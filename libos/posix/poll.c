/* SPDX-License-Identifier: MIT */
/* poll(2), ppoll, select, pselect6. */
#include "core/clock.h"
#include "core/heap.h"
#include "core/string.h"
#include "posix/files.h"
#include "posix/polling.h"
#include "signal/signal.h"

#define POLL_INLINE 16u

struct linux_pollfd {
    i32 fd;
    int16_t events, revents;
};
/* The descriptors of one call, each file held once (Q2). */
struct poll_entry {
    struct file *file; /* NULL: not to be looked at, or not open */
    u32 events, revents;
};

/* ---- the common part ---- */

/* For all our files normal data is all there is: the two bits say the same again, and a
 * program may ask by them alone. */
#define POLL_RDNORM 0x040u
#define POLL_WRNORM 0x100u
_Static_assert(POLL_RDNORM == POLL_IN << 6 && POLL_WRNORM == POLL_OUT << 6, "one shift");

/* What is true of the file and was asked for, or is told in any case. */
static inline u32
state_of(struct file *f, struct poll_table *t, u32 events)
{
    u32 mask = file_poll(f, t);
    return (mask | (mask & (POLL_IN | POLL_OUT)) << 6) &
           (events | POLL_ERR | POLL_HUP | POLL_NVAL);
}

/* Ask all; with a table, register until one of them is ready. */
static u32
poll_pass(struct poll_entry *e, u32 n, struct poll_table *t)
{
    u32 ready = 0;
    for (struct poll_entry *end = e + n; e < end; e++) {
        if (e->file != NULL)
            e->revents = state_of(e->file, t, e->events);
        if (e->revents != 0) {
            ready++;
            t = NULL;
        }
    }
    return ready;
}

/* Register, look, and sleep in turns: how many are ready (0: time is up), or -E_INTR,
 * -E_NOMEM. */
static i64
poll_until(struct poll_entry *e, u32 n, u64 deadline_ns)
{
    struct poll_wait w;
    i64 r;
    poll_wait_begin(&w);
    for (;;) {
        r = poll_pass(e, n, poll_wait_table(&w));
        if (r != 0)
            break;
        r = poll_wait_sleep(&w, deadline_ns);
        if (r == -E_TIMEDOUT)
            r = poll_pass(e, n, NULL);
        else if (r == 0)
            continue;
        break;
    }
    poll_wait_end(&w);
    return r;
}

/* Nobody closes files during the call of a thread with a table of its own; then no
 * references are counted, as in files.h. */
static inline bool
must_count(void)
{
    return fdtable_shared(files_own());
}

static inline struct file *
entry_file(struct fdtable *t, int fd, bool counted)
{
    return counted ? fd_get(t, fd) : fd_peek(t, fd);
}

static void
entries_release(struct poll_entry *e, u32 n, bool counted)
{
    for (u32 i = 0; i < n && counted; i++)
        if (e[i].file != NULL)
            file_release(e[i].file);
}

/* ---- signal masks of ppoll and pselect ---- */

/* The mask for the time of the call; the old one comes back after the handler, or at
 * the end of the call. */
int
mask_begin(uaddr mask, u64 size, bool *masked)
{
    u64 set;
    struct thread *t = thread_current();
    *masked = false;
    if (mask == 0)
        return 0;
    if (size != sizeof set)
        return -E_INVAL;
    int r = copy_from_user(&set, mask, sizeof set);
    if (r != 0)
        return r;
    t->saved_mask = t->signal_mask;
    signal_mask_set(set & ~(SIG_BIT(SIG_KILL) | SIG_BIT(SIG_STOP)));
    *masked = true;
    return 0;
}

void
mask_end(bool masked, i64 result)
{
    struct thread *t = thread_current();
    if (!masked)
        return;
    if (result == -E_INTR)
        t->restore_mask = true; /* the signal's handler runs under the call's mask */
    else
        signal_mask_set(t->saved_mask);
}

/* What is left of the time goes back to the user, as Linux does it; errors there do
 * not matter. */
static void
remaining_to_user(uaddr at, u64 deadline_ns, bool timeval)
{
    struct linux_timespec t = { 0, 0 };
    u64 now = clock_mono_ns();
    if (at == 0 || deadline_ns == ~0ull || deadline_ns == 0)
        return; /* of no time, none is left: it stays as it is */
    if (deadline_ns > now)
        t = (struct linux_timespec){ (i64)((deadline_ns - now) / 1000000000u),
                                     (i64)((deadline_ns - now) % 1000000000u) };
    if (timeval)
        t.ns /= 1000;
    int r = copy_to_user(at, &t, sizeof t);
    (void)r;
}

/* ---- poll ---- */

static void
entries_from_pollfds(struct poll_entry *e, const struct linux_pollfd *fds, u32 n,
                     bool counted)
{
    struct fdtable *t = files_own();
    for (u32 i = 0; i < n; i++) {
        struct file *f = fds[i].fd < 0 ? NULL : entry_file(t, fds[i].fd, counted);
        e[i] = (struct poll_entry){ f, (u16)fds[i].events,
                                    f == NULL && fds[i].fd >= 0 ? POLL_NVAL : 0 };
    }
}

/* One look, without waiting: entry by entry, as it is in the user's array. */
static i64
poll_once(uaddr at, u32 n)
{
    bool counted = must_count();
    struct fdtable *t = files_own();
    i64 ready = 0;
    for (uaddr end = at + n * sizeof(struct linux_pollfd); at != end;
         at += sizeof(struct linux_pollfd)) {
        union {
            u64 word;
            struct linux_pollfd fields;
        } u;
        u32 revents = 0;
        if (user_load64(at, &u.word) != 0)
            return -E_FAULT;
        if (u.fields.fd >= 0) {
            struct file *f = entry_file(t, u.fields.fd, counted);
            revents = f == NULL ? POLL_NVAL
                                : state_of(f, NULL, (u16)u.fields.events);
            if (counted && f != NULL)
                file_release(f);
        }
        if (user_store16(at + offsetof(struct linux_pollfd, revents),
                         (u16)revents) != 0)
            return -E_FAULT;
        ready += revents != 0;
    }
    return ready;
}

/* Nothing was ready: wait for it, with the files held (Q2). */
static i64
poll_fds(struct linux_pollfd *fds, struct poll_entry *e, uaddr at, u32 n, u64 deadline_ns)
{
    int r = copy_from_user(fds, at, n * sizeof *fds);
    if (r != 0)
        return r;
    bool counted = must_count();
    entries_from_pollfds(e, fds, n, counted);
    i64 ready = poll_until(e, n, deadline_ns);
    entries_release(e, n, counted);
    at += offsetof(struct linux_pollfd, revents);
    for (u32 i = 0; i < n && ready > 0; i++, at += sizeof *fds)
        if (user_store16(at, (u16)e[i].revents) != 0)
            return -E_FAULT;
    return ready;
}

/* Many are on the heap. */
static __attribute__((noinline)) i64
poll_wait_for(uaddr at, u32 n, u64 deadline_ns)
{
    struct linux_pollfd few[POLL_INLINE];
    struct poll_entry few_entries[POLL_INLINE];
    if (n <= POLL_INLINE)
        return poll_fds(few, few_entries, at, n, deadline_ns);
    struct linux_pollfd *fds = heap_alloc(n * sizeof *fds);
    struct poll_entry *e = heap_alloc(n * sizeof *e);
    i64 r = fds == NULL || e == NULL ? -E_NOMEM : poll_fds(fds, e, at, n, deadline_ns);
    heap_free(fds);
    heap_free(e);
    return r;
}

/* deadline 0: only look. */
static i64
poll_user(uaddr at, u64 n, u64 deadline_ns)
{
    if (n > MIN(proc_current()->limits[LIMIT_NOFILE].soft, (u64)FD_LIMIT_MAX))
        return -E_INVAL;
    i64 r = poll_once(at, (u32)n);
    return r != 0 || deadline_ns == 0 ? r : poll_wait_for(at, (u32)n, deadline_ns);
}

/* A poll that a signal without a handler interrupted goes on to the same deadline. */
static long
poll_again(struct user_frame *f)
{
    const struct thread *t = thread_current();
    (void)f;
    i64 r = poll_user(t->restart[1], t->restart[2], t->restart[3]);
    return r == -E_INTR ? -E_RESTART_BLOCK : r;
}

long
sys_poll(struct user_frame *f)
{
    i32 timeout_ms = (i32)SYS_ARG2(f);
    u64 deadline = timeout_ms < 0    ? ~0ull
                   : timeout_ms == 0 ? 0
                                     : clock_mono_ns() + (u64)timeout_ms * 1000000u;
    i64 r = poll_user(SYS_ARG0(f), (u32)SYS_ARG1(f), deadline);
    if (r != -E_INTR)
        return r;
    struct thread *t = thread_current();
    t->restart[1] = SYS_ARG0(f);
    t->restart[2] = (u32)SYS_ARG1(f);
    t->restart[3] = deadline;
    t->restart[0] = (u64)(uintptr_t)poll_again;
    return -E_RESTART_BLOCK;
}

static int
deadline_of_timespec(uaddr at, u64 *deadline)
{
    int r = deadline_from_user(at, deadline);
    struct linux_timespec t;
    if (r == 0 && at != 0 && copy_from_user(&t, at, sizeof t) == 0 && t.seconds == 0 &&
        t.ns == 0)
        *deadline = 0;
    return r;
}

long
sys_ppoll(struct user_frame *f)
{
    u64 deadline;
    bool masked;
    int r = deadline_of_timespec(SYS_ARG2(f), &deadline);
    if (r == 0)
        r = mask_begin(SYS_ARG3(f), SYS_ARG4(f), &masked);
    if (r != 0)
        return r;
    i64 n = poll_user(SYS_ARG0(f), (u32)SYS_ARG1(f), deadline);
    mask_end(masked, n);
    remaining_to_user(SYS_ARG2(f), deadline, false);
    return n == -E_INTR ? -E_RESTART_NOHAND : n;
}

/* ---- select ---- */

#define SELECT_IN (POLL_IN | POLL_HUP | POLL_ERR)
#define SELECT_OUT (POLL_OUT | POLL_ERR)
#define SELECT_EX POLL_PRI
#define SELECT_WORDS_INLINE 4u

/* Words of 64 descriptors: what is asked for (read, write, exceptional), and what is
 * found. */
struct select_sets {
    u64 *in[3], *out[3];
    u32 words;
};
static const u32 select_events[3] = { SELECT_IN, SELECT_OUT, SELECT_EX };

/* A word of a set of n descriptors; at 0: there is no set. */
static inline int
set_word(uaddr at, u32 w, u32 n, u64 *word)
{
    *word = 0;
    if (at == 0)
        return 0;
    int r = user_load64(at + w * sizeof *word, word);
    if (n - w * 64 < 64)
        *word &= ~0ull >> (64 - (n - w * 64));
    return r;
}

/* The part of a look that is about one word. */
static inline int
select_word(struct fdtable *t, bool counted, u32 w, const u64 in[3], u64 out[3])
{
    u64 is_in = 0, is_out = 0, is_ex = 0;
    for (u64 any = in[0] | in[1] | in[2]; any != 0; any &= any - 1) {
        struct file *f = entry_file(t, (int)(w * 64) + __builtin_ctzll(any), counted);
        if (f == NULL)
            return -E_BADF;
        u32 mask = file_poll(f, NULL);
        u64 bit = any & -any;
        is_in |= (mask & SELECT_IN) != 0 ? bit : 0;
        is_out |= (mask & SELECT_OUT) != 0 ? bit : 0;
        is_ex |= (mask & SELECT_EX) != 0 ? bit : 0;
        if (counted)
            file_release(f);
    }
    out[0] = is_in & in[0];
    out[1] = is_out & in[1];
    out[2] = is_ex & in[2];
    return 0;
}

static u32
bits_in(u64 word)
{
    return word == 0 ? 0 : (u32)__builtin_popcountll(word);
}

/* One look, without waiting: how many bits were found, or -E_BADF, -E_FAULT. */
static i64
select_once(u32 n, const uaddr at[3], struct select_sets *s)
{
    bool counted = must_count();
    struct fdtable *t = files_own();
    i64 ready = 0;
    for (u32 w = 0; w < s->words; w++) {
        u64 in[3], out[3];
        if (set_word(at[0], w, n, &in[0]) != 0 || set_word(at[1], w, n, &in[1]) != 0 ||
            set_word(at[2], w, n, &in[2]) != 0)
            return -E_FAULT;
        int r = select_word(t, counted, w, in, out);
        if (r != 0)
            return r;
        for (u32 k = 0; k < 3; k++) {
            s->out[k][w] = out[k];
            ready += bits_in(out[k]);
        }
    }
    return ready;
}

/* Fill in the entries in the order of their descriptors.  -E_BADF: one is not open;
 * those before it are to be released. */
static int
sets_to_entries(struct select_sets *s, struct poll_entry *e, u32 *count, bool counted)
{
    struct fdtable *t = files_own();
    for (u32 w = 0; w < s->words; w++) {
        for (u64 any = s->in[0][w] | s->in[1][w] | s->in[2][w]; any != 0;
             any &= any - 1) {
            u32 bit = (u32)__builtin_ctzll(any), events = 0;
            for (u32 k = 0; k < 3; k++)
                events |= (s->in[k][w] >> bit & 1) != 0 ? select_events[k] : 0;
            struct file *f = entry_file(t, (int)(w * 64 + bit), counted);
            if (f == NULL)
                return -E_BADF;
            e[(*count)++] = (struct poll_entry){ f, events, 0 };
        }
    }
    return 0;
}

static i64
entries_to_sets(struct select_sets *s, const struct poll_entry *e)
{
    i64 ready = 0;
    u32 i = 0;
    for (u32 w = 0; w < s->words; w++) {
        for (u64 any = s->in[0][w] | s->in[1][w] | s->in[2][w]; any != 0;
             any &= any - 1, i++) {
            u64 bit = any & -any;
            for (u32 k = 0; k < 3; k++) {
                if ((s->in[k][w] & bit) != 0 && (e[i].revents & select_events[k]) != 0) {
                    s->out[k][w] |= bit;
                    ready++;
                }
            }
        }
    }
    return ready;
}

/* Wait for what is in s->in, with the files held (Q2). */
static i64
select_entries(struct select_sets *s, u64 deadline)
{
    u32 entries = 0, count = 0;
    bool counted = must_count();
    for (u32 w = 0; w < s->words; w++)
        entries += bits_in(s->in[0][w] | s->in[1][w] | s->in[2][w]);
    struct poll_entry *e = heap_alloc((entries + 1) * sizeof *e);
    if (e == NULL)
        return -E_NOMEM;
    i64 r = sets_to_entries(s, e, &count, counted);
    if (r == 0)
        r = poll_until(e, count, deadline);
    entries_release(e, count, counted);
    if (r >= 0)
        r = entries_to_sets(s, e);
    heap_free(e);
    return r;
}

/* Nothing was ready: s->out is clear. */
static __attribute__((noinline)) i64
select_wait(u32 n, const uaddr at[3], struct select_sets *s, u64 deadline)
{
    u64 *memory = heap_alloc(3 * s->words * sizeof *memory + 1);
    i64 r = memory == NULL ? -E_NOMEM : 0;
    for (u32 k = 0; k < 3 && r == 0; k++) {
        s->in[k] = memory + k * s->words;
        for (u32 w = 0; w < s->words && r == 0; w++)
            r = set_word(at[k], w, n, &s->in[k][w]);
    }
    if (r == 0)
        r = select_entries(s, deadline);
    heap_free(memory);
    return r;
}

static i64
select_user(i32 count, const uaddr at[3], u64 deadline)
{
    u64 few[3 * SELECT_WORDS_INLINE], *memory = few;
    u32 n = MIN((u32)count, (u32)FD_LIMIT_MAX);
    struct select_sets s = { .words = (n + 63) / 64 };
    if (count < 0)
        return -E_INVAL;
    if (s.words > SELECT_WORDS_INLINE)
        memory = heap_alloc(3 * s.words * sizeof *memory);
    if (memory == NULL)
        return -E_NOMEM;
    for (u32 k = 0; k < 3; k++)
        s.out[k] = memory + k * s.words;
    i64 r = select_once(n, at, &s);
    if (r == 0 && deadline != 0)
        r = select_wait(n, at, &s, deadline);
    for (u32 k = 0; k < 3 && r >= 0; k++)
        if (at[k] != 0 && copy_to_user(at[k], s.out[k], s.words * sizeof(u64)) != 0)
            r = -E_FAULT;
    if (memory != few)
        heap_free(memory);
    return r;
}

long
sys_select(struct user_frame *f)
{
    const uaddr at[3] = { SYS_ARG1(f), SYS_ARG2(f), SYS_ARG3(f) };
    struct linux_timeval v;
    u64 deadline = ~0ull;
    if (SYS_ARG4(f) != 0) {
        if (copy_from_user(&v, SYS_ARG4(f), sizeof v) != 0)
            return -E_FAULT;
        if (v.seconds < 0 || v.us < 0)
            return -E_INVAL;
        if (v.seconds < 9000000000 && v.us < 9000000000000000)
            deadline = v.seconds == 0 && v.us == 0
                           ? 0
                           : clock_mono_ns() + (u64)v.seconds * 1000000000u +
                                 (u64)v.us * 1000u;
    }
    i64 r = select_user((i32)SYS_ARG0(f), at, deadline);
    remaining_to_user(SYS_ARG4(f), deadline, true);
    return r == -E_INTR ? -E_RESTART_NOHAND : r;
}

long
sys_pselect6(struct user_frame *f)
{
    const uaddr at[3] = { SYS_ARG1(f), SYS_ARG2(f), SYS_ARG3(f) };
    u64 deadline, sigset[2] = { 0, 8 };
    bool masked;
    if (SYS_ARG5(f) != 0 && copy_from_user(sigset, SYS_ARG5(f), sizeof sigset) != 0)
        return -E_FAULT;
    int r = deadline_of_timespec(SYS_ARG4(f), &deadline);
    if (r == 0)
        r = mask_begin(sigset[0], sigset[1], &masked);
    if (r != 0)
        return r;
    i64 n = select_user((i32)SYS_ARG0(f), at, deadline);
    mask_end(masked, n);
    remaining_to_user(SYS_ARG4(f), deadline, false);
    return n == -E_INTR ? -E_RESTART_NOHAND : n;
}
