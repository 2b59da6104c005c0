/* SPDX-License-Identifier: MIT */
/* Private to boot: the rooms in their order. */
#ifndef LIBOS_BOOT_ROOMS_H
#define LIBOS_BOOT_ROOMS_H

#include "core/types.h"

/* Initialise all rooms above core, mount the root, unpack the archive. */
void boot_rooms(void);
bool boot_have_archive(void);
void counts_init(void); /* /dev/feuer */
void orders_start(void); /* the steward's: boot/orders.c */
int boot_start_process(const char *path, char **argv, char **envp) MUST_CHECK;

#endif
