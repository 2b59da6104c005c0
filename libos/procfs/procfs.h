/* SPDX-License-Identifier: MIT */
/*
 * /proc and /sys: what there is to know about processes and the machine, as text in
 * files.  The formats are Linux's, since programs parse them (proc(5), sysfs(5)).
 *
 * All mounts of a kind show the same.  What this LibOS cannot know or do is left out.
 */
#ifndef LIBOS_PROCFS_PROCFS_H
#define LIBOS_PROCFS_PROCFS_H

#include "core/types.h"

/* Makes the two kinds known to mount(2).  Before the first process. */
void procfs_init(void);

#endif
