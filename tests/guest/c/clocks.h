/* SPDX-License-Identifier: MIT */
/* A clock in nanoseconds. */
#ifndef CLOCKS_H
#define CLOCKS_H

#include "check.h"

#include <stdint.h>
#include <time.h>

static inline uint64_t
now_ns(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
