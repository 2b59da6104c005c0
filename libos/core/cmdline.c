/* SPDX-License-Identifier: MIT */
/* Command-line options: words apart by blanks; double quotes hold blanks together, as on
 * Linux. */
#include "core/cmdline.h"

#include "core/error.h"
#include "core/hw.h"
#include "core/string.h"

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

int
cmdline_next(const char **cursor, char *word, size_t size)
{
    const char *p = *cursor;
    while (is_blank(*p))
        p++;
    if (!*p)
        return -1;
    size_t n = 0;
    bool quoted = false;
    for (; *p && (quoted || !is_blank(*p)); p++) {
        if (*p == '"') {
            quoted = !quoted;
        } else if (n + 1 < size) {
            word[n++] = *p;
        }
    }
    word[n] = 0;
    *cursor = p;
    return (int)n;
}

int
cmdline_value(const char *name, char *value, size_t size)
{
    char word[512];
    const char *cursor = hw_cmdline();
    size_t length = strlen(name);
    int found = -E_NOENT;
    while (cmdline_next(&cursor, word, sizeof(word)) >= 0) {
        if (strcmp(word, "--") == 0)
            break; /* what follows is for the first program */
        if (strncmp(word, name, length) != 0 || (word[length] != 0 &&
                                                 word[length] != '='))
            continue;
        const char *text = word[length] ? word + length + 1 : "";
        found = (int)MIN(string_copy(value, text, size), size - 1);
    }
    return found;
}

bool
cmdline_has(const char *name)
{
    char value[2];
    return cmdline_value(name, value, sizeof(value)) >= 0;
}

bool
cmdline_number(const char *name, i64 *value)
{
    char text[32];
    u64 v;
    if (cmdline_value(name, text, sizeof(text)) <= 0)
        return false;
    bool negative = text[0] == '-';
    if (!string_number(text + negative, 0, &v, NULL) || v > INT64_MAX)
        return false;
    *value = negative ? -(i64)v : (i64)v;
    return true;
}
