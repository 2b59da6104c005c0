/* SPDX-License-Identifier: MIT */
/*
 * A LibOS that harms its steward and its successors, if they let it.  Its instance's name
 * says how:
 *   stack...  dies with a stack pointer at a kernel object of its own, into which whoever
 *             shows a backtrace would look;
 *   read...   looks for what others left in its memory, leaves something itself, and
 *             fails, so that it is started again.
 */
#include <sdk/libos.h>
#include <sdk/reclaim.h>
#include <sdk/stubs.h>

#define MARK 0x6c6566742d6d6521ull

static volatile u64 *nowhere = (u64 *)(FB_WINDOW_BASE + 0x7f00000000ull);

__attribute__((noinline)) static void
die_at(u64 stack)
{
    __asm__ volatile("mov %0, %%rsp\n\tmov (%1), %%rax" ::"r"(stack), "r"(nowhere)
                     : "rax", "memory");
}

void
libos_upcall(u64 vcpu, u64 area, u64 vector)
{
    (void)vcpu, (void)area;
    if (vector != FB_VECTOR_EVENT)
        die_at(WINDOW_DMAP + LIBOS_INFO->space_root_frame * PAGE);
}

static bool
is_used(u64 frame)
{
    for (u32 k = 0; k < LIBOS_INFO->nused; k++)
        if (frame >= LIBOS_INFO->used[k].lo && frame < LIBOS_INFO->used[k].hi)
            return true;
    return false;
}

static u64
look_and_leave(u64 lo, u64 hi, u64 *found)
{
    u64 pages = 0;

    for (u64 frame = lo; frame < hi; frame++) {
        u64 *word = (u64 *)(WINDOW_DMAP + frame * PAGE + PAGE / 2);
        if (is_used(frame))
            continue;
        pages++;
        *found += *word == MARK;
        *word = MARK;
    }
    return pages;
}

void
libos_main(u64 vcpu)
{
    u64 found = 0, pages = 0;

    if (vcpu != 0)
        return;
    if (LIBOS_INFO->name[0] == 's')
        (void)*nowhere;
    for (u32 k = 0; k < LIBOS_INFO->nmemory; k++)
        pages += look_and_leave(LIBOS_INFO->memory[k].lo, LIBOS_INFO->memory[k].hi,
                                &found);
    for (u32 k = 0; k < RECLAIM_CHUNKS; k++)
        pages += look_and_leave(RECLAIM_PAGE->chunk[k].lo, RECLAIM_PAGE->chunk[k].hi,
                                &found);
    libos_print("%s: %lu pages, %lu of somebody else", LIBOS_INFO->name, pages, found);
    libos_exit(100);
}
