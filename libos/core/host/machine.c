/* SPDX-License-Identifier: MIT */
/* core/machine.h over a process of the host. Threads are coroutines (ucontext), known to
 * AddressSanitizer as fibers. */
#include "core/chunk.h"
#include "core/machine.h"

#include <abi/layout.h>
#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "core/account.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/fpu.h"
#include "core/heap.h"
#include "core/host/host.h"
#include "core/host/private.h"
#include "core/hw.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/mmu.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/random.h"
#include "core/sched.h"
#include "core/string.h"
#include "core/work.h"

#define STACK_BYTES (512u * 1024)
#define FIRST_FRAME 0x1200ull /* not zero, so that a frame is not taken for an index */

struct fiber {
    struct fiber *next, **at; /* all of them: threads, in whose memory no leak is looked for, have most */
    ucontext_t context;
    void *stack;
    size_t stack_bytes;
    void *fake_stack;
};

static struct fb_record record = { .magic = FB_RECORD_MAGIC, .ncpus = 1,
                                   .tsc_hz = 1000000000,
                                   .tsc_mult = 18446744074 }; /* 2^64 / 10^9, rounded */
const struct fb_record *machine_record = &record;
u8 *machine_dmap;
u64 machine_dmap_first = FIRST_FRAME;
struct machine_range machine_memory[16];
u32 machine_memory_ranges;

void
machine_memory_bounds(frame_t *lo, frame_t *hi)
{
    *lo = machine_memory[0].lo;
    *hi = machine_memory[0].hi;
}
struct lcpu lcpus[FB_CPUS_MAX];
u32 lcpu_count;

static u64 now_tsc = 1000000;
static struct thread *current;
static _Alignas(THREAD_STACK) char main_thread[THREAD_STACK], idle_thread[THREAD_STACK];
static struct fiber main_fiber, *fibers;
static struct fb_cb control_block;
void (*host_user_entry)(struct thread *t, struct user_frame *f);

struct thread *
thread_current(void)
{
    return current;
}

u64
machine_tsc(void)
{
    return now_tsc;
}

u64
host_now(void)
{
    return now_tsc;
}

void
host_tick(u64 ns)
{
    now_tsc += ns;
}

u64
machine_wait(u64 deadline)
{
    if (deadline == 0)
        return 0;
    if (deadline == FB_FOREVER)
        libos_panic("all threads sleep for ever");
    now_tsc = MAX(now_tsc, deadline);
    return 0;
}

void
host_advance(u64 ns)
{
    u64 until = now_tsc + ns;
    for (;;) {
        u64 next = timers_next_tsc(&lcpus[0]);
        if (next > until)
            break;
        now_tsc = MAX(now_tsc, next);
        timers_run(&lcpus[0]);
        host_settle();
    }
    now_tsc = until;
}

void
host_settle(void)
{
    while (runq_of(&lcpus[0])->queued)
        thread_yield();
}

bool
machine_events_pending(void)
{
    return false;
}

void
machine_timer(u64 deadline)
{
    (void)deadline;
}

void
machine_signal(struct lcpu *c, u64 bits)
{
    (void)c, (void)bits;
}

void
machine_yield(void)
{
    libos_panic("a spinlock is held by a thread that sleeps");
}

void
machine_backtrace(void)
{
}

void
machine_end(void)
{
    abort();
}

int
machine_seal(frame_t first, bool readable)
{
    (void)first, (void)readable;
    return 0;
}

int
machine_unseal(frame_t first, bool readable)
{
    (void)first, (void)readable;
    return 0;
}

/* ---- threads ---- */
static void
fiber_start(void)
{
    struct fiber *f = current->host;
    __sanitizer_finish_switch_fiber(f->fake_stack, NULL, NULL);
    if (current == lcpus[0].idle) {
        /* Q2: it came here by a switch, unlike on the machine */
        spin_unlock(&runq_of(&lcpus[0])->lock);
        thread_idle();
    }
    thread_first_run();
}

static void
fiber_make(struct thread *t)
{
    struct fiber *f = calloc(1, sizeof(*f));
    ASSERT(f);
    f->stack_bytes = STACK_BYTES;
    f->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT(f->stack != MAP_FAILED);
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, fiber_start, 0);
    f->next = fibers;
    f->at = &fibers;
    if (fibers != NULL)
        fibers->at = &f->next;
    fibers = f;
    t->host = f;
}

void
machine_thread_setup(struct thread *t)
{
    fiber_make(t);
}

void
machine_thread_release(struct thread *t)
{
    struct fiber *f = t->host;
    munmap(f->stack, f->stack_bytes);
    *f->at = f->next;
    if (f->next != NULL)
        f->next->at = f->at;
    free(f);
}

void
machine_switch(struct thread *from, struct thread *to)
{
    struct fiber *a = from->host, *b = to->host;
    bool ends = atomic_load(&from->state) == THREAD_DEAD;
    current = to;
    __sanitizer_start_switch_fiber(ends ? NULL : &a->fake_stack, b->stack,
                                   b->stack_bytes);
    swapcontext(&a->context, &b->context);
    __sanitizer_finish_switch_fiber(a->fake_stack, NULL, NULL);
}

void
machine_enter_user(struct thread *t)
{
    if (host_user_entry)
        host_user_entry(t, thread_frame(t));
    thread_exit();
}

void
machine_user_leave(struct thread *from)
{
    (void)from;
}

void
machine_user_enter(struct thread *to)
{
    (void)to;
}

/* ---- vector state: none ---- */
void
machine_user_moved(struct thread *t, const struct user_frame *f)
{
    (void)t;
    (void)f;
}

u64
machine_user_rsp(const struct thread *t)
{
    return thread_frame((struct thread *)(uintptr_t)t)->rsp;
}

long
machine_call_whole(struct user_frame *f)
{
    return libos_hooks.call_whole(f);
}

int
fpu_save_user(u64 at)
{
    (void)at;
    return -E_FAULT;
}

int
fpu_load_user(u64 at)
{
    (void)at;
    return -E_FAULT;
}

u32
fpu_bytes(void)
{
    return 512;
}

u64
fpu_features(void)
{
    return 0;
}

void
fpu_init_state(void *area)
{
    memset(area, 0, 576);
}

void
fpu_reset(struct thread *t)
{
    t->fs_base = t->gs_base = 0;
}

void
fpu_save(struct thread *t)
{
    (void)t;
}

void
fpu_load(struct thread *t)
{
    (void)t;
}

bool
fpu_valid(void *area)
{
    (void)area;
    return true;
}

void
fpu_fork(struct thread *child)
{
    child->fs_base = current->fs_base;
    child->gs_base = current->gs_base;
}

void
fpu_set_fs(struct thread *t, u64 base)
{
    t->fs_base = base;
}

void
fpu_set_gs(struct thread *t, u64 base)
{
    t->gs_base = base;
}

u64
fpu_get_fs(struct thread *t)
{
    return t->fs_base;
}

u64
fpu_get_gs(struct thread *t)
{
    return t->gs_base;
}

/* ---- start ---- */
/* The bounds of main's stack, which only the sanitizer needs. */
static void
main_stack(void)
{
    pthread_stack_bounds(&main_fiber.stack, &main_fiber.stack_bytes);
}

void
host_init(unsigned megabytes)
{
    size_t bytes = (size_t)megabytes << 20, room = 4u << 20;
    u8 *arena = mmap(NULL, bytes + room, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(arena != MAP_FAILED && megabytes >= 8);
    /* stacks are aligned as their frames are */
    machine_dmap = (u8 *)(((u64)arena + room - 1) & ~(u64)(room - 1));
    machine_memory[0] = (struct machine_range){ 1, FIRST_FRAME,
                                                FIRST_FRAME + (bytes >> PAGE_SHIFT) };
    machine_memory_ranges = 1;
    struct lcpu *c = &lcpus[0];
    c->cb = &control_block;
    c->buffer = NULL;
    lcpu_count = 1;
    current = (struct thread *)main_thread;
    current->cpu = c;
    page_init_lcpu(c);
    page_init(NULL, 0);
    host_mmu_init();
    table_pool_init();
    clock_init();
    timers_init(c);
    account_init();
    sched_init();
    sched_init_lcpu(c);
    thread_adopt_idle(c, (struct thread *)idle_thread, "idle");
    fiber_make(c->idle);
    struct thread *m = (struct thread *)main_thread;
    /* fills it in as a running thread; then the idle one again */
    thread_adopt_idle(c, m, "main");
    c->idle = (struct thread *)idle_thread;
    m->host = &main_fiber;
    main_stack();
    random_init();
    work_init_shared();
}

struct host_counts
host_count(void)
{
    struct page_counts pages;
    struct heap_counts heap;
    page_count(&pages);
    heap_count(&heap);
    return (struct host_counts){ pages.total - pages.free, heap.objects,
                                 host_mapped_pages() };
}

/* ---- nothing is asked back here ---- */

bool
machine_reclaim_init(void)
{
    return false;
}

u64
machine_reclaim_pending(bool *memory, u64 *amount, u64 *deadline_ns)
{
    *memory = false;
    *amount = *deadline_ns = 0;
    return 0;
}

void
machine_reclaim_answer(u64 number, u64 given)
{
    (void)number;
    (void)given;
}

u64
machine_reclaim_time(u64 ticks)
{
    (void)ticks;
    return 0;
}

void
machine_chunk_listed(u32 k, u64 *cap, frame_t *lo, frame_t *hi)
{
    (void)k;
    *cap = *lo = *hi = 0;
}

int
machine_chunk_delete(u64 cap)
{
    (void)cap;
    return 0;
}

void
machine_chunk_forget(frame_t lo, frame_t hi)
{
    (void)lo;
    (void)hi;
}
