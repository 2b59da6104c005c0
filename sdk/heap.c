/* SPDX-License-Identifier: MIT */
/* See heap.h. */
#include <sdk/heap.h>

#define PAGE_BYTES 4096u
#define UNIT       16u

struct heap_page { /* at its start; the objects follow */
    struct heap_page *next, *before;
    void *free; /* objects that came back, linked through their first word */
    uint16_t used, fresh, most; /* fresh: how many were handed out at least once */
    uint8_t class;
};
#define HEADER ((sizeof(struct heap_page) + UNIT - 1) / UNIT * UNIT)

static const uint16_t class_bytes[HEAP_CLASSES] = { 16,  32,  48,  64,  96,   128,
                                                    192, 256, 400, 672, 1008, HEAP_MAX };
_Static_assert(PAGE_BYTES - HEADER >= 2 * HEAP_MAX, "two of the largest fit");

/* The class of (bytes + 15) / 16 units: filled once, as it is the same for all heaps. */
static uint8_t class_of[HEAP_MAX / UNIT + 1];

void
sdk_heap_init(struct heap *h, void *(*get)(void *), void (*put)(void *, void *),
              void *context)
{
    uint8_t class = 0;

    for (uint32_t units = 0; units <= HEAP_MAX / UNIT; units++) {
        while (class_bytes[class] < units * UNIT)
            class ++;
        class_of[units] = class;
    }
    *h = (struct heap){ .get = get, .put = put, .context = context };
}

static void
link_page(struct heap *h, struct heap_page *p)
{
    struct heap_page **room = &h->room[p->class];

    p->next = *room;
    p->before = NULL;
    if (p->next)
        p->next->before = p;
    *room = p;
}

static void
unlink_page(struct heap *h, struct heap_page *p)
{
    if (p->before)
        p->before->next = p->next;
    else
        h->room[p->class] = p->next;
    if (p->next)
        p->next->before = p->before;
}

static struct heap_page *
new_page(struct heap *h, uint8_t class)
{
    struct heap_page *p = h->get(h->context);

    if (!p)
        return NULL;
    *p = (struct heap_page){ .most =
                                 (uint16_t)((PAGE_BYTES - HEADER) / class_bytes[class]),
                             .class = class };
    link_page(h, p);
    h->pages++;
    return p;
}

void *
sdk_alloc(struct heap *h, size_t bytes)
{
    if (bytes > HEAP_MAX)
        return NULL;
    uint8_t class = class_of[(bytes + UNIT - 1) / UNIT];
    struct heap_page *p = h->room[class];
    if (!p && !(p = new_page(h, class)))
        return NULL;
    void *object = p->free;
    if (object)
        p->free = *(void **)object;
    else
        object = (uint8_t *)p + HEADER + (size_t)p->fresh++ * class_bytes[class];
    if (++p->used == p->most)
        unlink_page(h, p);
    return object;
}

void
sdk_free(struct heap *h, void *object)
{
    struct heap_page *p = (struct heap_page *)((uintptr_t)object & ~(PAGE_BYTES - 1ull));

    if (!object)
        return;
    *(void **)object = p->free;
    p->free = object;
    if (p->used-- == p->most)
        link_page(h, p);
    if (p->used == 0 && (p->next || p->before)) {
        unlink_page(h, p);
        h->pages--;
        h->put(h->context, p);
    }
}
