/* SPDX-License-Identifier: MIT */
/* Texts that grow: by doubling, so that n bytes cost O(n). */
#include "procfs/text.h"

#include "core/digits.h"
#include "core/format.h"
#include "core/heap.h"
#include "core/string.h"

#define KILOBYTES_COLUMN 8u
#define TEXT_FIRST 1024u
#define TEXT_MAX (16u << 20)

static bool
fail(struct text *t)
{
    t->failed = true;
    t->size = t->length;
    return false;
}

__attribute__((noinline, cold)) bool
text_grow(struct text *t, size_t bytes)
{
    if (t->failed || bytes > TEXT_MAX - t->length)
        return fail(t);
    u32 size = MAX(t->size, TEXT_FIRST);
    while (size < t->length + bytes)
        size *= 2;
    char *fresh = heap_alloc(size);
    if (fresh == NULL)
        return fail(t);
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
    if (text_room(t, count) == NULL)
        return;
    bytes_copy(t->at + t->length, bytes, count);
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
        if (text_room(t, needed + 1) == NULL)
            return;
        va_start(args, format);
        format_args(t->at + t->length, t->size - t->length, format, args);
        va_end(args);
    }
    t->length += (u32)needed;
}

void
text_quote(struct text *t, const char *s, const char *special)
{
    const char *from = s; /* what is not there yet */
    for (; *s != '\0'; s++) {
        bool quoted = *s == '\\';
        for (const char *c = special; *c != '\0' && !quoted; c++)
            quoted = *c == *s;
        if (!quoted)
            continue;
        text_put(t, from, (size_t)(s - from));
        text_add(t, "\\%03o", (unsigned)(u8)*s);
        from = s + 1;
    }
    text_put(t, from, (size_t)(s - from));
}

void
text_pad(struct text *t, u32 from, u32 width)
{
    u32 length = t->length - from;
    if (length >= width || text_room(t, width - length) == NULL)
        return;
    memset(t->at + t->length, ' ', width - length);
    t->length += width - length;
}


static inline __attribute__((always_inline)) void
put_numbers(struct text *t, const u64 *v, u32 count, bool has_sign)
{
    char *to = text_room(t, count * (DIGITS_DECIMAL_MAX + 2) + DIGITS_PUT_ROOM);
    if (to == NULL)
        return;
    for (u32 i = 0; i < count; i++) {
        bool negative = has_sign && (i64)v[i] < 0;
        u64 n = negative ? -v[i] : v[i];
        *to++ = ' ';
        if (negative)
            *to++ = '-';
        if (n < 10)
            *to++ = (char)('0' + n);
        else
            to = digits_put(to, n);
    }
    t->length = (u32)(to - t->at);
}

void
text_numbers(struct text *t, const u64 *v, u32 count)
{
    put_numbers(t, v, count, false);
}

void
text_signed(struct text *t, const i64 *v, u32 count)
{
    put_numbers(t, (const u64 *)v, count, true);
}

/* Of less than 10 million KiB, in its column. */
static void
put_short(char *to, u64 v)
{
    __builtin_memcpy(to, "        ", KILOBYTES_COLUMN);
    if (v < 10) /* most are 0 or one page */
        to[KILOBYTES_COLUMN - 1] = (char)('0' + v);
    else
        digits_decimal(to + KILOBYTES_COLUMN, v);
}

void
text_kilobytes_line(struct text *t, const char *head, u32 length, u64 bytes)
{
    char *to = text_room(t, length + DIGITS_DECIMAL_MAX + sizeof " kB\n");
    if (to == NULL)
        return;
    if (length == 16)
        __builtin_memcpy(to, head, 16);
    else
        bytes_copy(to, head, length);
    to += length;
    if (bytes >> 30 >= 9) {
        t->length += length;
        text_add(t, "%8lu", bytes / 1024);
        text_put(t, " kB\n", 4);
        return;
    }
    put_short(to, bytes / 1024);
    __builtin_memcpy(to + KILOBYTES_COLUMN, " kB\n", 4);
    t->length += length + KILOBYTES_COLUMN + 4;
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
