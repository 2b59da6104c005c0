/* SPDX-License-Identifier: MIT */
/* Private to fs/dev: the devices without hardware. */
#ifndef LIBOS_FS_DEV_MEMORY_H
#define LIBOS_FS_DEV_MEMORY_H

void dev_memory_init(void);
void dev_kmsg_init(void);
void dev_control_init(void);

#endif
