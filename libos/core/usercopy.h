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

/* At the end of this file: */
static inline int copy_from_user(void *to, uaddr from, size_t bytes) MUST_CHECK;
static inline int copy_to_user(uaddr to, const void *from, size_t bytes) MUST_CHECK;
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
bool user_cmpxchg32_nofault(uaddr at, u32 *expected, u32 desired) MUST_CHECK;
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

static inline bool
user_range(uaddr at, size_t bytes)
{
    return at <= USER_TOP && bytes <= USER_TOP - at;
}

/*
 * One word, without sleeping and paging, of a range that was checked (user_range): false:
 * it is not there. An instruction each: for who writes or reads a structure of the user's
 * in place, and turns to the functions above when that fails.
 */
#ifdef LIBOS_HOST
#define USER_PUT(name, type, move, from)                                                 \
    static inline bool name(uaddr at, type value)                                        \
    {                                                                                    \
        return copy_to_user_nofault(at, &value, sizeof value) == 0;                      \
    }
#define USER_GET(name, type, move)                                                       \
    static inline bool name(uaddr at, type *value)                                       \
    {                                                                                    \
        return copy_from_user_nofault(value, at, sizeof *value) == 0;                    \
    }
#else
/* Where a fault of the instruction at the one label goes on (core/arch). */
#define USER_FIXUP(label_at, label_to)                                                   \
    ".pushsection .fixups, \"aw\", @progbits\n\t"                                        \
    ".quad " label_at ", " label_to "\n\t"                                               \
    ".popsection\n\t"

#define USER_PUT(name, type, move, from)                                                 \
    static inline __attribute__((always_inline)) bool name(uaddr at, type value)         \
    {                                                                                    \
        __asm__ goto("1: " move " %0, %1\n\t" USER_FIXUP("1b", "%l[fault]")              \
                     :                                                                   \
                     : from(value), "m"(*(type *)at)                                     \
                     : "memory"                                                          \
                     : fault);                                                           \
        return true;                                                                     \
    fault:                                                                               \
        return false;                                                                    \
    }
#define USER_GET(name, type, move)                                                       \
    static inline __attribute__((always_inline)) bool name(uaddr at, type *value)        \
    {                                                                                    \
        type v;                                                                          \
        __asm__ goto("1: " move " %1, %0\n\t" USER_FIXUP("1b", "%l[fault]")              \
                     : "=r"(v)                                                           \
                     : "m"(*(const type *)at)                                            \
                     :                                                                   \
                     : fault);                                                           \
        *value = v;                                                                      \
        return true;                                                                     \
    fault:                                                                               \
        return false;                                                                    \
    }
#endif

USER_PUT(user_put64, u64, "movq", "er")
USER_PUT(user_put32, u32, "movl", "ri")
USER_GET(user_get64, u64, "movq")
USER_GET(user_get32, u32, "movl")
#undef USER_PUT
#undef USER_GET

/* Small structures are moved where they are used. */
#define USERCOPY_INLINE 32u
int copy_from_user_any(void *to, uaddr from, size_t bytes) MUST_CHECK;
int copy_to_user_any(uaddr to, const void *from, size_t bytes) MUST_CHECK;

static inline __attribute__((always_inline)) int
copy_from_user(void *to, uaddr from, size_t bytes)
{
    if (__builtin_constant_p(bytes) && bytes % 8 == 0 && bytes <= USERCOPY_INLINE &&
        __builtin_expect(user_range(from, bytes), 1)) {
        bool there = true;
#pragma GCC unroll 4
        for (size_t i = 0; i < bytes / 8; i++) {
            u64 word;
            there = there && user_get64(from + i * 8, &word);
            if (there)
                __builtin_memcpy((u8 *)to + i * 8, &word, 8);
        }
        if (there)
            return 0;
    }
    return copy_from_user_any(to, from, bytes);
}

static inline __attribute__((always_inline)) int
copy_to_user(uaddr to, const void *from, size_t bytes)
{
    if (__builtin_constant_p(bytes) && bytes % 8 == 0 && bytes <= USERCOPY_INLINE &&
        __builtin_expect(user_range(to, bytes), 1)) {
        bool there = true;
#pragma GCC unroll 4
        for (size_t i = 0; i < bytes / 8; i++) {
            u64 word;
            __builtin_memcpy(&word, (const u8 *)from + i * 8, 8);
            there = there && user_put64(to + i * 8, word);
        }
        if (there)
            return 0;
    }
    return copy_to_user_any(to, from, bytes);
}

#endif
