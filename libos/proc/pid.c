/* SPDX-License-Identifier: MIT */
/*
 * Numbers in a bitmap, slots in leaves of one page each that are made when first needed,
 * and go when none of their numbers is in use and the search has left them. After the
 * highest number the search begins at PID_FIRST_AGAIN, so that a number comes back as
 * late as possible and the low ones remain the system's.
 */
#include "proc/pid.h"

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"

#define PID_FIRST_AGAIN 300
#define SLOTS_PER_LEAF 128
#define LEAVES (PID_MAX / SLOTS_PER_LEAF)
#define WORDS (PID_MAX / 64)

_Static_assert(sizeof(struct pid_slot) * SLOTS_PER_LEAF <= 4096,
               "a leaf is at most a page");

struct spinlock pid_lock = SPINLOCK_INIT;
static struct pid_slot *leaves[LEAVES]; /* pid_lock */
static u64 used[WORDS] = { 1 };         /* pid_lock; number 0 is nobody's */
static i32 last;                        /* pid_lock */
static u64 in_use;                      /* pid_lock */

struct pid_slot *
pid_slot_locked(i32 pid)
{
    if (pid <= 0 || pid >= PID_MAX || leaves[pid / SLOTS_PER_LEAF] == NULL)
        return NULL;
    return &leaves[pid / SLOTS_PER_LEAF][pid % SLOTS_PER_LEAF];
}

/* The first free number in [from, to), or -E_AGAIN. */
static i32
find_free(i32 from, i32 to)
{
    for (i32 word = from / 64; word * 64 < to; word++) {
        u64 taken = used[word];
        if (word == from / 64)
            taken |= (1ull << (from % 64)) - 1;
        if (~taken != 0) {
            i32 pid = word * 64 + __builtin_ctzll(~taken);
            return pid < to ? pid : -E_AGAIN;
        }
    }
    return -E_AGAIN;
}

static i32
next_number(void)
{
    i32 pid = -E_AGAIN;
    if (last + 1 < PID_MAX)
        pid = find_free(last + 1, PID_MAX);
    if (pid < 0)
        pid = find_free(PID_FIRST_AGAIN, PID_MAX);
    return pid;
}

/* The leaf of `pid` if it has gone: to be freed without the lock. */
static struct pid_slot *
drop_leaf_locked(i32 pid)
{
    i32 i = pid / SLOTS_PER_LEAF;
    if (i == last / SLOTS_PER_LEAF)
        return NULL;
    for (i32 word = 0; word < SLOTS_PER_LEAF / 64; word++)
        if (used[i * (SLOTS_PER_LEAF / 64) + word] != 0)
            return NULL;
    struct pid_slot *leaf = leaves[i];
    leaves[i] = NULL;
    return leaf;
}

static i32
chosen_number(i32 pid)
{
    return (used[pid / 64] >> (pid % 64)) & 1 ? -E_EXIST : pid;
}

/* The search goes on from where it was when the number was chosen: its leaf may go as
 * soon as it is free. Returns the leaf that the search has left, if it is empty. */
static struct pid_slot *
take_locked(i32 pid, bool chosen)
{
    struct pid_slot *leaf = leaves[pid / SLOTS_PER_LEAF];
    i32 before = last;
    used[pid / 64] |= 1ull << (pid % 64);
    in_use++;
    leaf[pid % SLOTS_PER_LEAF] = (struct pid_slot){ .uses = 1 };
    if (chosen)
        return NULL;
    last = pid;
    return drop_leaf_locked(before);
}

/* wanted: 0: the next one that is free */
static i32
alloc(i32 wanted)
{
    struct pid_slot *spare = NULL;
    spin_lock(&pid_lock);
    for (;;) {
        i32 pid = wanted != 0 ? chosen_number(wanted) : next_number();
        if (pid < 0) {
            spin_unlock(&pid_lock);
            heap_free(spare);
            return pid;
        }
        struct pid_slot **leaf = &leaves[pid / SLOTS_PER_LEAF];
        if (*leaf == NULL && spare != NULL) {
            *leaf = spare;
            spare = NULL;
        }
        if (*leaf != NULL) {
            struct pid_slot *left = take_locked(pid, wanted != 0);
            spin_unlock(&pid_lock);
            heap_free(spare);
            heap_free(left);
            return pid;
        }
        /* The leaf is made without the lock; the number may have gone by then. */
        spin_unlock(&pid_lock);
        spare = heap_alloc_zeroed(sizeof(struct pid_slot) * SLOTS_PER_LEAF);
        if (spare == NULL)
            return -E_NOMEM;
        spin_lock(&pid_lock);
    }
}

i32
pid_alloc(void)
{
    return alloc(0);
}

i32
pid_alloc_chosen(i32 pid)
{
    ASSERT(pid > 0 && pid < PID_MAX);
    return alloc(pid);
}

void
pid_hold(i32 pid)
{
    spin_lock(&pid_lock);
    struct pid_slot *s = pid_slot_locked(pid);
    ASSERT(s != NULL && s->uses > 0);
    s->uses++;
    spin_unlock(&pid_lock);
}

void
pid_drop(i32 pid)
{
    struct pid_slot *left = NULL;
    spin_lock(&pid_lock);
    struct pid_slot *s = pid_slot_locked(pid);
    ASSERT(s != NULL && s->uses > 0);
    if (--s->uses == 0) {
        ASSERT(s->process == NULL && s->thread == NULL && s->group == NULL);
        used[pid / 64] &= ~(1ull << (pid % 64));
        in_use--;
        left = drop_leaf_locked(pid);
    }
    spin_unlock(&pid_lock);
    heap_free(left);
}

void
pid_set_process(i32 pid, struct process *p)
{
    spin_lock(&pid_lock);
    pid_slot_locked(pid)->process = p;
    spin_unlock(&pid_lock);
}

void
pid_set_thread(i32 pid, struct thread *t)
{
    spin_lock(&pid_lock);
    pid_slot_locked(pid)->thread = t;
    spin_unlock(&pid_lock);
}

void
pid_set_group(i32 pid, struct pgroup *g)
{
    spin_lock(&pid_lock);
    pid_slot_locked(pid)->group = g;
    spin_unlock(&pid_lock);
}

i32
pid_next_used(i32 after)
{
    i32 from = after < 0 ? 1 : after + 1;
    for (i32 word = from / 64; word < WORDS; word++) {
        u64 bits = used[word];
        if (word == 0)
            bits &= ~1ull;
        if (word == from / 64)
            bits &= ~((1ull << (from % 64)) - 1);
        if (bits != 0)
            return word * 64 + __builtin_ctzll(bits);
    }
    return 0;
}

i32
pid_last(void)
{
    return last;
}

u64
pid_in_use(void)
{
    return in_use;
}
