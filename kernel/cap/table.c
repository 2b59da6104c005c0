/* SPDX-License-Identifier: MIT */
/*
 * Capability tables: slots, names, generations, free lists; insertion and derivation.
 * Contract: cap/cap.h.
 *
 * A table is not prepared slot by slot, which would take unbounded time: slots from
 * `fresh` on were never used and are all zero.  A slot that was deleted without waiting
 * for a quiet point goes through the limbo, because another CPU of the same domain may be
 * between its look-up and the end of its call: were the slot taken again meanwhile, it
 * would read the rights of one capability and the object of another.
 *
 * Locking: everything but cap_lookup under the tree lock.
 */
#include "base/cpu.h"
#include "base/epoch.h"
#include "base/panic.h"
#include "cap/tree.h"
#include "domain/domain.h"

static atomic_flag tree_lock = ATOMIC_FLAG_INIT;

int
cap_lock(void)
{
    if (atomic_flag_test_and_set_explicit(&tree_lock, memory_order_acquire))
        return -FB_E_BUSY;
    return 0;
}

void
cap_release(void)
{
    atomic_flag_clear_explicit(&tree_lock, memory_order_release);
}

void
cap_table_init(struct cap_table *table, void *memory, u32 count, struct domain *holder)
{
    ASSERT(count > 0 && count <= CAP_SLOT_MASK + 1);
    ASSERT(holder != NULL && table == &holder->table); /* cap_home depends on it */
    *table = (struct cap_table){ .slots = memory, .count = count, .holder = holder };
}

struct cap_table *
cap_home(const struct cap *c)
{
    return &c->holder->table;
}

struct cap *
cap_slot(struct cap_table *table, u64 name)
{
    u64 slot = name & CAP_SLOT_MASK;

    if (name == 0 || slot >= table->fresh)
        return NULL;
    return &table->slots[slot];
}

u64
cap_epoch_tag(void)
{
    /* The names that were cleared must be visible before the epoch is read: else a CPU
     * could see the next epoch begin and still find a name. */
    atomic_thread_fence(memory_order_seq_cst);
    return epoch_now() + 1;
}

int
cap_find_ending(struct cap_table *table, u64 name, u32 type, u64 need, struct cap **out)
{
    int error = cap_lookup(table, name, type, need, out);

    return error == -FB_E_DEAD ? cap_lookup(table, name, type | CAP_ENDING, need, out)
                               : error;
}

static u64
all_cpus(void)
{
    return cpu_count >= 64 ? ~0ull : (1ull << cpu_count) - 1;
}

bool
cap_quiet(u64 tag)
{
    if (epoch_now() < tag)
        (void)epoch_next();
    if (epoch_seen(tag))
        return true;
    epoch_ask(all_cpus(), tag);
    return epoch_seen(tag);
}

/* The same without side effects: unlike epoch_seen it leaves the own epoch alone, because
 * insertion happens in the middle of calls that hold authority. */
static bool
quiet_already(u64 tag)
{
    for (u32 i = 0; i < cpu_count; i++) {
        struct cpu *cpu = cpu_by_id(i);
        if (atomic_load(&cpu->online) && !atomic_load(&cpu->idle) &&
            atomic_load(&cpu->epoch) < tag)
            return false;
    }
    return true;
}

/* Does the slot have another generation? Else it is retired (P2). */
static bool
slot_renew(struct cap *c)
{
    struct cap_table *table = cap_home(c);

    ASSERT(atomic_load_explicit(&c->name, memory_order_relaxed) == 0 &&
           c->list == CAP_IN_NONE);
    ASSERT(!c->child && !c->made && !c->dying && table->used > 0);
    table->used--;
    /* `may`, `type` and `object` stay: a call on another CPU may still be reading them.
     */
    c->parent = c->next = c->prev = NULL;
    c->flags = 0;
    if (c->generation == CAP_GENERATION_MAX) {
        c->state = CAP_RETIRED;
        table->retired++;
        return false;
    }
    c->generation++;
    return true;
}

void
cap_slot_free(struct cap *c)
{
    struct cap_table *table = cap_home(c);

    if (!slot_renew(c))
        return;
    c->state = CAP_FREE;
    c->next = table->free;
    table->free = c;
}

void
cap_slot_limbo(struct cap *c)
{
    struct cap_table *table = cap_home(c);

    if (!slot_renew(c))
        return;
    c->state = CAP_LIMBO;
    c->epoch = cap_epoch_tag();
    if (table->limbo)
        table->limbo_end->next = c;
    else
        table->limbo = c;
    table->limbo_end = c;
}

/* Is there a slot that slot_take will find? 0, -FULL, -BUSY. */
static int
slot_available(struct cap_table *table)
{
    if (table->free || table->fresh < table->count)
        return 0;
    if (!table->limbo)
        return -FB_E_FULL;
    if (quiet_already(table->limbo->epoch))
        return 0;
    (void)cap_quiet(table->limbo->epoch);
    return -FB_E_BUSY; /* even if it is quiet now: the own epoch has moved (cap_insert) */
}

static struct cap *
slot_take(struct cap_table *table)
{
    struct cap *c = table->free;

    if (c) {
        table->free = c->next;
    } else if (table->fresh < table->count) {
        c = &table->slots[table->fresh++];
        c->generation = 1;
        c->holder = table->holder;
    } else {
        c = table->limbo;
        ASSERT(c != NULL && c->state == CAP_LIMBO);
        table->limbo = c->next;
    }
    table->used++;
    c->next = NULL;
    return c;
}

static int
reserve_locked(struct cap_table *table, struct cap *parent)
{
    if (table->closed)
        return -FB_E_DEAD;
    if (parent && (parent->state != CAP_LIVE || (parent->flags & CAP_F_DESTROY)))
        return -FB_E_DEAD;
    return slot_available(table);
}

int
cap_reserve(struct cap_table *table, struct cap *parent)
{
    int error = cap_lock();

    if (error)
        return error;
    error = reserve_locked(table, parent);
    if (error)
        cap_release();
    return error;
}

/* Fill a slot and link it; the name is published last (P1). */
static u64
insert(struct cap_table *table, struct cap *parent, u32 type, void *object,
       struct authority may, u16 flags)
{
    struct cap *c = slot_take(table);
    bool made = (flags & CAP_F_FIRST) && (type == FB_TYPE_DOMAIN || type == FB_TYPE_VCPU);
    u64 name = (c->generation << FB_NAME_SLOT_BITS) | (u64)(c - table->slots);

    ASSERT(!lattice_is_bottom(may));
    ASSERT(!parent || parent->type != type || lattice_leq(may, parent->may)); /* P3 */
    c->may = may;
    c->object = object;
    c->type = (u16)type;
    c->state = CAP_LIVE;
    c->flags = flags;
    c->phase = 0;
    c->epoch = 0;
    c->cursor = 0;
    if (parent)
        cap_link(parent, c, made ? CAP_IN_MADE : CAP_IN_CHILD, true);
    atomic_store_explicit(&c->name, name, memory_order_release);
    return name;
}

u64
cap_insert_locked(struct cap_table *table, struct cap *parent, u32 type, void *object,
                  struct authority may)
{
    return insert(table, parent, type, object, may, object ? CAP_F_FIRST : 0);
}

int
cap_insert(struct cap_table *table, struct cap *parent, u32 type, void *object,
           struct authority may, u64 *name)
{
    int error = cap_reserve(table, parent);

    if (error)
        return error;
    *name = cap_insert_locked(table, parent, type, object, may);
    cap_release();
    return 0;
}

/* A source of any type. */
static int
find_source(struct cap_table *from, u64 source, u64 need, struct cap **out)
{
    u64 slot = source & CAP_SLOT_MASK;

    if (source == 0 || slot >= from->count ||
        atomic_load_explicit(&from->slots[slot].name, memory_order_acquire) != source)
        return -FB_E_NAME;
    *out = &from->slots[slot];
    return need & ~(*out)->may.auth ? -FB_E_AUTHORITY : 0;
}

int
cap_derive_to(struct cap_table *from, u64 source, struct cap_table *to, u64 clearance,
              struct authority ask, u64 need, u64 *name)
{
    struct cap *c;
    struct authority may;
    int error;

    error = find_source(from, source, need, &c);
    if (error)
        return error;
    may = lattice_meet(c->may, ask);
    if (lattice_is_bottom(may))
        return -FB_E_EMPTY;
    if (FB_AUTH_CLASS(may.auth) & ~clearance)
        return -FB_E_CLEARANCE;
    error = cap_reserve(to, c);
    if (error)
        return error;
    *name = insert(to, c, cap_type(c), c->object, may, 0);
    cap_release();
    return 0;
}

int
cap_move_locked(struct cap_table *from, u64 source, struct cap_table *to, u64 clearance,
                u64 *name)
{
    struct cap *c, *moved;
    int error = find_source(from, source, FB_AUTH(0, 0, FB_RIGHT_GRANT), &c);

    if (error)
        return error;
    if (FB_AUTH_CLASS(c->may.auth) & ~clearance)
        return -FB_E_CLEARANCE;
    error = reserve_locked(to, c);
    if (error)
        return error;
    if (!cap_can_go(c))
        return -FB_E_INUSE;
    *name = insert(to, c->parent, cap_type(c), c->object, c->may, 0);
    moved = &to->slots[*name & CAP_SLOT_MASK];
    cap_unlink(c);
    cap_link(moved, c, CAP_IN_CHILD, true);
    (void)cap_let_go(c);
    return 0;
}

int
cap_move_to(struct cap_table *from, u64 source, struct cap_table *to, u64 clearance,
            u64 *name)
{
    int error = cap_lock();

    if (error)
        return error;
    error = cap_move_locked(from, source, to, clearance, name);
    cap_release();
    return error;
}
