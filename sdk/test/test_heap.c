/* SPDX-License-Identifier: MIT */
/* The SDK's heap: objects keep what is written into them, and pages go back. */
#include <sdk/heap.h>

#include "libos/core/test/check.h"

#include <string.h>

#define OBJECTS 3000

static uint64_t state = 88172645463325252ull;
static unsigned out, most;

static unsigned
roll(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 11) % n;
}

static void *
get(void *context)
{
    void *page;

    CHECK(context == &out);
    if (out == most)
        return NULL;
    CHECK(posix_memalign(&page, 4096, 4096) == 0);
    memset(page, 0xa5, 4096);
    out++;
    return page;
}

static void
put(void *context, void *page)
{
    CHECK(context == &out && out > 0);
    out--;
    free(page);
}

/* Verify that no two objects overlap and none is beyond its page, over a long random run.
 */
static void
test_alloc_when_random_then_contents_stay(void)
{
    static struct {
        uint8_t *at, mark;
        size_t bytes;
    } object[OBJECTS];
    struct heap h;

    most = ~0u;
    sdk_heap_init(&h, get, put, &out);
    for (unsigned turn = 0; turn < 300000; turn++) {
        unsigned i = roll(OBJECTS);
        if (object[i].at) {
            for (size_t k = 0; k < object[i].bytes; k++)
                CHECK(object[i].at[k] == object[i].mark);
            sdk_free(&h, object[i].at);
            object[i].at = NULL;
            continue;
        }
        object[i].bytes = roll(4) ? roll(200) : roll(HEAP_MAX + 1);
        object[i].mark = (uint8_t)turn;
        object[i].at = sdk_alloc(&h, object[i].bytes);
        CHECK(object[i].at && (uintptr_t)object[i].at % 16 == 0);
        CHECK(((uintptr_t)object[i].at & 4095) + object[i].bytes <= 4096);
        memset(object[i].at, object[i].mark, object[i].bytes);
        CHECK(h.pages == out);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        sdk_free(&h, object[i].at);
    CHECK(h.pages == out && out <= HEAP_CLASSES); /* P2: one of each class stays */
    sdk_free(&h, NULL);
    for (unsigned c = 0; c < HEAP_CLASSES; c++)
        if (h.room[c])
            put(&out, h.room[c]);
    CHECK(out == 0);
}

/* Verify that the end of memory, and sizes that it is not for, are told by NULL. */
static void
test_alloc_when_pages_end_then_null(void)
{
    struct heap h;
    void *last = NULL, *object;
    unsigned count = 0;

    most = 3;
    sdk_heap_init(&h, get, put, &out);
    CHECK(sdk_alloc(&h, HEAP_MAX + 1) == NULL && sdk_alloc(&h, ~(size_t)0) == NULL);
    while ((object = sdk_alloc(&h, HEAP_MAX)) != NULL) {
        *(void **)object = last;
        last = object;
        count++;
    }
    CHECK(count == 6 && out == 3 && sdk_alloc(&h, 1) == NULL);
    while (last) {
        object = last;
        last = *(void **)object;
        sdk_free(&h, object);
    }
    CHECK(out == 1 && sdk_alloc(&h, 0) != NULL && out == 2);
    for (unsigned c = 0; c < HEAP_CLASSES; c++)
        if (h.room[c])
            put(&out, h.room[c]);
    CHECK(out == 0);
}

int
main(void)
{
    RUN(test_alloc_when_random_then_contents_stay);
    RUN(test_alloc_when_pages_end_then_null);
    DONE();
}
