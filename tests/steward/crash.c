/* SPDX-License-Identifier: MIT */
/* A LibOS that dies of a fault in its fault handler, three functions deep, so that the
 * steward has a backtrace to show. */
#include <sdk/libos.h>
#include <sdk/stubs.h>

static volatile u64 results;
static volatile u64 *nowhere = (u64 *)(FB_WINDOW_BASE + 0x7f00000000ull);

__attribute__((noinline)) static u64
crash_innermost(u64 n)
{
    return *nowhere + n;
}

__attribute__((noinline)) static u64
crash_middle(u64 n)
{
    return crash_innermost(n + 1) * 3 + 1;
}

void
libos_upcall(u64 vcpu, u64 area, u64 vector)
{
    (void)vcpu, (void)area;
    if (vector != FB_VECTOR_EVENT)
        results = crash_middle(vector) + 1;
}

void
libos_main(u64 vcpu)
{
    if (vcpu == 0) {
        libos_print("about to crash");
        results = crash_middle(7) + 1;
    }
}
