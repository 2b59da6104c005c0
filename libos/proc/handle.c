/* SPDX-License-Identifier: MIT */
/* Handles of processes: H1 to H3 in handle.h. */
#include "proc/handle.h"

#include "core/heap.h"
#include "proc/internal.h"

struct proc_handle *
proc_handle_get(struct process *p)
{
    struct proc_handle *fresh = NULL;
    if (__atomic_load_n(&p->handle, __ATOMIC_ACQUIRE) == NULL) {
        fresh = heap_alloc_zeroed(sizeof *fresh);
        if (fresh == NULL)
            return NULL;
        fresh->refs = 1; /* the process's own */
        waitq_init(&fresh->wait);
    }
    spin_lock(&p->lock);
    struct proc_handle *h = p->handle;
    if (h == NULL) {
        h = fresh;
        fresh = NULL;
        /* Who has p by a reference may come after its burial. */
        h->process = atomic_load(&p->state) != PROC_DEAD ? p : NULL;
        __atomic_store_n(&p->handle, h, __ATOMIC_SEQ_CST);
    }
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    spin_unlock(&p->lock);
    heap_free(fresh);
    return h;
}

void
proc_handle_release(struct proc_handle *h)
{
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
        heap_free(h);
}

struct process *
proc_handle_process(struct proc_handle *h)
{
    spin_lock(&h->lock);
    struct process *p = h->process;
    if (p != NULL)
        proc_hold(p);
    spin_unlock(&h->lock);
    return p;
}

bool
proc_handle_ended(struct proc_handle *h)
{
    spin_lock(&h->lock);
    struct process *p = h->process;
    bool ended = p == NULL || atomic_load(&p->state) == PROC_ZOMBIE ||
                 atomic_load(&p->state) == PROC_DEAD;
    spin_unlock(&h->lock);
    return ended;
}

/* Who asks for a handle looks at the state after it was set, so a handle that is not seen
 * here sees the zombie. */
void
proc_handle_zombie(struct process *p)
{
    atomic_thread_fence(memory_order_seq_cst);
    struct proc_handle *h = __atomic_load_n(&p->handle, __ATOMIC_RELAXED);
    if (h != NULL)
        wait_wake(&h->wait, ~0u);
}

void
proc_handle_buried(struct process *p)
{
    spin_lock(&p->lock); /* against proc_handle_get's look at the state */
    struct proc_handle *h = p->handle;
    spin_unlock(&p->lock);
    if (h == NULL)
        return;
    spin_lock(&h->lock);
    h->process = NULL;
    spin_unlock(&h->lock);
}
