/* SPDX-License-Identifier: MIT */
/*
 * A LibOS that is asked for memory and CPU time back, in one of three roles (role= in its
 * args): `obey` gives what it is asked for, `slow` notices too late, `refuse` answers
 * that it gives nothing.
 *
 * Its data is a pattern in every page of its chunks.  Who obeys moves the data of a chunk
 * into its base memory before it gives the chunk back, and checks all of it afterwards;
 * the others find out from the record of their domain what was taken, and check the rest.
 * Each line that it prints says what it found; tests/reclaim/run.sh compares.
 */
#include <sdk/instance.h>
#include <sdk/reclaim.h>
#include <sdk/sdk.h>
#include <sdk/stubs.h>

#define INFO   ((const struct instance_info *)INSTANCE_INFO_VA)
#define RECORD ((const struct fb_record *)WINDOW_RECORD)
#define CB     ((struct fb_cb *)WINDOW_CB)

__attribute__((visibility("hidden"))) void upcall_entry(void);
__attribute__((visibility("hidden"))) int touch(const volatile void *at);
__attribute__((visibility("hidden"))) void touch_fixup(void);
__attribute__((visibility("hidden"))) extern u8 stacks[];
__attribute__((noreturn)) void reclaim_main(u64 vcpu);
__attribute__((noreturn)) void upcall(u64 area, u64 vector);

static struct reclaim_page *const page = RECLAIM_PAGE;
static char role[16];
/* What it has: as the page said when it looked last. */
static struct chunk {
    u64 cap, lo, hi;
    u64 moved; /* first frame of base memory that has its data; 0: it is in the chunk */
} chunks[RECLAIM_CHUNKS];
static u64 base_next, base_end; /* frames of base memory that hold nothing yet */
static u64 changes, seen;       /* of the page; of the record */
static bool started;

static void
print(const char *format, ...)
{
    char line[200];
    va_list args;
    size_t n = sdk_print_to(line, sizeof(line), "%s: ", INFO->name);

    va_start(args, format);
    n += sdk_format(line + n, sizeof(line) - n - 2, format, args);
    va_end(args);
    n = n < sizeof(line) - 3 ? n : sizeof(line) - 3;
    line[n++] = '\r';
    line[n++] = '\n';
    memcpy((u8 *)CB + PAGE, line, n);
    fb_console_write(INFO->cap_machine, 0, n, NULL);
}

/* A fault in the LibOS view is one of touch(). */
void
upcall(u64 area, u64 vector)
{
    struct fb_save_area *s = &CB->save[area];

    if (area != FB_SAVE_FAULT || s->regs.rip - (u64)touch > 8)
        print("vector %lu at %lx, address %lx", vector, s->regs.rip, s->cr2);
    if (area != FB_SAVE_FAULT)
        fb_domain_exit(vector, NULL);
    s->regs.rip = (u64)touch_fixup;
    fb_resume(FB_SAVE_FAULT, NULL);
    for (;;)
        fb_domain_exit(1, NULL);
}

static u64 *
frame(u64 f)
{
    return (u64 *)(WINDOW_DMAP + f * PAGE);
}

/* Frame `f` holds what frame `of` held at first. */
static void
fill(u64 f, u64 of)
{
    for (u32 i = 0; i < PAGE / 8; i++)
        frame(f)[i] = of * 0x9e3779b97f4a7c15ull + i;
}

static bool
is_right(u64 f, u64 of)
{
    for (u32 i = 0; i < PAGE / 8; i++)
        if (frame(f)[i] != of * 0x9e3779b97f4a7c15ull + i)
            return false;
    return true;
}

static u64
kib(u64 frames)
{
    return frames * 4;
}

/* Take the page's list over; new chunks are filled. */
static void
look(void)
{
    u64 now = __atomic_load_n(&page->changes, __ATOMIC_ACQUIRE), lost = 0, got = 0;

    for (u32 k = 0; k < RECLAIM_CHUNKS; k++) {
        struct reclaim_chunk p = page->chunk[k];
        struct chunk *c = &chunks[k];
        if (c->cap && p.cap != c->cap) {
            if (c->moved == 0) {
                bool overrun;
                u64 from = seen;
                bool told = reclaim_was_taken(DOMAIN_RECORD, &from, FB_TYPE_MEMORY, c->lo,
                                              c->hi, &overrun);
                bool gone = touch(frame(c->lo)) && touch(frame(c->hi - 1));
                if (!told || !gone)
                    print("wrong: chunk at %lx: in the record %u, unmapped %u", c->lo,
                          told, gone);
                lost += c->hi - c->lo;
                c->cap = 0;
            } else if (c->cap) {
                c->cap = 0; /* given back: its data is elsewhere */
            }
        }
        if (p.cap && c->cap != p.cap && c->moved == 0) {
            *c = (struct chunk){ .cap = p.cap, .lo = p.lo, .hi = p.hi };
            for (u64 f = c->lo; f < c->hi; f++)
                fill(f, f);
            got += c->hi - c->lo;
        }
    }
    bool overrun;
    reclaim_was_taken(DOMAIN_RECORD, &seen, FB_TYPE_NONE, 0, 0, &overrun);
    if (lost)
        print("lost %lu KiB, as the record says", kib(lost));
    if (got && started)
        print("got %lu KiB", kib(got));
    changes = now;
}

static void
check_data(void)
{
    u64 bad = 0, good = 0;

    for (u32 k = 0; k < RECLAIM_CHUNKS; k++) {
        const struct chunk *c = &chunks[k];
        if (!c->cap && !c->moved)
            continue;
        for (u64 f = c->lo; f < c->hi; f++) {
            bool ok = is_right(c->moved ? c->moved + f - c->lo : f, f);
            bad += !ok;
            good += ok;
        }
    }
    print("%lu KiB of data are right, %lu KiB wrong", kib(good), kib(bad));
}

/* Give chunks back, moving their data: as many frames as were asked for, if possible. */
static u64
give(u64 frames)
{
    u64 given = 0;

    for (u32 k = RECLAIM_CHUNKS; k-- > 0 && given < frames;) {
        struct chunk *c = &chunks[k];
        u64 n = c->hi - c->lo;
        if (!c->cap || c->moved || base_end - base_next < n)
            continue;
        for (u64 f = 0; f < n; f++)
            memcpy(frame(base_next + f), frame(c->lo + f), PAGE);
        long error;
        while ((error = fb_cap_delete(c->cap, NULL)) == -FB_E_RESUME ||
               error == -FB_E_BUSY)
            ;
        if (error) {
            print("wrong: giving back: %s", fb_error_name(error));
            continue;
        }
        c->moved = base_next;
        base_next += n;
        given += n;
    }
    return given;
}

static u64
give_time(u64 ticks)
{
    u64 given = 0;

    for (u32 v = 0; v < INFO->ncpus; v++)
        page->keep[v] = page->ticks[v];
    for (u32 v = INFO->ncpus; v-- > 0 && given < ticks;) {
        u64 most = page->ticks[v] * 3 / 4, turn = ticks - given;
        turn = turn < most ? turn : most;
        page->keep[v] -= turn;
        given += turn;
    }
    return given;
}

static void
answer(u64 number)
{
    u64 given = 0;

    if (strcmp(role, "slow") == 0) { /* sleeps until force has come */
        for (u64 now = changes; now == changes || now % 2 != 0;
             now = __atomic_load_n(&page->changes, __ATOMIC_ACQUIRE))
            fb_wait(FB_FOREVER, NULL);
        print("noticed request %lu after its deadline", number);
    } else if (strcmp(role, "refuse") == 0) {
        for (u32 v = 0; v < INFO->ncpus; v++)
            page->keep[v] = page->ticks[v];
        print("refused request %lu", number);
    } else if (page->kind == RECLAIM_MEMORY) {
        given = give(page->amount);
        print("gave %lu KiB of %lu", kib(given), kib(page->amount));
    } else {
        given = give_time(page->amount);
        print("gave time: %s", given >= page->amount ? "all" : "less");
    }
    reclaim_answer(page, number, given);
    fb_signal(page->cap_steward, page->steward_bit, NULL);
}

static u64
time_of_round(void)
{
    u64 n = 0;
    for (u32 v = 0; v < INFO->ncpus; v++)
        n += page->ticks[v];
    return n;
}

/* Base memory that is free lies at the start of its intervals. */
static void
find_base(void)
{
    for (u32 k = 0; k < INFO->nmemory; k++) {
        u64 hi = INFO->memory[k].hi;
        for (u32 u = 0; u < INFO->nused; u++)
            if (INFO->used[u].lo < hi && INFO->used[u].hi > INFO->memory[k].lo)
                hi = INFO->used[u].lo;
        if (hi > INFO->memory[k].lo && hi - INFO->memory[k].lo > base_end - base_next)
            base_next = INFO->memory[k].lo, base_end = hi;
    }
}

void
reclaim_main(u64 vcpu)
{
    u64 number, time;

    if (vcpu != 0)
        for (;;)
            fb_wait(FB_FOREVER, NULL);
    CB->fault_rsp = CB->event_rsp = CB->entry_rsp = (u64)stacks + 0x2000;
    fb_vcpu_start(INFO->cap_vcpu[0], 0, (u64)upcall_entry, 0, 0, 0, NULL);
    sdk_option(INFO->cmdline, "role=", role, sizeof(role));
    find_base();
    look();
    time = time_of_round();
    u64 first = 0;
    for (u32 k = 0; k < RECLAIM_CHUNKS; k++)
        first += chunks[k].hi - chunks[k].lo;
    started = true;
    print("%s has %lu KiB in chunks", role, kib(first));
    for (;;) {
        fb_wait(FB_FOREVER, NULL);
        if ((number = reclaim_pending(page)) != 0)
            answer(number);
        u64 now = __atomic_load_n(&page->changes, __ATOMIC_ACQUIRE);
        if (now == changes || now % 2 != 0)
            continue;
        look();
        check_data();
        if (time_of_round() != time)
            print("time is %lu%% of what it was", time_of_round() * 100 / time);
        time = time_of_round();
    }
}
