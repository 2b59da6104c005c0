/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer of signals: random sends to the process and to its thread, actions, masks,
 * waits, limits and returns to the user, against a plain model of sets and queues.
 *
 * The model keeps every pending signal as an entry of a list, in the order of arrival,
 * and looks for the next one with a plain search.  After each step the pending set, the
 * mask and the number of queued entries are compared; every delivered or taken signal
 * must be the model's, with its value.  Without arguments it runs a fixed number of steps
 * from a fixed seed; `fuzz_signal SEED STEPS` runs others.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "proc/test/world.h"
#include "signal/internal.h"

#define ENTRIES 512
#define LIMIT   40

struct entry {
    int number;
    u64 value;
    bool counted; /* it has an entry in the queue, not a bit alone */
};
struct target {
    struct entry entry[ENTRIES];
    int count;
};
struct act {
    u64 handler, mask, flags;
};

static struct target targets[2]; /* the thread's, the process's: the order of delivery */
static struct act acts[SIG_MAX + 1];
static u64 model_mask;
static u64 random_state, steps = 60000, seed = 1;
static u64 delivered, refused, taken, dropped;

/* What the model expects to be delivered next; filled before user_return. */
static struct {
    int number;
    u64 value, mask;
} expected[2 * ENTRIES];
static int nexpected, nseen;

static const int numbers[] = { SIG_HUP,  SIG_USR1, SIG_SEGV, SIG_USR2, SIG_TERM,
                               SIG_CHLD, SIG_CONT, SIG_TSTP, SIG_TTIN, SIG_FPE,
                               SIG_RTMIN + 2, SIG_RTMIN + 3, 50, SIG_MAX };

static u64
pick(u64 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

static int
pick_number(void)
{
    return numbers[pick(ARRAY_SIZE(numbers))];
}

static u64
pick_set(void)
{
    u64 set = 0;
    for (u64 i = pick(8); i > 0; i--)
        set |= SIG_BIT(pick_number());
    return pick(12) == 0 ? ~0ull : set;
}

/* ---- the model ---- */

static bool
model_has(const struct target *t, int number)
{
    for (int i = 0; i < t->count; i++)
        if (t->entry[i].number == number)
            return true;
    return false;
}

static u32
model_counted(void)
{
    u32 n = 0;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < targets[k].count; i++)
            n += targets[k].entry[i].counted;
    return n;
}

static u64
model_pending(void)
{
    u64 set = 0;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < targets[k].count; i++)
            set |= SIG_BIT(targets[k].entry[i].number);
    return set;
}

static void
model_remove(struct target *t, int at)
{
    memmove(t->entry + at, t->entry + at + 1,
            (size_t)(t->count - at - 1) * sizeof t->entry[0]);
    t->count--;
}

static void
model_drop(u64 set)
{
    for (int k = 0; k < 2; k++)
        for (int i = targets[k].count - 1; i >= 0; i--)
            if (set & SIG_BIT(targets[k].entry[i].number)) {
                model_remove(&targets[k], i);
                dropped++;
            }
}

/* The first process: what it does not handle does nothing (signal.h, Z3). */
static bool
model_ignores(int number)
{
    return acts[number].handler <= SIG_HANDLER_IGNORE;
}

/* POSIX 2.4.1, 2.4.3: stop and continue take each other away; what is ignored and not
 * blocked is gone; standard signals are pending once, real-time ones queue. */
static int
model_send(int k, int number, u64 value, u64 limit)
{
    if (SIG_BIT(number) & SIGNALS_STOP)
        model_drop(SIG_BIT(SIG_CONT));
    else if (number == SIG_CONT)
        model_drop(SIGNALS_STOP);
    if (model_ignores(number) && !(model_mask & SIG_BIT(number)))
        return 0;
    if (number < SIG_RTMIN && model_has(&targets[k], number))
        return 0;
    bool counted = value != 0 && model_counted() < limit;
    if (number >= SIG_RTMIN && !counted)
        return -E_AGAIN;
    CHECK(targets[k].count < ENTRIES);
    targets[k].entry[targets[k].count++] =
        (struct entry){ number, counted ? value : 0, counted };
    return 0;
}

/* The next of `set`: the thread's before the process's, faults first, then by number. */
static bool
model_take(u64 set, struct entry *out)
{
    for (int k = 0; k < 2; k++) {
        int best = -1;
        for (int i = 0; i < targets[k].count; i++) {
            int number = targets[k].entry[i].number;
            if ((set & SIG_BIT(number)) == 0)
                continue;
            bool fault = (SIG_BIT(number) & SIGNALS_FAULT) != 0;
            int than = best < 0 ? 0 : targets[k].entry[best].number;
            bool than_fault = best >= 0 && (SIG_BIT(than) & SIGNALS_FAULT) != 0;
            if (best < 0 || (fault && !than_fault) || (fault == than_fault && number < than))
                best = i;
        }
        if (best >= 0) {
            *out = targets[k].entry[best];
            model_remove(&targets[k], best);
            return true;
        }
    }
    return false;
}

static void
model_return(void)
{
    struct entry e;
    nexpected = 0;
    while (model_take(~model_mask, &e)) {
        struct act a = acts[e.number];
        if (a.handler <= SIG_HANDLER_IGNORE)
            continue;
        expected[nexpected].number = e.number;
        expected[nexpected].value = e.value;
        expected[nexpected++].mask = model_mask;
        model_mask |= a.mask | (a.flags & SA_F_NODEFER ? 0 : SIG_BIT(e.number));
        model_mask &= ~SIGNALS_UNBLOCKABLE;
        if (a.flags & SA_F_RESETHAND)
            acts[e.number].handler = SIG_HANDLER_DEFAULT;
    }
}

/* ---- the steps ---- */

static int
check_push(struct thread *t, struct user_frame *f, int number,
           const struct signal_action *action, const struct signal_info *info, u64 mask)
{
    (void)t;
    (void)f;
    CHECK(nseen < nexpected);
    CHECK(number == expected[nseen].number && info->number == number);
    CHECK(info->value == expected[nseen].value && mask == expected[nseen].mask);
    CHECK(action->handler > SIG_HANDLER_IGNORE);
    nseen++;
    delivered++;
    return 0;
}

static void
step_send(struct thread *t, struct process *p)
{
    static u64 next_value;
    int number = pick_number(), k = (int)pick(2);
    /* Without information only standard ones: a mere bit has no place in an order. */
    bool bare = number < SIG_RTMIN && pick(4) == 0;
    struct signal_info info = { .number = number, .code = -1, .value = ++next_value };
    const struct signal_info *said = bare ? NULL : &info;
    u64 limit = p->limits[SIGNAL_LIMIT_PENDING].soft;
    int got = k == 0 ? signal_queue_thread(t, number, said)
                     : signal_queue_process(p, number, said);
    int want = model_send(k, number, bare ? 0 : next_value, limit);
    CHECK(got == want);
    refused += got != 0;
}

static void
step_action(struct process *p)
{
    int number = pick_number();
    struct signal_action a = { .handler = pick(4) == 0 ? pick(2) : 0x1000 + pick(100),
                               .mask = pick_set(),
                               .flags = (pick(3) == 0 ? SA_F_NODEFER : 0) |
                                        (pick(4) == 0 ? SA_F_RESETHAND : 0) };
    CHECK(signal_action_set(p, number, &a, NULL) == 0);
    acts[number] = (struct act){ a.handler, a.mask, a.flags };
    /* POSIX 2.4.3: what is pending goes when it becomes ignored; by default too, for those
     * whose default that is (and for the first process whatever it does not handle). */
    if (a.handler == SIG_HANDLER_IGNORE ||
        (a.handler == SIG_HANDLER_DEFAULT && signal_is_ignored(p, number)))
        model_drop(SIG_BIT(number));
}

static void
step_take(struct thread *t)
{
    u64 set = pick_set();
    struct signal_info info;
    struct entry e;
    int number = signal_take(t, set, &info);
    CHECK((number != 0) == model_take(set, &e));
    if (number != 0) {
        CHECK(number == e.number && info.value == e.value && info.number == number);
        taken++;
    }
}

static void
step(struct thread *t, struct process *p)
{
    u64 set;
    switch (pick(12)) {
    case 0:
        step_action(p);
        break;
    case 1:
        set = pick_set() | (pick(3) == 0 ? model_mask : 0);
        signal_mask_set(set);
        model_mask = set & ~SIGNALS_UNBLOCKABLE;
        break;
    case 2:
        step_take(t);
        break;
    case 3:
        model_return();
        nseen = 0;
        user_return();
        CHECK(nseen == nexpected);
        break;
    case 4:
        p->limits[SIGNAL_LIMIT_PENDING].soft = pick(3) == 0 ? pick(LIMIT) : LIMIT;
        break;
    default:
        step_send(t, p);
    }
    CHECK(signal_pending_set(t) == model_pending());
    CHECK(t->signal_mask == model_mask);
    CHECK(p->signals_queued == model_counted());
}

static void
fuzz(struct thread *t, struct user_frame *f)
{
    (void)f;
    struct process *p = proc_current();
    random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    u64 soft = p->limits[SIGNAL_LIMIT_PENDING].soft;
    for (u64 i = 0; i < steps; i++)
        step(t, p);
    p->limits[SIGNAL_LIMIT_PENDING].soft = soft;
    signal_mask_set(model_mask = 0);
    do {
        model_return();
        nseen = 0;
        user_return();
        CHECK(nseen == nexpected);
        signal_mask_set(model_mask = 0);
    } while (nexpected > 0);
    CHECK(p->signals_queued == 0 && signal_pending_set(t) == 0);
    /* The run has met everything that it is for. */
    CHECK(delivered > steps / 100 && taken > steps / 100 && refused > 0 && dropped > 0);
    check_tests = 1;
    printf("ok 1 %lu steps from seed %lu agree with the model: %lu delivered, %lu taken, "
           "%lu refused, %lu dropped\n", (unsigned long)steps, (unsigned long)seed,
           (unsigned long)delivered, (unsigned long)taken, (unsigned long)refused,
           (unsigned long)dropped);
    world_done();
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 0);
    if (argc > 2)
        steps = strtoull(argv[2], NULL, 0);
    world_start();
    signal_abi.push = check_push;
    world_run(fuzz);
    DONE();
}
