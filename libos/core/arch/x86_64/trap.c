/* SPDX-License-Identifier: MIT */
/*
 * What arrives through the upcall entry, and the ways back to the user.
 *
 * X1. The save area USER is copied into the thread's user frame at once, before anything
 *     can sleep: the area belongs to the vCPU,
 *     the frame to the thread.
 * X2. A fault of the LibOS is one of usercopy's, or it ends the instance. In an instance
 *     with gate `direct` it may be the user
 *     program's, which jumped into the upper half: then rip is not within the LibOS's
 *     text.
 */
#include <sdk/instance.h>
#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/event.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/steward.h"
#include "core/string.h"

#define VECTOR_PAGE_FAULT 14u
#define FLAGS_FULL 0x10100u /* trap and resume */

extern const char libos_text_start[], libos_text_end[];

_Static_assert(sizeof(struct user_frame) == sizeof(struct fb_regs), "one for the other");
/* A struct assignment, which is inline: this is on the way of each fault. */
static inline void
frame_load(struct user_frame *f, const struct fb_save_area *area)
{
    *f = *(const struct user_frame *)&area->regs;
}

/* By way of the kernel, which loads all of the frame. */
static NORETURN void
return_full(struct thread *t, struct user_frame *f)
{
    struct fb_save_area *area = &t->cb->save[FB_SAVE_USER];
    *(struct user_frame *)&area->regs = *f;
    fb_resume(FB_SAVE_USER, NULL);
    libos_panic("resume returned");
}

/* The frame is whole. Where a system call made it, rcx and r11 are what `syscall` leaves
 * there, and the gate's way back is enough, but for single steps: after it the trap comes
 * before the next instruction, not behind it. */
static NORETURN void
return_whole(struct thread *t, struct user_frame *f)
{
    if (f->rcx != f->rip || f->r11 != f->rflags || (f->rflags & FLAGS_FULL) != 0)
        return_full(t, f);
    machine_user_moved(t, f);
    gate_return_whole(f, instance->gate == FB_GATE_DIRECT);
}

NORETURN static void
enter_user(struct thread *t, struct user_frame *f, u64 unused)
{
    (void)unused;
    if (atomic_load_explicit(&t->work, memory_order_relaxed) != 0)
        thread_do_work(t, f);
    return_whole(t, f);
}

void
machine_enter_user(struct thread *t)
{
    machine_on_stack(t, enter_user, 0);
}

/* Work is set after a system call.  Returns the user's rax for the gate's return. */
long
gate_do_work(struct thread *t, struct user_frame *f, long result)
{
    /* else the call has made the frame, rax included */
    if (f->orig_rax != ~0ull)
        f->rax = (u64)result;
    if (!thread_do_work(t, f))
        return (long)f->rax;
    return_whole(t, f);
}

/* rcx and r11 are live in an interrupted program, so it always goes back with all
 * registers. */
static NORETURN void
user_trap(struct thread *t, struct user_frame *f, u64 vector)
{
    f->orig_rax = ~0ull;
    f->cs = USER_CS;
    f->ss = USER_SS;
    u64 error = f->error, address = t->cb->save[FB_SAVE_USER].cr2;
    if (vector == FB_VECTOR_EVENT)
        /* What came while the LibOS worked is delivered at the return from the system call,
         * which leaves rip in rcx: no instruction of the user's was interrupted. */
        event_dispatch(t->cb->save[FB_SAVE_USER].events, f->rcx != f->rip);
    else if (vector == VECTOR_PAGE_FAULT)
        libos_hooks.page_fault(t, f, error, address);
    else
        libos_hooks.exception(t, f, (unsigned)vector, error, address);
    u32 work = atomic_load_explicit(&t->work, memory_order_relaxed);
    if (work == WORK_FULL)
        atomic_fetch_and(&t->work, ~WORK_FULL); /* as it does anyway */
    else if (work != 0)
        thread_do_work(t, f);
    return_full(t, f);
}

void
upcall_from_user(struct thread *t, struct user_frame *f, u64 vector)
{
    struct fb_save_area *area = &t->cb->save[FB_SAVE_USER];
    frame_load(f, area); /* X1 */
    area->busy = 0;
    user_trap(t, f, vector);
}

static void
print_regs(const struct fb_regs *r, u64 vector, u64 cr2)
{
    log_error("vector %lu error %lx cr2 %016lx rip %016lx rflags %lx", vector, r->error,
              cr2, r->rip,
              r->rflags);
    log_error("rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->rax, r->rbx, r->rcx,
              r->rdx);
    log_error("rsi %016lx rdi %016lx rbp %016lx rsp %016lx", r->rsi, r->rdi, r->rbp,
              r->rsp);
    log_error("r8  %016lx r9  %016lx r10 %016lx r11 %016lx", r->r8, r->r9, r->r10,
              r->r11);
    log_error("r12 %016lx r13 %016lx r14 %016lx r15 %016lx", r->r12, r->r13, r->r14,
              r->r15);
}

/* Words of the stack that point into the text; frames without frame pointers cannot be
 * told apart better. */
static void
print_stack(u64 rsp)
{
    u64 end = (rsp & ~(u64)(THREAD_STACK - 1)) + THREAD_STACK;
    if (rsp < FB_WINDOW_BASE || rsp >= FB_WINDOW_END || (rsp & 7))
        return;
    unsigned shown = 0;
    for (; rsp < end && shown < 24; rsp += 8) {
        u64 word = *(const u64 *)rsp;
        if (word >= (u64)libos_text_start && word < (u64)libos_text_end) {
            log_error("  %016lx", word);
            steward_backtrace(word);
            shown++;
        }
    }
}

void
machine_backtrace(void)
{
    libos_hooks.console_write = NULL;
    log_error("addresses on the stack (addr2line -e build/libos.elf):");
    print_stack((u64)__builtin_frame_address(0));
}

/* G4 of entry.S: what came on the last steps to the user is the user's. */
NORETURN static void
users_in_return(struct thread *t, struct user_frame *f, u64 area_and_vector)
{
    struct fb_cb *cb = t->cb;
    struct fb_save_area *area = &cb->save[area_and_vector & 3];
    frame_load(f, area);
    f->rip = f->rcx = cb->user_rip;
    f->rflags = f->r11 = cb->user_rflags;
    f->rsp = cb->user_rsp;
    cb->save[FB_SAVE_USER].cr2 = area->cr2;
    cb->save[FB_SAVE_USER].events = area->events;
    area->busy = 0;
    user_trap(t, f, area_and_vector >> 2);
}

/* X2: the user program of a `direct` instance jumped to where nothing of it is. */
static bool
is_users(const struct fb_regs *r)
{
    return instance->gate == FB_GATE_DIRECT &&
           (r->rip < (u64)libos_text_start || r->rip >= (u64)libos_text_end) &&
           lcpu_current()->current->process;
}

NORETURN static void
users_fault(struct thread *t, struct user_frame *f, u64 area_and_vector)
{
    struct fb_save_area *area = &t->cb->save[area_and_vector & 3];
    u64 vector = area_and_vector >> 2;
    frame_load(f, area);
    t->cb->save[FB_SAVE_USER].cr2 = area->cr2;
    t->cb->save[FB_SAVE_USER].events = area->events;
    area->busy = 0;
    user_trap(t, f, vector);
}

void
upcall_from_libos(u64 which, u64 vector)
{
    struct lcpu *c = lcpu_current();
    struct fb_save_area *area = &c->cb->save[which];
    if (which == FB_SAVE_FAULT) {
        if (vector == VECTOR_PAGE_FAULT && reclaim_stand_in(area->cr2))
            fb_resume(FB_SAVE_FAULT, NULL);
        u64 to = fixup_find(area->regs.rip);
        if (to) {
            area->regs.rip = to;
            fb_resume(FB_SAVE_FAULT, NULL);
        }
    }
    if (area->regs.rip >= (u64)direct_return && area->regs.rip < (u64)direct_return_end)
        machine_on_stack(c->current, users_in_return, which | vector << 2);
    if (is_users(&area->regs))
        machine_on_stack(c->current, users_fault, which | vector << 2);
    libos_hooks.console_write = NULL;
    log_error("fault in the LibOS on vCPU %u, thread %s", c->id, c->current->name);
    print_regs(&area->regs, vector, area->cr2);
    print_stack(area->regs.rsp);
    libos_panic("vector %lu at %016lx", vector, area->regs.rip);
}
