/* SPDX-License-Identifier: MIT */
/* Moving bytes between the LibOS and a sequence of segments. */
#include "core/error.h"
#include "core/string.h"
#include "core/usercopy.h"

static void
uio_single(struct uio *u, u64 base, u64 bytes, bool libos)
{
    u->single = (struct uio_segment){ base, bytes };
    u->segment = &u->single;
    u->count = 1;
    u->libos = libos;
    u->append = false;
    u->offset = 0;
    u->left = bytes;
}

void
uio_user(struct uio *u, uaddr base, u64 bytes)
{
    uio_single(u, base, bytes, false);
}

void
uio_libos(struct uio *u, void *base, u64 bytes)
{
    uio_single(u, (u64)base, bytes, true);
}

enum direction { PUT, GET, ZERO };

static int
move_part(struct uio *u, u64 at, void *p, size_t n, enum direction d)
{
    void *here = (void *)at;
    switch (d) {
    case PUT:
        if (!u->libos)
            return copy_to_user(at, p, n);
        memcpy(here, p, n);
        return 0;
    case GET:
        if (!u->libos)
            return copy_from_user(p, at, n);
        memcpy(p, here, n);
        return 0;
    case ZERO:
        if (!u->libos)
            return zero_user(at, n);
        memset(here, 0, n);
        return 0;
    }
    return -E_INVAL;
}

static __attribute__((noinline)) int
uio_move(struct uio *u, u8 *p, size_t bytes, enum direction d)
{
    if (bytes > u->left)
        bytes = u->left;
    while (bytes) {
        u64 room = u->segment->bytes - u->offset;
        if (room == 0) {
            u->segment++;
            u->count--;
            u->offset = 0;
            continue;
        }
        size_t n = MIN(room, bytes);
        int r = move_part(u, u->segment->base + u->offset, p, n, d);
        if (r != 0)
            return r;
        if (p)
            p += n;
        bytes -= n;
        u->offset += n;
        u->left -= n;
    }
    return 0;
}

/* All of it is in the segment of user memory that the uio is at, as nearly always. */
static inline bool
within_segment(const struct uio *u, size_t bytes)
{
    return !u->libos && bytes <= u->left && bytes <= u->segment->bytes - u->offset;
}

static inline void
advance(struct uio *u, size_t bytes)
{
    u->offset += bytes;
    u->left -= bytes;
}

/* What lies otherwise, or met a page that is absent, is moved from its beginning. */
int
uio_put(struct uio *u, const void *from, size_t bytes)
{
    if (__builtin_expect(!within_segment(u, bytes), 0) ||
        copy_to_user_nofault(u->segment->base + u->offset, from, bytes) != 0)
        return uio_move(u, (u8 *)(uintptr_t)from, bytes, PUT);
    advance(u, bytes);
    return 0;
}

int
uio_get(struct uio *u, void *to, size_t bytes)
{
    if (__builtin_expect(!within_segment(u, bytes), 0) ||
        copy_from_user_nofault(to, u->segment->base + u->offset, bytes) != 0)
        return uio_move(u, to, bytes, GET);
    advance(u, bytes);
    return 0;
}

int
uio_put_zero(struct uio *u, size_t bytes)
{
    return uio_move(u, NULL, bytes, ZERO);
}
