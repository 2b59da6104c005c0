/* SPDX-License-Identifier: MIT */
/* System V message queues (ipc/msg.h). */
#include "ipc/msg.h"

#include "core/clock.h"
#include "core/heap.h"
#include "core/thread.h"

struct msg_queue {
    struct ipc_object object; /* its lock guards all below */
    struct list messages, receivers, senders;
    u64 bytes, count, bytes_max;
    u64 sent_ns, received_ns, changed_ns;
    i32 sender, receiver;
    u32 payer;
};
/* Of a receiver (`wish` set) or a sender. */
struct msg_waiter {
    struct ipc_waiter wait;
    const struct msg_wish *wish;
    struct msg *msg; /* what it got, or sends */
    i32 pid;
};

_Atomic u32 msg_bytes_max = 8192, msg_queue_bytes = 16384, msg_queues_max = 32000;
static _Atomic u64 all_messages, all_bytes;
static const struct ipc_limit forever = { false, ~0ull };

static struct msg_queue *
queue_of(struct ipc_object *o)
{
    return container_of(o, struct msg_queue, object);
}

static void
free_queue(struct ipc_object *o)
{
    struct msg_queue *q = queue_of(o);
    list_for_each_safe(it, &q->messages) {
        struct msg *m = container_of(it, struct msg, link);
        all_messages--;
        all_bytes -= m->bytes;
        list_remove(it);
        msg_put(m);
    }
    ipc_uncharge(q->payer, sizeof *q);
    heap_free(q);
}

static i64 make_queue(const struct cred *c, const struct ipc_wanted *wanted);
static struct ipc_table msg_table =
    IPC_TABLE_INIT(msg_table, free_queue, make_queue, NULL);

struct msg *
msg_new(u64 bytes)
{
    u64 all = sizeof(struct msg) + bytes;
    u32 payer = ipc_payer();
    if (!ipc_charge(payer, all))
        return NULL;
    struct msg *m = heap_alloc(all);
    if (m == NULL) {
        ipc_uncharge(payer, all);
        return NULL;
    }
    m->payer = payer;
    list_init(&m->link);
    m->refs = 1;
    m->bytes = bytes;
    return m;
}

void
msg_put(struct msg *m)
{
    if (atomic_fetch_sub(&m->refs, 1) != 1)
        return;
    ipc_uncharge(m->payer, sizeof *m + m->bytes);
    heap_free(m);
}

static i64
make_queue(const struct cred *c, const struct ipc_wanted *wanted)
{
    struct msg_queue *q = ipc_alloc(c->euid, sizeof *q);
    if (q == NULL)
        return -E_NOMEM;
    q->payer = c->euid;
    list_init(&q->messages);
    list_init(&q->receivers);
    list_init(&q->senders);
    q->bytes_max = msg_queue_bytes;
    q->changed_ns = clock_real_ns();
    i64 id = ipc_publish(&msg_table, &q->object, wanted->key, wanted->mode, c,
                         msg_queues_max);
    if (id < 0)
        free_queue(&q->object);
    return id;
}

i64
msg_get(const struct cred *c, const struct ipc_wanted *wanted)
{
    return ipc_get(&msg_table, c, wanted);
}

/* ---- with the queue's lock held ---- */

static bool
is_wanted(const struct msg *m, const struct msg_wish *wish)
{
    switch (wish->choice) {
    case MSG_EQUAL:
        return m->type == wish->type;
    case MSG_OTHER:
        return m->type != wish->type;
    case MSG_UP_TO:
        return m->type <= wish->type;
    case MSG_ANY:
    case MSG_NUMBER:
        break;
    }
    return true;
}

static bool
is_too_long(const struct msg *m, const struct msg_wish *wish)
{
    return m->bytes > wish->most && !wish->cut;
}

static void
note_received(struct msg_queue *q, i32 pid)
{
    q->receiver = pid;
    q->received_ns = clock_real_ns();
}

/* M1. */
static void
put_message(struct msg_queue *q, struct msg *m, i32 pid)
{
    q->sender = pid;
    q->sent_ns = clock_real_ns();
    list_for_each_safe(it, &q->receivers) {
        struct msg_waiter *w = container_of(it, struct msg_waiter, wait.link);
        if (!is_wanted(m, w->wish))
            continue;
        if (is_too_long(m, w->wish)) {
            ipc_finish(&w->wait, -E_2BIG);
            continue;
        }
        w->msg = m;
        note_received(q, w->pid);
        ipc_finish(&w->wait, 0);
        return;
    }
    list_push_back(&q->messages, &m->link);
    q->count++;
    q->bytes += m->bytes;
    all_messages++;
    all_bytes += m->bytes;
}

/* As on Linux: the number of messages is bounded by the bytes as well. */
static bool
fits(const struct msg_queue *q, const struct msg *m)
{
    return m->bytes <= q->bytes_max && q->bytes <= q->bytes_max - m->bytes &&
           q->count < q->bytes_max;
}

/* M2. */
static void
admit_senders(struct msg_queue *q)
{
    list_for_each_safe(it, &q->senders) {
        struct msg_waiter *w = container_of(it, struct msg_waiter, wait.link);
        if (!fits(q, w->msg))
            continue;
        put_message(q, w->msg, w->pid);
        ipc_finish(&w->wait, 0);
    }
}

static void
take_message(struct msg_queue *q, struct msg *m, i32 pid)
{
    list_remove(&m->link);
    q->count--;
    q->bytes -= m->bytes;
    all_messages--;
    all_bytes -= m->bytes;
    note_received(q, pid);
    admit_senders(q);
}

static struct msg *
find_message(struct msg_queue *q, const struct msg_wish *wish)
{
    struct msg *best = NULL;
    i64 place = 0;
    list_for_each(it, &q->messages) {
        struct msg *m = container_of(it, struct msg, link);
        if (wish->choice == MSG_NUMBER && place++ != wish->type)
            continue;
        if (!is_wanted(m, wish))
            continue;
        if (wish->choice != MSG_UP_TO)
            return m;
        if (best == NULL || m->type < best->type)
            best = m;
    }
    return best;
}

static int
receive_locked(struct msg_queue *q, struct msg_waiter *w)
{
    const struct msg_wish *wish = w->wish;
    struct msg *m = find_message(q, wish);
    if (m == NULL && !wish->wait)
        return -E_NOMSG;
    if (m == NULL) {
        list_push_back(&q->receivers, &w->wait.link);
        return ipc_wait(&q->object.lock, &w->wait, &forever);
    }
    if (is_too_long(m, wish))
        return -E_2BIG;
    if (wish->choice == MSG_NUMBER)
        atomic_fetch_add(&m->refs, 1); /* M4 */
    else
        take_message(q, m, w->pid);
    w->msg = m;
    return 0;
}

static int
send_locked(struct msg_queue *q, struct msg_waiter *w, bool wait)
{
    if (fits(q, w->msg)) {
        put_message(q, w->msg, w->pid);
        return 0;
    }
    if (!wait)
        return -E_AGAIN;
    list_push_back(&q->senders, &w->wait.link);
    return ipc_wait(&q->object.lock, &w->wait, &forever);
}

/* ---- calls ---- */

static int
enter(i32 id, const struct cred *c, u32 want, struct ipc_object **out)
{
    int r = ipc_look(&msg_table, (struct ipc_which){ false, id }, NULL, out);
    if (r == 0 && (r = ipc_access(*out, c, want)) != 0)
        ipc_leave(&msg_table, *out);
    return r;
}

int
msg_send(const struct msg_who *who, i32 id, struct msg *m, bool wait)
{
    struct msg_waiter w = { .wait.thread = thread_current(), .msg = m, .pid = who->pid };
    struct ipc_object *o;
    int r = enter(id, who->cred, IPC_WRITE, &o);
    if (r != 0)
        return r;
    r = send_locked(queue_of(o), &w, wait);
    ipc_leave(&msg_table, o);
    return r;
}

int
msg_receive(const struct msg_who *who, i32 id, const struct msg_wish *wish,
            struct msg **out)
{
    struct msg_waiter w = { .wait.thread = thread_current(), .wish = wish,
                            .pid = who->pid };
    struct ipc_object *o;
    int r = enter(id, who->cred, IPC_READ, &o);
    if (r != 0)
        return r;
    r = receive_locked(queue_of(o), &w);
    ipc_leave(&msg_table, o);
    *out = w.msg;
    return r;
}

int
msg_remove(const struct cred *c, i32 id)
{
    struct ipc_object *o;
    int r = ipc_own(&msg_table, id, c, &o);
    if (r != 0)
        return r;
    struct msg_queue *q = queue_of(o);
    ipc_withdraw(&msg_table, o);
    list_for_each_safe(it, &q->receivers)
        ipc_finish(container_of(it, struct ipc_waiter, link), -E_IDRM);
    list_for_each_safe(it, &q->senders)
        ipc_finish(container_of(it, struct ipc_waiter, link), -E_IDRM);
    ipc_leave(&msg_table, o);
    ipc_put(&msg_table, o); /* the table's */
    return 0;
}

int
msg_stat(const struct cred *c, struct ipc_which which, struct msg_facts *out)
{
    struct ipc_object *o;
    int r = ipc_look(&msg_table, which, c, &o);
    if (r != 0)
        return r;
    const struct msg_queue *q = queue_of(o);
    ipc_tell(o, &out->ipc);
    out->sent_ns = q->sent_ns;
    out->received_ns = q->received_ns;
    out->changed_ns = q->changed_ns;
    out->bytes = q->bytes;
    out->count = q->count;
    out->bytes_max = q->bytes_max;
    out->sender = q->sender;
    out->receiver = q->receiver;
    ipc_leave(&msg_table, o);
    return 0;
}

int
msg_change(const struct cred *c, i32 id, u32 uid, u32 gid, u32 mode, u64 bytes_max)
{
    struct ipc_object *o;
    int r = ipc_own(&msg_table, id, c, &o);
    if (r != 0)
        return r;
    struct msg_queue *q = queue_of(o);
    if (bytes_max > msg_queue_bytes && !cred_can(c, CAP_SYS_RESOURCE)) {
        r = -E_PERM;
    } else {
        ipc_give(o, uid, gid, mode);
        q->bytes_max = bytes_max;
        q->changed_ns = clock_real_ns();
        admit_senders(q);
    }
    ipc_leave(&msg_table, o);
    return r;
}

void
msg_count(struct msg_counts *out)
{
    out->queues = __atomic_load_n(&msg_table.used, __ATOMIC_RELAXED);
    out->highest = ipc_highest(&msg_table);
    out->messages = all_messages;
    out->bytes = all_bytes;
}

i64
msg_next(u32 from)
{
    return ipc_next_index(&msg_table, from);
}
