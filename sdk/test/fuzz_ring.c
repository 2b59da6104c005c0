/* SPDX-License-Identifier: MIT */
/*
 * Rings and loans against a hostile other side: the shared memory is overwritten at
 * random, between the victim's calls and (by a second thread) in the middle of them.
 *
 * The shared memory is exactly as long as the ring needs, on the heap, so that the
 * address sanitizer sees the first byte that is read or written beside it.  A call that
 * does not come back is ended by an alarm.  After each round: the handle is in its bounds
 * and nothing but its index changed, and the loan table holds each page in one state, its
 * free list is whole, and no page was taken back that was not lent under that word.
 *
 * fuzz_ring [ROUNDS [SEED]]
 */
#define _GNU_SOURCE
#include <sdk/loan.h>
#include <sdk/ring.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES 16u

static uint64_t seed, bells;

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13; /* xorshift64: Marsaglia, 2003 */
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t
roll(uint64_t n)
{
    return (next_random(&seed) >> 11) % n;
}

#define MUST(c)                                                                          \
    do {                                                                                 \
        if (!(c)) {                                                                      \
            printf("not ok 1 fuzz_ring line %d: %s\n", __LINE__, #c);                    \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

/* ---- the hostile side ---- */

static uint64_t *shared, shared_words, slot_words;
static bool stop;

/* Numbers that a broken check would trip over. */
static uint64_t
nasty(uint64_t *state)
{
    uint64_t r = next_random(state);

    switch (r % 8) {
    case 0: return 0;
    case 1: return ~0ull - (r >> 8) % 4;
    case 2: return 1ull << (r >> 8) % 64;
    case 3: return (r >> 8) % 64;
    case 4: return LOAN_WORD | (r >> 8) % 32;
    case 5: return shared[(r >> 8) % shared_words] + 1;
    case 6: return 0x8000000000000000ull - (r >> 8) % 2;
    default: return next_random(state);
    }
}

static void
corrupt(uint64_t *state, unsigned words)
{
    for (unsigned i = 0; i < words; i++) {
        uint64_t at = next_random(state) >> 16;
        /* Half of it meets the words that the ring itself uses. */
        at = at & 1 ? slot_words + (at >> 1) % 4 * (RING_LINE / 8)
                    : (at >> 1) % shared_words;
        __atomic_store_n(shared + at, nasty(state), __ATOMIC_RELAXED);
    }
}

static void *
attack(void *unused)
{
    uint64_t state = seed | 1;

    (void)unused;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        corrupt(&state, 64);
        usleep(20);
    }
    return NULL;
}

/* ---- the victims ---- */

static void
check_place(const uint64_t *at, uint64_t words)
{
    uint64_t index = (uint64_t)(at - shared);

    MUST(index < slot_words && index % words == 0);
}

static void
victim_producer(uint64_t bytes, uint64_t words)
{
    struct ring_producer p, before;
    uint64_t entry[RING_WORDS_MAX];

    MUST(ring_produce(&p, shared, bytes, words) == 0);
    before = p;
    for (unsigned i = 0; i < 200; i++) {
        if (roll(4) == 0)
            corrupt(&seed, (unsigned)roll(8));
        entry[0] = i + 1;
        for (uint64_t k = 1; k < words; k++)
            entry[k] = i;
        if (words == 1 ? ring_push(&p, i + 1) : ring_send(&p, entry))
            bells += ring_bell_consumer(&p);
        else if (ring_producer_sleeps(&p))
            ring_producer_wakes(&p);
        check_place(p.at, words);
    }
    before.at = p.at;
    MUST(memcmp(&before, &p, sizeof(p)) == 0);
}

static void
victim_consumer(uint64_t bytes, uint64_t words, bool several)
{
    struct ring_consumer c;
    uint64_t entry[RING_WORDS_MAX], first;

    MUST(ring_consume(&c, shared, bytes, words) == 0);
    for (unsigned i = 0; i < 200; i++) {
        if (roll(4) == 0)
            corrupt(&seed, (unsigned)roll(8));
        if (words > 1)
            first = ring_receive(&c, entry) ? entry[0] : 0;
        else
            first = several ? ring_pop_shared(&c) : ring_pop(&c);
        if (first == 0 && ring_consumer_sleeps(&c))
            ring_consumer_wakes(&c);
        bells += ring_bell_producers(&c) != 0;
        check_place(c.at, words);
    }
}

static void
victim_shared(uint64_t bytes)
{
    struct ring_producers p;

    MUST(ring_produce_shared(&p, shared, bytes) == 0);
    for (unsigned i = 0; i < 200; i++) {
        if (roll(4) == 0)
            corrupt(&seed, (unsigned)roll(8));
        int error = ring_push_shared(&p, i + 1);
        MUST(error == 0 || error == -FB_E_FULL || error == -FB_E_BUSY);
        if (error == 0)
            bells += ring_bell(p.shared);
        else if (ring_shared_sleeps(&p, i))
            ring_shared_wakes(&p, i);
    }
}

/* The table against a plain model: which word is lent for which page, 0: none. */
static void
check_table(const struct loan_table *t, const uint64_t *lent, const bool *held)
{
    uint32_t count = 0, free_pages = 0;

    for (uint32_t i = t->first_free; i != t->pages; i = t->entry[i].next) {
        MUST(i < t->pages && ++free_pages <= t->pages);
        MUST(t->entry[i].state == LOAN_FREE && lent[i] == 0 && !held[i]);
    }
    for (uint32_t i = 0; i < t->pages; i++) {
        MUST((t->entry[i].state == LOAN_LENT) == (lent[i] != 0));
        MUST((t->entry[i].state == LOAN_HELD) == held[i]);
        count += lent[i] != 0;
        free_pages += held[i] || lent[i] != 0;
    }
    MUST(t->lent == count && free_pages == t->pages);
}

/* What the borrower says about the last word: true, old, changed, or noise. */
static uint64_t
returned_word(const uint64_t *lent, const uint64_t *old, struct ring_consumer *c)
{
    uint64_t n = roll(PAGES);

    switch (roll(5)) {
    case 0: return lent[n];
    case 1: return old[n];
    case 2: return lent[n] ^ 1ull << roll(64);
    case 3: return nasty(&seed);
    default: return ring_pop(c);
    }
}

static void
victim_lender(uint64_t bytes)
{
    struct loan_entry *entry = malloc(PAGES * sizeof(*entry));
    uint64_t lent[PAGES] = { 0 }, old[PAGES] = { 0 };
    bool held[PAGES] = { false };
    struct loan_table t;
    struct ring_consumer c;
    uint32_t n;

    MUST(entry != NULL && loan_init(&t, entry, PAGES) == 0);
    MUST(ring_consume(&c, shared, bytes, 1) == 0);
    for (unsigned i = 0; i < 400; i++) {
        uint64_t word, number = roll(PAGES + 1);
        if (roll(4) == 0)
            corrupt(&seed, (unsigned)roll(8));
        switch (roll(4)) {
        case 0:
            if (loan_take(&t, &n) == 0) {
                MUST(n < PAGES && !held[n] && lent[n] == 0);
                held[n] = true;
            }
            break;
        case 1: {
            uint32_t offset = (uint32_t)roll(4100), length = (uint32_t)roll(4100);
            bool may = number < PAGES && held[number] && length > 0 &&
                       offset + length <= LOAN_PAGE;
            MUST((loan_lend(&t, (uint32_t)number, offset, length, &word) == 0) == may);
            if (may) {
                held[number] = false;
                lent[number] = word;
            }
            break;
        }
        case 2: {
            word = returned_word(lent, old, &c);
            n = loan_number(word);
            /* Offset and length are not part of who it is. */
            bool same = n < PAGES && lent[n] != 0 && word >> 44 == lent[n] >> 44;
            MUST((loan_return(&t, word) == 0) == same);
            if (same) {
                old[n] = lent[n];
                lent[n] = 0;
            }
            break;
        }
        default:
            if (roll(50) == 0) {
                loan_recall(&t);
                memset(lent, 0, sizeof(lent));
            } else if (number < PAGES) {
                MUST((loan_drop(&t, (uint32_t)number) == 0) == held[number]);
                held[number] = false;
            }
        }
        check_table(&t, lent, held);
    }
    free(entry);
}

static void
victim_borrower(uint64_t bytes)
{
    uint8_t *pages = malloc(PAGES * LOAN_PAGE);
    struct ring_consumer c;
    volatile uint8_t sum = 0;

    MUST(pages != NULL && ring_consume(&c, shared, bytes, 1) == 0);
    memset(pages, 0, PAGES * LOAN_PAGE);
    for (unsigned i = 0; i < 400; i++) {
        corrupt(&seed, (unsigned)roll(3));
        uint64_t word = ring_pop(&c);
        if (roll(2))
            word = LOAN_WORD | (next_random(&seed) & ~0xfffffull) | roll(PAGES + 2);
        uint8_t *at = loan_see(pages, PAGES, word);
        if (at == NULL)
            continue;
        MUST((uint64_t)(at - pages) % LOAN_PAGE + loan_bytes(word) <= LOAN_PAGE);
        sum += (uint8_t)(at[0] + at[loan_bytes(word) - 1]);
    }
    free(pages);
}

static void
play(void)
{
    uint64_t victim = roll(6), words = victim > 1 || roll(2) ? 1 : 1ull << roll(7);
    uint64_t bytes = RING_BYTES(2 + roll(60), words) + roll(3) * 8;
    bool threaded = roll(4) == 0;
    pthread_t thread;

    void *memory;
    slot_words = ring_entries(bytes, words) * words;
    shared_words = bytes / 8;
    MUST(posix_memalign(&memory, slot_words * 16, bytes) == 0);
    shared = memset(memory, 0, bytes);
    __atomic_store_n(&stop, false, __ATOMIC_RELAXED);
    if (threaded)
        MUST(pthread_create(&thread, NULL, attack, NULL) == 0);
    switch (victim) {
    case 0: victim_producer(bytes, words); break;
    case 1: victim_consumer(bytes, words, false); break;
    case 2: victim_consumer(bytes, 1, true); break;
    case 3: victim_shared(bytes); break;
    case 4: victim_lender(bytes); break;
    default: victim_borrower(bytes);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    if (threaded)
        pthread_join(thread, NULL);
    free(shared);
}

int
main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 5000;

    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 88172645463325252ull;
    for (unsigned long i = 0; i < rounds; i++) {
        alarm(30);
        play();
    }
    printf("ok 1 %lu rounds, %lu bells\n1..1\n", rounds, bells);
    return 0;
}
