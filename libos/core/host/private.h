/* SPDX-License-Identifier: MIT */
/* Private to core/host. */
#ifndef LIBOS_CORE_HOST_PRIVATE_H
#define LIBOS_CORE_HOST_PRIVATE_H

#include "core/types.h"

extern u8 *machine_dmap;       /* the arena of frames */
extern u64 machine_dmap_first; /* the frame at its start */
void host_mmu_init(void);
u64 host_mapped_pages(void);
void pthread_stack_bounds(void **base, size_t *bytes);

#endif
