/* SPDX-License-Identifier: MIT */
/* Strings and structs of variable size from the user: see strings.h. */
#include "posix/strings.h"

#include "core/error.h"
#include "core/heap.h"
#include "core/string.h"

#define FIRST_ROOM 2048u
#define STRING_MAX (128u << 10) /* Linux's MAX_ARG_STRLEN */
#define POINTERS 32u

static int
grow(struct strings *s, u64 limit)
{
    if (s->room > limit)
        return -E_2BIG;
    u64 room = s->room == 0 ? FIRST_ROOM : s->room * 2;
    char *data = heap_alloc(room);
    if (data == NULL)
        return -E_NOMEM;
    if (s->used != 0)
        memcpy(data, s->text, s->used);
    heap_free(s->text);
    s->text = data;
    s->room = room;
    return 0;
}

static int
add_string(struct strings *s, uaddr at, u64 limit)
{
    for (;;) {
        if (s->room > s->used) {
            u64 left = MIN(s->room - s->used, STRING_MAX);
            i64 n = copy_string_from_user(s->text + s->used, at, left);
            if (n >= 0) {
                s->used += (u64)n + 1;
                s->count++;
                return s->used > limit ? -E_2BIG : 0;
            }
            if (n != -E_NAMETOOLONG)
                return (int)n;
            if (left == STRING_MAX)
                return -E_2BIG;
        }
        int error = grow(s, limit);
        if (error != 0)
            return error;
    }
}

/* The pointers are read by blocks that do not cross into a page that may not be there. */
static int
add_all(struct strings *s, uaddr at, u64 limit)
{
    uaddr block[POINTERS];
    for (;;) {
        u64 n = (PAGE_SIZE - (at & (PAGE_SIZE - 1))) / sizeof(uaddr);
        n = n == 0 ? 1 : MIN(n, POINTERS);
        if (copy_from_user(block, at, n * sizeof(uaddr)) != 0)
            return -E_FAULT;
        for (u64 i = 0; i < n; i++) {
            if (block[i] == 0)
                return 0;
            /* Each string also costs its pointer, as on Linux. */
            if ((s->count + 1) * sizeof(uaddr) + s->used > limit)
                return -E_2BIG;
            int error = add_string(s, block[i], limit);
            if (error != 0)
                return error;
        }
        at += n * sizeof(uaddr);
    }
}

int
strings_from_user(struct strings *s, uaddr at, u64 limit)
{
    return at != 0 ? add_all(s, at, limit) : 0;
}

int
strings_add_empty(struct strings *s)
{
    int error = s->room > s->used ? 0 : grow(s, ~0ull);
    if (error != 0)
        return error;
    s->text[s->used++] = '\0';
    s->count++;
    return 0;
}

void
strings_free(struct strings *s)
{
    heap_free(s->text);
}

int
struct_from_user(void *to, size_t size, uaddr at, u64 user_size)
{
    memset(to, 0, size);
    for (u64 done = size; done < user_size;) {
        u8 rest[64];
        u64 n = MIN(user_size - done, sizeof rest);
        if (copy_from_user(rest, at + done, n) != 0)
            return -E_FAULT;
        for (u64 i = 0; i < n; i++) {
            if (rest[i] != 0)
                return -E_2BIG;
        }
        done += n;
    }
    return copy_from_user(to, at, MIN(size, user_size));
}
