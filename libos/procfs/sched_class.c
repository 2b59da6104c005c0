/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/sched_class, and a thread's in its task directory: the class by which the process's
 * threads use their turns (docs/scheduling.md). Shows "fair", "fifo" or "ordered", and behind
 * "ordered" the thread's slot. A process writes its own:
 *   fair          none of its own
 *   fifo          as they became ready
 *   ordered FD    by the numbers in the first page of FD, a file in memory (memfd_create)
 *                 that is open to be written
 *   slot N        of the thread whose file it is: which of the 1,024 numbers is its own
 */
#include "core/page.h"
#include "core/sched.h"
#include "core/string.h"
#include "fs/tmpfs/tmpfs.h"
#include "proc/proc.h"
#include "procfs/shows.h"

int
sched_class_show(struct view *v, struct text *t)
{
    const struct subject *who = view_who(v);
    struct process *p = subject_get(who);
    v->ended = true;
    if (p == NULL)
        return -E_SRCH;
    u32 slot = 0;
    bool any, ordered = false;
    spin_lock(&p->lock);
    const struct thread *th = process_thread_locked(p, subject_tid(who));
    any = p->party != NULL;
    if (any)
        ordered = sched_party_kind(p->party) == SCHED_OWN_ORDERED;
    if (th != NULL)
        slot = th->sched.own_slot;
    spin_unlock(&p->lock);
    proc_release(p);
    if (ordered)
        text_add(t, "ordered slot %u\n", slot);
    else
        text_add(t, any ? "fifo\n" : "fair\n");
    return 0;
}

/* A holder of the file's first page. -E_BADF -E_INVAL -E_NOMEM */
static int
page_of(int fd, frame_t *out)
{
    struct file *f = fd_get(files_own(), fd);
    if (f == NULL)
        return -E_BADF;
    struct inode *i = f->inode;
    int r = (f->flags & OPEN_WRITE) == 0                                  ? -E_BADF
            : i == NULL || i->type != IT_FILE || !tmpfs_is_file(i)        ? -E_INVAL
                                                                          : 0;
    if (r == 0) {
        mutex_lock(&i->mutex);
        r = i->size < PAGE_SIZE ? -E_INVAL : i->ops->page(i, 0, true, out);
        if (r == 0 && !page_share(*out))
            r = -E_NOMEM;
        mutex_unlock(&i->mutex);
    }
    file_release(f);
    return r;
}

static int
begin(enum sched_own_kind kind, frame_t page)
{
    struct sched_party *party = sched_party_new(kind, page);
    if (party == NULL) {
        if (page != FRAME_NONE)
            page_free(page);
        return -E_NOMEM;
    }
    proc_set_party(proc_current(), party);
    return 0;
}

/* "word N": true, and the number. */
static bool
number_after(const char *text, const char *word, u64 *n)
{
    size_t length = strlen(word);
    const char *end;
    return strncmp(text, word, length) == 0 && text[length] == ' ' &&
           string_number(text + length + 1, 10, n, &end) && *end == '\0';
}

int
sched_class_store(const struct node *n, char *text, size_t bytes)
{
    u64 number;
    frame_t page;
    if (!subject_is_current(&n->who))
        return -E_PERM;
    if (bytes > 0 && text[bytes - 1] == '\n')
        text[bytes - 1] = '\0';
    if (strcmp(text, "fair") == 0) {
        proc_set_party(proc_current(), NULL);
        return 0;
    }
    if (strcmp(text, "fifo") == 0)
        return begin(SCHED_OWN_FIFO, FRAME_NONE);
    if (number_after(text, "slot", &number))
        return number >= SCHED_OWN_SLOTS
                   ? -E_INVAL
                   : proc_set_party_slot(proc_current(), subject_tid(&n->who),
                                         (u32)number);
    if (!number_after(text, "ordered", &number) || number > INT32_MAX)
        return -E_INVAL;
    int r = page_of((int)number, &page);
    return r == 0 ? begin(SCHED_OWN_ORDERED, page) : r;
}
