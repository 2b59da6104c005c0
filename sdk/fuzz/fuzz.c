/* SPDX-License-Identifier: MIT */
/*
 * A hostile LibOS: makes every exokernel call with random arguments, without end.
 *
 * Arguments come from a mixture: its real names, names with a bit changed, small numbers, its own frames and addresses, page-aligned
 * ones, and noise.  It runs until it destroys itself (it unmaps its own text, or corrupts its control block),
 * and its manifest has it restarted.  It never calls domain_exit, and waits only for short times, so that it stays busy.
 * The option fuzz.seed= on the command line chooses the sequence; fuzz.calls= ends it after so many calls (code: calls made).
 */
#include <sdk/instance.h>
#include <sdk/sdk.h>
#include <sdk/stubs.h>

static const struct instance_info *info = (const void *)INSTANCE_INFO_VA;
static struct fb_cb *cb = (struct fb_cb *)WINDOW_CB;
static u64 names[64];
static u32 nnames;
static u64 state;
static u64 stack[512];

__attribute__((visibility("hidden"))) void upcall_entry(void);
__attribute__((noreturn)) void fuzz_main(u64 vcpu);
__attribute__((noreturn)) void fuzz_upcall(u64 area, u64 vector);

static u64
random64(void)
{
    state ^= state << 13; /* xorshift64: Marsaglia, 2003 */
    state ^= state >> 7;
    state ^= state << 17;
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
        names[16 + random64() % 48] = name; /* the first ones, which it was given, are kept */
}

static u64
argument(void)
{
    u64 r = random64();

    switch (r % 16) {
    case 0: case 1: case 2: case 3: case 4: return names[(r >> 8) % nnames];
    case 5: return names[(r >> 8) % nnames] ^ 1ull << (r >> 32) % 64;
    case 6: return (r >> 8) % 16;
    case 7: return 1ull << (r >> 8) % 64;
    case 8: return info->memory[0].lo + (r >> 8) % (info->memory[0].hi - info->memory[0].lo);
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
                     : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
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
    u64 *buffer = (u64 *)(WINDOW_CB + PAGE);

    for (int i = 0; i < 16; i++)
        buffer[random64() % (FB_BUFFER_BYTES / 8)] = argument();
    if (r % 65536 == 0)
        ((u64 *)cb)[(r >> 16) % 512] = argument();
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

    cb->entry_rsp = cb->fault_rsp = cb->event_rsp = (u64)&stack[510];
    fb_vcpu_start(info->cap_vcpu[vcpu], (u64)upcall_entry, (u64)upcall_entry, 0, 0, 0, NULL);
    seed = option("fuzz.seed=");
    limit = option("fuzz.calls=");
    if (seed == 0)
        fb_entropy(&seed);
    state = seed | 1;
    learn(info->memory[0].cap);
    learn(info->cap_domain);
    learn(info->cap_space);
    learn(info->cap_vcpu[0]);
    learn(info->cap_machine);
    learn(info->cap_host_ports);
    for (;;) {
        u64 a[6], value, number = random64() % (FB_CALLS + 1);
        for (int i = 0; i < 6; i++)
            a[i] = argument();
        if (number == FB_CALL_DOMAIN_EXIT || number == FB_CALL_POWER || number == FB_CALL_RESUME)
            continue;
        bool first = false; /* one of those that it was given: without them it can do little */
        for (u32 i = 0; i < 6 && i < nnames; i++)
            first |= a[0] == names[i];
        if ((number == FB_CALL_CAP_DELETE || number == FB_CALL_SPACE_DESTROY) && first && random64() % 4096 != 0)
            continue;
        if (number == FB_CALL_WAIT)
            a[0] = __builtin_ia32_rdtsc() + a[0] % 100000;
        bool changes = number == FB_CALL_SPACE_UNMAP || number == FB_CALL_SPACE_PROTECT || number == FB_CALL_SPACE_MAP;
        if (changes && a[1] >= FB_WINDOW_BASE && random64() % 4096 != 0)
            a[1] = WINDOW_FREE + (a[1] & 0xfffff000); /* seldom its own text */
        if (random64() % 8 == 0)
            scribble();
        if (call(number, a, &value) == 0 && (number == FB_CALL_CAP_DERIVE || number == FB_CALL_SPACE_CREATE ||
                                             number == FB_CALL_DOMAIN_CREATE || number == FB_CALL_VCPU_CREATE))
            learn(value);
        if (limit != 0 && ++made >= limit)
            for (;;)
                fb_domain_exit(made, NULL);
    }
}

/* Its own faults: go on with another sequence on a fresh stack; the kernel ends it at the second one. */
void
fuzz_upcall(u64 area, u64 vector)
{
    cb->save[area % FB_SAVES].busy = 0;
    state += vector * 2;
    fuzz_main(0);
}
