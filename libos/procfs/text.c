/* SPDX-License-Identifier: MIT */
/* Texts that grow: by doubling, so that n bytes cost O(n). */
#include "procfs/text.h"

#include "core/format.h"
#include "core/heap.h"
#include "core/string.h"

#define TEXT_FIRST 1024u
#define TEXT_MAX (16u << 20)

static bool
reserve(struct text *t, size_t more)
{
    if (t->failed || more > TEXT_MAX - t->length)
        t->failed = true;
    if (t->failed || t->length + more <= t->size)
        return !t->failed;
    u32 size = MAX(t->size, TEXT_FIRST);
    while (size < t->length + more)
        size *= 2;
    char *fresh = heap_alloc(size);
    if (fresh == NULL) {
        t->failed = true;
        return false;
    }
    if (t->length != 0)
        memcpy(fresh, t->at, t->length);
    heap_free(t->at);
    t->at = fresh;
    t->size = size;
    return true;
}

void
text_put(struct text *t, const char *bytes, size_t count)
{
    if (!reserve(t, count))
        return;
    memcpy(t->at + t->length, bytes, count);
    t->length += (u32)count;
}

void
text_add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = t->size - t->length;
    size_t needed = format_args(room != 0 ? t->at + t->length : NULL, room, format, args);
    va_end(args);
    if (needed >= room) { /* it has to end with a NUL, which is not kept */
        if (!reserve(t, needed + 1))
            return;
        va_start(args, format);
        format_args(t->at + t->length, t->size - t->length, format, args);
        va_end(args);
    }
    if (!t->failed)
        t->length += (u32)needed;
}

void
text_quote(struct text *t, const char *s, const char *special)
{
    for (; *s != '\0'; s++) {
        if (*s == '\\' || strchr(special, *s) != NULL)
            text_add(t, "\\%03o", (unsigned)(u8)*s);
        else
            text_put(t, s, 1);
    }
}

void
text_kilobytes(struct text *t, const char *key, u64 bytes)
{
    text_add(t, "%s:%*s%8lu kB\n", key, (int)(15 - MIN(strlen(key), 15ul)), "",
             bytes / 1024);
}

static bool
has(const u64 *bits, u32 n)
{
    return (bits[n / 64] >> (n % 64) & 1) != 0;
}

void
text_ranges(struct text *t, const u64 *bits, u32 count)
{
    const char *comma = "";
    for (u32 i = 0; i < count; i++) {
        if (!has(bits, i))
            continue;
        u32 first = i;
        while (i + 1 < count && has(bits, i + 1))
            i++;
        text_add(t, first == i ? "%s%u" : "%s%u-%u", comma, first, i);
        comma = ",";
    }
}

void
text_free(struct text *t)
{
    heap_free(t->at);
    *t = (struct text){ .at = NULL };
}
