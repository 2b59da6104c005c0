/* SPDX-License-Identifier: MIT */
/* Private to procfs: /sys. */
#ifndef LIBOS_PROCFS_SYSFS_H
#define LIBOS_PROCFS_SYSFS_H

void sysfs_init(void);

#endif
