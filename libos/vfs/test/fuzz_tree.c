/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer of tmpfs through the vfs: files with contents, holes, links and attributes in
 * directories, against a plain model.
 *
 * The model holds each file as an array of bytes with its size, each directory as a list
 * of names, each inode's attributes as text by name.  Random steps write, read, truncate,
 * punch, seek for data, rename, link, unlink, make directories and symbolic links,
 * set and remove attributes, and list; each answer must be the model's, and now and then
 * everything is compared.  Files stay open while they are unlinked.  At the end every
 * page and inode must be gone.  Without arguments it runs fixed seeds; `fuzz_tree SEED
 * STEPS` runs others.  fuzz_path is for the walk of paths.
 */
#include <stdlib.h>

#include "core/error.h"
#include "vfs/test/setup.h"
#include "vfs/xattr.h"
#include "vm/mm.h"

#define NODES 24
#define NAMES 9
#define DIRS  3   /* nodes 0 (the root), 1 and 2 */
#define OPEN  4
#define BYTES 40000u
#define ATTRS 3
#define VALUE 200u

struct node {
    enum inode_type type; /* 0: free */
    int names, opened;    /* in directories; by the fuzzer */
    u64 size;
    u8 data[BYTES];
    int value_bytes[ATTRS]; /* -1: none */
    u8 value[ATTRS][VALUE];
};
static struct node nodes[NODES];
static int entries[DIRS][NAMES]; /* node, or -1; directory 0 also has the others */
static struct file *handle[OPEN];
static int handle_node[OPEN];
static u8 buffer[BYTES];
static u64 random_state, steps_done;

static const char *const directories[DIRS] = { "", "/d1", "/d2" };
static const char *const attribute[ATTRS] = { "user.one", "trusted.second", "user.3" };

static u64
pick(u64 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

/* Places near the ends of pages as well as anywhere. */
static u64
pick_place(void)
{
    u64 at = pick(2) ? pick(BYTES / 4096) * 4096 + pick(5) : pick(BYTES);
    return at > 2 && pick(4) == 0 ? at - 2 : at;
}

static const char *
name_of(int dir, int k)
{
    static char text[4][300];
    static int turn;
    char *to = text[turn++ % 4];
    /* One name is as long as names may be. */
    snprintf(to, sizeof text[0], "%s/%c%.*s", directories[dir], 'a' + k,
             k == 7 ? 254 : 0,
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxx");
    return to;
}

static int
take_node(enum inode_type type)
{
    for (int i = DIRS; i < NODES; i++) {
        if (nodes[i].type != 0)
            continue;
        memset(&nodes[i], 0, sizeof nodes[i]);
        nodes[i].type = type;
        nodes[i].names = 1;
        for (int a = 0; a < ATTRS; a++)
            nodes[i].value_bytes[a] = -1;
        return i;
    }
    return -1;
}

static void
drop_name(int dir, int k)
{
    struct node *n = &nodes[entries[dir][k]];
    entries[dir][k] = -1;
    if (--n->names == 0 && n->opened == 0)
        n->type = 0;
}

/* ---- contents ---- */

static void
punch(struct node *n, u64 at, u64 bytes)
{
    u64 end = at + bytes > n->size ? n->size : at + bytes;
    if (at < end)
        memset(n->data + at, 0, end - at);
}

static void
resize(struct node *n, u64 size)
{
    if (size < n->size)
        memset(n->data + size, 0, n->size - size);
    n->size = size;
}

static void
step_write(struct file *f, struct node *n)
{
    u64 at = pick_place(), bytes = 1 + pick(pick(3) ? 300 : 12000);
    struct uio u;
    if (at + bytes > BYTES)
        bytes = BYTES - at;
    for (u64 i = 0; i < bytes; i++)
        buffer[i] = (u8)(random_state >> (i % 57)) | 1;
    uio_libos(&u, buffer, bytes);
    u64 pos = at;
    CHECK(file_write(f, &u, &pos) == (i64)bytes && pos == at + bytes);
    memcpy(n->data + at, buffer, bytes);
    if (at + bytes > n->size)
        n->size = at + bytes;
}

static void
step_read(struct file *f, struct node *n)
{
    u64 at = pick_place(), bytes = 1 + pick(12000);
    struct uio u;
    u64 want = at >= n->size ? 0 : n->size - at < bytes ? n->size - at : bytes;
    uio_libos(&u, buffer, bytes);
    u64 pos = at;
    CHECK(file_read(f, &u, &pos) == (i64)want && pos == at + want);
    CHECK(memcmp(buffer, n->data + at, want) == 0);
}

/* SEEK_DATA and SEEK_HOLE may be coarser than bytes; they must not hide data. */
static void
step_seek(struct file *f, struct node *n)
{
    u64 at = pick_place();
    i64 data = file_seek(f, (i64)at, 3), hole = file_seek(f, (i64)at, 4);
    if (at >= n->size) {
        CHECK(data == -E_NXIO && hole == -E_NXIO);
        return;
    }
    CHECK(hole >= (i64)at && hole <= (i64)n->size);
    u64 end = data < 0 ? n->size : (u64)data;
    CHECK(data == -E_NXIO || (data >= (i64)at && data < (i64)n->size));
    for (u64 i = at; i < end; i++)
        CHECK(n->data[i] == 0);
    for (u64 i = (u64)hole; i < n->size && i < ((u64)hole | 4095); i++)
        CHECK(n->data[i] == 0);
}

static void
step_allocate(struct file *f, struct node *n)
{
    static const u32 modes[] = { 0, VALLOC_KEEP_SIZE, VALLOC_KEEP_SIZE | VALLOC_PUNCH_HOLE,
                                 VALLOC_KEEP_SIZE | VALLOC_PUNCH_HOLE, VALLOC_ZERO_RANGE };
    u32 mode = modes[pick(ARRAY_SIZE(modes))];
    u64 at = pick_place(), bytes = 1 + pick(12000);
    if (at + bytes > BYTES)
        bytes = BYTES - at;
    mutex_lock(&f->inode->mutex);
    int r = f->inode->ops->allocate(f->inode, mode, at, bytes);
    mutex_unlock(&f->inode->mutex);
    bool keep = (mode & VALLOC_KEEP_SIZE) != 0;
    /* As on Linux, tmpfs has no FALLOC_FL_ZERO_RANGE. */
    CHECK(r == ((mode & VALLOC_ZERO_RANGE) != 0 ? -E_NOTSUP : 0));
    if (r != 0)
        return;
    if ((mode & VALLOC_PUNCH_HOLE) != 0)
        punch(n, at, bytes);
    else if (!keep && at + bytes > n->size)
        n->size = at + bytes;
}

static void
step_file(void)
{
    int h = (int)pick(OPEN);
    if (handle[h] == NULL)
        return;
    struct file *f = handle[h];
    struct node *n = &nodes[handle_node[h]];
    switch (pick(7)) {
    case 0:
    case 1:
        step_write(f, n);
        break;
    case 2:
    case 3:
        step_read(f, n);
        break;
    case 4:
        step_seek(f, n);
        break;
    case 5:
        step_allocate(f, n);
        break;
    default: {
        u64 size = pick_place();
        CHECK(vfs_truncate(f->inode, size) == 0);
        resize(n, size);
    }
    }
    struct vattr a;
    CHECK(vfs_getattr(f->inode, &a) == 0 && a.size == n->size);
    CHECK(a.nlink == (u64)n->names);
}

/* ---- names ---- */

static void
step_open(void)
{
    int h = (int)pick(OPEN), dir = (int)pick(DIRS), k = (int)pick(NAMES);
    if (handle[h] != NULL) {
        struct node *n = &nodes[handle_node[h]];
        file_release(handle[h]);
        handle[h] = NULL;
        if (--n->opened == 0 && n->names == 0)
            n->type = 0;
        return;
    }
    int at = entries[dir][k];
    if (at >= 0 && nodes[at].type == IT_LINK)
        return; /* fuzz_path follows links */
    int fresh = at < 0 ? take_node(IT_FILE) : -1;
    if (at < 0 && fresh < 0)
        return;
    bool cut = pick(6) == 0;
    CHECK(do_open(name_of(dir, k), OPEN_READ | OPEN_WRITE | OPEN_CREATE |
                                       (cut ? OPEN_TRUNC : 0), 0644, &handle[h]) == 0);
    if (at < 0)
        entries[dir][k] = at = fresh;
    if (cut)
        resize(&nodes[at], 0);
    nodes[at].opened++;
    handle_node[h] = at;
}

static void
step_rename(void)
{
    int d = (int)pick(DIRS), k = (int)pick(NAMES), e = (int)pick(DIRS), l = (int)pick(NAMES);
    u32 flags = pick(4) == 0 ? RENAME_NO_REPLACE : pick(4) == 0 ? RENAME_SWAP : 0;
    int from = entries[d][k], to = entries[e][l];
    int want = from < 0 || (flags == RENAME_SWAP && to < 0) ? -E_NOENT
               : flags == RENAME_NO_REPLACE && to >= 0     ? -E_EXIST
                                                           : 0;
    CHECK(do_rename(name_of(d, k), name_of(e, l), flags) == want);
    if (want != 0 || from == to)
        return;
    if (flags == RENAME_SWAP) {
        entries[d][k] = to;
        entries[e][l] = from;
        return;
    }
    if (to >= 0)
        drop_name(e, l);
    entries[d][k] = -1;
    entries[e][l] = from;
}

static void
step_link(void)
{
    int d = (int)pick(DIRS), k = (int)pick(NAMES), e = (int)pick(DIRS), l = (int)pick(NAMES);
    int from = entries[d][k];
    int want = from < 0 ? -E_NOENT : entries[e][l] >= 0 ? -E_EXIST : 0;
    CHECK(do_link(name_of(d, k), name_of(e, l)) == want);
    if (want == 0) {
        entries[e][l] = from;
        nodes[from].names++;
    }
}

static void
step_name(void)
{
    int dir = (int)pick(DIRS), k = (int)pick(NAMES), at = entries[dir][k];
    char text[300];
    if (pick(2) == 0) {
        CHECK(do_unlink(name_of(dir, k), false) == (at < 0 ? -E_NOENT : 0));
        if (at >= 0)
            drop_name(dir, k);
        return;
    }
    int fresh = at < 0 ? take_node(IT_LINK) : -1;
    if (at < 0 && fresh < 0)
        return;
    u64 length = 1 + pick(290);
    for (u64 i = 0; i < length; i++)
        text[i] = (char)('a' + pick(26));
    text[length] = '\0';
    CHECK(do_symlink(text, name_of(dir, k)) == (at < 0 ? 0 : -E_EXIST));
    if (at >= 0)
        return;
    memcpy(nodes[fresh].data, text, length);
    nodes[fresh].size = length;
    entries[dir][k] = fresh;
}

/* ---- attributes ---- */

static void
step_attribute(void)
{
    int h = (int)pick(OPEN), a = (int)pick(ATTRS);
    if (handle[h] == NULL)
        return;
    struct node *n = &nodes[handle_node[h]];
    struct inode *i = handle[h]->inode;
    int *have = &n->value_bytes[a];
    if (pick(3) == 0) {
        CHECK(xattr_remove(i, NULL, attribute[a]) == (*have < 0 ? -E_NODATA : 0));
        *have = -1;
    } else {
        u32 flags = pick(3) == 0 ? XATTR_MUST_CREATE
                                 : pick(3) == 0 ? XATTR_MUST_REPLACE : 0;
        u32 bytes = (u32)pick(VALUE);
        for (u32 b = 0; b < bytes; b++)
            buffer[b] = (u8)pick(256);
        int want = flags == XATTR_MUST_CREATE && *have >= 0   ? -E_EXIST
                   : flags == XATTR_MUST_REPLACE && *have < 0 ? -E_NODATA
                                                              : 0;
        CHECK(xattr_set(i, NULL, attribute[a], buffer, bytes, flags) == want);
        if (want == 0) {
            memcpy(n->value[a], buffer, bytes);
            *have = (int)bytes;
        }
    }
}

static void
compare_attributes(struct inode *i, const struct node *n)
{
    char list[200];
    u64 length = 0;
    for (int a = 0; a < ATTRS; a++) {
        i64 got = xattr_get(i, NULL, attribute[a], buffer, VALUE);
        CHECK(got == (n->value_bytes[a] < 0 ? -E_NODATA : n->value_bytes[a]));
        if (got >= 0) {
            CHECK(memcmp(buffer, n->value[a], (size_t)got) == 0);
            length += strlen(attribute[a]) + 1;
        }
    }
    CHECK(xattr_list(i, NULL, list, sizeof list) == (i64)length);
}

/* ---- everything ---- */

struct listing {
    int seen[NAMES], directories, dots;
};

static bool
see(void *arg, const char *name, u32 length, u64 ino, enum inode_type type, u64 next)
{
    struct listing *l = arg;
    (void)ino;
    (void)next;
    if (name[0] == '.')
        l->dots++;
    else if (type == IT_DIR)
        l->directories++;
    else {
        CHECK(length == (name[0] == 'h' ? 255u : 1u) && name[0] - 'a' < NAMES);
        l->seen[name[0] - 'a']++;
    }
    return true;
}

static void
compare_node(int dir, int k)
{
    const struct node *n = &nodes[entries[dir][k]];
    struct walk w = from_here(0);
    struct vattr a;
    CHECK(path_walk(&w, name_of(dir, k)) == 0);
    struct inode *i = w.found.inode;
    CHECK(vfs_getattr(i, &a) == 0 && a.type == n->type && a.size == n->size);
    CHECK(a.nlink == (u64)n->names);
    if (n->type == IT_LINK) {
        CHECK(vfs_readlink(i, (char *)buffer, BYTES) == (int)n->size);
        CHECK(memcmp(buffer, n->data, n->size) == 0);
    } else {
        struct file *f;
        struct uio u;
        u64 pos = 0;
        CHECK(do_open(name_of(dir, k), OPEN_READ, 0, &f) == 0);
        uio_libos(&u, buffer, BYTES);
        CHECK(file_read(f, &u, &pos) == (i64)n->size);
        CHECK(memcmp(buffer, n->data, n->size) == 0);
        compare_attributes(f->inode, n);
        file_release(f);
    }
    path_release(&w.found);
}

static void
compare_all(void)
{
    for (int dir = 0; dir < DIRS; dir++) {
        struct listing l = { 0 };
        struct file *f;
        CHECK(do_open(dir == 0 ? "/" : directories[dir], OPEN_READ, 0, &f) == 0);
        CHECK(vfs_list(f, 0, see, &l) == 0);
        file_release(f);
        CHECK(l.dots == 2 && l.directories == (dir == 0 ? DIRS - 1 : 0));
        for (int k = 0; k < NAMES; k++) {
            CHECK(l.seen[k] == (entries[dir][k] >= 0));
            if (entries[dir][k] >= 0)
                compare_node(dir, k);
        }
    }
}

static void
run(u64 seed, u64 steps)
{
    random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    memset(nodes, 0, sizeof nodes);
    memset(entries, -1, sizeof entries);
    for (int d = 1; d < DIRS; d++)
        CHECK(do_mkdir(directories[d], 0755) == 0);
    for (u64 i = 0; i < steps; i++, steps_done++) {
        u64 what = pick(16);
        if (what < 8)
            step_file();
        else if (what < 10)
            step_open();
        else if (what < 12)
            step_name();
        else if (what < 13)
            step_rename();
        else if (what < 14)
            step_link();
        else
            step_attribute();
        if (i % 200 == 199)
            compare_all();
    }
    for (int h = 0; h < OPEN; h++) {
        if (handle[h] != NULL)
            file_release(handle[h]);
        handle[h] = NULL;
    }
    for (int dir = 0; dir < DIRS; dir++)
        for (int k = 0; k < NAMES; k++)
            if (entries[dir][k] >= 0)
                CHECK(do_unlink(name_of(dir, k), false) == 0);
    for (int d = 1; d < DIRS; d++)
        CHECK(do_unlink(directories[d], true) == 0);
}

int
main(int argc, char **argv)
{
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    u64 steps = argc > 2 ? strtoull(argv[2], NULL, 0) : 6000;
    struct tmpfs_counts c;
    setup_root();
    for (u64 i = 0; i < 3; i++)
        run(seed + i, steps);
    tmpfs_count(&c);
    CHECK(c.inodes == 1 && c.pages == 0);
    fs_context_release(context);
    check_tests = 1;
    printf("ok 1 %lu steps on files, names and attributes from seed %lu agree with the "
           "model\n", (unsigned long)steps_done, (unsigned long)seed);
    DONE();
}
