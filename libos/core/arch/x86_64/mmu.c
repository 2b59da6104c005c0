/* SPDX-License-Identifier: MIT */
/* core/mmu.h over kernel calls: M1-M3 there. */
#include "core/mmu.h"

#include <sdk/instance.h>
#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/chunk.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/event.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/string.h"

#define DONE_MASK ((1ull << 40) - 1)
#define LIST_MAX  1024u /* entries of space_unmap's list, from the start of the buffer */

_Static_assert(MMU_READ == FB_MAP_READ && MMU_WRITE == FB_MAP_WRITE &&
                   MMU_EXEC == FB_MAP_EXEC,
               "flags");
_Static_assert(MMU_REPLACE_MAX == FB_MAP_REPLACE_MAX && MMU_NOADD == FB_MAP_NOADD,
               "flags");
_Static_assert(MMU_FRAMES_MAX <= FB_RANGE_STEP &&
                   MMU_FRAMES_MAX * sizeof(frame_t) <= FB_BUFFER_BYTES,
               "mmu_map_frames");

/* The space in which the instance was started: nothing in its lower half; for idle
 * vCPUs. */
static struct mmu_space base_space;

/* c may have translations of s: it is current there, is about to be, or just was. */
static inline bool
is_active(struct lcpu *c, struct mmu_space *s)
{
    return __atomic_load_n(&c->next_space, __ATOMIC_SEQ_CST) == s ||
           __atomic_load_n(&c->space, __ATOMIC_SEQ_CST) == s;
}

/* The CPUs of the other vCPUs on which s is active. */
static u64
other_cpus(struct mmu_space *s)
{
    struct lcpu *self = lcpu_current();
    u64 cpus = 0;
    for (u32 i = 0; i < lcpu_count; i++)
        if (&lcpus[i] != self && is_active(&lcpus[i], s))
            cpus |= 1ull << lcpus[i].cpu;
    return cpus;
}

void
mmu_flush_others(struct mmu_space *s)
{
    u64 cpus = other_cpus(s);
    if (cpus)
        machine_flush(cpus);
}

/*
 * Removals whose flush is not over yet.  A frame that several spaces map can lose its
 * last mapping in one of them, while a CPU that runs another has a stale translation of a
 * mapping that went just before: the flush of the one space would not reach it.
 *   1. A removal is counted, then removes, flushes its own space, and is counted off.
 *   2. Who finds a frame's last mapping gone, or the only mapping his, does so after the
 *      kernel's count went down in 1; if the count here is not zero then, he flushes all.
 */
_Atomic u32 mmu_unsettled;

void
mmu_flush(struct mmu_space *s)
{
    u64 cpus = other_cpus(s);
    if (lcpu_current()->space == s)
        cpus |= 1ull << lcpu_current()->cpu;
    if (cpus)
        machine_flush(cpus);
}

void
mmu_flush_all(void)
{
    machine_flush(machine_all_cpus);
}

int
mmu_space_create(struct mmu_space *s)
{
    memset(s, 0, sizeof(*s));
    s->tops = s->first_tops;
    s->ntops_max = MMU_TOPS;
    s->root = page_root_alloc();
    if (s->root == FRAME_NONE)
        return -E_NOMEM;
    unsigned long cap = 0;
    long r;
    do
        r = fb_space_create(0, page_cap(s->root), s->root, &cap);
    while (machine_again(r));
    if (r == -FB_E_FULL) {
        page_root_free(s->root);
        return -E_NOMEM;
    }
    if (r != 0)
        libos_panic("space_create: %s", fb_error_name(r));
    s->cap = cap;
    return 0;
}

/* Make room for one more top-level node before it is linked. */
static int
tops_reserve(struct mmu_space *s)
{
    if (s->ntops < s->ntops_max)
        return 0;
    struct mmu_top *more = heap_alloc(2 * s->ntops_max * sizeof(*more));
    if (!more)
        return -E_NOMEM;
    memcpy(more, s->tops, s->ntops * sizeof(*more));
    if (s->tops != s->first_tops)
        heap_free(s->tops);
    s->tops = more;
    s->ntops_max *= 2;
    return 0;
}

static void
tops_forget(struct mmu_space *s, frame_t frame)
{
    for (u32 i = 0; i < s->ntops; i++)
        if (s->tops[i].frame == frame) {
            s->tops[i] = s->tops[--s->ntops];
            return;
        }
}

/*
 * Get a page table of our own in place of the shared one at va.
 *
 * The one who leaves a table counts as a removal until its CPUs are flushed: they could
 * still go through it.  Who finds himself alone with it waits for that (settle) before he
 * changes anything in it.
 */
static int
own_table(struct mmu_space *s, uaddr va)
{
    for (;;) {
        unsigned shift;
        u64 e = mmu_table_entry(s, va, &shift);
        if (!mmu_is_shared(e))
            return 0;
        frame_t frame = FB_PTE_FRAME(e);
        bool alone = mmu_sharers(frame) == 1;
        if (alone) {
            mmu_settle();
        } else {
            frame = page_table_alloc();
            if (frame == FRAME_NONE)
                return -E_NOMEM;
        }
        mmu_removal_begins();
        long r = fb_space_table(s->cap, va, 1, page_cap(frame), frame, NULL);
        mmu_removal_ends(s);
        if (r == 0)
            return 0;
        if (!alone)
            page_table_free(frame);
        if (r == -FB_E_COUNT)
            return -E_NOMEM;
        /* MAPPED: we became alone with it meanwhile */
        if (r != -FB_E_MAPPED && !machine_again(r))
            libos_panic("space_table of a shared one: %s", fb_error_name(r));
    }
}

int
mmu_own(struct mmu_space *s, uaddr va, u64 pages)
{
    uaddr end = va + (pages << PAGE_SHIFT);
    if (s->large && mmu_split(s, va, end) != 0)
        return -E_NOMEM;
    if (!s->shares)
        return 0;
    while (va < end) {
        unsigned shift;
        if (mmu_is_shared(mmu_table_entry(s, va, &shift)) && own_table(s, va) != 0)
            return -E_NOMEM;
        va = ((va >> shift) + 1) << shift;
    }
    return 0;
}

/* Is there a part of the table at va that the range does not have? */
static bool
is_edge(uaddr va, uaddr start, uaddr end)
{
    uaddr table = va & ~(MMU_TABLE_BYTES - 1);
    return table < start || MIN(table + MMU_TABLE_BYTES, USER_TOP) > end;
}

static int
own_edge(struct mmu_space *s, uaddr va)
{
    if (s->large && mmu_split(s, va, va + 1) != 0)
        return -E_NOMEM;
    return own_table(s, va);
}

int
mmu_own_edges(struct mmu_space *s, uaddr va, u64 pages)
{
    uaddr end = va + (pages << PAGE_SHIFT);
    if (!s->shares && !s->large)
        return 0;
    int rc = is_edge(va, va, end) ? own_edge(s, va) : 0;
    return rc == 0 && is_edge(end - 1, va, end) ? own_edge(s, end - 1) : rc;
}

/* Link a node of a level, and those above it that are missing. */
static int
link_table(struct mmu_space *s, uaddr va, unsigned level)
{
    unsigned shift;
    ASSERT(level >= 1 && level <= 3);
    if (level == 1 && s->shares && mmu_is_shared(mmu_table_entry(s, va, &shift)))
        return own_table(s, va);
    if (level == 3 && tops_reserve(s) != 0)
        return -E_NOMEM;
    frame_t frame = page_table_alloc();
    if (frame == FRAME_NONE)
        return -E_NOMEM;
    long r;
    for (;;) {
        r = fb_space_table(s->cap, va, level, page_cap(frame), frame, NULL);
        if (r == -FB_E_NOTABLE && level < 3) {
            if (link_table(s, va, level + 1) == 0)
                continue;
            page_table_free(frame);
            return -E_NOMEM;
        }
        if (!machine_again(r))
            break;
    }
    if (r == -FB_E_MAPPED) { /* it is there already */
        page_table_free(frame);
        return 0;
    }
    if (r != 0)
        libos_panic("space_table level %u: %s", level, fb_error_name(r));
    if (level == 3)
        s->tops[s->ntops++] = (struct mmu_top){ (u32)(va >> 39), frame };
    return 0;
}

int
mmu_link_tables(struct mmu_space *s, uaddr va, unsigned level, unsigned lowest)
{
    int rc = 0;
    for (; rc == 0 && level >= lowest; level--)
        rc = link_table(s, va, level);
    return rc;
}

/* The chunk of the frame was taken by force at this moment: its capability has no name
 * any more. */
static bool
is_taken(long r)
{
    return r == -FB_E_NAME && !chunk_settled();
}

/* What a call that maps said, when it did not do all: 0: it is to be repeated.  -E_EXIST
 * -E_NOMEM */
static int
map_failed(struct mmu_space *s, uaddr va, long r, unsigned missing)
{
    if (r == -FB_E_MAPPED)
        return -E_EXIST;
    if (r == -FB_E_NOTABLE)
        return mmu_link_tables(s, va, missing, 1);
    if (r == -FB_E_COUNT || is_taken(r))
        return -E_NOMEM;
    if (r != -FB_E_RESUME && !machine_again(r))
        libos_panic("space_map at %lx: %s", va, fb_error_name(r));
    return 0;
}

int
mmu_map(struct mmu_space *s, uaddr va, frame_t frame, u32 flags, u64 count)
{
    u64 cap = page_cap(frame);
    for (;;) {
        unsigned long v = 0;
        long r = fb_space_map(s->cap, va, cap, frame, flags, count, &v);
        if (r == 0)
            return 0;
        u64 done = v & DONE_MASK;
        va += done * PAGE_SIZE;
        frame += done;
        count -= done;
        int error = map_failed(s, va, r, (unsigned)(v >> 56));
        if (error)
            return error;
    }
}

int
mmu_map_frames(struct mmu_space *s, uaddr va, const frame_t *frames, u32 flags, u64 count)
{
    ASSERT(count <= MMU_FRAMES_MAX);
    for (;;) {
        unsigned long v = 0;
        memcpy(lcpu_current()->buffer, frames, count * sizeof(*frames));
        long r = fb_space_map(s->cap, va, page_cap(frames[0]), 0, flags | FB_MAP_LIST,
                              count, &v);
        if (r == 0)
            return 0;
        u64 done = v & DONE_MASK;
        va += done * PAGE_SIZE;
        frames += done;
        count -= done;
        if (r == -FB_E_RANGE && done) /* the next one is in another range of memory */
            continue;
        int error = map_failed(s, va, r, (unsigned)(v >> 56));
        if (error)
            return error;
    }
}

int
mmu_replace(struct mmu_space *s, uaddr va, frame_t frame, u32 flags, u32 count, u32 *lost,
            u32 *done)
{
    u64 cap = page_cap(frame);
    u32 all = 0;
    *lost = 0;
    for (;;) {
        unsigned long v = 0;
        mmu_removal_begins();
        long r = fb_space_map(s->cap, va + all * PAGE_SIZE, cap, frame + all,
                              flags | FB_MAP_REPLACE, count - all, &v);
        mmu_removal_ends(s);
        *lost |= (u32)FB_MAP_LOST(v) << all;
        all += (u32)FB_MAP_REPLACED(v);
        *done = all;
        int error = r ? map_failed(s, va + all * PAGE_SIZE, r, (unsigned)(v >> 56)) : 0;
        if (r == 0 || error) {
            if (*lost)
                mmu_settle();
            return error;
        }
    }
}

static void
protect_with(struct mmu_space *s, uaddr va, u64 pages, u32 flags, u64 cap, bool chunk)
{
    for (;;) {
        unsigned long done = 0;
        long r = fb_space_protect(s->cap, va, pages, flags, cap, &done);
        if (r == 0)
            return;
        if (r == -FB_E_NAME && chunk) /* it has gone, and its pages with it */
            return;
        if (!machine_again(r))
            libos_panic("space_protect at %lx: %s", va, fb_error_name(r));
        if (r == -FB_E_RESUME) {
            va += done * PAGE_SIZE;
            pages -= done;
        }
    }
}

void
mmu_protect(struct mmu_space *s, uaddr va, u64 pages, u32 flags)
{
    /* One page that only gains rights needs no flush: a stale entry faults once, and the
     * fault drops it. */
    struct mmu_page page;
    bool gains = pages == 1 && mmu_query(s, va, &page) && (page.flags & ~flags) == 0;
    if (flags & MMU_WRITE)
        mmu_settle(); /* the caller may have seen that the page is this space's alone */
    if ((flags & MMU_NOADD) || !(flags & (MMU_WRITE | MMU_EXEC))) {
        protect_with(s, va, pages, flags, 0, false);
    } else if (gains) {
        protect_with(s, va, 1, flags, page_cap(page.frame), page_is_chunks(page.frame));
    } else {
        for (u32 i = 0; i < machine_memory_ranges; i++)
            protect_with(s, va, pages, flags, machine_memory[i].cap, false);
        for (u32 k = 0; k < CHUNKS && chunk_any_in_use(); k++) {
            u64 cap = chunk_cap_in_use(k);
            if (cap)
                protect_with(s, va, pages, flags, cap, true);
        }
    }
    if (!gains)
        mmu_flush(s);
}

/* Give back what one space_unmap listed, from the last to the first: core/page.c gives out
 * first what came back last, so that runs of frames stay runs. */
static void
take_list(struct mmu_space *s, const u64 *list, u64 listed, mmu_lost_fn lost, void *arg)
{
    for (u64 i = listed; i-- > 0;) {
        u64 e = list[i];
        if (e & FB_OUT_TABLE) {
            tops_forget(s, FB_OUT_FRAME(e));
            page_table_free(FB_OUT_FRAME(e));
        } else if (lost) {
            lost(arg, FB_OUT_FRAME(e), (e & FB_OUT_DIRTY) != 0);
        }
    }
}

void
mmu_unmap(struct mmu_space *s, uaddr va, u64 pages, bool tables, mmu_lost_fn lost,
          void *arg)
{
    if (s->large)
        mmu_unmap_large(s, va, va + (pages << PAGE_SHIFT));
    for (;;) {
        unsigned long v = 0;
        mmu_removal_begins();
        long r = fb_space_unmap(s->cap, va, pages, tables ? FB_UNMAP_TABLES : 0, 0,
                                LIST_MAX, &v);
        mmu_removal_ends(s);
        if (r != 0 && r != -FB_E_RESUME && r != -FB_E_BUSY && r != -FB_E_NOTABLE)
            libos_panic("space_unmap at %lx: %s", va, fb_error_name(r));
        if (r != -FB_E_BUSY) {
            if (v >> 40)
                mmu_settle();
            take_list(s, (const u64 *)lcpu_current()->buffer, v >> 40, lost, arg);
            va += (v & DONE_MASK) * PAGE_SIZE;
            pages -= v & DONE_MASK;
        }
        if (r == 0)
            return;
        /* M4: a table that only this space had, emptied in part; that takes no memory */
        if (r == -FB_E_NOTABLE && own_table(s, va) != 0)
            libos_panic("space_unmap at %lx: a part of a shared table", va);
        machine_again(r);
        thread_breathe(); /* the list is taken: another thread may use the buffer */
    }
}

int
mmu_copy(struct mmu_space *to, struct mmu_space *from, uaddr va, u64 pages,
         enum mmu_copy how)
{
    static const u32 flags[] = { FB_COPY_SHARE, FB_COPY_COW,
                                 FB_COPY_COW | FB_COPY_TABLES };
    if (from->large && mmu_split(from, va, va + (pages << PAGE_SHIFT)) != 0)
        return -E_NOMEM;
    int result = how == MMU_COPY_TABLES ? mmu_own_edges(from, va, pages)
                                        : mmu_own(from, va, pages);
    while (pages && result == 0) {
        unsigned long v = 0;
        long r = fb_space_copy(to->cap, from->cap, va, pages, flags[how], &v);
        if (r == 0)
            break;
        if (r == -FB_E_NOTABLE || r == -FB_E_RESUME || r == -FB_E_COUNT) {
            va += (v & DONE_MASK) * PAGE_SIZE;
            pages -= v & DONE_MASK;
        }
        if (r == -FB_E_NOTABLE) {
            unsigned level = (unsigned)(v >> 56); /* a shared one needs none at 1 */
            result = how == MMU_COPY_TABLES ? link_table(to, va, level)
                                            : mmu_link_tables(to, va, level, 1);
        } else if (r == -FB_E_COUNT) { /* of a table: a new one can be shared again */
            unsigned shift;
            result = from->shares && mmu_is_shared(mmu_table_entry(from, va, &shift))
                         ? own_table(from, va)
                         : -E_NOMEM;
        } else if (machine_again(r)) {
            thread_breathe();
        } else {
            libos_panic("space_copy at %lx: %s", va, fb_error_name(r));
        }
    }
    if (how == MMU_COPY_TABLES)
        to->shares = from->shares = true;
    if (how != MMU_COPY_SHARE)
        mmu_flush(from);
    return result;
}

void
mmu_activate(struct lcpu *c, struct mmu_space *s)
{
    /* Before it can fill the TLB: M2's senders look here. */
    __atomic_store_n(&c->next_space, s, __ATOMIC_SEQ_CST);
    long r = fb_switch(s->cap, NULL);
    if (r != 0)
        libos_panic("switch: %s", fb_error_name(r));
    /* The old one's translations are gone. */
    __atomic_store_n(&c->space, s, __ATOMIC_RELEASE);
}

void
mmu_leave_dying(struct lcpu *c)
{
    if (c->space && atomic_load_explicit(&c->space->dying, memory_order_relaxed))
        mmu_activate(c, &base_space);
}

void
mmu_switch(struct mmu_space *s)
{
    struct thread *t = thread_current();
    t->space = s;
    if (t->cpu->space != s)
        mmu_activate(t->cpu, s);
}

/* Have all CPUs passed the epoch that the kernel waits for?  The record says so without a
 * call; asking the kernel again and again would interrupt them each time.  Who waits long
 * lets others run. */
static void
wait_quiet(void)
{
    u64 e = __atomic_load_n(&machine_record->epoch, __ATOMIC_ACQUIRE);
    for (unsigned polls = 0; polls < 256; polls++) {
        bool seen = true;
        for (u32 i = 0; i < machine_record->ncpus && seen; i++)
            seen = i == thread_current()->cpu->cpu ||
                   __atomic_load_n(&machine_record->cpu[i].epoch, __ATOMIC_ACQUIRE) >= e;
        if (seen)
            return;
        machine_pause();
    }
    thread_prepare(false);
    thread_block(clock_mono_ns() + 100000);
}

/* False: there are none. */
static bool
poke_active(struct mmu_space *s)
{
    bool any = false;
    for (u32 i = 0; i < lcpu_count; i++) {
        if (is_active(&lcpus[i], s)) {
            machine_signal(&lcpus[i], 1ull << EVENT_POKE);
            any = true;
        }
    }
    return any;
}

void
mmu_space_destroy(struct mmu_space *s)
{
    struct thread *t = thread_current();
    if (t->space == s)
        t->space = NULL;
    atomic_store(&s->dying, 1);
    mmu_leave_dying(t->cpu);
    while (poke_active(s)) { /* vCPUs that idle in it */
        thread_prepare(false);
        thread_block(clock_mono_ns() + 200000);
    }
    long r;
    while ((r = fb_space_destroy(s->cap, NULL)) == -FB_E_RESUME || machine_again(r))
        if (r == -FB_E_RESUME)
            wait_quiet();
    if (r != 0)
        libos_panic("space_destroy: %s", fb_error_name(r));
    page_root_free(s->root);
    if (s->tops != s->first_tops)
        heap_free(s->tops);
}

void
mmu_start(u32 lcpu)
{
    base_space.cap = instance->cap_space;
    base_space.root = instance->space_root_frame;
    base_space.tops = base_space.first_tops;
    lcpus[lcpu].space = lcpus[lcpu].next_space = &base_space;
}
