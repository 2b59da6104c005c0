/* SPDX-License-Identifier: MIT */
/* Unit tests of cap/: each documented error, the bounds of each step, and the random
 * comparison with the model. */
#include "fake.h"
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cap_table *
table(u32 domain)
{
    return &fake_domain[domain].table;
}

static u64
root(u32 type)
{
    struct authority may = { .auth = ALL_MAY, .lo = 0, .hi = 1000 };
    u64 name = 0;
    CHECK(cap_insert(table(0), NULL, type, NULL, may, &name) == 0);
    return name;
}

static const struct authority whole = { .auth = ~0ull, .lo = 0, .hi = ~0ull };

static u64
derive(u32 from, u64 source, u32 to)
{
    u64 name = 0;
    CHECK(cap_derive_to(table(from), source, table(to), FB_CLASS_ROOT, whole, 0, &name) ==
          0);
    return name;
}

static u64
make(u32 from, u64 parent, u32 to, u32 type, void *object)
{
    struct authority may = { .auth = ALL_MAY, .lo = 0, .hi = 1 };
    u64 name = 0;
    CHECK(cap_insert(table(to), fake_cap(from, parent), type, object, may, &name) == 0);
    return name;
}

static bool
alive(u32 domain, u64 name)
{
    return fake_cap(domain, name)->name == name;
}

/* One step of a revocation, wherever that leads. */
static void
nudge(u32 domain, u64 name)
{
    int error = cap_revoke_step(table(domain), name);
    CHECK(error == 0 || error == -FB_E_RESUME || error == -FB_E_INUSE ||
          error == -FB_E_NAME);
}

/* Repeat a step until it is not RESUME; every CPU passes in between. */
#define FINISH(step)                                                                     \
    ({                                                                                   \
        int e_;                                                                          \
        u32 n_ = 0;                                                                      \
        while ((e_ = (step)) == -FB_E_RESUME && n_++ < 100000)                           \
            cpus_pass();                                                                 \
        e_;                                                                              \
    })

static void
test_lookup_when_wrong_then_precise_error(void)
{
    /* Verify that a look-up tells a bad name, a wrong type and a missing right apart. */
    struct cap *c = NULL;
    u64 name = root(FB_TYPE_PORT);
    CHECK(cap_lookup(table(0), name, FB_TYPE_PORT, ALL_MAY, &c) == 0 &&
          c == fake_cap(0, name));
    CHECK(cap_lookup(table(0), 0, FB_TYPE_PORT, 0, &c) == -FB_E_NAME);
    CHECK(cap_lookup(table(0), CAP_SLOT_MASK, FB_TYPE_PORT, 0, &c) == -FB_E_NAME);
    CHECK(cap_lookup(table(0), name + (1ull << 24), FB_TYPE_PORT, 0, &c) == -FB_E_NAME);
    CHECK(cap_lookup(table(0), name + 1, FB_TYPE_PORT, 0, &c) == -FB_E_NAME);
    CHECK(cap_lookup(table(1), name, FB_TYPE_PORT, 0, &c) == -FB_E_NAME);
    CHECK(cap_lookup(table(0), name, FB_TYPE_IRQ, 0, &c) == -FB_E_TYPE);
    CHECK(cap_lookup(table(0), name, FB_TYPE_PORT, 1ull << 48, &c) == -FB_E_AUTHORITY);
}

static void
test_derive_when_wrong_then_precise_error(void)
{
    /* Verify that each documented error of cap_derive_to is returned, and nothing is
     * made. */
    u64 name = 0, r = root(FB_TYPE_MEMORY);
    struct authority ask = whole;
    CHECK(cap_derive_to(table(0), 0, table(1), 0x3f, ask, 0, &name) == -FB_E_NAME);
    CHECK(cap_derive_to(table(0), CAP_SLOT_MASK, table(1), 0x3f, ask, 0, &name) ==
          -FB_E_NAME);
    CHECK(cap_derive_to(table(0), r + (1ull << 24), table(1), 0x3f, ask, 0, &name) ==
          -FB_E_NAME);
    CHECK(cap_derive_to(table(0), r, table(1), 0x3f, ask, 1ull << 50, &name) ==
          -FB_E_AUTHORITY);
    ask.lo = 1000;
    CHECK(cap_derive_to(table(0), r, table(1), 0x3f, ask, 0, &name) == -FB_E_EMPTY);
    ask = (struct authority){ .auth = ~0ull << 32, .lo = 0, .hi = 10 };
    CHECK(cap_derive_to(table(0), r, table(1), 0x3f, ask, 0, &name) == -FB_E_EMPTY);
    CHECK(cap_derive_to(table(0), r, table(1), FB_CLASS_USER, whole, 0, &name) ==
          -FB_E_CLEARANCE);
    ask = whole;
    ask.auth = ~0x0full;
    CHECK(cap_derive_to(table(0), r, table(1), FB_CLASS_USER, ask, 0, &name) == 0);
    CHECK(fake_cap(1, name)->may.auth == (ALL_MAY & ~0x0full) &&
          fake_cap(1, name)->holder == &fake_domain[1]);
    CHECK(cap_lock() == 0);
    CHECK(cap_derive_to(table(0), r, table(1), 0x3f, whole, 0, &name) == -FB_E_BUSY);
    cap_release();
    CHECK(table(1)->used == 1 && table(0)->used == 1);
    CHECK(FINISH(cap_table_clear_step(table(1))) == 0);
    CHECK(cap_derive_to(table(0), r, table(1), 0x3f, whole, 0, &name) == -FB_E_DEAD);
    for (u32 i = 1; i < FAKE_SLOTS; i++)
        (void)derive(0, r, 0);
    CHECK(cap_derive_to(table(0), r, table(0), 0x3f, whole, 0, &name) == -FB_E_FULL);
}

static void
test_insert_when_refused_then_lock_is_free(void)
{
    /* Verify that cap_reserve keeps the lock exactly when it succeeds, and that DEAD and
     * BUSY are told. */
    u64 r = root(FB_TYPE_MACHINE), name = 0;
    struct domain d = { .state = 0 };
    struct authority may = { .auth = ALL_MAY, .lo = 0, .hi = 1 };
    CHECK(cap_reserve(table(0), fake_cap(0, r)) == 0);
    CHECK(cap_lock() == -FB_E_BUSY && cap_reserve(table(0), NULL) == -FB_E_BUSY);
    CHECK(cap_insert(table(0), NULL, FB_TYPE_PORT, NULL, may, &name) == -FB_E_BUSY);
    cap_release();
    epoch_auto = false;
    u64 f = make(0, r, 0, FB_TYPE_DOMAIN, &d);
    CHECK(cap_destroy_step(fake_cap(0, f)) == -FB_E_RESUME);
    CHECK(cap_reserve(table(0), fake_cap(0, f)) == -FB_E_DEAD);
    CHECK(cap_lock() == 0);
    cap_release();
    struct cap *gone = fake_cap(0, r);
    CHECK(FINISH(cap_destroy_step(fake_cap(0, f))) == 0);
    CHECK(cap_delete(table(0), r) == 0);
    CHECK(cap_reserve(table(0), gone) == -FB_E_DEAD);
    CHECK(cap_lock() == 0);
    cap_release();
}

static void
test_slot_when_deleted_then_waits_for_epoch(void)
{
    /* Verify that a deleted slot is not used again before all CPUs passed, and that BUSY
     * asks for that. */
    u64 r = root(FB_TYPE_PORT), name = 0, last = 0;
    epoch_auto = false;
    for (u32 i = 1; i < FAKE_SLOTS; i++)
        last = derive(0, r, 0);
    CHECK(cap_derive_to(table(0), r, table(0), 0x3f, whole, 0, &name) == -FB_E_FULL);
    use_begin(1, fake_cap(0, last));
    CHECK(cap_delete(table(0), last) == 0 && table(0)->used == FAKE_SLOTS - 1);
    CHECK(cap_derive_to(table(0), r, table(0), 0x3f, whole, 0, &name) == -FB_E_BUSY);
    CHECK(cap_derive_to(table(0), r, table(0), 0x3f, whole, 0, &name) == -FB_E_BUSY);
    uses_check();
    cpus_pass();
    CHECK(cap_derive_to(table(0), r, table(0), 0x3f, whole, 0, &name) == 0);
    CHECK((name & CAP_SLOT_MASK) == (last & CAP_SLOT_MASK) && name != last);
}

static void
test_generation_when_last_then_retired(void)
{
    /* Verify that the slot of the last generation is never used again. */
    u64 name = root(FB_TYPE_PORT);
    struct cap *c = fake_cap(0, name);
    atomic_store(&c->name, 0);
    c->generation = CAP_GENERATION_MAX;
    name = CAP_GENERATION_MAX << FB_NAME_SLOT_BITS | (name & CAP_SLOT_MASK);
    atomic_store(&c->name, name);
    CHECK(cap_delete(table(0), name) == 0);
    CHECK(c->state == CAP_RETIRED && table(0)->retired == 1 && table(0)->used == 0);
    cpus_pass();
    for (u32 i = 1; i < FAKE_SLOTS; i++)
        (void)root(FB_TYPE_PORT);
    struct authority may = { .auth = ALL_MAY, .lo = 0, .hi = 1 };
    CHECK(cap_insert(table(0), NULL, FB_TYPE_PORT, NULL, may, &name) == -FB_E_FULL);
    CHECK(c->state == CAP_RETIRED);
}

static void
test_delete_when_wrong_then_precise_error(void)
{
    /* Verify that cap_delete returns NAME, BUSY, and INUSE for first capabilities and
     * unfinished revocations. */
    u64 r = root(FB_TYPE_MEMORY), m = derive(0, r, 1);
    struct space s = { .busy = 0 };
    CHECK(cap_delete(table(0), 0) == -FB_E_NAME);
    CHECK(cap_delete(table(0), r + (1ull << 24)) == -FB_E_NAME);
    CHECK(cap_delete(table(0), CAP_SLOT_MASK) == -FB_E_NAME);
    CHECK(cap_lock() == 0);
    CHECK(cap_delete(table(0), r) == -FB_E_BUSY);
    cap_release();
    u64 f = make(1, m, 2, FB_TYPE_SPACE, &s);
    CHECK(cap_delete(table(2), f) == -FB_E_INUSE);
    (void)derive(1, m, 2);
    epoch_auto = false;
    CHECK(cap_revoke_step(table(1), m) == -FB_E_RESUME);
    CHECK(cap_delete(table(1), m) == -FB_E_INUSE);
    CHECK(cap_delete(table(2), f) == -FB_E_NAME);
}

static void
test_delete_when_granted_memory_then_undone_once(void)
{
    /* Verify that deleting what another domain granted undoes it after a quiet point,
     * repeated by the same name. */
    u64 r = root(FB_TYPE_MEMORY), m = derive(0, r, 1), c = derive(1, m, 1);
    CHECK(cap_delete(table(1), c) == 0 && undo_count == 0); /* m covers it */
    epoch_auto = false;
    undo_resumes = 3;
    use_begin(1, fake_cap(1, m));
    CHECK(cap_delete(table(1), m) == -FB_E_RESUME && !alive(1, m) && undo_count == 0);
    CHECK(cap_delete(table(1), m) == -FB_E_RESUME && undo_count == 0);
    CHECK(FINISH(cap_delete(table(1), m)) == 0 && undo_count == 1);
    CHECK(cap_delete(table(1), m) == -FB_E_NAME);
    /* The revoker above waits for the flush of what the deletion removed. */
    CHECK(cap_revoke_step(table(0), r) == -FB_E_RESUME);
    CHECK(FINISH(cap_revoke_step(table(0), r)) == 0);
}

static u32 stuck_domain;
static bool
in_use(const struct cap *c)
{
    return c->holder == &fake_domain[stuck_domain];
}

static void
test_delete_when_in_use_then_revocation_finds_it(void)
{
    /* Verify that a deletion that cannot be completed leaves the capability in the tree.
     */
    u64 r = root(FB_TYPE_MEMORY), m = derive(0, r, 1);
    undo_in_use = in_use;
    stuck_domain = 1;
    CHECK(FINISH(cap_delete(table(1), m)) == -FB_E_INUSE && !alive(1, m));
    CHECK(FINISH(cap_revoke_step(table(0), r)) == -FB_E_INUSE);
    CHECK(FINISH(cap_delete(table(1), m)) == -FB_E_INUSE);
    check_invariants();
    undo_in_use = NULL;
    CHECK(FINISH(cap_delete(table(1), m)) == 0); /* out of the revocation's own list */
    CHECK(FINISH(cap_revoke_step(table(0), r)) == 0 && table(1)->used == 0);
}

static void
test_delete_when_many_children_then_bounded_steps(void)
{
    /* Verify that children are handed over in bounded steps, the name being dead for all
     * else from the first one on. */
    fake_table_reset(0, 4096);
    u64 r = root(FB_TYPE_PORT), m = derive(0, r, 0);
    for (u32 i = 0; i < 1000; i++)
        (void)derive(0, m, 0);
    CHECK(cap_delete(table(0), m) == -FB_E_RESUME && !alive(0, m));
    CHECK(cap_delete(table(0), m) == -FB_E_RESUME &&
          cap_delete(table(0), m) == -FB_E_RESUME);
    check_invariants();
    CHECK(cap_delete(table(0), m) == 0 && table(0)->used == 1001);
    CHECK(FINISH(cap_revoke_step(table(0), r)) == 0 && table(0)->used == 1);
}

static void
test_revoke_when_wrong_then_precise_error(void)
{
    /* Verify that cap_revoke_step returns NAME, AUTHORITY, BUSY, RESUME, and INUSE for
     * in-use memory and for domains. */
    u64 r = root(FB_TYPE_MEMORY), machine = root(FB_TYPE_MACHINE), weak = 0;
    struct authority ask = whole;
    struct domain d = { .state = 0 };
    ask.auth &= ~FB_AUTH(0, 0, FB_RIGHT_REVOKE);
    CHECK(cap_derive_to(table(0), r, table(0), 0x3f, ask, 0, &weak) == 0);
    CHECK(cap_revoke_step(table(0), weak) == -FB_E_AUTHORITY);
    CHECK(cap_revoke_step(table(0), 0) == -FB_E_NAME &&
          cap_revoke_step(table(1), r) == -FB_E_NAME);
    CHECK(cap_lock() == 0);
    CHECK(cap_revoke_step(table(0), r) == -FB_E_BUSY);
    cap_release();
    epoch_auto = false;
    CHECK(cap_revoke_step(table(0), r) == -FB_E_RESUME && !alive(0, weak));
    CHECK(FINISH(cap_revoke_step(table(0), r)) == 0);
    /* Memory that is in use does not hold up the rest. */
    u64 a = derive(0, r, 1), b = derive(0, r, 2), c = derive(0, r, 3);
    undo_in_use = in_use;
    stuck_domain = 2;
    CHECK(FINISH(cap_revoke_step(table(0), r)) == -FB_E_INUSE);
    CHECK(!alive(1, a) && !alive(2, b) && !alive(3, c));
    CHECK(table(1)->used == 0 && table(2)->used == 1 && table(3)->used == 0);
    undo_in_use = NULL;
    CHECK(FINISH(cap_revoke_step(table(0), r)) == 0 && table(2)->used == 0);
    /* A domain made through a revoked capability lives on, under the revoker. */
    u64 m = derive(0, machine, 1), f = make(1, m, 1, FB_TYPE_DOMAIN, &d);
    CHECK(FINISH(cap_revoke_step(table(0), machine)) == -FB_E_INUSE);
    CHECK(!alive(1, m) && alive(1, f) && fake_cap(1, f)->parent == fake_cap(0, machine));
    CHECK(FINISH(cap_destroy_step(fake_cap(1, f))) == 0);
    CHECK(FINISH(cap_revoke_step(table(0), machine)) == 0 && table(1)->used == 0);
}

static void
test_revoke_when_in_use_then_marks_no_more(void)
{
    /* Verify that what a holder derives after an INUSE is not taken by the end of its
     * domain, nor by the destruction of what was in use, but by its next revocation. */
    for (u32 way = 0; way < 3; way++) {
        struct space *s = calloc(1, sizeof(*s)); /* undo frees it */
        fake_reset(FAKE_SLOTS);
        u64 r = root(FB_TYPE_MEMORY), m = derive(0, r, 1),
            f = make(1, m, 2, FB_TYPE_SPACE, s);
        s->cap = fake_cap(2, f);
        undo_in_use = in_use;
        stuck_domain = 2;
        CHECK(FINISH(cap_revoke_step(table(1), m)) == -FB_E_INUSE && !alive(2, f));
        u64 later = derive(1, m, 3);
        if (way == 0) {
            CHECK(FINISH(cap_table_clear_step(table(1))) == 0);
        } else if (way == 1) {
            CHECK(FINISH(cap_destroy_step(s->cap)) == 0);
        } else {
            undo_in_use = NULL;
            CHECK(FINISH(cap_revoke_step(table(1), m)) == 0);
        }
        CHECK(alive(3, later) == (way < 2));
        undo_in_use = NULL;
        check_invariants();
        CHECK(FINISH(cap_revoke_step(table(0), r)) == 0 && !alive(3, later));
        if (way == 1)
            free(s);
    }
}

static void
test_revoke_when_used_elsewhere_then_undo_waits(void)
{
    /* Verify that nothing is undone while another CPU uses the capability it looked up
     * (K2 checks), and that the call that completes comes after a second quiet point. */
    u64 r = root(FB_TYPE_MEMORY), m = derive(0, r, 1);
    epoch_auto = false;
    use_begin(1, fake_cap(1, m));
    CHECK(cap_revoke_step(table(0), r) == -FB_E_RESUME && !alive(1, m));
    for (u32 i = 0; i < 10; i++) {
        cpu_pass(2);
        CHECK(cap_revoke_step(table(0), r) == -FB_E_RESUME && undo_count == 0);
    }
    cpu_pass(1);
    CHECK(cap_revoke_step(table(0), r) == -FB_E_RESUME &&
          undo_count == 1); /* the flush is to come */
    cpu_pass(1);
    CHECK(cap_revoke_step(table(0), r) == -FB_E_RESUME);
    cpu_pass(2);
    CHECK(cap_revoke_step(table(0), r) == 0);
}

static void
test_revoke_when_large_then_linear_and_bounded(void)
{
    /* Verify that wide and deep subtrees take O(n) steps of at most CAP_STEP slots. */
    fake_table_reset(0, 40000);
    u64 r = root(FB_TYPE_PORT), at = r;
    for (u32 i = 0; i < 15000; i++)
        (void)derive(0, r, 0);
    for (u32 i = 0; i < 15000; i++)
        at = derive(0, at, 0);
    u32 steps = 0, used;
    int error;
    do {
        used = table(0)->used;
        error = cap_revoke_step(table(0), r);
        CHECK(used - table(0)->used <= CAP_STEP);
        steps++;
    } while (error == -FB_E_RESUME && steps < 2000);
    CHECK(error == 0 && table(0)->used == 1);
    CHECK(steps <= 30000u * 3 / CAP_STEP + 10);
    printf("# 30000 capabilities revoked in %u steps\n", steps);
}

static void
test_revoke_when_overtaken_from_above_then_upper_completes(void)
{
    /* Verify that a revocation that stopped anywhere is completed by one further up. */
    for (u32 stop = 0; stop < 24; stop++) {
        fake_reset(1024);
        epoch_auto = false;
        undo_resumes = 1;
        u64 r = root(FB_TYPE_MEMORY), r2 = derive(0, r, 1), at = r2;
        for (u32 i = 0; i < 600; i++) {
            u64 next = derive(i ? 2 : 1, at, 2);
            at = i % 3 ? at : next;
            if (i == 0)
                at = next;
        }
        for (u32 i = 0; i < stop; i++) {
            nudge(1, r2);
            if (i > 6)
                cpus_pass();
        }
        check_invariants();
        CHECK(FINISH(cap_revoke_step(table(0), r)) == 0);
        check_invariants();
        CHECK(table(0)->used == 1 && table(1)->used == 0 && table(2)->used == 0);
    }
}

static void
test_revoke_when_revoker_ends_then_parent_completes(void)
{
    /* Verify that what a revocation left undone when its domain ended goes to the parent,
     * and no sibling is touched. */
    for (u32 stop = 1; stop < 12; stop++) {
        fake_reset(1024);
        epoch_auto = false;
        u64 r = root(FB_TYPE_MEMORY), r2 = derive(0, r, 1), sibling = derive(0, r, 3);
        for (u32 i = 0; i < 600; i++)
            (void)derive(1, r2, 2);
        stuck_domain = 2;
        undo_in_use = in_use;
        for (u32 i = 0; i < stop; i++) {
            nudge(1, r2);
            if (i > 5)
                cpus_pass();
        }
        undo_in_use = NULL;
        CHECK(FINISH(cap_table_clear_step(table(1))) == 0);
        check_invariants();
        CHECK(alive(3, sibling));
        CHECK(FINISH(cap_revoke_step(table(0), r)) == 0);
        CHECK(table(0)->used == 1 && table(1)->used == 0 && table(2)->used == 0 &&
              table(3)->used == 0);
    }
}

static void
test_destroy_when_space_then_every_capability_on_it_goes(void)
{
    /* Verify that a destruction takes all names but the first and the destroyer's at
     * once, that those denote nothing for ordinary look-ups, and that they go too after a
     * quiet point. */
    u64 r = root(FB_TYPE_MEMORY);
    struct space s = { .busy = 0 };
    u64 f = make(0, r, 1, FB_TYPE_SPACE, &s), a = derive(1, f, 2), b = derive(2, a, 3);
    CHECK(cap_destroy_step(NULL) == 0);
    CHECK(cap_lock() == 0);
    CHECK(cap_destroy_step(fake_cap(1, f)) == -FB_E_BUSY);
    cap_release();
    epoch_auto = false;
    CHECK(cap_destroy_step(fake_cap(1, f)) == -FB_E_RESUME);
    CHECK(alive(1, f) && !alive(2, a) &&
          !alive(3, b)); /* P8: the destroyer can repeat its call */
    struct cap *c;
    CHECK(cap_lookup(table(1), f, FB_TYPE_SPACE, 0, &c) == -FB_E_DEAD);
    CHECK(cap_find_ending(table(1), f, FB_TYPE_SPACE, 0, &c) == 0 && c == fake_cap(1, f));
    CHECK(cap_find_ending(table(1), f, FB_TYPE_DOMAIN, 0, &c) == -FB_E_TYPE);
    CHECK(FINISH(cap_destroy_step(fake_cap(1, f))) == 0);
    CHECK(!alive(1, f) && undo_count == 0);
    check_invariants();
    f = make(0, r, 1, FB_TYPE_SPACE, &s), a = derive(1, f, 2), b = derive(2, a, 3);
    u64 x = derive(2, a, 3);
    CHECK(cap_lock() == 0);
    CHECK(cap_end_locked(fake_cap(1, f), fake_cap(2, a)) == -FB_E_RESUME);
    CHECK(alive(1, f) && alive(2, a) && !alive(3, b) && !alive(3, x));
    CHECK(cap_lookup(table(2), a, FB_TYPE_SPACE, 0, &c) == -FB_E_DEAD);
    CHECK(cap_find_ending(table(2), a, FB_TYPE_SPACE, 0, &c) == 0);
    cpus_pass();
    CHECK(FINISH(cap_end_locked(fake_cap(1, f), fake_cap(2, a))) == 0 && alive(2, a));
    CHECK(FINISH(cap_destroy_locked(fake_cap(1, f), fake_cap(2, a))) == 0);
    cap_release();
    CHECK(!alive(1, f) && !alive(2, a));
    CHECK(table(1)->used == 0 && table(2)->used == 0 && table(3)->used == 0);
}

static void
test_destroy_when_revoked_halfway_then_no_capability_is_left(void)
{
    /* Verify that destroying an object whose first capability a revocation has marked
     * leaves no capability on it. */
    for (u32 stop = 0; stop < 10; stop++) {
        fake_reset(1024);
        epoch_auto = false;
        u64 r = root(FB_TYPE_MEMORY);
        struct space *s = calloc(1, sizeof(*s));
        u64 f = make(0, r, 1, FB_TYPE_SPACE, s);
        for (u32 i = 0; i < 700; i++)
            (void)derive(1, f, 2 + i % 2);
        struct cap *first = fake_cap(1, f);
        for (u32 i = 0; i < stop; i++)
            nudge(0, r);
        CHECK(FINISH(cap_destroy_step(first)) == 0);
        for (u32 d = 0; d < FAKE_DOMAINS; d++)
            for (u32 i = 0; i < table(d)->fresh; i++)
                CHECK(table(d)->slots[i].state != CAP_LIVE ||
                      table(d)->slots[i].object == NULL);
        free(s);
        check_invariants();
        CHECK(FINISH(cap_revoke_step(table(0), r)) == 0 && undo_count == 0);
        CHECK(table(0)->used == 1 && table(1)->used == 0 && table(2)->used == 0 &&
              table(3)->used == 0);
    }
}

static void
test_destroy_when_domain_then_vcpus_go_too(void)
{
    /* Verify that the capabilities on a domain's vCPUs go with it, and the objects forget
     * them. */
    u64 r = root(FB_TYPE_MACHINE);
    struct domain d = { .state = 0 };
    struct vcpu *v = aligned_alloc(64, sizeof(*v));
    memset(v, 0, sizeof(*v));
    u64 f = make(0, r, 1, FB_TYPE_DOMAIN, &d), g = derive(1, f, 2),
        w = make(2, g, 2, FB_TYPE_VCPU, v);
    v->cap = fake_cap(2, w);
    (void)derive(2, w, 3);
    CHECK(FINISH(cap_revoke_step(table(1), f)) == -FB_E_INUSE && alive(2, w) &&
          !alive(2, g));
    CHECK(FINISH(cap_destroy_step(fake_cap(1, f))) == 0);
    CHECK(v->cap == NULL && table(1)->used == 0 && table(2)->used == 0 &&
          table(3)->used == 0);
    free(v);
}

static bool
spaces_in_use(const struct cap *c)
{
    return cap_type(c) == FB_TYPE_SPACE;
}

static void
test_clear_when_dying_space_is_in_use_then_forgotten(void)
{
    /* Verify that a table is cleared although a revocation has met a space that its own
     * domain keeps (it runs, or is ending): the space stays with that domain (P9). */
    u64 r = root(FB_TYPE_MEMORY), m = derive(0, r, 1);
    struct space s = { .busy = 0 };
    u64 f = make(1, m, 1, FB_TYPE_SPACE, &s);
    s.cap = fake_cap(1, f);
    undo_in_use = spaces_in_use;
    CHECK(FINISH(cap_revoke_step(table(1), m)) == -FB_E_INUSE && !alive(1, f));
    CHECK(FINISH(cap_table_clear_step(table(1))) == 0);
    CHECK(s.cap == NULL && table(1)->used == 0);
    undo_in_use = NULL;
    check_invariants();
}

static void
test_clear_when_domain_was_made_then_blocker(void)
{
    /* Verify that clearing stops at a made domain, names it, and goes on when it is
     * destroyed. */
    u64 r = root(FB_TYPE_MACHINE), m = derive(0, r, 1);
    struct domain d = { .state = 0 };
    struct space s = { .busy = 0 };
    u64 mem = derive(0, root(FB_TYPE_MEMORY), 1);
    u64 f = make(1, m, 1, FB_TYPE_DOMAIN, &d), sp = make(1, mem, 1, FB_TYPE_SPACE, &s);
    s.cap = fake_cap(1, sp);
    (void)derive(1, sp, 2);
    CHECK(cap_lock() == 0);
    CHECK(cap_table_clear_step(table(1)) == -FB_E_BUSY);
    cap_release();
    CHECK(cap_table_blocker(table(1)) == NULL);
    CHECK(FINISH(cap_table_clear_step(table(1))) == -FB_E_INUSE);
    CHECK(cap_table_blocker(table(1)) == fake_cap(1, f));
    CHECK(FINISH(cap_destroy_step(cap_table_blocker(table(1)))) == 0);
    CHECK(FINISH(cap_table_clear_step(table(1))) == 0 &&
          cap_table_blocker(table(1)) == NULL);
    CHECK(s.cap == NULL && table(1)->used == 0 && table(2)->used == 0); /* P9 */
    check_invariants();
}

static void
test_clear_when_table_large_then_bounded_steps(void)
{
    /* Verify that a table is cleared in bounded steps, from the slots in use only. */
    fake_table_reset(1, 30000);
    u64 r = root(FB_TYPE_PORT);
    for (u32 i = 0; i < 10000; i++)
        (void)derive(0, r, 1);
    u32 steps = 0;
    while (cap_table_clear_step(table(1)) == -FB_E_RESUME && steps++ < 100)
        ;
    CHECK(table(1)->used == 0 && steps <= 10000 / CAP_STEP + 1 &&
          steps >= 10000 / CAP_STEP - 1);
}

static void
test_model_when_random_calls_then_equal(void)
{
    /* Verify that 120,000 random operations leave the kernel's tree and the reference
     * model equal, after each one. */
    for (u32 seed = 1; seed <= 4 && !failures; seed++) {
        random_state = 0x2545f4914f6cdd1dull * seed;
        model_run(30000);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
#define TEST(name)                                                                       \
    {                                                                                    \
#name, name                                                                      \
    }
    TEST(test_lookup_when_wrong_then_precise_error),
    TEST(test_derive_when_wrong_then_precise_error),
    TEST(test_insert_when_refused_then_lock_is_free),
    TEST(test_slot_when_deleted_then_waits_for_epoch),
    TEST(test_generation_when_last_then_retired),
    TEST(test_delete_when_wrong_then_precise_error),
    TEST(test_delete_when_granted_memory_then_undone_once),
    TEST(test_delete_when_in_use_then_revocation_finds_it),
    TEST(test_delete_when_many_children_then_bounded_steps),
    TEST(test_revoke_when_wrong_then_precise_error),
    TEST(test_revoke_when_in_use_then_marks_no_more),
    TEST(test_revoke_when_used_elsewhere_then_undo_waits),
    TEST(test_revoke_when_large_then_linear_and_bounded),
    TEST(test_revoke_when_overtaken_from_above_then_upper_completes),
    TEST(test_revoke_when_revoker_ends_then_parent_completes),
    TEST(test_destroy_when_space_then_every_capability_on_it_goes),
    TEST(test_destroy_when_revoked_halfway_then_no_capability_is_left),
    TEST(test_destroy_when_domain_then_vcpus_go_too),
    TEST(test_clear_when_dying_space_is_in_use_then_forgotten),
    TEST(test_clear_when_domain_was_made_then_blocker),
    TEST(test_clear_when_table_large_then_bounded_steps),
    TEST(test_model_when_random_calls_then_equal),
};

int
main(void)
{
    u32 bad = 0, n = sizeof(tests) / sizeof(tests[0]);

    printf("1..%u\n", n);
    for (u32 i = 0; i < n; i++) {
        failures = 0;
        fake_reset(FAKE_SLOTS);
        tests[i].run();
        check_invariants();
        printf("%s - %s\n", failures ? "not ok" : "ok", tests[i].name);
        fflush(stdout);
        bad += failures != 0;
    }
    return bad != 0;
}
