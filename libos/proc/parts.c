/* SPDX-License-Identifier: MIT */
/* The parts of threads: parts.h. */
#include "proc/parts.h"

#include "ipc/sem.h"

static void
undo_semaphores(struct thread *t)
{
    struct process *p = t->process;
    spin_lock(&p->lock); /* kcmp looks */
    struct sem_undo_group *g = t->sem_undo;
    t->sem_undo = NULL;
    spin_unlock(&p->lock);
    if (g != NULL)
        sem_undo_group_leave(g, p->pid);
}

/* The parent may need its group only later: both have it from now on. */
static int
share_undo(struct thread *from, struct thread *t)
{
    t->sem_undo = sem_undo_group_of(&from->sem_undo);
    if (t->sem_undo == NULL)
        return -E_NOMEM;
    sem_undo_group_hold(t->sem_undo);
    return 0;
}

static int
take_files(struct thread *from, u32 flags, struct fdtable **out)
{
    if ((flags & FORK_SHARE_FILES) == 0)
        return fdtable_copy(from->files, out);
    fdtable_share(from->files);
    *out = from->files;
    return 0;
}

static int
take_place(struct thread *from, u32 flags, struct fs_context **out)
{
    if ((flags & FORK_SHARE_FS) == 0) {
        *out = fs_context_copy(from->fs);
        return *out != NULL ? 0 : -E_NOMEM;
    }
    fs_context_share(from->fs);
    *out = from->fs;
    return 0;
}

int
parts_take(struct thread *from, u32 flags, struct thread *t)
{
    int error = take_files(from, flags, &t->files);
    if (error == 0)
        error = take_place(from, flags, &t->fs);
    if (error == 0 && (flags & FORK_SHARE_UNDO) != 0)
        error = share_undo(from, t);
    return error;
}

void
parts_move(struct thread *from, struct thread *to)
{
    to->files = from->files;
    to->fs = from->fs;
    to->sem_undo = from->sem_undo;
    from->files = NULL;
    from->fs = NULL;
    from->sem_undo = NULL;
}

void
parts_end(struct thread *t, bool visible)
{
    if (__builtin_expect(t->sem_undo != NULL, 0))
        undo_semaphores(t);
    if (t->files != NULL)
        fdtable_leave(t->files, visible);
    if (t->fs != NULL)
        fs_context_leave(t->fs);
}

void
parts_drop(struct thread *t)
{
    if (t->files != NULL)
        fdtable_drop(t->files);
    if (t->fs != NULL)
        fs_context_drop(t->fs);
    t->files = NULL;
    t->fs = NULL;
}

/* ---- the calling thread's own ---- */

int
proc_unshare(bool files, bool place)
{
    struct thread *t = thread_current();
    struct fdtable *own_files = NULL, *files_before = NULL;
    struct fs_context *own_place = NULL, *place_before = NULL;
    int error = 0;
    if (place && atomic_load_explicit(&t->fs->users, memory_order_relaxed) != 1)
        error = take_place(t, 0, &own_place);
    if (error == 0 && files && fdtable_shared(t->files))
        error = take_files(t, 0, &own_files);
    if (error != 0) {
        if (own_place != NULL)
            fs_context_release(own_place);
        return error;
    }
    if (own_files == NULL && own_place == NULL)
        return 0;
    spin_lock(&t->process->lock); /* PA1 */
    if (own_files != NULL) {
        files_before = t->files;
        t->files = own_files;
    }
    if (own_place != NULL) {
        place_before = t->fs;
        t->fs = own_place;
    }
    spin_unlock(&t->process->lock);
    if (files_before != NULL)
        fdtable_release(files_before);
    if (place_before != NULL)
        fs_context_release(place_before);
    return 0;
}

void
proc_undo_semaphores(void)
{
    undo_semaphores(thread_current());
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
