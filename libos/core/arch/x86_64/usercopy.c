/* SPDX-License-Identifier: MIT */
/*
 * Touching user memory, and the fix-up of its faults.
 *
 * U1. Only instructions with an entry in .fixups touch user memory; a fault there goes on
 *     at the entry's second address.
 * U2. The slow path works within one user page at a time, so that a copy which stops
 *     names the page to be made present.
 */
#include "core/usercopy.h"

#include "core/error.h"
#include "core/thread.h"
#include "core/arch/x86_64/arch.h"

int (*usercopy_pager)(uaddr at, bool write);

struct fixup {
    u64 at, to;
};
extern struct fixup fixups_start[], fixups_end[];

/* By address: in the order in which the linker met them they nearly are. */
void
fixup_sort(void)
{
    for (struct fixup *f = fixups_start + 1; f < fixups_end; f++) {
        struct fixup moved = *f, *to = f;
        for (; to > fixups_start && to[-1].at > moved.at; to--)
            *to = to[-1];
        *to = moved;
    }
}

u64
fixup_find(u64 rip)
{
    const struct fixup *from = fixups_start;
    for (size_t count = (size_t)(fixups_end - fixups_start); count != 0; count /= 2) {
        const struct fixup *middle = from + count / 2;
        if (middle->at == rip)
            return middle->to;
        if (middle->at < rip) {
            from = middle + 1;
            count--;
        }
    }
    return 0;
}

enum kind { FROM_USER, TO_USER, ZERO_USER };

/* Copy page by page, asking the pager where it stops. */
static int
copy_slowly(uaddr at, u8 *libos, size_t bytes, enum kind kind)
{
    while (bytes) {
        size_t n = MIN(bytes, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
        size_t left = kind == FROM_USER ? usercopy_exact(libos, (const void *)at, n)
                      : kind == TO_USER ? usercopy_exact((void *)at, libos, n)
                                        : usercopy_zero((void *)at, n);
        at += n - left;
        if (kind != ZERO_USER)
            libos += n - left;
        bytes -= n - left;
        if (left) {
            if (!usercopy_pager || usercopy_pager(at, kind != FROM_USER) != 0)
                return -E_FAULT;
            thread_breathe();
        }
    }
    return 0;
}

int
copy_from_user_any(void *to, uaddr from, size_t bytes)
{
    if (__builtin_expect(!user_range(from, bytes), 0))
        return bytes == 0 ? 0 : -E_FAULT;
    size_t left = usercopy_raw(to, (const void *)from, bytes);
    if (__builtin_expect(left == 0, 1))
        return 0;
    size_t done = bytes - left;
    return copy_slowly(from + done, (u8 *)to + done, left, FROM_USER);
}

int
copy_to_user_any(uaddr to, const void *from, size_t bytes)
{
    if (__builtin_expect(!user_range(to, bytes), 0))
        return bytes == 0 ? 0 : -E_FAULT;
    size_t left = usercopy_raw((void *)to, from, bytes);
    if (__builtin_expect(left == 0, 1))
        return 0;
    size_t done = bytes - left;
    return copy_slowly(to + done, (u8 *)(uintptr_t)from + done, left, TO_USER);
}

int
zero_user(uaddr to, size_t bytes)
{
    if (!user_range(to, bytes))
        return bytes == 0 ? 0 : -E_FAULT;
    size_t left = usercopy_zero((void *)to, bytes);
    if (__builtin_expect(left == 0, 1))
        return 0;
    return copy_slowly(to + (bytes - left), NULL, left, ZERO_USER);
}

size_t
copy_to_user_nofault(uaddr to, const void *from, size_t bytes)
{
    return user_range(to, bytes) ? usercopy_exact((void *)to, from, bytes) : bytes;
}

size_t
copy_from_user_nofault(void *to, uaddr from, size_t bytes)
{
    return user_range(from, bytes) ? usercopy_exact(to, (const void *)from,
                                                    bytes) : bytes;
}

static inline bool
load8(uaddr at, u8 *value)
{
    u32 v;
    __asm__ goto("1: movzbl (%1), %0\n\t" USER_FIXUP("1b", "%l[fault]")
                 : "=r"(v)
                 : "r"(at)
                 : "memory"
                 : fault);
    *value = (u8)v;
    return true;
fault:
    return false;
}

i64
copy_string_from_user(char *to, uaddr from, size_t size)
{
    size_t n = 0;
    while (n < size) {
        if (from + n >= USER_TOP)
            return -E_FAULT;
        u64 word;
        uaddr at = from + n;
        bool within = (at & (PAGE_SIZE - 1)) <= PAGE_SIZE - 8 && size - n >= 8;
        if (within && user_get64(at, &word)) {
            __builtin_memcpy(to + n, &word, 8);
            u64 zeros = (word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull;
            if (zeros)
                return (i64)(n + (unsigned)__builtin_ctzll(zeros) / 8);
            n += 8;
            continue;
        }
        u8 c;
        if (load8(at, &c)) {
            to[n] = (char)c;
            if (!c)
                return (i64)n;
            n++;
            continue;
        }
        if (!usercopy_pager || usercopy_pager(at, false) != 0)
            return -E_FAULT;
    }
    return -E_NAMETOOLONG;
}

bool
user_load32_nofault(uaddr at, u32 *value)
{
    return user_range(at, 4) && user_get32(at, value);
}

int
user_load32(uaddr at, u32 *value)
{
    if (at & 3)
        return copy_from_user(value, at, 4);
    while (!user_load32_nofault(at, value)) {
        if (!user_range(at, 4) || !usercopy_pager || usercopy_pager(at, false) != 0)
            return -E_FAULT;
    }
    return 0;
}

int
user_load64(uaddr at, u64 *value)
{
    if (__builtin_expect(at > USER_TOP - sizeof *value, 0))
        return -E_FAULT;
    return user_get64(at, value) ? 0 : copy_from_user_any(value, at, sizeof *value);
}

int
user_store16(uaddr at, u16 value)
{
    if (__builtin_expect(at > USER_TOP - sizeof value, 0))
        return -E_FAULT;
    __asm__ goto("1: movw %w1, (%0)\n\t" USER_FIXUP("1b", "%l[fault]")
                 :
                 : "r"(at), "r"(value)
                 : "memory"
                 : fault);
    return 0;
fault:
    return copy_to_user_any(at, &value, sizeof value);
}

bool
user_cmpxchg32_nofault(uaddr at, u32 *expected, u32 desired)
{
    u32 seen = *expected;
    if (!user_range(at, 4))
        return false;
    __asm__ goto("1: lock cmpxchgl %2, (%1)\n\t" USER_FIXUP("1b", "%l[fault]")
                 : "+a"(seen)
                 : "r"(at), "r"(desired)
                 : "memory", "cc"
                 : fault);
    *expected = seen;
    return true;
fault:
    return false;
}

int
user_cmpxchg32(uaddr at, u32 *expected, u32 desired)
{
    if (at & 3)
        return -E_INVAL;
    if (!user_range(at, 4))
        return -E_FAULT;
    while (!user_cmpxchg32_nofault(at, expected, desired)) {
        if (!usercopy_pager || usercopy_pager(at, true) != 0)
            return -E_FAULT;
    }
    return 0;
}
