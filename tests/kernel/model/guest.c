/* SPDX-License-Identifier: MIT */
/*
 * The model against the real kernel: each vCPU of the test LibOS has a world of its own,
 * and makes the same sequences as the host's driver does, all of them at once.  Domains
 * in a world hold capabilities but do not run; domain 0 is the test LibOS itself.  So
 * nobody waits at an endpoint: its calls find nobody, and it has nobody to reply to.
 *
 * The option ktest.model=COUNT runs so many sequences on each CPU, and nothing else.
 */
#include "tests/kernel/ktest/ktest.h"
#include "tests/kernel/model/model.h"

#define CALLS  100u
#define WORLDS 8u

static struct world worlds[WORLDS];
static u64 starts[WORLDS], counts[WORLDS];

static long
raw_call(u64 number, const u64 *a, u64 *value)
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
    *value = rdx;
    return (long)rax;
}

static long
patient(u64 number, const u64 *a, u64 *value)
{
    u64 end = __builtin_ia32_rdtsc() + RECORD->tsc_hz / 1000 * PATIENCE;
    long e;

    while (((e = raw_call(number, a, value)) == -FB_E_BUSY &&
            !call_is_ipc((u32)number)) ||
           e == -FB_E_FLUSH || e == -FB_E_RESUME) {
        fb_tlb_flush(~0ul, 0, NULL);
        if (__builtin_ia32_rdtsc() > end) { /* no call takes that long */
            print("# vCPU %lu: call %lu without end: %s\r\n", self()->id, number,
                  fb_error_name(e));
            break;
        }
    }
    return e;
}

static long
guest_call(struct world *w, const struct call *c, u64 *value)
{
    u64 a[6];

    (void)w;
    memcpy(BUFFER, &c->params, sizeof(c->params));
    if (call_is_ipc(c->number))
        self()->cb->ipc = c->ipc;
    memcpy(a, c->a, sizeof(a));
    long e = patient(c->number, a, value);
    if (e == 0 && c->number == FB_CALL_CAP_MOVE) {
        u64 none;
        e = patient(FB_CALL_CAP_DELETE, a, &none);
        e = e == -FB_E_NAME || e == -FB_E_INUSE ? 0 : e;
    }
    return e;
}

static bool
guest_inspect(struct world *w, int dom, u64 name, struct fb_cap_info *out)
{
    (void)w, (void)dom;
    if (fb_cap_inspect(name, 0, NULL))
        return false;
    memcpy(out, BUFFER, sizeof(*out));
    return true;
}

static u64
guest_word(u64 frame, u32 *flags)
{
    *flags = FRAME_RECORD(frame)->flags;
    return FRAME_RECORD(frame)->word;
}

static void
guest_fail(const char *what, long got, long expected, u64 detail)
{
    print("# vCPU %lu: %s: kernel %lx, model %lx (%lx)\r\n", self()->id, what, (u64)got,
          (u64)expected, detail);
}

static const struct kernel guest = { .call = guest_call,
                                     .inspect = guest_inspect,
                                     .word = guest_word,
                                     .fail = guest_fail };
const struct kernel *kernel = &guest;

static void
base(struct world *w, u64 from, u64 lo, u64 hi)
{
    struct fb_cap_info info;
    u64 name = 0;

    OK(AGAIN(fb_cap_derive(from, FB_AUTH_ALL, lo, hi, &name)));
    CHECK(guest_inspect(w, 0, name, &info));
    m_new(w, (struct mcap){ .is = C_LIVE,
                            .fixed = true,
                            .parent = NONE,
                            .type = info.type,
                            .name = name,
                            .auth = info.auth,
                            .lo = info.lo,
                            .hi = info.hi });
}

static bool
both(struct world *w, const struct call *c)
{
    u64 value = 0;
    long e = guest_call(w, c, &value);
    return driver_done(w, c, e, value);
}

/* One sequence, then everything is taken away again. */
static bool
sequence(struct world *w, u64 seed)
{
    struct call c;
    u64 value, lo = w->base;

    memset(w, 0, sizeof(*w));
    w->base = lo;
    w->slots0 = 1u << 20;
    w->dom[0] = (struct mdom){ .live = true,
                               .maker = NONE,
                               .cap = NONE,
                               .serial = ++w->serial,
                               .clearance = FB_CLASS_ROOT };
    base(w, MEM, w->base, w->base + FRAMES);
    base(w, INFO->cap_machine, 0, 1);
    w->forks = seed & 1;
    w->seed = seed * 0x9e3779b97f4a7c15 | 1;
    for (u32 i = 0; i < CALLS; i++)
        if (driver_next(w, &c) && !both(w, &c)) {
            char text[160];
            driver_say(&c, 0, text, sizeof(text));
            print("# seed %lx, call %u: %s\r\n", seed, i, text);
            return false;
        }
    while (driver_clear(w, &c))
        if (!both(w, &c))
            return false;
    for (int i = 0; i < CAPS; i++) {
        long e = w->cap[i].is == C_FREE
                     ? 0
                     : patient(FB_CALL_CAP_DELETE, (u64[6]){ w->cap[i].name }, &value);
        if (e) {
            guest_fail("the base cannot be deleted", e, 0, w->cap[i].name);
            return false;
        }
    }
    return true;
}

static u64
many(u64 k)
{
    for (u64 i = 0; i < counts[k]; i++)
        if (!sequence(&worlds[k], starts[k] + i))
            return i;
    return counts[k];
}

static void
model_run(u64 seed, u64 count)
{
    u64 n = INFO->ncpus < WORLDS ? INFO->ncpus : WORLDS;

    for (u64 k = 0; k < n; k++) {
        worlds[k].base = frames(FRAMES, 2);
        starts[k] = seed + (k << 32);
        counts[k] = count;
        if (k > 0)
            on_begin(k, many, k);
    }
    CHECK(many(0) == count);
    for (u64 k = 1; k < n; k++)
        CHECK(on_end(k) == count);
    for (u64 k = 0; k < n; k++)
        frames_back(worlds[k].base, FRAMES);
}

static u64
option(const char *key, u64 other)
{
    char text[24];
    u64 n = 0;

    if (!sdk_option(INFO->cmdline, key, text, sizeof(text)))
        return other;
    for (const char *c = text; *c >= '0' && *c <= '9'; c++)
        n = n * 10 + (u64)(*c - '0');
    return n;
}

void
test_model(void)
{
    u64 count, seed;

    count = option("ktest.model=", 24 / INFO->ncpus);
    seed = option("ktest.seed=", 1);
    model_run(seed, count);
    print("# %lu sequences of %u calls on each of %u CPUs\r\n", count, CALLS,
          INFO->ncpus);
}
