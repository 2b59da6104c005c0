/* SPDX-License-Identifier: MIT */
/*
 * What goes with a capability: the part of revocation and deletion that knows the
 * objects. Contract: cap_undo and cap_forget in cap/cap.h.
 *
 * N1. MEMORY: the mappings of its interval, and the page-table nodes in it, go from all
 *     trees of the holder's domain, and from those trees of others that the holder has
 *     mapped into (struct mappers: windows that it filled, spaces that were granted to
 *     it). The kernel keeps no reverse map: mappings that another capability of the same
 *     holder would allow go too, unless it is above the revoked one (P10).
 * N2. While a domain is swept, `evicting` says for which capability: calls that add
 *     mappings return BUSY, so that what is swept stays so. Who needs the trees next helps
 *     the first to its end: nobody waits for a caller that does not come back.
 * N3. Frames of the interval that still serve as node, root, capability table or object,
 *     or that are pinned, refuse with INUSE; a later attempt goes on at that frame.
 * N4. SLICE, IRQ, VCPU, DOMAIN: what the holder bound by them goes, and nobody else's:
 *     each binding keeps the id of who made it.
 * N5. SPACE (first capability only): refused while it is current on a vCPU; else marked
 *     dying, quiet, torn down, quiet, freed.
 * N6. A domain that has ended (DYING) is swept like any, beside its destruction, which has
 *     a cursor of its own: what is revoked is in nobody's tree, however long that takes.
 *     When its table is being cleared its trees are empty, and N3 ends for it: not before,
 *     so that its object memory is not thought free before it is.
 *
 * N7. ENDPOINT: waits and calls through it end, and the endpoint with the first one on it.
 *
 * phase and cursor of the capability: see the enums. Each step is bounded by that of
 * space_evict, or by SCAN_FRAMES; the list of domains is walked once a step. Locking: the
 * tree lock throughout; list_busy of the domain for its list of spaces.
 */
#include "base/cpu.h"
#include "base/epoch.h"
#include "base/panic.h"
#include "dev/irq.h"
#include "domain/domain.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "ipc/ipc.h"
#include "slice/slice.h"

#define SCAN_FRAMES  4096u
#define SKIP_SPACES 1024u

/* MEMORY. cursor: id of the domain that is being swept, 0: none yet; in SCAN: the next
 * frame. */
enum memory_phase {
    MEMORY_NEXT = 0,
    MEMORY_WINDOW = 1,
    MEMORY_SPACES = 2,
    MEMORY_SCAN = 3
};
/* SPACE.  cursor: the epoch that is waited for; in TEAR: the address to go on from. */
enum space_phase { SPACE_MARK = 0, SPACE_QUIET = 1, SPACE_TEAR = 2, SPACE_FLUSH = 3 };

static bool
being_destroyed(const struct domain *d)
{
    return atomic_load(&d->state) == FB_DOMAIN_DYING;
}

/* ---- MEMORY ---- */

/* The domain that c is sweeping, or NULL if it has gone meanwhile. */
static struct domain *
swept_domain(const struct cap *c)
{
    for (struct domain *d = domains; d; d = d->next)
        if (d->id == c->cursor)
            return d;
    return NULL;
}

/* The next domain to sweep for c, by ascending id: the holder, and those it mapped
 * into. */
static struct domain *
next_domain(const struct cap *c)
{
    struct domain *best = NULL;

    for (struct domain *d = domains; d; d = d->next)
        if (d->id > c->cursor &&
            (d == c->holder || mapper_has(&d->mappers, c->holder->id)) && (!best || d->id < best->id))
            best = d;
    return best;
}

/* The space of d at or after s that c's holder may have mapped into; false: not found
 * within this step, *s is where to go on. */
static bool
seek_space(const struct domain *d, const struct cap *c, struct space **s)
{
    for (u32 n = 0; *s && d != c->holder && !mapper_has(&(*s)->mappers, c->holder->id);
         n++, *s = (*s)->next)
        if (n == SKIP_SPACES)
            return false;
    return true;
}

/* One step of sweeping d for c; 0: all of d is swept. */
static int
sweep_step(struct domain *d, struct cap *c)
{
    int error;

    if (c->phase == MEMORY_WINDOW) {
        if (d == c->holder || mapper_has(&d->window_mappers, c->holder->id)) {
            error = space_evict((struct tree){ .domain = d }, c->may.lo, c->may.hi,
                                &d->swept);
            if (error)
                return error;
        }
        error = space_list_lock(d);
        if (error)
            return error;
        d->cursor_space = d->spaces;
        d->swept = 0;
        c->phase = MEMORY_SPACES;
        space_list_unlock(d);
        return -FB_E_RESUME;
    }
    error = space_list_lock(d);
    if (error)
        return error;
    struct space *s = d->cursor_space;
    if (!seek_space(d, c, &s)) {
        d->cursor_space = s;
        error = -FB_E_RESUME;
    } else if (s) {
        d->cursor_space = s;
        error = space_evict((struct tree){ .space = s, .domain = d }, c->may.lo,
                            c->may.hi, &d->swept);
        if (!error) {
            d->cursor_space = s->next;
            d->swept = 0;
            error = -FB_E_RESUME;
        }
    }
    space_list_unlock(d);
    return error;
}

/* Go on with what is being swept in d; 0: that is complete. */
static int
sweep_on(struct domain *d)
{
    struct cap *c = atomic_load(&d->evicting);
    int error;

    ASSERT(c->state == CAP_DYING && c->cursor == d->id);
    error = sweep_step(d, c);
    if (!error) {
        c->phase = MEMORY_NEXT;
        atomic_store(&d->evicting, NULL);
    }
    return error;
}

/* c is to be swept for: take with it what is to go from the same holder, and lies next to it
 * in memory and in the list.  So memory that was given in pieces costs few sweeps.  These
 * have only to look for frames in use, when it is their turn: after c. */
static void
absorb(struct cap *c)
{
    struct cap *m = c->list == CAP_IN_DYING ? c->next : c;

    for (u32 misses = 0, n = 0; m != c && misses < 64 && n < 512; m = m->next, n++) {
        if (m->holder != c->holder || cap_type(m) != FB_TYPE_MEMORY || m->phase ||
            m->cursor || m->epoch > c->epoch || m->flags & CAP_F_DELETING ||
            m->may.lo > c->may.hi || m->may.hi < c->may.lo) {
            misses++;
            continue;
        }
        misses = 0;
        c->may.lo = m->may.lo < c->may.lo ? m->may.lo : c->may.lo;
        c->may.hi = m->may.hi > c->may.hi ? m->may.hi : c->may.hi;
        m->phase = MEMORY_SCAN;
        m->cursor = m->may.lo;
    }
}

/* Begin or go on with sweeping d for c; if another capability's sweep is in progress
 * there, help that one first. */
static int
sweep(struct domain *d, struct cap *c)
{
    struct cap *other = atomic_load(&d->evicting);
    int error;

    if (other == NULL) {
        if (c->cursor == 0)
            absorb(c);
        d->swept = 0;
        d->cursor_space = NULL;
        c->phase = MEMORY_WINDOW;
        c->cursor = d->id;
        atomic_store(&d->evicting, c);
    }
    error = sweep_on(d);
    return error || other == NULL || other == c ? error : -FB_E_RESUME;
}

int
evict_help(struct domain *d)
{
    if (cap_lock() == 0) {
        if (atomic_load(&d->evicting) != NULL && !being_destroyed(d))
            (void)sweep_on(d);
        cap_release();
    }
    return -FB_E_BUSY;
}

static bool
frame_in_use(frame_t f)
{
    u64 word = __atomic_load_n(&frame_records[f].word, __ATOMIC_RELAXED);

    switch ((enum fb_frame_type)FB_FRAME_TYPE(word)) {
    case FB_FRAME_TABLE: /* unlinked ones are clean, and nobody's */
        return (__atomic_load_n(&frame_records[f].flags, __ATOMIC_RELAXED) &
                FB_FRAME_F_LINKED) != 0;
    case FB_FRAME_ROOT:
    case FB_FRAME_CAPTAB:
    case FB_FRAME_DOMAIN_RECORD:
    case FB_FRAME_OBJECT: return true;
    case FB_FRAME_DATA: return FB_FRAME_PINS(word) != 0;
    case FB_FRAME_RESERVED:
    case FB_FRAME_KERNEL:
    case FB_FRAME_PUBLIC: break;
    }
    return false; /* nobody can have given it */
}

static int
scan_frames(struct cap *c)
{
    frame_t end = c->may.hi < frame_count ? c->may.hi : frame_count;

    for (u32 n = 0; c->cursor < end; n++, c->cursor++) {
        if (n == SCAN_FRAMES)
            return -FB_E_RESUME;
        if (frame_in_use(c->cursor))
            return -FB_E_INUSE;
    }
    return 0;
}

static int
undo_memory(struct cap *c)
{
    struct domain *d;

    if (c->phase == MEMORY_SCAN)
        return c->holder->table.closed ? 0 : scan_frames(c);
    if (c->phase == MEMORY_NEXT) {
        d = next_domain(c);
        if (!d) {
            c->phase = MEMORY_SCAN;
            c->cursor = c->may.lo;
            return -FB_E_RESUME;
        }
    } else {
        d = swept_domain(c);
    }
    if (d && !d->table.closed) {
        int error = sweep(d, c);
        return error ? error : -FB_E_RESUME;
    }
    /* N6: on to the next. */
    if (d) {
        if (atomic_load(&d->evicting) == c)
            atomic_store(&d->evicting, NULL);
        c->cursor = d->id;
    }
    c->phase = MEMORY_NEXT;
    return -FB_E_RESUME;
}

/* ---- SLICE ---- */

/* Clear the positions [lo, hi) that `by` gave to v (NULL: to anybody), and have the CPUs
 * look at their time-tables anew. */
static void
undo_slices(u64 lo, u64 hi, const struct vcpu *v, u32 by)
{
    u64 end = (u64)cpu_count * CPU_SLICES < hi ? (u64)cpu_count * CPU_SLICES : hi;
    u64 kick = 0;

    for (u64 at = lo; at < end; at++) {
        struct cpu *cpu = cpu_by_id((u32)(at / CPU_SLICES));
        const struct slice *s = &cpu->slices[at % CPU_SLICES];
        if (!(atomic_load(&cpu->filled) >> at % CPU_SLICES & 1) || s->by != by ||
            (v && atomic_load(&s->vcpu) != v))
            continue;
        slice_bind(cpu, at % CPU_SLICES, NULL, 0);
        kick |= 1ull << cpu->id;
    }
    for (u32 i = 0; i < cpu_count; i++)
        if (kick >> i & 1)
            hal_kick(i);
}

/* ---- VCPU, DOMAIN ---- */

/* What its holder bound events and time to by this name.  The end of a table needs no
 * look: each binding was made by a second capability, which goes too.  The list of domains
 * is walked once a step. */
static int
undo_vcpu(struct cap *c)
{
    struct vcpu *v = c->object;
    u32 by = c->holder->id;

    if (c->phase || c->holder->table.closed)
        return 0;
    c->phase = 1;
    undo_slices((u64)v->cpu * CPU_SLICES, (v->cpu + 1ull) * CPU_SLICES, v, by);
    irq_unbind_range(0, ~0ull, v, by);
    for (struct domain *d = domains; d; d = d->next)
        if (d->watch_by == by && atomic_load(&d->watcher) == v)
            atomic_store(&d->watcher, NULL);
    return -FB_E_RESUME;
}

static void
undo_watch(struct domain *d, u32 by)
{
    if (d->watch_by == by)
        atomic_store(&d->watcher, NULL);
}

/* ---- SPACE ---- */

static bool
space_is_current(const struct space *s)
{
    for (struct vcpu *v = s->domain->vcpus; v; v = v->next)
        if (v->space == s)
            return true;
    return false;
}

/* Free it, unless the domain's destruction has come first (N6). */
static int
space_let_go(struct space *s)
{
    struct domain *d = s->domain;
    int error = space_list_lock(d);

    if (error)
        return error;
    if (being_destroyed(d))
        error = -FB_E_INUSE;
    else
        space_free(s);
    space_list_unlock(d);
    return error;
}

static bool
wait_quiet(struct cap *c)
{
    if (epoch_seen(c->cursor))
        return true;
    epoch_ask(~0ull, c->cursor);
    return epoch_seen(c->cursor);
}

static int
undo_space(struct cap *c)
{
    struct space *s = c->object;
    int error;

    if (being_destroyed(s->domain) || (c->phase <= SPACE_QUIET && space_is_current(s)))
        return -FB_E_INUSE;
    switch ((enum space_phase)c->phase) {
    case SPACE_MARK:
        __atomic_store_n(&s->dying, 2, __ATOMIC_SEQ_CST);
        c->cursor = epoch_next();
        c->phase = SPACE_QUIET;
        return -FB_E_RESUME;
    case SPACE_QUIET:
        if (!wait_quiet(c))
            return -FB_E_RESUME;
        c->cursor = 0;
        c->phase = SPACE_TEAR;
        return -FB_E_RESUME;
    case SPACE_TEAR:
        error =
            space_tear_down((struct tree){ .space = s, .domain = s->domain }, &c->cursor);
        if (error)
            return error;
        c->cursor = epoch_next();
        c->phase = SPACE_FLUSH;
        return -FB_E_RESUME;
    case SPACE_FLUSH: return wait_quiet(c) ? space_let_go(s) : -FB_E_RESUME;
    }
    panic("undo: a space in phase %u", c->phase);
}

/* ---- ENDPOINT ---- */

/* Who waits through the capability is woken, and finds its name dead.  While that goes on
 * a receiver may still be entered: a quiet point later the callers of those are known, and
 * nobody uses an endpoint whose first capability this is. */
static int
undo_endpoint(struct cap *c)
{
    bool first = (c->flags & CAP_F_FIRST) != 0;

    if (c->phase == 0) {
        ipc_cancel(c);
        if (!first && !(c->may.auth & FB_AUTH(0, FB_KIND_IPC_RECV, 0)))
            return 0;
        c->cursor = epoch_next();
        c->phase = 1;
        return -FB_E_RESUME;
    }
    if (!wait_quiet(c))
        return -FB_E_RESUME;
    ipc_cancel(c);
    if (first)
        ipc_end(c->object);
    return 0;
}

int
cap_undo(struct cap *dying)
{
    u64 lo = dying->may.lo, hi = dying->may.hi;
    u32 by = dying->holder->id;

    switch (cap_type(dying)) {
    case FB_TYPE_MEMORY: return undo_memory(dying);
    case FB_TYPE_SLICE: undo_slices(lo, hi, NULL, by); return 0;
    case FB_TYPE_IRQ: irq_unbind_range(lo, hi, NULL, by); return 0;
    case FB_TYPE_VCPU: return undo_vcpu(dying);
    case FB_TYPE_DOMAIN: undo_watch(dying->object, by); return 0;
    case FB_TYPE_ENDPOINT: return undo_endpoint(dying);
    case FB_TYPE_SPACE: return dying->flags & CAP_F_FIRST ? undo_space(dying) : 0;
    default: return 0;
    }
}

/* What was derived within the interval of the last entry says nothing new. */
void
cap_taken(struct cap *dying)
{
    struct domain *d = dying->holder;
    struct fb_domain_record *r = d->record;
    struct fb_taken *last = &r->entry[(r->taken - 1) % FB_TAKEN_MAX];
    u64 lo = dying->may.lo, hi = dying->may.hi;

    if (cap_type(dying) == FB_TYPE_SPACE && dying->flags & CAP_F_FIRST) {
        lo = ptr_frame(dying->object); /* it may be freed: its fields lie in its root */
        hi = lo + 2;
    }
    if (r->taken && last->type == cap_type(dying) && last->lo <= lo && hi <= last->hi) {
        last->mappings += d->evicted;
    } else {
        r->entry[r->taken % FB_TAKEN_MAX] = (struct fb_taken){
            cap_type(dying), lo, hi, d->evicted, hal_tsc() };
        __atomic_store_n(&r->taken, r->taken + 1, __ATOMIC_RELEASE);
    }
    d->evicted = 0;
}

void
cap_forget(struct cap *first)
{
    switch (cap_type(first)) {
    case FB_TYPE_SPACE:
        atomic_thread_fence(memory_order_seq_cst); /* the names that went are seen before
                                                      the epoch is read */
        ((struct space *)first->object)->cap = NULL;
        ((struct space *)first->object)->pad = (epoch_now() + 1)
                                               << 1; /* for who frees it */
        break;
    case FB_TYPE_VCPU: ((struct vcpu *)first->object)->cap = NULL; break;
    case FB_TYPE_DOMAIN: ((struct domain *)first->object)->cap = NULL; break;
    default: panic("cap: type %u has no object", first->type);
    }
}
