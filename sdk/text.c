/* SPDX-License-Identifier: MIT */
/* Memory, strings and formatted text without a C library. */
#include <sdk/sdk.h>

void *
memcpy(void *to, const void *from, size_t bytes)
{
    void *at = to;
    size_t words = bytes / 8, rest = bytes % 8;
    __asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words)::"memory");
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(rest)::"memory");
    return to;
}

void *
memset(void *to, int byte, size_t bytes)
{
    void *at = to;
    u64 pattern = (u8)byte * 0x0101010101010101ull;
    size_t words = bytes / 8, rest = bytes % 8;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

void *
memmove(void *to, const void *from, size_t bytes)
{
    u8 *t = to;
    const u8 *f = from;

    if (t <= f || t >= f + bytes)
        return memcpy(to, from, bytes);
    while (bytes-- > 0)
        t[bytes] = f[bytes];
    return to;
}

int
memcmp(const void *a, const void *b, size_t bytes)
{
    const u8 *x = a, *y = b;

    for (; bytes > 0; bytes--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t
strlen(const char *s)
{
    size_t n = 0;
    while (s[n] != '\0')
        n++;
    return n;
}

int
strcmp(const char *a, const char *b)
{
    for (; *a != '\0' && *a == *b; a++, b++)
        ;
    return (u8)*a - (u8)*b;
}

int
strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0 && *a != '\0' && *a == *b; n--, a++, b++)
        ;
    return n == 0 ? 0 : (u8)*a - (u8)*b;
}

struct out {
    char *to;
    size_t size, length;
};

static void
put(struct out *o, char c)
{
    if (o->length + 1 < o->size)
        o->to[o->length] = c;
    o->length++;
}

static void
put_number(struct out *o, u64 n, unsigned base, bool negative, unsigned width, char pad)
{
    char digits[24];
    unsigned count = 0;

    do
        digits[count++] = "0123456789abcdef"[n % base];
    while ((n /= base) != 0);
    if (negative)
        digits[count++] = '-';
    for (unsigned i = count; i < width; i++)
        put(o, pad);
    while (count > 0)
        put(o, digits[--count]);
}

static void
put_string(struct out *o, const char *s)
{
    for (s = s ? s : "(null)"; *s != '\0'; s++)
        put(o, *s);
}

/* One conversion; returns the character after it. */
static const char *
convert(struct out *o, const char *f, va_list args)
{
    char pad = *f == '0' ? '0' : ' ';
    unsigned width = 0;
    bool wide = false;

    for (; *f >= '0' && *f <= '9'; f++)
        width = width * 10 + (unsigned)(*f - '0');
    for (; *f == 'l' || *f == 'z'; f++)
        wide = true;
    switch (*f) {
    case 's': put_string(o, va_arg(args, const char *)); break;
    case 'c': put(o, (char)va_arg(args, int)); break;
    case 'p': put_number(o, va_arg(args, u64), 16, false, 16, '0'); break;
    case 'x':
        put_number(o, wide ? va_arg(args, u64) : va_arg(args, u32), 16, false, width,
                   pad);
        break;
    case 'u':
        put_number(o, wide ? va_arg(args, u64) : va_arg(args, u32), 10, false, width,
                   pad);
        break;
    case 'd': {
        int64_t n = wide ? va_arg(args, int64_t) : va_arg(args, int);
        put_number(o, n < 0 ? -(u64)n : (u64)n, 10, n < 0, width, pad);
        break;
    }
    case '\0': return f;
    default: put(o, *f); break;
    }
    return f + 1;
}

size_t
sdk_format(char *to, size_t size, const char *format, va_list args)
{
    struct out o = { to, size, 0 };
    va_list own;

    va_copy(own, args);
    while (*format != '\0') {
        if (*format != '%')
            put(&o, *format++);
        else
            format = convert(&o, format + 1, own);
    }
    va_end(own);
    if (size > 0)
        to[o.length < size ? o.length : size - 1] = '\0';
    return o.length;
}

size_t
sdk_print_to(char *to, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    size_t n = sdk_format(to, size, format, args);
    va_end(args);
    return n;
}

bool
sdk_option(const char *cmdline, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);
    bool found = false;

    while (*cmdline != '\0') {
        while (*cmdline == ' ')
            cmdline++;
        const char *end = cmdline;
        while (*end != '\0' && *end != ' ')
            end++;
        if (strncmp(cmdline, key, length) == 0) {
            size_t n = 0;
            for (const char *at = cmdline + length; at < end && n + 1 < size; at++)
                value[n++] = *at;
            value[n] = '\0';
            found = true; /* the last one counts, as on Linux */
        }
        cmdline = end;
    }
    return found;
}
