/* SPDX-License-Identifier: MIT */
/* A ring of bytes whose size is a power of two; head and tail count without end.  Whoever
 * owns it serialises. */
#ifndef LIBOS_TTY_RING_H
#define LIBOS_TTY_RING_H

#include "core/types.h"

struct ring {
    u8 *bytes;
    u32 size, head, tail;
};
static inline u32
ring_count(const struct ring *r)
{
    return r->head - r->tail;
}
static inline u32
ring_room(const struct ring *r)
{
    return r->size - (r->head - r->tail);
}
static inline void
ring_put(struct ring *r, u8 byte)
{
    r->bytes[r->head++ & (r->size - 1)] = byte;
}
static inline u8
ring_get(struct ring *r)
{
    return r->bytes[r->tail++ & (r->size - 1)];
}
/* What lies in one piece at the tail: at most that many bytes can be used in place. */
static inline u8 *
ring_piece(const struct ring *r, u32 *count)
{
    u32 at = r->tail & (r->size - 1);
    *count = r->head - r->tail < r->size - at ? r->head - r->tail : r->size - at;
    return r->bytes + at;
}
static inline void
ring_clear(struct ring *r)
{
    r->tail = r->head;
}

#endif
