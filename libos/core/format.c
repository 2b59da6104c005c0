/* SPDX-License-Identifier: MIT */
/* Text formatting for the log: the subset of printf that log.h names. */
#include "core/format.h"

#include "core/digits.h"
#include "core/log.h"
#include "core/string.h"

/* Text goes to `at` while there is room for it and its NUL; all of it is counted. */
struct sink {
    char *at;
    size_t size, needed;
};

static size_t
room(const struct sink *s)
{
    return s->needed + 1 < s->size ? s->size - 1 - s->needed : 0;
}

static void
put(struct sink *s, const char *text, size_t length)
{
    size_t fits = MIN(length, room(s));
    if (fits != 0)
        bytes_copy(s->at + s->needed, text, fits);
    s->needed += length;
}

static void
put_fill(struct sink *s, char c, size_t count)
{
    size_t fits = MIN(count, room(s));
    for (size_t i = 0; i < fits; i++)
        s->at[s->needed + i] = c;
    s->needed += count;
}

struct spec {
    unsigned width;
    int precision; /* -1: none */
    bool zero, left, is_long;
};

static void
put_padded(struct sink *s, const char *text, size_t length, const struct spec *spec,
           char pad)
{
    size_t fill = spec->width > length ? spec->width - length : 0;
    if (fill != 0 && !spec->left)
        put_fill(s, pad, fill);
    put(s, text, length);
    if (fill != 0 && spec->left)
        put_fill(s, ' ', fill);
}

/* The digits of v, before `end`; where they begin. */
static char *
digits_of(char *end, u64 v, unsigned base)
{
    if (base == 10)
        return digits_decimal(end, v);
    unsigned shift = base == 16 ? 4 : 3;
    do {
        *--end = "0123456789abcdef"[v & (base - 1)];
        v >>= shift;
    } while (v != 0);
    return end;
}

static void
put_number(struct sink *s, u64 value, unsigned base, bool negative,
           const struct spec *spec)
{
    char digits[24], *end = digits + sizeof digits, *at = digits_of(end, value, base);
    if (negative && spec->zero && !spec->left) {
        put(s, "-", 1);
        struct spec rest = *spec;
        rest.width = rest.width ? rest.width - 1 : 0;
        put_padded(s, at, (size_t)(end - at), &rest, '0');
        return;
    }
    if (negative)
        *--at = '-';
    put_padded(s, at, (size_t)(end - at), spec,
               spec->zero && !spec->left ? '0' : ' ');
}

static const char *
parse_spec(const char *f, struct spec *spec, va_list *args)
{
    *spec = (struct spec){ .precision = -1 };
    if (*f > 'l' && *f != 'z') /* by far the most: %s and %u, without any of these */
        return f;
    for (;; f++) {
        if (*f == '0')
            spec->zero = true;
        else if (*f == '-')
            spec->left = true;
        else
            break;
    }
    if (*f == '*') {
        int width = va_arg(*args, int);
        spec->width = width > 0 ? (unsigned)width : 0;
        f++;
    }
    while (*f >= '0' && *f <= '9')
        spec->width = spec->width * 10 + (unsigned)(*f++ - '0');
    if (*f == '.') {
        f++;
        spec->precision = 0;
        if (*f == '*') {
            spec->precision = va_arg(*args, int);
            f++;
        }
        while (*f >= '0' && *f <= '9')
            spec->precision = spec->precision * 10 + (*f++ - '0');
    }
    while (*f == 'l' || *f == 'z') {
        spec->is_long = true;
        f++;
    }
    return f;
}

static void
put_string(struct sink *s, const char *text, const struct spec *spec)
{
    if (!text)
        text = "(null)";
    size_t most = spec->precision >= 0 ? (size_t)spec->precision : SIZE_MAX;
    size_t length = strnlen(text, most);
    put_padded(s, text, length, spec, ' ');
}

static void
put_signed(struct sink *s, i64 v, const struct spec *spec)
{
    put_number(s, v < 0 ? 0 - (u64)v : (u64)v, 10, v < 0, spec);
}

/* How many bytes there are before the next % or the end. */
static size_t
literal_length(const char *f)
{
    const u64 ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
    for (size_t n = 0;; n += 8) {
        u64 word = string_word(f + n), percents = word ^ ones * '%';
        u64 ends = (((word - ones) & ~word) | ((percents - ones) & ~percents)) & tops;
        if (ends != 0)
            return n + (unsigned)__builtin_ctzll(ends) / 8;
    }
}

size_t
format_args(char *buffer, size_t size, const char *f, va_list given)
{
    struct sink s = { buffer, size, 0 };
    va_list args;
    va_copy(args, given);
    for (;; f++) {
        if (*f != '%' && *f != '\0') {
            size_t length = literal_length(f);
            put(&s, f, length);
            f += length;
        }
        if (*f == '\0')
            break;
        struct spec spec;
        f = parse_spec(f + 1, &spec, &args);
        if (*f == 's') {
            put_string(&s, va_arg(args, const char *), &spec);
        } else if (*f == 'c') {
            char c = (char)va_arg(args, int);
            put(&s, &c, 1);
        } else if (*f == 'd' || *f == 'i') {
            put_signed(&s, spec.is_long ? va_arg(args, long) : va_arg(args, int), &spec);
        } else if (*f == 'u' || *f == 'x' || *f == 'o') {
            u64 v = spec.is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            put_number(&s, v, *f == 'u' ? 10 : *f == 'x' ? 16 : 8, false, &spec);
        } else if (*f == 'p') {
            put(&s, "0x", 2);
            put_number(&s, (u64)va_arg(args, void *), 16, false, &spec);
        } else if (*f == '%') {
            put(&s, "%", 1);
        } else {
            break; /* a malformed format: what comes after is not to be trusted */
        }
    }
    va_end(args);
    if (size)
        buffer[MIN(s.needed, size - 1)] = 0;
    return s.needed;
}

size_t
format_text(char *buffer, size_t size, const char *f, ...)
{
    va_list args;
    va_start(args, f);
    size_t needed = format_args(buffer, size, f, args);
    va_end(args);
    return needed;
}
