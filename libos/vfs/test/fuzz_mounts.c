/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer of mounts: random mounts, binds, moves and unmounts over small trees of
 * directories, against a model that looks every path up in the simplest way.
 *
 * After each step some paths, with .. in them, are compared by device and inode.  At the
 * end of a sequence everything is unmounted, and no inode may be left over.  Without
 * arguments it runs a fixed number of sequences; `fuzz_mounts SEED COUNT` runs others.
 */
#include "vfs/mounting.h"
#include "vfs/test/setup.h"

#define NODES 300
#define MOUNTS 60
#define NAMES 3
#define STEPS 60
#define COMPONENTS 5

struct node {
    int parent;        /* -1: a file system's root; -2: free */
    int entry[NAMES];  /* -1: none */
    u64 dev, ino;
};
struct shown {
    bool live;
    int root, point_mount, point_node;
};
struct spot {
    int mount, node;
};
static struct node nodes[NODES];
static struct shown mounts[MOUNTS];
static const char *const names[NAMES] = { "a", "b", "c" };
static u64 random_state;

static u32
pick(u32 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (u32)(random_state % n);
}

static int
node_take(int parent)
{
    for (int i = 0; i < NODES; i++) {
        if (nodes[i].parent != -2)
            continue;
        nodes[i] = (struct node){ .parent = parent };
        for (int k = 0; k < NAMES; k++)
            nodes[i].entry[k] = -1;
        return i;
    }
    return -1;
}

static int
mount_take(int root, struct spot at)
{
    for (int i = 0; i < MOUNTS; i++) {
        if (mounts[i].live)
            continue;
        mounts[i] = (struct shown){ .live = true,
                                    .root = root,
                                    .point_mount = at.mount,
                                    .point_node = at.node };
        return i;
    }
    return -1;
}

static int
mounts_free(void)
{
    int n = 0;
    for (int i = 0; i < MOUNTS; i++)
        n += !mounts[i].live;
    return n;
}

/* ---- the model's look-up ---- */

static struct spot
crossed(struct spot s)
{
    for (int i = 0; i < MOUNTS; i++) {
        if (!mounts[i].live || i == 0 || mounts[i].point_mount != s.mount ||
            mounts[i].point_node != s.node)
            continue;
        s = (struct spot){ i, mounts[i].root };
        i = 0;
    }
    return s;
}

static bool
below(int node, int above)
{
    while (node >= 0 && node != above)
        node = nodes[node].parent;
    return node == above;
}

static int
up(struct spot *s)
{
    while (s->node == mounts[s->mount].root && s->mount != 0)
        *s = (struct spot){ mounts[s->mount].point_mount, mounts[s->mount].point_node };
    if (s->node != mounts[s->mount].root) {
        int parent = nodes[s->node].parent;
        if (parent < 0 || !below(parent, mounts[s->mount].root))
            return -E_NOENT;
        s->node = parent;
    }
    *s = crossed(*s);
    return 0;
}

/* A path of indices: -1 is .. */
struct route {
    int count, part[COMPONENTS];
};

static struct route
random_route(void)
{
    struct route r = { .count = (int)pick(COMPONENTS + 1) };
    for (int i = 0; i < r.count; i++)
        r.part[i] = pick(5) == 0 ? -1 : (int)pick(NAMES);
    return r;
}

static void
route_text(const struct route *r, char *to)
{
    strcpy(to, r->count == 0 ? "/" : "");
    for (int i = 0; i < r->count; i++) {
        strcat(to, "/");
        strcat(to, r->part[i] < 0 ? ".." : names[r->part[i]]);
    }
}

static int
model_find(const struct route *r, struct spot *s)
{
    *s = (struct spot){ 0, mounts[0].root };
    for (int i = 0; i < r->count; i++) {
        if (r->part[i] < 0) {
            int error = up(s);
            if (error != 0)
                return error;
            continue;
        }
        int next = nodes[s->node].entry[r->part[i]];
        if (next < 0)
            return -E_NOENT;
        *s = crossed((struct spot){ s->mount, next });
    }
    return 0;
}

static void
compare(const struct route *r)
{
    char text[64];
    struct vattr a;
    struct spot s;
    route_text(r, text);
    int expected = model_find(r, &s), got = do_stat(text, true, &a);
    if (got != expected)
        printf("# %s: %d, not %d\n", text, got, expected);
    CHECK(got == expected);
    if (got == 0)
        CHECK(a.dev == nodes[s.node].dev && a.ino == nodes[s.node].ino);
}

/* ---- steps: each finds a place in both, acts in both, and compares the result ---- */

static bool
find_both(struct route *r, struct spot *s, struct path *out)
{
    char text[64];
    struct walk w = from_here(WALK_FOLLOW);
    *r = random_route();
    route_text(r, text);
    int expected = model_find(r, s), got = path_walk(&w, text);
    if (got != expected)
        printf("# %s: %d, not %d\n", text, got, expected);
    CHECK(got == expected);
    if (got == 0)
        *out = w.found;
    return got == 0;
}

static void
remember(int node, const char *text)
{
    struct vattr a;
    CHECK(do_stat(text, true, &a) == 0);
    nodes[node].dev = a.dev;
    nodes[node].ino = a.ino;
}

static bool
is_place(int node)
{
    for (int i = 1; i < MOUNTS; i++)
        if (mounts[i].live && mounts[i].point_node == node)
            return true;
    return false;
}

static void
step_directory(bool make)
{
    struct route r;
    struct spot s;
    struct path p;
    char text[64];
    u32 k = pick(NAMES);
    if (!find_both(&r, &s, &p))
        return;
    path_release(&p);
    route_text(&r, text);
    strcat(text, "/");
    strcat(text, names[k]);
    int there = nodes[s.node].entry[k];
    if (make) {
        int fresh = there >= 0 ? -1 : node_take(s.node);
        if (there < 0 && fresh < 0)
            return;
        CHECK(do_mkdir(text, 0755) == (there >= 0 ? -E_EXIST : 0));
        if (there < 0) {
            nodes[s.node].entry[k] = fresh;
            remember(fresh, text);
        }
        return;
    }
    bool full = false;
    for (int i = 0; there >= 0 && i < NAMES; i++)
        full = full || nodes[there].entry[i] >= 0;
    bool shown = false; /* a bind shows it: the model's node has to stay */
    for (int i = 0; there >= 0 && i < MOUNTS; i++)
        shown = shown || (mounts[i].live && mounts[i].root == there);
    if (shown)
        return;
    CHECK(do_unlink(text, true) == (there < 0          ? -E_NOENT
                                    : is_place(there)  ? -E_BUSY
                                    : full             ? -E_NOTEMPTY
                                                       : 0));
    if (there >= 0 && !full && !is_place(there)) {
        nodes[s.node].entry[k] = -1;
        nodes[there].parent = -2;
    }
}

static void
step_rename(void)
{
    struct route r, q;
    struct spot s, t;
    struct path p;
    char from[64], to[64];
    u32 k = pick(NAMES), l = pick(NAMES);
    if (!find_both(&r, &s, &p))
        return;
    path_release(&p);
    if (!find_both(&q, &t, &p))
        return;
    path_release(&p);
    int moved = nodes[s.node].entry[k];
    if (moved < 0 || nodes[t.node].entry[l] >= 0)
        return;
    route_text(&r, from);
    strcat(strcat(from, "/"), names[k]);
    route_text(&q, to);
    strcat(strcat(to, "/"), names[l]);
    int expected = s.mount != t.mount       ? -E_XDEV
                   : below(t.node, moved)   ? -E_INVAL
                   : is_place(moved)        ? -E_BUSY
                                            : 0;
    CHECK(do_rename(from, to, 0) == expected);
    if (expected == 0) {
        nodes[s.node].entry[k] = -1;
        nodes[t.node].entry[l] = moved;
        nodes[moved].parent = t.node;
    }
}

static void
step_mount(void)
{
    struct route r;
    struct spot s;
    struct path p;
    struct filesystem *fs;
    if (mounts_free() == 0 || !find_both(&r, &s, &p))
        return;
    s = crossed(s); /* on top of what is there already (only / is not crossed) */
    int root = node_take(-1);
    if (root >= 0) {
        CHECK(tmpfs_create(&fs) == 0);
        CHECK(vfs_mount_at(fs, &p, 0, NULL) == 0);
        nodes[root].dev = fs->dev;
        nodes[root].ino = fs->root->ino;
        CHECK(mount_take(root, s) > 0);
    }
    path_release(&p);
}

static bool
within(int m, int above)
{
    while (m != 0 && m != above)
        m = mounts[m].point_mount;
    return m == above;
}

/* The copies are all chosen before the first is made, as a tree may be bound into
 * itself. */
static void
model_bind(struct spot from, struct spot at, bool recursive)
{
    bool chosen[MOUNTS] = { false };
    for (int i = 1; i < MOUNTS && recursive; i++) {
        int top = i;
        if (!mounts[i].live || i == from.mount || !within(i, from.mount))
            continue;
        while (mounts[top].point_mount != from.mount)
            top = mounts[top].point_mount;
        chosen[i] = below(mounts[top].point_node, from.node);
    }
    int copy[MOUNTS];
    copy[from.mount] = mount_take(from.node, at);
    for (int i = 1; i < MOUNTS; i++)
        if (chosen[i])
            copy[i] = mount_take(mounts[i].root, (struct spot){ 0, 0 });
    for (int i = 1; i < MOUNTS; i++) {
        if (!chosen[i])
            continue;
        mounts[copy[i]].point_mount = copy[mounts[i].point_mount];
        mounts[copy[i]].point_node = mounts[i].point_node;
    }
}

static void
step_bind(void)
{
    struct route r, q;
    struct spot s, t;
    struct path from, at;
    bool recursive = pick(2) == 0;
    if (mounts_free() < MOUNTS / 2 || !find_both(&r, &s, &from))
        return;
    if (find_both(&q, &t, &at)) {
        t = crossed(t);
        CHECK(vfs_bind(&from, &at, recursive) == 0);
        model_bind(s, t, recursive);
        path_release(&at);
    }
    path_release(&from);
}

static void
step_move(void)
{
    struct route r, q;
    struct spot s, t;
    struct path from, at;
    if (!find_both(&r, &s, &from))
        return;
    if (s.mount != 0 && find_both(&q, &t, &at)) {
        t = crossed(t);
        int expected = s.node != mounts[s.mount].root ? -E_INVAL
                       : within(t.mount, s.mount)                     ? -E_LOOP
                                                                      : 0;
        CHECK(vfs_move_mount(&from, &at) == expected);
        if (expected == 0) {
            mounts[s.mount].point_mount = t.mount;
            mounts[s.mount].point_node = t.node;
        }
        path_release(&at);
    }
    path_release(&from);
}

static void
step_umount(void)
{
    struct route r;
    struct spot s;
    struct path p;
    bool detach = pick(3) == 0, busy = false, gone[MOUNTS];
    if (!find_both(&r, &s, &p))
        return;
    if (s.mount == 0) {
        path_release(&p);
        return;
    }
    for (int i = 1; i < MOUNTS; i++)
        busy = busy || (mounts[i].live && mounts[i].point_mount == s.mount);
    int expected = s.node != mounts[s.mount].root ? -E_INVAL
                   : busy && !detach                              ? -E_BUSY
                                                                  : 0;
    CHECK(vfs_umount(&p, detach ? VFS_UMOUNT_DETACH : 0) == expected);
    path_release(&p);
    if (expected != 0)
        return;
    for (int i = 0; i < MOUNTS; i++)
        gone[i] = mounts[i].live && within(i, s.mount);
    for (int i = 0; i < MOUNTS; i++)
        mounts[i].live = mounts[i].live && !gone[i];
}

static void
step(void)
{
    switch (pick(10)) {
    case 0:
    case 1:
    case 2:
        step_directory(true);
        break;
    case 3:
        step_directory(false);
        break;
    case 4:
        step_rename();
        break;
    case 5:
        step_mount();
        break;
    case 6:
        step_bind();
        break;
    case 7:
        step_move();
        break;
    default:
        step_umount();
        break;
    }
    for (int i = 0; i < 8; i++) {
        struct route r = random_route();
        compare(&r);
    }
}

/* ---- sequences ---- */

static void
take_all_off(void)
{
    while (vfs_mounts.prev != &vfs_root->link) {
        struct mount *m = container_of(vfs_mounts.prev, struct mount, link);
        struct path p = { m, m->root->inode, m->root };
        path_hold(&p);
        CHECK(vfs_umount(&p, VFS_UMOUNT_DETACH) == 0);
        path_release(&p);
    }
    CHECK(mount_count == 1 && list_empty(&vfs_root->children));
}

/* Each sequence has a file system of its own as root, so that it can be dropped whole. */
static void
enter(const struct path *p)
{
    CHECK(vfs_chroot(context, NULL, p) == 0 && vfs_chdir(context, NULL, p) == 0);
}

static void
begin(void)
{
    struct filesystem *fs;
    struct walk w = from_here(WALK_FOLLOW);
    CHECK(tmpfs_create(&fs) == 0 && mount_on(fs, "/w") == 0 && path_walk(&w, "/w") == 0);
    enter(&w.found);
    path_release(&w.found);
}

static void
end(void)
{
    struct tmpfs_counts left;
    struct path first = { vfs_root, vfs_root->root->inode, vfs_root->root };
    enter(&first);
    take_all_off();
    dentry_forget(vfs_root->fs);
    tmpfs_count(&left);
    CHECK(left.inodes == 2); /* / and /w */
}

static void
sequence(u64 seed)
{
    random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    for (int i = 0; i < NODES; i++)
        nodes[i].parent = -2;
    memset(mounts, 0, sizeof mounts);
    begin();
    int root = node_take(-1);
    remember(root, "/");
    (void)mount_take(root, (struct spot){ 0, -5 });
    for (int i = 0; i < STEPS; i++)
        step();
    end();
}

int
main(int argc, char **argv)
{
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    u64 count = argc > 2 ? strtoull(argv[2], NULL, 0) : 3000;
    setup_root();
    CHECK(do_mkdir("/w", 0755) == 0);
    for (u64 i = 0; i < count; i++)
        sequence(seed + i);
    printf("ok 1 fuzz_mounts\n1..1\n");
    return 0;
}
