/* SPDX-License-Identifier: MIT */
/*
 * Random bytes: ChaCha20 in fast-key-erasure mode (D. J. Bernstein, 2017; RFC 8439 for
 * the block), seeded from the kernel's entropy,
 * or from `feuer.seed=N` on the command line, and then repeatable. Any context; takes a
 * spinlock.
 */
#ifndef LIBOS_CORE_RANDOM_H
#define LIBOS_CORE_RANDOM_H

#include "core/types.h"

void random_bytes(void *to, size_t bytes);
u64 random_u64(void);
/* adds entropy; does nothing with a fixed seed */
void random_mix(const void *data, size_t bytes);
void random_init(void);

#endif
