/* SPDX-License-Identifier: MIT */
/*
 * Structures of spaces that are used again: to make a space and to destroy it are calls of
 * the kernel that clear and check frames, and a space whose pages and tables have gone is
 * as good as a new one.
 *
 * Z1. Nothing is mapped in a spare one, and it has no page-table node: its roots are what a
 *     new space has.
 * Z2. It may still be the current space of a vCPU, whose thread went without another taking
 *     its place; the translations were flushed with the mappings, so that who gets it next
 *     finds none.
 * Locking: spares_lock, for the list alone.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/thread.h"
#include "vm/mm_private.h"

/* As many processes as come and go at about the same time, not as many as there may be. */
#define SPARES 16u

static struct spinlock spares_lock = SPINLOCK_INIT;
static struct mm *spares[SPARES]; /* the one used last is taken first */
static u32 count;

struct mm *
mm_spare_take(void)
{
    spin_lock(&spares_lock);
    struct mm *m = count > 0 ? spares[--count] : NULL;
    spin_unlock(&spares_lock);
    return m;
}

bool
mm_spare_put(struct mm *m)
{
    ASSERT(m->space.ntops == 0); /* Z1 */
    struct thread *t = thread_current();
    if (t->space == &m->space)
        t->space = NULL;
    spin_lock(&spares_lock);
    bool room = count < SPARES;
    if (room)
        spares[count++] = m;
    spin_unlock(&spares_lock);
    return room;
}

u32
mm_spares(void)
{
    return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

void
mm_spares_drop(void)
{
    for (struct mm *m; (m = mm_spare_take()) != NULL;) {
        mmu_space_destroy(&m->space);
        heap_free(m);
    }
}
