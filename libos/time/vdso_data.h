/* SPDX-License-Identifier: MIT */
/*
 * The page beside the vDSO: what it needs to make a time out of the TSC.
 *
 * Y1. `sequence` is odd while the page changes; a reader that saw it change, or odd,
 *     reads again (a seqlock).
 */
#ifndef LIBOS_TIME_VDSO_DATA_H
#define LIBOS_TIME_VDSO_DATA_H

struct vdso_data {
    unsigned int sequence, pad;
    unsigned long tsc_base, tsc_mult; /* ns = ((tsc - base) * mult) >> 32 */
    unsigned long real_offset_ns;     /* wall clock minus monotonic */
};

#endif
