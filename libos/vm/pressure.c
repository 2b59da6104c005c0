/* SPDX-License-Identifier: MIT */
/*
 * Memory is short: what is given back before anybody is ended (vm/pager.h).
 *
 * PR1. The order is by what it costs whom: what programs have given up costs nobody; spare
 *      spaces and free tables cost the next fork a little; pages of zeros cost their process
 *      a fault.
 * Locking: one mm's lock at a time; the caller holds none.
 */
#include "core/log.h"
#include "core/page.h"
#include "proc/proc.h"
#include "vm/mm.h"
#include "vm/mm_private.h"
#include "vm/pager.h"

typedef u64 (*give_fn)(struct mm *m, u64 wanted);

static u64
give_lazy(struct mm *m, u64 wanted)
{
    (void)wanted;
    mutex_lock(&m->lock);
    u64 before = m->rss[RSS_ANONYMOUS];
    lazy_settle(m, 0, USER_TOP);
    u64 given = before - m->rss[RSS_ANONYMOUS];
    mutex_unlock(&m->lock);
    return given;
}

static u64
each_space(give_fn give, u64 wanted)
{
    u64 given = 0;
    for (struct process *p = proc_next(0), *next; p; p = next) {
        struct mm *m = given < wanted ? mm_of(p) : NULL;
        if (m) {
            given += give(m, wanted - given);
            mm_drop(m);
        }
        next = proc_next(p->pid);
        proc_release(p);
    }
    return given;
}

u64
pressure_take_given(u64 wanted)
{
    return each_space(give_lazy, wanted);
}

u64
pressure_relieve(u64 wanted)
{
    u64 given = pressure_take_given(wanted);
    if (given < wanted) {
        mm_spares_drop();
        given += page_tables_give_back();
    }
    if (given < wanted)
        given += each_space(mm_take, wanted - given);
    return given;
}
