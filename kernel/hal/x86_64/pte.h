/* SPDX-License-Identifier: MIT */
/*
 * Page-table entries of 4-level paging (SDM vol. 3, 4.5), and the kernel's encoding of
 * "no access".
 *
 * A held entry keeps its frame and its count while nothing may be accessed through it:
 * the present bit is clear, so that the hardware ignores the rest, PTE_HELD is set, and
 * the frame, large, cache and dirty bits stand where they always do.
 */
#ifndef KERNEL_HAL_X86_64_PTE_H
#define KERNEL_HAL_X86_64_PTE_H

#include "base/types.h"

#define PTE_P FB_PTE_PRESENT
#define PTE_W FB_PTE_WRITE
#define PTE_U FB_PTE_USER
#define PTE_PWT 0x8ull
#define PTE_PCD 0x10ull
#define PTE_A FB_PTE_ACCESSED
#define PTE_D FB_PTE_DIRTY
#define PTE_LARGE                                                                        \
    FB_PTE_LARGE          /* at levels 1 and 2; at level 0 the bit is PAT, never set */
#define PTE_HELD 0x200ull /* software */
#define PTE_NX FB_PTE_NX
#define PTE_NODE (PTE_P | PTE_W | PTE_U) /* upper levels: the leaf decides */
#define PTE_SHARED_NODE (PTE_P | PTE_U) /* a page table of several spaces (S8) */
#define PTE_ENTRIES 512u
#define PTE_TOP 3u /* level of the root's entries; 0: of a page table's */

static inline u64
pte_load(const u64 *entry)
{
    return __atomic_load_n(entry, __ATOMIC_RELAXED);
}
static inline void
pte_store(u64 *entry, u64 value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}
static inline u64
pte_exchange(u64 *entry, u64 value)
{
    return __atomic_exchange_n(entry, value, __ATOMIC_ACQ_REL);
}
static inline bool
pte_is_node(u64 entry)
{
    return (entry & (PTE_P | PTE_LARGE)) == PTE_P;
}
static inline bool
pte_is_shared(u64 entry)
{
    return (entry & (PTE_P | PTE_LARGE | PTE_W)) == PTE_P;
}
static inline frame_t
pte_frame(u64 entry)
{
    return FB_PTE_FRAME(entry);
}

/* Bytes that one entry of a level covers: 4 KiB, 2 MiB, 1 GiB, 512 GiB. */
static inline u64
pte_span(unsigned level)
{
    return 1ull << (PAGE_SHIFT + 9 * level);
}
static inline unsigned
pte_index(u64 va, unsigned level)
{
    return (unsigned)(va >> (PAGE_SHIFT + 9 * level)) & (PTE_ENTRIES - 1);
}

/* The rights of a leaf as FB_MAP_READ|WRITE|EXEC, and back (without frame and size). */
static inline u32
pte_rights(u64 entry)
{
    if (!(entry & PTE_P))
        return 0;
    return FB_MAP_READ | (entry & PTE_W ? FB_MAP_WRITE : 0) |
           (entry & PTE_NX ? 0 : FB_MAP_EXEC);
}
static inline u64
pte_of_rights(u32 rights)
{
    if (!(rights & FB_MAP_READ))
        return PTE_HELD | PTE_U | PTE_NX;
    return PTE_P | PTE_U | (rights & FB_MAP_WRITE ? PTE_W : 0) |
           (rights & FB_MAP_EXEC ? 0 : PTE_NX);
}
#define PTE_RIGHTS (PTE_P | PTE_W | PTE_U | PTE_NX | PTE_HELD)

#endif
