/* SPDX-License-Identifier: MIT */
/* The time-table of a CPU: see slice.h for the rules. */
#include "slice/slice.h"

#include "event/event.h"
#include "hal/hal.h"
#include "ipc/ipc.h"

#define NONE CPU_SLICES /* no position */

static u64
grace_ticks(void)
{
    return record->tsc_hz / 1000000 * (SLICE_GRACE_NS / 1000);
}

/* ---- positions and the bits that say where to look (I5) ---- */

static struct vcpu *
slice_owner(const struct cpu *c, u32 pos)
{
    return atomic_load_explicit(&c->slices[pos].vcpu, memory_order_acquire);
}

/* Who runs in the time of a position (I7). */
static struct vcpu *
slice_who(const struct cpu *c, u32 pos)
{
    struct vcpu *v = slice_owner(c, pos);

    while (v != NULL && atomic_load(&v->state) == VCPU_CALLING)
        v = ipc_server(c, v);
    return v;
}

/* The positions in whose time the current vCPU runs. */
static u64
served(const struct cpu *c)
{
    u64 mask = 0;

    for (const struct vcpu *v = c->current; v != NULL; v = ipc_client(v))
        mask |= atomic_load_explicit(&v->positions, memory_order_relaxed);
    return mask;
}

static bool
vcpu_ready(const struct vcpu *v)
{
    return v != NULL &&
           atomic_load_explicit(&v->state, memory_order_acquire) == VCPU_READY;
}

/* How far the first bit of `mask` is from `from`, going round; NONE: there is none. */
static u32
distance(u64 mask, u32 from)
{
    u64 turned = mask >> from | mask << (-from % 64);
    return turned == 0 ? NONE : (u32)__builtin_ctzll(turned);
}

void
slice_ready(struct vcpu *v)
{
    struct cpu *c = cpu_by_id(v->cpu);
    u64 bits = atomic_load(&v->positions);

    /* Bits that are seen set need no store: who clears one looks at the state after it. */
    if ((atomic_load(&c->ready) & bits) != bits)
        atomic_fetch_or(&c->ready, bits);
}

bool
vcpu_wake(struct vcpu *v)
{
    u32 state = atomic_load(&v->state);

    while (state == VCPU_WAITING || state == VCPU_CALLING)
        if (atomic_compare_exchange_weak(&v->state, &state, VCPU_READY)) {
            slice_ready(v);
            return true;
        }
    return false;
}

void
slice_bind(struct cpu *c, u32 position, struct vcpu *v, u64 ticks)
{
    struct slice *s = &c->slices[position];
    struct vcpu *old = atomic_load(&s->vcpu);
    u64 bit = 1ull << position;

    if (old != NULL && old != v)
        atomic_fetch_and(&old->positions, ~bit);
    if (v == NULL) {
        atomic_store(&s->vcpu, NULL);
        atomic_fetch_and(&c->filled, ~bit);
        return;
    }
    __atomic_store_n(&s->ticks, ticks, __ATOMIC_RELAXED);
    atomic_store(&s->vcpu, v);
    atomic_fetch_or(&v->positions, bit);
    atomic_fetch_or(&c->filled, bit);
    atomic_fetch_or(&c->ready, bit);
}

static bool
asleep(const struct vcpu *v)
{
    u32 state = v == NULL ? VCPU_DEAD : atomic_load(&v->state);
    return state == VCPU_WAITING || state == VCPU_NEW || state == VCPU_DEAD;
}

/* The distance from `from` to the first position whose owner is READY; NONE. What the
 * current vCPU has does not count: it is not READY. */
static u32
slice_seek(struct cpu *c, u32 from)
{
    u64 mask = atomic_load_explicit(&c->ready, memory_order_acquire);

    mask &= ~served(c);
    while (mask != 0) {
        u32 d = distance(mask, from), pos = (from + d) % CPU_SLICES;
        u64 bit = 1ull << pos;
        if (vcpu_ready(slice_who(c, pos)))
            return d;
        mask &= ~bit;
        if (!asleep(slice_owner(c, pos)))
            continue;
        atomic_fetch_and(&c->ready, ~bit);
        if (!asleep(slice_owner(c, pos)))
            atomic_fetch_or(&c->ready, bit); /* it was woken between the two looks */
    }
    return NONE;
}

/* ---- the clock ---- */

/* The length of this round's slice: what its account overran is paid first. */
static u64
slice_length(struct slice *s)
{
    u64 ticks = __atomic_load_n(&s->ticks, __ATOMIC_RELAXED);
    u64 pays = s->debt < ticks ? s->debt : ticks;

    if (s->debtor != atomic_load_explicit(&s->vcpu, memory_order_relaxed))
        pays = s->debt = 0; /* the position is somebody else's now */
    s->debt -= pays;
    return ticks - pays;
}

/* The position after slice_pos that has an owner; perhaps itself. NONE: all are empty. */
static u32
slice_next(const struct cpu *c)
{
    u32 from = (c->slice_pos + 1) % CPU_SLICES;
    u32 d = distance(atomic_load_explicit(&c->filled, memory_order_relaxed), from);

    return d == NONE ? NONE : (from + d) % CPU_SLICES;
}

/* What ran on the account of paid_by went on until now, though it had been told.  Not
 * more than a slice and the grace: beyond that the machine stood still, and nobody is to
 * starve for it. */
static void
charge(struct cpu *c, u64 now)
{
    struct slice *s = &c->slices[c->paid_by];
    u64 over = now - c->slice_end,
        most = __atomic_load_n(&s->ticks, __ATOMIC_RELAXED) + grace_ticks();

    if (slice_owner(c, c->paid_by) == c->payer) {
        s->debt = (s->debtor == c->payer ? s->debt : 0) + (over < most ? over : most);
        s->debtor = c->payer;
    }
    c->slice_end = now;
    c->force = false;
}

/* At most one round is walked: a longer absence starts a fresh slice. */
void
slice_advance(struct cpu *c, u64 now)
{
    if (now < c->slice_end)
        return;
    if (c->force)
        charge(c, now);
    c->given = false;
    for (u32 n = 0; n < CPU_SLICES && now >= c->slice_end; n++) {
        u32 next = slice_next(c);
        if (next == NONE)
            break;
        c->slice_pos = next;
        c->slice_end += slice_length(&c->slices[next]);
    }
    if (now >= c->slice_end)
        c->slice_end =
            now + __atomic_load_n(&c->slices[c->slice_pos].ticks, __ATOMIC_RELAXED);
}

static void
set_account(struct cpu *c, u32 pos)
{
    c->paid_by = pos;
    c->payer = slice_owner(c, pos);
    c->lent = false;
}

struct vcpu *
slice_choose(struct cpu *c)
{
    u32 from = c->given ? (c->slice_pos + 1) % CPU_SLICES : c->slice_pos;
    u32 d = slice_seek(c, from);

    if (d == NONE)
        return NULL;
    set_account(c, (from + d) % CPU_SLICES);
    return slice_who(c, c->paid_by);
}

/* ---- while somebody runs ---- */

void
slice_arm(struct cpu *c, u64 tsc)
{
    if (tsc < c->armed) {
        c->armed = tsc;
        hal_timer_arm(tsc);
    }
}

void
slice_begin(struct cpu *c)
{
    c->contended = slice_seek(c, c->slice_pos) != NONE;
    if (c->contended)
        slice_arm(c, c->slice_end);
}

/* The slice is over. Does the current vCPU have to go at once?  If not, it has been told
 * and its grace runs, or the time-table says that it goes on. */
static bool
slice_ended(struct cpu *c, u64 now)
{
    u64 until = c->slice_end + grace_ticks();
    u32 next = slice_next(c);

    if (c->contended && !c->force && next != NONE) {
        u32 other = slice_seek(c, next);
        if (other < distance(served(c), next)) {
            c->force = true;
            event_send(c->current, 1ull << FB_EVENT_SLICE);
        }
    }
    if (c->force && now < until) {
        slice_arm(c, until);
        return false;
    }
    slice_advance(c, now);
    u32 own = distance(served(c), c->slice_pos);
    if (slice_seek(c, c->slice_pos) < own)
        return true;
    if (own != NONE)
        set_account(c, (c->slice_pos + own) % CPU_SLICES);
    slice_begin(c);
    return false;
}

bool
slice_preempts(struct cpu *c)
{
    u64 now = hal_tsc();

    c->resched = 0;
    if (slice_owner(c, c->paid_by) != c->payer)
        return true; /* I6 */
    if (!c->lent && !(served(c) >> c->paid_by & 1))
        return true; /* I6: the call in whose time it runs is over */
    if (now >= c->slice_end)
        return slice_ended(c, now);
    struct vcpu *owner = slice_who(c, c->slice_pos);
    if (c->paid_by != c->slice_pos && !c->given && vcpu_ready(owner))
        return true; /* I1: time that was borrowed goes back */
    if (owner == c->current)
        set_account(c, c->slice_pos); /* it was given the position just now */
    slice_begin(c);
    return false;
}

void
slice_yield(struct cpu *c, struct vcpu *to)
{
    u32 from = (c->paid_by + 1) % CPU_SLICES;

    if (hal_tsc() >= c->slice_end)
        return; /* there is nothing left to give: the time-table says who is next */
    c->given |= c->paid_by == c->slice_pos;
    c->donee = to;
    c->lent = to != NULL;
    if (to != NULL)
        return;
    u32 d = slice_seek(c, from);
    if (d == NONE)
        return;
    set_account(c, (from + d) % CPU_SLICES);
    c->donee = slice_who(c, c->paid_by);
}

void
slice_replied(struct cpu *c)
{
    c->lent |= !(served(c) >> c->paid_by & 1);
}

/* ---- timers ---- */

/* What of v is due; returns when the rest of it is. */
static u64
timer_run(struct cpu *c, struct vcpu *v, u64 now)
{
    if (v->timer <= now) {
        v->timer = SLICE_NEVER;
        event_send(v, 1ull << FB_EVENT_TIMER);
    }
    if (v->waits == 0)
        return v->timer;
    if (v->wait_until > now)
        return v->wait_until < v->timer ? v->wait_until : v->timer;
    if (vcpu_wake(v))
        c->resched = 1;
    return v->timer;
}

/* Timers of the vCPUs on this CPU that are due; returns the earliest of the others. */
static u64
timers_run(struct cpu *c, u64 now)
{
    u64 next = SLICE_NEVER;

    for (u64 rest = c->timed; rest != 0; rest &= rest - 1) {
        u32 slot = (u32)__builtin_ctzll(rest);
        struct vcpu *v = atomic_load_explicit(&c->vcpus[slot], memory_order_acquire);
        u64 first = v != NULL ? timer_run(c, v, now) : SLICE_NEVER;
        if (first == SLICE_NEVER)
            c->timed &= ~(1ull << slot);
        next = first < next ? first : next;
    }
    return next;
}

void
slice_timer(struct cpu *c)
{
    u64 now = hal_tsc();

    c->armed = SLICE_NEVER;
    u64 next = timers_run(c, now);
    if (c->current != NULL && c->contended) {
        u64 end = c->slice_end + (c->force ? grace_ticks() : 0);
        if (now >= end)
            c->resched = 1;
        else
            next = end < next ? end : next;
    }
    slice_arm(c, next);
}
