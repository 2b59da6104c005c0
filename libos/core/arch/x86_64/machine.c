/* SPDX-License-Identifier: MIT */
/*
 * core/machine.h over kernel calls. What the steward says in instance_info is checked
 * once, at the start: this LibOS can
 * rely on it afterwards, and a wrong manifest ends in one clear line.
 */
#include "core/machine.h"

#include <sdk/instance.h>
#include <sdk/steward.h>
#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/arch/x86_64/offsets.h"
#include "core/error.h"
#include "core/event.h"
#include "core/hooks.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/page.h"
#include "core/steward.h"
#include "core/string.h"

#define LIST_BYTES 8192u /* of the buffer, for space_unmap; the rest is the console's */
#define SPIN_ROUNDS 2000u

const struct fb_record *machine_record = (const struct fb_record *)WINDOW_RECORD;
const struct instance_info *instance = (const struct instance_info *)INSTANCE_INFO_VA;
struct machine_range machine_memory[INSTANCE_RANGES];
u32 machine_memory_ranges;
u64 machine_all_cpus;
struct lcpu lcpus[FB_CPUS_MAX];
u32 lcpu_count;

u64 boot_stack_tops[FB_CPUS_MAX]; /* entry.S; written once each by the first vCPU */
_Alignas(THREAD_STACK) char boot_stack_0[THREAD_STACK];
static _Alignas(THREAD_STACK) char fault_stack_0[THREAD_STACK];

_Static_assert(PAGE_DIRECT_MAP == WINDOW_DMAP, "core/page.h");
_Static_assert(sizeof(struct user_frame) == FRAME_BYTES && THREAD_STACK == STACK_BYTES,
               "offsets.h");
_Static_assert(offsetof(struct user_frame, orig_rax) == F_ORIG_RAX, "offsets.h");
_Static_assert(offsetof(struct user_frame, rax) == F_RAX, "offsets.h");
_Static_assert(offsetof(struct user_frame, rdi) == F_RDI, "offsets.h");
_Static_assert(offsetof(struct user_frame, rip) == F_RIP, "offsets.h");
_Static_assert(offsetof(struct user_frame, rflags) == F_RFLAGS, "offsets.h");
_Static_assert(offsetof(struct user_frame, rsp) == F_RSP, "offsets.h");
_Static_assert(offsetof(struct thread, work) == T_WORK, "offsets.h");
_Static_assert(offsetof(struct thread, cb) == T_CB && WORK_RESCHED == RESCHED,
               "offsets.h");
_Static_assert(offsetof(struct fb_cb, user_rip) == CB_USER_RIP, "offsets.h");
_Static_assert(offsetof(struct fb_cb, user_rflags) == CB_USER_RFLAGS, "offsets.h");
_Static_assert(offsetof(struct fb_cb, user_rsp) == CB_USER_RSP, "offsets.h");
_Static_assert(offsetof(struct fb_cb, mask) == CB_MASK, "offsets.h");
_Static_assert(offsetof(struct fb_cb, pending) == CB_PENDING, "offsets.h");
_Static_assert(offsetof(struct libos_hooks, calls) == HOOK_CALLS, "offsets.h");
_Static_assert(offsetof(struct libos_hooks, call_count) == HOOK_CALL_COUNT, "offsets.h");
_Static_assert(offsetof(struct libos_hooks, call_error) == HOOK_CALL_ERROR, "offsets.h");
_Static_assert(offsetof(struct libos_hooks, call_whole) == HOOK_CALL_WHOLE, "offsets.h");
_Static_assert(E_MAX == ERRORS && E_NOSYS == ERROR_NO_CALL, "offsets.h");
/* A user frame and the kernel's save area have the same words in the same places (trap.c
 * copies one to the other). */
_Static_assert(sizeof(struct user_frame) == sizeof(struct fb_regs), "frame and area");
_Static_assert(offsetof(struct user_frame, rip) == offsetof(struct fb_regs, rip),
               "frame and area");
_Static_assert(offsetof(struct user_frame, error) == offsetof(struct fb_regs, error),
               "frame and area");

u64
machine_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

u64
machine_wait(u64 deadline_tsc)
{
    unsigned long bits = 0;
    fb_wait(deadline_tsc, &bits);
    return bits;
}

bool
machine_events_pending(void)
{
    return __atomic_load_n(&lcpu_current()->cb->pending, __ATOMIC_RELAXED) != 0;
}

void
machine_timer(u64 deadline_tsc)
{
    fb_timer(deadline_tsc, NULL);
}

void
machine_signal(struct lcpu *c, u64 bits)
{
    fb_signal(c->cap, bits, NULL);
}

void
machine_yield(void)
{
    fb_yield(0, NULL);
}

void
machine_end(void)
{
    fb_domain_exit(STEWARD_EXIT_PANIC, NULL);
    for (;;)
        fb_wait(FB_FOREVER, NULL);
}

/* One round of waiting for another CPU. */
static void
wait_round(unsigned *rounds)
{
    machine_pause();
    if (++*rounds % SPIN_ROUNDS == 0)
        machine_yield();
}

void
machine_flush(u64 cpus)
{
    unsigned long epoch = 0;
    fb_tlb_flush(cpus, 0, &epoch);
    cpus &= ~(1ull << lcpu_current()->cpu);
    unsigned rounds = 0;
    while (cpus) {
        unsigned cpu = (unsigned)__builtin_ctzll(cpus);
        while (__atomic_load_n(&machine_record->cpu[cpu].epoch, __ATOMIC_ACQUIRE) < epoch)
            wait_round(&rounds);
        cpus &= cpus - 1;
    }
}

bool
machine_again(long r)
{
    switch (-r) {
    case FB_E_BUSY:
        machine_pause();
        return true;
    case FB_E_RESUME:
        return true;
    case FB_E_FLUSH:
        machine_flush(machine_all_cpus);
        return true;
    default:
        return false;
    }
}

int
machine_seal(frame_t first, bool readable)
{
    u64 va = WINDOW_DMAP + first * PAGE_SIZE, pages = 512;
    while (pages) {
        unsigned long done = 0;
        long r = readable ? fb_space_protect(0, va, pages, FB_MAP_READ | FB_MAP_NOADD, 0,
                                             &done)
                          : fb_space_unmap(0, va, pages, 0, 0, LIST_BYTES / 8, &done);
        done &= (1ull << 40) - 1;
        if (r == 0)
            break;
        if (!machine_again(r)) {
            log_error("cannot seal frames from %lx: %s", first, fb_error_name(r));
            return -E_NOMEM;
        }
        va += done * PAGE_SIZE;
        pages -= done;
    }
    machine_flush(machine_all_cpus);
    return 0;
}

static long
map_direct(frame_t first, u32 rights)
{
    unsigned long v;
    long r;
    do
        r = fb_space_map(0, WINDOW_DMAP + first * PAGE_SIZE, page_cap(first), first,
                         rights | FB_MAP_2M, 1, &v);
    while (machine_again(r)); /* clean tables become data meanwhile */
    return r;
}

int
machine_unseal(frame_t first, bool readable)
{
    unsigned long v;
    long r;
    if (readable) {
        do
            r = fb_space_unmap(0, WINDOW_DMAP + first * PAGE_SIZE, 512, 0, 0, 1, &v);
        while (machine_again(r));
        if (r != 0)
            return -E_BUSY;
    }
    r = map_direct(first, FB_MAP_READ | FB_MAP_WRITE);
    if (r == 0) {
        machine_flush(machine_all_cpus); /* what was only readable there */
        return 0;
    }
    log_error("frames from %lx stay sealed: %s", first, fb_error_name(r));
    if (readable && map_direct(first, FB_MAP_READ) != 0)
        libos_panic("frames from %lx cannot be read any more", first);
    return -E_BUSY;
}

u64
machine_frame_word(frame_t f)
{
    const struct fb_frame_record *records = (const void *)WINDOW_RECORDS;
    return __atomic_load_n(&records[f].word, __ATOMIC_ACQUIRE);
}

bool
machine_node_used(frame_t f)
{
    const struct fb_frame_record *records = (const void *)WINDOW_RECORDS;
    return __atomic_load_n(&records[f].used, __ATOMIC_RELAXED) != 0;
}

u64
machine_frame_maps(frame_t f)
{
    return FB_FRAME_MAPS(machine_frame_word(f));
}

void
machine_thread_setup(struct thread *t)
{
    /* Nothing pushes here when the thread starts in the LibOS; the user frame is
     * above. */
    u64 *sp = (u64 *)thread_frame(t) - 1; /* the trampoline starts with rsp % 16 == 0 */
    *--sp = (u64)thread_trampoline; /* machine_switch */
    t->saved_rsp = (u64)sp;
}

void
machine_thread_release(struct thread *t)
{
    (void)t;
}

/* An instance that cannot work says why, through the kernel's console if it has it, and
 * ends. */
static void
check(bool ok, const char *what)
{
    if (!ok)
        libos_panic("instance info: %s", what);
}

static void
check_instance(void)
{
    const struct instance_info *in = instance;
    check(in->magic == INSTANCE_MAGIC && in->abi_version == FB_ABI_VERSION,
          "wrong magic or version");
    check(machine_record->magic == FB_RECORD_MAGIC, "the record is not there");
    check(machine_record->tsc_mult != 0 && machine_record->tsc_hz != 0, "no TSC rate");
    check(in->ncpus >= 1 && in->ncpus <= FB_CPUS_MAX, "number of vCPUs");
    check(in->gate == FB_GATE_VIEWS || in->gate == FB_GATE_DIRECT, "gate");
    check(in->nmemory >= 1 && in->nmemory <= INSTANCE_RANGES, "memory ranges");
    check(in->nused <= ARRAY_SIZE(in->used), "used ranges");
    for (u32 i = 0; i < in->nmemory; i++)
        check(in->memory[i].lo < in->memory[i].hi &&
              in->memory[i].hi <= WINDOW_DMAP_FRAMES, "memory range");
    for (u32 i = 0; i < in->ncpus; i++)
        check(in->cpu[i] < machine_record->ncpus, "CPU number");
    check(strnlen(in->cmdline, FB_CMDLINE_MAX) < FB_CMDLINE_MAX,
          "command line is not ended");
    check(strnlen(in->console, sizeof(in->console)) < sizeof(in->console),
          "console is not ended");
    check(in->initrd.lo <= in->initrd.hi, "initrd");
}

static void
lcpu_name(struct lcpu *c, u32 id)
{
    c->id = id;
    c->cpu = instance->cpu[id];
    c->cb = (struct fb_cb *)(WINDOW_CB + id * WINDOW_CB_STRIDE);
    c->buffer = (u8 *)c->cb + PAGE_SIZE;
    c->cap = instance->cap_vcpu[id];
}

void
machine_setup_lcpu(struct lcpu *c, struct thread *fault_stack)
{
    fault_stack->cpu = c; /* so that lcpu_current works there */
    fault_stack->cb = c->cb;
    fault_stack->canary = THREAD_CANARY;
    u64 top = (u64)fault_stack + THREAD_STACK;
    c->cb->fault_rsp = top;
    c->cb->event_rsp = top;
    c->cb->entry_rsp = top; /* until a user thread is there */
    const char *gate = instance->gate == FB_GATE_DIRECT ? gate_entry_direct : gate_entry;
    long r = fb_vcpu_start(c->cap, (u64)gate, (u64)upcall_entry, 0, 0, 0, NULL);
    check(r == 0, "vcpu_start failed");
}

NORETURN void machine_start(u64 index);

void
machine_start(u64 index)
{
    struct lcpu *c = &lcpus[index];
    if (index != 0)
        boot_other(c);
    struct thread *self = (struct thread *)boot_stack_0;
    self->cpu = c;
    lcpu_name(c, 0);
    c->current = self;
    lcpu_count = 1;
    machine_setup_lcpu(c, (struct thread *)fault_stack_0);
    check_instance();
    for (u32 i = 0; i < instance->ncpus; i++)
        lcpu_name(&lcpus[i], i);
    steward_start();
    machine_memory_ranges = instance->nmemory;
    for (u32 i = 0; i < instance->nmemory; i++)
        machine_memory[i] = (struct machine_range){ instance->memory[i].cap,
                                                    instance->memory[i].lo,
                                                    instance->memory[i].hi };
    machine_all_cpus = (1ull << machine_record->ncpus) - 1; /* at most 32: FB_CPUS_MAX */
    fixup_sort();
    fpu_start();
    for (u32 i = 0; i < instance->ncpus; i++)
        mmu_start(i);
    boot_first();
}
