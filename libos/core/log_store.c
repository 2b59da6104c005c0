/* SPDX-License-Identifier: MIT */
/* The store of what was logged; log_store.h has the invariants. */
#include "core/log_store.h"

#include "core/clock.h"
#include "core/string.h"

struct header {
    u64 seq, us;
    u32 priority, length;
};
/* Records lie one behind the other, byte by byte around the end of the ring. */
static struct {
    struct spinlock lock;
    u8 bytes[LOG_STORE_BYTES];
    u64 head, tail;  /* bytes, without end */
    u64 first, next; /* sequence numbers: at the tail, of the next one */
} store;
u64 log_cleared;
u32 log_console_level;
struct waitq log_arrived = WAITQ_INIT(log_arrived);

static void
copy_in(u64 at, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        store.bytes[(at + i) % LOG_STORE_BYTES] = ((const u8 *)from)[i];
}

static void
copy_out(u64 at, void *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((u8 *)to)[i] = store.bytes[(at + i) % LOG_STORE_BYTES];
}

void
log_store(u32 priority, const char *text, size_t length)
{
    struct header h = { .us = clock_mono_ns() / 1000, .priority = priority };

    while (length > 0 && text[length - 1] == '\n')
        length--;
    h.length = length < LOG_TEXT_MAX ? (u32)length : LOG_TEXT_MAX;
    spin_lock(&store.lock);
    while (LOG_STORE_BYTES - (store.head - store.tail) < sizeof(h) + h.length) {
        struct header old;
        copy_out(store.tail, &old, sizeof(old));
        store.tail += sizeof(old) + old.length;
        store.first++;
    }
    h.seq = store.next++;
    copy_in(store.head, &h, sizeof(h));
    copy_in(store.head + sizeof(h), text, h.length);
    store.head += sizeof(h) + h.length;
    spin_unlock(&store.lock);
    if (!wait_idle(&log_arrived))
        wait_wake(&log_arrived, ~0u);
}

int
log_fetch(u64 seq, struct log_record *out)
{
    struct header h;
    int r = -E_NOENT;

    spin_lock(&store.lock);
    for (u64 at = store.tail; at != store.head; at += sizeof(h) + h.length) {
        copy_out(at, &h, sizeof(h));
        if (h.seq < seq)
            continue;
        out->seq = h.seq;
        out->us = h.us;
        out->priority = h.priority;
        out->length = h.length;
        copy_out(at + sizeof(h), out->text, h.length);
        r = 0;
        break;
    }
    spin_unlock(&store.lock);
    return r;
}

u64
log_first(void)
{
    return __atomic_load_n(&store.first, __ATOMIC_RELAXED);
}

u64
log_next(void)
{
    return __atomic_load_n(&store.next, __ATOMIC_RELAXED);
}
