/* SPDX-License-Identifier: MIT */
/*
 * The start-up of a small LibOS: what sdk/start.S and sdk/libos.c do before libos_main,
 * and the few functions that any LibOS needs first.  A LibOS that wants it otherwise
 * brings its own `start` and links none of it.
 *
 * S1. Each vCPU has a block of LIBOS_STACK bytes: stacks for faults in the LibOS view and
 *     for events (a quarter each), and one for libos_main.  A system call or an upcall
 *     from the user view begins at the top of that one: who enters a process does not
 *     come back.
 * S2. libos_main runs masked: events stay pending until libos_wait (or fb_wait) fetches
 *     them, or until the control block's mask is cleared; entering the user view clears it.
 * S3. C code of a LibOS is compiled for general registers only (feuer-cc --libos does
 *     that), so the vector state is always the process's.
 * S4. The steward's order to end (`zonectl stop`) comes as an event of vCPU 0, and is
 *     obeyed where that event arrives: in an upcall before libos_upcall, and in libos_wait.
 *     Who computes with events masked and never waits asks libos_stopping; who fetches
 *     events by fb_wait or ipc_receive looks there as well.
 *
 * Locks: none; libos_frame, libos_page, libos_map and a heap are for one vCPU.
 */
#ifndef SDK_LIBOS_H
#define SDK_LIBOS_H

#include <sdk/heap.h>
#include <sdk/instance.h>
#include <sdk/sdk.h>

#define LIBOS_INFO   ((const struct instance_info *)INSTANCE_INFO_VA)
#define LIBOS_RECORD ((const struct fb_record *)WINDOW_RECORD)
#define LIBOS_STACK  0x4000ull

/* Codes of domain_exit that the start-up uses; the LibOS's own are below. */
#define LIBOS_EXIT_ABI    0x10000u /* the steward speaks another version */
#define LIBOS_EXIT_UPCALL 0x10100u /* plus the vector: nobody handles it */
#define LIBOS_EXIT_CALL   0x10200u /* a system call, and no libos_syscall */

/* A process's registers at a system call; rip, rflags and rsp are in the control block,
 * rcx and r11 are the processor's.  What is in here when libos_syscall returns is what
 * the process goes on with. */
struct libos_regs {
    u64 rax, rdi, rsi, rdx, r10, r8, r9, rbx, rbp, r12, r13, r14, r15;
};

/* ---- what the LibOS brings ---- */

/* Each vCPU's work.  When it returns, vCPU 0 ends the instance with code 0; others wait.
 */
void libos_main(u64 vcpu);
/* A system call of a process; the default ends the instance. */
void libos_syscall(u64 vcpu, struct libos_regs *regs);
/* A fault (vector < 32) or events (FB_VECTOR_EVENT): libos_cb(vcpu)->save[area] tells.
 * When it returns, what was interrupted goes on.  The default passes over events, and
 * reports a fault and ends the instance. */
void libos_upcall(u64 vcpu, u64 area, u64 vector);
/* The steward has told the instance to end (S4), on vCPU 0.  The default ends it at once;
 * one that has something to put in order does so, and ends before libos_stop_by: who
 * returns goes on, and is ended by force then. */
void libos_stop(u64 vcpu);

/* ---- what it finds ---- */

u64 libos_self(void); /* the vCPU, on one of the stacks of S1 */
struct fb_cb *libos_cb(u64 vcpu);
/* The control block's buffer pages, of which libos_print uses the last FB_CONSOLE_MAX. */
u8 *libos_buffer(u64 vcpu);
/* To the console, if the manifest gives it (`devices console`), else to the instance's
 * log, which the steward keeps (`zonectl log NAME`). */
void libos_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void libos_log(const char *bytes, size_t count); /* to the log alone */
/* Wait for events until the TSC is `until` (FB_FOREVER: for ever), and fetch them: their
 * bits.  An order to end is obeyed here. */
u64 libos_wait(u64 until);
/* Is there an order to end?  Then the TSC until which it is to be followed. */
bool libos_stopping(void);
u64 libos_stop_by(void);
/* The end; sdk/steward.h says what the codes 0 to 3 mean, all others are failures. */
__attribute__((noreturn)) void libos_exit(u64 code);

/* A frame of the instance's first interval of memory, or 0: all are used.
 * libos_page: zeroed, and mapped at libos_at(frame); libos_page_back takes it again.
 * libos_frame: mapped nowhere, as the kernel wants what it is given. */
u64 libos_page(void);
void libos_page_back(u64 frame);
u64 libos_frame(void);
void *libos_at(u64 frame);
/* A heap (sdk/heap.h) over these pages. */
void libos_heap_init(struct heap *h);
/* Map a page of the first interval into a space, with what tables it takes.
 * 0 or -FB_E_X of space_map and space_table; -FB_E_FULL: no frames for tables. */
long libos_map(u64 space, u64 va, u64 frame, u32 flags);
/* Start a process in the current space's user view. */
__attribute__((noreturn)) void libos_enter(u64 rip, u64 rsp, u64 rdi);

#endif
