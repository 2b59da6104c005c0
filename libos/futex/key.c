/* SPDX-License-Identifier: MIT */
/* By what a word is known: U3 in futex.h. */
#include "futex/private.h"
#include "core/usercopy.h"
#include "proc/proc.h"
#include "vm/mm.h"

/* A word in memory that several processes share is known by what is shared. */
static bool
shared_key(struct mm *mm, uaddr at, struct futex_key *key)
{
    struct mm_area_info area;
    if (!mm_next_area(mm, at, &area))
        return false;
    bool shared = area.start <= at && (area.flags & AREA_SHARED) && area.inode != NULL;
    if (shared) {
        inode_hold(area.inode);
        key->inode = area.inode;
        key->object = (u64)(uintptr_t)area.inode;
        key->offset = area.offset + (at - area.start);
    }
    mm_area_info_drop(&area);
    return shared;
}

int
key_make(uaddr at, bool private, struct futex_key *key)
{
    struct mm *mm = proc_current()->mm;
    u32 word;
    if (at & 3)
        return -E_INVAL;
    if (at >= USER_TOP)
        return -E_FAULT;
    if (!private) {
        if (user_load32(at, &word) != 0) /* so that its page is there */
            return -E_FAULT;
        if (shared_key(mm, at, key))
            return 0;
    }
    key->inode = NULL;
    key->object = (u64)(uintptr_t)mm;
    key->offset = at;
    return 0;
}

int
key_make_two(uaddr at, uaddr second_at, bool private, struct futex_key *key,
             struct futex_key *second)
{
    int error = key_make(at, private, key);
    if (error != 0)
        return error;
    error = key_make(second_at, private, second);
    if (error != 0)
        key_drop(key);
    return error;
}
