/* SPDX-License-Identifier: MIT */
/* Stand-ins for the rest of the kernel: see fake.h. */
#include "fake.h"
#include "base/epoch.h"
#include "base/panic.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USES 16u

int failures;
u64 physmap_base;
u32 cpu_count = FAKE_CPUS;
struct domain *domains;
struct domain fake_domain[FAKE_DOMAINS];
static struct cap *memory[FAKE_DOMAINS];
static struct cpu cpus[FAKE_CPUS];
static u64 epoch = 1;
bool epoch_auto = true;

static struct use {
    struct cap *cap; /* NULL: none */
    struct authority may;
    void *object;
    u16 type;
    u32 cpu;
} uses[USES];

u32 undo_resumes;
bool (*undo_in_use)(const struct cap *c);
u64 undo_count, undo_sum, taken_count;
u64 random_state = 88172645463325252ull;

void
fake_fail(const char *file, int line, const char *what)
{
    if (failures++ < 5)
        printf("# %s:%d: failed: %s\n", file, line, what);
    if (failures > 100)
        abort();
}

void
panic(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# panic: ");
    vprintf(format, args);
    printf("\n");
    fflush(stdout);
    va_end(args);
    abort();
}

u64
random_below(u64 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state * 0x2545f4914f6cdd1dull >> 11) % n;
}

/* ---- CPUs and epochs ---- */

struct cpu *
this_cpu(void)
{
    return &cpus[0];
}

struct cpu *
cpu_by_id(u32 id)
{
    return &cpus[id];
}

u64
epoch_next(void)
{
    return ++epoch;
}

u64
epoch_now(void)
{
    return epoch;
}

void
cpu_pass(u32 cpu)
{
    for (u32 i = 0; i < USES; i++)
        if (uses[i].cpu == cpu)
            uses[i].cap = NULL;
    cpus[cpu].epoch = epoch;
}

void
cpus_pass(void)
{
    for (u32 i = 0; i < FAKE_CPUS; i++)
        cpu_pass(i);
}

bool
epoch_seen(u64 e)
{
    if (e > epoch)
        return false;
    for (u32 i = 1; i < FAKE_CPUS; i++)
        if (cpus[i].epoch < e)
            return false;
    cpu_pass(0);
    return true;
}

void
epoch_ask(u64 set, u64 e)
{
    for (u32 i = 0; i < FAKE_CPUS; i++)
        if ((set >> i & 1) && cpus[i].epoch < e && (i == 0 || epoch_auto))
            cpu_pass(i);
}

void
use_begin(u32 cpu, struct cap *c)
{
    struct use *u = &uses[random_below(USES)];
    /* A look-up fails for a capability without a name, and an ending domain has no vCPU
     * that looks up. */
    if (!u->cap && c->name != 0 && !c->holder->table.closed)
        *u = (struct use){ .cap = c,
                           .may = c->may,
                           .object = c->object,
                           .type = (u16)cap_type(c),
                           .cpu = cpu };
}

void
uses_check(void)
{
    for (u32 i = 0; i < USES; i++) {
        struct use *u = &uses[i];
        if (!u->cap)
            continue;
        CHECK(u->may.auth == u->cap->may.auth && u->may.lo == u->cap->may.lo &&
              u->may.hi == u->cap->may.hi);
        CHECK(u->object == u->cap->object && u->type == cap_type(u->cap));
    }
}

void
uses_drop(const struct domain *holder)
{
    for (u32 i = 0; i < USES; i++)
        if (uses[i].cap && uses[i].cap->holder == holder)
            uses[i].cap = NULL;
}

/* ---- undo ---- */

u64
undo_hash(const struct domain *holder, u64 slot, u64 generation)
{
    u64 x = holder->id * 0x9e3779b97f4a7c15ull ^ slot * 0xbf58476d1ce4e5b9ull ^
            generation * 0x94d049bb133111ebull;
    x ^= x >> 29;
    return x * 0xff51afd7ed558ccdull;
}

int
cap_undo(struct cap *dying)
{
    CHECK(dying->state == CAP_DYING && dying->name == 0);
    for (u32 i = 0; i < USES; i++)
        CHECK(uses[i].cap != dying); /* P5 */
    if (undo_in_use && undo_in_use(dying))
        return -FB_E_INUSE;
    if (dying->phase < undo_resumes) {
        dying->phase++;
        return -FB_E_RESUME;
    }
    undo_count++;
    undo_sum += undo_hash(dying->holder, (u64)(dying - dying->holder->table.slots),
                          dying->generation);
    if (cap_type(dying) == FB_TYPE_SPACE)
        free(dying->object);
    return 0;
}

void
cap_forget(struct cap *first)
{
    if (cap_type(first) == FB_TYPE_SPACE)
        ((struct space *)first->object)->cap = NULL;
    else if (cap_type(first) == FB_TYPE_VCPU)
        ((struct vcpu *)first->object)->cap = NULL;
    else
        ((struct domain *)first->object)->cap = NULL;
}

/* ---- domains ---- */

void
fake_table_reset(u32 domain, u32 slots)
{
    free(memory[domain]);
    memory[domain] = aligned_alloc(128, slots * sizeof(struct cap));
    memset(memory[domain], 0, slots * sizeof(struct cap));
    fake_domain[domain].id = domain + 1;
    cap_table_init(&fake_domain[domain].table, memory[domain], slots,
                   &fake_domain[domain]);
}

void
fake_reset(u32 slots)
{
    memset(uses, 0, sizeof(uses));
    epoch_auto = true;
    undo_resumes = 0;
    undo_in_use = NULL;
    undo_count = undo_sum = 0;
    for (u32 i = 0; i < FAKE_CPUS; i++) {
        cpus[i].id = i;
        cpus[i].online = 1;
        cpus[i].epoch = epoch;
    }
    for (u32 i = 0; i < FAKE_DOMAINS; i++)
        fake_table_reset(i, slots);
}

struct cap *
fake_cap(u32 domain, u64 name)
{
    return &fake_domain[domain].table.slots[name & CAP_SLOT_MASK];
}

/* ---- invariants ---- */

static u32
check_list(const struct cap *parent, const struct cap *head, enum cap_list list)
{
    const struct cap *c = head;
    u32 n = 0;

    if (!head)
        return 0;
    do {
        CHECK(c->parent == parent && c->list == list);   /* T1 */
        CHECK(c->next->prev == c && c->prev->next == c); /* T2 */
        CHECK(c->state == CAP_LIVE || c->state == CAP_DYING);
        if (list == CAP_IN_DYING)
            CHECK(c->state == CAP_DYING && !c->child && !c->made && !c->dying);
        if (list == CAP_IN_MADE)
            CHECK(c->flags & CAP_F_FIRST);
        else if (cap_type(c) == cap_type(parent))
            CHECK(lattice_leq(c->may, parent->may)); /* P3 */
        c = c->next;
    } while (c != head && n++ < 100000);
    CHECK(c == head);
    return n + 1;
}

void
check_invariants(void)
{
    u32 linked = 0, roots = 0, used = 0;

    for (u32 d = 0; d < FAKE_DOMAINS; d++) {
        struct cap_table *t = &fake_domain[d].table;
        u32 here = 0, free_ones = 0, retired = 0;
        for (u32 i = 0; i < t->count; i++) {
            struct cap *c = &t->slots[i];
            bool live = c->state == CAP_LIVE;
            CHECK((c->name != 0) == live); /* P1 */
            CHECK(!live || c->name == (c->generation << FB_NAME_SLOT_BITS | i));
            retired += c->state == CAP_RETIRED;
            free_ones += c->state == CAP_FREE || c->state == CAP_LIMBO;
            if (!live && c->state != CAP_DYING)
                continue;
            here++;
            roots += c->list == CAP_IN_NONE;
            linked += check_list(c, c->child, CAP_IN_CHILD) +
                      check_list(c, c->made, CAP_IN_MADE) +
                      check_list(c, c->dying, CAP_IN_DYING);
        }
        CHECK(here == t->used && retired == t->retired &&
              here + free_ones + retired == t->count);
        used += here;
        u32 listed = t->count - t->fresh;
        for (struct cap *c = t->free; c; c = c->next, listed++)
            CHECK(c->state == CAP_FREE);
        for (struct cap *c = t->limbo; c; c = c->next, listed++)
            CHECK(c->state == CAP_LIMBO && (c->next != NULL || c == t->limbo_end));
        CHECK(listed == free_ones);
    }
    CHECK(linked + roots == used); /* each is in one list, or a root */
}

void
cap_taken(struct cap *dying)
{
    taken_count++;
    CHECK(dying->state == CAP_DYING);
}
