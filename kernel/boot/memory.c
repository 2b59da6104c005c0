/* SPDX-License-Identifier: MIT */
/*
 * Which memory is free at boot, who got the rest, and the first types of frames.
 *
 * M1. boot_info->free is sorted, without overlaps, and never contains the image, the
 *     initrd or memory below 1 MiB.
 * M2. A frame that boot_frames gave before memory_records is KERNEL; a later one DATA.
 */
#include "base/cpu.h"
#include "base/panic.h"
#include "boot/boot.h"
#include "boot/pvh.h"
#include "frame/frame.h"
#include "hal/hal_boot.h"

#define LOW_FRAMES 256u /* 1 MiB */
#define KERNEL_BASE 0xffffffff80000000ull

extern const u8 image_start[], data_end[], image_end[];

static struct range_set taken; /* M2 */
static bool records_made;
static frame_t limit = HAL_EARLY_LIMIT >> PAGE_SHIFT;

static frame_t
image_frame(const void *p)
{
    return ((u64)p - KERNEL_BASE) >> PAGE_SHIFT;
}

static frame_t
frame_up(u64 address)
{
    return (address + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static void
range_insert(struct range_set *set, unsigned at, struct fb_range r)
{
    if (set->n == FB_BOOT_RANGES) {
        kerror("error: too many ranges of memory: frames 0x%lx to 0x%lx are not used\n",
               r.lo, r.hi);
        return;
    }
    for (unsigned i = set->n++; i > at; i--)
        set->range[i] = set->range[i - 1];
    set->range[at] = r;
}

static void
range_delete(struct range_set *set, unsigned at)
{
    set->n--;
    for (unsigned i = at; i < set->n; i++)
        set->range[i] = set->range[i + 1];
}

/* Add [lo, hi), joined with the ranges that it touches. */
void
range_add(struct range_set *set, frame_t lo, frame_t hi)
{
    if (lo >= hi)
        return;
    unsigned at = 0;
    while (at < set->n && set->range[at].hi < lo)
        at++;
    while (at < set->n && set->range[at].lo <= hi) {
        lo = set->range[at].lo < lo ? set->range[at].lo : lo;
        hi = set->range[at].hi > hi ? set->range[at].hi : hi;
        range_delete(set, at);
    }
    range_insert(set, at, (struct fb_range){lo, hi});
}

void
range_remove(struct range_set *set, frame_t lo, frame_t hi)
{
    for (unsigned i = 0; i < set->n; i++) {
        struct fb_range r = set->range[i];
        if (r.hi <= lo || r.lo >= hi)
            continue;
        range_delete(set, i--);
        if (r.lo < lo)
            range_insert(set, (unsigned)++i, (struct fb_range){r.lo, lo});
        if (r.hi > hi)
            range_insert(set, (unsigned)++i, (struct fb_range){hi, r.hi});
    }
}

/* boot_info's list is a range_set in another shape. */
static void
free_load(struct range_set *set)
{
    set->n = boot_info->nfree;
    __builtin_memcpy(set->range, boot_info->free, sizeof(set->range));
}

static void
free_store(const struct range_set *set)
{
    boot_info->nfree = set->n;
    __builtin_memcpy(boot_info->free, set->range, sizeof(set->range));
}

void
memory_setup(const struct boot_source *from)
{
    struct range_set set = from->ram;
    range_remove(&set, 0, LOW_FRAMES);
    range_remove(&set, image_frame(image_start), image_frame(image_end));
    if (from->initrd.lo < from->initrd.hi)
        range_remove(&set, from->initrd.lo >> PAGE_SHIFT, frame_up(from->initrd.hi));
    free_store(&set);
    boot_info->frames = from->ram.n != 0 ? from->ram.range[from->ram.n - 1].hi : 0;
}

void
memory_all_mapped(void)
{
    limit = ~0ull;
}

/* From the top of the highest range that has room: low memory is left for devices that
 * need it. */
frame_t
boot_frames(u64 n, u64 align)
{
    struct range_set set;
    free_load(&set);
    for (unsigned i = set.n; i-- != 0;) {
        frame_t hi = set.range[i].hi < limit ? set.range[i].hi : limit;
        if (hi < n || set.range[i].lo > hi - n)
            continue;
        frame_t lo = (hi - n) & ~(align - 1);
        if (lo < set.range[i].lo)
            continue;
        range_remove(&set, lo, lo + n);
        free_store(&set);
        if (!records_made)
            range_add(&taken, lo, lo + n);
        __builtin_memset(frame_ptr(lo), 0, n << PAGE_SHIFT);
        return lo;
    }
    panic("no %lu contiguous free frames at boot", n);
}

static void
make_kernel(frame_t lo, frame_t hi)
{
    frame_boot_type(lo, hi, FB_FRAME_KERNEL);
    boot_info->kernel_frames += hi - lo;
}

static void
make_public(const void *p, u64 bytes)
{
    frame_t f = ptr_frame(p);
    frame_boot_type(f, f + (bytes + PAGE_SIZE - 1) / PAGE_SIZE, FB_FRAME_PUBLIC);
}

void
memory_records(const struct boot_source *from)
{
    u64 bytes = frame_records_bytes(boot_info->frames);
    frame_t first = boot_frames(frame_up(bytes), 1);
    boot_info->records_frame = first;
    boot_info->record_frame = ptr_frame(record);
    frame_init(frame_ptr(first), boot_info->frames);
    records_made = true;

    for (unsigned i = 0; i < boot_info->nfree; i++)
        frame_boot_type(boot_info->free[i].lo, boot_info->free[i].hi, FB_FRAME_DATA);
    for (unsigned i = 0; i < taken.n; i++)
        make_kernel(taken.range[i].lo, taken.range[i].hi);
    frame_boot_type(first,
                    first + frame_up(boot_info->frames * sizeof(struct fb_frame_record)),
                    FB_FRAME_PUBLIC);
    make_kernel(image_frame(image_start), image_frame(data_end));
    /* The blobs are given away. */
    frame_boot_type(image_frame(data_end), image_frame(image_end), FB_FRAME_DATA);
    make_public(record, sizeof(*record));
    make_public(boot_info, sizeof(*boot_info));
    if (from->initrd.lo < from->initrd.hi)
        frame_boot_type(from->initrd.lo >> PAGE_SHIFT, frame_up(from->initrd.hi),
                        FB_FRAME_DATA);
}
