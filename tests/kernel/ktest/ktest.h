/* SPDX-License-Identifier: MIT */
/* The test LibOS: its frames, its vCPUs, and how tests say what they found. */
#ifndef KTEST_H
#define KTEST_H

#include <sdk/instance.h>
#include <sdk/sdk.h>
#include <sdk/stubs.h>

#pragma GCC visibility push(                                                             \
    hidden) /* one image: no indirection through a table of addresses */

#define INFO            ((const struct instance_info *)INSTANCE_INFO_VA)
#define RECORD          ((const struct fb_record *)WINDOW_RECORD)
#define FRAME_RECORD(f) (&((const struct fb_frame_record *)WINDOW_RECORDS)[f])
#define MEM             (INFO->memory[0].cap)
/* How long a test waits for what must come, in milliseconds.  The host may leave any of the
 * machine's CPUs alone for seconds; only what never comes is a fault. */
#define PATIENCE 30000u
static inline u64
now(void)
{
    return __builtin_ia32_rdtsc();
}
static inline u64
in_ms(u64 ms)
{
    return now() + RECORD->tsc_hz / 1000 * ms;
}
#define USER_CODE       0x400000ull
#define USER_DATA       0x401000ull

struct kvcpu { /* at the start of its block */
    u64 ctx[8];
    u64 id;
    struct fb_cb *cb;
    u64 user_vector; /* of the last upcall from the user view; 0x1000: a system call */
    u64 gate[13]; /* rax rdi rsi rdx r10 r8 r9 rbx rbp r12 r13 r14 r15 at the last system
                     call */
    u64 faults, vector, cr2, error; /* in the LibOS view */
    u64 events, upcalls; /* bits that upcalls brought, and how many upcalls there were */
    u64 (*volatile job)(u64); /* what a second vCPU is to do */
    volatile u64 argument, result, busy;
};
extern struct {
    u8 bytes[0x8000];
} blocks[8];

static inline struct kvcpu *
self(void)
{
    u64 rsp;
    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    return (struct kvcpu *)(rsp & ~0x7fffull);
}
static inline struct kvcpu *
vcpu(u64 i)
{
    return (struct kvcpu *)&blocks[i];
}
#define BUFFER ((u8 *)self()->cb + PAGE)

u64 kt_enter(u64 *ctx);
u64 kt_return(u64 *ctx);
u64 kt_poke(u64 address, u64 value);
__attribute__((noreturn)) void kt_leave(u64 *ctx, u64 value);
u64 kt_touch(u64 address, u64 write);
u64 kt_jump(u64 address);
u64 kt_keep(volatile u64 *flag);
u64 kt_keep_state(volatile u64 *count, u64 until);
void upcall_entry(void), gate_entry(void), gate_bench(void), kt_fixup(void);
extern const u8 user_text[], user_text_end[], user_call[], user_load[], user_store[],
    user_spin[], user_bench[], user_gadget[], user_div[];
extern const u8 child_text[], child_text_end[], child_spin[], child_yield[], child_exit[], child_fault[],
    child_wait[], child_upcall_bad[], child_call[], child_xmm[], child_script[], child_echo[], child_victim[],
    child_return[], child_gate[], child_bounce[], child_push[], child_state[], child_peek[],
    child_signal[], child_timer[], child_yields[], child_caller[], child_serve[];

/* ---- frames ---- */
u64 frames(u64 n, u64 align); /* contiguous, unmapped, DATA */
void frames_back(u64 f, u64 n);
u64 frames_out(void);
/* Map with whatever nodes it takes. */
long map(u64 space, u64 va, u64 frame, u64 flags);
void unmap(u64 space, u64 va, u64 pages); /* with nodes, which go back */
u8 *look(u64 frame); /* at a fixed place of the window, until the next look */
void look_end(void);

/* ---- spaces and programs ---- */
struct kspace {
    u64 cap, root, code, data;
};
void kspace_make(struct kspace *s);
void kspace_end(struct kspace *s);
/* Run in the current space's user view from `entry` (of user_text) with rdi, rax: the
 * vector that ended it. */
u64 user_go(void); /* resume save area USER */
u64 user_run(const u8 *entry, u64 rdi, u64 rax);

#define COUNTS (WINDOW_FREE + 0x200000000ull) /* where the tester has their control blocks */
#define KCHILD_OBJECT 20u /* of its frames: the domain, then its record */
struct kchild {
    u32 at; /* which of those that are there at once */
    u64 domain, space, vcpu[2], frames, nframes, cb[2];
    volatile u64 *count[2]; /* what its programs count, mapped for the tester */
};
/* What child_script does, one after the other: it stops at a step whose call is 0, and goes
 * back to the first at ~0. */
struct kstep {
    u64 call, arg[6];
    u64 rax, rdi, rdx, r10, r8, r9; /* after it */
    u64 done;                       /* times */
    u64 once;                       /* it is not repeated after BUSY or RESUME */
    u64 unused;
};
static inline volatile struct kstep *
kchild_steps(const struct kchild *c, u32 i)
{
    return (volatile struct kstep *)((u64)c->count[i] + 0x3c0);
}
/* What a step of child_script returned; -1 if it is not done in PATIENCE. */
long kchild_result(volatile struct kstep *s);
/* The name of what was derived, or granted to a child. */
u64 derive(u64 from, u64 auth, u64 lo, u64 hi);
u64 grant(const struct kchild *c, u64 from, u64 auth, u64 lo, u64 hi);
extern u32 kchild_at; /* of the next */
extern u64 kchild_clearance;
long kchild_make(struct kchild *c, u32 nvcpus, const u64 *cpus);
long kchild_start(struct kchild *c, u32 i, const u8 *entry, const u8 *upcall);
long kchild_destroy(struct kchild *c); /* and take its frames back */
long kchild_destroy_domain(struct kchild *c);

/* ---- repeat while another CPU is at it ---- */
#define AGAIN(call)                                                                      \
    ({                                                                                   \
        long again_;                                                                     \
        while ((again_ = (call)) == -FB_E_BUSY || again_ == -FB_E_FLUSH ||               \
               again_ == -FB_E_RESUME)                                                   \
            fb_tlb_flush(~0ul, 0, NULL);                                                 \
        again_;                                                                          \
    })

#define AGAIN_BUSY(call)                                                                 \
    ({                                                                                   \
        long again_;                                                                     \
        while ((again_ = (call)) == -FB_E_BUSY)                                          \
            ;                                                                            \
        again_;                                                                          \
    })

/* Wait; the end of a slice is not what the tests look for. */
long wait_for(u64 until, u64 *events);

/* ---- results ---- */
void run(const char *name, void (*test)(void)); /* no frame may be lost */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check(bool good, const char *what, int line);
void check_error(u32 call, u32 error, long got, const char *what, int line);
#define CHECK(c) check(c, #c, __LINE__)
#define OK(call) check((call) == 0, #call, __LINE__)
#define ERR(name, error, call)                                                           \
    check_error(FB_CALL_##name, FB_E_##error, (call), #call, __LINE__)
extern int failures;
u64 on(u64 cpu, u64 (*job)(u64), u64 argument); /* run it on another vCPU and wait */
void on_begin(u64 cpu, u64 (*job)(u64), u64 argument);
u64 on_end(u64 cpu);

void test_caps(void), test_spaces(void), test_shared_tables(void), test_control(void), test_domains(void),
    test_devices(void), test_upcalls(void), test_smp(void), test_slices(void), test_records(void), test_ipc(void);
void bench_ipc(void);
void test_enemies(void), test_leavers(void), test_victim(void); /* tests/kernel/enemies */
void test_attacks(void), test_cost(void);
void test_model(void); /* tests/kernel/model */
void coverage(void);
void bench(void);

#endif
