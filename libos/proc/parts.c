/* SPDX-License-Identifier: MIT */
/* The parts of threads: parts.h. */
#include "proc/parts.h"

#include "ipc/sem.h"

/* The parent may need its group only later: both have it from now on. */
static int
take_undo(struct thread *from, u32 flags, struct thread_parts *out)
{
    if ((flags & FORK_SHARE_UNDO) == 0)
        return 0;
    out->undo = sem_undo_group_of(&from->sem_undo);
    if (out->undo == NULL)
        return -E_NOMEM;
    sem_undo_group_hold(out->undo);
    return 0;
}

static int
take_files(struct thread *from, u32 flags, struct thread_parts *out)
{
    if ((flags & FORK_SHARE_FILES) == 0)
        return fdtable_copy(from->files, &out->files);
    fdtable_share(from->files);
    out->files = from->files;
    return 0;
}

static int
take_place(struct thread *from, u32 flags, struct thread_parts *out)
{
    if ((flags & FORK_SHARE_FS) == 0) {
        out->fs = fs_context_copy(from->fs);
        return out->fs != NULL ? 0 : -E_NOMEM;
    }
    fs_context_share(from->fs);
    out->fs = from->fs;
    return 0;
}

int
parts_take(struct thread *from, u32 flags, struct thread_parts *out)
{
    *out = (struct thread_parts){ NULL, NULL, NULL };
    int error = take_files(from, flags, out);
    if (error == 0)
        error = take_place(from, flags, out);
    if (error == 0)
        error = take_undo(from, flags, out);
    if (error != 0)
        parts_drop(out, 0);
    return error;
}

void
parts_give(struct thread_parts *from, struct thread *t)
{
    t->files = from->files;
    t->fs = from->fs;
    t->sem_undo = from->undo;
    *from = (struct thread_parts){ NULL, NULL, NULL };
}

void
parts_leave(struct thread *t, struct thread_parts *out)
{
    *out = (struct thread_parts){ t->files, t->fs, t->sem_undo };
    t->files = NULL;
    t->fs = NULL;
    t->sem_undo = NULL;
}

void
parts_drop(struct thread_parts *parts, i32 pid)
{
    if (parts->undo != NULL)
        sem_undo_group_leave(parts->undo, pid);
    if (parts->files != NULL)
        fdtable_release(parts->files);
    if (parts->fs != NULL)
        fs_context_release(parts->fs);
    *parts = (struct thread_parts){ NULL, NULL, NULL };
}

/* ---- the calling thread's own ---- */

int
proc_unshare(bool files, bool place)
{
    struct thread *t = thread_current();
    struct thread_parts own = { NULL, NULL, NULL };
    int error = 0;
    if (place && atomic_load_explicit(&t->fs->users, memory_order_relaxed) != 1)
        error = take_place(t, 0, &own);
    if (error == 0 && files && fdtable_shared(t->files))
        error = take_files(t, 0, &own);
    if (error == 0) {
        spin_lock(&t->process->lock); /* PA1 */
        struct fdtable *files_before = own.files != NULL ? t->files : NULL;
        struct fs_context *place_before = own.fs != NULL ? t->fs : NULL;
        if (own.files != NULL)
            t->files = own.files;
        if (own.fs != NULL)
            t->fs = own.fs;
        spin_unlock(&t->process->lock);
        own = (struct thread_parts){ files_before, place_before, NULL };
    }
    parts_drop(&own, 0);
    return error;
}

void
proc_undo_semaphores(void)
{
    struct thread *t = thread_current();
    spin_lock(&t->process->lock); /* kcmp looks */
    struct sem_undo_group *g = t->sem_undo;
    t->sem_undo = NULL;
    spin_unlock(&t->process->lock);
    if (g != NULL)
        sem_undo_group_leave(g, t->process->pid);
}

bool
proc_place_is_shared(struct process *p)
{
    const struct fs_context *place = thread_current()->fs;
    u32 users = 0;
    spin_lock(&p->lock);
    list_for_each(it, &p->threads)
        users += container_of(it, struct thread, process_link)->fs == place;
    bool shared = atomic_load_explicit(&place->users, memory_order_relaxed) > users;
    spin_unlock(&p->lock);
    return shared;
}

/* ---- another's, to look at ---- */

/* p->lock is held. 0: the first thread, while it is there, as /proc/PID shows. */
static struct thread *
find_locked(struct process *p, i32 tid)
{
    if (tid != 0)
        return process_thread_locked(p, tid);
    return list_empty(&p->threads)
               ? NULL
               : container_of(p->threads.next, struct thread, process_link);
}

struct fdtable *
proc_files(struct process *p, i32 tid)
{
    spin_lock(&p->lock);
    struct thread *t = find_locked(p, tid);
    struct fdtable *files = t != NULL ? t->files : NULL;
    if (files != NULL)
        fdtable_hold(files);
    spin_unlock(&p->lock);
    return files;
}

struct fs_context *
proc_place(struct process *p, i32 tid)
{
    spin_lock(&p->lock);
    struct thread *t = find_locked(p, tid);
    struct fs_context *place = t != NULL ? t->fs : NULL;
    if (place != NULL)
        fs_context_hold(place);
    spin_unlock(&p->lock);
    return place;
}
