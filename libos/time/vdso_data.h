/* SPDX-License-Identifier: MIT */
/*
 * The page beside the vDSO: what it needs to make a time out of the TSC.
 *
 * Y1. A time is (tsc - base) * tick, of which 2^64 are a second; so it comes as seconds and
 *     a fraction, with no division. `tick` is written once, before the first process; a
 *     clock's base is one word, which a reader sees as it was or as it is, and reads before
 *     the TSC: so it sees the time before it was set, gone on, or after.  Nobody reads twice.
 * Y2. What a wall clock shows here is later than what the LibOS says by a tick at most, and
 *     never earlier: who was woken at a time finds that it has come.
 * Y3. The base of a clock that this page does not know is VDSO_AWAY, and its time is a call;
 *     one whose base happens to be that number is a call for as long as it is.
 */
#ifndef LIBOS_TIME_VDSO_DATA_H
#define LIBOS_TIME_VDSO_DATA_H

#define VDSO_CLOCKS 12
#define VDSO_AWAY (~0ul)
/* 1 MONOTONIC, 4 MONOTONIC_RAW, 6 MONOTONIC_COARSE, 7 BOOTTIME */
#define VDSO_CLOCKS_MONOTONIC 0xd2u
/* 0 REALTIME, 5 REALTIME_COARSE, 11 TAI */
#define VDSO_CLOCKS_REAL 0x821u

struct vdso_data {
    unsigned long base[VDSO_CLOCKS], tick;
};

#endif
