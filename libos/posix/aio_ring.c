/* SPDX-License-Identifier: MIT */
/* Contexts of asynchronous requests and their rings; posix/aio.h has the invariants. */
#include "posix/aio.h"

#include "core/heap.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/tmpfs/tmpfs.h"
#include "proc/proc.h"
#include "ready/ready.h"
#include "vm/mm.h"

/* What Linux and the libraries that read the ring by themselves have at its beginning. */
struct ring_head {
    u32 id, places, head, tail, magic, compatible, incompatible, bytes;
};
#define RING_MAGIC 0xa10a10a1u
#define PLACES_MAX (0x10000000u / sizeof(struct aio_event))
#define CHUNK 16u
_Static_assert(sizeof(struct aio_event) == 32, "struct io_event");
_Static_assert(sizeof(struct ring_head) == 32, "struct aio_ring");

_Atomic u32 aio_all;
_Atomic u32 aio_all_max = AIO_ALL_DEFAULT;
static struct spinlock contexts_lock = SPINLOCK_INIT;

struct context_key {
    const struct mm *mm;
    uaddr at;
};

static int
key_order(const void *key, const struct tree_node *n)
{
    const struct context_key *k = key;
    const struct aio_context *c = container_of(n, struct aio_context, node);
    if (k->mm != c->mm)
        return (uintptr_t)k->mm < (uintptr_t)c->mm ? -1 : 1;
    return k->at < c->at ? -1 : k->at > c->at;
}

static int
order(const struct tree_node *a, const struct tree_node *b)
{
    const struct aio_context *c = container_of(a, struct aio_context, node);
    return key_order(&(struct context_key){ c->mm, c->at }, b);
}

static struct tree contexts = { .root = NULL, .compare = order };

/* ---- the ring ---- */

/* Events lie within one page each, and so does the head.  False: the page is not there,
 * because the program gave it away and there is no memory. */
static bool
ring_copy(struct aio_context *c, u64 offset, void *data, u32 bytes, bool write)
{
    frame_t frame;
    mutex_lock(&c->ring->mutex);
    bool there = c->ring->ops->page(c->ring, offset >> PAGE_SHIFT, true, &frame) == 0;
    if (there) {
        u8 *at = (u8 *)page_ptr(frame) + offset % PAGE_SIZE;
        memcpy(write ? at : data, write ? data : at, bytes);
    }
    mutex_unlock(&c->ring->mutex);
    return there;
}

static bool
event_copy(struct aio_context *c, u32 place, struct aio_event *e, bool write)
{
    return ring_copy(c, sizeof(struct ring_head) + place * sizeof *e, e, sizeof *e, write);
}

static u32
head_get(struct aio_context *c)
{
    u32 head = 0;
    (void)ring_copy(c, offsetof(struct ring_head, head), &head, sizeof head, false);
    return head % c->places;
}

static void
number_put(struct aio_context *c, u64 offset, u32 value)
{
    (void)ring_copy(c, offset, &value, sizeof value, true);
}

bool
aio_begin(struct aio_context *c)
{
    mutex_lock(&c->mutex);
    u32 events = (c->tail + c->places - head_get(c)) % c->places;
    bool room = !c->dead && events + c->under_way < c->places - 1;
    if (room)
        c->under_way++;
    mutex_unlock(&c->mutex);
    return room;
}

void
aio_refused(struct aio_context *c)
{
    mutex_lock(&c->mutex);
    c->under_way--;
    mutex_unlock(&c->mutex);
    wait_wake(&c->wait, ~0u);
}

void
aio_end_locked(struct aio_context *c, const struct aio_event *e, struct file *counter)
{
    struct aio_event event = *e;
    (void)event_copy(c, c->tail, &event, true);
    c->tail = (c->tail + 1) % c->places;
    number_put(c, offsetof(struct ring_head, tail), c->tail);
    c->under_way--;
    c->ended++;
    if (counter != NULL)
        eventfd_add(counter, 1);
    wait_wake(&c->wait, ~0u);
}

i64
aio_take(struct aio_context *c, uaddr to, u64 n)
{
    struct aio_event few[CHUNK];
    u64 got = 0;
    int r = 0;
    mutex_lock(&c->mutex);
    u32 head = head_get(c);
    while (r == 0 && got < n && head != c->tail) {
        u32 some = 0, next = head;
        while (some < MIN(CHUNK, n - got) && next != c->tail) {
            (void)event_copy(c, next, &few[some++], false);
            next = (next + 1) % c->places;
        }
        r = copy_to_user(to + got * sizeof *few, few, some * sizeof *few);
        if (r == 0) {
            got += some;
            head = next;
        }
    }
    if (got != 0)
        number_put(c, offsetof(struct ring_head, head), head);
    mutex_unlock(&c->mutex);
    return got != 0 || r == 0 ? (i64)got : r;
}

/* ---- contexts ---- */

void
aio_context_put(struct aio_context *c)
{
    if (atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    inode_release(c->ring);
    heap_free(c);
}

struct aio_context *
aio_context_get(uaddr at)
{
    struct context_key k = { proc_current()->mm, at };
    spin_lock(&contexts_lock);
    struct tree_node *n = tree_find(&contexts, &k, key_order);
    struct aio_context *c = n != NULL ? container_of(n, struct aio_context, node) : NULL;
    if (c != NULL)
        atomic_fetch_add(&c->refs, 1);
    spin_unlock(&contexts_lock);
    return c;
}

bool
aio_context_end(struct aio_context *c)
{
    spin_lock(&contexts_lock);
    bool first = !c->dead;
    c->dead = true;
    if (first)
        tree_remove(&contexts, &c->node);
    spin_unlock(&contexts_lock);
    if (!first)
        return false;
    aio_all -= c->asked;
    aio_poll_cancel_all(c);
    wait_wake(&c->wait, ~0u);
    aio_context_put(c); /* the tree's */
    return true;
}

/* A space has come to its end, so nobody submits anything in it. */
static void
space_ended(struct mm *m)
{
    struct context_key k = { m, 0 };
    for (;;) {
        spin_lock(&contexts_lock);
        struct tree_node *n = tree_at_or_after(&contexts, &k, key_order);
        struct aio_context *c =
            n != NULL ? container_of(n, struct aio_context, node) : NULL;
        if (c != NULL && c->mm != m)
            c = NULL;
        if (c != NULL)
            atomic_fetch_add(&c->refs, 1);
        spin_unlock(&contexts_lock);
        if (c == NULL)
            return;
        (void)aio_context_end(c);
        aio_context_put(c);
    }
}

/* The ring in the current space; its first page says what it is. */
static int
ring_map(struct aio_context *c)
{
    struct mm *m = proc_current()->mm;
    struct file *file =
        file_new(c->ring->file_ops, c->ring, OPEN_READ | OPEN_WRITE);
    if (file == NULL)
        return -E_NOMEM;
    int r = mm_map(m, 0, c->bytes, PROT_R | PROT_W, AREA_SHARED, file, 0, &c->at);
    file_release(file);
    if (r == 0)
        r = mm_advise(m, c->at, c->bytes, MM_ADVISE_FLAGS, AREA_DONTFORK, 0);
    struct ring_head head = { .places = c->places,
                              .magic = RING_MAGIC,
                              .compatible = 1,
                              .bytes = sizeof head };
    if (r == 0 && !ring_copy(c, 0, &head, sizeof head, true))
        r = -E_NOMEM;
    if (r != 0 && c->at != 0)
        (void)!mm_unmap(m, c->at, c->bytes);
    return r;
}

static int
context_make(struct aio_context *c, u32 asked)
{
    /* twice as many, as on Linux, which keeps some back for each processor */
    u64 places = MAX(asked, 4u) * 2ull + 2;
    c->bytes = PAGE_UP(sizeof(struct ring_head) + places * sizeof(struct aio_event));
    c->places = (u32)((c->bytes - sizeof(struct ring_head)) / sizeof(struct aio_event));
    c->asked = asked;
    c->mm = proc_current()->mm;
    mutex_init(&c->mutex);
    list_init(&c->polls);
    waitq_init(&c->wait);
    c->refs = 2; /* the tree's, the caller's */
    int r = tmpfs_shared_memory(c->bytes, &c->ring);
    if (r != 0)
        return r;
    r = ring_map(c);
    if (r != 0)
        inode_release(c->ring);
    return r;
}

int
aio_context_new(u32 asked, struct aio_context **out)
{
    if (asked > PLACES_MAX / 2)
        return -E_INVAL;
    if (atomic_fetch_add(&aio_all, asked) + (u64)asked > aio_all_max) {
        aio_all -= asked;
        return -E_AGAIN;
    }
    struct aio_context *c = heap_alloc_zeroed(sizeof *c);
    int r = c != NULL ? context_make(c, asked) : -E_NOMEM;
    if (r != 0) {
        aio_all -= asked;
        heap_free(c);
        return r;
    }
    mm_ended_hook = space_ended;
    mm_tell_end(proc_current()->mm);
    spin_lock(&contexts_lock);
    /* A ring that was unmapped by hand may have left its name to this one. */
    struct tree_node *there = tree_insert(&contexts, &c->node);
    c->dead = there != NULL;
    spin_unlock(&contexts_lock);
    if (there != NULL) {
        (void)!mm_unmap(proc_current()->mm, c->at, c->bytes);
        aio_all -= asked;
        inode_release(c->ring);
        heap_free(c);
        return -E_AGAIN;
    }
    *out = c;
    return 0;
}
