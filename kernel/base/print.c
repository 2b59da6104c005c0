/* SPDX-License-Identifier: MIT */
/* The kernel's log.  A line is formatted on the stack and goes to the console as one
 * piece. */
#include "base/panic.h"
#include "hal/hal.h"
#include <stdarg.h>

#define LINE_BYTES 320u

struct line {
    char bytes[LINE_BYTES];
    unsigned n;
};

bool print_quiet;

static void
put(struct line *l, char c)
{
    if (c == '\n' && l->n < LINE_BYTES)
        l->bytes[l->n++] = '\r';
    if (l->n < LINE_BYTES)
        l->bytes[l->n++] = c;
}

static void
put_string(struct line *l, const char *s, unsigned width)
{
    for (s = s != NULL ? s : "(null)"; *s != '\0'; s++) {
        put(l, *s);
        width -= width != 0;
    }
    while (width-- != 0)
        put(l, ' ');
}

static void
put_number(struct line *l, u64 value, unsigned base, unsigned width, char pad, bool minus)
{
    char digits[24];
    unsigned n = 0;
    do
        digits[n++] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    if (minus && pad == '0')
        put(l, '-');
    for (unsigned have = n + minus; have < width; have++)
        put(l, pad);
    if (minus && pad != '0')
        put(l, '-');
    while (n != 0)
        put(l, digits[--n]);
}

/* One conversion after its '%'; returns what follows it. */
static const char *
convert(struct line *l, const char *f, va_list *args)
{
    char pad = *f == '0' ? '0' : ' ';
    unsigned width = 0, longs = 0;
    for (; *f >= '0' && *f <= '9'; f++)
        width = width * 10 + (unsigned)(*f - '0');
    for (; *f == 'l'; f++)
        longs++;
    switch (*f) {
    case 's':
        put_string(l, va_arg(*args, const char *), width);
        break;
    case 'c':
        put(l, (char)va_arg(*args, int));
        break;
    case 'd': {
        long v = longs != 0 ? va_arg(*args, long) : va_arg(*args, int);
        put_number(l, v < 0 ? 0 - (u64)v : (u64)v, 10, width, pad, v < 0);
        break;
    }
    case 'u':
    case 'x': {
        u64 v = longs != 0 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
        put_number(l, v, *f == 'x' ? 16 : 10, width, pad, false);
        break;
    }
    case 'p':
        put_string(l, "0x", 0);
        put_number(l, (u64)va_arg(*args, void *), 16, 0, pad, false);
        break;
    default:
        put(l, *f);
        break;
    }
    return *f != '\0' ? f + 1 : f;
}

static void
print(const char *format, va_list *args)
{
    struct line l = {.n = 0};
    while (*format != '\0') {
        if (*format != '%')
            put(&l, *format++);
        else
            format = convert(&l, format + 1, args);
    }
    hal_console_write(l.bytes, l.n);
}

void
kprintf(const char *format, ...)
{
    va_list args;
    if (print_quiet)
        return;
    va_start(args, format);
    print(format, &args);
    va_end(args);
}

void
kerror(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(format, &args);
    va_end(args);
}

void
kerror_list(const char *format, va_list *args)
{
    print(format, args);
}
