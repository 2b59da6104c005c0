/* SPDX-License-Identifier: MIT */
/* futex(2) and futex_waitv(2): how programs ask for what libos/futex does. */
#include "futex/futex.h"

#include "core/heap.h"
#include "core/usercopy.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/proc.h"

enum {
    FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE = 4,
    FUTEX_WAKE_OP = 5, FUTEX_LOCK_PI = 6, FUTEX_UNLOCK_PI = 7, FUTEX_TRYLOCK_PI = 8,
    FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET = 10, FUTEX_WAIT_REQUEUE_PI = 11,
    FUTEX_CMP_REQUEUE_PI = 12, FUTEX_LOCK_PI2 = 13
};
#define FUTEX_PRIVATE 128u
#define FUTEX_CLOCK_REALTIME 256u
#define OPERATION 127u

/* ---- waiting ---- */

/* restart[1..5]: address, value, limit, private (1) and real (2), bits. */
static long
go_on_waiting(struct user_frame *f)
{
    (void)f;
    struct thread *t = thread_current();
    struct futex_limit limit = { t->restart[3], (t->restart[4] & 2) != 0 };
    struct futex_word w = { t->restart[1], (u32)t->restart[2], (t->restart[4] & 1) != 0 };
    int result = futex_wait_on(w, (u32)t->restart[5], limit);
    if (result != -E_INTR)
        return result;
    t->restart[0] = (u64)(uintptr_t)go_on_waiting;
    return -E_RESTART_BLOCK;
}

/* The fourth argument: a time on one of two clocks, or none. */
static int
limit_from_user(uaddr at, bool real, struct futex_limit *limit)
{
    *limit = (struct futex_limit){ ~0ull, false };
    if (at == 0)
        return 0;
    limit->real = real;
    return timespec_from_user(at, &limit->at_ns);
}

static long
futex_wait(struct user_frame *f, u32 op, u32 bits)
{
    struct thread *t = thread_current();
    struct futex_word w = { SYS_ARG0(f), (u32)SYS_ARG2(f), (op & FUTEX_PRIVATE) != 0 };
    struct futex_limit limit = { ~0ull, false };
    if (bits == 0)
        return -E_INVAL;
    if (SYS_ARG3(f) != 0) {
        int error = timespec_from_user(SYS_ARG3(f), &limit.at_ns);
        if (error != 0)
            return error;
        if ((op & OPERATION) == FUTEX_WAIT) /* relative, on whichever clock */
            limit.at_ns = deadline_after(limit.at_ns);
        else
            limit.real = (op & FUTEX_CLOCK_REALTIME) != 0;
    }
    int result = futex_wait_on(w, bits, limit);
    if (result != -E_INTR)
        return result;
    if (limit.at_ns == ~0ull)
        return -E_RESTART;
    t->restart[0] = (u64)(uintptr_t)go_on_waiting;
    t->restart[1] = w.at;
    t->restart[2] = w.value;
    t->restart[3] = limit.at_ns;
    t->restart[4] = (w.private ? 1 : 0) | (limit.real ? 2 : 0);
    t->restart[5] = bits;
    return -E_RESTART_BLOCK;
}

/* ---- locks ---- */

/* Its limit is a time, so it may be called again as it was. */
static long
again_after_signal(int result)
{
    return result == -E_INTR ? -E_RESTART_ALWAYS : result;
}

static long
futex_lock_pi(struct user_frame *f, u32 op)
{
    struct futex_limit limit;
    bool real = (op & OPERATION) == FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME);
    int error = limit_from_user(SYS_ARG3(f), real, &limit);
    if (error != 0)
        return error;
    return again_after_signal(
        futex_lock(SYS_ARG0(f), (op & FUTEX_PRIVATE) != 0, limit));
}

static long
futex_wait_requeue_pi(struct user_frame *f, u32 op)
{
    struct futex_word w = { SYS_ARG0(f), (u32)SYS_ARG2(f), (op & FUTEX_PRIVATE) != 0 };
    struct futex_limit limit;
    if (SYS_ARG0(f) == SYS_ARG4(f))
        return -E_INVAL;
    int error = limit_from_user(SYS_ARG3(f), (op & FUTEX_CLOCK_REALTIME) != 0, &limit);
    if (error != 0)
        return error;
    return again_after_signal(
        futex_wait_for_lock(w, SYS_ARG4(f), FUTEX_ANY_BIT, limit));
}

/* ---- moving waiters ---- */

static long
futex_requeue(struct user_frame *f, u32 op)
{
    struct futex_move m = {
        .from = SYS_ARG0(f), .to = SYS_ARG4(f), .value = (u32)SYS_ARG5(f),
        .private = (op & FUTEX_PRIVATE) != 0,
        .compare = (op & OPERATION) != FUTEX_REQUEUE,
        .wake = (u32)SYS_ARG2(f), .move = (u32)SYS_ARG3(f),
    };
    if ((i32)m.wake < 0 || (i32)m.move < 0)
        return -E_INVAL;
    if ((op & OPERATION) != FUTEX_CMP_REQUEUE_PI)
        return futex_requeue_to(&m);
    return m.wake != 1 || m.from == m.to ? -E_INVAL : futex_requeue_to_lock(&m);
}
/* ---- change a word and wake (FUTEX_WAKE_OP) ---- */

struct word_op {
    u32 op, compare;
    i32 operand, against;
};

static struct word_op
decode_op(u32 code)
{
    struct word_op o = { code >> 28 & 7, code >> 24 & 15, (i32)(code << 8) >> 20,
                         (i32)(code << 20) >> 20 };
    if (code >> 31)
        o.operand = (i32)(1u << (o.operand & 31));
    return o;
}

static u32
apply_op(const void *arg, u32 word)
{
    const struct word_op *o = arg;
    switch (o->op) {
    case 0:
        return (u32)o->operand;
    case 1:
        return word + (u32)o->operand;
    case 2:
        return word | (u32)o->operand;
    case 3:
        return word & ~(u32)o->operand;
    default:
        return word ^ (u32)o->operand;
    }
}

static bool
compare_op(const void *arg, i32 word)
{
    const struct word_op *o = arg;
    switch (o->compare) {
    case 0:
        return word == o->against;
    case 1:
        return word != o->against;
    case 2:
        return word < o->against;
    case 3:
        return word <= o->against;
    case 4:
        return word > o->against;
    default:
        return word >= o->against;
    }
}

static long
futex_wake_op(struct user_frame *f, bool private)
{
    struct word_op o = decode_op((u32)SYS_ARG5(f));
    if (o.op > 4 || o.compare > 5)
        return -E_NOSYS;
    struct futex_change c = {
        .first = SYS_ARG0(f), .second = SYS_ARG4(f), .private = private,
        .wake = (u32)MAX(1, (i32)SYS_ARG2(f)),
        .wake_second = (u32)MAX(1, (i32)SYS_ARG3(f)),
        .change = apply_op, .holds = compare_op, .arg = &o,
    };
    return futex_change_and_wake(&c);
}

static long
futex_wake(struct user_frame *f, bool private, u32 bits)
{
    if (bits == 0)
        return -E_INVAL;
    return futex_wake_up(SYS_ARG0(f), private, (u32)MAX(1, (i32)SYS_ARG2(f)), bits);
}

/* Which operations may have their limit on the wall clock. */
#define TAKES_CLOCK                                                                      \
    (1u << FUTEX_WAIT | 1u << FUTEX_WAIT_BITSET | 1u << FUTEX_WAIT_REQUEUE_PI |          \
     1u << FUTEX_LOCK_PI2)

long
sys_futex(struct user_frame *f)
{
    u32 op = (u32)SYS_ARG1(f), number = op & OPERATION;
    bool private = (op & FUTEX_PRIVATE) != 0;
    if ((op & FUTEX_CLOCK_REALTIME) && (number > 31 || !(TAKES_CLOCK >> number & 1)))
        return -E_NOSYS;
    switch (number) {
    case FUTEX_WAIT:
        return futex_wait(f, op, FUTEX_ANY_BIT);
    case FUTEX_WAIT_BITSET:
        return futex_wait(f, op, (u32)SYS_ARG5(f));
    case FUTEX_WAKE:
        return futex_wake(f, private, FUTEX_ANY_BIT);
    case FUTEX_WAKE_BITSET:
        return futex_wake(f, private, (u32)SYS_ARG5(f));
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_CMP_REQUEUE_PI:
        return futex_requeue(f, op);
    case FUTEX_WAKE_OP:
        return futex_wake_op(f, private);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return futex_lock_pi(f, op);
    case FUTEX_UNLOCK_PI:
        return futex_unlock(SYS_ARG0(f), private);
    case FUTEX_TRYLOCK_PI:
        return futex_try_lock(SYS_ARG0(f), private);
    case FUTEX_WAIT_REQUEUE_PI:
        return futex_wait_requeue_pi(f, op);
    default:
        return -E_NOSYS;
    }
}

/* ---- several words ---- */

struct linux_futex_waitv {
    u64 value, at;
    u32 flags, reserved;
};
#define FUTEX_SIZE_32 2u

static int
words_from_user(struct futex_word *w, uaddr at, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        struct linux_futex_waitv in;
        if (copy_from_user(&in, at + i * sizeof in, sizeof in) != 0)
            return -E_FAULT;
        if ((in.flags & ~FUTEX_PRIVATE) != FUTEX_SIZE_32 || in.reserved != 0 ||
            in.value > UINT32_MAX)
            return -E_INVAL;
        w[i] = (struct futex_word){ in.at, (u32)in.value,
                                    (in.flags & FUTEX_PRIVATE) != 0 };
    }
    return 0;
}

long
sys_futex_waitv(struct user_frame *f)
{
    u32 count = (u32)SYS_ARG1(f);
    i32 clock = (i32)SYS_ARG4(f);
    struct futex_limit limit;
    if (SYS_ARG2(f) != 0 || count == 0 || count > FUTEX_WORDS_MAX || SYS_ARG0(f) == 0)
        return -E_INVAL;
    if (SYS_ARG3(f) != 0 && clock != 0 && clock != 1)
        return -E_INVAL; /* neither the wall clock nor the monotonic one */
    int error = limit_from_user(SYS_ARG3(f), clock == 0, &limit);
    if (error != 0)
        return error;
    struct futex_word *w = heap_alloc(count * sizeof *w);
    if (w == NULL)
        return -E_NOMEM;
    error = words_from_user(w, SYS_ARG0(f), count);
    i64 result = error != 0 ? error : futex_wait_any(w, count, limit);
    heap_free(w);
    return result == -E_INTR ? -E_RESTART : result;
}

/* The word of clear_child_tid: its waiters may have taken it for shared or private. */
void
futex_wake_word(uaddr at)
{
    i64 woken = futex_wake_up(at, false, 1, FUTEX_ANY_BIT);
    (void)woken; /* nobody is there to be told that the word is not */
}

void
futex_init(void)
{
    futex_rooms_init();
    proc_futex_wake_hook = futex_wake_word;
    proc_locks_hook = futex_thread_leaves;
    robust_init();
}
