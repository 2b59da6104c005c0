/* SPDX-License-Identifier: MIT */
/*
 * Asking for memory and CPU time back: sdk/reclaim.h has the protocol, from the side of
 * the instance; docs/visible-revocation.md the states.
 *
 * A request of an instance is open from reclaim_ask until its answer or its deadline.
 * Then, in one go: what the instance gave back is collected; what is missing is taken by
 * force; the lists in its page are brought up to date; and who it was asked for gets it.
 *
 * Which chunks by force: those without kernel objects of the instance first, and of these
 * the ones with the fewest mapped pages, as the frame records say.  Which CPU time: whole
 * positions, from the last vCPU on, but of vCPU 0 only a part, so that it can still act.
 */
#include "steward/steward.h"

#include <sdk/stubs.h>

#define ORDERS    8u /* what feuer.reclaim= can ask for */
#define LAST_TURN 10u /* microseconds that vCPU 0 keeps */

static u64
ticks_of_us(u64 us)
{
    return ((const struct fb_record *)WINDOW_RECORD)->tsc_hz / 1000000 * us;
}

static u64
held_of(const struct instance *i, u32 kind)
{
    u64 n = 0;

    for (u32 k = 0; kind == RECLAIM_MEMORY && k < RECLAIM_CHUNKS; k++)
        if (i->reclaim.chunk[k].own && !i->reclaim.chunk[k].stuck)
            n += i->reclaim.chunk[k].r.hi - i->reclaim.chunk[k].r.lo;
    for (u32 v = 0; kind == RECLAIM_TIME && v < i->nvcpus; v++)
        n += i->reclaim.ticks[v];
    return n;
}

bool
reclaim_ask(struct instance *i, u32 kind, u64 amount, u64 ms, struct instance *to)
{
    struct reclaim *r = &i->reclaim;

    if (!i->alive || r->open || amount == 0 || held_of(i, kind) == 0)
        return false;
    amount = amount < held_of(i, kind) ? amount : held_of(i, kind);
    r->open = true;
    r->kind = kind;
    r->amount = amount;
    r->to = to;
    r->asked++;
    r->began = __builtin_ia32_rdtsc();
    r->deadline = r->began + ticks_of_us(1000 * ms);
    r->page->kind = kind;
    r->page->amount = amount;
    r->page->deadline = r->deadline;
    __atomic_store_n(&r->page->asked, r->asked, __ATOMIC_RELEASE);
    fb_signal(i->vcpus[0], 1ull << FB_EVENT_REVOKE, NULL);
    return true;
}

/* ---- memory ---- */

/* Nothing is below the steward's capability: the instance has deleted its own. */
static bool
is_given_back(u64 own)
{
    const struct fb_cap_info *info = (const void *)STEWARD_BUFFER;
    return fb_cap_inspect(own, 0, NULL) == 0 && !info->children;
}

/* How much harm it does to take the chunk. */
static u64
harm(const struct chunk *c)
{
    u64 n = 0;

    for (u64 at = c->r.lo; at < c->r.hi;) {
        u64 page = at / 256, pages = (c->r.hi + 255) / 256 - page;
        pages = pages < 256 ? pages : 256;
        const struct fb_frame_record *records = own_map(
            3, BOOT->cap_kernel_read, BOOT->records_frame + page, pages, false);
        for (; at < c->r.hi && at < (page + pages) * 256; at++) {
            u64 word = records[at - page * 256].word;
            bool object = FB_FRAME_TYPE(word) != FB_FRAME_DATA &&
                          FB_FRAME_TYPE(word) != FB_FRAME_TABLE;
            n += FB_FRAME_MAPS(word) != 0;
            n += object || (FB_FRAME_TYPE(word) == FB_FRAME_DATA && FB_FRAME_PINS(word))
                     ? 1ull << 40
                     : 0;
        }
        own_unmap(3, pages);
    }
    return n;
}

static u32
least_harmful(struct instance *i)
{
    u64 least = ~0ull;
    u32 best = RECLAIM_CHUNKS;

    for (u32 k = 0; k < RECLAIM_CHUNKS; k++) {
        const struct chunk *c = &i->reclaim.chunk[k];
        if (!c->own || c->stuck)
            continue;
        u64 h = harm(c);
        if (h < least)
            least = h, best = k;
    }
    return best;
}

static void
finish_memory(struct instance *i, u64 *given, u64 *taken)
{
    struct reclaim *r = &i->reclaim;
    u32 k;

    for (k = 0; k < RECLAIM_CHUNKS; k++) {
        const struct chunk *c = &r->chunk[k];
        u64 n = c->r.hi - c->r.lo;
        if (c->own && !c->stuck && is_given_back(c->own) && reclaim_take(i, k) == 0)
            *given += n;
    }
    while (*given + *taken < r->amount && (k = least_harmful(i)) < RECLAIM_CHUNKS) {
        u64 n = r->chunk[k].r.hi - r->chunk[k].r.lo, lo = r->chunk[k].r.lo;
        long error = reclaim_take(i, k);
        if (error)
            say("instance %s: memory at %lx: %s: it stays until the instance's end",
                i->what->name, lo << 12, fb_error_name(error));
        else
            *taken += n;
    }
    if (r->to && r->to->alive)
        reclaim_give(r->to, *given + *taken);
}

/* ---- CPU time ---- */

/* Set what vCPU v gets in each round; 0: its position goes. */
static void
set_ticks(struct instance *i, u32 v, u64 ticks)
{
    struct reclaim *r = &i->reclaim;

    if (ticks == 0)
        finish(fb_cap_revoke, r->slice_own[v]);
    else
        AGAIN(fb_slice_set(BOOT->cap_slices, i->cpus[v] * 64 + i->place, i->vcpus[v],
                           ticks, NULL));
    r->ticks[v] = r->page->ticks[v] = ticks;
    if (ticks == 0)
        r->page->slice_cap[v] = 0;
}

/* Time of a CPU goes to the one who gets it, where that has a vCPU there. */
static void
add_ticks(struct instance *to, u64 cpu, u64 ticks)
{
    for (u32 v = 0; to && to->alive && v < to->nvcpus; v++)
        if (to->cpus[v] == cpu && to->reclaim.ticks[v])
            set_ticks(to, v, to->reclaim.ticks[v] + ticks);
}

static void
finish_time(struct instance *i, bool answered, u64 *given, u64 *taken)
{
    struct reclaim *r = &i->reclaim;
    u64 before[FB_CPUS_MAX];

    for (u32 v = 0; v < i->nvcpus; v++) {
        u64 keep = r->page->keep[v];
        before[v] = r->ticks[v];
        if (before[v] && is_given_back(r->slice_own[v]))
            keep = 0;
        else if (!answered || keep >= before[v])
            continue;
        keep = v == 0 && keep < ticks_of_us(LAST_TURN) ? ticks_of_us(LAST_TURN) : keep;
        if (keep >= before[v])
            continue;
        *given += before[v] - keep;
        set_ticks(i, v, keep);
    }
    for (u32 v = i->nvcpus; v-- > 0 && *given + *taken < r->amount;) {
        u64 now = r->ticks[v], rest = r->amount - *given - *taken, turn = now;
        if (v == 0) {
            u64 most = now > ticks_of_us(LAST_TURN) ? now - ticks_of_us(LAST_TURN) : 0;
            turn = rest < most ? rest : most;
        }
        if (turn) {
            *taken += turn;
            set_ticks(i, v, now - turn);
        }
    }
    for (u32 v = 0; v < i->nvcpus; v++)
        if (before[v] > r->ticks[v])
            add_ticks(r->to, i->cpus[v], before[v] - r->ticks[v]);
    if (r->to && r->to->alive)
        reclaim_tell(r->to);
}

/* ---- the end of a request ---- */

static void
report(const struct instance *i, bool answered, u64 given, u64 taken)
{
    const struct reclaim *r = &i->reclaim;
    u64 hz = ((const struct fb_record *)WINDOW_RECORD)->tsc_hz;
    u64 ms = (__builtin_ia32_rdtsc() - r->began) / (hz / 1000);
    const char *unit = r->kind == RECLAIM_MEMORY ? "KiB" : "us";
    u64 a = r->amount, record = r->record->taken;

    if (r->kind == RECLAIM_MEMORY)
        a *= 4, given *= 4, taken *= 4;
    else
        a /= hz / 1000000, given /= hz / 1000000, taken /= hz / 1000000;
    say("instance %s: asked for %lu %s, %s after %lu ms: gave %lu, by force %lu, "
        "record %lu",
        i->what->name, a, unit, answered ? "answered" : "no answer", ms, given, taken,
        record);
}

/* The count of changes is odd while something is taken by force. */
static void
finish_request(struct instance *i, bool answered)
{
    u64 given = 0, taken = 0;

    i->reclaim.open = false;
    i->reclaim.changes |= 1;
    __atomic_store_n(&i->reclaim.page->changes, i->reclaim.changes, __ATOMIC_SEQ_CST);
    if (i->reclaim.kind == RECLAIM_MEMORY)
        finish_memory(i, &given, &taken);
    else
        finish_time(i, answered, &given, &taken);
    report(i, answered, given, taken);
    reclaim_tell(i);
}

/* ---- what the command line schedules ---- */

/* feuer.reclaim=FROM:AMOUNT:DEADLINE_MS:AFTER_MS[:TO][,...]; AMOUNT: 16M of memory, or
 * 50% of the CPU time. */
static struct order {
    struct instance *from, *to;
    u32 kind;
    u64 amount, ms, when;
} orders[ORDERS];
static u32 norders;
static bool read_orders;

static struct instance *
by_name(struct instance *all, u32 count, const char *name)
{
    for (u32 k = 0; k < count; k++)
        if (strcmp(all[k].what->name, name) == 0)
            return &all[k];
    return NULL;
}

/* The next field of an order: up to ':' or ','. */
static const char *
field(const char *at, char out[16], bool *more)
{
    u32 n = 0;

    while (*at && *at != ':' && *at != ',') {
        if (n < 15)
            out[n++] = *at;
        at++;
    }
    out[n] = '\0';
    *more = *at == ':';
    return *more ? at + 1 : at;
}

static u64
number(const char *s, char *unit)
{
    u64 n = 0;

    while (*s >= '0' && *s <= '9' && n < 1ull << 40)
        n = n * 10 + (u64)(*s++ - '0');
    *unit = *s;
    return n;
}

static const char *
read_order(const char *at, struct instance *all, u32 count)
{
    char word[5][16] = { { 0 } }, unit, none;
    bool more = true;
    struct order o = { 0 };

    for (u32 n = 0; n < 5 && more; n++)
        at = field(at, word[n], &more);
    o.from = by_name(all, count, word[0]);
    o.to = by_name(all, count, word[4]);
    o.amount = number(word[1], &unit);
    o.kind = unit == '%' ? RECLAIM_TIME : RECLAIM_MEMORY;
    o.amount *= unit == 'M' ? 256 : 1;
    o.ms = number(word[2], &none);
    o.when = __builtin_ia32_rdtsc() + ticks_of_us(1000 * number(word[3], &none));
    if (!o.from || (unit != '%' && unit != 'M') || (word[4][0] && !o.to) ||
        norders == ORDERS)
        say("feuer.reclaim: %s:%s is not understood", word[0], word[1]);
    else
        orders[norders++] = o;
    return *at == ',' ? at + 1 : at + strlen(at);
}

static u64
carry_out(struct order *o, u64 now)
{
    u64 amount = o->amount;

    if (o->when == FB_FOREVER || now < o->when)
        return o->when;
    o->when = FB_FOREVER;
    if (o->kind == RECLAIM_TIME)
        amount = held_of(o->from, RECLAIM_TIME) / 100 * amount;
    if (!reclaim_ask(o->from, o->kind, amount, o->ms, o->to))
        say("instance %s: there is nothing to ask it for", o->from->what->name);
    return FB_FOREVER;
}

u64
reclaim_poll(struct instance *all, u32 count)
{
    char value[256];
    u64 next = FB_FOREVER, now = __builtin_ia32_rdtsc();

    if (!read_orders && sdk_option(BOOT->cmdline, "feuer.reclaim=", value, sizeof(value)))
        for (const char *at = value; *at;)
            at = read_order(at, all, count);
    read_orders = true;
    for (u32 k = 0; k < norders; k++) {
        u64 when = carry_out(&orders[k], now);
        next = when < next ? when : next;
    }
    for (u32 k = 0; k < count; k++) {
        struct reclaim *r = &all[k].reclaim;
        if (!all[k].alive || !r->open)
            continue;
        bool answered = __atomic_load_n(&r->page->answered, __ATOMIC_ACQUIRE) == r->asked;
        if (answered || now >= r->deadline)
            finish_request(&all[k], answered);
        else
            next = r->deadline < next ? r->deadline : next;
    }
    return next;
}
