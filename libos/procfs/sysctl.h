/* SPDX-License-Identifier: MIT */
/* Private to procfs: the tree of /proc/sys. */
#ifndef LIBOS_PROCFS_SYSCTL_H
#define LIBOS_PROCFS_SYSCTL_H

#include "procfs/private.h"

#define SYSCTL_ENTRIES 3u
extern const struct entry sysctl_entries[SYSCTL_ENTRIES];
void sysctl_init(void); /* the boot's own number; before the first process */

#endif
