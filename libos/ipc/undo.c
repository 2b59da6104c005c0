/* SPDX-License-Identifier: MIT */
/* What is given back of semaphores when the processes of a group have ended (S5). */
#include "core/clock.h"
#include "core/heap.h"
#include "ipc/sem_private.h"

static struct sem_undo *
undo_of(const struct tree_node *n)
{
    return container_of((struct tree_node *)(uintptr_t)n, struct sem_undo, by_set);
}

static int
compare_undos(const struct tree_node *a, const struct tree_node *b)
{
    uintptr_t x = (uintptr_t)undo_of(a)->set, y = (uintptr_t)undo_of(b)->set;
    return (x > y) - (x < y);
}

static int
compare_set(const void *key, const struct tree_node *n)
{
    uintptr_t x = (uintptr_t)key, y = (uintptr_t)undo_of(n)->set;
    return (x > y) - (x < y);
}

struct sem_undo_group *
sem_undo_group_new(void)
{
    struct sem_undo_group *g = heap_alloc_zeroed(sizeof *g);
    if (g == NULL)
        return NULL;
    g->refs = 1;
    g->users = 1;
    tree_init(&g->undos, compare_undos);
    return g;
}

struct sem_undo_group *
sem_undo_group_of(struct sem_undo_group **at)
{
    struct sem_undo_group *g = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    if (g != NULL)
        return g;
    struct sem_undo_group *fresh = sem_undo_group_new();
    if (fresh == NULL || __atomic_compare_exchange_n(at, &g, fresh, false, __ATOMIC_ACQ_REL,
                                                     __ATOMIC_ACQUIRE))
        return fresh;
    heap_free(fresh); /* another thread was first */
    return g;
}

static void
group_put(struct sem_undo_group *g)
{
    if (atomic_fetch_sub(&g->refs, 1) == 1)
        heap_free(g);
}

void
sem_undo_group_hold(struct sem_undo_group *g)
{
    atomic_fetch_add(&g->refs, 1);
    atomic_fetch_add(&g->users, 1);
}

static u64
undo_bytes(const struct sem_set *s)
{
    return sizeof(struct sem_undo) + s->count * sizeof(i16);
}

/* An undo that stands in no list and no tree. */
static void
undo_free(struct sem_undo *u)
{
    group_put(u->group);
    ipc_uncharge(u->payer, undo_bytes(u->set));
    ipc_put(&sem_table, &u->set->object);
    heap_free(u);
}

static struct sem_undo *
find(struct sem_undo_group *g, struct sem_set *s)
{
    struct tree_node *n = tree_find(&g->undos, s, compare_set);
    return n != NULL ? undo_of(n) : NULL;
}

int
sem_undo_find(struct sem_undo_group *g, struct sem_set *s, struct sem_undo **out)
{
    spin_lock(&g->lock);
    *out = find(g, s);
    spin_unlock(&g->lock);
    if (*out != NULL)
        return 0;
    u32 payer = ipc_payer();
    struct sem_undo *made = ipc_alloc(payer, undo_bytes(s));
    if (made == NULL)
        return -E_NOMEM;
    made->payer = payer;
    made->set = s;
    made->group = g;
    spin_lock(&g->lock);
    spin_lock(&s->object.lock);
    bool removed = s->object.removed;
    *out = removed ? NULL : find(g, s); /* another thread may have made it meanwhile */
    if (!removed && *out == NULL) {
        ipc_hold(&s->object);
        atomic_fetch_add(&g->refs, 1);
        (void)tree_insert(&g->undos, &made->by_set);
        made->grouped = true;
        list_push_back(&s->undos, &made->link);
        *out = made;
    }
    spin_unlock(&s->object.lock);
    spin_unlock(&g->lock);
    if (*out != made) {
        ipc_uncharge(payer, undo_bytes(s));
        heap_free(made);
    }
    return removed ? -E_IDRM : 0;
}

void
sem_undo_drop(struct list *undos)
{
    list_for_each_safe(it, undos) {
        struct sem_undo *u = container_of(it, struct sem_undo, link);
        spin_lock(&u->group->lock);
        if (u->grouped)
            tree_remove(&u->group->undos, &u->by_set);
        spin_unlock(&u->group->lock);
        undo_free(u);
    }
}

/* With the set's lock held: what Linux does, a value stays within its bounds. */
static void
give_back(struct sem_set *s, struct sem_undo *u, i32 pid)
{
    for (u32 i = 0; i < s->count; i++) {
        if (u->give[i] == 0)
            continue;
        i32 value = s->sem[i].value + u->give[i];
        s->sem[i].value = MIN(MAX(value, 0), SEM_VALUE_MAX);
        s->sem[i].pid = pid;
    }
    s->operated_ns = clock_real_ns();
    for (u32 i = 0; i < s->count; i++)
        if (u->give[i] != 0)
            sem_changed(s, i);
}

void
sem_undo_group_leave(struct sem_undo_group *g, i32 pid)
{
    struct tree_node *n;
    if (atomic_fetch_sub(&g->users, 1) != 1) {
        group_put(g);
        return;
    }
    spin_lock(&g->lock);
    while ((n = tree_first(&g->undos)) != NULL) {
        struct sem_undo *u = undo_of(n);
        struct sem_set *s = u->set;
        tree_remove(&g->undos, n);
        u->grouped = false;
        spin_lock(&s->object.lock);
        bool mine = !s->object.removed; /* else sem_undo_drop frees it */
        if (mine) {
            list_remove(&u->link);
            give_back(s, u, pid);
        }
        spin_unlock(&s->object.lock);
        if (mine) {
            spin_unlock(&g->lock);
            undo_free(u);
            spin_lock(&g->lock);
        }
    }
    spin_unlock(&g->lock);
    group_put(g);
}
