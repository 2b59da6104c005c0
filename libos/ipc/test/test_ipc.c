/* SPDX-License-Identifier: MIT */
/* Host tests of what System V objects share and of the objects: ids, keys, rights, who pays;
 * semaphores with undo, message queues, POSIX queues. */
#include "ipc/test/setup.h"

static struct cred user = { .refs = 1, .uid = 4711, .euid = 4711, .fsuid = 4711,
                            .gid = 4711, .egid = 4711, .fsgid = 4711 },
                   other = { .refs = 1, .uid = 4712, .euid = 4712, .fsuid = 4712,
                             .gid = 4712, .egid = 4712, .fsgid = 4712 };
static struct worker worker[3];

static struct ipc_wanted
wanted(i32 key, u64 size, u32 mode)
{
    return (struct ipc_wanted){ .key = key, .create = true, .mode = mode, .size = size };
}

static struct sem_who
who(struct sem_undo_group *undo)
{
    return (struct sem_who){ as, 1, undo };
}

static i32
new_set(u32 count)
{
    struct ipc_wanted w = wanted(IPC_PRIVATE_KEY, count, 0600);
    i64 id = sem_get(as, &w);
    CHECK(id >= 0);
    return (i32)id;
}

static i64
value(i32 id, u32 number)
{
    return sem_ask(as, id, number, SEM_VALUE);
}

/* ---- ids, keys ---- */

/* Verify that a key finds its object until it is removed, and that a number that was used
 * again is not the old one. */
static void
test_keys_and_ids(void)
{
    struct ipc_wanted w = wanted(77, 2, 0600);
    i64 id = sem_get(as, &w), again;
    CHECK(id >= 0 && sem_get(as, &w) == id);
    w.exclusive = true;
    CHECK(sem_get(as, &w) == -E_EXIST);
    w.exclusive = w.create = false;
    w.size = 3;
    CHECK(sem_get(as, &w) == -E_INVAL); /* it is smaller */
    w.key = 78;
    CHECK(sem_get(as, &w) == -E_NOENT);
    CHECK(sem_remove(as, (i32)id) == 0);
    CHECK(sem_remove(as, (i32)id) == -E_INVAL);
    CHECK(value((i32)id, 0) == -E_INVAL);
    w = wanted(77, 1, 0600);
    again = sem_get(as, &w);
    CHECK(again >= 0 && again != id && again % IPC_INDICES == id % IPC_INDICES);
    CHECK(sem_remove(as, (i32)again) == 0);
    CHECK(sem_next(0) < 0);
}

/* Verify that many objects get the lowest free places, and that the greatest is known. */
static void
test_many_ids(void)
{
    enum { MANY = 300 };
    static i32 id[MANY];
    struct sem_counts counts;
    for (int i = 0; i < MANY; i++)
        id[i] = new_set(1);
    sem_count(&counts);
    CHECK(counts.sets == MANY && counts.semaphores == MANY && counts.highest == MANY - 1);
    for (int i = 0; i < MANY; i += 2)
        CHECK(sem_remove(as, id[i]) == 0);
    CHECK(sem_next(0) == 1 && sem_next(2) == 3);
    i32 fresh = new_set(1);
    CHECK((u32)fresh % IPC_INDICES == 0);
    CHECK(sem_remove(as, fresh) == 0);
    for (int i = 1; i < MANY; i += 2)
        CHECK(sem_remove(as, id[i]) == 0);
    sem_count(&counts);
    CHECK(counts.sets == 0 && counts.semaphores == 0);
}

/* Verify the table of rights: owner, group, others; who may change; what root may. */
static void
test_rights(void)
{
    struct sem_facts facts;
    struct ipc_which which = { false, 0 };
    u16 values[1];
    as = &user;
    struct ipc_wanted w = wanted(79, 1, 0640);
    i32 id = which.number = (i32)sem_get(as, &w);
    CHECK(id >= 0 && sem_get_all(as, id, values, 1) == 0);
    /* room for another set's values, which had the number before: nothing is written */
    struct sem_who own = who(NULL);
    CHECK(sem_get_all(as, id, values, 0) == -E_IDRM);
    CHECK(sem_set_all(&own, id, values, 0) == -E_IDRM);
    as = &other;
    CHECK(sem_get_all(as, id, values, 1) == -E_ACCES);
    w.mode = 0; /* nothing is asked for: it is found */
    CHECK(sem_get(as, &w) == id);
    w.mode = 0400;
    CHECK(sem_get(as, &w) == -E_ACCES);
    CHECK(sem_remove(as, id) == -E_PERM);
    CHECK(sem_change(as, id, 4712, 4712, 0666) == -E_PERM);
    CHECK(sem_stat(as, which, &facts) == -E_ACCES && sem_stat(NULL, which, &facts) == 0);
    other.gid = other.egid = other.fsgid = 4711; /* the group may read, not write */
    CHECK(sem_get_all(as, id, values, 1) == 0);
    struct sem_who me = who(NULL);
    CHECK(sem_set_value(&me, id, 0, 1) == -E_ACCES);
    other.gid = other.egid = other.fsgid = 4712;
    as = &user;
    CHECK(sem_change(as, id, 4712, 4712, 0606) == 0);
    as = &other; /* the new owner; who made it stays one, too */
    me = who(NULL);
    CHECK(sem_set_value(&me, id, 0, 1) == 0);
    CHECK(sem_stat(as, which, &facts) == 0 && facts.ipc.perm.uid == 4712 &&
          facts.ipc.perm.cuid == 4711 && (facts.ipc.perm.mode & IPC_MODE) == 0606);
    as = &root_user;
    CHECK(value(id, 0) == 1);
    as = &user;
    CHECK(sem_remove(as, id) == 0);
    as = &root_user;
}

/* Verify that a user has half of what there is, that others still get some, and that all is
 * given back (P1 of payer.c). */
static void
test_payers(void)
{
    enum { MANY = 4096 };
    static struct msg *mine_all[MANY], *theirs[MANY];
    u32 mine_count = 0, their_count = 0;
    as = &user;
    while (mine_count < MANY && (mine_all[mine_count] = msg_new(4000)) != NULL)
        mine_count++;
    CHECK(mine_count > 0 && mine_count < MANY);
    as = &other;
    while (their_count < MANY && (theirs[their_count] = msg_new(4000)) != NULL)
        their_count++;
    CHECK(their_count > mine_count / 2 && their_count < mine_count);
    as = &root_user;
    struct msg *last = msg_new(4000); /* an eighth is root's */
    CHECK(last != NULL);
    msg_put(last);
    CHECK(ipc_charged(4711) >= mine_count * 4000ull);
    while (mine_count > 0)
        msg_put(mine_all[--mine_count]);
    while (their_count > 0)
        msg_put(theirs[--their_count]);
    CHECK(ipc_charged(4711) == 0 && ipc_charged(4712) == 0 && ipc_charged(0) == 0);
}

/* ---- semaphores ---- */

static i32 the_set;
static struct sem_operation one_op[2];
static u32 op_count = 1;
static u64 until = ~0ull;

static int
job_operate(struct worker *w)
{
    struct sem_operation op[2] = { one_op[0], one_op[1] };
    struct sem_who me = { as, (i32)w->number, w->data };
    return sem_operate(&me, the_set, op, op_count, until);
}

static bool
operate(struct worker *w, u16 number, i16 change, u32 flags)
{
    one_op[0] = (struct sem_operation){ number, change, flags };
    op_count = 1;
    return worker_do(w, job_operate);
}

/* Verify that a group of operations is whole or not at all, and waits where it stops. */
static void
test_semaphores_together(void)
{
    struct worker *a = &worker[0], *b = &worker[1];
    the_set = new_set(2);
    CHECK(operate(a, 0, 1, 0) && a->result == 0);
    one_op[0] = (struct sem_operation){ 0, -1, 0 };
    one_op[1] = (struct sem_operation){ 1, -1, 0 };
    op_count = 2;
    CHECK(!worker_do(b, job_operate)); /* it waits for the second */
    CHECK(value(the_set, 0) == 1);
    CHECK(sem_ask(as, the_set, 1, SEM_WAIT_MORE) == 1);
    CHECK(sem_ask(as, the_set, 0, SEM_WAIT_MORE) == 0);
    CHECK(operate(a, 1, 2, 0));
    CHECK(b->job == NULL && b->result == 0);
    CHECK(value(the_set, 0) == 0 && value(the_set, 1) == 1);
    CHECK(sem_ask(as, the_set, 0, SEM_PID) == (i64)b->number);
    CHECK(operate(a, 1, -2, SEM_NOWAIT) && a->result == -E_AGAIN);
    CHECK(operate(a, 2, 1, 0) && a->result == -E_FBIG);
    CHECK(operate(a, 0, SEM_VALUE_MAX, 0) && operate(a, 0, 1, 0) && a->result == -E_RANGE);
    CHECK(sem_remove(as, the_set) == 0);
}

/* Verify what ends a wait: zero, a signal, its time, the set's end. */
static void
test_semaphore_waits(void)
{
    struct worker *a = &worker[0], *b = &worker[1];
    the_set = new_set(1);
    CHECK(operate(a, 0, 1, 0));
    CHECK(!operate(b, 0, 0, 0) && sem_ask(as, the_set, 0, SEM_WAIT_ZERO) == 1);
    CHECK(operate(a, 0, -1, 0) && b->job == NULL && b->result == 0);
    CHECK(!operate(b, 0, -1, 0));
    worker_interrupt(b);
    CHECK(b->job == NULL && b->result == -E_INTR);
    until = host_now() + 1000000;
    CHECK(!operate(b, 0, -1, 0));
    host_advance(2000000);
    CHECK(b->job == NULL && b->result == -E_AGAIN);
    until = ~0ull;
    CHECK(!operate(b, 0, -1, 0));
    CHECK(sem_remove(as, the_set) == 0);
    host_settle();
    CHECK(b->job == NULL && b->result == -E_IDRM);
}

/* Verify that what was done with undo is given back at the group's end, within bounds, that
 * a value that is set forgets it, and that a set may go before its undos. */
static void
test_undo(void)
{
    struct worker *a = &worker[0], *b = &worker[1];
    struct sem_undo_group *g = sem_undo_group_new();
    the_set = new_set(2);
    i32 second = new_set(1), first = the_set;
    a->data = g;
    CHECK(operate(a, 0, 5, SEM_UNDONE) && operate(a, 1, 3, SEM_UNDONE));
    CHECK(operate(a, 0, -1, SEM_UNDONE) && operate(a, 0, 10, 0));
    struct sem_who me = who(NULL);
    CHECK(sem_set_value(&me, first, 1, 7) == 0);
    CHECK(value(first, 0) == 14);
    the_set = second;
    CHECK(operate(a, 0, 1, SEM_UNDONE));
    CHECK(sem_remove(as, second) == 0);
    the_set = first;
    CHECK(!operate(b, 0, -20, 0)); /* stays, 10 are left */
    sem_undo_group_hold(g);
    sem_undo_group_leave(g, 1);
    CHECK(value(first, 0) == 14); /* one process of the group lives */
    sem_undo_group_leave(g, 1);
    CHECK(value(first, 0) == 10 && value(first, 1) == 7);
    a->data = NULL;
    /* never below 0 */
    g = a->data = sem_undo_group_new();
    CHECK(operate(a, 0, 4, SEM_UNDONE) && value(first, 0) == 14);
    CHECK(operate(&worker[2], 0, -12, 0));
    sem_undo_group_leave(g, 1);
    a->data = NULL;
    CHECK(value(first, 0) == 0);
    CHECK(sem_remove(as, first) == 0);
    host_settle();
    CHECK(b->job == NULL && b->result == -E_IDRM);
}

/* ---- shared memory ---- */

/* Verify that a segment that is attached outlives its removal, under no key. */
static void
test_segments(void)
{
    struct ipc_wanted w = wanted(80, 10000, 0600);
    struct shm_counts counts;
    struct file *f;
    u64 bytes;
    i64 id = shm_get(as, &w);
    CHECK(id >= 0 && shm_get(as, &w) == id);
    w.size = 10001;
    CHECK(shm_get(as, &w) == -E_INVAL);
    w.size = 0;
    w.key = 81;
    CHECK(shm_get(as, &w) == -E_INVAL);
    w.size = SHM_BYTES_MAX;
    CHECK(shm_get(as, &w) == -E_NOMEM);
    CHECK(shm_attach(as, (i32)id, IPC_READ, false, &f, &bytes) == 0 && bytes == 10000);
    shm_count(&counts);
    CHECK(counts.segments == 1 && counts.pages == 3);
    as = &other;
    struct file *no;
    CHECK(shm_attach(as, (i32)id, IPC_READ, false, &no, &bytes) == -E_ACCES);
    CHECK(shm_remove(as, (i32)id) == -E_PERM);
    as = &root_user;
    CHECK(shm_remove(as, (i32)id) == 0);
    w = wanted(80, 1, 0600);
    w.create = false;
    CHECK(shm_get(as, &w) == -E_NOENT);
    shm_count(&counts);
    CHECK(counts.segments == 1);
    file_release(f);
    shm_count(&counts);
    CHECK(counts.segments == 0 && counts.pages == 0);
}

/* ---- POSIX queues ---- */

static struct mq *the_mq;
static struct mq_message *got;

static struct file *
open_mq(const char *name, u32 flags, const struct mq_size *size, int expected)
{
    struct mq_open_args a = { .cred = as, .name = name, .mode = 0600, .size = size,
                              .flags = flags | OPEN_READ | OPEN_WRITE };
    struct file *f = NULL;
    CHECK(mq_open(&a, &f) == expected);
    return f;
}

static int
job_receive(struct worker *w)
{
    struct ipc_limit forever = { false, ~0ull };
    (void)w;
    return mq_receive(the_mq, &forever, &got);
}

static void
send(u32 priority, u8 text)
{
    struct mq_message *m = mq_message_new(1);
    CHECK(m != NULL);
    m->priority = priority;
    m->data[0] = text;
    CHECK(mq_send(the_mq, m, NULL) == 0);
}

static void
expect(u8 text)
{
    CHECK(mq_receive(the_mq, NULL, &got) == 0 && got->data[0] == text);
    mq_message_free(got);
}

/* Verify the order, what is refused, that who waits gets it, and the note. */
static void
test_posix_queue(void)
{
    struct mq_size size = { 3, 10 };
    struct mq_note note = { .owner = &owner, .kind = MQ_NOTE_SIGNAL, .number = 10 };
    struct file *f = open_mq("q", OPEN_CREATE | OPEN_EXCL, &size, 0);
    (void)open_mq("q", OPEN_CREATE | OPEN_EXCL, &size, -E_EXIST);
    (void)open_mq("r", 0, NULL, -E_NOENT);
    (void)open_mq("a/b", OPEN_CREATE, NULL, -E_ACCES);
    CHECK(mq_unlink(NULL, as, "q") == 0 && mq_unlink(NULL, as, "q") == -E_NOENT);
    the_mq = mq_of_file(f);
    CHECK(the_mq != NULL && mq_receive(the_mq, NULL, &got) == -E_AGAIN);
    told = 0;
    CHECK(mq_note_set(the_mq, &note) == 0 && mq_note_set(the_mq, &note) == -E_BUSY);
    send(1, 'a');
    CHECK(told == 1 && told_number == 10);
    send(2, 'b');
    send(1, 'c');
    CHECK(told == 1);
    struct mq_message *m = mq_message_new(0);
    CHECK(mq_send(the_mq, m, NULL) == -E_AGAIN);
    mq_message_free(m);
    expect('b');
    expect('a');
    expect('c');
    CHECK(mq_note_set(the_mq, &note) == 0);
    CHECK(!worker_do(&worker[0], job_receive));
    send(5, 'd'); /* straight to who waits: the note stays */
    host_settle();
    CHECK(worker[0].job == NULL && worker[0].result == 0 && got->data[0] == 'd' && told == 1);
    mq_message_free(got);
    mine = false;
    mq_note_remove(the_mq);
    CHECK(mq_note_set(the_mq, &note) == -E_BUSY);
    mine = true;
    mq_note_remove(the_mq);
    CHECK(mq_note_set(the_mq, &note) == 0);
    send(1, 'e'); /* goes with the queue */
    CHECK(told == 2);
    file_release(f);
    CHECK(ipc_charged(0) == 0);
}

/* Verify that queues are accounted to their maker until they are gone. */
static void
test_posix_queue_limits(void)
{
    struct mq_size size = { 10, 8192 }, large = { 11, 1 }, root_size = { 65536, 1 };
    as = &user;
    (void)open_mq("l", OPEN_CREATE, &large, -E_INVAL);
    queue_limit = 100000;
    struct file *f = open_mq("l", OPEN_CREATE, &size, 0);
    (void)open_mq("m", OPEN_CREATE, &size, -E_MFILE);
    as = &other; /* another user has a limit of its own */
    struct file *g = open_mq("m", OPEN_CREATE, &size, 0);
    CHECK(mq_unlink(NULL, as, "l") == -E_PERM);
    as = &user;
    CHECK(mq_unlink(NULL, as, "l") == 0);
    (void)open_mq("n", OPEN_CREATE, &size, -E_MFILE);
    file_release(f);
    f = open_mq("n", OPEN_CREATE, NULL, 0);
    file_release(f);
    as = &root_user;
    CHECK(mq_unlink(NULL, as, "m") == 0 && mq_unlink(NULL, as, "n") == 0);
    file_release(g);
    queue_limit = ~0ull;
    f = open_mq("o", OPEN_CREATE, &root_size, 0);
    CHECK(mq_unlink(NULL, as, "o") == 0);
    file_release(f);
    queue_limit = 819200;
}

int
main(void)
{
    setup(64);
    for (u32 i = 0; i < 3; i++)
        worker_start(&worker[i], i + 10);
    RUN(test_keys_and_ids);
    RUN(test_many_ids);
    RUN(test_rights);
    RUN(test_payers);
    RUN(test_semaphores_together);
    RUN(test_semaphore_waits);
    RUN(test_undo);
    RUN(test_segments);
    RUN(test_posix_queue);
    RUN(test_posix_queue_limits);
    CHECK(ipc_charged(0) == 0);
    for (u32 i = 0; i < 3; i++)
        worker_end(&worker[i]);
    DONE();
}
