/* SPDX-License-Identifier: MIT */
/* The groups of rows, one file each, and what they share. */
#ifndef BENCH_GROUPS_H
#define BENCH_GROUPS_H

#include "harness.h"

extern const struct group group_calls, group_files, group_names, group_memory,
    group_faults, group_pipes, group_waits, group_signals, group_processes, group_threads,
    group_sockets, group_ipc, group_library, group_copies,
    group_proctext;

/*
 * A second process with a pipe to it (peer_there) and one back from it.  peer_start forks
 * it to run BODY, and returns -1 if it cannot; BODY returns when peer_there ends.
 * peer_end closes the pipes and waits for it.
 */
extern int peer_there[2], peer_back[2];
int peer_start(void (*body)(void));
void peer_end(void);

/* Some bytes to read into and to write from. */
extern char bench_page[PAGE];

/* Opens PATH, made new with SIZE bytes if it is not there; ends the program if it cannot.
 */
int bench_file(const char *path, size_t size);

#endif
