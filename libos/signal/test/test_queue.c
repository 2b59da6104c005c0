/* SPDX-License-Identifier: MIT */
/* Unit tests of signal/queue.c: coalescing, order, dropping. */
#include "core/error.h"
#include "core/heap.h"
#include "core/host/host.h"
#include "core/test/check.h"
#include "signal/internal.h"

static u64 bits;
static struct signal_queue *last;
static struct signal_queue *spare;
static const struct signal_pending_set q = { &bits, &last, &spare };

static int
put(int number, u64 value, int code)
{
    struct signal_info info = { .number = number, .code = code, .value = value };
    u32 made;
    return queue_put(q, number, &info, false, &made);
}

static int
take(u64 set, u64 *value)
{
    struct signal_info info;
    u32 gone;
    int number = queue_take(q, set, &info, &gone);
    *value = info.value;
    CHECK(number == 0 || info.number == number);
    return number;
}

/* Verify that a standard signal is pending once, with the first sender's information. */
static void
test_put_standard_twice_coalesces(void)
{
    u64 value;
    CHECK(put(SIG_USR1, 1, 0) == 0 && put(SIG_USR1, 2, 0) == 0);
    CHECK(take(~0ull, &value) == SIG_USR1 && value == 1);
    CHECK(take(~0ull, &value) == 0 && bits == 0 && last == NULL);
}

/* Verify that real-time signals are queued, each number in order, the lowest number
 * first. */
static void
test_put_realtime_keeps_order(void)
{
    u64 value;
    for (u64 i = 0; i < 5; i++) {
        CHECK(put(40, i, -1) == 0);
        CHECK(put(35, 10 + i, -1) == 0);
    }
    for (u64 i = 0; i < 5; i++)
        CHECK(take(~0ull, &value) == 35 && value == 10 + i);
    for (u64 i = 0; i < 5; i++)
        CHECK(take(~0ull, &value) == 40 && value == i);
    CHECK(bits == 0 && last == NULL);
}

/* Verify that only signals of the set are taken, and that the others stay. */
static void
test_take_respects_set(void)
{
    u64 value;
    CHECK(put(SIG_USR1, 1, 0) == 0 && put(SIG_USR2, 2, 0) == 0 &&
          put(SIG_TERM, 3, 0) == 0);
    CHECK(take(~SIG_BIT(SIG_USR1), &value) == SIG_USR2 && value == 2);
    CHECK(take(SIG_BIT(SIG_USR2), &value) == 0);
    CHECK(take(~0ull, &value) == SIG_USR1 && take(~0ull, &value) == SIG_TERM &&
          value == 3);
}

/* Verify that faults come before lower numbers. */
static void
test_take_fault_first(void)
{
    u64 value;
    CHECK(put(SIG_HUP, 1, 0) == 0 && put(SIG_SEGV, 2, 0) == 0);
    CHECK(take(~0ull, &value) == SIG_SEGV && take(~0ull, &value) == SIG_HUP);
}

/* Verify that dropping takes all entries of the set out of the middle, and no others. */
static void
test_drop_keeps_others(void)
{
    u64 value;
    for (u64 i = 0; i < 3; i++)
        CHECK(put(35, i, -1) == 0 && put(36, i, -1) == 0);
    CHECK(put(SIG_TSTP, 0, 0) == 0);
    CHECK(queue_drop(q, SIG_BIT(36) | SIG_BIT(SIG_TSTP)) == 4);
    CHECK(bits == SIG_BIT(35));
    for (u64 i = 0; i < 3; i++)
        CHECK(take(~0ull, &value) == 35 && value == i);
    CHECK(queue_drop(q, ~0ull) == 0 && last == NULL);
}

/* Verify that without memory sigqueue's real-time signal is refused, and others become a
 * mere bit. */
static void
test_put_without_memory(void)
{
    u64 value;
    host_fail_heap_after(0);
    heap_free(spare);
    spare = NULL;
    CHECK(put(35, 1, -1) == -E_AGAIN && bits == 0);
    CHECK(put(35, 1, SIGNAL_CODE_USER) == 0);
    CHECK(put(SIG_INT, 1, 0) == 0);
    host_fail_heap_after(~0ull);
    CHECK(take(~0ull, &value) == SIG_INT && value == 0);
    CHECK(take(~0ull, &value) == 35);
}

int
main(void)
{
    host_init(16);
    u64 before = host_count().objects;
    RUN(test_put_standard_twice_coalesces);
    RUN(test_put_realtime_keeps_order);
    RUN(test_take_respects_set);
    RUN(test_take_fault_first);
    RUN(test_drop_keeps_others);
    RUN(test_put_without_memory);
    CHECK(host_count().objects == before);
    DONE();
}
