/* SPDX-License-Identifier: MIT */
/* See words.h. */
#include "steward/words.h"

bool
words_split(struct words *out, const char *line)
{
    memset(out, 0, sizeof(*out));
    for (;;) {
        while (*line == ' ' || *line == '\t' || *line == '\n' || *line == '\r')
            line++;
        if (*line == '\0')
            return out->count > 0;
        if (out->count == WORDS_MAX)
            return false;
        char *word = out->word[out->count++];
        for (u32 n = 0;
             *line && *line != ' ' && *line != '\t' && *line != '\n' && *line != '\r';
             line++) {
            if (n == WORD_MAX)
                return false;
            word[n++] = *line > ' ' && *line < 127 ? *line : '?';
        }
    }
}

static bool
digits(const char **s, u64 most, u64 *out)
{
    u64 n = 0;

    if (**s < '0' || **s > '9')
        return false;
    for (; **s >= '0' && **s <= '9'; (*s)++) {
        u64 digit = (u64)(**s - '0');
        if (digit > most || n > (most - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

bool
words_number(const char *s, u64 most, u64 *out)
{
    u64 n;

    if (!digits(&s, most, &n) || *s != '\0')
        return false;
    *out = n;
    return true;
}

bool
words_amount(const char *s, u64 *out, bool *percent)
{
    u64 n;

    if (!digits(&s, 1u << 30, &n) || n == 0)
        return false;
    *percent = *s == '%';
    if (*percent && n > 100)
        return false;
    u32 shift = *s == 'K' ? 10 : *s == 'M' ? 20 : *s == 'G' ? 30 : 0;
    if (*s == '\0' || (shift == 0 && !*percent) || s[1] != '\0' ||
        n >= 1ull << (46 - shift))
        return false;
    *out = n << shift;
    return true;
}
