/* SPDX-License-Identifier: MIT */
/*
 * Visible revocation, the POSIX LibOS's side: a thread of its own that empties chunks and
 * gives them back when the steward asks, and ends who lost memory when it takes.
 *
 * Emptying a chunk:
 *   1. The chunk is closed: no frame of it is given out any more.
 *   2. The mutex of every mm is taken, one after another.  Then nothing faults, forks or
 *      unmaps, so who maps a page stays as it is, and a page that several spaces map
 *      (copy on write) is written by none of them.
 *   3. Each page of the chunk that is found is made unwritable in its space, flushed and
 *      copied to a frame elsewhere, once, and each space that maps it gets the copy in
 *      its place with the same rights.  The old frame is free with its last mapping.
 *   4. The mutexes go.  If all frames of the chunk are free, its capability is deleted;
 *      else (a space that was being made had pages of it, a pipe holds one) 2 is done
 *      again, until the deadline; then the chunk is opened again.
 *
 * RC1. Nobody else holds the mutexes of two mms that processes have, or waits for one with
 *      the mutex of a mapped file, so 2 ends.
 * RC2. After chunks were taken by force: whoever has fewer pages than his counts say
 *      (I1 of vm/info.h) had pages there, and is killed.  A fault on an absent page looks
 *      whether something was taken since its mm was found whole (reclaim_may_have), so
 *      nobody finds zeros where his data was, nor does who was just being forked.
 * Cost: closing and looking through all page tables, about 15 instructions a page that is
 * present anywhere, and a copy, two calls and a flush for each page that moves.
 */
#include "vm/reclaim.h"

#include "core/chunk.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/heap.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "core/wait.h"
#include "proc/proc.h"
#include "signal/signal.h"
#include "vm/frames.h"
#include "vm/mm_private.h"
#include "vm/pager.h"

#define ROUNDS 16u          /* of 2, for one chunk */
#define ROUND_NS 5000000ull /* between two of them */
#define PART_OF_TIME 4u     /* of what is left to the deadline, for one chunk */
#define PIECE 512u

static struct waitq asked = WAITQ_INIT(asked), settled = WAITQ_INIT(settled);
static u64 moved; /* pages, of the request that is open */
static u64 gone[CHUNKS]; /* capability of the chunk that went from each place last */

static unsigned long
kib(u64 pages)
{
    return (unsigned long)(pages * (PAGE_SIZE / 1024));
}

/* ---- moving ---- */

struct moving {
    frame_t lo, hi;
    frame_t **to; /* by 2 MiB of the chunk: where each frame's page is now; 0: here */
    bool failed;  /* no memory */
    u64 moved;
};

static frame_t *
new_place(struct moving *v, frame_t f)
{
    u64 at = f - v->lo;
    frame_t **piece = &v->to[at / PIECE];
    if (!*piece) {
        frame_t table = page_alloc_zeroed();
        if (table == FRAME_NONE)
            return NULL;
        *piece = page_ptr(table);
    }
    return &(*piece)[at % PIECE];
}

/* Map `to` in place of the page at va, which is in the chunk, with the same rights. */
static bool
switch_page(struct mm *m, uaddr va, const struct mmu_page *page, frame_t to)
{
    u32 lost, done;
    u32 rights = page->flags ? page->flags : MMU_READ;
    int rc = mmu_replace(&m->space, va, to, rights, 1, &lost, &done);
    if (done && !page->flags)
        mmu_protect(&m->space, va, 1, 0);
    if (lost)
        frame_lost(NULL, page->frame, false);
    return rc == 0;
}

static bool
move_page(struct moving *v, struct mm *m, uaddr va, struct mmu_page *page)
{
    if (page->shared && (mmu_own(&m->space, va, 1) != 0 ||
                         !mmu_query(&m->space, va, page)))
        return false;
    if (!page_alone(page->frame))
        return true; /* a pipe reads it: it stays for now */
    frame_t *to = new_place(v, page->frame);
    if (!to)
        return false;
    if (page->flags & MMU_WRITE)
        mmu_protect(&m->space, va, 1, (page->flags & ~MMU_WRITE) | MMU_NOADD);
    bool first = *to == 0;
    if (first) {
        frame_t f = page_alloc_movable();
        if (f == FRAME_NONE)
            return false;
        page_copy(page_ptr(f), page_ptr(page->frame));
        if (!chunk_settled()) { /* taken before it was copied, perhaps */
            page_free(f);
            return false;
        }
        *to = f;
    }
    if (switch_page(m, va, page, *to)) {
        v->moved++;
        return true;
    }
    if (first) {
        page_free(*to);
        *to = 0;
    }
    return false;
}

static void
move_pages_of(struct moving *v, struct mm *m)
{
    struct mmu_page page;
    for (struct area *a = m->areas.first; a && !v->failed; a = a->next) {
        if (a->flags & (AREA_SHARED | AREA_VDSO))
            continue;
        for (uaddr va = a->start; !v->failed && mmu_next(&m->space, &va, a->end, &page);
             va += PAGE_SIZE)
            if (page.frame >= v->lo && page.frame < v->hi)
                v->failed = !move_page(v, m, va, &page);
    }
}

/* All mms, each once, with their mutexes: the first of the list. */
static struct mm *
hold_all(void)
{
    struct mm *first = NULL;
    for (struct process *p = proc_next(0), *next; p; p = next) {
        struct mm *m = mm_of(p);
        next = proc_next(p->pid);
        proc_release(p);
        if (!m)
            continue;
        if (m->held) { /* of several processes */
            mm_drop(m);
            continue;
        }
        mutex_lock(&m->lock);
        m->held = true;
        m->next_held = first;
        first = m;
    }
    return first;
}

static void
let_go(struct mm *first)
{
    for (struct mm *m = first, *next; m; m = next) {
        next = m->next_held;
        m->held = false;
        mutex_unlock(&m->lock);
        mm_drop(m);
    }
}

/* Steps 2 and 3.  False: no memory for the copies. */
static bool
move_all(const struct chunk_info *c)
{
    u64 pieces = (c->hi - c->lo) / PIECE;
    struct moving v = { c->lo, c->hi, heap_alloc_zeroed(pieces * sizeof(frame_t *)),
                        false, 0 };
    if (!v.to)
        return false;
    struct mm *first = hold_all();
    for (struct mm *m = first; m && !v.failed; m = m->next_held)
        move_pages_of(&v, m);
    let_go(first);
    for (u64 i = 0; i < pieces; i++)
        if (v.to[i])
            page_free(page_frame(v.to[i]));
    heap_free(v.to);
    moved += v.moved;
    return !v.failed;
}

/* ---- giving ---- */

static void
pause_for(u64 ns)
{
    thread_prepare(false);
    thread_block(clock_mono_ns() + ns);
}

/* Empty chunk k and give it back: how many frames. */
static u64
give_chunk(u32 k, u64 deadline_ns)
{
    struct chunk_info c;
    chunk_close(k);
    chunk_info(k, &c);
    for (u32 round = 0; c.used && round < ROUNDS; round++) {
        if (clock_mono_ns() >= deadline_ns || !move_all(&c))
            break;
        chunk_info(k, &c);
        if (c.used)
            pause_for(ROUND_NS);
        chunk_info(k, &c);
    }
    if (c.used || machine_chunk_delete(c.cap) != 0) {
        chunk_open(k);
        return 0;
    }
    gone[k] = c.cap;
    chunk_remove(k);
    return c.hi - c.lo;
}

/* What can be had at once: those of which no frame is in use. */
static u64
give_empty(u64 wanted)
{
    u64 given = 0;
    for (u32 k = 0; k < CHUNKS && given < wanted; k++) {
        struct chunk_info c;
        chunk_info(k, &c);
        if (c.cap && c.used == 0)
            given += give_chunk(k, 0);
    }
    return given;
}

/* The one with the fewest frames in use of those that were not tried. */
static u32
easiest(u64 tried)
{
    u64 least = ~0ull;
    u32 best = CHUNKS;
    for (u32 k = 0; k < CHUNKS; k++) {
        struct chunk_info c;
        chunk_info(k, &c);
        if (c.cap && !(tried >> k & 1) && c.used < least) {
            least = c.used;
            best = k;
        }
    }
    return best;
}

static void
answer(u64 number, bool memory, u64 amount, u64 deadline_ns)
{
    u64 given = 0, tried = 0, began = clock_mono_ns();
    u32 k;
    moved = 0;
    if (!memory) {
        given = machine_reclaim_time(amount);
        log_info("asked for processor time: gave %lu of %lu ticks", (unsigned long)given,
                 (unsigned long)amount);
    } else {
        (void)pressure_take_given(amount); /* it leaves chunks, and makes room */
        given = give_empty(amount);
        while (given < amount && clock_mono_ns() < deadline_ns &&
               (k = easiest(tried)) < CHUNKS) {
            u64 now = clock_mono_ns();
            tried |= 1ull << k;
            given += give_chunk(k, now + (deadline_ns - now) / PART_OF_TIME);
            given += given < amount ? give_empty(amount - given) : 0;
        }
        log_info("asked for %lu KiB: gave %lu KiB, moved %lu KiB in %lu us", kib(amount),
                 kib(given), kib(moved),
                 (unsigned long)((clock_mono_ns() - began) / 1000));
    }
    machine_reclaim_answer(number, given);
}

/* ---- what was taken, and what was given ---- */

struct census {
    struct mm *m;
    const struct area *area;
    u64 present;
};

static void
count_page(void *arg, uaddr va, const struct mmu_page *page)
{
    struct census *c = arg;
    (void)va;
    c->present += rss_kind(c->area, page->frame) != RSS_NONE;
}

/* RC2: how many pages it has lost; the counts are right again after it. */
static u64
pages_lost(struct mm *m)
{
    struct census c = { .m = m };
    u64 losses = __atomic_load_n(&chunk_losses, __ATOMIC_ACQUIRE);
    mutex_lock(&m->lock);
    for (struct area *a = m->areas.first; a; a = a->next) {
        c.area = a;
        mmu_each(&m->space, a->start, a->end, count_page, &c);
    }
    u64 said = m->rss[RSS_ANONYMOUS] + m->rss[RSS_FILE] + m->rss[RSS_SHARED];
    u64 lost = said > c.present ? said - c.present : 0;
    m->rss[RSS_ANONYMOUS] -= MIN(lost, m->rss[RSS_ANONYMOUS]);
    if (lost)
        m->losses = ~0ull;
    else if (m->losses != ~0ull)
        m->losses = losses;
    mutex_unlock(&m->lock);
    return lost;
}

static void
end_losers(void)
{
    for (struct process *p = proc_next(0), *next; p; p = next) {
        struct mm *m = mm_of(p);
        u64 lost = m ? pages_lost(m) : 0;
        if (lost || (m && m->losses == ~0ull)) {
            log_error("process %d (%s) has lost %lu KiB of memory and is ended", p->pid,
                      p->name, kib(lost));
            signal_send_process(p, SIG_KILL, NULL);
        }
        if (m)
            mm_drop(m);
        next = proc_next(p->pid);
        proc_release(p);
    }
}

static void
take_over(u32 k)
{
    u64 cap;
    frame_t lo, hi;
    struct chunk_info c;
    machine_chunk_listed(k, &cap, &lo, &hi);
    chunk_info(k, &c);
    if (cap && !c.cap && cap != gone[k] &&
        (frames_cover(lo, hi) != 0 || chunk_add(k, cap, lo, hi) != 0))
        log_error("no memory for the list of a chunk's frames: it is not used");
}

/* Brings our chunks in line with the steward's lists of change number `now`. */
static void
change(u64 now)
{
    u64 taken = 0;
    struct chunk_info c[CHUNKS];
    for (u32 k = 0; k < CHUNKS; k++) {
        u64 cap;
        frame_t lo, hi;
        machine_chunk_listed(k, &cap, &lo, &hi);
        chunk_info(k, &c[k]);
        if (c[k].cap && c[k].cap != cap) {
            chunk_remove(k);
            taken |= 1ull << k;
            log_error("%lu KiB of memory at %lx were taken",
                      kib(c[k].hi - c[k].lo), c[k].lo << PAGE_SHIFT);
        }
    }
    if (taken) {
        __atomic_store_n(&chunk_losses, chunk_losses + 1, __ATOMIC_RELEASE);
        end_losers();
    }
    for (u32 k = 0; k < CHUNKS; k++)
        if (taken >> k & 1)
            machine_chunk_forget(c[k].lo, c[k].hi);
    for (u32 k = 0; k < CHUNKS; k++)
        take_over(k);
    __atomic_store_n(&chunk_handled, now, __ATOMIC_RELEASE);
    wait_wake(&settled, ~0u);
}

static bool
is_news(void)
{
    bool memory;
    u64 amount, deadline, now = __atomic_load_n(chunk_changes, __ATOMIC_ACQUIRE);
    return (now != chunk_handled && now % 2 == 0) ||
           machine_reclaim_pending(&memory, &amount, &deadline) != 0;
}

static void
reclaimer(void *arg)
{
    (void)arg;
    for (;;) {
        bool memory;
        u64 amount, deadline;
        (void)!wait_until(&asked, is_news(), false, ~0ull);
        u64 now = __atomic_load_n(chunk_changes, __ATOMIC_ACQUIRE);
        if (now != chunk_handled && now % 2 == 0)
            change(now);
        u64 number = machine_reclaim_pending(&memory, &amount, &deadline);
        if (number)
            answer(number, memory, amount, deadline);
    }
}

static void
wake(void)
{
    wait_wake(&asked, ~0u);
}

bool
reclaim_check(struct mm *m)
{
    (void)!wait_until(&settled, chunk_settled(), false, ~0ull);
    if (reclaim_may_have(m))
        (void)pages_lost(m);
    return m->losses != ~0ull;
}

void
reclaim_init(void)
{
    if (!machine_reclaim_init())
        return;
    change(__atomic_load_n(chunk_changes, __ATOMIC_ACQUIRE));
    libos_hooks.reclaim = wake;
    struct thread *t = thread_create("reclaim", reclaimer, NULL);
    if (!t)
        libos_panic("no memory for the thread that gives memory back");
    thread_start(t);
}
