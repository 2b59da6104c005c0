/* SPDX-License-Identifier: MIT */
/*
 * The model against the kernel's own code (cap, frame, space, domain, call) on the host.
 *
 * usage: model [--seed N] [--count SEQUENCES] [--calls N] [--cpus N] [--verbose]
 *
 * Each CPU has a world of its own.  A call that returns BUSY, FLUSH or RESUME is repeated
 * when its CPU comes on again; which CPU comes on is drawn from the seed, so steps of
 * revocations and destructions on one CPU fall between those of others, and a failure can
 * be had again.  Messages are made on the world's own CPU, by a vCPU that each domain has
 * (host_thread.c); what else its domains call also on others.  At the end of a sequence
 * all memory is revoked from above, while the others go on, and all frames must be free.
 * A sequence that fails is shrunk.
 */
#include "base/cpu.h"
#include "base/epoch.h"
#include "base/panic.h"
#include "call/call.h"
#include "domain/life.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "slice/slice.h"
#include "tests/kernel/model/host.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ROOT_FRAMES 8u    /* of the table */
#define CALLS_MAX   1024u

/* ---- the machine ---- */

u64 physmap_base, hal_kernel_cr3;
u32 cpu_count;
static struct cpu cpus[CPUS];
static struct world worlds[CPUS];
static struct fb_record the_record;
static bool kicked[CPUS];
u32 now_cpu;
static jmp_buf failed;
static bool loud;
static u64 domain_create_frames;

struct cpu *
this_cpu(void)
{
    return &cpus[now_cpu];
}
struct cpu *
cpu_by_id(u32 id)
{
    return &cpus[id];
}
NORETURN void
panic(const char *format, ...)
{
    if (loud)
        printf("# panic: %s\n", format);
    longjmp(failed, 1);
}
void
hal_kick(u32 cpu)
{
    kicked[cpu] = true;
}
void
hal_root_init(u64 *root)
{
    for (unsigned i = 384; i < 512; i++)
        root[i] = 0xfeedface000;
}
u64
hal_cr3_read(void)
{
    return 0;
}
u64
hal_tsc(void)
{
    return worlds[now_cpu].now;
}
u64
hal_entropy(void)
{
    return 4;
}
/* What no call of the sequences comes to. */
#define NOTHING(...)                                                                     \
    {                                                                                    \
        __VA_ARGS__                                                                      \
    }
void hal_cr3_write(u64 value) NOTHING((void)value;) void hal_invlpg(u64 va)
    NOTHING((void)va;) void hal_eoi(void) NOTHING() void hal_irq_mask(u32 gsi)
        NOTHING((void)gsi;) void hal_irq_unmask(u32 gsi)
            NOTHING((void)gsi;) int hal_irq_setup(u32 g, u32 c, u32 f)
                NOTHING((void)g; (void)c; (void)f;
                        return 0;) void hal_fpu_init(void *area)
                    NOTHING((void)area;) void hal_timer_arm(u64 tsc)
                        NOTHING((void)tsc;) void hal_console_write(const char *b, u64 n)
                            NOTHING((void)b; (void)n;) u32
    hal_port_in(u16 p, unsigned w)
        NOTHING((void)p; (void)w; return 0;) void hal_port_out(u16 p, unsigned w, u32 v)
            NOTHING((void)p; (void)w;
                    (void)v;) void hal_port_write(u16 p, const void *b, u64 n)
                NOTHING((void)p; (void)b; (void)n;) int hal_power(unsigned op)
                    NOTHING((void)op; return -FB_E_NODEV;) void hal_set_fs_base(u64 value)
                        NOTHING((void)value;) void hal_set_gs_base(u64 value)
                            NOTHING((void)value;) void hal_gate_select(bool direct)
                                NOTHING((void)direct;) NORETURN
    void hal_load(const struct fb_regs *r) NOTHING((void)r; abort();) NORETURN
    void hal_load_user(const struct fb_regs *r)
        NOTHING((void)r; abort();) void hal_state_load(const struct hal_state *s)
            NOTHING((void)s;) void hal_state_switch(struct hal_state *o,
                                                    const struct hal_state *n)
                NOTHING((void)o; (void)n;) u64 slice_ran(const struct vcpu *v)
                    NOTHING((void)v; return 0;)
/* Whatever other calls there are: the sequences do not make them. */
#define CALL(number, name, args)                                                         \
    __attribute__((weak)) struct ret call_##name(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, \
                                                 u64 a5)                                 \
    {                                                                                    \
        (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;                      \
        abort();                                                                         \
    }
#include <kernel/calls.inc>
#undef CALL

    /* ---- worlds ---- */

    static struct domain *root_domain, *world_domain[CPUS];
static struct vcpu vcpus[CPUS];
static _Alignas(4096) u8 blocks[CPUS][FB_CB_FRAMES * PAGE_SIZE];
static u64 root_memory, root_machine, world_domain_name[CPUS];

u32
world_index(const struct world *w)
{
    return (u32)(w - worlds);
}

struct domain *
domain_of(const struct world *w, int dom)
{
    return dom == 0 ? world_domain[world_index(w)] : frame_ptr(w->dom[dom].object);
}

static long
call_as(struct domain *d, u32 number, const u64 *a, u64 *value)
{
    struct vcpu *v = &vcpus[now_cpu];
    v->domain = d;
    v->cb = (void *)blocks[now_cpu];
    cpus[now_cpu].current = v;
    v->cpu = now_cpu;
    struct ret r = call_table[number](a[0], a[1], a[2], a[3], a[4], a[5]);
    *value = r.value;
    return r.error;
}

static long
host_call(struct world *w, const struct call *c, u64 *value)
{
    if (call_is_ipc(c->number))
        return thread_call(w, c);
    memcpy(blocks[now_cpu] + PAGE_SIZE, &c->params, sizeof(c->params));
    return call_as(domain_of(w, c->actor), c->number, c->a, value);
}

static bool
host_inspect(struct world *w, int dom, u64 name, struct fb_cap_info *out)
{
    u64 a[6] = { name }, value;
    if (call_as(domain_of(w, dom), FB_CALL_CAP_INSPECT, a, &value))
        return false;
    memcpy(out, blocks[now_cpu] + PAGE_SIZE, sizeof(*out));
    return true;
}

static u64
host_word(u64 frame, u32 *flags)
{
    *flags = frame_records[frame].flags;
    return frame_records[frame].word;
}

/* A device's use of a frame is a pin, as that of a control block is: the only mechanism
 * that the kernel has for either. */
static void
host_pin(struct world *w, u64 frame, bool on)
{
    (void)w;
    if (!on)
        frame_unpin(frame);
    else
        while (frame_pin(frame) == -FB_E_BUSY)
            for (u32 i = 0; i < cpu_count; i++) {
                u32 was = now_cpu;
                now_cpu = i;
                epoch_kick();
                now_cpu = was;
            }
}

static void
host_fail(const char *what, long got, long expected, u64 detail)
{
    if (loud)
        printf("# %s: kernel %lx, model %lx (%lx)\n", what, (unsigned long)got,
               (unsigned long)expected, (unsigned long)detail);
}

static const struct kernel host = { .call = host_call,
                                    .inspect = host_inspect,
                                    .word = host_word,
                                    .pin = host_pin,
                                    .thread = host_thread,
                                    .rouse = host_rouse,
                                    .clock = host_clock,
                                    .fail = host_fail,
                                    .actors = true };
const struct kernel *kernel = &host;

void
others(void)
{
    u32 was = now_cpu;
    for (u32 i = 0; i < cpu_count; i++) {
        now_cpu = i;
        epoch_kick();
    }
    now_cpu = was;
}

static long
root_call(u32 number, const u64 *a, u64 *value)
{
    long e;
    for (u32 n = 0; (e = call_as(root_domain, number, a, value)) == -FB_E_BUSY ||
                    e == -FB_E_RESUME || e == -FB_E_FLUSH;) {
        if (++n > 100000)
            panic("a call without end");
        others();
    }
    return e;
}

static void
boot(void)
{
    static void *memory, *records;
    struct authority all = { .auth = FB_AUTH_ALL, .lo = 0, .hi = MEMORY };
    struct authority one = { .auth = FB_AUTH_ALL, .lo = 0, .hi = 1 };

    if (!memory) {
        memory = mmap(NULL, MEMORY * PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        records = calloc(1, frame_records_bytes(MEMORY));
    }
    physmap_base = (u64)memory;
    memset(records, 0, frame_records_bytes(MEMORY));
    memset(&the_record, 0, sizeof(the_record));
    memset(cpus, 0, sizeof(cpus));
    memset(kicked, 0, sizeof(kicked));
    the_record.epoch = 5;
    the_record.tsc_hz = 1000000000;
    record = &the_record;
    frame_init(records, MEMORY);
    frame_boot_type(0, MEMORY, FB_FRAME_DATA);
    for (u32 i = 0; i < CPUS; i++) {
        cpus[i].id = i;
        cpus[i].online = i < cpu_count;
        cpus[i].epoch = 5;
    }
    now_cpu = 0;
    threads_reset();
    domains = NULL;
    cap_release(); /* a sequence that failed may have left it taken */
    struct fb_domain_params p = { .object_frame = 0,
                                  .table_frame = 2,
                                  .table_frames = ROOT_FRAMES,
                                  .window_frame = 2 + ROOT_FRAMES,
                                  .clearance = FB_CLASS_ROOT };
    if (domain_make(&p, &root_domain))
        abort();
    root_domain->link = &domains;
    domains = root_domain;
    if (cap_insert(&root_domain->table, NULL, FB_TYPE_MEMORY, NULL, all, &root_memory) ||
        cap_insert(&root_domain->table, NULL, FB_TYPE_MACHINE, NULL, one, &root_machine))
        abort();
}

static int
fixed(struct world *w, u32 type, u64 name, u64 lo, u64 hi)
{
    return m_new(w, (struct mcap){ .is = C_LIVE,
                                   .fixed = true,
                                   .parent = NONE,
                                   .type = type,
                                   .name = name,
                                   .auth = FB_AUTH_ALL,
                                   .lo = lo,
                                   .hi = hi });
}

static void
world_make(u32 k)
{
    struct world *w = &worlds[k];
    u64 lo = 64 + k * 16, name, value;
    struct fb_domain_params p = { .object_frame = lo,
                                  .table_frame = lo + 2,
                                  .table_frames = 8,
                                  .window_frame = lo + 10,
                                  .clearance = FB_CLASS_ROOT };

    memset(w, 0, sizeof(*w));
    w->base = 512 + k * FRAMES;
    w->slots0 = 8 * 32;
    memcpy(blocks[now_cpu] + PAGE_SIZE, &p, sizeof(p));
    if (root_call(FB_CALL_DOMAIN_CREATE, (u64[6]){ root_machine, root_memory }, &name))
        panic("no world");
    world_domain[k] = frame_ptr(lo);
    world_domain_name[k] = name;
    w->dom[0] = (struct mdom){ .live = true,
                               .maker = NONE,
                               .cap = NONE,
                               .serial = ++w->serial,
                               .clearance = FB_CLASS_ROOT };
    w->tree[SPACES] = (struct mtree){ .live = true, .dom = 0, .cap = NONE };
    u64 a[6] = { root_memory, name, FB_AUTH_ALL, w->base, w->base + FRAMES };
    if (root_call(FB_CALL_CAP_GRANT, a, &value))
        panic("no memory");
    fixed(w, FB_TYPE_MEMORY, value, w->base, w->base + FRAMES);
    u64 b[6] = { root_machine, name, FB_AUTH_ALL, 0, 1 };
    if (root_call(FB_CALL_CAP_GRANT, b, &value))
        panic("no machine");
    fixed(w, FB_TYPE_MACHINE, value, 0, 1);
    threads_follow(w);
}

/* ---- sequences ---- */

static bool skip[CPUS][CALLS_MAX]; /* calls that were shrunk away */
static u32 calls = 120;
static u64 made_calls, good_calls;

static u64
mix(u64 a, u64 b)
{
    u64 x = (a + 1) * 0x9e3779b97f4a7c15 ^ (b + 1) * 0xbf58476d1ce4e5b9;
    x ^= x >> 29;
    return (x * 0x94d049bb133111eb) | 1;
}

static struct run {
    u32 at;
    bool pending, done;
    bool moved; /* the call moved a capability, which is to be completed */
    u64 value;
    struct call c;
} runs[CPUS];

/* The next call is made there. */
static void
arrive(u32 cpu)
{
    now_cpu = cpu;
    if (kicked[cpu]) {
        kicked[cpu] = false;
        epoch_kick();
    }
}

static bool
moves(const struct world *w, const struct call *c)
{
    return c->number == FB_CALL_CAP_MOVE ||
           (call_is_ipc(c->number) && c->ipc.auth == 0 && thread_passed(w, c));
}

/* One step of world k: on CPU k, where its threads are, or another vCPU of the domain
 * makes it elsewhere. */
static void
step(u32 k, u64 seed)
{
    struct run *r = &runs[k];
    struct world *w = &worlds[k];
    u64 value;

    arrive(k);
    while (!r->pending) {
        if (r->at == calls) {
            r->done = true;
            return;
        }
        w->seed = mix(seed, r->at * CPUS + k);
        bool skipped = skip[k][r->at++];
        if (!skipped)
            r->pending = driver_next(w, &r->c);
    }
    struct call now = r->c;
    if (r->moved) { /* what the source had bound goes by deleting it */
        if (call_is_ipc(now.number))
            now.a[0] = now.ipc.pass;
        now.number = FB_CALL_CAP_DELETE;
    }
    bool message = call_is_ipc(now.number);
    if (!message && driver_random(&w->seed) % 3 == 0)
        arrive((u32)(driver_random(&w->seed) % cpu_count));
    long e = host_call(w, &now, &value);
    if ((e == -FB_E_BUSY && !message) || e == -FB_E_RESUME || e == -FB_E_FLUSH) {
        u64 a[6] = { ~0ull }, v;
        (void)call_as(domain_of(w, r->c.actor), FB_CALL_TLB_FLUSH, a, &v);
        return;
    }
    if (!r->moved && e == 0 && moves(w, &r->c)) {
        r->moved = true;
        r->value = value;
        return;
    }
    if (r->moved) {
        if (e && e != -FB_E_NAME && e != -FB_E_INUSE)
            panic("a move is not completed");
        e = 0;
        value = r->value;
        r->moved = false;
    }
    r->pending = false;
    made_calls++;
    good_calls += e == 0;
    if (loud) {
        char text[160];
        driver_say(&r->c, e, text, sizeof(text));
        printf("#   cpu %u call %u: %s\n", k, r->at - 1, text);
    }
    threads_look(w, driver_random(&w->seed));
    if (!driver_done(w, &r->c, e, value))
        panic("they part");
    threads_follow(w);
}

/* All memory is taken from above while the worlds' calls go on, whatever these return;
 * then the worlds end, and nothing is left. */
static void
take_all(u64 seed)
{
    u64 state = mix(seed, 77), value;
    long e;

    for (u32 k = 0; k < cpu_count; k++)
        for (u32 i = 0; i < FRAMES; i++)
            for (; worlds[k].pins[i]; worlds[k].pins[i]--)
                frame_unpin(worlds[k].base + i);
    for (u32 n = 0;; n++) {
        u32 k = (u32)(driver_random(&state) % cpu_count);
        struct call c;
        now_cpu = k;
        epoch_kick();
        if (driver_random(&state) % 2 && cpu_count > 1 && k > 0) {
            worlds[k].seed = mix(state, n);
            const struct kernel *was = kernel;
            static struct kernel no_pins;
            no_pins = host;
            no_pins.pin = NULL;
            no_pins.thread = NULL;
            kernel = &no_pins;
            if (driver_next(&worlds[k], &c) && c.actor == 0 && !call_is_ipc(c.number))
                (void)host_call(&worlds[k], &c, &value);
            kernel = was;
            continue;
        }
        now_cpu = 0;
        e = call_as(root_domain, FB_CALL_CAP_REVOKE, (u64[6]){ root_memory }, &value);
        if (e == 0 || e == -FB_E_INUSE)
            break;
        if (n > 200000)
            panic("a revocation without end");
    }
    for (u32 k = 0; k < cpu_count; k++)
        if (!threads_awake(&worlds[k]))
            panic("a thread waits for what was revoked");
    for (u32 k = 0; k < cpu_count; k++)
        if (root_call(FB_CALL_DOMAIN_DESTROY, (u64[6]){ world_domain_name[k] }, &value))
            panic("a world cannot be destroyed");
    if (root_call(FB_CALL_CAP_REVOKE, (u64[6]){ root_memory }, &value) ||
        root_call(FB_CALL_CAP_REVOKE, (u64[6]){ root_machine }, &value))
        panic("not all can be revoked");
    for (u64 f = 64; f < MEMORY; f++) {
        u64 word = frame_records[f].word;
        bool clean = FB_FRAME_TYPE(word) == FB_FRAME_TABLE &&
                     !(frame_records[f].flags & FB_FRAME_F_LINKED);
        if (word >> 4 || !(clean || FB_FRAME_TYPE(word) == FB_FRAME_DATA))
            panic("a frame is lost");
    }
    if (root_domain->table.used != 2)
        panic("a slot is lost");
}

static bool
sequence(u64 seed)
{
    u64 state = mix(seed, 1);

    if (setjmp(failed))
        return false;
    boot();
    memset(runs, 0, sizeof(runs));
    for (u32 k = 0; k < cpu_count; k++) {
        world_make(k);
        worlds[k].talks = seed % 4 == 0; /* the others as they come */
        worlds[k].forks = seed % 4 == 1;
    }
    for (u32 left = cpu_count, idle = 0; left;) {
        u32 k = (u32)(driver_random(&state) % cpu_count);
        if (runs[k].done) {
            kicked[k] = false;
            now_cpu = k;
            epoch_kick();
            continue;
        }
        step(k, seed);
        left -= runs[k].done;
        if (++idle > 2000000)
            panic("a call without end");
    }
    take_all(seed);
    return true;
}

/* Leave out what is not needed for the failure: halves, quarters, ... single calls. */
static void
shrink(u64 seed)
{
    for (u32 piece = calls / 2; piece >= 1; piece /= 2)
        for (u32 k = 0; k < cpu_count; k++)
            for (u32 at = 0; at < calls; at += piece) {
                bool was[CALLS_MAX];
                memcpy(was, skip[k], sizeof(was));
                for (u32 i = at; i < at + piece && i < calls; i++)
                    skip[k][i] = true;
                if (sequence(seed))
                    memcpy(skip[k], was, sizeof(was));
            }
    printf("# seed %lu, %u CPUs, shrunk:\n", (unsigned long)seed, cpu_count);
    loud = true;
    (void)sequence(seed);
    loud = false;
}

static bool
run(u32 ncpus, u64 seed, u64 count)
{
    cpu_count = ncpus;
    made_calls = good_calls = 0;
    memset(skip, 0, sizeof(skip));
    memset(thread_counts, 0, sizeof(thread_counts));
    for (u64 i = 0; i < count; i++)
        if (!sequence(seed + i)) {
            shrink(seed + i);
            printf("not ok - %u CPUs: the model and the kernel part\n", ncpus);
            return false;
        }
    static const char *const what[N_COUNTS] = { "called",  "replied", "passed",
                                                "busy",    "state",   "dead",
                                                "timeout", "event" };
    bool all = count < 1000 || calls < 120;
    for (u32 i = 0, met = 0; i < N_COUNTS; i++) {
        printf("%s%s %lu", i ? ", " : "# threads: ", what[i],
               (unsigned long)thread_counts[i]);
        met += thread_counts[i] >= 10;
        all |= met == N_COUNTS;
    }
    printf("\n%s - %u CPUs: %lu sequences, %lu calls, %lu of them done\n",
           all ? "ok" : "not ok", ncpus, (unsigned long)count, (unsigned long)made_calls,
           (unsigned long)good_calls);
    return all;
}

int
main(int argc, char **argv)
{
    u64 seed = 1, count = 0, only = 0;
    bool good = true;

    (void)domain_create_frames;
    for (int i = 1; i < argc; i++) {
        u64 n = i + 1 < argc ? strtoull(argv[i + 1], NULL, 0) : 0;
        if (!strcmp(argv[i], "--seed"))
            seed = n, i++;
        else if (!strcmp(argv[i], "--count"))
            count = n, i++;
        else if (!strcmp(argv[i], "--cpus"))
            only = n, i++;
        else if (!strcmp(argv[i], "--calls"))
            calls = (u32)(n < CALLS_MAX ? n : CALLS_MAX), i++;
        else if (!strcmp(argv[i], "--verbose"))
            loud = true;
        else {
            printf("usage: model [--seed N] [--count N] [--calls N] [--cpus N] "
                   "[--verbose]\n");
            return 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (u32 n = 1; n <= CPUS; n *= 2)
        if (!only || only == n)
            good &= run(n, seed, count ? count : 1000);
    return good ? 0 : 1;
}
