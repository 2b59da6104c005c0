/* SPDX-License-Identifier: MIT */
/*
 * Frames lent by reference: the lender owns a run of pages that the borrower has mapped
 * too, sends the *word* of a page through one ring (sdk/ring.h) and gets the same word
 * back through another.  No byte is copied.
 *
 * What the borrower says is believed only where the lender's own table agrees:
 *
 * L1. The table lies in memory of the lender's own; each page is FREE, HELD (the lender
 *     fills it) or LENT.
 * L2. A page is taken back only if it is LENT and the word's generation is the one under
 *     which it was lent; so a word that is returned twice, was never lent, or was made up
 *     changes nothing but the count of refusals.  One table for each borrower: then a
 *     borrower can at most return, too early, what was lent to itself.
 * L3. The borrower checks each word against its own numbers before it becomes an address.
 *
 * What stands in the pages may change at any time while both have them mapped: copy
 * before checking what one acts upon.  A borrower that dies is forgiven with loan_recall.
 *
 * The word: bit 63 set (so it is never 0); 62-44 generation; 43-32 bytes less one;
 * 31-20 offset in the page; 19-0 number of the page.
 *
 * Locks: none; a table belongs to one thread.  Cost: O(1), loan_init and loan_recall
 * O(n).
 */
#ifndef SDK_LOAN_H
#define SDK_LOAN_H

#include <abi/calls.h>
#include <stddef.h>
#include <stdint.h>

#define LOAN_PAGE       4096u
#define LOAN_PAGES_MAX  (1u << 20)
#define LOAN_GENERATION 0x7ffffu
#define LOAN_WORD       (1ull << 63)

enum loan_state { LOAN_FREE = 0, LOAN_HELD = 1, LOAN_LENT = 2 };
struct loan_entry {
    uint32_t next;       /* number of the next free page, when FREE */
    uint32_t generation; /* of the next or the present loan */
    uint32_t state;      /* enum loan_state */
};
struct loan_table {
    struct loan_entry *entry;
    uint32_t pages, first_free; /* first_free: `pages` if there is none */
    uint32_t lent;
    uint64_t refused; /* words that L2 turned down: a borrower with a fault, or malice */
};

static inline uint32_t
loan_number(uint64_t word)
{
    return (uint32_t)word & (LOAN_PAGES_MAX - 1);
}

static inline uint32_t
loan_offset(uint64_t word)
{
    return (uint32_t)(word >> 20) & 0xfff;
}

static inline uint32_t
loan_bytes(uint64_t word)
{
    return ((uint32_t)(word >> 32) & 0xfff) + 1;
}

static inline uint32_t
loan_generation(uint64_t word)
{
    return (uint32_t)(word >> 44) & LOAN_GENERATION;
}

/* ---- the lender ---- */

/* All pages free; entry[pages] is the caller's.  -FB_E_ARG: none, or too many. */
__attribute__((warn_unused_result)) static inline int
loan_init(struct loan_table *t, struct loan_entry *entry, uint32_t pages)
{
    if (pages == 0 || pages > LOAN_PAGES_MAX)
        return -FB_E_ARG;
    for (uint32_t i = 0; i < pages; i++)
        entry[i] = (struct loan_entry){ i + 1, 0, LOAN_FREE };
    *t = (struct loan_table){ entry, pages, 0, 0, 0 };
    return 0;
}

/* Take a free page, to fill it.  -FB_E_FULL: all are held or lent. */
__attribute__((warn_unused_result)) static inline int
loan_take(struct loan_table *t, uint32_t *number)
{
    uint32_t i = t->first_free;

    if (i == t->pages)
        return -FB_E_FULL;
    t->first_free = t->entry[i].next;
    t->entry[i].state = LOAN_HELD;
    *number = i;
    return 0;
}

static inline void
loan_free_entry(struct loan_table *t, uint32_t number)
{
    struct loan_entry *e = &t->entry[number];

    e->state = LOAN_FREE;
    e->next = t->first_free;
    t->first_free = number;
}

/* Lend bytes [offset, offset + bytes) of a page that is held: *word goes into a ring.
 * -FB_E_STATE: it is not held; -FB_E_RANGE: empty, or not within a page. */
__attribute__((warn_unused_result)) static inline int
loan_lend(struct loan_table *t, uint32_t number, uint32_t offset, uint32_t bytes,
          uint64_t *word)
{
    if (number >= t->pages || t->entry[number].state != LOAN_HELD)
        return -FB_E_STATE;
    if (offset >= LOAN_PAGE || bytes == 0 || bytes > LOAN_PAGE - offset)
        return -FB_E_RANGE;
    t->entry[number].state = LOAN_LENT;
    t->lent++;
    *word = LOAN_WORD | (uint64_t)t->entry[number].generation << 44 |
            (uint64_t)(bytes - 1) << 32 | (uint64_t)offset << 20 | number;
    return 0;
}

/* Give a held page back unlent.  -FB_E_STATE. */
__attribute__((warn_unused_result)) static inline int
loan_drop(struct loan_table *t, uint32_t number)
{
    if (number >= t->pages || t->entry[number].state != LOAN_HELD)
        return -FB_E_STATE;
    loan_free_entry(t, number);
    return 0;
}

/*
 * The borrower says that it is done with a word; the page is free again (L2).  Offset and
 * length may have changed: they are not looked at.  -FB_E_RANGE: no such page;
 * -FB_E_STATE: it is not lent, or under another generation.
 */
__attribute__((warn_unused_result)) static inline int
loan_return(struct loan_table *t, uint64_t word)
{
    uint32_t number = loan_number(word);

    if (!(word & LOAN_WORD) || number >= t->pages) {
        t->refused++;
        return -FB_E_RANGE;
    }
    struct loan_entry *e = &t->entry[number];
    if (e->state != LOAN_LENT || e->generation != loan_generation(word)) {
        t->refused++;
        return -FB_E_STATE;
    }
    e->generation = (e->generation + 1) & LOAN_GENERATION;
    t->lent--;
    loan_free_entry(t, number);
    return 0;
}

/* The borrower is gone (and has the pages mapped no more): all that was lent is free. */
static inline void
loan_recall(struct loan_table *t)
{
    for (uint32_t i = 0; i < t->pages; i++) {
        if (t->entry[i].state != LOAN_LENT)
            continue;
        t->entry[i].generation = (t->entry[i].generation + 1) & LOAN_GENERATION;
        loan_free_entry(t, i);
    }
    t->lent = 0;
}

/* ---- the borrower ---- */

/* Where the bytes of a word are (loan_bytes(word) of them), in the `pages` pages that the
 * borrower has mapped at base; NULL: not within them. */
__attribute__((warn_unused_result)) static inline void *
loan_see(void *base, uint32_t pages, uint64_t word)
{
    uint32_t number = loan_number(word), offset = loan_offset(word);

    if (!(word & LOAN_WORD) || number >= pages || loan_bytes(word) > LOAN_PAGE - offset)
        return NULL;
    return (uint8_t *)base + (uint64_t)number * LOAN_PAGE + offset;
}

#endif
