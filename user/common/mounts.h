/* SPDX-License-Identifier: MIT */
/*
 * The file systems that programs expect in a machine that was just started: /proc, /sys,
 * /dev with pts and shm, /run.  For the first process of a machine, init or agent.
 */
#ifndef USER_COMMON_MOUNTS_H
#define USER_COMMON_MOUNTS_H

#include <stddef.h>

/* Mount what is not mounted yet, and make the links of /dev.  What could not be mounted
 * is done without: it is listed in MISSING, a string within ROOM bytes (at least 1), with
 * reasons.  Returns how many that are.  Changes errno. */
int
mounts_make(char *missing, size_t room);

#endif
