/* SPDX-License-Identifier: MIT */
/* /proc/sysvipc and /proc/sys/kernel/sem: what ipcs(1) reads. The cursor is one more than
 * the index of the object that was shown last. */
#include "ipc/msg.h"
#include "ipc/sem.h"
#include "ipc/shm.h"
#include "procfs/shows.h"

#define PIECE_LINES 32u

struct kind {
    const char *head;
    i64 (*next)(u32 from);
    void (*line)(struct text *t, struct ipc_which which);
};

static u64
seconds(u64 ns)
{
    return ns / 1000000000u;
}

static void
add_perm(struct text *t, const struct ipc_perm *p)
{
    text_add(t, " %5u %5u %5u %5u", p->uid, p->gid, p->cuid, p->cgid);
}

static void
sem_line(struct text *t, struct ipc_which which)
{
    struct sem_facts f;
    if (sem_stat(NULL, which, &f) != 0)
        return; /* it has gone */
    text_add(t, "%10d %10d  %4o %10u", f.ipc.key, f.ipc.id, f.ipc.perm.mode, f.count);
    add_perm(t, &f.ipc.perm);
    text_add(t, " %10lu %10lu\n", seconds(f.operated_ns), seconds(f.changed_ns));
}

static void
msg_line(struct text *t, struct ipc_which which)
{
    struct msg_facts f;
    if (msg_stat(NULL, which, &f) != 0)
        return;
    text_add(t, "%10d %10d  %4o  %10lu %10lu %5u %5u", f.ipc.key, f.ipc.id,
             f.ipc.perm.mode, f.bytes, f.count, (u32)f.sender, (u32)f.receiver);
    add_perm(t, &f.ipc.perm);
    text_add(t, " %10lu %10lu %10lu\n", seconds(f.sent_ns), seconds(f.received_ns),
             seconds(f.changed_ns));
}

static void
shm_line(struct text *t, struct ipc_which which)
{
    struct shm_facts f;
    if (shm_stat(NULL, which, &f) != 0)
        return;
    text_add(t, "%10d %10d  %4o %21lu %5u %5u  %5lu", f.ipc.key, f.ipc.id,
             f.ipc.perm.mode, f.bytes, (u32)f.creator, (u32)f.last, f.areas);
    add_perm(t, &f.ipc.perm);
    text_add(t, " %10lu %10lu %10lu %21lu %21lu\n", seconds(f.attached_ns),
             seconds(f.detached_ns), seconds(f.changed_ns), (u64)(f.resident * PAGE_SIZE), 0ul);
}

static int
kind_show(struct view *v, struct text *t)
{
    const struct kind *k = v->node->entry->data;
    if (v->cursor == 0)
        text_add(t, "%s", k->head);
    for (u32 i = 0; i < PIECE_LINES; i++) {
        i64 index = k->next((u32)v->cursor);
        if (index < 0) {
            v->ended = true;
            break;
        }
        k->line(t, (struct ipc_which){ true, (i32)index });
        v->cursor = (u64)index + 1;
    }
    return 0;
}

static const struct kind msg_kind = {
    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid"
    "  cgid      stime      rtime      ctime\n", msg_next, msg_line };
static const struct kind sem_kind = {
    "       key      semid perms      nsems   uid   gid  cuid  cgid      otime"
    "      ctime\n", sem_next, sem_line };
static const struct kind shm_kind = {
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid"
    "  cuid  cgid      atime      dtime      ctime                   rss"
    "                  swap\n", shm_next, shm_line };

const struct entry sysvipc_entries[SYSVIPC_ENTRIES] = {
    ENTRY_FILE("msg", 0444, .show = kind_show, .data = &msg_kind),
    ENTRY_FILE("sem", 0444, .show = kind_show, .data = &sem_kind),
    ENTRY_FILE("shm", 0444, .show = kind_show, .data = &shm_kind),
};

int
sem_limits_show(struct view *v, struct text *t)
{
    text_add(t, "%u\t%u\t%u\t%u\n", SEM_SET_MAX, SEM_ALL_MAX, SEM_OPERATIONS_MAX,
             SEM_SETS_MAX);
    v->ended = true;
    return 0;
}
