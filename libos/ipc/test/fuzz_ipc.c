/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer of semaphores with undo, System V queues and POSIX queues: several threads do
 * random operations, which may wait, and are interrupted, time out, and lose their objects.
 *
 * The queues are compared with a reference that is plain arrays: each operation's result and
 * each message must be the reference's. Of semaphores the reference adds up what was done;
 * after each step every value is that sum, nobody waits who could go on, and everybody's wait
 * is counted. At the end nothing is charged and no object is left.
 * Without arguments it runs a fixed number of steps from a fixed seed; `fuzz_ipc SEED STEPS`
 * runs others.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "ipc/test/setup.h"

enum { WORKERS = 7, SETS = 2, SEMS = 3, QUEUED = 64, BYTES = 40 };
enum kind { SEMAPHORES, SEND, RECEIVE, MQ_SEND, MQ_RECEIVE };

static struct worker worker[WORKERS];
static u64 random_state = 1, steps = 40000;
static u64 finished, waited, interrupted, timed_out;

static u64
pick(u64 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

/* What a worker was asked, and what is known of its end. */
struct asked {
    enum kind kind;
    bool busy;             /* it was started, and its end not seen */
    bool may_time_out, nowait;
    u32 set, count;
    struct sem_operation op[3];
    u64 deadline;          /* of the semaphores' clock; ~0: none */
    bool real;
    struct msg_wish wish;
    i64 type;              /* or priority */
    u32 bytes, number;     /* of the message that it sends */
    u32 got_number, got_bytes;
    i64 got_type;
    /* the reference's: */
    bool ended;
    int result;
    u32 ref_number;
};
static struct asked asked[WORKERS];
static u32 next_number = 1;

/* ---- semaphores ---- */

static i32 set_id[SETS];
static i32 value[SETS][SEMS], give[WORKERS][SETS][SEMS];
static bool extreme; /* a value near the greatest was set: -E_RANGE is possible */

static struct sem_who
who(u32 w)
{
    return (struct sem_who){ as, (i32)w + 1, worker[w].data };
}

static void
make_set(u32 s)
{
    struct ipc_wanted wanted = { .create = true, .mode = 0600, .size = SEMS };
    i64 id = sem_get(as, &wanted);
    CHECK(id >= 0);
    set_id[s] = (i32)id;
    memset(value[s], 0, sizeof value[s]);
    for (u32 w = 0; w < WORKERS; w++)
        memset(give[w][s], 0, sizeof give[w][s]);
}

/* Could the operations be done now? */
static bool
could_go(const struct asked *a)
{
    i32 v[SEMS];
    memcpy(v, value[a->set], sizeof v);
    for (u32 i = 0; i < a->count; i++) {
        i32 *at = &v[a->op[i].number];
        if (a->op[i].change == 0 ? *at != 0 : *at + a->op[i].change < 0)
            return false;
        *at += a->op[i].change;
    }
    return true;
}

static void
semaphores_done(u32 w)
{
    struct asked *a = &asked[w];
    for (u32 i = 0; i < a->count; i++) {
        value[a->set][a->op[i].number] += a->op[i].change;
        if (a->op[i].flags & SEM_UNDONE)
            give[w][a->set][a->op[i].number] -= a->op[i].change;
    }
}

static void
check_semaphores(void)
{
    u32 waiting[SETS] = { 0 };
    for (u32 w = 0; w < WORKERS; w++) {
        const struct asked *a = &asked[w];
        if (!a->busy || a->kind != SEMAPHORES)
            continue;
        CHECK(!could_go(a));
        waiting[a->set]++;
    }
    for (u32 s = 0; s < SETS; s++) {
        i64 counted = 0;
        for (u32 i = 0; i < SEMS; i++) {
            CHECK(sem_ask(as, set_id[s], i, SEM_VALUE) == value[s][i]);
            counted += sem_ask(as, set_id[s], i, SEM_WAIT_MORE);
            counted += sem_ask(as, set_id[s], i, SEM_WAIT_ZERO);
        }
        CHECK(counted == waiting[s]);
    }
}

/* ---- the queues' reference ---- */

struct ref_message {
    u32 number, bytes;
    i64 type;
};
struct ref {
    bool posix;
    struct ref_message message[QUEUED];
    u32 count;
    u64 bytes, most; /* most: bytes, or messages of a POSIX queue */
    u32 sender[WORKERS], senders, receiver[WORKERS], receivers;
    u32 told;
    bool note;
};
static struct ref plain, posix = { .posix = true, .most = 4 };
static i32 queue_id;
static struct mq *mq;

static void
end(u32 w, int result, u32 number)
{
    asked[w].ended = true;
    asked[w].result = result;
    asked[w].ref_number = number;
}

static void
leave(u32 *list, u32 *count, u32 at)
{
    memmove(list + at, list + at + 1, (--*count - at) * sizeof *list);
}

static bool
wants(const struct asked *a, i64 type)
{
    switch (a->wish.choice) {
    case MSG_EQUAL:
        return type == a->wish.type;
    case MSG_OTHER:
        return type != a->wish.type;
    case MSG_UP_TO:
        return type <= a->wish.type;
    case MSG_ANY:
    case MSG_NUMBER:
        break;
    }
    return true;
}

static bool
ref_fits(const struct ref *q, u32 bytes)
{
    return q->posix ? q->count < q->most : q->bytes + bytes <= q->most;
}

static void
ref_put(struct ref *q, struct ref_message m)
{
    for (u32 i = 0; i < q->receivers;) {
        u32 w = q->receiver[i];
        if (!q->posix && !wants(&asked[w], m.type)) {
            i++;
            continue;
        }
        leave(q->receiver, &q->receivers, i);
        if (q->posix || m.bytes <= asked[w].wish.most || asked[w].wish.cut) {
            end(w, 0, m.number);
            return;
        }
        end(w, -E_2BIG, 0);
    }
    CHECK(q->count < QUEUED);
    q->message[q->count++] = m;
    q->bytes += m.bytes;
    if (q->count == 1 && q->note) {
        q->told++;
        q->note = false;
    }
}

static void
ref_send(struct ref *q, u32 w)
{
    struct asked *a = &asked[w];
    struct ref_message m = { a->number, a->bytes, a->type };
    if (ref_fits(q, a->bytes)) {
        ref_put(q, m);
        end(w, 0, 0);
    } else if (a->nowait) {
        end(w, -E_AGAIN, 0);
    } else {
        q->sender[q->senders++] = w;
    }
}

/* Those whose message fits, in their order.  In a POSIX queue it comes without a note. */
static void
ref_admit(struct ref *q)
{
    for (u32 i = 0; i < q->senders;) {
        u32 w = q->sender[i];
        if (!ref_fits(q, asked[w].bytes)) {
            i++;
            continue;
        }
        bool note = q->note;
        leave(q->sender, &q->senders, i);
        q->note = q->note && !q->posix;
        ref_put(q, (struct ref_message){ asked[w].number, asked[w].bytes, asked[w].type });
        q->note = note;
        end(w, 0, 0);
    }
}

static i32
ref_find(const struct ref *q, const struct asked *a)
{
    i32 best = -1;
    for (u32 i = 0; i < q->count; i++) {
        i64 type = q->message[i].type;
        if (q->posix) {
            if (best < 0 || type > q->message[best].type)
                best = (i32)i;
        } else if (a->wish.choice == MSG_NUMBER) {
            if (a->wish.type == i)
                return (i32)i;
        } else if (wants(a, type)) {
            if (a->wish.choice != MSG_UP_TO)
                return (i32)i;
            if (best < 0 || type < q->message[best].type)
                best = (i32)i;
        }
    }
    return best;
}

static void
ref_receive(struct ref *q, u32 w)
{
    struct asked *a = &asked[w];
    i32 at = ref_find(q, a);
    if (at < 0 && a->nowait) {
        end(w, q->posix ? -E_AGAIN : -E_NOMSG, 0);
        return;
    }
    if (at < 0) {
        q->receiver[q->receivers++] = w;
        return;
    }
    struct ref_message m = q->message[at];
    if (!q->posix && m.bytes > a->wish.most && !a->wish.cut) {
        end(w, -E_2BIG, 0);
        return;
    }
    end(w, 0, m.number);
    if (!q->posix && a->wish.choice == MSG_NUMBER)
        return;
    q->bytes -= m.bytes;
    q->count--;
    memmove(q->message + at, q->message + at + 1, (q->count - (u32)at) * sizeof m);
    ref_admit(q);
}

/* It does not wait any more. */
static void
ref_forget(struct ref *q, u32 w)
{
    for (u32 i = 0; i < q->senders; i++)
        if (q->sender[i] == w)
            leave(q->sender, &q->senders, i--);
    for (u32 i = 0; i < q->receivers; i++)
        if (q->receiver[i] == w)
            leave(q->receiver, &q->receivers, i--);
}

static void
make_queue(void)
{
    struct ipc_wanted wanted = { .create = true, .mode = 0600 };
    i64 id = msg_get(as, &wanted);
    CHECK(id >= 0);
    queue_id = (i32)id;
    plain = (struct ref){ .most = 60 + pick(100) };
    CHECK(msg_change(as, queue_id, 0, 0, 0600, plain.most) == 0);
}

/* ---- what the workers do ---- */

static void
fill(u8 *data, u32 number, u32 bytes)
{
    memset(data, (int)number, bytes);
    memcpy(data, &number, sizeof number);
}

static int
do_semaphores(struct worker *w)
{
    struct asked *a = &asked[w->number];
    struct sem_who me = who(w->number);
    return sem_operate(&me, set_id[a->set], a->op, a->count, a->deadline);
}

static int
do_send(struct worker *w)
{
    struct asked *a = &asked[w->number];
    struct msg_who me = { as, (i32)w->number };
    struct msg *m = msg_new(a->bytes);
    CHECK(m != NULL);
    m->type = a->type;
    fill(m->data, a->number, a->bytes);
    int r = msg_send(&me, queue_id, m, !a->nowait);
    if (r != 0)
        msg_put(m);
    return r;
}

static int
do_receive(struct worker *w)
{
    struct asked *a = &asked[w->number];
    struct msg_who me = { as, (i32)w->number };
    struct msg *m;
    int r = msg_receive(&me, queue_id, &a->wish, &m);
    if (r != 0)
        return r;
    memcpy(&a->got_number, m->data, sizeof a->got_number);
    CHECK(m->bytes <= a->wish.most || a->wish.cut);
    msg_put(m);
    return 0;
}

static const struct ipc_limit *
limit_of(const struct asked *a, struct ipc_limit *limit)
{
    *limit = (struct ipc_limit){ a->real, a->deadline };
    if (a->real && a->deadline != ~0ull)
        limit->at_ns = a->deadline + clock_real_offset_ns();
    return a->nowait ? NULL : limit;
}

static int
do_mq_send(struct worker *w)
{
    struct asked *a = &asked[w->number];
    struct ipc_limit limit;
    struct mq_message *m = mq_message_new(a->bytes);
    CHECK(m != NULL);
    m->priority = (u32)a->type;
    fill(m->data, a->number, a->bytes);
    int r = mq_send(mq, m, limit_of(a, &limit));
    if (r != 0)
        mq_message_free(m);
    return r;
}

static int
do_mq_receive(struct worker *w)
{
    struct asked *a = &asked[w->number];
    struct ipc_limit limit;
    struct mq_message *m;
    int r = mq_receive(mq, limit_of(a, &limit), &m);
    if (r != 0)
        return r;
    memcpy(&a->got_number, m->data, sizeof a->got_number);
    mq_message_free(m);
    return 0;
}

static int (*const jobs[])(struct worker *w) = {
    [SEMAPHORES] = do_semaphores, [SEND] = do_send,       [RECEIVE] = do_receive,
    [MQ_SEND] = do_mq_send,       [MQ_RECEIVE] = do_mq_receive,
};

/* ---- one step ---- */

static void
ask_semaphores(struct asked *a)
{
    a->set = (u32)pick(SETS);
    a->count = 1 + (u32)pick(3);
    a->nowait = pick(4) == 0;
    for (u32 i = 0; i < a->count; i++) {
        i16 change = (i16)((i32)pick(7) - 3);
        a->op[i] = (struct sem_operation){ (u16)pick(SEMS), change,
                                           (a->nowait ? SEM_NOWAIT : 0) |
                                               (pick(3) == 0 ? SEM_UNDONE : 0) };
    }
}

static void
ask_message(struct asked *a)
{
    a->type = 1 + (i64)pick(4);
    a->bytes = 4 + (u32)pick(BYTES - 4);
    a->number = next_number++;
    a->nowait = pick(4) == 0;
    a->real = pick(2) == 0;
    a->wish = (struct msg_wish){ .choice = (enum msg_choice)pick(5),
                                 .type = 1 + (i64)pick(4), .most = 4 + pick(BYTES),
                                 .cut = pick(2) == 0, .wait = !a->nowait };
    if (a->wish.choice == MSG_NUMBER) {
        a->nowait = true;
        a->wish.wait = false;
        a->wish.type = (i64)pick(6);
    }
    if (a->kind != RECEIVE)
        return;
    a->deadline = ~0ull;
}

static void
start(u32 w)
{
    static const enum kind kinds[] = { SEMAPHORES, SEMAPHORES, SEND, RECEIVE, MQ_SEND,
                                       MQ_RECEIVE };
    struct asked *a = &asked[w];
    *a = (struct asked){ .kind = kinds[pick(ARRAY_SIZE(kinds))], .busy = true,
                         .deadline = ~0ull };
    if (pick(5) == 0 && a->kind != SEND)
        a->deadline = host_now() + pick(5000);
    if (a->kind == SEMAPHORES)
        ask_semaphores(a);
    else
        ask_message(a);
    bool goes = a->kind == SEMAPHORES && could_go(a);
    if (a->kind == SEND || a->kind == MQ_SEND)
        ref_send(a->kind == SEND ? &plain : &posix, w);
    else if (a->kind != SEMAPHORES)
        ref_receive(a->kind == RECEIVE ? &plain : &posix, w);
    bool through = worker_do(&worker[w], jobs[a->kind]);
    waited += !through;
    CHECK(!goes || through);
}

/* What may end a wait beside its operation. */
static int reason;
static u32 reason_worker, reason_set;

static void
check_end(u32 w)
{
    struct asked *a = &asked[w];
    int r = worker[w].result;
    a->busy = false;
    finished++;
    if (a->deadline != ~0ull && a->deadline <= host_now() &&
        r == (a->kind == SEMAPHORES ? -E_AGAIN : -E_TIMEDOUT)) {
        timed_out++;
        ref_forget(&posix, w);
        CHECK(!a->ended);
        return;
    }
    if (reason == -E_INTR && reason_worker == w && r == -E_INTR) {
        interrupted++;
        ref_forget(&plain, w);
        ref_forget(&posix, w);
        return;
    }
    if (a->kind != SEMAPHORES) {
        CHECK(a->ended && r == a->result);
        CHECK(r != 0 || a->ref_number == 0 || a->ref_number == a->got_number);
        return;
    }
    if (r == 0)
        semaphores_done(w);
    else if (r == -E_IDRM)
        CHECK(reason == -E_IDRM && reason_set == a->set);
    else
        CHECK((r == -E_AGAIN && a->nowait) || (r == -E_RANGE && extreme));
}

static void
check_all(void)
{
    for (u32 w = 0; w < WORKERS; w++) {
        if (asked[w].busy && worker[w].job == NULL)
            check_end(w);
        CHECK(!asked[w].busy || !asked[w].ended);
    }
    reason = 0;
    check_semaphores();
    struct msg_facts facts;
    CHECK(msg_stat(as, (struct ipc_which){ false, queue_id }, &facts) == 0);
    CHECK(facts.count == plain.count && facts.bytes == plain.bytes);
    struct mq_facts mq_now;
    mq_stat(mq, &mq_now);
    CHECK(mq_now.count == posix.count && told == posix.told);
    CHECK(posix.senders == 0 || posix.count == posix.most);
    CHECK(posix.receivers == 0 || posix.count == 0);
}

static void
set_a_value(void)
{
    u32 s = (u32)pick(SETS), n = (u32)pick(SEMS);
    struct sem_who me = who(0);
    i32 to = pick(20) == 0 ? SEM_VALUE_MAX - (i32)pick(3) : (i32)pick(5);
    extreme = extreme || to > 1000;
    value[s][n] = to;
    for (u32 w = 0; w < WORKERS; w++)
        give[w][s][n] = 0;
    CHECK(sem_set_value(&me, set_id[s], n, to) == 0);
}

static void
remove_a_set(void)
{
    reason = -E_IDRM;
    reason_set = (u32)pick(SETS);
    CHECK(sem_remove(as, set_id[reason_set]) == 0);
    host_settle();
    for (u32 w = 0; w < WORKERS; w++)
        if (asked[w].busy && asked[w].kind == SEMAPHORES && worker[w].job == NULL)
            check_end(w);
    make_set(reason_set);
}

static void
remove_the_queue(void)
{
    for (u32 i = 0; i < plain.senders; i++)
        end(plain.sender[i], -E_IDRM, 0);
    for (u32 i = 0; i < plain.receivers; i++)
        end(plain.receiver[i], -E_IDRM, 0);
    CHECK(msg_remove(as, queue_id) == 0);
    host_settle();
    make_queue();
}

/* The worker's process ends: what it did with undo is given back. */
static void
leave_group(u32 w)
{
    if (asked[w].busy)
        return;
    for (u32 s = 0; s < SETS; s++) {
        for (u32 i = 0; i < SEMS; i++) {
            i32 v = value[s][i] + give[w][s][i];
            value[s][i] = MIN(MAX(v, 0), SEM_VALUE_MAX);
            give[w][s][i] = 0;
        }
    }
    sem_undo_group_leave(worker[w].data, (i32)w + 1);
    worker[w].data = sem_undo_group_new();
    CHECK(worker[w].data != NULL);
}

static void
step(void)
{
    static const struct mq_note note = { .owner = &owner, .kind = MQ_NOTE_SIGNAL };
    u32 w = (u32)pick(WORKERS);
    u64 what = pick(100);
    if (what < 70) {
        if (!asked[w].busy)
            start(w);
    } else if (what < 78) {
        if (asked[w].busy) {
            reason = -E_INTR;
            reason_worker = w;
            worker_interrupt(&worker[w]);
        }
    } else if (what < 84) {
        host_advance(pick(4000));
    } else if (what < 90) {
        set_a_value();
    } else if (what < 92) {
        remove_a_set();
    } else if (what < 93) {
        remove_the_queue();
    } else if (what < 97) {
        leave_group(w);
    } else {
        CHECK(mq_note_set(mq, &note) == (posix.note ? -E_BUSY : 0));
        posix.note = true;
    }
    host_settle();
    check_all();
}

static void
finish(void)
{
    for (u32 w = 0; w < WORKERS; w++) {
        if (asked[w].busy)
            worker_interrupt(&worker[w]);
        worker_end(&worker[w]);
        sem_undo_group_leave(worker[w].data, 1);
    }
    for (u32 s = 0; s < SETS; s++)
        CHECK(sem_remove(as, set_id[s]) == 0);
    CHECK(msg_remove(as, queue_id) == 0);
}

int
main(int argc, char **argv)
{
    struct mq_size size = { posix.most, BYTES };
    struct mq_open_args open = { .cred = as, .name = "fuzz", .mode = 0600, .size = &size,
                                 .flags = OPEN_CREATE | OPEN_READ | OPEN_WRITE };
    struct file *f;
    if (argc > 1)
        random_state = strtoull(argv[1], NULL, 0) * 2 + 1;
    if (argc > 2)
        steps = strtoull(argv[2], NULL, 0);
    setup(64);
    CHECK(mq_open(&open, &f) == 0 && mq_unlink(NULL, as, "fuzz") == 0);
    mq = mq_of_file(f);
    for (u32 w = 0; w < WORKERS; w++) {
        worker_start(&worker[w], w);
        worker[w].data = sem_undo_group_new();
        CHECK(worker[w].data != NULL);
    }
    for (u32 s = 0; s < SETS; s++)
        make_set(s);
    make_queue();
    for (u64 i = 0; i < steps; i++)
        step();
    finish();
    file_release(f);
    struct sem_counts sets;
    sem_count(&sets);
    CHECK(sets.sets == 0 && sets.semaphores == 0 && ipc_charged(0) == 0);
    printf("ok 1 %lu steps: %lu operations, %lu waited, %lu interrupted, %lu timed out\n1..1\n",
           (unsigned long)steps, (unsigned long)finished, (unsigned long)waited,
           (unsigned long)interrupted, (unsigned long)timed_out);
    return 0;
}
