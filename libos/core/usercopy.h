/* SPDX-License-Identifier: MIT */
/*
 * The only code that touches a process's memory. Every function checks the range against
 * USER_TOP, copies with fault fix-up, asks
 * the pager (usercopy_pager, set by vm) to make missing pages present, and goes on;
 * -E_FAULT when it cannot be.
 * May sleep; no spinlock may be held.  The current thread's process is meant.
 */
#ifndef LIBOS_CORE_USERCOPY_H
#define LIBOS_CORE_USERCOPY_H

#include "core/types.h"

int copy_from_user(void *to, uaddr from, size_t bytes) MUST_CHECK;
int copy_to_user(uaddr to, const void *from, size_t bytes) MUST_CHECK;
int zero_user(uaddr to, size_t bytes) MUST_CHECK;
/* A string of less than `size` bytes with its NUL: its length; -E_FAULT;
 * -E_NAMETOOLONG. */
i64 copy_string_from_user(char *to, uaddr from, size_t size) MUST_CHECK;
/* 0: done or not, *expected has what was there */
int user_cmpxchg32(uaddr at, u32 *expected, u32 desired) MUST_CHECK;
int user_load32(uaddr at, u32 *value) MUST_CHECK;
int user_load64(uaddr at, u64 *value) MUST_CHECK;
int user_store16(uaddr at, u16 value) MUST_CHECK;
/* Without paging, for paths that hold spinlocks; `at` is aligned. False: it is not there. */
bool user_load32_nofault(uaddr at, u32 *value) MUST_CHECK;
/* Without sleeping and paging: bytes NOT copied; for paths that hold spinlocks. */
size_t copy_to_user_nofault(uaddr to, const void *from, size_t bytes);
size_t copy_from_user_nofault(void *to, uaddr from, size_t bytes);

/* vm sets it: make one page of the current process present for an access. 0 or
 * -E_FAULT. */
extern int (*usercopy_pager)(uaddr at, bool write);

/* A sequence of segments of user or LibOS memory, for read and write paths. */
struct uio_segment {
    u64 base; /* uaddr, or a LibOS pointer */
    u64 bytes;
};
struct uio {
    struct uio_segment *segment;
    u32 count;    /* segments left */
    bool libos;   /* bases are LibOS pointers */
    bool append;  /* a write goes to the end, wherever the position is */
    u64 offset;   /* within *segment */
    u64 left;     /* bytes in all */
    struct uio_segment single; /* for one segment */
};
void uio_user(struct uio *u, uaddr base, u64 bytes);
void uio_libos(struct uio *u, void *base, u64 bytes);
/* Move bytes into / out of the uio, advancing; returns 0 or -E_FAULT (u->left tells how
 * far it came). */
/* read(2) direction */
int uio_put(struct uio *u, const void *from, size_t bytes) MUST_CHECK;
/* write(2) direction */
int uio_get(struct uio *u, void *to, size_t bytes) MUST_CHECK;
int uio_put_zero(struct uio *u, size_t bytes) MUST_CHECK;

#endif
