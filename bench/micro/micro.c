/* SPDX-License-Identifier: MIT */
/*
 * What does each basic operation cost?  Rows as in lmbench and will-it-scale.
 * usage: micro [-n SAMPLES] [NAME...]       all rows by default
 *        micro --list                       NAME GROUP FLAGS OPERATIONS-PER-SAMPLE
 */
#include "groups.h"

int
main(int argc, char **argv)
{
    static const struct group *const groups[] = {
        &group_calls,   &group_files,   &group_names,   &group_memory,    &group_faults,
        &group_pipes,   &group_waits,   &group_signals, &group_processes, &group_threads,
        &group_sockets, &group_ipc,     &group_library, &group_copies,
        &group_proctext,
    };

    return bench_main(argc, argv, "", groups, COUNT_OF(groups));
}
