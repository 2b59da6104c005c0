/* SPDX-License-Identifier: MIT */
/*
 * What was logged, for /dev/kmsg and syslog(2): the newest records in a ring of bytes.
 *
 * O1. Sequence numbers count from 0 without gaps; what is older than `first` was
 *     overwritten.
 * O2. A record is never larger than LOG_TEXT_MAX; the text has no line end at its end.
 * O3. A spinlock guards the store, innermost but for nothing; readers are woken after it.
 */
#ifndef LIBOS_CORE_LOG_STORE_H
#define LIBOS_CORE_LOG_STORE_H

#include "core/wait.h"

#define LOG_TEXT_MAX    992u
#define LOG_STORE_BYTES 65536u

struct log_record {
    u64 seq, us;  /* since the start */
    u32 priority; /* facility << 3 | level, as syslog(3) has them */
    u32 length;
    char text[LOG_TEXT_MAX];
};
extern struct waitq log_arrived;

/* Longer text is cut off. */
void log_store(u32 priority, const char *text, size_t length);
/* The first record at or after seq: 0; -E_NOENT: there is none yet.  *out->seq > seq:
 * those between were overwritten. */
int log_fetch(u64 seq, struct log_record *out) MUST_CHECK;
u64 log_first(void); /* the oldest that is there */
u64 log_next(void);  /* the one that will come next */
/* What is less than this is shown on the console, of what programs log (0 to 8). */
extern u32 log_console_level;
extern u64 log_cleared; /* what is older was cleared by syslog(2); it stays readable */

#endif
