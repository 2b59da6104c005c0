/* SPDX-License-Identifier: MIT */
/*
 * A hostile LibOS: makes every exokernel call with random arguments, without end.
 *
 * Arguments come from a mixture: its real names, names with a bit changed, small numbers,
 * its own frames and addresses, page-aligned ones, and noise.  It runs until it destroys
 * itself (it unmaps its own text, or corrupts its control block), and its manifest has it
 * restarted.  It never calls domain_exit, and waits only for short times, so that it
 * stays busy. Now and then it makes a domain, a space or a vCPU as one should, so that
 * noise meets objects that live; all its vCPUs do so. The option fuzz.seed= on the
 * command line chooses the sequence; fuzz.calls= ends it after so many calls (code: calls
 * made).
 */
#include <sdk/instance.h>
#include <sdk/ipc.h>
#include <sdk/sdk.h>
#include <sdk/stubs.h>

static const struct instance_info *info = (const void *)INSTANCE_INFO_VA;
static u64 names[64];
static u32 nnames;
static u64 states[32];
static u64 spare; /* first of 512 frames that are mapped nowhere: for the kernel */
extern __attribute__((visibility("hidden"))) u8 fuzz_stacks[32][0x4000];

__attribute__((visibility("hidden"))) void upcall_entry(void);
__attribute__((noreturn)) void fuzz_main(u64 vcpu);
__attribute__((noreturn)) void fuzz_upcall(u64 area, u64 vector);

static u64
self(void)
{
    u64 rsp;
    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    return ((rsp - (u64)fuzz_stacks) >> 14) % 32;
}

static struct fb_cb *
own_cb(void)
{
    return (struct fb_cb *)(WINDOW_CB + self() * WINDOW_CB_STRIDE);
}

static u64
random64(void)
{
    u64 state = states[self()];
    state ^= state << 13; /* xorshift64: Marsaglia, 2003 */
    state ^= state >> 7;
    state ^= state << 17;
    states[self()] = state;
    return state;
}

static void
learn(u64 name)
{
    if (name == 0)
        return;
    if (nnames < 64)
        names[nnames++] = name;
    else
        names[16 + random64() % 48] =
            name; /* the first ones, which it was given, are kept */
}

static u64
argument(void)
{
    u64 r = random64();

    switch (r % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: return names[(r >> 8) % nnames];
    case 5: return names[(r >> 8) % nnames] ^ 1ull << (r >> 32) % 64;
    case 6: return (r >> 8) % 16;
    case 7: return 1ull << (r >> 8) % 64;
    case 8:
        return info->memory[0].lo + (r >> 8) % (info->memory[0].hi - info->memory[0].lo);
    case 9: return FB_WINDOW_BASE + ((r >> 8) % (FB_WINDOW_SIZE >> 12) << 12);
    case 10: return (r >> 16) % 4096 << 12;
    case 11: return (r >> 8) % 512;
    case 12: return ~0ull - (r >> 8) % 8;
    case 13: return FB_AUTH_ALL & r;
    case 14: return 0;
    default: return random64();
    }
}

static u64
call(u64 number, const u64 a[6], u64 *value)
{
    u64 rax = number, rdx = a[2];
    register u64 r10 __asm__("r10") = a[3];
    register u64 r8 __asm__("r8") = a[4];
    register u64 r9 __asm__("r9") = a[5];
    u64 rdi = a[0], rsi = a[1];
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8),
                       "+r"(r9)
                     :
                     : "rcx", "r11", "memory", "cc");
    *value = rdx;
    return rax;
}

/* Now and then write noise into the buffer, and rarely into the control block. */
static void
scribble(void)
{
    u64 r = random64();
    u64 *buffer = (u64 *)((u8 *)own_cb() + PAGE);

    for (int i = 0; i < 16; i++)
        buffer[random64() % (FB_BUFFER_BYTES / 8)] = argument();
    if (r % 65536 == 0)
        ((u64 *)own_cb())[(r >> 16) % 512] = argument();
}

/* Two spaces that all vCPUs know. */
static u64 pair[2];

/* Page tables in common (FB_COPY_TABLES), left and taken over on all CPUs at once. */
static void
share(void)
{
    u64 r = random64(), memory = info->memory[0].cap, f = spare + 448,
        va = (r >> 8) % 3 << 21;
    u64 *slot = &pair[r % 2], other = pair[~r % 2];

    if (*slot == 0 || (r >> 32) % 256 == 0)
        fb_space_create(0, memory, spare + 440 + (r >> 12) % 4 * 2, slot);
    for (u64 level = 3; level >= 1 + (r >> 20) % 2; level--)
        fb_space_table(*slot, va, level, memory, f + (r >> (8 * level)) % 24, NULL);
    fb_space_map(*slot, va + ((r >> 24) % 512) * PAGE, memory, f + 24 + (r >> 33) % 8,
                 FB_MAP_READ | (r >> 40) % 4 * 2 | (r >> 42) % 2 * FB_MAP_REPLACE,
                 1 + (r >> 43) % 32, NULL);
    for (int i = 0; i < 4; i++) {
        u64 q = random64(), s = q & 1 ? *slot : other;
        switch ((q >> 1) % 7) {
        case 0:
        case 1:
            fb_space_copy(other, *slot, va, 512 * (1 + (q >> 8) % 3),
                          FB_COPY_COW | FB_COPY_TABLES, NULL);
            break;
        case 2:
        case 3:
            fb_space_table(s, va, 1, memory, f + (q >> 8) % 24, NULL);
            break;
        case 4:
            fb_space_unmap(s, va, (q >> 8) % 2 ? 512 : 1 + (q >> 9) % 2048,
                           (q >> 20) % 2 * FB_UNMAP_TABLES, 0, 64, NULL);
            break;
        case 5:
            fb_space_protect(s, va, 512, (q >> 8) % 8, memory, NULL);
            break;
        default:
            fb_switch(s, NULL);
            fb_switch(info->cap_space, NULL);
            break;
        }
    }
}

/* Calls between the vCPUs and the instances, with capabilities in them: each waits for a
 * little while only. */
static void
talk(void)
{
    u64 r = random64(), name = 0, soon = __builtin_ia32_rdtsc() + (r >> 40) % 200000,
        e = names[(r >> 8) % nnames];
    struct fb_ipc *m = &own_cb()->ipc;
    struct ipc_message words = { { r, r >> 1, r >> 2, r >> 3 }, 0 };

    m->take = r & 1;
    m->notify = (r >> 1) % 8 == 0 ? (r >> 4) % 66 : 0;
    if ((r >> 16) % 4 == 0)
        ipc_pass(own_cb(), (r >> 20) % 4 ? names[(r >> 24) % nnames] : e,
                 (r >> 22) % 3 ? FB_AUTH_ALL : 0, 0, ~0ull);
    else
        m->pass = 0;
    switch ((r >> 32) % 8) {
    case 0:
        fb_endpoint_create(info->memory[0].cap, spare + 480 + (r >> 40) % 16, &name);
        break;
    case 1:
        fb_endpoint_destroy(e, NULL);
        break;
    case 2:
        fb_cap_move(e, names[(r >> 40) % nnames], &name);
        break;
    case 3:
        ipc_reply(&words);
        break;
    case 4:
        ipc_reply_receive(e, soon, &words);
        break;
    case 5:
        ipc_receive(e, soon, &words);
        break;
    default:
        ipc_call(e, soon, &words);
        break;
    }
    learn(name);
    learn(ipc_got(own_cb()));
    m->got = 0;
}

/* Something that succeeds, mostly. */
static void
sensible(void)
{
    u64 r = random64(), f = spare + (r >> 8) % 480, name = 0,
        ticks = ((const struct fb_record *)WINDOW_RECORD)->tsc_hz / 2000;
    struct fb_domain_params *p = (void *)((u8 *)own_cb() + PAGE);
    u64 any = names[(r >> 24) % nnames], cpu = (r >> 32) % info->ncpus;

    switch (r % 10) {
    case 9:
        for (int i = 0; i < 8; i++)
            talk();
        break;
    case 0:
        memset(p, 0, sizeof(*p));
        *p = (struct fb_domain_params){ .object_frame = f,
                                        .table_frame = f + 1,
                                        .table_frames = 1 + (r >> 40) % 8,
                                        .window_frame = f + 16,
                                        .clearance = FB_CLASS_ROOT,
                                        .gate = (r >> 50) % 2 };
        fb_domain_create(info->cap_machine, info->memory[0].cap, 0, &name);
        break;
    case 1:
        fb_space_create((r >> 60) % 2 ? any : 0, info->memory[0].cap, f & ~1ull, &name);
        break;
    case 2:
        any = any == info->cap_domain && r >> 58
                  ? 0
                  : any; /* seldom one of its own, which would end it */
        fb_vcpu_create(any, info->cpu[cpu], info->memory[0].cap, f, f + 2, &name);
        break;
    case 3:
        fb_vcpu_start(any, 0, 0, FB_WINDOW_BASE, 0, 0, NULL);
        fb_slice_set(info->cap_slices[info->cpu[cpu]],
                     info->cpu[cpu] * 64 + 20 + (r >> 40) % 16, any, ticks, NULL);
        break;
    case 4:
        for (u64 level = 3; level >= 1; level--)
            fb_space_table(any, (r >> 40) << 22, level, info->memory[0].cap, f + level,
                           NULL);
        fb_space_map(any, (r >> 40) << 22, info->memory[0].cap, f + 4, 1 + (r >> 33) % 8,
                     1 + (r >> 36) % 8, NULL);
        break;
    case 5:
        fb_switch(any, NULL);
        fb_switch(info->cap_space, NULL);
        break;
    case 6:
        share();
        break;
    case 7:
        for (int i = 0; i < 4; i++)
            fb_domain_destroy(any, NULL);
        fb_space_destroy(any, NULL);
        break;
    default:
        fb_cap_grant(any, names[(r >> 30) % nnames], FB_AUTH_ALL, 0, ~0ull, &name);
        break;
    }
    learn(name);
}

static u64
option(const char *key)
{
    char text[24];
    u64 n = 0;

    if (sdk_option(info->cmdline, key, text, sizeof(text)))
        for (const char *c = text; *c >= '0' && *c <= '9'; c++)
            n = n * 10 + (u64)(*c - '0');
    return n;
}

void
fuzz_main(u64 vcpu)
{
    u64 made = 0, limit, seed;

    struct fb_cb *cb = own_cb();
    cb->entry_rsp = cb->fault_rsp = cb->event_rsp = (u64)&fuzz_stacks[self()][0x2000];
    fb_vcpu_start(info->cap_vcpu[vcpu], (u64)upcall_entry, (u64)upcall_entry, 0, 0, 0,
                  NULL);
    seed = option("fuzz.seed=");
    limit = option("fuzz.calls=");
    if (seed == 0)
        fb_entropy(&seed);
    states[self()] = (seed + vcpu * 0x9e3779b97f4a7c15) | 1;
    if (spare == 0) { /* taken out of the direct map, so that no mapping keeps them from
                         being given */
        spare = (info->memory[0].lo + 511) & ~511ull;
        fb_space_unmap(0, WINDOW_DMAP + spare * PAGE, 512, 0, 0, 1, NULL);
    }
    learn(info->memory[0].cap);
    learn(info->cap_domain);
    learn(info->cap_space);
    learn(info->cap_vcpu[vcpu]);
    learn(info->cap_machine);
    learn(info->cap_host_ports);
    for (;;) {
        u64 a[6], value, number = random64() % (FB_CALLS + 1);
        for (int i = 0; i < 6; i++)
            a[i] = argument();
        if (number == FB_CALL_DOMAIN_EXIT || number == FB_CALL_POWER ||
            number == FB_CALL_RESUME)
            continue;
        bool first =
            false; /* one of those that it was given: without them it can do little */
        for (u32 i = 0; i < 6 && i < nnames; i++)
            first |= a[0] == names[i];
        if ((number == FB_CALL_CAP_DELETE || number == FB_CALL_SPACE_DESTROY ||
             number == FB_CALL_CAP_MOVE) &&
            first &&
            random64() % 4096 != 0)
            continue;
        if (number == FB_CALL_IPC_CALL || number == FB_CALL_IPC_RECEIVE ||
            number == FB_CALL_IPC_REPLY)
            a[1] = __builtin_ia32_rdtsc() + a[1] % 100000;
        if (number == FB_CALL_WAIT)
            a[0] = __builtin_ia32_rdtsc() + a[0] % 100000;
        bool changes = number == FB_CALL_SPACE_UNMAP || number == FB_CALL_SPACE_PROTECT ||
                       number == FB_CALL_SPACE_MAP;
        if (changes && a[1] >= FB_WINDOW_BASE && random64() % 4096 != 0)
            a[1] = WINDOW_FREE + (a[1] & 0xfffff000); /* seldom its own text */
        if (random64() % 8 == 0)
            scribble();
        if (random64() % 32 == 0)
            sensible();
        if (call(number, a, &value) == 0 &&
            (number == FB_CALL_CAP_DERIVE || number == FB_CALL_SPACE_CREATE ||
             number == FB_CALL_DOMAIN_CREATE || number == FB_CALL_VCPU_CREATE ||
             number == FB_CALL_ENDPOINT_CREATE))
            learn(value);
        if (limit != 0 && ++made >= limit)
            for (;;)
                fb_domain_exit(made, NULL);
    }
}

/* Its own faults: go on with another sequence on a fresh stack; the kernel ends it at the
 * second one. */
void
fuzz_upcall(u64 area, u64 vector)
{
    own_cb()->save[area % FB_SAVES].busy = 0;
    states[self()] += vector * 2;
    fuzz_main(self());
}
