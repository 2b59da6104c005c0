/* SPDX-License-Identifier: MIT */
/* tmpfs: directories and files against simple models, through its inode operations and
 * through the vfs. */
#include <string.h>

#include "core/error.h"
#include "core/host/host.h"
#include "core/page.h"
#include "core/random.h"
#include "core/test/check.h"
#include "core/usercopy.h"
#include "fs/tmpfs/private.h"
#include "fs/tmpfs/tmpfs.h"
#include "time/vdso.h"
#include "vfs/mount.h"
#include "vm/frames.h"
#include "vm/mm.h"

static struct filesystem *fs;
static u64 frames_at_start;

static u64
rnd(u64 n)
{
    return random_u64() % n;
}

static struct inode *
make(struct inode *dir, const char *name, enum inode_type type)
{
    struct inode *i = NULL;
    mutex_lock(&dir->mutex);
    CHECK(dir->ops->create(dir, name, (u32)strlen(name), type, 0755, 0, NULL, &i) == 0);
    mutex_unlock(&dir->mutex);
    return i;
}

static int
drop(struct inode *dir, const char *name, bool directory)
{
    mutex_lock(&dir->mutex);
    int rc = dir->ops->unlink(dir, name, (u32)strlen(name), directory);
    mutex_unlock(&dir->mutex);
    return rc;
}

static struct inode *
get(struct inode *dir, const char *name)
{
    struct inode *i;
    return dir->ops->lookup(dir, name, (u32)strlen(name), &i) == 0 ? i : NULL;
}

/* ---- the data of a file ---- */

#define FILE_BYTES (40u * 4096u)
static u8 model[FILE_BYTES];
static u64 model_size;

static void
check_read(struct file *f)
{
    static u8 got[FILE_BYTES];
    u64 pos = rnd(FILE_BYTES), bytes = rnd(20000), start = pos;
    struct uio u;
    bytes = MIN(bytes, FILE_BYTES - pos);
    uio_libos(&u, got, bytes);
    i64 n = file_read(f, &u, &pos);
    u64 want = start >= model_size ? 0 : MIN(bytes, model_size - start);
    CHECK(n == (i64)want && pos == start + want && memcmp(got, model + start, want) == 0);
}

static void
write_some(struct file *f)
{
    static u8 data[FILE_BYTES];
    u64 pos = rnd(FILE_BYTES), bytes = rnd(3) ? rnd(9000) : 4096, start = pos;
    struct uio u;
    if (rnd(4) == 0)
        start = pos = PAGE_DOWN(pos);
    bytes = MIN(bytes, FILE_BYTES - pos);
    random_bytes(data, bytes);
    uio_libos(&u, data, bytes);
    CHECK(file_write(f, &u, &pos) == (i64)bytes && pos == start + bytes);
    memcpy(model + start, data, bytes);
    if (bytes)
        model_size = MAX(model_size, start + bytes);
}

static void
resize(struct file *f)
{
    u64 size = rnd(3) ? rnd(FILE_BYTES) : PAGE_DOWN(rnd(FILE_BYTES));
    CHECK(vfs_truncate(f->inode, size) == 0);
    if (size < model_size)
        memset(model + size, 0, FILE_BYTES - size);
    model_size = size;
}

static void
punch(struct file *f)
{
    u64 at = rnd(FILE_BYTES), bytes = 1 + rnd(30000);
    bytes = MIN(bytes, FILE_BYTES - at);
    u32 mode = VALLOC_PUNCH_HOLE | VALLOC_KEEP_SIZE;
    mutex_lock(&f->inode->mutex);
    CHECK(f->inode->ops->allocate(f->inode, mode, at, bytes) == 0);
    mutex_unlock(&f->inode->mutex);
    if (at < model_size)
        memset(model + at, 0, MIN(bytes, model_size - at));
}

static void
exercise(struct file *f, int steps)
{
    for (int k = 0; k < steps; k++) {
        switch (rnd(9)) {
        case 0:
            resize(f);
            break;
        case 1:
            punch(f);
            break;
        case 2:
        case 3:
        case 4:
            write_some(f);
            break;
        default:
            check_read(f);
        }
        CHECK(f->inode->size == model_size);
    }
}

static struct file *
open_new(struct inode *dir, const char *name)
{
    struct inode *i = make(dir, name, IT_FILE);
    struct file *f = file_new(i->file_ops, i, OPEN_READ | OPEN_WRITE);
    inode_release(i);
    CHECK(f);
    return f;
}

/* Verify that reads, writes, truncation and holes agree with an array, and that the
 * unlinked file's frames come back. */
static void
test_file_when_changed_at_random_then_as_the_model(void)
{
    struct host_counts before = host_count();
    for (int round = 0; round < 6; round++) {
        struct file *f = open_new(fs->root, "data");
        memset(model, 0, sizeof(model));
        model_size = 0;
        exercise(f, 1500);
        CHECK(drop(fs->root, "data", false) == 0); /* still open */
        exercise(f, 300);
        file_release(f);
    }
    struct host_counts after = host_count();
    CHECK(after.frames <= before.frames + 1 && tmpfs_pages == 0);
}

/* ---- from an archive ---- */

static u8 *archive;
static u64 taken, released;

static bool
take(struct source *s, frame_t frame)
{
    (void)s;
    (void)frame;
    taken++;
    return true;
}

static void
done(struct source *s)
{
    (void)s;
    released++;
}

/* Verify that a file from an archive reads as it should, aligned or not, and that whole
 * aligned pages are taken over. */
static void
test_attach_when_archive_then_in_place(void)
{
    frame_t run = page_alloc_run(6);
    archive = page_ptr(run);
    random_bytes(archive, 64 * 4096);
    for (u64 skew = 0; skew < 5000; skew += 1700) {
        struct source s = { .bytes = 64 * 4096,
                            .chunk = &archive,
                            .shift = 63,
                            .users = 1,
                            .take = NULL,
                            .done = done };
        struct file *f = open_new(fs->root, "a");
        tmpfs_attach(f->inode, &s, skew, 30000);
        memset(model, 0, sizeof(model));
        memcpy(model, archive + skew, 30000);
        model_size = 30000;
        source_release(&s);
        for (int k = 0; k < 50; k++)
            check_read(f);
        exercise(f, 600);
        CHECK(vfs_truncate(f->inode, 0) == 0 && drop(fs->root, "a", false) == 0);
        file_release(f);
    }
    CHECK(released == 3);
    struct source s = { .bytes = 64 * 4096,
                        .chunk = &archive,
                        .shift = 63,
                        .users = 1,
                        .take = take,
                        .done = done };
    struct file *f = open_new(fs->root, "b");
    frame_t frame;
    tmpfs_attach(f->inode, &s, 4096, 9000);
    source_release(&s);
    mutex_lock(&f->inode->mutex);
    CHECK(f->inode->ops->page(f->inode, 0, false, &frame) == 0 && frame == run + 1 &&
          taken == 1);
    CHECK(f->inode->ops->page(f->inode, 1, true, &frame) == 0 && frame == run + 2 &&
          taken == 2);
    CHECK(f->inode->ops->page(f->inode, 2, false, &frame) == 0 && frame != run + 3 &&
          taken == 2);
    mutex_unlock(&f->inode->mutex);
    CHECK(memcmp(page_ptr(frame), archive + 3 * 4096, 9000 - 8192) == 0 &&
          ((u8 *)page_ptr(frame))[4095] == 0);
    CHECK(drop(fs->root, "b", false) == 0);
    file_release(f);
    CHECK(released == 4 && tmpfs_pages == 0);
    for (u64 k = 0; k < 64; k++)
        if (k != 1 && k != 2)
            page_free(run + k); /* the two that were taken went with the file */
}

/* ---- directories ---- */

#define NAMES 200u
static bool there[NAMES];

static bool
count_entry(void *arg, const char *name, u32 length, u64 ino, enum inode_type type,
            u64 next)
{
    (void)ino;
    (void)type;
    u64 *last = arg;
    CHECK(length == 4 && name[0] == 'n' && next > last[1]);
    last[0]++;
    last[1] = next;
    return last[0] % 7 != 0;
}

/* Verify that names come and go as in a set, and that a listing in pieces meets each
 * once. */
static void
test_dir_when_changed_at_random_then_as_the_model(void)
{
    struct inode *dir = make(fs->root, "dir", IT_DIR);
    u32 count = 0;
    for (int k = 0; k < 20000; k++) {
        char name[8];
        u32 n = (u32)rnd(NAMES);
        snprintf(name, sizeof(name), "n%03u", n);
        struct inode *i = get(dir, name);
        CHECK((i != NULL) == there[n]);
        if (i)
            inode_release(i);
        if (rnd(2) && !there[n]) {
            inode_release(make(dir, name, IT_FILE));
            there[n] = true;
            count++;
        } else if (rnd(2) && there[n]) {
            CHECK(drop(dir, name, false) == 0);
            there[n] = false;
            count--;
        }
        CHECK(dir->size == 40 + 20 * count);
    }
    u64 last[2] = { 0, 0 }, before;
    do {
        before = last[0];
        CHECK(dir->ops->list(dir, last[1], count_entry, last) == 0);
    } while (last[0] != before);
    CHECK(last[0] == count);
    for (u32 n = 0; n < NAMES; n++) {
        char name[8];
        snprintf(name, sizeof(name), "n%03u", n);
        if (there[n])
            CHECK(drop(fs->root, "dir", true) == -E_NOTEMPTY &&
                  drop(dir, name, false) == 0);
    }
    CHECK(drop(fs->root, "dir", true) == 0);
    struct inode *none;
    CHECK(dir->ops->create(dir, "x", 1, IT_FILE, 0, 0, NULL, &none) ==
          -E_NOENT); /* removed, but held */
    inode_release(dir);
}

/* Verify that 100,000 entries are held and removed, and that their table goes with the
 * last one. */
static void
test_dir_when_many_entries_then_all_there(void)
{
    struct inode *dir = make(fs->root, "many", IT_DIR);
    char name[16];
    u64 objects = host_count().objects;
    for (u32 n = 0; n < 100000; n++) {
        snprintf(name, sizeof(name), "%u", n);
        inode_release(make(dir, name, IT_FIFO));
    }
    CHECK(node_of(dir)->dir.count == 100000);
    for (u32 n = 0; n < 100000; n++) {
        snprintf(name, sizeof(name), "%u", n);
        struct inode *i = get(dir, name);
        CHECK(i);
        inode_release(i);
        CHECK(drop(dir, name, false) == 0);
    }
    CHECK(host_count().objects <= objects + 1); /* the block of the newest cookie */
    inode_release(make(dir, "again", IT_FIFO));
    CHECK(drop(dir, "again", false) == 0);
    CHECK(drop(fs->root, "many", true) == 0);
    inode_release(dir);
}

static int
rename_it(struct inode *from, const char *a, struct inode *to, const char *b, u32 flags)
{
    return from->ops->rename(from, a, (u32)strlen(a), to, b, (u32)strlen(b), flags);
}

static bool
mark_entry(void *arg, const char *name, u32 length, u64 ino, enum inode_type type,
           u64 next)
{
    u64 *last = arg;
    (void)name, (void)length, (void)ino;
    CHECK(type == IT_FILE && next > last[1]);
    last[0]++;
    last[1] = next;
    return last[0] != 30;
}

/* Verify that a listing in pieces meets each entry once though they get other names in
 * between, shorter and longer ones, and that what is in another directory now is left. */
static void
test_dir_when_renamed_within_then_listed_once(void)
{
    struct inode *dir = make(fs->root, "dir", IT_DIR), *other = make(fs->root, "o", IT_DIR);
    char name[16], long_name[128];
    for (u32 n = 0; n < 60; n++) {
        snprintf(name, sizeof(name), "n%u", n);
        inode_release(make(dir, name, IT_FILE));
    }
    u64 last[2] = { 0, 0 };
    CHECK(dir->ops->list(dir, 0, mark_entry, last) == 0 && last[0] == 30);
    for (u32 n = 0; n < 60; n++) {
        snprintf(name, sizeof(name), "n%u", n);
        snprintf(long_name, sizeof(long_name), "%0*u", n % 2 ? 1 + (int)n / 10 : 100, n);
        struct inode *to = n >= 50 ? other : dir;
        CHECK(rename_it(dir, name, to, long_name, 0) == 0);
        CHECK(!get(dir, name));
        struct inode *i = get(to, long_name);
        CHECK(i);
        inode_release(i);
    }
    CHECK(dir->ops->list(dir, last[1], mark_entry, last) == 0 && last[0] == 50);
    for (u32 n = 0; n < 60; n++) {
        snprintf(long_name, sizeof(long_name), "%0*u", n % 2 ? 1 + (int)n / 10 : 100, n);
        CHECK(drop(n >= 50 ? other : dir, long_name, false) == 0);
    }
    CHECK(drop(fs->root, "dir", true) == 0 && drop(fs->root, "o", true) == 0);
    inode_release(dir);
    inode_release(other);
}

/* Verify every case of rename: names, types, link counts. */
static void
test_rename_when_each_case_then_as_posix(void)
{
    struct inode *d = make(fs->root, "d", IT_DIR), *e = make(fs->root, "e", IT_DIR),
                 *f = make(d, "f", IT_FILE);
    struct inode *g = make(e, "g", IT_FILE), *sub = make(d, "sub", IT_DIR),
                 *full = make(e, "full", IT_DIR), *i;
    inode_release(make(full, "x", IT_FILE));
    CHECK(d->nlink == 3 && e->nlink == 3);
    CHECK(rename_it(d, "none", e, "z", 0) == -E_NOENT);
    CHECK(rename_it(d, "f", e, "g", RENAME_NO_REPLACE) == -E_EXIST);
    CHECK(rename_it(d, "f", e, "full", 0) == -E_ISDIR);
    CHECK(rename_it(d, "sub", e, "g", 0) == -E_NOTDIR);
    CHECK(rename_it(d, "sub", e, "full", 0) == -E_NOTEMPTY);
    CHECK(rename_it(fs->root, "d", d, "inside", 0) == -E_INVAL);
    CHECK(rename_it(d, "f", e, "g", 0) == 0 && g->nlink == 0 && !get(d, "f"));
    CHECK((i = get(e, "g")) == f);
    inode_release(i);
    CHECK(e->ops->link(e, "again", 5, f) == 0 && f->nlink == 2);
    CHECK(rename_it(e, "g", e, "again", 0) == 0 && f->nlink == 2 &&
          (i = get(e, "g")) == f);
    inode_release(i);
    CHECK(e->ops->link(e, "dir", 3, sub) == -E_PERM);
    CHECK(rename_it(d, "sub", e, "again", RENAME_SWAP) == 0 && d->nlink == 2 &&
          e->nlink == 4);
    CHECK((i = get(d, "sub")) == f);
    inode_release(i);
    CHECK(drop(full, "x", false) == 0 && rename_it(e, "again", e, "full", 0) == 0);
    CHECK(full->nlink == 0 && e->nlink == 3 && (i = get(e, "full")) == sub);
    inode_release(i);
    CHECK(rename_it(e, "full", d, "home", 0) == 0 && e->nlink == 2 && d->nlink == 3);
    CHECK(drop(d, "home", true) == 0 && drop(d, "sub", false) == 0 &&
          drop(e, "g", false) == 0);
    CHECK(drop(fs->root, "d", true) == 0 && drop(fs->root, "e", true) == 0 &&
          fs->root->nlink == 2);
    struct inode *all[] = { d, e, f, g, sub, full };
    for (u32 k = 0; k < ARRAY_SIZE(all); k++)
        inode_release(all[k]);
}

/* Verify that a file system with a deep tree and hard links is destroyed whole. */
static void
test_destroy_when_deep_then_nothing_left(void)
{
    struct filesystem *other;
    u64 objects = host_count().objects;
    CHECK(tmpfs_create(&other) == 0);
    struct inode *dir = other->root;
    inode_hold(dir);
    for (int k = 0; k < 50000; k++) {
        struct inode *sub = make(dir, "d", IT_DIR), *file = make(dir, "f", IT_FILE);
        CHECK(k % 100 || dir->ops->link(dir, "g", 1, file) == 0);
        inode_release(file);
        inode_release(dir);
        dir = sub;
    }
    inode_release(dir);
    inode_release(other->root);
    other->destroy(other);
    CHECK(host_count().objects == objects);
}

/* Verify that what a symbolic link says comes back, cut to the buffer. */
static void
test_symlink_when_read_then_target(void)
{
    char to[32];
    CHECK(fs->root->ops->symlink(fs->root, "l", 1, "some/where", NULL) == 0);
    struct inode *l = get(fs->root, "l");
    CHECK(l && l->type == IT_LINK && l->size == 10);
    CHECK(l->ops->readlink(l, to, sizeof(to)) == 10 && memcmp(to, "some/where", 10) == 0);
    CHECK(l->ops->readlink(l, to, 4) == 4);
    inode_release(l);
    CHECK(drop(fs->root, "l", false) == 0);
}

/* Verify that writing to a full file system says so, and that the space comes back. */
static void
test_write_when_full_then_nospc(void)
{
    static u8 data[1 << 20];
    struct tmpfs_counts c;
    struct file *f = open_new(fs->root, "big");
    struct uio u;
    u64 pos = 0;
    i64 n;
    do {
        uio_libos(&u, data, sizeof(data));
        n = file_write(f, &u, &pos);
    } while (n > 0);
    tmpfs_count(&c);
    CHECK(n == -E_NOSPC && c.pages == c.limit_pages && pos / PAGE_SIZE == c.pages);
    CHECK(vfs_truncate(f->inode, 0) == 0 && tmpfs_pages == 0);
    CHECK(drop(fs->root, "big", false) == 0);
    file_release(f);
}

/* Verify that holes take no frames, and are found. */
static void
test_seek_when_sparse_then_holes_and_data(void)
{
    struct file *f = open_new(fs->root, "sparse");
    struct uio u;
    u8 byte = 1;
    u64 pos = 1ull << 40;
    uio_libos(&u, &byte, 1);
    CHECK(file_write(f, &u, &pos) == 1 && tmpfs_pages == 1 &&
          f->inode->size == (1ull << 40) + 1);
    CHECK(file_seek(f, 0, 3) == 1ll << 40 && file_seek(f, 0, 4) == 0);
    CHECK(file_seek(f, 1ll << 40, 4) == (1ll << 40) + 1 &&
          file_seek(f, (1ll << 40) + 1, 3) == -E_NXIO);
    CHECK(file_seek(f, 0, 2) == (1ll << 40) + 1 && file_seek(f, -1, 0) == -E_INVAL);
    pos = INT64_MAX - 2;
    uio_libos(&u, &byte, 1);
    CHECK(file_write(f, &u, &pos) == -E_FBIG);
    CHECK(drop(fs->root, "sparse", false) == 0);
    file_release(f);
    CHECK(tmpfs_pages == 0);
}

int
main(void)
{
    host_init(64);
    vdso_init();
    vm_init();
    CHECK(tmpfs_create(&fs) == 0 && vfs_mount_root(fs) == 0);
    frames_at_start = host_count().frames;
    u64 objects = host_count().objects;
    RUN(test_file_when_changed_at_random_then_as_the_model);
    RUN(test_attach_when_archive_then_in_place);
    RUN(test_seek_when_sparse_then_holes_and_data);
    RUN(test_write_when_full_then_nospc);
    RUN(test_dir_when_changed_at_random_then_as_the_model);
    RUN(test_dir_when_many_entries_then_all_there);
    RUN(test_dir_when_renamed_within_then_listed_once);
    RUN(test_rename_when_each_case_then_as_posix);
    RUN(test_symlink_when_read_then_target);
    RUN(test_destroy_when_deep_then_nothing_left);
    CHECK(host_count().frames <= frames_at_start + 1);
    CHECK(host_count().objects <= objects + 2); /* the root's tables */
    DONE();
}
