/* SPDX-License-Identifier: MIT */
/*
 * The initial stack (stack.h): written through the direct map into frames that are then
 * mapped, so that the new space need not be the current one.
 */
#include "vm/stack.h"

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/random.h"
#include "core/string.h"
#include "vm/mm_private.h"

/* Linux's first size: growth beyond it takes faults in any case */
#define STACK_AREA_MIN (132u << 10)
#define FEW_FRAMES 8u

_Static_assert(2 * AUX_MAX <= MM_AUX_WORDS, "struct mm_layout keeps what a stack has");

struct image {
    uaddr top, low; /* pages from low to top have frames */
    u64 count;
    frame_t *frames; /* frames[0] is the highest */
    frame_t few[FEW_FRAMES];
};

static int
image_make(struct image *g, uaddr top, u64 bytes)
{
    u64 count = PAGE_UP(bytes) >> PAGE_SHIFT;
    g->top = top;
    g->low = top - (count << PAGE_SHIFT);
    g->count = 0;
    g->frames = count <= FEW_FRAMES ? g->few : heap_alloc(count * sizeof(frame_t));
    if (!g->frames)
        return -E_NOMEM;
    for (; g->count < count; g->count++) {
        g->frames[g->count] = page_alloc_zeroed();
        if (g->frames[g->count] == FRAME_NONE)
            return -E_NOMEM;
    }
    return 0;
}

static void
image_put(struct image *g, uaddr at, const void *data, size_t bytes)
{
    const u8 *from = data;
    ASSERT(at >= g->low && at + bytes <= g->top);
    while (bytes) {
        size_t n = MIN(bytes, PAGE_SIZE - at % PAGE_SIZE);
        u8 *to = page_ptr(g->frames[(g->top - 1 - at) >> PAGE_SHIFT]);
        memcpy(to + at % PAGE_SIZE, from, n);
        at += n;
        from += n;
        bytes -= n;
    }
}

static void
put_word(struct image *g, uaddr *at, u64 word)
{
    image_put(g, *at, &word, sizeof(word));
    *at += sizeof(word);
}

/* Write one vector of strings at *strings and of pointers at *pointers. */
static void
put_vector(struct image *g, char **vector, u32 count, uaddr *strings, uaddr *pointers)
{
    for (u32 i = 0; i < count; i++) {
        size_t bytes = strlen(vector[i]) + 1;
        image_put(g, *strings, vector[i], bytes);
        put_word(g, pointers, *strings);
        *strings += bytes;
    }
    put_word(g, pointers, 0);
}

static int
image_map(struct mm *m, struct image *g, u32 prot)
{
    uaddr at;
    u64 bytes = MAX(g->top - g->low, STACK_AREA_MIN);
    int rc = mm_map_locked(m, g->top - bytes, bytes, prot,
                           AREA_GROWSDOWN | AREA_STACK | MAP_AT_FIXED_NOREPLACE, NULL,
                           NULL, 0, &at);
    if (rc != 0)
        return rc;
    u32 flags = MMU_READ | MMU_WRITE | (prot & PROT_X ? MMU_EXEC : 0);
    while (g->count) {
        rc = mmu_map(&m->space, g->top - (g->count << PAGE_SHIFT),
                     g->frames[g->count - 1], flags, 1);
        if (rc != 0)
            return rc;
        g->count--; /* the mapping owns it now */
        m->rss[RSS_ANONYMOUS]++;
    }
    return 0;
}

int
stack_build(struct mm *m, uaddr top, u32 prot, u64 shift, const struct exec_args *args,
            struct aux *aux, u32 count, uaddr *sp)
{
    static const char platform[] = "x86_64";
    size_t name_bytes = strlen(args->filename) + 1;
    u64 pointers = (u64)args->argc + args->envc + 3;
    const u64 most = MM_STACK_MAX / 4 * 3;
    if (args->bytes > most || pointers * 8 > most ||
        args->bytes + pointers * 8 + name_bytes > most)
        return -E_2BIG;
    u8 random[16];
    random_bytes(random, sizeof(random));
    uaddr name = top - 8 - name_bytes;
    uaddr strings = name - args->bytes;
    uaddr platform_at = ((strings - shift) & ~15ull) - sizeof(platform);
    uaddr random_at = platform_at - sizeof(random);
    uaddr at = ((random_at & ~15ull) - (pointers + 2 * ((u64)count + 1)) * 8) & ~15ull;
    struct image g;
    int rc = image_make(&g, top, top - at);
    if (rc != 0)
        goto free_image;
    *sp = at;
    image_put(&g, name, args->filename, name_bytes);
    image_put(&g, platform_at, platform, sizeof(platform));
    image_put(&g, random_at, random, sizeof(random));
    put_word(&g, &at, args->argc);
    struct mm_layout *layout = &m->layout;
    layout->stack_start = at - sizeof(u64);
    layout->arg_start = strings;
    put_vector(&g, args->argv, args->argc, &strings, &at);
    layout->arg_end = layout->env_start = strings;
    put_vector(&g, args->envp, args->envc, &strings, &at);
    layout->env_end = strings;
    for (u32 i = 0; i < count; i++) {
        if (aux[i].type == AUX_RANDOM)
            aux[i].value = random_at;
        else if (aux[i].type == AUX_EXECFN)
            aux[i].value = name;
        else if (aux[i].type == AUX_PLATFORM)
            aux[i].value = platform_at;
        put_word(&g, &at, aux[i].type);
        put_word(&g, &at, aux[i].value);
    }
    memcpy(layout->aux, aux, count * sizeof(*aux));
    layout->aux_words = 2 * count + 2; /* AT_NULL is there: the space began as zero */
    put_word(&g, &at, AUX_NULL);
    put_word(&g, &at, 0);
    rc = image_map(m, &g, prot);
free_image:
    while (g.count)
        page_free(g.frames[--g.count]);
    if (g.frames != g.few)
        heap_free(g.frames);
    return rc;
}
