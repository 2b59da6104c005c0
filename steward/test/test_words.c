/* SPDX-License-Identifier: MIT */
/* A request's line, taken apart: what is accepted, what not. */
#include "steward/words.h"

#include <stdio.h>

static int failures;

static void
check(bool good, const char *name)
{
    printf("%s - %s\n", good ? "ok" : "not ok", name);
    failures += !good;
}

static void
test_amounts(void)
{
    static const struct {
        const char *text;
        bool good, percent;
        u64 value;
    } table[] = { { "16M", true, false, 16ull << 20 }, { "1K", true, false, 1024 },
                  { "2G", true, false, 2ull << 30 },   { "50%", true, true, 50 },
                  { "100%", true, true, 100 },         { "101%", false, false, 0 },
                  { "0M", false, false, 0 },           { "16", false, false, 0 },
                  { "16MB", false, false, 0 },         { "", false, false, 0 },
                  { "-1M", false, false, 0 },          { "99999999999999999999K", false, false, 0 },
                  { "1000000G", false, false, 0 } };
    bool all = true;

    for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
        u64 value = 0;
        bool percent = false, good = words_amount(table[k].text, &value, &percent);
        if (good != table[k].good ||
            (good && (value != table[k].value || percent != table[k].percent))) {
            printf("# %s\n", table[k].text);
            all = false;
        }
    }
    check(all, "test_amount_when_read_then_bytes_or_percent");
}

int
main(void)
{
    struct words w;
    u64 n = 5;

    check(words_split(&w, "  stop\tworker 100\r\n") && w.count == 3 &&
              strcmp(w.word[0], "stop") == 0 && strcmp(w.word[2], "100") == 0,
          "test_split_when_blanks_then_words");
    check(words_split(&w, "log a\001\377b") && strcmp(w.word[1], "a??b") == 0,
          "test_split_when_unprintable_then_replaced");
    check(!words_split(&w, " \n"), "test_split_when_empty_then_refused");
    check(!words_split(&w, "a b c d e f g"), "test_split_when_seven_words_then_refused");
    check(words_split(&w, "a b c d e f"), "test_split_when_six_words_then_taken");
    check(!words_split(&w, "0123456789012345678901234567890123456789012345678901234567890123"),
          "test_split_when_word_long_then_refused");
    check(words_number("42", 42, &n) && n == 42, "test_number_when_at_limit_then_taken");
    n = 5;
    check(!words_number("43", 42, &n) && !words_number("4x", 42, &n) &&
              !words_number("", 42, &n) && !words_number("18446744073709551617", ~0ull, &n) &&
              n == 5,
          "test_number_when_bad_then_refused_and_unchanged");
    test_amounts();
    return failures != 0;
}
