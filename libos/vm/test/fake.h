/* SPDX-License-Identifier: MIT */
/* The least that parsers and trees need: heap, frames and log over the host's C library.
 * For tests and fuzzers without a machine. */
#ifndef LIBOS_VM_TEST_FAKE_H
#define LIBOS_VM_TEST_FAKE_H

#include "core/types.h"

extern u64 fake_frames; /* in use */
extern u64 fake_objects;
extern bool fake_quiet; /* log lines are not shown */
/* Repeatable random numbers (xorshift64*). */
u64 fake_random(void);

#endif
