/* SPDX-License-Identifier: MIT */
/* The test LibOS: start, upcalls, frames, programs in user views, child domains, results.
 */
#include "tests/kernel/ktest/ktest.h"

#define CHUNKS                                                                           \
    4u /* 2 MiB pieces that leave the direct map: frames for the kernel are mapped       \
          nowhere */
#define LOOK   (WINDOW_FREE + 0x100000000ull)

static u64 pool_lo, pool_hi;
static u8 used[CHUNKS * 512];
int failures;
static int number;
static u8 covered[FB_CALLS][32];

__attribute__((noreturn)) void kt_main(u64 id);
__attribute__((noreturn)) void kt_upcall(u64 area, u64 vector);
__attribute__((noreturn)) void kt_gate(const u64 *regs);

/* ---- results ---- */

void
print(const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    size_t n = sdk_format(line, sizeof(line), format, args);
    va_end(args);
    n = n < sizeof(line) ? n : sizeof(line) - 1;
    memcpy(BUFFER + 8192, line, n);
    fb_console_write(INFO->cap_machine, 8192, n, NULL);
}

static u32 bad_in_test;

void
check(bool good, const char *what, int line)
{
    if (!good && bad_in_test++ < 10)
        print("# line %d: %s\r\n", line, what);
}

void
check_error(u32 call, u32 error, long got, const char *what, int line)
{
    if (got == -(long)error)
        covered[call][error] = 1;
    else if (bad_in_test++ < 10)
        print("# line %d: %s is %s, not %s\r\n", line, what, fb_error_name(got),
              fb_error_name(-(long)error));
}

void
run(const char *name, void (*test)(void))
{
    u64 before = frames_out();

    bad_in_test = 0;
    test();
    look_end();
    CHECK(frames_out() == before); /* no frame is lost */
    failures += bad_in_test != 0;
    print("%sok %d - %s\r\n", bad_in_test ? "not " : "", ++number, name);
}

/* Documented errors that no test here provokes, with the reason. */
#define WHY(call, error, text) [FB_CALL_##call][FB_E_##error] = text
#define RACE                   "only while another CPU holds the lock: see the stress tests"
static const char *const why[FB_CALLS][32] = {
    WHY(CAP_DERIVE, BUSY, RACE),
    WHY(CAP_DELETE, BUSY, RACE),
    WHY(CAP_REVOKE, BUSY, RACE),
    WHY(SPACE_CREATE, BUSY, RACE),
    WHY(SPACE_DESTROY, BUSY, RACE),
    WHY(SPACE_TABLE, BUSY, RACE),
    WHY(SPACE_MAP, BUSY, RACE),
    WHY(SPACE_PROTECT, BUSY, RACE),
    WHY(SPACE_UNMAP, BUSY, RACE),
    WHY(SPACE_COPY, BUSY, RACE),
    WHY(DOMAIN_CREATE, BUSY, RACE),
    WHY(DOMAIN_DESTROY, BUSY, RACE),
    WHY(DOMAIN_WATCH, BUSY, RACE),
    WHY(VCPU_CREATE, BUSY, RACE),
    WHY(SLICE_SET, BUSY, RACE),
    WHY(IRQ_BIND, BUSY, RACE),
    WHY(VCPU_START, BUSY, RACE),
    WHY(CAP_DERIVE, COUNT, "children are not counted: a list"),
    WHY(CAP_GRANT, COUNT, "children are not counted: a list"),
    WHY(CAP_DERIVE, DEAD, "the source's revocation must be half done on another CPU"),
    WHY(CAP_GRANT, BUSY, RACE),
    WHY(IRQ_BIND, NODEV, "lines that the machine lacks are not granted"),
    WHY(DOMAIN_CREATE, CLEARANCE, "this domain's clearance is everything"),
    WHY(SWITCH, DEAD, "the space's destruction must be half done on another CPU"),
    WHY(SPACE_CREATE, FLUSH,
        "needs a CPU with a stale translation: host tests of kernel/space"),
    WHY(SPACE_TABLE, FLUSH,
        "needs a CPU with a stale translation: host tests of kernel/space"),
    WHY(DOMAIN_CREATE, FLUSH,
        "needs a CPU with a stale translation: host tests of kernel/space"),
    WHY(VCPU_CREATE, FLUSH,
        "needs a CPU with a stale translation: host tests of kernel/space"),
    WHY(SPACE_MAP, COUNT, "16 million mappings of a frame: host tests of kernel/frame"),
    WHY(SPACE_PROTECT, COUNT,
        "16 million mappings of a frame: host tests of kernel/frame"),
    WHY(SPACE_TABLE, COUNT, "16 million mappings of a frame: host tests of kernel/space"),
    WHY(SPACE_COPY, COUNT, "16 million mappings of a frame: host tests of kernel/space"),
    WHY(SPACE_DESTROY, RESUME,
        "only while another CPU is not quiet: see the stress tests"),
    WHY(SPACE_DESTROY, DEAD, "the space's domain must be ending on another CPU"),
    WHY(DOMAIN_CREATE, FULL, "as cap_derive: the same reservation"),
    WHY(DOMAIN_CREATE, COUNT, "32 makers above each other"),
    WHY(SPACE_CREATE, FULL, "as cap_derive: the same reservation"),
    WHY(VCPU_CREATE, FULL, "64 vCPUs on one CPU"),
    WHY(SPACE_COPY, DEAD, "as space_map: the same lock"),
    WHY(SPACE_PROTECT, DEAD, "as space_map: the same lock"),
    WHY(SPACE_UNMAP, DEAD, "as space_map: the same lock"),
    WHY(DOMAIN_DESTROY, INUSE, "no capability on the own domain has CONTROL"),
    WHY(CAP_MOVE, BUSY, RACE),
    WHY(ENDPOINT_CREATE, BUSY, RACE),
    WHY(ENDPOINT_DESTROY, BUSY, RACE),
    WHY(IPC_CALL, RESUME, RACE),
    WHY(IPC_REPLY, RESUME, RACE),
    WHY(ENDPOINT_CREATE, FLUSH,
        "needs a CPU with a stale translation: host tests of kernel/space"),
    WHY(ENDPOINT_CREATE, FULL, "as cap_derive: the same reservation"),
    WHY(ENDPOINT_CREATE, DEAD, "as cap_derive: the same reservation"),
    WHY(ENDPOINT_DESTROY, RESUME,
        "only while another CPU is not quiet: see the stress tests"),
    WHY(POWER, NODEV, "would end the machine where it has one"),
};

void
coverage(void)
{
    static const struct {
        u32 call, error;
        const char *name;
    } documented[] = {
#define DOC(call, error, name) { FB_CALL_##call, FB_E_##error, name },
#include <ktest/errors.inc>
    };
    u32 seen = 0, reasoned = 0;

    for (u32 i = 0; i < sizeof(documented) / sizeof(documented[0]); i++) {
        u32 c = documented[i].call, e = documented[i].error;
        if (covered[c][e])
            seen++;
        else if (why[c][e])
            reasoned++;
        else
            print("# %s: %s has neither a test nor a reason\r\n", documented[i].name,
                  fb_error_name(-(long)e)),
                bad_in_test++;
    }
    print("# %u documented errors seen, %u with a reason why not\r\n", seen, reasoned);
}

/* ---- vCPUs and upcalls ---- */

void
kt_upcall(u64 area, u64 vector)
{
    struct kvcpu *v = self();
    struct fb_save_area *s = &v->cb->save[area];

    if (area == FB_SAVE_USER) {
        v->user_vector = vector;
        v->cr2 = s->cr2;
        v->events |= s->events;
        kt_leave(v->ctx, vector);
    }
    if (area == FB_SAVE_EVENT) {
        v->events |= s->events;
        v->upcalls++;
    } else {
        v->faults++;
        v->vector = vector;
        v->cr2 = s->cr2;
        v->error = s->regs.error;
        /* kt_touch has nothing on the stack, kt_jump was left by a call: both go on
         * behind themselves. */
        if (s->regs.rip == v->cr2 && s->regs.rip != (u64)kt_touch)
            s->regs.rip = *(u64 *)s->regs.rsp, s->regs.rsp += 8, s->regs.rax = 1;
        else
            s->regs.rip = (u64)kt_fixup;
        if (v->faults > 1000000) {
            print("Bail out! fault %lu at %lx, address %lx\r\n", vector, s->regs.rip,
                  s->cr2);
            fb_domain_exit(255, NULL);
        }
    }
    fb_resume(area, NULL);
    for (;;)
        fb_domain_exit(254, NULL);
}

void
kt_gate(const u64 *regs)
{
    struct kvcpu *v = self();

    memcpy(v->gate, regs, sizeof(v->gate));
    v->user_vector = 0x1000;
    kt_leave(v->ctx, 0x1000);
}

static void
vcpu_init(u64 id)
{
    struct kvcpu *v = self();

    v->id = id;
    v->cb = (struct fb_cb *)(WINDOW_CB + id * WINDOW_CB_STRIDE);
    v->cb->entry_rsp = (u64)v + 0x5000;
    v->cb->fault_rsp = (u64)v + 0x6800;
    v->cb->event_rsp = (u64)v + 0x8000;
    OK(fb_vcpu_start(INFO->cap_vcpu[id], (u64)gate_entry, (u64)upcall_entry, 0, 0, 0,
                     NULL));
}

/* A second vCPU does what it is told, and waits for events between. */
static void
serve(void)
{
    struct kvcpu *v = self();

    for (;;) {
        while (!v->job)
            fb_wait(FB_FOREVER, NULL);
        v->result = v->job(v->argument);
        v->job = NULL;
        __atomic_store_n(&v->busy, 0, __ATOMIC_RELEASE);
    }
}

void
on_begin(u64 cpu, u64 (*job)(u64), u64 argument)
{
    struct kvcpu *v = vcpu(cpu);

    v->argument = argument;
    v->busy = 1;
    __atomic_store_n(&v->job, job, __ATOMIC_RELEASE);
    OK(fb_signal(INFO->cap_vcpu[cpu], 1, NULL));
}

u64
on_end(u64 cpu)
{
    while (__atomic_load_n(&vcpu(cpu)->busy, __ATOMIC_ACQUIRE))
        __asm__ volatile("pause");
    return vcpu(cpu)->result;
}

u64
on(u64 cpu, u64 (*job)(u64), u64 argument)
{
    on_begin(cpu, job, argument);
    return on_end(cpu);
}

/* ---- frames ---- */

static void
pool_init(void)
{
    const struct instance_memory *m = &INFO->memory[0];

    pool_lo = (m->lo + 511) & ~511ull;
    pool_hi = pool_lo + CHUNKS * 512;
    for (u64 f = pool_lo; f < pool_hi; f += 512)
        OK(AGAIN(fb_space_unmap(0, WINDOW_DMAP + f * PAGE, 512, 0, 0, 1, NULL)));
}

u64
frames(u64 n, u64 align)
{
    for (u64 f = pool_lo; f + n <= pool_hi; f += align) {
        u64 i = 0;
        while (i < n && !used[f + i - pool_lo])
            i++;
        if (i < n)
            continue;
        memset(&used[f - pool_lo], 1, n);
        return f;
    }
    print("Bail out! no frames\r\n");
    for (;;)
        fb_domain_exit(253, NULL);
}

void
frames_back(u64 f, u64 n)
{
    for (u64 i = f; i < f + n; i++) {
        u64 word = FRAME_RECORD(i)->word;
        bool clean = FB_FRAME_TYPE(word) == FB_FRAME_TABLE &&
                     !(FRAME_RECORD(i)->flags & FB_FRAME_F_LINKED);
        if (FB_FRAME_TYPE(word) != FB_FRAME_DATA && !clean)
            print("# frame %lx comes back with word %lx\r\n", i, word), bad_in_test++;
        if (FB_FRAME_PINS(word) | FB_FRAME_WMAPS(word) | FB_FRAME_MAPS(word))
            print("# frame %lx comes back in use: %lx\r\n", i, word), bad_in_test++;
    }
    memset(&used[f - pool_lo], 0, n);
}

u64
frames_out(void)
{
    u64 n = 0;

    for (u64 i = 0; i < sizeof(used); i++)
        n += used[i];
    return n;
}

long
map(u64 space, u64 va, u64 frame, u64 flags)
{
    for (;;) {
        u64 done;
        long e = AGAIN(fb_space_map(space, va, MEM, frame, flags, 1, &done));
        if (e != -FB_E_NOTABLE)
            return e;
        u64 node = frames(1, 1);
        e = AGAIN(fb_space_table(space, va, done >> 56, MEM, node, NULL));
        if (e)
            return e;
    }
}

void
unmap(u64 space, u64 va, u64 pages)
{
    u64 *list = (u64 *)BUFFER, value, done = 0;

    while (done < pages) {
        long e = fb_space_unmap(space, va + done * PAGE, pages - done, FB_UNMAP_TABLES, 0,
                                512, &value);
        for (u64 i = 0; i < value >> 40; i++)
            if (list[i] & FB_OUT_TABLE)
                frames_back(FB_OUT_FRAME(list[i]), 1);
        done += value & ((1ull << 40) - 1);
        if (e && e != -FB_E_RESUME && e != -FB_E_BUSY) {
            check(false, "unmap", __LINE__);
            return;
        }
    }
}

static bool looking;
void
look_end(void)
{
    if (looking)
        unmap(0, LOOK, 1);
    looking = false;
}
u8 *
look(u64 frame)
{
    look_end();
    OK(map(0, LOOK, frame, FB_MAP_READ | FB_MAP_WRITE));
    looking = true;
    return (u8 *)LOOK;
}

/* ---- spaces and programs ---- */

void
kspace_make(struct kspace *s)
{
    s->root = frames(2, 2);
    s->code = frames(1, 1);
    s->data = frames(1, 1);
    OK(AGAIN(fb_space_create(0, MEM, s->root, &s->cap)));
    memcpy(look(s->code), user_text, (u64)(user_text_end - user_text));
    look_end();
    OK(map(s->cap, USER_CODE, s->code, FB_MAP_READ | FB_MAP_EXEC));
    OK(map(s->cap, USER_DATA, s->data, FB_MAP_READ | FB_MAP_WRITE));
}

void
kspace_end(struct kspace *s)
{
    unmap(s->cap, USER_CODE, 2);
    OK(AGAIN(fb_space_destroy(s->cap, NULL)));
    frames_back(s->root, 2);
    frames_back(s->code, 1);
    frames_back(s->data, 1);
}

/* The end of a slice is not what the tests look for: go on. */
u64
user_go(void)
{
    struct kvcpu *v = self();
    u64 vector;

    do
        vector = kt_enter(v->ctx);
    while (vector == FB_VECTOR_EVENT &&
           v->cb->save[FB_SAVE_USER].events == 1ull << FB_EVENT_SLICE);
    v->events &= ~(1ull << FB_EVENT_SLICE);
    return vector;
}

u64
user_run(const u8 *entry, u64 rdi, u64 rax)
{
    struct kvcpu *v = self();
    struct fb_regs *r = &v->cb->save[FB_SAVE_USER].regs;

    memset(r, 0, sizeof(*r));
    r->rip = USER_CODE + (u64)(entry - user_text);
    r->rsp = USER_DATA + PAGE;
    r->rdi = rdi;
    r->rax = rax;
    r->rbx = 0xb;
    r->r12 = 0xc;
    return user_go();
}

long
wait_for(u64 until, u64 *events)
{
    long e;

    do
        e = fb_wait(until, events);
    while (e == 0 && *events == 1ull << FB_EVENT_SLICE);
    *events &= ~(1ull << FB_EVENT_SLICE);
    return e;
}

void
kt_main(u64 id)
{
    vcpu_init(id);
    if (id != 0)
        serve();
    /* vCPU 0 waits until the others serve. */
    for (u64 i = 1; i < INFO->ncpus; i++)
        while (vcpu(i)->cb == NULL)
            fb_wait(__builtin_ia32_rdtsc() + RECORD->tsc_hz / 1000, NULL);
    pool_init();
    char word[8];
    if (sdk_option(INFO->cmdline, "ktest.bench", word, sizeof(word))) {
        bench();
        bench_ipc();
        fb_domain_exit(0, NULL);
    }
    if (sdk_option(INFO->cmdline, "ktest.model=", word, sizeof(word))) {
        run("the model", test_model);
        print("1..%d\r\n", number);
        fb_domain_exit((u64)failures, NULL);
    }
    if (sdk_option(INFO->cmdline, "ktest.cost", word, sizeof(word))) {
        run("costs of revocation", test_cost);
        print("1..%d\r\n", number);
        fb_domain_exit((u64)failures, NULL);
    }
    if (sdk_option(INFO->cmdline, "ktest.attacks", word, sizeof(word))) {
        test_attacks();
        run("the matrix of calls that leave", test_leavers);
        print("1..%d\r\n", number);
        fb_domain_exit((u64)failures, NULL);
    }
    if (sdk_option(INFO->cmdline, "ktest.enemy", word, sizeof(word)))
        for (;;) {
            run("the matrix", test_enemies);
            run("the matrix of calls that leave", test_leavers);
        }
    if (sdk_option(INFO->cmdline, "ktest.victim", word, sizeof(word))) {
        run("the victim", test_victim);
        print("1..%d\r\n", number);
        for (;;)
            fb_domain_exit((u64)failures, NULL);
    }
    run("capabilities", test_caps);
    run("spaces", test_spaces);
    run("shared page tables", test_shared_tables);
    run("upcalls and the gate", test_upcalls);
    run("calls of control", test_control);
    run("child domains", test_domains);
    run("records of domains", test_records);
    run("devices", test_devices);
    run("slices", test_slices);
    run("endpoints", test_ipc);
    run("several CPUs", test_smp);
    run("the model", test_model);
    run("the enemies' matrix", test_enemies);
    run("the matrix of calls that leave", test_leavers);
    test_attacks();
    run("every documented error", coverage);
    print("1..%d\r\n", number);
    for (;;)
        fb_domain_exit((u64)failures, NULL);
}
