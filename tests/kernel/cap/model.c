/* SPDX-License-Identifier: MIT */
/*
 * A long random sequence of calls on several tables, compared after each with an
 * independent model: a plain array of capabilities, each with its parent's index, in
 * which every operation is written the obvious way.
 */
#include "model.h"
#include "fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_MAX 2048
#define TABLES 5u /* the last domain's table stays empty: for room */

static struct m {
    bool live, first;
    int parent; /* -1: root */
    u32 table, type;
    u64 name;
    struct authority may;
    void *object;
} model[MODEL_MAX];
static u64 expect_undo_count, expect_undo_sum;

/* ---- the model ---- */

static int
m_new(void)
{
    for (int i = 0; i < MODEL_MAX; i++)
        if (!model[i].live)
            return i;
    abort();
}

static bool
m_made(const struct m *m)
{
    return m->first && (m->type == FB_TYPE_DOMAIN || m->type == FB_TYPE_VCPU);
}

static void
m_expect_undo(const struct m *m)
{
    expect_undo_count++;
    expect_undo_sum += undo_hash(&fake_domain[m->table], m->name & CAP_SLOT_MASK,
                                 m->name >> FB_NAME_SLOT_BITS);
}

/* Is there a surviving capability of the same holder at or above `from`? */
static bool
m_covered(const struct m *m, int from)
{
    for (int depth = 0; from >= 0 && depth < 64; from = model[from].parent, depth++)
        if (model[from].table == m->table && model[from].type == m->type)
            return true;
    return false;
}

static bool
m_needs_undo(const struct m *m, int from)
{
    if (m->type == FB_TYPE_SPACE)
        return m->first;
    if (m->type == FB_TYPE_VCPU || m->type == FB_TYPE_DOMAIN)
        return !m->first && from >= 0 && !m_covered(m, from);
    if (m->type != FB_TYPE_MEMORY && m->type != FB_TYPE_SLICE && m->type != FB_TYPE_IRQ)
        return false;
    return from >= 0 && !m_covered(m, from);
}

/* Does i hang below r? `through_made`: also by way of capabilities that a revocation
 * spares. */
static bool
m_below(int i, int r, bool through_made)
{
    while (i >= 0 && i != r) {
        if (!through_made && m_made(&model[i]))
            return false;
        i = model[i].parent;
    }
    return i == r && r >= 0;
}

static void
m_revoke(int r, bool destroy)
{
    static bool gone[MODEL_MAX];

    for (int i = 0; i < MODEL_MAX; i++)
        gone[i] = model[i].live && i != r && m_below(i, r, destroy);
    for (int i = 0; i < MODEL_MAX; i++)
        if (gone[i] && !destroy && m_needs_undo(&model[i], r))
            m_expect_undo(&model[i]);
    for (int i = 0; i < MODEL_MAX; i++)
        if (gone[i])
            model[i].live = false;
    for (int i = 0; i < MODEL_MAX; i++) /* what was spared hangs on r now */
        if (model[i].live && model[i].parent >= 0 && gone[model[i].parent])
            model[i].parent = r;
}

static void
m_delete(int d, bool undo)
{
    if (undo && m_needs_undo(&model[d], model[d].parent))
        m_expect_undo(&model[d]);
    for (int i = 0; i < MODEL_MAX; i++)
        if (model[i].live && model[i].parent == d)
            model[i].parent = model[d].parent;
    model[d].live = false;
}

/* ---- comparison ---- */

static void
compare(void)
{
    u32 live[FAKE_DOMAINS] = { 0 };

    for (int i = 0; i < MODEL_MAX; i++) {
        const struct m *m = &model[i];
        if (!m->live)
            continue;
        struct cap *c = fake_cap(m->table, m->name);
        CHECK(c->name == m->name && c->type == m->type && c->object == m->object);
        CHECK(c->may.auth == m->may.auth && c->may.lo == m->may.lo &&
              c->may.hi == m->may.hi);
        if (m->parent < 0) {
            CHECK(c->parent == NULL);
        } else {
            const struct m *p = &model[m->parent];
            CHECK(c->parent == fake_cap(p->table, p->name));
        }
        live[m->table]++;
    }
    for (u32 d = 0; d < FAKE_DOMAINS; d++)
        CHECK(live[d] == fake_domain[d].table.used);
    CHECK(undo_count == expect_undo_count && undo_sum == expect_undo_sum);
    undo_count = expect_undo_count = undo_sum = expect_undo_sum = 0;
}

/* ---- operations on both sides ---- */

static int
pick(void)
{
    u32 n = 0;
    int chosen = -1;

    for (int i = 0; i < MODEL_MAX; i++)
        if (model[i].live && random_below(++n) == 0)
            chosen = i;
    return chosen;
}

static u32
m_depth(int i)
{
    u32 depth = 0;
    for (; i >= 0; i = model[i].parent)
        depth++;
    return depth;
}

/* The deepest of a few, so that the trees grow downwards too. */
static int
pick_deep(void)
{
    int best = pick();
    for (u32 n = 0; n < 6; n++) {
        int i = pick();
        if (i >= 0 && m_depth(i) > m_depth(best))
            best = i;
    }
    return best;
}

/* Other CPUs use capabilities, and pass when they like. */
static void
others(void)
{
    int i = pick();

    if (i >= 0 && random_below(2))
        use_begin(1 + (u32)random_below(FAKE_CPUS - 1),
                  fake_cap(model[i].table, model[i].name));
    if (random_below(4) == 0)
        cpu_pass(1 + (u32)random_below(FAKE_CPUS - 1));
    uses_check();
}

static int
insert_both(u32 table, int parent, u32 type, void *object, struct authority may)
{
    struct cap *up =
        parent < 0 ? NULL : fake_cap(model[parent].table, model[parent].name);
    u64 name = 0;
    int error;

    while ((error = cap_insert(&fake_domain[table].table, up, type, object, may,
                               &name)) == -FB_E_BUSY)
        others();
    if (error) {
        CHECK(error == -FB_E_FULL);
        return -1;
    }
    int i = m_new();
    model[i] = (struct m){ true, object != NULL, parent, table, type, name, may, object };
    return i;
}

static void
op_derive(void)
{
    int s = random_below(4) ? pick_deep() : pick();
    u32 to = (u32)random_below(TABLES);
    struct authority ask = { .auth = ~0ull, .lo = 0, .hi = ~0ull };
    u64 name = 0;
    int error;

    if (s < 0)
        return;
    const struct m source = model[s];
    if (random_below(2))
        ask.auth = ~(1ull << random_below(64));
    if (random_below(2)) {
        ask.lo = source.may.lo + random_below(4);
        ask.hi = source.may.hi - random_below(4);
    }
    /* The expected element, bit by bit. */
    struct authority may = { .auth = 0, .lo = ask.lo, .hi = ask.hi };
    for (u32 bit = 0; bit < 64; bit++)
        if ((source.may.auth >> bit & 1) && (ask.auth >> bit & 1))
            may.auth |= 1ull << bit;
    if (may.lo < source.may.lo)
        may.lo = source.may.lo;
    if (may.hi > source.may.hi)
        may.hi = source.may.hi;
    bool empty = may.lo >= may.hi || !(may.auth & 0x3f) || !(may.auth & 0xffff00) ||
                 !(may.auth >> 32 & 0xffff);
    while ((error = cap_derive_to(&fake_domain[source.table].table, source.name,
                                  &fake_domain[to].table, 0x3f, ask, 0, &name)) ==
           -FB_E_BUSY)
        others();
    if (empty) {
        CHECK(error == -FB_E_EMPTY);
    } else if (error) {
        CHECK(error == -FB_E_FULL &&
              fake_domain[to].table.used == fake_domain[to].table.count);
    } else {
        model[m_new()] =
            (struct m){ true, false, s, to, source.type, name, may, source.object };
    }
}

static void
op_make(void)
{
    int p = pick();
    u32 table = (u32)random_below(TABLES);
    struct authority may = { .auth = ALL_MAY, .lo = 0, .hi = 1 };

    if (p < 0)
        return;
    if (model[p].type == FB_TYPE_MEMORY) {
        struct space *s = calloc(1, sizeof(*s));
        int i = insert_both(table, p, FB_TYPE_SPACE, s, may);
        if (i < 0)
            free(s);
        else
            s->cap = fake_cap(table, model[i].name);
    } else if (model[p].type == FB_TYPE_MACHINE) {
        struct domain *d = calloc(1, sizeof(*d));
        int i = insert_both(table, p, FB_TYPE_DOMAIN, d, may);
        if (i < 0)
            free(d);
        else
            d->cap = fake_cap(table, model[i].name);
    } else if (model[p].type == FB_TYPE_DOMAIN) {
        struct vcpu *v = aligned_alloc(64, sizeof(*v));
        memset(v, 0, sizeof(*v));
        v->domain = model[p].object;
        int i = insert_both(table, p, FB_TYPE_VCPU, v, may);
        if (i < 0)
            free(v);
        else
            v->cap = fake_cap(table, model[i].name);
    }
}

static void
op_delete(void)
{
    int d = pick(), error;

    if (d < 0 || (model[d].parent < 0 && random_below(50)))
        return;
    struct cap_table *t = &fake_domain[model[d].table].table;
    while ((error = cap_delete(t, model[d].name)) == -FB_E_RESUME)
        others();
    CHECK(error == (model[d].first ? -FB_E_INUSE : 0));
    if (!error)
        m_delete(d, true);
}

static void
op_revoke(void)
{
    int r = pick(), error;
    bool spared = false;

    /* Seldom near the roots, or no tree would grow. */
    if (r < 0 || (model[r].parent < 0 && random_below(40)))
        return;
    struct cap_table *t = &fake_domain[model[r].table].table;
    while ((error = cap_revoke_step(t, model[r].name)) == -FB_E_RESUME)
        others();
    if (!(model[r].may.auth & FB_AUTH(0, 0, FB_RIGHT_REVOKE))) {
        CHECK(error == -FB_E_AUTHORITY);
        return;
    }
    m_revoke(r, false);
    for (int i = 0; i < MODEL_MAX; i++)
        spared |= model[i].live && model[i].parent == r && m_made(&model[i]);
    CHECK(error == (spared ? -FB_E_INUSE : 0));
}

static void
op_destroy(void)
{
    int f = pick(), error;

    if (f < 0 || !model[f].first)
        return;
    while ((error = cap_destroy_step(fake_cap(model[f].table, model[f].name))) ==
           -FB_E_RESUME)
        others();
    CHECK(error == 0);
    for (int i = 0; i < MODEL_MAX; i++)
        if (model[i].live && i != f && model[i].first && m_below(i, f, true)) {
            CHECK(((struct vcpu *)model[i].object)->cap == NULL);
            free(model[i].object);
        }
    m_revoke(f, true);
    free(model[f].object);
    m_delete(f, false);
}

/* The end of a domain; those that it made end first, as its destroyer would see to. */
static void
op_clear(u32 table)
{
    struct cap_table *t = &fake_domain[table].table;
    int error;

    for (int i = 0; i < MODEL_MAX; i++)
        if (model[i].live && model[i].table == table && model[i].first &&
            model[i].type == FB_TYPE_DOMAIN)
            return;
    uses_drop(&fake_domain[table]);
    while ((error = cap_table_clear_step(t)) == -FB_E_RESUME)
        others();
    CHECK(error == 0 && t->used == 0);
    for (u64 slot = 0; slot < t->count; slot++)
        for (int i = 0; i < MODEL_MAX; i++) {
            struct m *m = &model[i];
            if (!m->live || m->table != table || (m->name & CAP_SLOT_MASK) != slot)
                continue;
            if (m->first) {
                void **cap = m->type == FB_TYPE_SPACE
                                 ? (void **)&((struct space *)m->object)->cap
                                 : (void **)&((struct vcpu *)m->object)->cap;
                CHECK(*cap == NULL);
                m_revoke(i, true);
                free(m->object); /* its own domain's destruction would */
            }
            m_delete(i, !m->first);
        }
    compare();
    cpus_pass();
    fake_table_reset(table, FAKE_SLOTS);
}

/* New roots when none of a type is left. */
static void
op_roots(void)
{
    static const u32 types[] = { FB_TYPE_MEMORY, FB_TYPE_SLICE, FB_TYPE_IRQ,
                                 FB_TYPE_MACHINE, FB_TYPE_PORT };

    for (u32 k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        bool have = false;
        for (int i = 0; i < MODEL_MAX; i++)
            have |= model[i].live && model[i].type == types[k] &&
                    model[i].may.auth == ALL_MAY;
        if (!have)
            (void)insert_both(
                (u32)random_below(TABLES), -1, types[k], NULL,
                (struct authority){ .auth = ALL_MAY, .lo = 100, .hi = 100000 });
    }
}

void
model_run(u64 operations)
{
    u64 n;

    memset(model, 0, sizeof(model));
    expect_undo_count = expect_undo_sum = 0;
    fake_reset(FAKE_SLOTS);
    epoch_auto = false;
    undo_resumes = 2;
    for (n = 0; n < operations && failures == 0; n++) {
        u64 what = random_below(1000);
        if (what < 480)
            op_derive();
        else if (what < 560)
            op_make();
        else if (what < 820)
            op_delete();
        else if (what < 920)
            op_revoke();
        else if (what < 980)
            op_destroy();
        else if (what < 984)
            op_clear((u32)random_below(TABLES));
        else
            op_roots();
        others();
        compare();
        check_invariants();
    }
    u32 caps = 0, deep = 0;
    for (int i = 0; i < MODEL_MAX; i++) {
        u32 depth = model[i].live ? m_depth(i) : 0;
        deep = depth > deep ? depth : deep;
        caps += model[i].live;
    }
    printf("# %lu operations; %u capabilities at the end, the deepest at %u\n",
           (unsigned long)n, caps, deep);
    if (failures)
        printf("# the model and the kernel part after %lu operations\n",
               (unsigned long)n);
    /* Teardown: domains first, then all tables; no slot is lost. */
    for (int i = 0; i < MODEL_MAX; i++)
        while (model[i].live && model[i].first && model[i].type == FB_TYPE_DOMAIN &&
               !failures) {
            int error = cap_destroy_step(fake_cap(model[i].table, model[i].name));
            CHECK(error == 0 || error == -FB_E_RESUME);
            cpus_pass();
            if (error)
                continue;
            for (int k = 0; k < MODEL_MAX; k++)
                if (model[k].live && k != i && model[k].first && m_below(k, i, true))
                    free(model[k].object);
            m_revoke(i, true);
            free(model[i].object);
            m_delete(i, false);
        }
    for (u32 d = 0; d < TABLES && !failures; d++)
        op_clear(d);
    for (u32 d = 0; d < FAKE_DOMAINS && !failures; d++)
        CHECK(fake_domain[d].table.used == 0 && fake_domain[d].table.fresh == 0);
}
