/* SPDX-License-Identifier: MIT */
/*
 * The kernel's basic types.  paddr and vaddr are one-member structs only where mixing
 * them up is likely; frame numbers (frame_t) are plain integers, as in the contract.
 */
#ifndef KERNEL_BASE_TYPES_H
#define KERNEL_BASE_TYPES_H

#include <abi/calls.h>
#include <abi/layout.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef u64 frame_t; /* physical frame number */

#define PAGE_SIZE                     4096ull
#define PAGE_SHIFT                    12
#define MUST_CHECK                    __attribute__((warn_unused_result))
#define INLINE inline __attribute__((always_inline))
#define NORETURN                      __attribute__((noreturn))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

/* The kernel's linear map of all physical memory: top-level slots 384.., no-execute. */
#ifndef FB_HOST
#define PHYSMAP_BASE 0xffffc00000000000ull
#else
extern u64 physmap_base; /* host tests: where the fake memory is */
#define PHYSMAP_BASE physmap_base
#endif
#define PHYSMAP_SLOTS 64u /* 32 TiB */

static inline void *
frame_ptr(frame_t frame)
{
    return (void *)(PHYSMAP_BASE + (frame << PAGE_SHIFT));
}
static inline frame_t
ptr_frame(const void *p)
{
    return ((u64)p - PHYSMAP_BASE) >> PAGE_SHIFT;
}

#endif
