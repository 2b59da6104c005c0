/* SPDX-License-Identifier: MIT */
/*
 * The options of a tmpfs and its limits: the kinds tmpfs and ramfs of mount(2), remount,
 * what /proc shows.  Numbers may end in k, m, g, t; a size also in %, of the memory.  All
 * options are looked at before one is taken.
 * Locking: remount changes limits while others charge; each is one word that is read once
 * for each charge, so a charge sees the old limit or the new one.
 */
#include "core/error.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/tmpfs/private.h"
#include "vfs/mount.h"

#define MODE_DEFAULT 01777u

struct options {
    u64 pages, inodes;
    u32 mode, uid, gid;
    bool has_pages, has_inodes, has_mode, has_uid, has_gid;
};

/* A number with a suffix; all of `s` up to `end` is used. */
static bool
sized_number(const char *s, const char *end, bool percent, u64 *out)
{
    const char *stop, *letters = "kmgtpe";
    u64 v;
    if (!string_number(s, 0, &v, &stop))
        return false;
    if (percent && *stop == '%' && stop + 1 == end) {
        struct page_counts c;
        page_count(&c);
        *out = v > 1000 ? ~0ull : c.total * v / 100 * PAGE_SIZE;
        return true;
    }
    const char *letter = stop < end ? strchr(letters, *stop | 0x20) : NULL;
    if (letter != NULL && *letter != '\0') {
        u32 shift = 10 * (u32)(letter - letters + 1);
        if (v >> (64 - shift) != 0)
            return false;
        v <<= shift;
        stop++;
    }
    *out = v;
    return stop == end;
}

static bool
plain_number(const char *s, const char *end, unsigned base, u32 *out)
{
    const char *stop;
    u64 v;
    if (!string_number(s, base, &v, &stop) || stop != end || v > ~0u)
        return false;
    *out = (u32)v;
    return true;
}

static bool
is_name(const char *s, u64 length, const char *name)
{
    return strlen(name) == length && strncmp(s, name, length) == 0;
}

/* One option, [at, end). */
static bool
parse_one(const char *at, const char *end, struct options *o)
{
    const char *v = at;
    while (v < end && *v != '=')
        v++;
    u64 length = (u64)(v - at), n;
    bool has_value = v < end;
    v += has_value;
    if (is_name(at, length, "inode64") || is_name(at, length, "inode32"))
        return !has_value;
    if (!has_value)
        return false;
    if (is_name(at, length, "size")) {
        if (!sized_number(v, end, true, &n))
            return false;
        o->pages = PAGE_UP(n) >> PAGE_SHIFT;
        return o->has_pages = true;
    }
    if (is_name(at, length, "nr_blocks"))
        return o->has_pages = sized_number(v, end, false, &o->pages);
    if (is_name(at, length, "nr_inodes"))
        return o->has_inodes = sized_number(v, end, false, &o->inodes);
    if (is_name(at, length, "mode")) {
        if (!plain_number(v, end, 8, &o->mode))
            return false;
        o->mode &= 07777u;
        return o->has_mode = true;
    }
    if (is_name(at, length, "uid"))
        return o->has_uid = plain_number(v, end, 10, &o->uid);
    if (is_name(at, length, "gid"))
        return o->has_gid = plain_number(v, end, 10, &o->gid);
    return is_name(at, length, "huge") && is_name(v, (u64)(end - v), "never");
}

static int
parse(const char *data, struct options *o)
{
    *o = (struct options){ .mode = MODE_DEFAULT };
    while (*data != '\0') {
        const char *end = strchr(data, ',');
        if (end == NULL)
            end = data + strlen(data);
        if (end != data && !parse_one(data, end, o))
            return -E_INVAL;
        data = *end == ',' ? end + 1 : end;
    }
    return 0;
}

static u64
default_limit(void)
{
    struct page_counts c;
    page_count(&c);
    return MAX(c.total / 2, 1);
}

static void
set_root(struct inode *root, const struct options *o)
{
    root->mode = o->mode;
    root->uid = o->uid;
    root->gid = o->gid;
}

static int
make_tmpfs(const struct fs_type *type, const char *data, struct filesystem **out)
{
    struct options o;
    int r = parse(data, &o);
    if (r == 0)
        r = tmpfs_create(out);
    if (r != 0)
        return r;
    struct tmpfs *t = container_of(*out, struct tmpfs, fs);
    t->fs.name = type->name;
    t->limit_pages = o.has_pages ? o.pages : default_limit();
    t->limit_inodes = o.has_inodes ? o.inodes : default_limit();
    t->fs.show = tmpfs_show;
    t->fs.remount = tmpfs_remount;
    t->mode = o.mode;
    t->uid = o.uid;
    t->gid = o.gid;
    set_root(t->fs.root, &o);
    return 0;
}

/* ramfs has no limits and one option; others are ignored, as Linux does. */
static int
make_ramfs(const struct fs_type *type, const char *data, struct filesystem **out)
{
    struct options o;
    if (parse(data, &o) != 0)
        o.mode = 0755;
    int r = tmpfs_create(out);
    if (r != 0)
        return r;
    struct tmpfs *t = container_of(*out, struct tmpfs, fs);
    t->fs.name = type->name;
    t->type = STATFS_RAMFS;
    (*out)->root->mode = o.has_mode ? o.mode : 0755;
    return 0;
}

/* Limits may not go below what is used, and what was unlimited is not counted from the
 * beginning, so it stays so. */
static int
may_limit(bool given, u64 old, u64 fresh, u64 used)
{
    if (!given)
        return 0;
    if (fresh != 0 && (old == 0 || used > fresh))
        return -E_INVAL;
    return 0;
}

int
tmpfs_remount(struct filesystem *fs, const char *data)
{
    struct tmpfs *t = container_of(fs, struct tmpfs, fs);
    struct options o;
    int r = parse(data, &o);
    if (r == 0)
        r = may_limit(o.has_pages, t->limit_pages, o.pages, atomic_load(&t->pages));
    if (r == 0)
        r = may_limit(o.has_inodes, t->limit_inodes, o.inodes, atomic_load(&t->charged));
    if (r != 0)
        return r;
    if (o.has_pages)
        __atomic_store_n(&t->limit_pages, o.pages, __ATOMIC_RELAXED);
    if (o.has_inodes)
        __atomic_store_n(&t->limit_inodes, o.inodes, __ATOMIC_RELAXED);
    return 0;
}

void
tmpfs_show(struct filesystem *fs, char *to, u32 size)
{
    const struct tmpfs *t = container_of(fs, struct tmpfs, fs);
    char part[48];
    to[0] = '\0';
#define SHOW(condition, ...)                                                          \
    do {                                                                              \
        u32 used_ = (u32)strlen(to);                                                  \
        if ((condition) && format_text(part, sizeof part, __VA_ARGS__) > 0)           \
            string_copy(to + used_, part, size - used_);                              \
    } while (0)
    SHOW(t->limit_pages != default_limit(), ",size=%luk",
         (unsigned long)(t->limit_pages << (PAGE_SHIFT - 10)));
    SHOW(t->limit_inodes != default_limit(), ",nr_inodes=%lu",
         (unsigned long)t->limit_inodes);
    SHOW(t->mode != MODE_DEFAULT, ",mode=%o", t->mode);
    SHOW(t->uid != 0, ",uid=%u", t->uid);
    SHOW(t->gid != 0, ",gid=%u", t->gid);
    SHOW(true, ",inode64");
#undef SHOW
}

void
tmpfs_init(void)
{
    static struct fs_type tmpfs = { .name = "tmpfs", .make = make_tmpfs },
                          ramfs = { .name = "ramfs", .make = make_ramfs };
    if (fs_type_find("tmpfs") != NULL)
        return;
    fs_type_register(&tmpfs);
    fs_type_register(&ramfs);
}
