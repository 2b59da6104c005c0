/* SPDX-License-Identifier: MIT */
/* See standin.h. */
#include "steward/test/standin.h"

#include <stdio.h>
#include <stdlib.h>

struct instance instances[MANIFEST_INSTANCES];
u32 instance_count;
unsigned long standin_signals;
u8 *standin_port;
u32 standin_calls;
extern const struct fb_boot standin_boot;
const struct fb_boot standin_boot;
struct ring_producer standin_requests;
struct ring_consumer standin_replies;
static struct manifest_instance what[2] = { { .name = "a", .devices = DEVICE_CONTROL },
                                            { .name = "b" } };

struct instance *
instance_named(const char *name)
{
    for (u32 k = 0; k < instance_count; k++)
        if (strcmp(instances[k].what->name, name) == 0)
            return &instances[k];
    return NULL;
}

static void
must(bool good)
{
    if (!good)
        abort();
}

void
standin_start(void)
{
    free(standin_port);
    standin_port = aligned_alloc(65536, 65536);
    __builtin_memset(standin_port, 0, 65536);
    instance_count = 2;
    for (u32 k = 0; k < 2; k++)
        instances[k] = (struct instance){ .what = &what[k], .index = k, .state = STATE_UP,
                                          .alive = true };
    struct port *p = &instances[0].port;
    p->page = (struct steward_page *)standin_port;
    u8 *requests = standin_port + STEWARD_REQUESTS, *replies = standin_port + STEWARD_REPLIES;
    must(ring_consume(&p->requests, requests, 4096, PACKET_WORDS) == 0 &&
         ring_produce(&p->replies, replies, 16384, PACKET_WORDS) == 0 &&
         ring_produce(&standin_requests, requests, 4096, PACKET_WORDS) == 0 &&
         ring_consume(&standin_replies, replies, 16384, PACKET_WORDS) == 0);
    control_begin(&instances[0]);
}

/* The steward's pool and window: the buffer for replies is asked for page by page. */
u64
pool_frame(void)
{
    return 1;
}

#include <sys/mman.h>

long
window_map(u64 domain, u64 va, u64 cap, u64 frame, u64 pages, u32 flags,
           struct node_source *nodes)
{
    (void)domain, (void)cap, (void)frame, (void)flags, (void)nodes;
    return mmap((void *)va, pages * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)va
               ? 0
               : -FB_E_FULL;
}

void
give_up(const char *format, ...)
{
    fprintf(stderr, "give_up: %s\n", format);
    abort();
}

bool
life_start(struct instance *i, char *why, size_t size)
{
    standin_calls++;
    sdk_print_to(why, size, "%s is up", i->what->name);
    return false;
}

bool
life_stop(struct instance *i, u64 ms, char *why, size_t size)
{
    (void)i, (void)why, (void)size;
    must(ms <= 3600000);
    standin_calls++;
    return true;
}

bool
life_kill(struct instance *i, char *why, size_t size)
{
    return life_stop(i, 0, why, size);
}

bool
reclaim_ask(struct instance *i, u32 kind, u64 amount, u64 ms, struct instance *to)
{
    (void)i, (void)to;
    must(amount < 1ull << 46 && ms <= 3600000 &&
         (kind == RECLAIM_MEMORY || kind == RECLAIM_TIME));
    standin_calls++;
    return true;
}

bool
terminal_move(struct instance *to, char *why, size_t size)
{
    return life_stop(to, 0, why, size);
}

size_t
log_copy(u32 index, char *to, size_t size)
{
    size_t n = size < LOG_BYTES ? size : LOG_BYTES;
    (void)index;
    for (size_t k = 0; k < n; k++)
        to[k] = (char)('a' + k % 26);
    return n;
}

void
report_list(struct text *t)
{
    text_add(t, "a\tup\nb\tup\n");
}

void
report_top(struct text *t)
{
    for (u32 k = 0; k < 5000; k++)
        text_add(t, "%u\n", k); /* more than there is room for */
}

void
report_caps(struct text *t, struct instance *i, u64 slot)
{
    text_add(t, "%s\t%lu\n", i->what->name, slot);
}
