/* SPDX-License-Identifier: MIT */
/*
 * The page beside the vDSO: what it needs to make a time out of the TSC.
 *
 * Y1. The TSC's base and rate are written once, before the first process; a clock's offset
 *     is one word, which a reader sees as it was or as it is. So nobody reads twice.
 */
#ifndef LIBOS_TIME_VDSO_DATA_H
#define LIBOS_TIME_VDSO_DATA_H

#define VDSO_CLOCKS 12
/* 0 REALTIME, 1 MONOTONIC, 4 MONOTONIC_RAW, 5 REALTIME_COARSE, 6 MONOTONIC_COARSE, 7
 * BOOTTIME, 11 TAI */
#define VDSO_CLOCKS_HERE 0x8f3u
#define VDSO_CLOCKS_REAL 0x821u

struct vdso_data {
    unsigned long tsc_base, tsc_mult; /* monotonic ns = ((tsc - base) * mult) >> 32 */
    unsigned long offset_ns[VDSO_CLOCKS]; /* of each clock from the monotonic one */
};

#endif
