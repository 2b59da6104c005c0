/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a few words, against a reference: a list of who waits, in order.
 * usage: fuzz_futex [SEED [STEPS]]
 *
 * F1. entry[] has an entry for each word that somebody waits on, oldest first; those that
 *     are moved to another word go to the end, as they do there.
 * F2. After each step exactly those workers are through whom the reference has woken,
 *     interrupted or timed out, with the result that it says.
 */
#include "futex/test/setup.h"

#define WORDS   4u
#define STRIDE  5u /* words that are used, so that some bucket is another */
#define ENTRIES (WORKERS * WORDS)

struct entry {
    u32 who, index, word, bits;
};
static struct entry entry[ENTRIES];
static u32 entries;
static bool busy[WORKERS];
static i64 expected[WORKERS];
static u64 until[WORKERS]; /* ~0: no limit */
static u64 random_state = 88172645463325252ull, steps = 20000, waits, wakes, moves, ends;

static u32
random_below(u32 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (u32)((random_state >> 20) % n);
}

static uaddr
at(u32 w)
{
    return word_at(w * STRIDE);
}

/* ---- the reference ---- */

static void
remove_entry(u32 i)
{
    entries--;
    for (; i < entries; i++)
        entry[i] = entry[i + 1];
}

/* All that it waits on is over. */
static void
forget(u32 who, i64 result)
{
    for (u32 i = entries; i-- > 0;) {
        if (entry[i].who == who)
            remove_entry(i);
    }
    expected[who] = result;
    busy[who] = false;
}

static void
remember(u32 who, u32 index, u32 w, u32 bits)
{
    CHECK(entries < ENTRIES);
    entry[entries++] = (struct entry){ who, index, w, bits };
}

/* Entries are taken first, then their workers go, as in the machine; of several of one
 * worker the last index counts. */
static u32
wake_reference(u32 w, u32 count, u32 bits)
{
    i64 result[WORKERS];
    u32 done = 0;
    for (u32 i = 0; i < WORKERS; i++)
        result[i] = -1;
    for (u32 i = 0; i < entries && done < count;) {
        if (entry[i].word != w || (entry[i].bits & bits) == 0) {
            i++;
            continue;
        }
        if (result[entry[i].who] < (i64)entry[i].index)
            result[entry[i].who] = entry[i].index;
        remove_entry(i);
        done++;
    }
    for (u32 i = 0; i < WORKERS; i++) {
        if (result[i] >= 0)
            forget(i, result[i]);
    }
    wakes += done;
    return done;
}

static u32
move_reference(u32 from, u32 to, u32 wake, u32 move)
{
    u32 woken = 0, done = 0;
    struct entry moved[ENTRIES];
    for (u32 i = 0; i < entries && woken < wake; i++)
        woken += entry[i].word == from;
    for (u32 i = 0, seen = 0; i < entries && done < move;) {
        bool takes = entry[i].word == from && ++seen > woken;
        if (!takes) {
            i++;
            continue;
        }
        moved[done] = entry[i];
        moved[done++].word = to;
        if (from == to)
            i++; /* it stays where it is */
        else
            remove_entry(i);
    }
    for (u32 i = 0; i < done && from != to; i++)
        entry[entries++] = moved[i];
    moves += done;
    return done + wake_reference(from, woken, FUTEX_ANY_BIT);
}

/* ---- the machine ---- */

static i64
job_wait(struct worker *w)
{
    struct futex_word on = { at(w->word), w->value, true };
    return futex_wait_on(on, w->bits, w->limit);
}

static i64
job_wait_any(struct worker *w)
{
    struct futex_word on[WORDS];
    for (u32 i = 0; i < w->count; i++)
        on[i] = (struct futex_word){ at(w->words[i]), w->value, true };
    return futex_wait_any(on, w->count, w->limit);
}

static void
begin_wait(u32 who)
{
    struct worker *w = &worker[who];
    u64 ns = 1 + random_below(1000);
    bool several = random_below(3) == 0, refused = random_below(10) == 0;
    u32 first = random_below(WORDS);
    w->word = first;
    w->bits = several ? FUTEX_ANY_BIT : 1u << random_below(3) | 1u << random_below(3);
    w->count = 1 + random_below(WORDS);
    w->value = refused ? 1 : 0;
    until[who] = random_below(2) == 0 ? ~0ull : host_now() + ns;
    w->limit = (struct futex_limit){ until[who], false };
    for (u32 i = 0; i < w->count; i++)
        w->words[i] = (first + i) % WORDS;
    CHECK(worker_do(w, several ? job_wait_any : job_wait) == refused);
    if (refused) {
        CHECK(w->result == -E_AGAIN);
        return;
    }
    busy[who] = true;
    waits++;
    for (u32 i = 0; i < (several ? w->count : 1); i++)
        remember(who, i, w->words[i], w->bits);
}

static void
pass_time(u64 ns)
{
    u64 now = host_now() + ns;
    for (u32 i = 0; i < WORKERS; i++) {
        if (busy[i] && until[i] <= now) {
            forget(i, -E_TIMEDOUT);
            ends++;
        }
    }
    host_advance(ns);
}

/* ---- changes of the second word: what of it holds is the reference's to say ---- */

static bool holds;
static u32
change_nothing(const void *arg, u32 value)
{
    (void)arg;
    return value;
}
static bool
says_holds(const void *arg, i32 value)
{
    (void)arg;
    CHECK(value == 0);
    return holds;
}

static void
change_and_wake(u32 first, u32 second, u32 n, u32 m)
{
    struct futex_change c = { at(first), at(second),     true,       n,
                              m,         change_nothing, says_holds, NULL };
    holds = random_below(2) == 0;
    i64 got = futex_change_and_wake(&c);
    i64 wanted = wake_reference(first, n, FUTEX_ANY_BIT);
    if (holds)
        wanted += wake_reference(second, m, FUTEX_ANY_BIT);
    CHECK(got == wanted);
}

/* Both words are woken before anybody runs, and who waits on both is counted for both:
 * the reference has forgotten him by then, so that this is not asked. */
static bool
on_both(u32 first, u32 second)
{
    for (u32 i = 0; i < entries; i++)
        for (u32 j = 0; j < entries; j++)
            if (i != j && entry[i].who == entry[j].who && entry[i].word == first &&
                entry[j].word == second)
                return true;
    return false;
}

static void
step(void)
{
    u32 what = random_below(100), who = random_below(WORKERS);
    u32 a = random_below(WORDS), b = random_below(WORDS);
    u32 n = random_below(4), m = random_below(4);
    if (what < 50) {
        if (!busy[who])
            begin_wait(who);
    } else if (what < 65) {
        u32 bits = random_below(3) == 0 ? FUTEX_ANY_BIT : 1u << random_below(3);
        i64 woken = futex_wake_up(at(a), true, n, bits);
        CHECK(woken == (i64)wake_reference(a, n, bits));
    } else if (what < 80) {
        struct futex_move move = { .from = at(a),
                                   .to = at(b),
                                   .private = true,
                                   .compare = random_below(2) == 0,
                                   .wake = n,
                                   .move = m };
        move.value = random_below(8) == 0;
        i64 got = futex_requeue_to(&move);
        if (move.compare && move.value != 0)
            CHECK(got == -E_AGAIN);
        else
            CHECK(got == (i64)move_reference(a, b, n, m));
    } else if (what < 87) {
        if (!on_both(a, b))
            change_and_wake(a, b, n, m);
    } else if (what < 93) {
        if (busy[who]) {
            forget(who, -E_INTR);
            ends++;
            worker_interrupt(&worker[who]);
        }
    } else {
        pass_time(1 + random_below(400));
    }
    host_settle();
    for (u32 i = 0; i < WORKERS; i++) {
        CHECK(busy[i] == (worker[i].job != NULL));
        if (!busy[i] && expected[i] != -E_NOSYS) {
            CHECK(worker[i].result == expected[i]);
            expected[i] = -E_NOSYS; /* said */
        }
    }
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        random_state ^= strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ull;
    if (argc > 2)
        steps = strtoull(argv[2], NULL, 0);
    setup();
    for (u32 i = 0; i < WORKERS; i++)
        expected[i] = -E_NOSYS;
    for (u64 i = 0; i < steps; i++)
        step();
    for (u32 i = 0; i < WORKERS; i++) {
        if (busy[i])
            worker_interrupt(&worker[i]);
        worker_end(&worker[i]);
    }
    CHECK(all_buckets_empty());
    printf(
        "ok 1 %lu steps: %lu waited, %lu woken, %lu moved, %lu ended otherwise\n1..1\n",
        (unsigned long)steps, (unsigned long)waits, (unsigned long)wakes,
        (unsigned long)moves, (unsigned long)ends);
    return 0;
}
