/* SPDX-License-Identifier: MIT */
/* Limits on a space: those of the process that asks, and the number of areas. */
#include "core/error.h"
#include "proc/proc.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

_Atomic u32 vm_max_areas = 65530;

/* A limit is two words that setrlimit writes; to read an old one is to ask a moment
 * before. */
u64
mm_limit(unsigned which)
{
    const struct process *p = thread_current()->process;
    return p ? __atomic_load_n(&p->limits[which].soft, __ATOMIC_RELAXED) : ~0ull;
}

/* Linux's CAP_IPC_LOCK. */
static bool
may_lock_all(void)
{
    const struct cred *c = thread_current()->cred;
    return !c || cred_can(c, CAP_IPC_LOCK);
}

int
mm_may_grow(const struct mm *m, u32 prot, u32 flags, u64 pages)
{
    if (m->areas.pages + pages > mm_limit(MM_LIMIT_SPACE) >> PAGE_SHIFT)
        return -E_NOMEM;
    if (mm_is_data(prot, flags) &&
        m->vm_data + pages > mm_limit(MM_LIMIT_DATA) >> PAGE_SHIFT)
        return -E_NOMEM;
    return 0;
}

int
mm_may_lock(const struct mm *m, u64 pages)
{
    u64 limit = mm_limit(MM_LIMIT_LOCKED);
    if (limit == ~0ull || may_lock_all())
        return 0;
    if (limit == 0)
        return -E_PERM;
    return m->vm_locked + pages > limit >> PAGE_SHIFT ? -E_AGAIN : 0;
}

u64
mm_pages_in(struct mm *m, uaddr start, uaddr end)
{
    u64 pages = 0;
    for (struct area *a = area_find(&m->areas, start); a && a->start < end; a = a->next)
        pages += (MIN(a->end, end) - MAX(a->start, start)) >> PAGE_SHIFT;
    return pages;
}
