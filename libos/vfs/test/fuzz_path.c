/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer of path operations: random sequences over a small set of names, against a
 * model of the tree.
 *
 * The model is a plain tree of nodes with entries; it follows the rules of POSIX in the
 * simplest words.  After each step the result is compared, and now and then the whole
 * tree with all cached and uncached look-ups.  Without arguments it runs a fixed number
 * of sequences from fixed seeds; `fuzz_path SEED COUNT` runs others.
 */
#include "vfs/test/setup.h"

#define NODES 400
#define NAMES 5
#define DEPTH 5

struct node {
    enum inode_type type; /* IT_FILE, IT_DIR, IT_LINK; 0: free */
    int parent;           /* of directories; -1: removed */
    int entry[NAMES];     /* of directories: nodes, or -1 */
    int links;
    u64 ino;
    char target[64];
};
static struct node nodes[NODES];
static const char *const names[NAMES] = { "a", "b", "c",
                                          "d-with-a-name-that-does-not-fit-inline", "e" };
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
node_take(enum inode_type type)
{
    for (int i = 1; i < NODES; i++) {
        if (nodes[i].type == 0) {
            nodes[i] = (struct node){ .type = type, .parent = -1, .links = 1 };
            for (int k = 0; k < NAMES; k++)
                nodes[i].entry[k] = -1;
            return i;
        }
    }
    return -1;
}

static int
name_index(const char *p, size_t length)
{
    for (int k = 0; k < NAMES; k++)
        if (strlen(names[k]) == length && memcmp(names[k], p, length) == 0)
            return k;
    return -1;
}

/* Where a path leads.  The node of its directory (parent walks) and the last
 * component. */
struct place {
    int node;          /* full walks: what was found */
    int dir, name;     /* parent walks: name -1: it ends in . or .. or nothing */
    bool dots_up;      /* it ends in .. */
    bool nothing;      /* it is only slashes */
    bool slash;
};

static int model_walk(const char *path, int from, bool parent, bool follow, int *links,
                      struct place *out);

static int
model_step(int at, const char *p, size_t n, bool last, bool slash, bool follow,
           int *links, int *to)
{
    if (nodes[at].type != IT_DIR)
        return -E_NOTDIR;
    if (n == 1 && p[0] == '.') {
        *to = at;
        return 0;
    }
    if (n == 2 && p[0] == '.' && p[1] == '.') {
        *to = nodes[at].parent;
        return 0;
    }
    int k = name_index(p, n);
    if (k < 0 || nodes[at].entry[k] < 0)
        return -E_NOENT;
    *to = nodes[at].entry[k];
    if (nodes[*to].type == IT_LINK && (!last || slash || follow)) {
        struct place found;
        if (++*links > 40)
            return -E_LOOP;
        int r = model_walk(nodes[*to].target, at, false, true, links, &found);
        if (r != 0)
            return r;
        *to = found.node;
    }
    if (slash && nodes[*to].type != IT_DIR)
        return -E_NOTDIR;
    return 0;
}

static int
model_walk(const char *path, int from, bool parent, bool follow, int *links,
           struct place *out)
{
    int at = path[0] == '/' ? 0 : from;
    const char *p = path;
    *out = (struct place){ .node = at, .dir = at, .name = -1, .nothing = true };
    while (*p == '/')
        p++;
    while (*p != '\0') {
        size_t n = strcspn(p, "/");
        const char *next = p + n + strspn(p + n, "/");
        bool last = *next == '\0', slash = next != p + n;
        if (last && parent) {
            if (nodes[at].type != IT_DIR)
                return -E_NOTDIR;
            out->dir = at;
            out->nothing = false;
            out->slash = slash;
            out->dots_up = n == 2 && memcmp(p, "..", 2) == 0;
            out->name = name_index(p, n);
            return 0;
        }
        int r = model_step(at, p, n, last, slash, follow, links, &at);
        if (r != 0)
            return r;
        p = next;
    }
    out->node = at;
    out->dir = at;
    return 0;
}

static int
model_parent(const char *path, struct place *out)
{
    int links = 0;
    return model_walk(path, 0, true, false, &links, out);
}

static int
model_find(const char *path, bool follow, int *node)
{
    int links = 0;
    struct place found;
    int r = model_walk(path, 0, false, follow, &links, &found);
    *node = found.node;
    return r;
}

static int
model_make(const char *path, enum inode_type type, const char *target)
{
    struct place p;
    int r = model_parent(path, &p);
    if (r != 0)
        return r;
    if (p.name < 0 || nodes[p.dir].entry[p.name] >= 0)
        return -E_EXIST;
    if (p.slash && type != IT_DIR)
        return -E_NOENT;
    int n = node_take(type);
    CHECK(n > 0);
    nodes[p.dir].entry[p.name] = n;
    nodes[n].parent = p.dir;
    snprintf(nodes[n].target, sizeof nodes[n].target, "%s", target);
    return 0;
}

static void
model_drop(int n)
{
    if (nodes[n].type == IT_DIR || --nodes[n].links == 0)
        nodes[n].type = 0;
}

static bool
model_empty(int n)
{
    for (int k = 0; k < NAMES; k++)
        if (nodes[n].entry[k] >= 0)
            return false;
    return true;
}

static int
model_unlink(const char *path, bool directory)
{
    struct place p;
    int r = model_parent(path, &p);
    if (r != 0)
        return r;
    if (p.name < 0)
        return !directory  ? -E_ISDIR
               : p.nothing ? -E_BUSY
               : p.dots_up ? -E_NOTEMPTY
                           : -E_INVAL;
    int n = nodes[p.dir].entry[p.name];
    if (n < 0)
        return -E_NOENT;
    bool is_dir = nodes[n].type == IT_DIR;
    if (!directory && is_dir)
        return -E_ISDIR;
    if ((directory && !is_dir) || (!directory && p.slash))
        return -E_NOTDIR;
    if (is_dir && !model_empty(n))
        return -E_NOTEMPTY;
    nodes[p.dir].entry[p.name] = -1;
    model_drop(n);
    return 0;
}

static int
model_link(const char *from, const char *to)
{
    struct place p;
    int n, r = model_find(from, false, &n);
    if (r == 0)
        r = model_parent(to, &p);
    if (r != 0)
        return r;
    if (p.name < 0 || nodes[p.dir].entry[p.name] >= 0)
        return -E_EXIST;
    if (p.slash)
        return -E_NOENT;
    if (nodes[n].type == IT_DIR)
        return -E_PERM;
    nodes[p.dir].entry[p.name] = n;
    nodes[n].links++;
    return 0;
}

static bool
model_below(int n, int above)
{
    for (;; n = nodes[n].parent) {
        if (n == above)
            return true;
        if (n == 0)
            return false;
    }
}

static int
rename_allowed(const struct place *a, const struct place *b, int old, int target,
               u32 flags)
{
    bool old_dir = nodes[old].type == IT_DIR, swap = flags == RENAME_SWAP;
    if (old_dir && model_below(b->dir, old))
        return -E_INVAL;
    if (!old_dir && (a->slash || b->slash))
        return -E_NOTDIR;
    if (target < 0)
        return swap ? -E_NOENT : 0;
    if (flags == RENAME_NO_REPLACE)
        return -E_EXIST;
    bool target_dir = nodes[target].type == IT_DIR;
    if (target_dir && model_below(a->dir, target))
        return swap ? -E_INVAL : -E_NOTEMPTY;
    if (swap)
        return 0;
    if (old_dir != target_dir)
        return old_dir ? -E_NOTDIR : -E_ISDIR;
    return target_dir && !model_empty(target) ? -E_NOTEMPTY : 0;
}

static int
model_rename(const char *from, const char *to, u32 flags)
{
    struct place a, b;
    int r = model_parent(from, &a);
    if (r == 0 && a.name < 0)
        r = -E_BUSY;
    if (r == 0)
        r = model_parent(to, &b);
    if (r == 0 && b.name < 0)
        r = flags == RENAME_NO_REPLACE ? -E_EXIST : -E_BUSY;
    if (r != 0)
        return r;
    int old = nodes[a.dir].entry[a.name], target = nodes[b.dir].entry[b.name];
    if (old < 0)
        return -E_NOENT;
    if (old == target)
        return flags == RENAME_NO_REPLACE ? -E_EXIST : 0;
    r = rename_allowed(&a, &b, old, target, flags);
    if (r != 0)
        return r;
    nodes[b.dir].entry[b.name] = old;
    nodes[a.dir].entry[a.name] = flags == RENAME_SWAP ? target : -1;
    nodes[old].parent = b.dir;
    if (flags == RENAME_SWAP)
        nodes[target].parent = a.dir;
    else if (target >= 0)
        model_drop(target);
    return 0;
}

/* ---- the steps ---- */

static void
random_path(char *to, size_t size)
{
    u32 parts = pick(DEPTH);
    size_t n = 0;
    to[0] = '\0';
    for (u32 i = 0; i <= parts; i++) {
        u32 what = pick(20);
        const char *part = what == 0 ? "." : what == 1 ? ".." : names[pick(NAMES)];
        n += (size_t)snprintf(to + n, size - n, "%s%s",
                              pick(10) == 0            ? "//"
                              : i == 0 && pick(4) == 0 ? ""
                                                       : "/",
                              part);
    }
    if (pick(12) == 0)
        snprintf(to + n, size - n, "/");
}

static void
compare(const char *what, const char *a, const char *b, int got, int wanted)
{
    if (got == wanted)
        return;
    printf("not ok 1 %s(%s, %s): %d, the model says %d\n", what, a, b, got, wanted);
    exit(1);
}

static int
do_create(const char *path)
{
    return try_open(path, OPEN_CREATE | OPEN_EXCL | OPEN_WRITE, 0600);
}

static int
model_create(const char *path)
{
    struct place p;
    int r = model_parent(path, &p);
    if (r != 0)
        return r;
    if (p.name < 0 || nodes[p.dir].entry[p.name] >= 0)
        return -E_EXIST;
    return p.slash ? -E_ISDIR : model_make(path, IT_FILE, "");
}

static void
step(void)
{
    char a[256], b[256];
    u32 flags = pick(4) == 0 ? 1 + pick(2) : 0;
    int n;
    struct vattr attr;
    random_path(a, sizeof a);
    random_path(b, sizeof b);
    switch (pick(8)) {
    case 0:
        compare("mkdir", a, "", do_mkdir(a, 0755), model_make(a, IT_DIR, ""));
        break;
    case 1:
        compare("create", a, "", do_create(a), model_create(a));
        break;
    case 2:
        if (strlen(b) < 60)
            compare("symlink", a, b, do_symlink(b, a), model_make(a, IT_LINK, b));
        break;
    case 3:
        compare("link", a, b, do_link(a, b), model_link(a, b));
        break;
    case 4:
        compare("rename", a, b, do_rename(a, b, flags), model_rename(a, b, flags));
        break;
    case 5:
        compare("unlink", a, "", do_unlink(a, false), model_unlink(a, false));
        break;
    case 6:
        compare("rmdir", a, "", do_unlink(a, true), model_unlink(a, true));
        break;
    default: {
        bool follow = pick(2) == 0;
        int wanted = model_find(a, follow, &n);
        compare("stat", a, follow ? "follow" : "", do_stat(a, follow, &attr), wanted);
        if (wanted == 0)
            compare("type", a, "", (int)attr.type, (int)nodes[n].type);
    }
    }
}

/* The whole tree by absolute paths, with link counts. */
static void
compare_tree(int n, char *path, size_t length)
{
    for (int k = 0; k < NAMES; k++) {
        struct vattr attr;
        int child = nodes[n].entry[k];
        size_t more = length +
                      (size_t)snprintf(path + length, 4096 - length, "/%s", names[k]);
        int r = do_stat(path, false, &attr);
        compare("walk", path, "", r, child < 0 ? -E_NOENT : 0);
        if (child >= 0) {
            compare("type", path, "", (int)attr.type, (int)nodes[child].type);
            if (attr.type == IT_DIR)
                compare_tree(child, path, more);
            else
                compare("links", path, "", (int)attr.nlink, nodes[child].links);
        }
        path[length] = '\0';
    }
}

static void
remove_all(int n, char *path, size_t length)
{
    for (int k = 0; k < NAMES; k++) {
        int child = nodes[n].entry[k];
        if (child < 0)
            continue;
        size_t more = length +
                      (size_t)snprintf(path + length, 4096 - length, "/%s", names[k]);
        bool is_dir = nodes[child].type == IT_DIR;
        if (is_dir)
            remove_all(child, path, more);
        compare("remove", path, "", do_unlink(path, is_dir), 0);
        path[length] = '\0';
    }
}

static void
run(u64 seed)
{
    static char path[4096];
    random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    memset(nodes, 0, sizeof nodes);
    nodes[0].type = IT_DIR;
    for (int k = 0; k < NAMES; k++)
        nodes[0].entry[k] = -1;
    for (int i = 0; i < 300; i++) {
        step();
        if (i % 60 == 59)
            compare_tree(0, path, 0);
    }
    remove_all(0, path, 0);
}

int
main(int argc, char **argv)
{
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1,
        count = argc > 2 ? strtoull(argv[2], NULL, 0) : 300;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setup_root();
    for (u64 i = 0; i < count; i++)
        run(seed + i);
    struct tmpfs_counts c;
    tmpfs_count(&c);
    CHECK(c.inodes == 1); /* the root: what was removed is gone, in the cache as well */
    fs_context_release(context);
    check_tests = 1;
    printf("ok 1 %lu random sequences of path operations from seed %lu agree with the "
           "model\n",
           (unsigned long)count, (unsigned long)seed);
    DONE();
}
