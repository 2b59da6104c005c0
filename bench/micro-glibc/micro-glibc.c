/* SPDX-License-Identifier: MIT */
/*
 * micro's rows in which the C library matters, with glibc; their names begin with glibc_.
 * Usage and output are micro's.
 */
#include "groups.h"

int
main(int argc, char **argv)
{
    static const struct group *const groups[] = { &group_library, &group_processes,
                                                  &group_threads };

    return bench_main(argc, argv, "glibc_", groups, COUNT_OF(groups));
}
