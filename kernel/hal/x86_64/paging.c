/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own page tables.
 *
 * G1. Text and constants are never writable, not by their addresses in the physical map
 *     either; nothing but text and the entry stubs is executable at kernel addresses.
 * G2. The top-level entries are complete after hal_boot_paging; each root copies them
 *     (hal_root_init), so that what is added below them later is seen through every root.
 * G3. Nothing but RAM is in the physical map.
 */
#include "base/panic.h"
#include "boot/boot.h"
#include "hal/x86_64/x86.h"

extern u8 image_start[], text_end[], rodata_end[], data_end[];

u64 hal_kernel_cr3;
static u64 *kernel_root;
static u64 device_next = DEVICE_BASE;

/* The entry for `va` at `level` (1: 4 KiB, 2: 2 MiB, 3: 1 GiB); nodes on the way are
 * made. */
static u64 *
entry_at(u64 va, unsigned level)
{
    u64 *table = kernel_root;
    for (unsigned at = 4; at > level; at--) {
        u64 *entry = &table[va >> (12 + 9 * (at - 1)) & 511];
        ASSERT(!(*entry & PTE_LARGE));
        if (!(*entry & PTE_P))
            *entry = boot_frames(1, 1) << PAGE_SHIFT | PTE_P | PTE_W | PTE_AD;
        table = phys_ptr(*entry & PTE_ADDR);
    }
    return &table[va >> (12 + 9 * (level - 1)) & 511];
}

static void
map_pages(u64 va, u64 pa, u64 bytes, unsigned level, u64 flags)
{
    u64 step = 1ull << (12 + 9 * (level - 1));
    u64 *entry = NULL;
    for (u64 end = va + bytes; va != end; va += step, pa += step, entry++) {
        if (entry == NULL || ((u64)entry & 4095) == 0)
            entry = entry_at(va, level);
        *entry = pa | flags | (level > 1 ? PTE_LARGE : 0) | PTE_P | PTE_AD;
    }
}

/* Map [lo, hi) of RAM, writable, with the largest pages that fit. */
static void
map_writable(u64 lo, u64 hi)
{
    unsigned top = cpu_features & FB_FEATURE_PAGE1G ? 3 : 2;
    while (lo < hi) {
        unsigned level = top;
        u64 size = 1ull << (12 + 9 * (level - 1));
        while (level > 1 && ((lo & (size - 1)) || hi - lo < size)) {
            level--;
            size >>= 9;
        }
        /* As far as this size goes: to the end, or to where a larger one fits. */
        u64 end = hi & ~(size - 1);
        u64 larger = (lo + (size << 9) - 1) & ~((size << 9) - 1);
        if (level < top && larger > lo && larger + (size << 9) <= hi)
            end = larger;
        map_pages(PHYSMAP_BASE + lo, lo, end - lo, level, PTE_W | PTE_NX);
        lo = end;
    }
}

/* The same, but the frames of the kernel's text and constants read-only (G1). */
static void
map_ram(u64 lo, u64 hi)
{
    u64 from = (u64)image_start - KERNEL_BASE, to = (u64)rodata_end - KERNEL_BASE;
    if (lo <= from && to <= hi) {
        map_writable(lo, from);
        map_pages(PHYSMAP_BASE + from, from, to - from, 1, PTE_NX);
        lo = to;
    }
    map_writable(lo, hi);
}

static void
map_image(const u8 *from, const u8 *to, u64 flags)
{
    map_pages((u64)from, (u64)from - KERNEL_BASE, (u64)(to - from), 1, flags);
}

static void
map_new(u64 va, u64 pages, u64 flags)
{
    frame_t f = boot_frames(pages, 1);
    map_pages(va, f << PAGE_SHIFT, pages << PAGE_SHIFT, 1, flags);
}

/* A CPU's area, as base/cpu.h draws it. */
static void
map_cpu_area(u32 id)
{
    u64 area = CPU_AREA_BASE + id * CPU_AREA_SIZE;
    frame_t stub = boot_frames(1, 1);
    ASSERT(stub_end - stub_start <= 4096);
    __builtin_memcpy(frame_ptr(stub), stub_start, (u64)(stub_end - stub_start));
    map_pages(area, stub << PAGE_SHIFT, PAGE_SIZE, 1, 0);

    frame_t data = boot_frames(2, 1);
    map_pages(area + CPU_DATA_OFFSET, data << PAGE_SHIFT, 2 * PAGE_SIZE, 1,
              PTE_W | PTE_NX);
    struct cpu *cpu = frame_ptr(data);
    cpu->id = id;
    cpu->apic_id = machine.apic_id[id];
    cpu->stack_top = area + CPU_AREA_SIZE;
    cpu->armed = cpu->slice_end = ~0ull;

    map_new(area + 0x4000, 4, PTE_W | PTE_NX);
    map_new(area + 0xc000, 4, PTE_W | PTE_NX);
}

void
hal_boot_paging(const struct fb_range *ram, unsigned n)
{
    frame_t root = boot_frames(1, 1);
    kernel_root = frame_ptr(root);
    hal_kernel_cr3 = root << PAGE_SHIFT;
    map_image(image_start, text_end, 0);
    map_image(text_end, rodata_end, PTE_NX);
    map_image(rodata_end, data_end, PTE_W | PTE_NX);
    for (unsigned i = 0; i < n; i++)
        map_ram(ram[i].lo << PAGE_SHIFT, ram[i].hi << PAGE_SHIFT);
    for (u32 id = 0; id < cpu_count; id++)
        map_cpu_area(id);
    (void)entry_at(DEVICE_BASE, 1); /* G2, and device_map needs no memory */
}

static void (*after_switch)(void);

static void
on_first_stack(void)
{
    cpu_setup(0);
    atomic_store(&this_cpu()->online, 1);
    after_switch();
    panic("start-up came to its end");
}

NORETURN void
hal_boot_switch(void (*next)(void))
{
    after_switch = next;
    /* The boot stack is in the image, which both tables map. */
    hal_cr3_write(hal_kernel_cr3);
    start_on_stack(CPU_AREA_BASE + CPU_AREA_SIZE, on_first_stack);
}

void
hal_root_init(u64 *root)
{
    for (unsigned i = 384; i < 384 + PHYSMAP_SLOTS; i++)
        root[i] = kernel_root[i];
    root[511] = kernel_root[511];
}

volatile void *
device_map(u64 address, u64 bytes)
{
    u64 lo = address & ~(PAGE_SIZE - 1);
    u64 size = ((address + bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)) - lo;
    if (address >= 1ull << 52 || size == 0 ||
        size > DEVICE_BASE + (2ull << 20) - device_next)
        return NULL;
    u64 va = device_next;
    map_pages(va, lo, size, 1, PTE_W | PTE_NX | PTE_UNCACHED);
    device_next += size;
    return (volatile void *)(va + (address - lo));
}
