/* SPDX-License-Identifier: MIT */
/* The rooms above core, in the order in which they need each other. */
#include "boot/rooms.h"

#include "core/error.h"
#include "core/hw.h"
#include "core/log.h"
#include "time/vdso.h"

void
boot_rooms(void)
{
    vdso_init();
}

bool
boot_have_archive(void)
{
    size_t bytes;
    hw_initrd(&bytes);
    return bytes != 0;
}

int
boot_start_process(const char *path, char **argv, char **envp)
{
    (void)path, (void)argv, (void)envp;
    return -E_NOENT;
}
