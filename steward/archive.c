/* SPDX-License-Identifier: MIT */
/* See archive.h. */
#include "steward/archive.h"
#include "steward/steward.h"

#define KERNEL_VA   (FB_WINDOW_BASE + 0x7800000000ull)
#define BUNDLE_VA   (FB_WINDOW_BASE + 0x7900000000ull)
#define PERSONALITY "personality:"
#define SYMBOLS     "symbols:"

struct entry { /* as tools/pack.py writes it */
    char name[48];
    u64 offset, bytes;
};
#define ENTRIES ((PAGE - 16) / sizeof(struct entry))
static struct archive {
    const u8 *at;
    u64 physical, bytes;
} bundle, kernel_file;

static void
map_pages(u64 va, u64 physical, u64 bytes)
{
    long error = window_map(0, va, BOOT->cap_memory, physical / PAGE,
                            (bytes + PAGE - 1) / PAGE, FB_MAP_READ, NULL);

    if (error)
        give_up("cannot map an archive: %s", fb_error_name(error));
}

/* Entry i, if it lies in the archive. */
static const struct entry *
entry_at(const struct archive *a, u64 i)
{
    const struct entry *e = (const struct entry *)(const void *)(a->at + 16) + i;

    return e->offset % PAGE == 0 && e->offset <= a->bytes &&
                   e->bytes <= a->bytes - e->offset
               ? e
               : NULL;
}

static u64
entries(const struct archive *a)
{
    u64 count = a->at ? *(const u64 *)(const void *)(a->at + 8) : 0;
    return count < ENTRIES ? count : ENTRIES;
}

/* The bundle's first page tells whether it is one; of the rest only images are read. */
static void
open_bundle(void)
{
    u64 lo = BOOT->initrd.lo, bytes = BOOT->initrd.hi - lo;

    if (bytes < PAGE || lo % PAGE != 0)
        return;
    map_pages(BUNDLE_VA, lo, PAGE);
    if (memcmp((const void *)BUNDLE_VA, "FBPACK01", 8) != 0) {
        window_unmap(0, BUNDLE_VA, 1);
        return;
    }
    bundle = (struct archive){ (const u8 *)BUNDLE_VA, lo, bytes };
    for (u64 i = 0; i < entries(&bundle); i++) {
        const struct entry *e = entry_at(&bundle, i);
        if (e && e->offset != 0 && e->bytes != 0 &&
            (strncmp(e->name, PERSONALITY, sizeof(PERSONALITY) - 1) == 0 ||
             strncmp(e->name, SYMBOLS, sizeof(SYMBOLS) - 1) == 0))
            map_pages(BUNDLE_VA + e->offset, lo + e->offset, e->bytes);
    }
}

void
archive_init(void)
{
    u64 lo = BOOT->libos.lo, bytes = BOOT->libos.hi - lo;

    if (lo % PAGE != 0 || bytes < PAGE)
        give_up("the archive of personalities is damaged");
    map_pages(KERNEL_VA, lo, bytes);
    if (memcmp((const void *)KERNEL_VA, "FBPACK01", 8) != 0)
        give_up("the archive of personalities is damaged");
    kernel_file = (struct archive){ (const u8 *)KERNEL_VA, lo, bytes };
    open_bundle();
}

static bool
find_in(const struct archive *a, const char *full, struct archive_member *out)
{
    for (u64 i = 0; i < entries(a); i++) {
        const struct entry *e = entry_at(a, i);
        if (!e || strncmp(e->name, full, sizeof(e->name)) != 0)
            continue;
        u64 lo = a->physical + e->offset;
        *out = (struct archive_member){ { lo, lo + e->bytes }, a->at + e->offset };
        return true;
    }
    return false;
}

bool
archive_find(const char *kind, const char *name, struct archive_member *out)
{
    char full[64];

    sdk_print_to(full, sizeof(full), "%s:%s", kind, name);
    return find_in(&bundle, full, out) || find_in(&kernel_file, full, out);
}

struct fb_range
archive_initrd(void)
{
    struct archive_member m;

    if (!bundle.at)
        return BOOT->initrd;
    if (!archive_find("root", "initrd", &m))
        return (struct fb_range){ 0, 0 };
    return m.bytes;
}
