/* SPDX-License-Identifier: MIT */
/*
 * What the control port shows: fields with tabs between them, a line for each thing.
 *
 * list     NAME STATE PERSONALITY TERMINAL CPUS KIB STARTS MS ENDED
 * top      "machine" NOW HZ CPUS, "cpu" N IDLE for each CPU, "steward" TICKS KIB_FREE
 *          SLOTS_USED UPCALLS FAULTS CALLS REPLIES SWITCHES, and for each instance that is
 *          up: "instance" NAME TICKS CROSSINGS UPCALLS FAULTS CALLS REPLIES SWITCHES KIB
 *          SLOTS_USED SLOTS LIBOS PROGRAMS, the last two what it says itself of its time.
 *          Last "kernel" KIB CROSSINGS UPCALLS FAULTS CALLS REPLIES SWITCHES INTERRUPTS:
 *          all that the kernel did, for the steward and every instance that is or was.
 *          What is free, KIB and slots are as they are now, all else counts up; times are
 *          TSC ticks.
 * caps     SLOT TYPE LO HI CLASS KINDS RIGHTS (names with commas), and then "more" SLOT
 *          where the list goes on
 */
#include "steward/steward.h"

#include <sdk/stubs.h>

static u64
kib_of(const struct instance *i)
{
    u64 frames = 0;

    for (u32 k = 0; k < i->memory.count; k++)
        frames += i->memory.r[k].hi - i->memory.r[k].lo;
    for (u32 k = 0; k < RECLAIM_CHUNKS; k++)
        frames += i->reclaim.chunk[k].r.hi - i->reclaim.chunk[k].r.lo;
    return frames * 4;
}

static void
add_cpus(struct text *t, const struct instance *i)
{
    for (u32 v = 0; v < i->nvcpus && i->alive; v++)
        text_add(t, "%s%lu", v ? "," : "", i->cpus[v]);
    if (!i->alive)
        text_add(t, "-");
}

void
report_list(struct text *t)
{
    u64 now = __builtin_ia32_rdtsc(), hz = ticks_of_ms(1);

    for (u32 k = 0; k < instance_count; k++) {
        const struct instance *i = &instances[k];
        text_add(t, "%s\t%s\t%s\t%s\t", i->what->name, life_state(i),
                 i->what->personality, terminal_owner() == i ? "yes" : "no");
        add_cpus(t, i);
        text_add(t, "\t%lu\t%u\t%lu\t%s\n", kib_of(i), i->starts,
                 i->state == STATE_UP ? (now - i->began) / hz : 0,
                 i->ended[0] ? i->ended : "-");
    }
}

/* What the kernel counted. */
struct counts {
    u64 crossings, interrupts;
    struct fb_domain_counts of;
};

static struct counts ended; /* of instances whose domains are gone */

static void
add_record(struct counts *sum, const struct fb_domain_record *r)
{
    for (u32 cpu = 0; cpu < FB_CPUS_MAX; cpu++) {
        sum->of.upcalls += r->cpu[cpu].upcalls;
        sum->of.faults += r->cpu[cpu].faults;
        sum->of.switches += r->cpu[cpu].switches;
        sum->of.calls += r->cpu[cpu].calls;
        sum->of.replies += r->cpu[cpu].replies;
    }
}

/* Nothing, where it has no record that the steward sees: not yet, or it was added to
 * `ended`. */
static void
add_instance(struct counts *sum, const struct instance *i)
{
    if (!i->reclaim.record || !i->port.page)
        return;
    add_record(sum, i->reclaim.record);
    for (u32 v = 0; i->cb && v < i->nvcpus; v++)
        sum->crossings += ((const struct fb_cb *)((u64)i->cb + v * PAGE))->crossings;
}

void
report_end(const struct instance *i)
{
    add_instance(&ended, i);
}

static void
say_counts(struct text *t, const struct counts *c)
{
    text_add(t, "\t%lu\t%lu\t%lu\t%lu\t%lu", c->of.upcalls, c->of.faults, c->of.calls,
             c->of.replies, c->of.switches);
}

static void
say_instance(struct text *t, const struct instance *i)
{
    const struct fb_domain_status *s = (const void *)STEWARD_BUFFER;
    struct counts c = { 0 };

    if (i->state != STATE_UP || !i->reclaim.record ||
        fb_domain_status(i->domain, 0, NULL) != 0)
        return;
    add_instance(&c, i);
    text_add(t, "instance\t%s\t%lu\t%lu", i->what->name, s->ticks, c.crossings);
    say_counts(t, &c);
    text_add(t, "\t%lu\t%lu\t%lu\t%lu\t%lu\n", kib_of(i), s->slots_used, s->slots,
             i->port.page ? i->port.page->sampled[0] : 0,
             i->port.page ? i->port.page->sampled[1] : 0);
}

/* The first domain's record, mapped once. */
static const struct fb_domain_record *
own_record(void)
{
    static bool mapped;

    if (!mapped)
        mapped = window_map(0, WINDOW_DOMAIN_RECORD, BOOT->cap_kernel_read,
                            BOOT->domain_record_frame, 1, FB_MAP_READ, NULL) == 0;
    return mapped ? (const void *)WINDOW_DOMAIN_RECORD : NULL;
}

void
report_top(struct text *t)
{
    const struct fb_record *record = (const void *)WINDOW_RECORD;
    const struct fb_domain_status *s = (const void *)STEWARD_BUFFER;
    struct counts own = { 0 }, all = ended;

    text_add(t, "machine\t%lu\t%lu\t%lu\n", (u64)__builtin_ia32_rdtsc(), record->tsc_hz,
             ncpus());
    for (u64 cpu = 0; cpu < ncpus(); cpu++) {
        text_add(t, "cpu\t%lu\t%lu\n", cpu, record->cpu[cpu].idle_tsc);
        all.interrupts += record->interrupts[cpu];
    }
    if (own_record()) {
        add_record(&own, own_record());
        add_record(&all, own_record());
    }
    if (fb_domain_status(0, 0, NULL) == 0) {
        text_add(t, "steward\t%lu\t%lu\t%lu", s->ticks, memory_total() * 4,
                 s->slots_used);
        say_counts(t, &own);
        text_add(t, "\n");
    }
    for (u32 k = 0; k < instance_count; k++) {
        say_instance(t, &instances[k]);
        add_instance(&all, &instances[k]);
    }
    text_add(t, "kernel\t%lu\t%lu", BOOT->kernel_frames * 4, all.crossings);
    say_counts(t, &all);
    text_add(t, "\t%lu\n", all.interrupts);
}

static const char *
type_name(u64 type)
{
    static const char *const names[] = { "none",    "memory",   "space", "domain",
                                         "vcpu",    "slice",    "irq",   "port",
                                         "machine", "endpoint", "block", "net" };
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

/* The names of the bits that are set, with commas, and a tab. */
static void
add_bits(struct text *t, u64 bits, const char *const names[], u32 count)
{
    bool some = false;

    for (u32 k = 0; k < count; k++)
        if (bits & 1ull << k) {
            text_add(t, "%s%s", some ? "," : "", names[k]);
            some = true;
        }
    text_add(t, "%s", some ? "" : "-");
}

static void
add_entry(struct text *t, const struct fb_cap_entry *e)
{
    static const char *const atoms[] = { "kernel", "ipc", "file", "net", "app", "data" };
    static const char *const kinds[] = { "memory",    "space",     "hardware",
                                         "scheduler", "send",      "receive",
                                         "interrupt", "ioport",    "filesystem",
                                         "network",   "file-read", "file-write",
                                         "process",   "socket" };
    static const char *const rights[] = { "read",   "write",  "exec",    "give",
                                          "derive", "grant",  "revoke",  "map",
                                          "switch", "create", "control", "signal" };
    u64 all = (1u << sizeof(atoms) / sizeof(atoms[0])) - 1;

    text_add(t, "%lu\t%s\t%lx\t%lx\t", e->slot, type_name(e->info.type), e->info.lo,
             e->info.hi);
    if ((FB_AUTH_CLASS(e->info.auth) & all) == all)
        text_add(t, "root");
    else
        add_bits(t, FB_AUTH_CLASS(e->info.auth), atoms, 6);
    text_add(t, "\t");
    add_bits(t, (e->info.auth >> 8 & 0xffffff), kinds, 14);
    text_add(t, "\t");
    add_bits(t, (e->info.auth >> 32), rights, 12);
    text_add(t, "\n");
}

#define CAPS_STEPS 64u /* of the kernel's in one request */
#define CAPS_ROOM  24576u

void
report_caps(struct text *t, struct instance *i, u64 slot)
{
    const struct fb_cap_entry *list = (const void *)STEWARD_BUFFER;
    unsigned long v = 0;

    for (u32 n = 0; n < CAPS_STEPS; n++) {
        if (fb_domain_caps(i->domain, slot, 0, &v) != 0)
            return;
        if ((u32)v <= slot)
            return; /* the end */
        slot = (u32)v;
        for (u64 k = 0; k < v >> 32; k++)
            add_entry(t, &list[k]);
        if (t->length > CAPS_ROOM)
            break;
    }
    text_add(t, "more %lu\n", slot);
}
