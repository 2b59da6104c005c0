/* SPDX-License-Identifier: MIT */
/* Extended attributes; vfs/xattr.h has the invariants. */
#include "vfs/xattr.h"

#include "core/heap.h"
#include "core/page.h"
#include "core/string.h"
#include "vfs/dentry.h"

#define MODE_STICKY 01000u

struct xattr {
    struct xattr *next;
    u32 name_bytes; /* without its NUL */
    u32 value_bytes;
    char data[]; /* the name, a NUL, the value */
};

enum space { SPACE_NONE, SPACE_USER, SPACE_TRUSTED, SPACE_SECURITY };
static const struct {
    const char *prefix;
    u32 length;
} spaces[] = {
    [SPACE_USER] = { "user.", 5 },
    [SPACE_TRUSTED] = { "trusted.", 8 },
    [SPACE_SECURITY] = { "security.", 9 },
};
static _Atomic u64 bytes_held; /* X3 */

static u64
bytes_limit(void)
{
    struct page_counts c;
    page_count(&c);
    return c.total * PAGE_SIZE / 16;
}

static enum space
space_of(const char *name)
{
    size_t n = strlen(name);
    for (u32 k = SPACE_USER; k <= SPACE_SECURITY; k++)
        if (n >= spaces[k].length &&
            memcmp(name, spaces[k].prefix, spaces[k].length) == 0)
            return (enum space)k;
    return SPACE_NONE;
}

#define CAPS_NAME "security.capability"

static bool
is_root(const struct cred *cred)
{
    return cred == NULL || cred_can(cred, CAP_SYS_ADMIN);
}

/* What the file system can have at all, after the rights have been looked at. */
static int
check_name(const struct inode *i, const char *name)
{
    enum space s = space_of(name);
    if (i->fs == NULL || !i->fs->keeps_xattrs || s == SPACE_NONE)
        return -E_NOTSUP;
    return name[spaces[s].length] == '\0' ? -E_INVAL : 0;
}

/* xattr(7): user.* as the file's data, but only on files and directories, and in a
 * sticky directory only by its owner; trusted.* are root's; security.* are for all to
 * read and for root to write. */
static int
check_rights(struct inode *i, const struct cred *cred, const char *name, bool write)
{
    if (write && i->fs != NULL && i->fs->read_only)
        return -E_ROFS;
    switch (space_of(name)) {
    case SPACE_USER:
        if (i->type != IT_FILE && i->type != IT_DIR)
            return write ? -E_PERM : -E_NODATA;
        if (write && i->type == IT_DIR && (i->mode & MODE_STICKY) != 0 &&
            !vfs_is_owner(i, cred))
            return -E_PERM;
        return vfs_access(i, cred, write ? 2 : 4);
    case SPACE_TRUSTED: return is_root(cred) ? 0 : write ? -E_PERM : -E_NODATA;
    case SPACE_SECURITY:
        if (strcmp(name, CAPS_NAME) == 0)
            return !write || cred == NULL || cred_can(cred, CAP_SETFCAP) ? 0 : -E_PERM;
        return !write || is_root(cred) ? 0 : -E_PERM;
    case SPACE_NONE: return 0; /* check_name refuses it */
    }
    return -E_NOTSUP;
}

/* security.capability has a version in its first word, which says how long it is. */
static int
check_value(const char *name, const void *value, u32 bytes)
{
    u32 version;
    if (strcmp(name, CAPS_NAME) != 0)
        return 0;
    if (bytes < sizeof version)
        return -E_INVAL;
    memcpy(&version, value, sizeof version);
    switch (version >> 24) {
    case 2: return bytes == 20 ? 0 : -E_INVAL;
    case 3: return bytes == 24 ? 0 : -E_INVAL;
    default: return -E_INVAL;
    }
}

/* The link that points at the attribute, or at the end. */
static struct xattr **
find_link(struct inode *i, const char *name)
{
    struct xattr **l = &i->xattrs;
    while (*l != NULL && strcmp((*l)->data, name) != 0)
        l = &(*l)->next;
    return l;
}

static u64
cost(const struct xattr *x)
{
    return sizeof *x + x->name_bytes + 1u + x->value_bytes;
}

static void
xattr_free(struct xattr *x)
{
    atomic_fetch_sub_explicit(&bytes_held, cost(x), memory_order_relaxed);
    heap_free(x);
}

static int
xattr_new(const char *name, const void *value, u32 bytes, struct xattr **out)
{
    u32 name_bytes = (u32)strlen(name);
    u64 all = sizeof(struct xattr) + name_bytes + 1u + bytes;
    if (atomic_fetch_add_explicit(&bytes_held, all, memory_order_relaxed) + all >
        bytes_limit()) {
        atomic_fetch_sub_explicit(&bytes_held, all, memory_order_relaxed);
        return -E_NOSPC;
    }
    struct xattr *x = heap_alloc(all);
    if (x == NULL) {
        atomic_fetch_sub_explicit(&bytes_held, all, memory_order_relaxed);
        return -E_NOMEM;
    }
    x->next = NULL;
    x->name_bytes = name_bytes;
    x->value_bytes = bytes;
    memcpy(x->data, name, name_bytes + 1u);
    memcpy(x->data + name_bytes + 1, value, bytes);
    *out = x;
    return 0;
}

static u64
list_bytes(const struct inode *i, const struct cred *cred)
{
    u64 n = 0;
    for (const struct xattr *x = i->xattrs; x != NULL; x = x->next)
        if (is_root(cred) || space_of(x->data) != SPACE_TRUSTED)
            n += x->name_bytes + 1u;
    return n;
}

int
xattr_set(struct inode *i, const struct cred *cred, const char *name, const void *value,
          u32 bytes, u32 flags)
{
    struct xattr *fresh;
    int r = check_rights(i, cred, name, true);
    if (r == 0)
        r = check_name(i, name);
    if (r == 0)
        r = check_value(name, value, bytes);
    if (r == 0)
        r = xattr_new(name, value, bytes, &fresh);
    if (r != 0)
        return r;
    mutex_lock(&i->mutex);
    struct xattr **l = find_link(i, name), *old = *l;
    if (old != NULL && (flags & XATTR_MUST_CREATE) != 0)
        r = -E_EXIST;
    else if (old == NULL && (flags & XATTR_MUST_REPLACE) != 0)
        r = -E_NODATA;
    else if (old == NULL &&
             list_bytes(i, NULL) + fresh->name_bytes + 1u > XATTR_LIST_MAX) /* X2 */
        r = -E_NOSPC;
    if (r == 0) {
        fresh->next = old != NULL ? old->next : NULL;
        *l = fresh;
        i->has_caps |= strcmp(name, CAPS_NAME) == 0;
        i->ctime = vfs_now();
        fresh = old;
    }
    mutex_unlock(&i->mutex);
    if (fresh != NULL)
        xattr_free(fresh);
    return r;
}

i64
xattr_get(struct inode *i, const struct cred *cred, const char *name, void *to, u32 size)
{
    int r = check_rights(i, cred, name, false);
    if (r == 0)
        r = check_name(i, name);
    if (r != 0)
        return r;
    mutex_lock(&i->mutex);
    const struct xattr *x = *find_link(i, name);
    i64 n = x == NULL ? -E_NODATA : (i64)x->value_bytes;
    if (n >= 0 && size != 0) {
        if ((u64)n > size)
            n = -E_RANGE;
        else
            memcpy(to, x->data + x->name_bytes + 1, (u64)n);
    }
    mutex_unlock(&i->mutex);
    return n;
}

i64
xattr_list(struct inode *i, const struct cred *cred, char *to, u32 size)
{
    if (i->fs == NULL || !i->fs->keeps_xattrs)
        return -E_NOTSUP;
    mutex_lock(&i->mutex);
    i64 n = (i64)list_bytes(i, cred);
    if (size != 0 && (u64)n > size) {
        n = -E_RANGE;
    } else if (size != 0) {
        for (const struct xattr *x = i->xattrs; x != NULL; x = x->next) {
            if (!is_root(cred) && space_of(x->data) == SPACE_TRUSTED)
                continue;
            memcpy(to, x->data, x->name_bytes + 1u);
            to += x->name_bytes + 1u;
        }
    }
    mutex_unlock(&i->mutex);
    return n;
}

int
xattr_remove(struct inode *i, const struct cred *cred, const char *name)
{
    int r = check_rights(i, cred, name, true);
    if (r == 0)
        r = check_name(i, name);
    if (r != 0)
        return r;
    mutex_lock(&i->mutex);
    struct xattr **l = find_link(i, name), *old = *l;
    if (old != NULL) {
        *l = old->next;
        i->ctime = vfs_now();
        i->has_caps &= strcmp(name, CAPS_NAME) != 0;
    }
    mutex_unlock(&i->mutex);
    if (old == NULL)
        return -E_NODATA;
    xattr_free(old);
    return 0;
}

void
xattrs_free(struct inode *i)
{
    while (i->xattrs != NULL) {
        struct xattr *x = i->xattrs;
        i->xattrs = x->next;
        xattr_free(x);
    }
}

/* ---- capabilities of programs ---- */

/* The value of security.capability: words of 32 bits, low ones first. */
struct caps_value {
    u32 version; /* and CAPS_EFFECTIVE */
    u32 permitted_low, inheritable_low, permitted_high, inheritable_high;
    u32 root;    /* version 3: the uid that is root of the namespace that they count in */
};
#define CAPS_EFFECTIVE 1u

static void
caps_locked(struct inode *i, struct file_caps *out)
{
    struct caps_value v = { .root = 0 };
    const struct xattr *x = *find_link(i, CAPS_NAME);
    if (x != NULL)
        memcpy(&v, x->data + x->name_bytes + 1, MIN(x->value_bytes, (u32)sizeof v));
    if (x == NULL || v.root != 0)
        return;
    *out = (struct file_caps){
        .there = true,
        .effective = (v.version & CAPS_EFFECTIVE) != 0,
        .permitted = (v.permitted_low | (u64)v.permitted_high << 32) & CAPS_ALL,
        .inheritable = (v.inheritable_low | (u64)v.inheritable_high << 32) & CAPS_ALL,
    };
}

void
xattr_rights(struct inode *i, struct file_rights *out)
{
    *out = (struct file_rights){ .mode = i->mode };
    if (__builtin_expect((out->mode & 06000) == 0 && !i->has_caps, 1))
        return;
    mutex_lock(&i->mutex);
    out->mode = i->mode;
    out->uid = i->uid;
    out->gid = i->gid;
    if (i->has_caps)
        caps_locked(i, &out->caps);
    mutex_unlock(&i->mutex);
}

void
xattr_drop_caps_locked(struct inode *i)
{
    struct xattr **l = find_link(i, CAPS_NAME), *old = *l;
    i->has_caps = false;
    if (old == NULL)
        return;
    *l = old->next;
    i->ctime = vfs_now();
    xattr_free(old);
}
