/* SPDX-License-Identifier: MIT */
/*
 * A LibOS that has no end of its own, and is told to end (S4 of sdk/libos.h); args say what
 * it does meanwhile:
 *   told=process   a process that never calls
 *   told=masked    it computes with events masked, and asks now and then
 *   told=own       it waits, and puts something in order before it ends
 */
#include <sdk/libos.h>

#define CODE 0x400000ull

static bool own;

void
libos_stop(u64 vcpu)
{
    if (own)
        libos_print("vCPU %lu puts things in order, %s", vcpu,
                    libos_stop_by() > __builtin_ia32_rdtsc() ? "in time" : "too late");
    libos_exit(0);
}

static void
process(void)
{
    u64 page = libos_page();

    if (page == 0)
        libos_exit(11);
    memcpy(libos_at(page), "\xeb\xfe", 2); /* a jump to itself */
    if (libos_map(LIBOS_INFO->cap_space, CODE, page, FB_MAP_READ | FB_MAP_EXEC) != 0)
        libos_exit(12);
    libos_print("begins");
    libos_enter(CODE, 0, 0);
}

void
libos_main(u64 vcpu)
{
    char how[16] = "";

    sdk_option(LIBOS_INFO->cmdline, "told=", how, sizeof(how));
    if (vcpu != 0)
        return;
    if (strcmp(how, "process") == 0)
        process();
    libos_print("begins");
    while (strcmp(how, "masked") == 0)
        if (libos_stopping())
            libos_exit(0);
    own = true;
    for (;;)
        libos_wait(FB_FOREVER);
}
