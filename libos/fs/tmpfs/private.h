/* SPDX-License-Identifier: MIT */
/*
 * The inside of tmpfs.
 *
 * T1. A page of a file is: in `pages` (a cached frame, O1 of vm/frames.h); else, below
 *     source_bytes, in the archive; else a hole.
 * T2. Bytes of a page behind the end of the file are zero, except where a shared mapping
 *     wrote them; they are cleared when the file grows over them.
 * T3. A directory's entries are in its hash table and, by cookie, in its blocks; cookies
 *     are never used again, so a reader's position stays valid whatever changes.  An
 *     entry that is renamed within its directory keeps its cookie.  A block has at least
 *     one entry, or is the last.
 * T4. An inode with links has one reference for all of them (N5 of vfs.h).
 * Locking: a file's pages, source and size by inode->mutex; a directory's entries by its
 * mutex; nlink and ctime of what a directory operation changes by links_lock, because an
 * inode may be linked from several directories.
 */
#ifndef LIBOS_FS_TMPFS_PRIVATE_H
#define LIBOS_FS_TMPFS_PRIVATE_H

#include "core/tree.h"
#include "fs/tmpfs/tmpfs.h"
#include "vfs/vfs.h"

/* ---- the pages of a file: a radix tree of 64-way nodes; 0 is a hole, else frame << 1 |
 * 1 ---- */
#define PAGES_BITS 6u
#define PAGES_WAYS 64u
#define PAGES_HEIGHT_MAX 9u /* 54 bits of page index: more than any size has */
struct pages_node {
    u64 slot[PAGES_WAYS]; /* inner: pointer to a node */
};
struct pages {
    struct pages_node *root;
    u32 height; /* levels; 0: empty */
};
/* The frame, or FRAME_NONE.  Of a small file it is in the one node that there is. */
frame_t pages_find(const struct pages *p, u64 index);
static inline frame_t
pages_get(const struct pages *p, u64 index)
{
    if (p->height != 1 || index >= PAGES_WAYS)
        return pages_find(p, index);
    u64 slot = p->root->slot[index];
    return slot ? slot >> 1 : FRAME_NONE;
}
/* The slot, made if missing; NULL: no memory. */
u64 *pages_slot(struct pages *p, u64 index);
/* Call fn for all frames of [first, last), and empty their slots; nodes that are wholly
 * inside are freed. */
void pages_remove(struct pages *p, u64 first, u64 last,
                  void (*fn)(void *arg, frame_t frame), void *arg);
/* Cut off [first, ...) into *rest. -E_NOMEM: nothing has changed. */
int pages_split(struct pages *p, u64 first, struct pages *rest) MUST_CHECK;
/* The first present page at or after index; false: none. */
bool pages_next(const struct pages *p, u64 index, u64 *found);

/* The entries with DIRENT_BLOCK cookies that follow each other: number * DIRENT_BLOCK is
 * the first. */
#define DIRENT_BLOCK 16u
struct dirent_block {
    struct tree_node node; /* by number */
    u64 number;
    u32 used;              /* a bit for each entry that is there */
    struct dirent *entry[DIRENT_BLOCK];
};
struct dirent {
    struct dirent *next; /* in the bucket */
    struct inode *inode;
    struct dirent_block *block;
    u32 hash;
    u8 index;            /* in the block */
    u8 length, room;     /* of the name; of the space for it */
    char name[];
};
struct directory {
    struct dirent **bucket;
    u32 buckets, count; /* buckets is a power of two, or 0 */
    u64 next_cookie;
    struct dirent_block *last; /* the one of the newest cookie; NULL: none yet */
    struct tree order;
};
struct contents {
    struct pages pages;
    u64 own_pages; /* counted against the limit; and those taken: */
    u64 taken_pages;
    struct source *source; /* NULL: none (any more) */
    u64 source_offset, source_bytes;
};
struct node {
    struct inode inode;
    struct tmpfs *tmpfs;
    union {
        struct directory dir;
        struct contents file;
        char *target;
    };
};
struct tmpfs {
    struct filesystem fs;
    _Atomic u64 next_ino, inodes;
    /* what the limits are for (0: none): pages of its own, and inodes together with the
     * names that a file has beyond the first */
    _Atomic u64 pages, charged;
    u64 limit_pages, limit_inodes;
    u32 mode, uid, gid; /* as given */
    u64 type;           /* for statfs; 0: tmpfs's */
    struct spinlock links_lock;
};
static inline struct node *
node_of(struct inode *i)
{
    return container_of(i, struct node, inode);
}

extern _Atomic u64 tmpfs_pages; /* own pages of all tmpfs */
u64 tmpfs_limit(void);

#define STATFS_TMPFS 0x01021994u /* what statfs(2) reports */
#define STATFS_RAMFS 0x858458f6u
/* options.c */
int tmpfs_remount(struct filesystem *fs, const char *data) MUST_CHECK;
void tmpfs_show(struct filesystem *fs, char *to, u32 size);
/* tmpfs.c */
/* One inode, or one more name of a file. -E_NOSPC */
int tmpfs_charge(struct tmpfs *t) MUST_CHECK;
void tmpfs_charge_more(struct tmpfs *t); /* beyond the limit, if it must be */
void tmpfs_uncharge(struct tmpfs *t);
int node_new(struct tmpfs *t, enum inode_type type, u32 mode, u64 rdev,
             const struct cred *cred, struct node **out) MUST_CHECK;
int tmpfs_getattr(struct inode *i, struct vattr *out);
int tmpfs_setattr(struct inode *i, const struct vattr *set, u32 which);
void tmpfs_release(struct inode *i);
/* file.c */
extern const struct inode_ops file_inode_ops;
extern const struct file_ops tmpfs_file_ops;
/* contents.c: all with the inode's mutex held */
#define SIZE_MAX_FILE ((u64)INT64_MAX & ~(PAGE_SIZE - 1))
int file_set_size(struct inode *i, u64 size)
    MUST_CHECK; /* mutex held; given up in between when the file is mapped */
void file_free(struct node *n);
/* The frame of a page, made real. -E_NOMEM -E_NOSPC */
int file_page(struct inode *i, u64 index, bool write, frame_t *out) MUST_CHECK;
u64 file_pages(struct inode *i, u64 index, u64 count, frame_t *frames);
/* How many bytes of page `index` are still in the archive; 0: a hole or beyond. */
u64 file_bytes_in_source(const struct contents *c, u64 index);
/* A page that is not in the tree is made the file's own; raw: the caller overwrites it
 * all. */
int file_make_page(struct contents *c, u64 index, bool raw, frame_t *out) MUST_CHECK;
/* T2: clear from `from` to the end of its page, if there is a page. */
void file_clear_after(struct contents *c, u64 from);
int file_allocate(struct inode *i, u32 mode, u64 offset, u64 bytes) MUST_CHECK;
/* entries.c */
void dir_init(struct directory *d);
/* All entries go; those of directories below, too. */
void dir_free(struct node *n);
/* What points at the entry; NULL: there is none. */
struct dirent **dir_find(struct directory *d, const char *name, u32 length);
int dir_reserve(struct directory *d) MUST_CHECK; /* room for one more: -E_NOMEM */
struct dirent *dirent_new(const char *name, u32 length, struct inode *inode);
void dir_insert(struct directory *d, struct dirent *e); /* after dir_reserve */
/* Frees it; `at` points nowhere any more. */
void dir_remove(struct directory *d, struct dirent **at);
/* Give the entry another name, which is free. -E_NOMEM */
int dir_rename_entry(struct directory *d, struct dirent **at, const char *name,
                     u32 length) MUST_CHECK;
int dir_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg); /* inode_ops.list */
/* dir.c */
extern const struct inode_ops dir_inode_ops;
extern const struct file_ops tmpfs_dir_ops;
/* nlink of something that is linked from directories; T4: the last link's reference goes.
 * How many there were. */
u32 node_link(struct inode *i, i32 change, struct timestamp now);
extern const struct inode_ops link_inode_ops, special_inode_ops;
extern const struct file_ops tmpfs_no_ops;

#endif
