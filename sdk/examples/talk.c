/* SPDX-License-Identifier: MIT */
/*
 * Two LibOSes that talk: one lends pages to the other, which sums what is in them and
 * gives them back, over rings in memory that they share (the manifest's `share talk PAGES
 * with OTHER`).  No byte is copied, and whichever has nothing to do sleeps.
 *
 * Each side writes one half of the memory: its first page is a ring to the other side;
 * the rest of side 0's half is what it lends.  Side 0 sends words of loans (sdk/loan.h);
 * side 1 answers each with the same word and then the sum.  When the other side ends and
 * is made again, a new session begins: what was lent is recalled and sent anew.
 *
 * Options (args): talk.name=NAME of the share (talk); talk.pages=N: how many side 0 sends
 * before it ends; talk.quit=N: side 1 ends, with code 7, after so many.
 */
#include <sdk/libos.h>
#include <sdk/loan.h>
#include <sdk/ring.h>
#include <sdk/share.h>

#define LENT_MAX 64u
#define SUM      (1ull << 63) /* so that a sum is never 0, which a ring cannot carry */

static struct share share;
static struct ring_producer to;
static struct ring_consumer from;
static u64 sleeps, sessions;
static u64 half; /* the first value of an answer whose second one is not there yet */

static u64
option(const char *key, u64 otherwise)
{
    char text[24];
    u64 n = 0;

    if (!sdk_option(LIBOS_INFO->cmdline, key, text, sizeof(text)))
        return otherwise;
    for (const char *c = text; *c >= '0' && *c <= '9'; c++)
        n = n * 10 + (u64)(*c - '0');
    return n;
}

static void
join(void)
{
    while (!share_join(&share))
        libos_wait(FB_FOREVER);
    if (ring_produce(&to, share.out, PAGE, 1) || ring_consume(&from, share.in, PAGE, 1))
        libos_exit(12);
    half = 0;
    sessions++;
}

/* Until something came from the other side, or the session is over. */
static void
rest(void)
{
    if (ring_consumer_sleeps(&from) && !share_over(&share)) {
        sleeps++;
        libos_wait(FB_FOREVER);
    }
    ring_consumer_wakes(&from);
}

static void
send(u64 value)
{
    while (!ring_push(&to, value) && !share_over(&share)) {
        if (ring_bell_consumer(&to))
            share_bell(&share);
        if (ring_producer_sleeps(&to) && !share_over(&share))
            libos_wait(FB_FOREVER);
        ring_producer_wakes(&to);
    }
}

/* What each side does before it sleeps. */
static void
bells(void)
{
    if (ring_bell_consumer(&to) | (ring_bell_producers(&from) != 0))
        share_bell(&share);
}

/* ---- side 1 ---- */

static u64
sum_of(const u64 *words, u32 bytes)
{
    u64 sum = 0;

    for (u32 i = 0; i < bytes / 8; i++)
        sum += words[i];
    return sum | SUM;
}

static void
borrow(void)
{
    u64 quit = option("talk.quit=", ~0ull);
    u32 pages = (u32)(share.bytes / PAGE - 1);

    for (u64 done = 0;;) {
        if (share_over(&share) || sessions == 0)
            join();
        u64 word = ring_pop(&from);
        if (word == 0) {
            bells();
            rest();
            continue;
        }
        /* The word is the lender's: it is checked before it becomes an address. */
        const u64 *words = loan_see(share.in + PAGE, pages, word);
        send(word);
        send(words && loan_offset(word) % 8 == 0 ? sum_of(words, loan_bytes(word)) : SUM);
        if (++done == quit) {
            bells();
            libos_exit(7);
        }
    }
}

/* ---- side 0 ---- */

static struct loan_entry entries[LENT_MAX];
static struct loan_table table;
static u64 expected[LENT_MAX]; /* by page: the sum that its loan has to give */

static bool
lend(u64 seed)
{
    u32 number;
    u64 word, sum = 0;

    if (loan_take(&table, &number) != 0)
        return false;
    u64 *words = (u64 *)(share.out + PAGE + (u64)number * PAGE);
    for (u32 i = 0; i < PAGE / 8; i++)
        sum += words[i] = seed * 0x9e3779b97f4a7c15ull + i;
    expected[number] = sum | SUM;
    if (loan_lend(&table, number, 0, PAGE, &word) != 0)
        libos_exit(13);
    send(word);
    return true;
}

/* An answer is two values; 1: a page is back with the right sum, 0: nothing is there. */
static u64
take_back(u64 *wrong)
{
    half = half ? half : ring_pop(&from);
    u64 sum = half ? ring_pop(&from) : 0;
    if (sum == 0)
        return 0;
    bool good = loan_return(&table, half) == 0 && sum == expected[loan_number(half)];
    *wrong += !good;
    half = 0;
    return good;
}

static void
lender(void)
{
    u64 want = option("talk.pages=", 10000), back = 0, wrong = 0, seed = 0;
    u32 pages = (u32)(share.bytes / PAGE - 1);

    if (loan_init(&table, entries, pages < LENT_MAX ? pages : LENT_MAX) != 0)
        libos_exit(14);
    while (back < want && wrong == 0) {
        if (share_over(&share) || sessions == 0) {
            join();
            loan_recall(&table);
        }
        while (back + table.lent < want && lend(seed))
            seed++;
        bells();
        u64 n = take_back(&wrong);
        back += n;
        if (n == 0 && wrong == 0)
            rest();
    }
    libos_print("%lu pages there and back, %lu wrong, %lu words refused, %s slept, %s",
                back, wrong, table.refused, sleeps ? "it" : "nobody",
                sessions > 1 ? "in several sessions" : "in one session");
    libos_exit(wrong ? 15 : 0);
}

void
libos_main(u64 vcpu)
{
    if (vcpu != 0)
        return;
    char name[16] = "talk";
    sdk_option(LIBOS_INFO->cmdline, "talk.name=", name, sizeof(name));
    if (share_open(&share, name) != 0) {
        libos_print("the manifest gives no share `%s`", name);
        libos_exit(11);
    }
    if (share.entry->side == 0)
        lender();
    borrow();
}
