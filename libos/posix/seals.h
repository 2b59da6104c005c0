/* SPDX-License-Identifier: MIT */
/* Private to posix: seals of files in memory. */
#ifndef LIBOS_POSIX_SEALS_H
#define LIBOS_POSIX_SEALS_H

#include "core/error.h"
#include "core/types.h"

struct file;
/* -E_INVAL: a file that cannot have any. */
i64 seals_get(const struct file *f) MUST_CHECK;
/* -E_INVAL -E_PERM (not open for writing, or sealed against seals); -E_BUSY: it is
 * mapped for writing, and SEAL_WRITE is among them. */
i64 seals_add(struct file *f, u64 seals) MUST_CHECK;

#endif
