/* SPDX-License-Identifier: MIT */
/*
 * Names: places in the file system, and abstract ones, which exist while a socket has
 * them.  Two hash tables: by inode, and by type and bytes.
 */
#include "socket/unix/unix.h"

#include "core/heap.h"
#include "core/string.h"

#define BUCKETS 1024u

static struct spinlock names_lock = SPINLOCK_INIT;
static struct list by_inode[BUCKETS], by_bytes[BUCKETS];

/* With the lock held: an empty list is made when it is first looked at. */
static struct list *
bucket(struct list *table, u64 hash)
{
    struct list *l = &table[hash % BUCKETS];
    if (l->next == NULL)
        list_init(l);
    return l;
}

static u64
hash_of(const struct socket_address *a, enum socket_type type)
{
    return name_hash((const char *)a->bytes, a->length) ^ (u64)type * 0x9e3779b97f4a7c15u;
}

static u64
inode_hash(const struct inode *i)
{
    return (u64)(uintptr_t)i / 64 * 0x9e3779b97f4a7c15u >> 40;
}

void
unix_name_hold(struct unix_name *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

void
unix_name_release(struct unix_name *n)
{
    if (n == NULL || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    path_release(&n->path);
    heap_free(n);
}

void
unix_name_get(struct unix_socket *u, struct socket_address *out)
{
    out->length = 0;
    spin_lock(&u->socket.lock);
    if (u->name != NULL)
        *out = u->name->address;
    spin_unlock(&u->socket.lock);
}

/* ---- looking up ---- */

static bool
same(const struct unix_name *n, const struct socket_address *a, u64 hash)
{
    return n->hash == hash && n->address.length == a->length &&
           memcmp(n->address.bytes, a->bytes, a->length) == 0;
}

/* With names_lock held. */
static struct unix_socket *
find_bytes_locked(const struct socket_address *a, enum socket_type type)
{
    u64 hash = hash_of(a, type);
    list_for_each(it, bucket(by_bytes, hash)) {
        struct unix_socket *u = container_of(it, struct unix_socket, bound);
        if (u->socket.type == type && same(u->name, a, hash))
            return u;
    }
    return NULL;
}

static int
find_abstract(const struct socket_address *a, enum socket_type type,
              struct unix_socket **out)
{
    spin_lock(&names_lock);
    *out = find_bytes_locked(a, type);
    if (*out != NULL)
        unix_hold(*out); /* L4 */
    spin_unlock(&names_lock);
    return *out != NULL ? 0 : -E_CONNREFUSED;
}

static struct unix_socket *
find_inode(const struct inode *i)
{
    struct unix_socket *found = NULL;
    spin_lock(&names_lock);
    list_for_each(it, bucket(by_inode, inode_hash(i))) {
        struct unix_socket *u = container_of(it, struct unix_socket, bound);
        if (u->name->path.inode == i) {
            found = u;
            unix_hold(u);
            break;
        }
    }
    spin_unlock(&names_lock);
    return found;
}

/* As a path with its NUL: what a program gave may lack it. -E_INVAL: longer than any. */
static int
path_of(const struct socket_address *a, char path[UNIX_PATH_MAX + 1])
{
    u64 n = strnlen((const char *)a->bytes, a->length);
    if (n > UNIX_PATH_MAX)
        return -E_INVAL;
    memcpy(path, a->bytes, n);
    path[n] = '\0';
    return 0;
}

static int
find_path(const struct socket_address *a, enum socket_type type, struct unix_socket **out)
{
    char path[UNIX_PATH_MAX + 1];
    struct walk w = { .flags = WALK_FOLLOW };
    int r = path_of(a, path);
    if (r != 0)
        return r;
    socket_caller.walk(&w);
    r = path_walk(&w, path);
    if (r != 0)
        return r;
    r = vfs_access(w.found.inode, w.cred, 2);
    *out = NULL;
    if (r == 0 && w.found.inode->type == IT_SOCKET)
        *out = find_inode(w.found.inode);
    if (r == 0 && *out == NULL)
        r = -E_CONNREFUSED;
    path_release(&w.found);
    if (r == 0 && (*out)->socket.type != type) {
        unix_release(*out);
        *out = NULL;
        r = -E_PROTOTYPE;
    }
    return r;
}

int
unix_find(const struct socket_address *a, enum socket_type type, struct unix_socket **out)
{
    *out = NULL;
    if (a->length == 0)
        return -E_INVAL;
    return a->bytes[0] == 0 ? find_abstract(a, type, out) : find_path(a, type, out);
}

/* ---- binding ---- */

static struct unix_name *
name_new(const struct socket_address *a, bool abstract)
{
    struct unix_name *n = heap_alloc_zeroed(sizeof *n);
    if (n == NULL)
        return NULL;
    atomic_init(&n->refs, 1);
    n->address = *a;
    n->abstract = abstract;
    return n;
}

/* The name becomes u's, in a table.  -E_INVAL: it has one; -E_ADDRINUSE: another has it. */
static int
install(struct unix_socket *u, struct unix_name *n)
{
    int r = 0;
    spin_lock(&u->socket.lock);
    spin_lock(&names_lock);
    if (u->name != NULL)
        r = -E_INVAL;
    else if (n->abstract && find_bytes_locked(&n->address, u->socket.type) != NULL)
        r = -E_ADDRINUSE;
    if (r == 0) {
        u->name = n;
        list_push_back(n->abstract ? bucket(by_bytes, n->hash)
                                   : bucket(by_inode, inode_hash(n->path.inode)),
                       &u->bound);
    }
    spin_unlock(&names_lock);
    spin_unlock(&u->socket.lock);
    return r;
}

static int
bind_abstract(struct unix_socket *u, const struct socket_address *a)
{
    struct unix_name *n = name_new(a, true);
    if (n == NULL)
        return -E_NOMEM;
    n->hash = hash_of(a, u->socket.type);
    int r = install(u, n);
    if (r != 0)
        unix_name_release(n);
    return r;
}

/* Make the socket in its directory; it goes again when the name cannot be had. */
static int
bind_path(struct unix_socket *u, const struct socket_address *a)
{
    char path[UNIX_PATH_MAX + 1];
    struct walk w = { .flags = 0 };
    int r = path_of(a, path);
    if (r != 0)
        return r;
    struct unix_name *n = name_new(a, false);
    if (n == NULL)
        return -E_NOMEM;
    n->address.length = (u32)strlen(path) + 1;
    memcpy(n->address.bytes, path, n->address.length);
    socket_caller.walk(&w);
    r = vfs_make_node(&w, path, IT_SOCKET, u->socket.inode.mode & 07777u, &n->path);
    if (r == 0) {
        r = install(u, n);
        if (r != 0) {
            socket_caller.walk(&w);
            int undone = vfs_unlink(&w, path, false);
            (void)undone; /* it is a name without a socket, as any that stayed */
        }
    }
    if (r != 0)
        unix_name_release(n);
    return r == -E_EXIST ? -E_ADDRINUSE : r;
}

/* A free abstract name of five hexadecimal digits. */
int
unix_bind_any(struct unix_socket *u)
{
    static _Atomic u32 next;
    static const char digits[] = "0123456789abcdef";
    for (u32 tries = 0; tries <= 0xfffff; tries++) {
        struct socket_address a = { .length = 6 };
        u32 number = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
        for (u32 i = 0; i < 5; i++)
            a.bytes[5 - i] = (u8)digits[number >> 4 * i & 15];
        if (__atomic_load_n(&u->name, __ATOMIC_ACQUIRE) != NULL)
            return 0;
        int r = bind_abstract(u, &a);
        if (r != -E_ADDRINUSE)
            return r == -E_INVAL ? 0 : r; /* it has one by now */
    }
    return -E_NOSPC;
}

int
unix_bind(struct socket *s, const struct socket_address *a)
{
    struct unix_socket *u = unix_of(s);
    if (a->length == 0)
        return unix_bind_any(u);
    if (a->length > UNIX_PATH_MAX)
        return -E_INVAL;
    if (__atomic_load_n(&u->name, __ATOMIC_ACQUIRE) != NULL)
        return -E_INVAL;
    return a->bytes[0] == 0 ? bind_abstract(u, a) : bind_path(u, a);
}

void
unix_unbind(struct unix_socket *u)
{
    spin_lock(&names_lock);
    list_remove(&u->bound);
    spin_unlock(&names_lock);
}
