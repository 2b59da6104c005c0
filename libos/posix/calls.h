/* SPDX-License-Identifier: MIT */
/* X-macro free list of handlers: each posix/*.c adds its prototypes in its own block. */
#ifndef LIBOS_POSIX_CALLS_H
#define LIBOS_POSIX_CALLS_H

#include "core/thread.h"

/* ---- files: file.c fs.c poll.c pipe ---- */

/* ---- memory: mm.c ---- */

/* ---- processes: proc.c ---- */

/* ---- signals: signal.c ---- */

/* ---- time: time.c, misc.c ---- */

#endif
