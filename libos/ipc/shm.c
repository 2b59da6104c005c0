/* SPDX-License-Identifier: MIT */
/* System V shared memory (ipc/shm.h). */
#include "ipc/shm.h"

#include "core/clock.h"
#include "core/heap.h"
#include "core/page.h"
#include "core/thread.h"
#include "fs/tmpfs/tmpfs.h"
#include "vfs/vfs.h"

struct shm_segment {
    struct ipc_object object; /* its lock guards what is not constant below */
    struct inode *inode;      /* constant, a reference */
    u64 bytes;                /* constant */
    i32 shown_key;            /* constant: in names */
    i32 creator, last;
    u32 files;                /* H1 */
    u64 attached_ns, detached_ns, changed_ns;
};

_Atomic u32 shm_segments_max = 4096;
static _Atomic u64 all_pages;

static i32
no_pid(void)
{
    return 0;
}
i32 (*ipc_current_pid)(void) = no_pid;

static struct shm_segment *
segment_of(struct ipc_object *o)
{
    return container_of(o, struct shm_segment, object);
}

static void
free_segment(struct ipc_object *o)
{
    struct shm_segment *s = segment_of(o);
    atomic_fetch_sub(&all_pages, PAGE_UP(s->bytes) >> PAGE_SHIFT);
    inode_release(s->inode);
    heap_free(s);
}

static i64 make_segment(const struct cred *c, const struct ipc_wanted *wanted);

static u64
size_of(const struct ipc_object *o)
{
    return segment_of((struct ipc_object *)(uintptr_t)o)->bytes;
}

static struct ipc_table shm_table =
    IPC_TABLE_INIT(shm_table, free_segment, make_segment, size_of);

/* What can never be there is refused, as mmap does it. */
static bool
is_too_much(u64 bytes)
{
    struct page_counts memory;
    page_count(&memory);
    return PAGE_UP(bytes) >> PAGE_SHIFT > memory.total;
}

static i64
make_segment(const struct cred *c, const struct ipc_wanted *wanted)
{
    if (wanted->size == 0 || wanted->size > SHM_BYTES_MAX)
        return -E_INVAL;
    if (is_too_much(wanted->size))
        return -E_NOMEM;
    struct shm_segment *s = heap_alloc_zeroed(sizeof *s);
    if (s == NULL)
        return -E_NOMEM;
    int r = tmpfs_shared_memory(PAGE_UP(wanted->size), &s->inode);
    if (r != 0) {
        heap_free(s);
        return r;
    }
    s->bytes = wanted->size;
    s->shown_key = wanted->key;
    s->creator = ipc_current_pid();
    s->changed_ns = clock_real_ns();
    atomic_fetch_add(&all_pages, PAGE_UP(s->bytes) >> PAGE_SHIFT);
    i64 id = ipc_publish(&shm_table, &s->object, wanted->key, wanted->mode, c,
                         shm_segments_max);
    if (id < 0)
        free_segment(&s->object);
    return id;
}

i64
shm_get(const struct cred *c, const struct ipc_wanted *wanted)
{
    return ipc_get(&shm_table, c, wanted);
}

/* One attachment less. The last reference of a segment that was removed goes with it. */
static void
detach(struct shm_segment *s)
{
    struct ipc_object *o = &s->object;
    spin_lock(&o->lock);
    s->files--;
    s->detached_ns = clock_real_ns();
    s->last = ipc_current_pid();
    bool over = s->files == 0 && (o->perm.mode & SHM_REMOVED_MODE) != 0 && !o->removed;
    if (over)
        ipc_withdraw(&shm_table, o);
    spin_unlock(&o->lock);
    if (over)
        ipc_put(&shm_table, o); /* the table's */
    ipc_put(&shm_table, o);
}

static void
attachment_release(struct file *f)
{
    detach(f->priv);
}

static const struct file_ops attachment_ops = {
    .release = attachment_release,
    .traits = FILE_STREAM,
};

int
shm_attach(const struct cred *c, i32 id, u32 want, bool writes, struct file **out,
           u64 *bytes)
{
    struct ipc_object *o;
    int r = ipc_look(&shm_table, (struct ipc_which){ false, id }, NULL, &o);
    if (r != 0)
        return r;
    struct shm_segment *s = segment_of(o);
    r = ipc_access(o, c, want);
    if (r != 0) {
        ipc_leave(&shm_table, o);
        return r;
    }
    s->files++;
    s->attached_ns = clock_real_ns();
    s->last = ipc_current_pid();
    spin_unlock(&o->lock); /* the reference is the file's */
    *bytes = s->bytes;
    *out = file_new(&attachment_ops, s->inode, OPEN_READ | (writes ? OPEN_WRITE : 0));
    if (*out == NULL) {
        detach(s);
        return -E_NOMEM;
    }
    (*out)->priv = s;
    return 0;
}

bool
shm_file(const struct file *f, i32 *id, i32 *key, u64 *bytes)
{
    if (f->ops != &attachment_ops)
        return false;
    const struct shm_segment *s = f->priv;
    *id = s->object.id;
    *key = s->shown_key;
    *bytes = s->bytes;
    return true;
}

int
shm_remove(const struct cred *c, i32 id)
{
    struct ipc_object *o;
    int r = ipc_own(&shm_table, id, c, &o);
    if (r != 0)
        return r;
    struct shm_segment *s = segment_of(o);
    bool now = s->files == 0;
    if (now) {
        ipc_withdraw(&shm_table, o);
    } else {
        o->perm.mode |= SHM_REMOVED_MODE;
        ipc_forget_key(&shm_table, o);
    }
    ipc_leave(&shm_table, o);
    if (now)
        ipc_put(&shm_table, o); /* the table's */
    return 0;
}

static u64
count_areas(struct inode *i)
{
    u64 n = 0;
    spin_lock(&i->mappings_lock);
    list_for_each(it, &i->mappings)
        n++;
    spin_unlock(&i->mappings_lock);
    return n;
}

static u64
resident_pages(struct inode *i)
{
    struct vattr a;
    return vfs_getattr(i, &a) == 0 ? a.blocks512 / 8 : 0;
}

int
shm_stat(const struct cred *c, struct ipc_which which, struct shm_facts *out)
{
    struct ipc_object *o;
    int r = ipc_look(&shm_table, which, c, &o);
    if (r != 0)
        return r;
    struct shm_segment *s = segment_of(o);
    ipc_tell(o, &out->ipc);
    out->bytes = s->bytes;
    out->areas = count_areas(s->inode);
    out->attached_ns = s->attached_ns;
    out->detached_ns = s->detached_ns;
    out->changed_ns = s->changed_ns;
    out->creator = s->creator;
    out->last = s->last;
    spin_unlock(&o->lock);
    out->resident = resident_pages(s->inode);
    ipc_put(&shm_table, o);
    return 0;
}

int
shm_change(const struct cred *c, i32 id, u32 uid, u32 gid, u32 mode)
{
    struct ipc_object *o;
    int r = ipc_own(&shm_table, id, c, &o);
    if (r != 0)
        return r;
    ipc_give(o, uid, gid, mode);
    segment_of(o)->changed_ns = clock_real_ns();
    ipc_leave(&shm_table, o);
    return 0;
}

int
shm_set_locked(const struct cred *c, i32 id, bool locked, bool may_lock)
{
    struct ipc_object *o;
    int r = ipc_look(&shm_table, (struct ipc_which){ false, id }, NULL, &o);
    if (r != 0)
        return r;
    bool own = c->euid == o->perm.uid || c->euid == o->perm.cuid;
    if (!cred_can(c, CAP_IPC_LOCK) && (!own || (locked && !may_lock)))
        r = -E_PERM;
    else if (locked)
        o->perm.mode |= SHM_LOCKED_MODE;
    else
        o->perm.mode &= ~SHM_LOCKED_MODE;
    ipc_leave(&shm_table, o);
    return r;
}

void
shm_count(struct shm_counts *out)
{
    struct shm_facts f;
    out->segments = __atomic_load_n(&shm_table.used, __ATOMIC_RELAXED);
    out->highest = ipc_highest(&shm_table);
    out->pages = atomic_load(&all_pages);
    out->resident = 0;
    for (i64 i = 0; (i = shm_next((u32)i)) >= 0; i++) {
        struct ipc_which which = { true, (i32)i };
        if (shm_stat(NULL, which, &f) == 0)
            out->resident += f.resident;
        thread_breathe();
    }
}

i64
shm_next(u32 from)
{
    return ipc_next_index(&shm_table, from);
}
