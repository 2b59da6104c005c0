/* SPDX-License-Identifier: MIT */
/*
 * /dev/feuer: what this instance holds, as lines of `name value`, so that a test can see
 * that nothing was lost.
 *
 *   frames_total, frames_free, frames_tables, frames_tables_free   frames of memory;
 * page-table frames, and clean ones among them heap_objects, heap_bytes, heap_frames the
 * LibOS's heap slots_used                                                     capability
 * slots in the domain's table processes, inodes, file_pages processes alive or not yet
 * waited for; tmpfs
 */
#include "boot/rooms.h"

#include "core/heap.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/page.h"
#include "core/format.h"
#include "core/work.h"
#include "fs/dev/dev.h"
#include "fs/tmpfs/tmpfs.h"
#include "proc/proc.h"
#include "vm/mm.h"

static size_t
write_counts(char *to, size_t size)
{
    struct page_counts pages;
    struct heap_counts heap;
    struct tmpfs_counts files;

    work_queue_drain(&work_shared); /* what is about to be let go of is not held */
    page_count(&pages);
    heap_count(&heap);
    tmpfs_count(&files);
    /* A spare space is as free as a frame in a cache: its structure, its two roots, its
     * name. */
    u64 spares = mm_spares();
    heap.objects -= spares;
    /* The pool of page tables keeps what it once needed: its chunks are a cache, too. */
    heap.objects -= pages.table_chunks;
    pages.tables_free += 2 * spares;
    return format_text(
        to, size,
        "frames_total %lu\nframes_free %lu\nframes_tables %lu\nframes_tables_free %lu\n"
        "heap_objects %lu\nheap_bytes %lu\nheap_frames %lu\nslots_used %lu\n"
        "processes %lu\ninodes %lu\nfile_pages %lu\n",
        pages.total, pages.free, pages.tables, pages.tables_free, heap.objects,
        heap.bytes, heap.frames, hw_slots_used() - spares, proc_count(), files.inodes,
        files.pages);
}

static i64
counts_read(struct file *f, struct uio *u, u64 *pos)
{
    char text[512];
    size_t length = write_counts(text, sizeof(text));

    (void)f;
    if (*pos >= length)
        return 0;
    u64 n = MIN(u->left, length - *pos);
    int r = uio_put(u, text + *pos, n);
    if (r != 0)
        return r;
    *pos += n;
    return (i64)n;
}

static const struct file_ops counts_ops = { .read = counts_read };
static struct device counts_device = { .name = "feuer",
                                       .mode = 0444,
                                       .ops = &counts_ops };

void
counts_init(void)
{
    counts_device.rdev = vfs_rdev(240, 16); /* 240-254 are for local use */
    dev_register(&counts_device);
}
