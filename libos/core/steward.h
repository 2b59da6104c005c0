/* SPDX-License-Identifier: MIT */
/*
 * What the steward and this instance say to each other (sdk/steward.h): text without a
 * terminal, the steward's orders, and the control port where the manifest opens it.
 * Nothing here waits.
 */
#ifndef LIBOS_CORE_STEWARD_H
#define LIBOS_CORE_STEWARD_H

#include "core/types.h"
#include "core/wait.h"

/* Before the first line of text; first vCPU, no heap. */
void steward_start(void);
/* Text for this instance's log; any context.  What the steward does not take in time is
 * dropped. */
void steward_write(const char *text, size_t bytes);
/* So much of a vCPU's time was spent in programs, or in the LibOS (`zonectl top`). */
void steward_sampled(bool programs, u64 ticks);
/* One more return address of the end that is coming. */
void steward_backtrace(u64 address);

/* Is the control port open? */
bool steward_control(void);
/* A piece of a request (at most STEWARD_PIECE bytes).  False: there is no room now.  One
 * thread at a time. */
#define STEWARD_PIECE 56u
bool steward_request(const void *bytes, u32 count, bool end, u32 tag) MUST_CHECK;
/* The next piece of a reply: how many bytes `to` (STEWARD_PIECE) got, or -1: there is none
 * yet; then steward_replied is woken when there is. */
int steward_reply(char *to, u32 *tag, bool *end);
extern struct waitq steward_replied;

/* Orders: steward_ordered is woken after each change of what follows. */
extern struct waitq steward_ordered;
u64 steward_orders(void); /* counts changes */
/* The instance is to end: how long it has for that, in ns; 0: there is no such order. */
u64 steward_stop_ns(void);
/* From here on hw_power ends the instance alone. */
void steward_stopping(void);
bool steward_is_stopping(void);
/* Odd: this instance has COM1; counts changes. */
u64 steward_terminal(void);
void steward_terminal_answer(u64 number); /* it has acted upon that */

#endif
