/* SPDX-License-Identifier: MIT */
/*
 * The pages that the steward shares with each instance (sdk/steward.h), and the logs of
 * what instances say without a terminal.
 *
 * G1. The log of an instance outlives it: it lies in the steward's pool, and keeps the
 *     last LOG_BYTES bytes.  `end` counts all bytes ever written.
 * G2. One turn takes at most PACKETS packets from an instance, whatever it sends.
 */
#include "steward/steward.h"

#include <sdk/stubs.h>

#define PACKETS 128u
#define LOGS_VA (FB_WINDOW_BASE + 0x7c00000000ull)
/* In an instance's own place (OWN_PLACE), behind the page and the record of reclaim.c. */
#define OWN_PORT 0x10000u
#define OWN_CBS  0x40000u

static struct log {
    char *at; /* NULL: nothing was said yet */
    u64 end;
} logs[MANIFEST_INSTANCES + 1];

void
log_append(u32 index, const char *text, size_t bytes)
{
    struct log *l = &logs[index];

    if (!l->at) {
        u64 va = LOGS_VA + index * LOG_BYTES;
        for (u64 at = 0; at < LOG_BYTES; at += PAGE)
            if (window_map(0, va + at, BOOT->cap_memory, pool_frame(), 1,
                           FB_MAP_READ | FB_MAP_WRITE, NULL) != 0)
                return;
        l->at = (char *)va;
    }
    for (size_t n = 0; n < bytes; n++)
        l->at[l->end++ % LOG_BYTES] = text[n];
}

size_t
log_copy(u32 index, char *to, size_t size)
{
    const struct log *l = &logs[index];
    u64 kept = l->end < LOG_BYTES ? l->end : LOG_BYTES, n = 0;

    for (u64 at = l->end - (kept < size ? kept : size); at < l->end; at++)
        to[n++] = l->at[at % LOG_BYTES];
    return n;
}

static void
own_map_cbs(struct instance *i)
{
    u64 va = OWN_FREE + OWN_PLACE(i->index) * 512 * PAGE + OWN_CBS;

    i->cb = NULL;
    for (u32 v = 0; v < i->nvcpus; v++)
        if (window_map(0, va + v * PAGE, BOOT->cap_memory, i->cb_frame + v * FB_CB_FRAMES,
                       1, FB_MAP_READ, NULL) != 0)
            return;
    i->cb = (const struct fb_cb *)va;
}

long
port_begin(struct instance *i, u64 frame)
{
    u64 va = OWN_FREE + OWN_PLACE(i->index) * 512 * PAGE + OWN_PORT;
    bool control = i->what->devices & DEVICE_CONTROL;

    long error = window_map(0, va, BOOT->cap_memory, frame, STEWARD_PAGES,
                            FB_MAP_READ | FB_MAP_WRITE, NULL);
    if (!error)
        error = window_map(i->domain, WINDOW_STEWARD, BOOT->cap_memory, frame,
                           STEWARD_PAGES, FB_MAP_READ | FB_MAP_WRITE, &i->nodes);
    if (error)
        return error;
    struct steward_page *p = (struct steward_page *)va;
    memset(p, 0, STEWARD_PAGES * PAGE);
    p->version = STEWARD_VERSION;
    p->control = control;
    p->steward_bit = INSTANCE_EVENT(i->index);
    p->cap_steward = i->reclaim.page->cap_steward;
    struct port *port = &i->port;
    error = ring_consume(&port->text, (u8 *)p + STEWARD_TEXT, 16384, PACKET_WORDS);
    if (!error)
        error =
            ring_consume(&port->requests, (u8 *)p + STEWARD_REQUESTS, 4096, PACKET_WORDS);
    if (!error)
        error =
            ring_produce(&port->replies, (u8 *)p + STEWARD_REPLIES, 16384, PACKET_WORDS);
    if (error)
        return error;
    port->page = p;
    own_map_cbs(i);
    if (control)
        control_begin(i);
    if ((i->what->devices & DEVICE_COM1) && !terminal_owner())
        error = terminal_give(i);
    /* From here on who says something rings. */
    if (!ring_consumer_sleeps(&port->text))
        give_up("a ring that was just cleared is not empty");
    return error;
}

/* True: there is more than one turn takes. */
static bool
drain_text(struct instance *i)
{
    char bytes[PACKET_BYTES];
    u64 count;

    for (u32 n = 0; n < PACKETS; n++) {
        if (packet_receive(&i->port.text, bytes, &count) == 0)
            return !ring_consumer_sleeps(&i->port.text);
        log_append(i->index, bytes, count);
    }
    return true;
}

void
port_end(struct instance *i)
{
    if (!i->port.page)
        return;
    drain_text(i); /* its last words; requests do not count any more */
    drain_text(i);
    u64 va = OWN_FREE + OWN_PLACE(i->index) * 512 * PAGE;
    window_unmap(0, va + OWN_PORT, STEWARD_PAGES);
    window_unmap(0, va + OWN_CBS, i->nvcpus);
    i->cb = NULL;
    i->port.page = NULL;
}

bool
port_drain(struct instance *i)
{
    if (!i->port.page)
        return false;
    bool more = (i->what->devices & DEVICE_CONTROL) && control_drain(i);
    return drain_text(i) || more;
}

void
port_order(struct instance *i)
{
    struct steward_page *p = i->port.page;

    __atomic_store_n(&p->orders, p->orders + 1, __ATOMIC_RELEASE);
    fb_signal(i->vcpus[0], 1ull << STEWARD_EVENT, NULL);
}
