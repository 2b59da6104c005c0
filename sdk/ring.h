/* SPDX-License-Identifier: MIT */
/*
 * Rings in memory that two domains share: lock-free queues of 64-bit words (or of entries
 * of several words), with a doorbell that is rung only when the other side sleeps.
 *
 * The two sides do not trust each other.  Where a side stands, and how long the ring is,
 * lies in its own memory, in its handle; of the shared memory only the slots and four
 * words are looked at, and nothing that is read there becomes an address:
 *
 * R1. A slot is free when its first word is 0, and full otherwise; the producer makes it
 *     full and the consumer makes it free.  So no index is shared in a ring with one
 *     producer, a value is never 0, and memory that is all zero is an empty ring.
 * R2. The slots begin at a multiple of twice their size, so that one mask keeps a place
 *     within them; each shared word is read once.
 * R3. No function repeats anything without a bound: what the other side writes meanwhile
 *     can make a call fail, never go on without end.
 * R4. With several producers: slots are claimed by counting `claimed` up, at most
 *     `entries` ahead of `consumed`; the consumer frees a slot before it counts
 *     `consumed` up.  Producers of one ring trust each other not to lose values (they are
 *     vCPUs of one domain); domains that distrust each other get a ring each.
 * R5. Who sleeps says so, fences, and looks once more; who has pushed (or popped) fences,
 *     and looks who sleeps.  So one of the two sees the other, and no wake-up is lost;
 *     an event's bit stays pending, so it may be sent before the sleeper waits.
 *     proofs/ring.pml checks R1, R4 and R5.
 *
 * What the other side can do: deliver nonsense, nothing, or the same again, and cause one
 * needless bell for each look.  Values are to be checked by who pops them (sdk/loan.h
 * does that for frames).
 *
 * Both sides call ring_produce or ring_consume over the same number of bytes with the
 * same size of entry, once, while the memory is zero.  When one side starts anew, both
 * do, over memory that was cleared.
 *
 * The loop of a consumer:
 *     while ((value = ring_pop(&c)) != 0)
 *         ...                                 at most so many in a row
 *     if (ring_bell_producers(&c)) fb_signal(producer, ...);
 *     if (ring_consumer_sleeps(&c)) { fb_wait(FB_FOREVER, ...); ring_consumer_wakes(&c);
 * } and of a producer: ring_push(&p, value);                   any number of them if
 * (ring_bell_consumer(&p)) fb_signal(consumer, ...);
 *
 * Locks: none.  A handle belongs to one thread; a ring_producers may be used by many.
 * Cost: see docs/results/ring.tsv.  Source: the free mark in the slot itself is
 * Giacomoni, Moseley and Vachharajani, FastForward for Efficient Pipeline Parallelism,
 * PPoPP 2008.
 */
#ifndef SDK_RING_H
#define SDK_RING_H

#include <abi/calls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_LINE      64u
#define RING_TRIES     128u /* of one ring_push_shared against other producers */
#define RING_WORDS_MAX 64u

/* What stands behind the slots.  Each of the words has a cache line, as different CPUs
 * write them. */
struct ring_words {
    struct {
        uint64_t word, pad[RING_LINE / 8 - 1];
    } consumer_sleeps,     /* 0 or 1 */
        producers_sleep,   /* bit set of producers; bit 0 with one producer */
        claimed, consumed; /* with several producers: slots, counted from 0 */
};
#define RING_BYTES(entries, words)                                                       \
    (sizeof(struct ring_words) + (uint64_t)(entries) * (words)*8)

/* One of these for each side, in memory of its own. */
struct ring_producer {
    uint64_t *at;  /* the slot where the next entry goes */
    uint64_t wrap; /* what a place is masked with */
    struct ring_words *shared;
    uint64_t words;
};
struct ring_consumer {
    uint64_t *at;  /* the slot where the next entry is looked for */
    uint64_t wrap; /* what a place is masked with */
    struct ring_words *shared;
    uint64_t words;
    uint64_t count; /* of values taken, with several producers */
};
struct ring_producers {
    uint64_t *slot;
    uint64_t entries;
    struct ring_words *shared;
};

static inline uint64_t
ring_load(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline void
ring_store(uint64_t *at, uint64_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* What was stored before is seen by others before what comes after is loaded (R5). */
static inline void
ring_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- opening ---- */

/*
 * How many entries of `words` words a ring in `bytes` bytes has: a power of two, or 0 if
 * two do not fit.  Both sides come to the same result, from numbers that are their own.
 */
static inline uint64_t
ring_entries(uint64_t bytes, uint64_t words)
{
    uint64_t entries = 2;

    if (words == 0 || words > RING_WORDS_MAX || (words & (words - 1)) != 0 ||
        bytes < RING_BYTES(2, words))
        return 0;
    while (entries * 2 <= (bytes - sizeof(struct ring_words)) / 8 / words)
        entries *= 2;
    return entries;
}

/*
 * Become the one producer of the ring in `bytes` bytes at `memory`.  words: size of an
 * entry, a power of two up to RING_WORDS_MAX; 1 for ring_push.  A page at a page's
 * boundary is fine; else memory is aligned to `bytes`, rounded up to a power of two. 0,
 * or -FB_E_ARG: two entries do not fit, or words is none of these; -FB_E_ALIGN.
 */
__attribute__((warn_unused_result)) static inline int
ring_produce(struct ring_producer *p, void *memory, uint64_t bytes, uint64_t words)
{
    uint64_t size = ring_entries(bytes, words) * words * 8;

    if (size == 0)
        return -FB_E_ARG;
    if ((uintptr_t)memory % (size * 2) != 0)
        return -FB_E_ALIGN;
    p->at = (uint64_t *)memory;
    p->wrap = ~size;
    p->shared = (struct ring_words *)((char *)memory + size);
    p->words = words;
    return 0;
}

/* Become the consumer; as ring_produce.  With several producers, words is 1. */
__attribute__((warn_unused_result)) static inline int
ring_consume(struct ring_consumer *c, void *memory, uint64_t bytes, uint64_t words)
{
    struct ring_producer same;
    int error = ring_produce(&same, memory, bytes, words);

    if (error != 0)
        return error;
    *c = (struct ring_consumer){ same.at, same.wrap, same.shared, words, 0 };
    return 0;
}

/* One handle for all vCPUs of a domain that push into one ring of single words. */
__attribute__((warn_unused_result)) static inline int
ring_produce_shared(struct ring_producers *p, void *memory, uint64_t bytes)
{
    struct ring_producer same;
    int error = ring_produce(&same, memory, bytes, 1);

    if (error != 0)
        return error;
    *p = (struct ring_producers){ same.at, ring_entries(bytes, 1), same.shared };
    return 0;
}

/* The place `words` words after this one. */
static inline uint64_t *
ring_next(uint64_t *at, uint64_t words, uint64_t wrap)
{
    return (uint64_t *)((uintptr_t)(at + words) & wrap);
}

/* ---- one producer, one consumer, single words ---- */

/* Push a value, which must not be 0 (R1).  False: the ring is full. */
__attribute__((warn_unused_result)) static inline bool
ring_push(struct ring_producer *p, uint64_t value)
{
    uint64_t *slot = p->at;

    if (ring_load(slot) != 0)
        return false;
    ring_store(slot, value);
    p->at = ring_next(slot, 1, p->wrap);
    return true;
}

/* Take the next value; 0: the ring is empty. */
__attribute__((warn_unused_result)) static inline uint64_t
ring_pop(struct ring_consumer *c)
{
    uint64_t *slot = c->at;
    uint64_t value = ring_load(slot);

    if (value == 0)
        return 0;
    ring_store(slot, 0);
    c->at = ring_next(slot, 1, c->wrap);
    return value;
}

/* ---- one producer, one consumer, entries of several words ---- */

/* Copy the entry, whose word 0 must not be 0, into the ring.  False: the ring is full. */
__attribute__((warn_unused_result)) static inline bool
ring_send(struct ring_producer *p, const uint64_t *entry)
{
    uint64_t *slot = p->at;

    if (ring_load(slot) != 0)
        return false;
    for (uint64_t i = 1; i < p->words; i++)
        __atomic_store_n(slot + i, entry[i], __ATOMIC_RELAXED);
    ring_store(slot, entry[0]);
    p->at = ring_next(slot, p->words, p->wrap);
    return true;
}

/* Copy the next entry out, once, so that what is checked is what is used.  False: none.
 */
__attribute__((warn_unused_result)) static inline bool
ring_receive(struct ring_consumer *c, uint64_t *entry)
{
    uint64_t *slot = c->at;

    entry[0] = ring_load(slot);
    if (entry[0] == 0)
        return false;
    for (uint64_t i = 1; i < c->words; i++)
        entry[i] = __atomic_load_n(slot + i, __ATOMIC_RELAXED);
    ring_store(slot, 0);
    c->at = ring_next(slot, c->words, c->wrap);
    return true;
}

/* ---- several producers, one consumer, single words ---- */

/*
 * Push a value, which must not be 0.  0, or -FB_E_FULL; -FB_E_BUSY: other producers were
 * faster RING_TRIES times (repeat it).  A producer that stops for good between its two
 * steps holds up those behind it: it ends with its domain.
 */
__attribute__((warn_unused_result)) static inline int
ring_push_shared(const struct ring_producers *p, uint64_t value)
{
    struct ring_words *m = p->shared;

    for (unsigned i = 0; i < RING_TRIES; i++) {
        uint64_t claim = ring_load(&m->claimed.word);
        /* `claimed` first: then what is full by these two was full, as it only grows. */
        int64_t ahead = (int64_t)(claim - ring_load(&m->consumed.word));
        if (ahead >= (int64_t)p->entries)
            return -FB_E_FULL;
        if (ahead >= 0 &&
            __atomic_compare_exchange_n(&m->claimed.word, &claim, claim + 1, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            ring_store(p->slot + (claim & (p->entries - 1)), value);
            return 0;
        }
    }
    return -FB_E_BUSY;
}

/* ring_pop, where there are several producers. */
__attribute__((warn_unused_result)) static inline uint64_t
ring_pop_shared(struct ring_consumer *c)
{
    uint64_t value = ring_pop(c);

    if (value != 0)
        ring_store(&c->shared->consumed.word, ++c->count);
    return value;
}

/* ---- sleeping and the doorbell ---- */

/* After pushing: true if the consumer sleeps and is to be signalled, by this caller. */
__attribute__((warn_unused_result)) static inline bool
ring_bell(struct ring_words *m)
{
    ring_fence();
    return __atomic_load_n(&m->consumer_sleeps.word, __ATOMIC_RELAXED) != 0 &&
           __atomic_exchange_n(&m->consumer_sleeps.word, 0, __ATOMIC_ACQ_REL) != 0;
}

__attribute__((warn_unused_result)) static inline bool
ring_bell_consumer(const struct ring_producer *p)
{
    return ring_bell(p->shared);
}

/*
 * After popping: the set of producers that sleep and are to be signalled.  When to ask is
 * the consumer's choice: once it has made room for a batch, at the latest before it
 * sleeps. Bits that are no producer's are to be ignored.
 */
__attribute__((warn_unused_result)) static inline uint64_t
ring_bell_producers(const struct ring_consumer *c)
{
    uint64_t *sleep = &c->shared->producers_sleep.word;

    ring_fence();
    if (__atomic_load_n(sleep, __ATOMIC_RELAXED) == 0)
        return 0;
    return __atomic_exchange_n(sleep, 0, __ATOMIC_ACQ_REL);
}

/* Announce sleep and look once more.  True: nothing is there, and who pushes will ring.
 */
__attribute__((warn_unused_result)) static inline bool
ring_consumer_sleeps(const struct ring_consumer *c)
{
    uint64_t *sleeps = &c->shared->consumer_sleeps.word;

    __atomic_store_n(sleeps, 1, __ATOMIC_RELAXED);
    ring_fence();
    if (ring_load(c->at) == 0)
        return true;
    __atomic_store_n(sleeps, 0, __ATOMIC_RELAXED);
    return false;
}

/* After a sleep that something else may have ended: no bell is wanted any more. */
static inline void
ring_consumer_wakes(const struct ring_consumer *c)
{
    __atomic_store_n(&c->shared->consumer_sleeps.word, 0, __ATOMIC_RELAXED);
}

/* True: the ring is full still, and who pops will ring. */
__attribute__((warn_unused_result)) static inline bool
ring_producer_sleeps(const struct ring_producer *p)
{
    uint64_t *sleep = &p->shared->producers_sleep.word;

    __atomic_store_n(sleep, 1, __ATOMIC_RELAXED);
    ring_fence();
    if (ring_load(p->at) != 0)
        return true;
    __atomic_store_n(sleep, 0, __ATOMIC_RELAXED);
    return false;
}

static inline void
ring_producer_wakes(const struct ring_producer *p)
{
    __atomic_store_n(&p->shared->producers_sleep.word, 0, __ATOMIC_RELAXED);
}

/* The same for one of several producers; number: 0..63, each its own. */
__attribute__((warn_unused_result)) static inline bool
ring_shared_sleeps(const struct ring_producers *p, unsigned number)
{
    struct ring_words *m = p->shared;
    uint64_t bit = 1ull << (number & 63);

    (void)__atomic_fetch_or(&m->producers_sleep.word, bit, __ATOMIC_SEQ_CST);
    ring_fence();
    uint64_t claim = ring_load(&m->claimed.word);
    if ((int64_t)(claim - ring_load(&m->consumed.word)) >= (int64_t)p->entries)
        return true;
    (void)__atomic_fetch_and(&m->producers_sleep.word, ~bit, __ATOMIC_SEQ_CST);
    return false;
}

static inline void
ring_shared_wakes(const struct ring_producers *p, unsigned number)
{
    (void)__atomic_fetch_and(&p->shared->producers_sleep.word, ~(1ull << (number & 63)),
                             __ATOMIC_SEQ_CST);
}

#endif
