/* SPDX-License-Identifier: MIT */
/* What control.c needs of the rest of the steward, for the host. */
#ifndef STEWARD_TEST_STANDIN_H
#define STEWARD_TEST_STANDIN_H

#include "steward/steward.h"

#define PORT_BYTES (STEWARD_PAGES * 4096u)
extern unsigned long standin_signals;
extern u8 *standin_port; /* PORT_BYTES, as both sides see them */
extern u32 standin_calls; /* of life_*, reclaim_ask and terminal_move */
/* Two instances, `a` with the control port and `b`. */
void standin_start(void);
/* The instance's side. */
extern struct ring_producer standin_requests;
extern struct ring_consumer standin_replies;

#endif
