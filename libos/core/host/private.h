/* SPDX-License-Identifier: MIT */
/* Private to core/host. */
#ifndef LIBOS_CORE_HOST_PRIVATE_H
#define LIBOS_CORE_HOST_PRIVATE_H

#include "core/types.h"

void host_mmu_init(void);
u64 host_mapped_pages(void);
void pthread_stack_bounds(void **base, size_t *bytes);

#endif
