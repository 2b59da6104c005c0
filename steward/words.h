/* SPDX-License-Identifier: MIT */
/* A request's line, taken apart.  No state but the parameters; builds on the host too. */
#ifndef STEWARD_WORDS_H
#define STEWARD_WORDS_H

#include <sdk/sdk.h>

#define WORDS_MAX 6u
#define WORD_MAX  63u

struct words {
    u32 count;
    char word[WORDS_MAX][WORD_MAX + 1];
};
/* Split at blanks; what is not printable ASCII becomes `?`.  False: no word, more than
 * WORDS_MAX, or one that is too long. */
bool words_split(struct words *out, const char *line);
/* A whole decimal number up to `most`. */
bool words_number(const char *s, u64 most, u64 *out);
/* N with K, M or G behind it: bytes, below 2^46; or 1..100 with %. */
bool words_amount(const char *s, u64 *out, bool *percent);

#endif
