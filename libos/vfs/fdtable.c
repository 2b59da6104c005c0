/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables: chunks of 64 descriptors, each with a bitmap of those in use, and a
 * summary bitmap of full chunks.
 *
 * T1. A bit in `used` with no file is a reservation: taken, and not seen by fd_get.
 * T2. No free descriptor lies below `hint`, so finding the lowest is O(1) unless
 *     something lower was closed; then two find-first-bit steps and at most 256 words of
 *     summary.
 * T3. Chunks are never moved or freed while the table lives; the array of chunks grows by
 *     doubling.
 * T4. No chunk from slot `made` on exists, so that who goes through a table meets as many
 *     slots as its highest descriptor asked for.  Where none exists stands no_chunk, which
 *     is never written: to look at a descriptor is the same everywhere.
 * T5. A table with one user is changed by that user's thread alone, which may look without the lock.
 *     With the last user the files go; the table with the last reference.
 * Everything is guarded by `lock`.  Files are closed after it is dropped.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "vfs/locks.h"
#include "vfs/vfs.h"

#define CHUNK 64u
#define CHUNKS_MAX (FD_LIMIT_MAX / CHUNK)

struct fd_chunk {
    u64 used, cloexec;
    struct file *file[CHUNK];
};
#define A_HOLDER (1ull << 32)
struct fdtable {
    _Atomic u64 counts;      /* T5: users, and who holds it, user or not, times A_HOLDER */
    struct spinlock lock;
    u32 chunks;              /* slots in `chunk` */
    u32 made;                /* T4 */
    u32 hint;                /* T2 */
    struct fd_chunk **chunk; /* &only_chunk, or on the heap */
    u64 *full;               /* one bit for each chunk */
    struct fd_chunk *only_chunk;
    u64 only_full;
    struct fd_chunk first;
};

static struct fd_chunk no_chunk;

static u64
limit_default(void)
{
    return 1024;
}
u64 (*fd_limit)(void) = limit_default;

static const struct cred *
cred_default(void)
{
    return NULL;
}
const struct cred *(*vfs_current_cred)(void) = cred_default;

int
fdtable_new(struct fdtable **out)
{
    struct fdtable *t = heap_alloc_zeroed(sizeof *t);
    if (t == NULL)
        return -E_NOMEM;
    atomic_init(&t->counts, A_HOLDER + 1);
    t->chunks = t->made = 1;
    t->chunk = &t->only_chunk;
    t->chunk[0] = &t->first;
    t->full = &t->only_full;
    *out = t;
    return 0;
}

void
fdtable_hold(struct fdtable *t)
{
    atomic_fetch_add_explicit(&t->counts, A_HOLDER, memory_order_relaxed);
}

static void
table_free(struct fdtable *t)
{
    for (u32 i = 1; i < t->made; i++)
        if (t->chunk[i] != &no_chunk)
            heap_free(t->chunk[i]);
    if (t->chunk != &t->only_chunk) {
        heap_free(t->chunk);
        heap_free(t->full);
    }
    heap_free(t);
}

static void
close_file(struct fdtable *t, struct file *f)
{
    if (f->ops->flush != NULL)
        f->ops->flush(f);
    if (f->inode != NULL && f->inode->locks != NULL)
        locks_drop_owner(f->inode, t);
    if (f->async != NULL)
        file_async_hook(f, t);
    file_release(f);
}

void
fdtable_share(struct fdtable *t)
{
    atomic_fetch_add_explicit(&t->counts, A_HOLDER + 1, memory_order_relaxed);
}

bool
fdtable_shared(const struct fdtable *t)
{
    return (u32)atomic_load_explicit(&t->counts, memory_order_relaxed) != 1;
}

void
fdtable_drop(struct fdtable *t)
{
    if (atomic_fetch_sub_explicit(&t->counts, A_HOLDER, memory_order_acq_rel) == A_HOLDER)
        table_free(t);
}

/* seen: who looks, under the lock, may come meanwhile; else the table is as good as gone. */
static inline __attribute__((always_inline)) void
close_all(struct fdtable *t, bool seen)
{
    for (u32 i = 0; i < t->made; i++) {
        struct fd_chunk *c = t->chunk[i];
        for (u64 left = c->used; left != 0; left &= left - 1) {
            struct file **at = &c->file[__builtin_ctzll(left)];
            if (seen)
                spin_lock(&t->lock);
            struct file *f = *at;
            if (seen) {
                *at = NULL;
                spin_unlock(&t->lock);
            }
            if (f != NULL)
                close_file(t, f);
        }
    }
}

void
fdtable_leave(struct fdtable *t, bool visible)
{
    u64 before = atomic_fetch_sub_explicit(&t->counts, 1, memory_order_acq_rel);
    if ((u32)before != 1)
        return;
    if (visible || before != A_HOLDER + 1)
        close_all(t, true);
    else
        close_all(t, false);
}

void
fdtable_release(struct fdtable *t)
{
    fdtable_leave(t, false);
    fdtable_drop(t);
}

/* Room for `wanted` chunk slots.  Called without the lock; -E_NOMEM. */
static int
table_grow(struct fdtable *t, u32 wanted)
{
    u32 n = CHUNK;
    while (n < wanted)
        n *= 2;
    struct fd_chunk **chunk = heap_alloc(n * sizeof *chunk);
    u64 *full = heap_alloc_zeroed(n / CHUNK * sizeof *full);
    if (chunk == NULL || full == NULL) {
        heap_free(chunk);
        heap_free(full);
        return -E_NOMEM;
    }
    spin_lock(&t->lock);
    if (t->chunks < n) {
        struct fd_chunk **old_chunk = t->chunk;
        u64 *old_full = t->full;
        memcpy(chunk, old_chunk, t->made * sizeof *chunk);
        for (u32 i = t->made; i < n; i++)
            chunk[i] = &no_chunk;
        memcpy(full, old_full, (t->chunks + CHUNK - 1) / CHUNK * sizeof *full);
        bool was_inline = old_chunk == &t->only_chunk;
        t->chunk = chunk;
        t->full = full;
        t->chunks = n;
        chunk = was_inline ? NULL : old_chunk;
        full = was_inline ? NULL : old_full;
    }
    spin_unlock(&t->lock);
    heap_free(chunk);
    heap_free(full);
    return 0;
}

/* Make the chunk of a descriptor.  Called without the lock. */
static int
chunk_make(struct fdtable *t, u32 index)
{
    if (index >= t->chunks) {
        int r = table_grow(t, index + 1);
        if (r != 0)
            return r;
    }
    struct fd_chunk *c = heap_alloc_zeroed(sizeof *c);
    if (c == NULL)
        return -E_NOMEM;
    spin_lock(&t->lock);
    if (t->chunk[index] == &no_chunk) {
        t->chunk[index] = c;
        t->made = MAX(t->made, index + 1);
        c = NULL;
    }
    spin_unlock(&t->lock);
    heap_free(c);
    return 0;
}

/* The lowest free descriptor that is at least `from`, whether its chunk exists or not. */
static u32
find_free_locked(const struct fdtable *t, u32 from)
{
    u32 i = from / CHUNK;
    if (i >= t->chunks)
        return from;
    u64 free = ~t->chunk[i]->used & ~0ull << (from % CHUNK);
    if (free != 0)
        return i * CHUNK + (u32)__builtin_ctzll(free);
    i++;
    for (u32 word = i / CHUNK; word < t->chunks / CHUNK; word++) {
        u64 room = ~t->full[word];
        if (word == i / CHUNK)
            room &= ~0ull << (i % CHUNK);
        if (room == 0)
            continue;
        u32 at = word * CHUNK + (u32)__builtin_ctzll(room);
        return at * CHUNK + (u32)__builtin_ctzll(~t->chunk[at]->used);
    }
    return t->chunks * CHUNK;
}

static void
take_locked(struct fdtable *t, u32 fd, bool cloexec)
{
    struct fd_chunk *c = t->chunk[fd / CHUNK];
    u64 bit = 1ull << (fd % CHUNK);
    c->used |= bit;
    if (cloexec)
        c->cloexec |= bit;
    else
        c->cloexec &= ~bit;
    if (c->used == ~0ull)
        t->full[fd / CHUNK / CHUNK] |= 1ull << (fd / CHUNK % CHUNK);
    if (fd == t->hint)
        t->hint = fd + 1;
}

static void
drop_locked(struct fdtable *t, u32 fd)
{
    struct fd_chunk *c = t->chunk[fd / CHUNK];
    c->used &= ~(1ull << (fd % CHUNK));
    c->file[fd % CHUNK] = NULL;
    t->full[fd / CHUNK / CHUNK] &= ~(1ull << (fd / CHUNK % CHUNK));
    if (fd < t->hint)
        t->hint = fd;
}

static int
install(struct fdtable *t, struct file *f, u32 lowest, bool cloexec)
{
    u64 limit = fd_limit();
    if (limit > FD_LIMIT_MAX)
        limit = FD_LIMIT_MAX;
    for (;;) {
        spin_lock(&t->lock);
        u32 fd = find_free_locked(t, MAX(lowest, t->hint));
        bool ready = fd / CHUNK < t->chunks && t->chunk[fd / CHUNK] != &no_chunk;
        if (fd < limit && ready) {
            take_locked(t, fd, cloexec);
            t->chunk[fd / CHUNK]->file[fd % CHUNK] = f;
            spin_unlock(&t->lock);
            return (int)fd;
        }
        spin_unlock(&t->lock);
        if (fd >= limit || chunk_make(t, fd / CHUNK) != 0)
            return -E_MFILE;
    }
}

int
fd_install(struct fdtable *t, struct file *f, int lowest, bool cloexec)
{
    return install(t, f, (u32)lowest, cloexec);
}

int
fd_reserve(struct fdtable *t, int lowest)
{
    return file_table_full() ? -E_NFILE : install(t, NULL, (u32)lowest, false);
}

void
fd_fill(struct fdtable *t, int fd, struct file *f, bool cloexec)
{
    spin_lock(&t->lock);
    struct fd_chunk *c = t->chunk[(u32)fd / CHUNK];
    c->file[(u32)fd % CHUNK] = f;
    if (cloexec)
        c->cloexec |= 1ull << ((u32)fd % CHUNK);
    spin_unlock(&t->lock);
}

void
fd_unreserve(struct fdtable *t, int fd)
{
    spin_lock(&t->lock);
    drop_locked(t, (u32)fd);
    spin_unlock(&t->lock);
}

int
fd_install_at(struct fdtable *t, struct file *f, int fd, bool cloexec)
{
    if (fd < 0 || (u64)fd >= MIN(fd_limit(), (u64)FD_LIMIT_MAX))
        return -E_BADF;
    u32 n = (u32)fd;
    for (;;) {
        spin_lock(&t->lock);
        if (n / CHUNK < t->chunks && t->chunk[n / CHUNK] != &no_chunk)
            break;
        spin_unlock(&t->lock);
        if (chunk_make(t, n / CHUNK) != 0)
            return -E_NOMEM;
    }
    struct fd_chunk *c = t->chunk[n / CHUNK];
    struct file *old = c->file[n % CHUNK];
    /* T1: another thread is opening there */
    if (old == NULL && (c->used >> (n % CHUNK) & 1) != 0) {
        spin_unlock(&t->lock);
        return -E_BUSY;
    }
    take_locked(t, n, cloexec);
    c->file[n % CHUNK] = f;
    spin_unlock(&t->lock);
    if (old != NULL)
        close_file(t, old);
    return fd;
}

struct file *
fd_peek(struct fdtable *t, int fd)
{
    u32 i = (u32)fd / CHUNK;
    return i < t->chunks ? t->chunk[i]->file[(u32)fd % CHUNK] : NULL;
}

struct file *
fd_get(struct fdtable *t, int fd)
{
    spin_lock(&t->lock);
    struct file *f = fd_peek(t, fd);
    if (f != NULL)
        file_hold(f);
    spin_unlock(&t->lock);
    return f;
}

struct file *
fd_borrow(struct fdtable *t, int fd, bool *counted)
{
    *counted = fdtable_shared(t);
    return *counted ? fd_get(t, fd) : fd_peek(t, fd);
}

int
fd_close(struct fdtable *t, int fd)
{
    spin_lock(&t->lock);
    struct file *f = fd_peek(t, fd);
    if (f != NULL)
        drop_locked(t, (u32)fd);
    spin_unlock(&t->lock);
    if (f == NULL)
        return -E_BADF;
    close_file(t, f);
    return 0;
}

int
fd_flags(struct fdtable *t, int fd, int set, bool *cloexec)
{
    u32 i = (u32)fd / CHUNK;
    u64 bit = 1ull << ((u32)fd % CHUNK);
    int r = -E_BADF;
    spin_lock(&t->lock);
    if (fd_peek(t, fd) != NULL) {
        if (set == 1)
            t->chunk[i]->cloexec |= bit;
        else if (set == 0)
            t->chunk[i]->cloexec &= ~bit;
        if (cloexec != NULL)
            *cloexec = (t->chunk[i]->cloexec & bit) != 0;
        r = 0;
    }
    spin_unlock(&t->lock);
    return r;
}

int
fd_next(struct fdtable *t, int from)
{
    int found = -1;
    spin_lock(&t->lock);
    for (u32 fd = (u32)from; found < 0 && fd / CHUNK < t->made;) {
        struct fd_chunk *c = t->chunk[fd / CHUNK];
        u64 used = c->used & ~0ull << (fd % CHUNK);
        for (; used != 0 && found < 0; used &= used - 1)
            if (c->file[__builtin_ctzll(used)] != NULL)
                found = (int)(fd / CHUNK * CHUNK + (u32)__builtin_ctzll(used));
        fd = (fd / CHUNK + 1) * CHUNK;
    }
    spin_unlock(&t->lock);
    return found;
}

void
fd_close_range(struct fdtable *t, u32 first, u32 last, bool mark_only)
{
    for (u32 at = first; at < FD_LIMIT_MAX && at <= last;) {
        int fd = fd_next(t, (int)at);
        if (fd < 0 || (u32)fd > last)
            return;
        int r = mark_only ? fd_flags(t, fd, 1, NULL) : fd_close(t, fd);
        (void)r; /* another thread may have closed it: that is what was wanted */
        at = (u32)fd + 1;
    }
}

void
fdtable_close_exec(struct fdtable *t)
{
    for (u32 i = 0; i < t->made; i++) {
        struct fd_chunk *c = t->chunk[i];
        for (u64 left = c->used & c->cloexec; left != 0; left &= left - 1) {
            int r = fd_close(t, (int)(i * CHUNK + (u32)__builtin_ctzll(left)));
            (void)r; /* a reservation of another thread: not there yet */
        }
    }
}

u32
fd_count(struct fdtable *t)
{
    u32 n = 0;
    spin_lock(&t->lock);
    for (u32 i = 0; i < t->made; i++)
        n += (u32)__builtin_popcountll(t->chunk[i]->used);
    spin_unlock(&t->lock);
    return n;
}

/* How many chunk slots a copy needs: up to the last chunk with a file. */
static u32
chunks_in_use_locked(const struct fdtable *t)
{
    u32 n = t->made;
    while (n > 1 && t->chunk[n - 1]->used == 0)
        n--;
    return n;
}

u32
fd_slots(struct fdtable *t)
{
    spin_lock(&t->lock);
    u32 n = chunks_in_use_locked(t) * CHUNK;
    spin_unlock(&t->lock);
    return n;
}

static int
copy_chunks_prepare(struct fdtable *from, struct fdtable *t)
{
    spin_lock(&from->lock);
    u32 n = chunks_in_use_locked(from);
    spin_unlock(&from->lock);
    if (n > t->chunks) {
        int r = table_grow(t, n);
        if (r != 0)
            return r;
    }
    for (u32 i = 1; i < n; i++) {
        spin_lock(&from->lock);
        bool needed = from->chunk[i] != &no_chunk;
        spin_unlock(&from->lock);
        int r = needed && t->chunk[i] == &no_chunk ? chunk_make(t, i) : 0;
        if (r != 0)
            return r;
    }
    return 0;
}

/* Fill a chunk that is empty; a reservation is not copied. */
static void
copy_chunk(struct fd_chunk *to, const struct fd_chunk *from)
{
    u64 used = 0;
    for (u64 left = from->used; left != 0; left &= left - 1) {
        u32 k = (u32)__builtin_ctzll(left);
        struct file *f = from->file[k];
        if (f == NULL)
            continue;
        file_hold(f);
        to->file[k] = f;
        used |= 1ull << k;
    }
    to->used = used;
    to->cloexec = from->cloexec & used;
}

/* Copy what is there; false: `from` has grown meanwhile beyond what was prepared. */
static bool
copy_files_locked(struct fdtable *from, struct fdtable *t)
{
    u32 n = chunks_in_use_locked(from);
    if (n > t->chunks)
        return false;
    for (u32 i = 0; i < n; i++)
        if (from->chunk[i] != &no_chunk && t->chunk[i] == &no_chunk)
            return false;
    for (u32 i = 0; i < n; i++) {
        if (t->chunk[i] == &no_chunk)
            continue;
        copy_chunk(t->chunk[i], from->chunk[i]);
        if (t->chunk[i]->used == ~0ull)
            t->full[i / CHUNK] |= 1ull << (i % CHUNK);
    }
    t->hint = find_free_locked(t, 0);
    return true;
}

int
fdtable_copy(struct fdtable *from, struct fdtable **out)
{
    struct fdtable *t;
    bool done = false;
    int r = fdtable_new(&t);
    if (r != 0)
        return r;
    while (r == 0 && !done) {
        r = copy_chunks_prepare(from, t);
        if (r == 0) {
            spin_lock(&from->lock);
            done = copy_files_locked(from, t);
            spin_unlock(&from->lock);
        }
    }
    if (r != 0) {
        table_free(t);
        return r;
    }
    *out = t;
    return 0;
}
