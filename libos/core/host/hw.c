/* SPDX-License-Identifier: MIT */
/* core/hw.h and core/heap.h on the host: no ports, no lines; the heap is the host's,
 * under its sanitizers. */
#include "core/hw.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/heap.h"
#include "core/host/host.h"
#include "core/host/private.h"
#include "core/page.h"
#include "core/string.h"

static const char *cmdline = "feuer.seed=1";
static const void *initrd;
static size_t initrd_bytes;
static u64 heap_objects, heap_bytes, heap_allowed = ~0ull;
void (*host_console)(const char *text, size_t bytes);

void
host_cmdline(const char *text)
{
    cmdline = text;
}

void
host_initrd(const void *at, size_t bytes)
{
    initrd = at;
    initrd_bytes = bytes;
}

int
hw_port_in(u16 port, unsigned width, u32 *value)
{
    (void)port, (void)width, (void)value;
    return -E_NODEV;
}

int
hw_port_out(u16 port, unsigned width, u32 value)
{
    (void)port, (void)width, (void)value;
    return -E_NODEV;
}

int
hw_port_write(u16 port, const void *direct, size_t bytes)
{
    (void)port, (void)direct, (void)bytes;
    return -E_NODEV;
}

int
hw_irq_bind(unsigned line, void (*fn)(void *arg), void *arg)
{
    (void)line, (void)fn, (void)arg;
    return -E_NODEV;
}

int
hw_irq_ack(unsigned line)
{
    (void)line;
    return -E_NODEV;
}

void
hw_console_write(const char *text, size_t bytes)
{
    if (host_console)
        host_console(text, bytes);
    else
        fwrite(text, 1, bytes, stderr);
}

u64
hw_slots_used(void)
{
    return 0; /* the host has no capability table */
}

u64
hw_entropy(void)
{
    /* xorshift (Marsaglia, 2003): the same in each run */
    static u64 x = 88172645463325252ull;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

void
hw_power(enum hw_power op)
{
    exit(op == HW_POWER_OFF ? 0 : 1);
}

const char *
hw_cmdline(void)
{
    return cmdline;
}

const char *
hw_console_name(void)
{
    return "none";
}

bool
hw_quiet(void)
{
    return true;
}

const void *
hw_initrd(size_t *bytes)
{
    *bytes = initrd_bytes;
    return initrd;
}

bool
hw_initrd_take(frame_t f)
{
    (void)f;
    return false;
}

void
hw_initrd_release(void)
{
}

u64
hw_memory_frames(void)
{
    struct page_counts c;
    page_count(&c);
    return c.total;
}

void
page_copy(void *to, const void *from)
{
    memcpy(to, from, PAGE_SIZE);
}

void
page_clear(void *to)
{
    memset(to, 0, PAGE_SIZE);
}

/* ---- the heap ---- */
void
host_fail_heap_after(u64 n)
{
    heap_allowed = n;
}

void *
heap_alloc(size_t bytes)
{
    if (heap_allowed != ~0ull && heap_allowed-- == 0) {
        heap_allowed = 0;
        return NULL;
    }
    if (bytes > (4u << 20))
        return NULL; /* as on the machine: no run of frames is longer */
    void *p = aligned_alloc(16, (MAX(bytes, (size_t)1) + 15) & ~(size_t)15);
    if (p) {
        memset(p, 0xa5, bytes); /* undefined contents should look it */
        heap_objects++;
        heap_bytes += malloc_usable_size(p);
    }
    return p;
}

void *
heap_alloc_zeroed(size_t bytes)
{
    void *p = heap_alloc(bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

void
heap_free(void *p)
{
    if (!p)
        return;
    heap_objects--;
    heap_bytes -= malloc_usable_size(p);
    free(p);
}

void
heap_count(struct heap_counts *out)
{
    *out = (struct heap_counts){ heap_objects, heap_bytes, 0 };
}

void
pthread_stack_bounds(void **base, size_t *bytes)
{
    pthread_attr_t attr;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, base, bytes);
    pthread_attr_destroy(&attr);
}
