/* SPDX-License-Identifier: MIT */
/* Text formatting for the log: the subset of printf that log.h names. */
#include "core/format.h"

#include "core/log.h"
#include "core/string.h"

struct sink {
    char *at;
    size_t size, needed;
};

static void
put(struct sink *s, char c)
{
    if (s->needed + 1 < s->size)
        s->at[s->needed] = c;
    s->needed++;
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
    if (!spec->left)
        for (size_t i = 0; i < fill; i++)
            put(s, pad);
    for (size_t i = 0; i < length; i++)
        put(s, text[i]);
    if (spec->left)
        for (size_t i = 0; i < fill; i++)
            put(s, ' ');
}

static void
put_number(struct sink *s, u64 value, unsigned base, bool negative,
           const struct spec *spec)
{
    char digits[24];
    size_t at = sizeof(digits);
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && spec->zero && !spec->left) {
        put(s, '-');
        struct spec rest = *spec;
        rest.width = rest.width ? rest.width - 1 : 0;
        put_padded(s, digits + at, sizeof(digits) - at, &rest, '0');
        return;
    }
    if (negative)
        digits[--at] = '-';
    put_padded(s, digits + at, sizeof(digits) - at, spec, spec->zero &&
               !spec->left ? '0' : ' ');
}

static const char *
parse_spec(const char *f, struct spec *spec, va_list *args)
{
    *spec = (struct spec){ .precision = -1 };
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

size_t
format_args(char *buffer, size_t size, const char *f, va_list given)
{
    struct sink s = { buffer, size, 0 };
    va_list args;
    va_copy(args, given);
    for (; *f; f++) {
        if (*f != '%') {
            put(&s, *f);
            continue;
        }
        struct spec spec;
        f = parse_spec(f + 1, &spec, &args);
        if (*f == 's') {
            put_string(&s, va_arg(args, const char *), &spec);
        } else if (*f == 'c') {
            put(&s, (char)va_arg(args, int));
        } else if (*f == 'd' || *f == 'i') {
            put_signed(&s, spec.is_long ? va_arg(args, long) : va_arg(args, int), &spec);
        } else if (*f == 'u' || *f == 'x' || *f == 'o') {
            u64 v = spec.is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            put_number(&s, v, *f == 'u' ? 10 : *f == 'x' ? 16 : 8, false, &spec);
        } else if (*f == 'p') {
            put(&s, '0');
            put(&s, 'x');
            put_number(&s, (u64)va_arg(args, void *), 16, false, &spec);
        } else if (*f == '%') {
            put(&s, '%');
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
