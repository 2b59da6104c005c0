/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/maps, smaps, smaps_rollup.  A piece is a few areas; its cursor is the address
 * behind the last of them, so a reader sees each address at most once, whatever is mapped
 * meanwhile.  Cost: O(log areas) for each area; smaps: its pages besides.
 */
#include "core/digits.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "ipc/shm.h"
#include "procfs/shows.h"
#include "vm/info.h"
#include "vm/mm.h"

#define PIECE_BYTES 3072u
#define NAME_BYTES 4096u
#define NAME_COLUMN 73u
#define LINE_BYTES 256u /* without its name */

static u32
dev_major(u64 dev)
{
    return (u32)(dev >> 8 & 0xfff) | (u32)(dev >> 32 & ~0xfffull);
}

static u32
dev_minor(u64 dev)
{
    return (u32)(dev & 0xff) | (u32)(dev >> 12 & ~0xffull);
}

static void
area_name(struct text *t, const struct mm_area_info *a, char *buffer)
{
    static const char *const names[] = {
        [MM_NAME_NONE] = "",         [MM_NAME_HEAP] = "[heap]", [MM_NAME_STACK] = "[stack]",
        [MM_NAME_VVAR] = "[vvar]", [MM_NAME_VDSO] = "[vdso]",
    };
    i32 id, key;
    u64 bytes;
    if (a->file != NULL && a->file->path.dentry != NULL) {
        if (place_name(&a->file->path, buffer, NAME_BYTES) > 0)
            text_quote(t, buffer, "\n");
    } else if (a->file != NULL && shm_file(a->file, &id, &key, &bytes)) {
        text_add(t, "/SYSV%08x (deleted)", (u32)key);
    } else if (a->file != NULL) {
        text_add(t, "/memfd: (deleted)");
    } else if (a->inode != NULL) {
        text_add(t, "/dev/zero (deleted)");
    } else {
        text_add(t, "%s", names[a->name]);
    }
}

/* Of a segment its id, as on Linux (ipcs and lsof know it by that). */
static u64
area_ino(const struct mm_area_info *a, const struct inode *i)
{
    i32 id, key;
    u64 bytes;
    if (a->file != NULL && shm_file(a->file, &id, &key, &bytes))
        return (u32)id;
    return i != NULL ? i->ino : 0;
}

static void
area_line(struct text *t, const struct mm_area_info *a, char *buffer)
{
    const struct inode *i = a->file != NULL ? a->file->inode : a->inode;
    u64 dev = i != NULL && i->fs != NULL ? i->fs->dev : 0;
    u32 before = t->length;
    char *to = text_room(t, LINE_BYTES);
    if (to == NULL)
        return;
    to = digits_hex(to, a->start, 8);
    *to++ = '-';
    to = digits_hex(to, a->end, 8);
    const char rights[] = { ' ', (a->prot & PROT_R) != 0 ? 'r' : '-',
                            (a->prot & PROT_W) != 0 ? 'w' : '-',
                            (a->prot & PROT_X) != 0 ? 'x' : '-',
                            (a->flags & AREA_SHARED) != 0 ? 's' : 'p', ' ' };
    __builtin_memcpy(to, rights, sizeof rights);
    to += sizeof rights;
    if (i == NULL && a->offset == 0) {
        static const char nowhere[] = "00000000 00:00 0 ";
        __builtin_memcpy(to, nowhere, sizeof nowhere - 1);
        to += sizeof nowhere - 1;
    } else {
        to = digits_hex(to, a->offset, 8);
        *to++ = ' ';
        to = digits_hex(to, dev_major(dev), 2);
        *to++ = ':';
        to = digits_hex(to, dev_minor(dev), 2);
        t->length = (u32)(to - t->at);
        u64 ino = area_ino(a, i);
        text_numbers(t, &ino, 1);
        to = t->at + t->length; /* where it was: LINE_BYTES are there */
        *to++ = ' ';
    }
    t->length = (u32)(to - t->at);
    if (i != NULL || a->name != MM_NAME_NONE) {
        text_pad(t, before, NAME_COLUMN);
        area_name(t, a, buffer);
    }
    text_put(t, "\n", 1);
}

typedef void (*area_fn)(struct view *v, struct text *t, const struct mm_area_info *a,
                        char *buffer);

/* Areas from the cursor on, until the piece is long enough. */
static int
show_areas(struct view *v, struct text *t, area_fn fn)
{
    struct mm_area_info a;
    char *buffer = heap_alloc(NAME_BYTES);
    if (buffer == NULL)
        return -E_NOMEM;
    while (!v->ended && t->length < PIECE_BYTES) {
        if (v->mm == NULL || !mm_next_area(v->mm, v->cursor, &a)) {
            v->ended = true;
            break;
        }
        fn(v, t, &a, buffer);
        v->cursor = a.end;
        mm_area_info_drop(&a);
    }
    heap_free(buffer);
    return 0;
}

static void
show_map(struct view *v, struct text *t, const struct mm_area_info *a, char *buffer)
{
    (void)v;
    area_line(t, a, buffer);
}

int
maps_show(struct view *v, struct text *t)
{
    return show_areas(v, t, show_map);
}

/* ---- smaps ---- */

static void
usage_lines(struct text *t, const struct mm_area_usage *u)
{
    text_kilobytes(t, "Rss", u->rss);
    text_kilobytes(t, "Pss", u->pss);
    text_kilobytes(t, "Shared_Clean", u->shared_clean);
    text_kilobytes(t, "Shared_Dirty", u->shared_dirty);
    text_kilobytes(t, "Private_Clean", u->private_clean);
    text_kilobytes(t, "Private_Dirty", u->private_dirty);
    text_kilobytes(t, "Referenced", u->referenced);
    text_kilobytes(t, "Anonymous", u->anonymous);
    text_kilobytes(t, "LazyFree", u->lazy);
    text_kilobytes(t, "AnonHugePages", u->large);
    static const char none[] = "ShmemPmdMapped:        0 kB\n"
                               "FilePmdMapped:         0 kB\n"
                               "Shared_Hugetlb:        0 kB\n"
                               "Private_Hugetlb:       0 kB\n"
                               "Swap:                  0 kB\n"
                               "SwapPss:               0 kB\n";
    text_put(t, none, sizeof none - 1);
    text_kilobytes(t, "Locked", u->locked);
}

static void
flag_line(struct text *t, const struct mm_area_info *a)
{
    static const struct {
        u32 flag;
        char name[4];
    } flags[] = {
        { AREA_SHARED, "sh " },       { AREA_GROWSDOWN, "gd " },  { AREA_LOCKED, "lo " },
        { AREA_NORESERVE, "nr " },    { AREA_DONTFORK, "dc " },   { AREA_DONTDUMP, "dd " },
        { AREA_RANDOM, "rr " },       { AREA_SEQUENTIAL, "sr " }, { AREA_WIPEONFORK, "wf " },
        { AREA_HUGEPAGE, "hg " },     { AREA_NOHUGEPAGE, "nh " }, { AREA_MERGEABLE, "mg " },
    };
    static const char rights[] = "rd wr ex ";
    text_put(t, "THPeligible:    0\nVmFlags: ", 27);
    for (u32 i = 0; i < 3; i++)
        if ((a->prot & (u32[]){ PROT_R, PROT_W, PROT_X }[i]) != 0)
            text_put(t, rights + 3 * i, 3);
    for (u32 i = 0; i < ARRAY_SIZE(flags); i++)
        if ((a->flags & flags[i].flag) != 0)
            text_put(t, flags[i].name, 3);
    text_put(t, "\n", 1);
}

static void
show_smap(struct view *v, struct text *t, const struct mm_area_info *a, char *buffer)
{
    struct mm_area_usage u;
    if (!mm_area_usage(v->mm, a->start, &u))
        return; /* it has gone */
    area_line(t, a, buffer);
    text_kilobytes(t, "Size", a->end - a->start);
    static const char sizes[] = "KernelPageSize:        4 kB\n"
                                "MMUPageSize:           4 kB\n";
    text_put(t, sizes, sizeof sizes - 1);
    usage_lines(t, &u);
    flag_line(t, a);
}

int
smaps_show(struct view *v, struct text *t)
{
    return show_areas(v, t, show_smap);
}

int
rollup_show(struct view *v, struct text *t)
{
    struct mm_area_usage sum = { 0 }, u;
    struct mm_area_info a;
    uaddr first = 0, end = 0;
    v->ended = true;
    while (v->mm != NULL && mm_next_area(v->mm, end, &a)) {
        if (mm_area_usage(v->mm, a.start, &u)) {
            for (u32 i = 0; i < sizeof sum / sizeof(u64); i++)
                ((u64 *)&sum)[i] += ((const u64 *)&u)[i];
        }
        first = first == 0 ? a.start : first;
        end = a.end;
        mm_area_info_drop(&a);
        thread_breathe();
    }
    if (end == 0)
        return 0;
    text_add(t, "%08lx-%08lx ---p 00000000 00:00 0 %*s[rollup]\n", first, end, 26, "");
    usage_lines(t, &sum);
    return 0;
}
