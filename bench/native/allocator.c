/* SPDX-License-Identifier: MIT */
/*
 * What do the LibOS's heap and the SDK's cost on a processor, and beside them the host's
 * malloc?
 *
 * libos/core itself, with optimisation, over its stand-in for the machine.  On the machine
 * the current vCPU is found by masking the stack pointer; here a function gives it.
 */
#include <stdlib.h>

#include "core/host/host.h"
#include "core/page_state.h"

#include <sdk/heap.h>

#include "bench/native/ticks.h"

#define MANY 100u

/* The stand-in tells AddressSanitizer which stack is current; there is none here. */
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t bytes);
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *bytes);

void
__sanitizer_start_switch_fiber(void **save, const void *bottom, size_t bytes)
{
    (void)save, (void)bottom, (void)bytes;
}

void
__sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *bytes)
{
    (void)save, (void)bottom, (void)bytes;
}

/* Keeps the compiler from taking a pair away. */
static inline void *
used(void *p)
{
    if (!p)
        abort();
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

static void
libos_64(unsigned operations)
{
    for (unsigned i = 0; i < operations; i++)
        slab_free(used(slab_alloc(64)));
}

/* All of them first, so that what was freed last is not what is taken next. */
static void
libos_64_of_many(unsigned operations)
{
    void *p[MANY];

    for (unsigned done = 0; done < operations; done += MANY) {
        for (unsigned i = 0; i < MANY; i++)
            p[i] = used(slab_alloc(64));
        for (unsigned i = 0; i < MANY; i++)
            slab_free(p[i]);
    }
}

/* The SDK's heap over pages of the host's. */
static struct heap sdk_heap;

static void *
sdk_page(void *unused)
{
    (void)unused;
    return aligned_alloc(4096, 4096);
}

static void
sdk_page_back(void *unused, void *page)
{
    (void)unused;
    free(page);
}

static void
sdk_64(unsigned operations)
{
    for (unsigned i = 0; i < operations; i++)
        sdk_free(&sdk_heap, used(sdk_alloc(&sdk_heap, 64)));
}

static void
host_64(unsigned operations)
{
    for (unsigned i = 0; i < operations; i++)
        free(used(malloc(64)));
}

int
main(void)
{
    host_init(64);
    ticks_cycle();
    ticks_row("libos_alloc_free_64", 2000, libos_64);
    ticks_row("libos_alloc_free_64_of_100", 2000, libos_64_of_many);
    sdk_heap_init(&sdk_heap, sdk_page, sdk_page_back, NULL);
    ticks_row("sdk_alloc_free_64", 2000, sdk_64);
    ticks_row("host_malloc_free_64", 2000, host_64);
    return 0;
}
