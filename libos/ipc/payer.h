/* SPDX-License-Identifier: MIT */
/* Private to ipc/: what a user's POSIX queues may hold together (RLIMIT_MSGQUEUE). */
#ifndef LIBOS_IPC_PAYER_H
#define LIBOS_IPC_PAYER_H

#include "core/types.h"

/* False: with it the user would be above `limit`, or there is no memory. */
bool payer_add_queue(u32 uid, u64 bytes, u64 limit) MUST_CHECK;
void payer_drop_queue(u32 uid, u64 bytes);

#endif
