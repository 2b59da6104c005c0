/* SPDX-License-Identifier: MIT */
/*
 * What each user holds of things that are the LibOS's own memory: counted by user id, so
 * that one user cannot take what is there for all.
 *
 * U1. A record lives while someone holds it; who counts something holds the record until
 *     it is counted back.
 */
#ifndef LIBOS_VFS_USAGE_H
#define LIBOS_VFS_USAGE_H

#include "core/types.h"

enum usage_kind { USAGE_WATCH_GROUPS, USAGE_WATCHES, USAGE_PIPE_PAGES, USAGE_SET_ENTRIES,
                  USAGE_FLIGHTS,
                  USAGE_KINDS };
struct usage {
    struct usage *next;
    u32 uid;
    u32 refs; /* usage.c's lock */
    _Atomic u64 count[USAGE_KINDS];
};
/* A reference; NULL: no memory.  O(1) expected. */
struct usage *usage_get(u32 uid);
void usage_hold(struct usage *u);
void usage_put(struct usage *u);
/* Count n more unless that were more than `limit`: then false, and nothing changes. */
bool usage_add(struct usage *u, enum usage_kind kind, u64 n, u64 limit);
void usage_sub(struct usage *u, enum usage_kind kind, u64 n);

#endif
