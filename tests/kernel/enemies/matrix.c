/* SPDX-License-Identifier: MIT */
/*
 * The enemies' matrix: each exokernel call x each of its arguments x each way in which an
 * argument can be bad, all other arguments being such that the call could succeed.
 *
 * Which calls and arguments there are comes from abi/feuerbird.toml.  An answer must be
 * success or an error that the call's page documents.  "Being revoked on another CPU" is
 * a name, of whatever type the argument is, that the last vCPU derives and revokes as fast
 * as it can.  Whatever was done, at the end the fixture can be destroyed and every frame
 * of it is free again.  The calls that leave are in leavers.c.
 */
#include "tests/kernel/enemies/enemies.h"

#define AT       0x40000000ull /* where the fixture's space has a page, and room */
#define RACES    20u
#define TRIES    2000u

enum kind {
    NUMBER,
    FRAME,
    ADDRESS,
    DEADLINE,
    OFFSET,
    NAME_ANY,
    NAME_MEMORY,
    NAME_SPACE,
    NAME_DOMAIN,
    NAME_VCPU,
    NAME_SLICE,
    NAME_IRQ,
    NAME_PORT,
    NAME_MACHINE,
    NAME_ENDPOINT
};
static const struct arg {
    u32 call, at;
    const char *name;
    enum kind kind;
} args[] = {
#define ARG(call, at, name, kind) { FB_CALL_##call, at, name, kind },
#include <ktest/matrix.inc>
};
static const struct {
    u32 call, error;
} documented[] = {
#define DOC(call, error, name) { FB_CALL_##call, FB_E_##error },
#include <ktest/errors.inc>
};
static const char *const call_names[] = {
#define CALL(number, name, args) [number] = #name,
#include <kernel/calls.inc>
};
#define NARGS (sizeof(args) / sizeof(args[0]))

/* What good arguments name. */
static struct {
    struct kspace space, other;
    struct kchild child;
    u64 own, stale, endpoint,
        frames; /* `own`: MEMORY on 16 frames, of which the rest is made */
} fx;
static volatile u64 racing, race_stop, source_gone;
static u64 cells, done, refused, undocumented;
static u64 raced, raced_alone, raced_names, raced_done; /* arguments; names that were being revoked */

static void
fixture_make(void)
{
    static const u64 cpu0[1];

    fx.frames = frames(16, 2);
    OK(AGAIN(fb_cap_derive(MEM, FB_AUTH_ALL, fx.frames, fx.frames + 16, &fx.own)));
    OK(AGAIN(fb_cap_derive(MEM, FB_AUTH_ALL, fx.frames, fx.frames + 16, &fx.stale)));
    OK(AGAIN(fb_cap_delete(fx.stale, NULL)));
    OK(AGAIN(fb_endpoint_create(fx.own, fx.frames + 15, &fx.endpoint)));
    kspace_make(&fx.space);
    kspace_make(&fx.other);
    OK(kchild_make(&fx.child, 1, cpu0));
}

/* Take a space with whatever is in it: its own memory is revoked from above. */
static void
space_drop(struct kspace *s)
{
    unmap(s->cap, 0, FB_USER_TOP / PAGE);
    long e = AGAIN(fb_space_destroy(s->cap, NULL));
    CHECK(e == 0 || e == -FB_E_NAME);
    frames_back(s->root, 2);
    frames_back(s->code, 1);
    frames_back(s->data, 1);
}

static void
fixture_end(void)
{
    OK(fb_switch(INFO->cap_space, NULL));
    long e = AGAIN(fb_endpoint_destroy(fx.endpoint, NULL)); /* unless a cell did */
    CHECK(e == 0 || e == -FB_E_NAME);
    e = AGAIN(fb_cap_revoke(fx.own, NULL));
    long ended = kchild_destroy(&fx.child);
    CHECK(ended == 0 || ended == -FB_E_NAME);
    space_drop(&fx.space);
    space_drop(&fx.other);
    CHECK(e == 0 || e == -FB_E_INUSE || e == -FB_E_NAME);
    e = AGAIN(fb_cap_revoke(fx.own, NULL));
    CHECK(e == 0 || e == -FB_E_NAME);
    if (e == 0)
        OK(AGAIN(fb_cap_delete(fx.own, NULL)));
    unmap(0, WINDOW_FREE + 0x900000000ull, 512);
    frames_back(fx.frames, 16);
}

static u64
good(const struct arg *a)
{
    switch (a->kind) {
    case FRAME: return fx.frames + (a->at % 4) * 4;
    case ADDRESS:
        if (a->call == FB_CALL_VCPU_START)
            return a->name[0] == 's' ? WINDOW_IMAGE : 0;
        return a->call == FB_CALL_PORT_WRITE ? fx.frames * PAGE : AT;
    case DEADLINE: return __builtin_ia32_rdtsc();
    case OFFSET: return 0;
    case NAME_ANY:
    case NAME_MEMORY: return fx.own;
    case NAME_SPACE: return a->name[0] == 'f' ? fx.other.cap : fx.space.cap;
    case NAME_DOMAIN: return fx.child.domain;
    case NAME_VCPU: return fx.child.vcpu[0];
    case NAME_SLICE: return INFO->cap_slices[0];
    case NAME_IRQ: return INFO->cap_com[1].irq;
    case NAME_PORT: return INFO->cap_com[1].ports;
    case NAME_MACHINE: return INFO->cap_machine;
    case NAME_ENDPOINT: return fx.endpoint;
    case NUMBER: break;
    }
    switch (a->call) {
    case FB_CALL_POWER: return 99; /* what it does when all is good is not tried */
    case FB_CALL_SLICE_SET: return a->at == 1 ? 40 : RECORD->tsc_hz / 1000;
    case FB_CALL_IRQ_BIND:
    case FB_CALL_IRQ_ACK: return a->at == 1 ? 3 : 0;
    case FB_CALL_PORT_IN:
    case FB_CALL_PORT_OUT:
    case FB_CALL_PORT_WRITE: return a->at == 1 ? 0x2ff : 1; /* the scratch register */
    default: break;
    }
    if (strcmp(a->name, "hi") == 0)
        return ~0ull;
    if (strcmp(a->name, "auth") == 0)
        return FB_AUTH_ALL;
    return a->at == 0 || strcmp(a->name, "lo") == 0 ? 0 : 1;
}

/* The ways to be bad: forged, stale, foreign, overflowing, misaligned, in use elsewhere.
 */
static u64
bad(const struct arg *a, u32 way)
{
    u64 g = good(a);

    switch ((int)a->kind) { /* all names are alike */
    case DEADLINE:          /* it is not to sleep for ever */
        return way % 2 ? 1 : __builtin_ia32_rdtsc() + way;
    case FRAME: {
        u64 in_use[] = { fx.space.root,
                         fx.child.frames,
                         fx.child.frames + 3,
                         INFO->window_frame,
                         RECORD->ncpus,
                         fx.frames + 15,
                         fx.frames + 1,
                         INFO->memory[0].hi - 1,
                         INFO->memory[0].hi,
                         1ull << 40,
                         ~0ull,
                         1ull << 52,
                         fx.space.code,
                         fx.child.cb[0] };
        return way < sizeof(in_use) / 8 ? in_use[way] : g;
    }
    case ADDRESS: {
        u64 to[] = { 1,          AT + 1,     FB_USER_TOP,        FB_USER_TOP - PAGE,
                     1ull << 47, 1ull << 63, 0xffff7ffffffff000, FB_WINDOW_END,
                     ~0ull,      ~0xfffull,  0xffffffff80000000, 0xffffc00000000000 };
        return way < sizeof(to) / 8 ? to[way] : g;
    }
    case OFFSET: {
        u64 to[] = { 1,   FB_BUFFER_BYTES, FB_BUFFER_BYTES - 8, ~0ull, ~7ull, 1ull << 63,
                     4096 };
        return way < sizeof(to) / 8 ? to[way] : g;
    }
    case NUMBER: {
        if (a->call == FB_CALL_POWER)
            return g + way; /* a good one would end the machine */
        u64 to[] = {
            0,    1,          2,          3,          63,    64,           511,
            4097, 1ull << 31, 1ull << 32, 1ull << 63, ~0ull, ~0ull - 4095, ~0ull >> 12
        };
        return way < sizeof(to) / 8 ? to[way] : g;
    }
    default: {
        u64 to[] = { 0,
                     1,
                     g ^ 1ull << 24,
                     g ^ 1ull << 63,
                     g + 1,
                     fx.stale,
                     ~0ull,
                     (1ull << 24) - 1,
                     fx.own,
                     fx.space.cap,
                     fx.endpoint,
                     fx.child.vcpu[0],
                     fx.child.domain,
                     racing };
        return way < sizeof(to) / 8 ? to[way] : g;
    }
    }
}

static long
raw_call(u64 number, const u64 *a)
{
    u64 rax = number, rdx = a[2], rdi = a[0], rsi = a[1];
    register u64 r10 __asm__("r10") = a[3];
    register u64 r8 __asm__("r8") = a[4];
    register u64 r9 __asm__("r9") = a[5];
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8),
                       "+r"(r9)
                     :
                     : "rcx", "r11", "memory", "cc");
    return (long)rax;
}

bool
is_documented(u32 call, long error)
{
    for (u32 i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
        if (documented[i].call == call && documented[i].error == (u32)-error)
            return true;
    return false;
}

/* What is not called so: it would end, or leave, the tester itself. */
static bool
left_out(u32 call)
{
    return call == FB_CALL_GATE_RETURN || call == FB_CALL_RESUME ||
           call == FB_CALL_DOMAIN_EXIT || call == FB_CALL_IPC_REPLY;
}

static void
prepare(u32 call, u64 *a)
{
    for (u32 i = 0; i < NARGS; i++)
        if (args[i].call == call)
            a[args[i].at] = good(&args[i]);
    memset(BUFFER, 0, 4096);
    if (call == FB_CALL_DOMAIN_CREATE)
        *(struct fb_domain_params *)BUFFER =
            (struct fb_domain_params){ .object_frame = fx.frames,
                                       .table_frame = fx.frames + 4,
                                       .table_frames = 1,
                                       .window_frame = fx.frames + 8,
                                       .clearance = 1ull << 60 }; /* bad */
}

static void
cell(const struct arg *bad_one, u32 way)
{
    u64 a[6] = { 0 };
    long e;

    prepare(bad_one->call, a);
    a[bad_one->at] = bad(bad_one, way);
    u32 tries = 0;
    do
        e = raw_call(bad_one->call, a);
    while ((e == -FB_E_BUSY || e == -FB_E_FLUSH || e == -FB_E_RESUME) &&
           ++tries < TRIES);
    cells++;
    done += e == 0;
    refused += e != 0;
    if (e != 0 && !is_documented(bad_one->call, e) && undocumented++ < 20)
        print("# %s: %s = %lx: %s is not documented\r\n", call_names[bad_one->call],
              bad_one->name, a[bad_one->at], fb_error_name(e));
}

static u64
revoker(u64 source)
{
    u64 name, n = 0;

    for (; !race_stop; n++) {
        long e = AGAIN(fb_cap_derive(source, FB_AUTH_ALL, 0, ~0ull, &name));
        if (e) {
            source_gone |= e == -FB_E_NAME; /* a cell has destroyed the object */
            continue;
        }
        racing = name;
        for (u64 k = n % 32 * 8; k > 0 && !race_stop; k--)
            __asm__ volatile("pause");
        u64 below;
        if (AGAIN(fb_cap_derive(name, FB_AUTH_ALL, 0, ~0ull, &below)) == 0)
            racing = below;
        if (AGAIN(fb_cap_revoke(name, NULL)) == 0)
            AGAIN(fb_cap_delete(name, NULL));
    }
    return n;
}

/* Until there is another name that is being revoked, for a moment; what the host takes is
 * not waited for. */
static bool
another(u64 than, u64 ticks)
{
    for (u64 end = now() + ticks; racing == than && now() < end;)
        __asm__ volatile("pause");
    return racing != than;
}

/* The argument is revoked on another CPU while it is used. */
static void
race(const struct arg *a, u64 cpu)
{
    u64 before = done, names = 0, last = fx.stale, ms = RECORD->tsc_hz / 1000;

    race_stop = source_gone = 0;
    on_begin(cpu, revoker, good(a));
    /* How often the other CPU runs meanwhile is the host's choice. */
    for (u64 n = 0, end = in_ms(PATIENCE);
         n < RACES || (names < 3 && !source_gone && now() < end); n++) {
        names += another(last, n ? ms : 20 * ms);
        last = racing;
        cell(a, 13);
    }
    race_stop = 1;
    (void)on_end(cpu);
    raced++;
    raced_alone += names < 3 && !source_gone;
    raced_names += names;
    raced_done += done - before;
    racing = fx.stale;
}

void
test_enemies(void)
{
    u64 last = INFO->ncpus - 1;

    cells = done = refused = undocumented = raced = raced_alone = raced_names = raced_done = 0;
    for (u32 call = 0; call < FB_CALLS; call++) {
        if (left_out(call))
            continue;
        fixture_make();
        racing = fx.stale;
        for (u32 i = 0; i < NARGS; i++) {
            if (args[i].call != call)
                continue;
            for (u32 way = 0; way < 14; way++)
                cell(&args[i], way);
            if (last > 0 && args[i].kind >= NAME_ANY)
                race(&args[i], last);
        }
        fixture_end();
        fb_wait(0, NULL);
    }
    CHECK(undocumented == 0);
    print("# %lu cells: %lu done, %lu refused\r\n", cells, done, refused);
    if (last > 0)
        print("# %lu arguments while they were being revoked, %lu names: %lu done\r\n",
              raced, raced_names, raced_done);
    CHECK(raced_alone == 0 && (last == 0 || raced_names > raced));
}

/* ---- the victim ---- */

static void
sort(u64 *v, u32 n)
{
    for (u32 i = 1; i < n; i++)
        for (u32 k = i; k > 0 && v[k - 1] > v[k]; k--) {
            u64 t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
}

#define ROUNDS 512u
static u64 late[ROUNDS]; /* in ticks; sorted afterwards */

/* Write four pages, sleep for 2 ms, look whether they are as they were; so many times. */
static void
rounds(u64 f)
{
    u64 at = WINDOW_FREE + 0xa00000000ull, ms = RECORD->tsc_hz / 1000;

    for (u32 n = 0; n < ROUNDS; n++) {
        for (u64 i = 0; i < 4; i++)
            OK(map(0, at + i * PAGE, f + i, RW));
        for (u64 i = 0; i < 4 * 512; i++)
            ((volatile u64 *)at)[i] = i * 0x9e3779b97f4a7c15 + n;
        u64 until = now() + 2 * ms;
        while (now() < until)
            OK(fb_wait(until, NULL));
        late[n] = now() - until;
        u64 wrong = 0;
        for (u64 i = 0; i < 4 * 512; i++)
            wrong += ((volatile u64 *)at)[i] != i * 0x9e3779b97f4a7c15 + n;
        CHECK(wrong == 0);
        unmap(0, at, 4);
    }
    sort(late, ROUNDS);
}

/* Beside the enemy: its pages keep what it wrote, and its timer wakes it in time; when the
 * host takes the CPUs it is late as often as that, but not for ever. */
void
test_victim(void)
{
    u64 f = frames(4, 1), ms = RECORD->tsc_hz / 1000, end = in_ms(PATIENCE);

    do
        rounds(f);
    while (late[ROUNDS / 2] >= 20 * ms && now() < end);
    frames_back(f, 4);
    print("# victim: %u rounds; late by %lu us (half), %lu us (of 100, 99), %lu us "
          "(worst)\r\n",
          ROUNDS, late[ROUNDS / 2] * 1000 / ms, late[ROUNDS * 99 / 100] * 1000 / ms,
          late[ROUNDS - 1] * 1000 / ms);
    CHECK(late[ROUNDS / 2] < 20 * ms); /* the slices of all who are ready */
}
