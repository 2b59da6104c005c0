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
#define RANDOM_BYTES 16u

_Static_assert(2 * AUX_MAX <= MM_AUX_WORDS, "struct mm_layout keeps what a stack has");

static const char platform[] = "x86_64";

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

static inline u8 *
image_ptr(const struct image *g, uaddr at)
{
    ASSERT(at >= g->low && at < g->top);
    return (u8 *)page_ptr(g->frames[(g->top - 1 - at) >> PAGE_SHIFT]) + at % PAGE_SIZE;
}

static void
image_put(const struct image *g, uaddr at, const void *data, size_t bytes)
{
    const u8 *from = data;
    while (bytes) {
        size_t n = MIN(bytes, PAGE_SIZE - at % PAGE_SIZE);
        memcpy(image_ptr(g, at), from, n);
        at += n;
        from += n;
        bytes -= n;
    }
}

/* Words are written upwards; `to` is where `at` is in the direct map. */
struct words {
    const struct image *g;
    uaddr at;
    u64 *to;
};

static inline void
put_word(struct words *w, u64 word)
{
    if (w->at % PAGE_SIZE == 0)
        w->to = (u64 *)image_ptr(w->g, w->at);
    *w->to++ = word;
    w->at += sizeof(word);
}

/* Where `count` strings are that follow each other from *at on; the text behind them. */
static const char *
put_pointers(struct words *w, const char *text, u32 count, uaddr *at)
{
    for (u32 i = 0; i < count; i++) {
        put_word(w, *at);
        size_t bytes = strlen(text) + 1;
        text += bytes;
        *at += bytes;
    }
    return text;
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

/* Where the parts of the image are; see stack.h. */
struct places {
    uaddr name, strings, platform, random, vectors;
};

static int
place_parts(uaddr top, u64 shift, const struct exec_args *args, u32 aux_count,
            struct places *p)
{
    size_t name_bytes = strlen(args->filename) + 1;
    u64 bytes = args->head_bytes + args->bytes;
    u64 pointers = (u64)args->heads + args->argc + args->envc + 3;
    const u64 most = MM_STACK_MAX / 4 * 3;
    if (bytes > most || pointers * 8 > most || bytes + pointers * 8 + name_bytes > most)
        return -E_2BIG;
    p->name = top - 8 - name_bytes;
    p->strings = p->name - bytes;
    p->platform = ((p->strings - shift) & ~15ull) - sizeof(platform);
    p->random = p->platform - RANDOM_BYTES;
    u64 words = pointers + 2 * ((u64)aux_count + 1);
    p->vectors = ((p->random & ~15ull) - words * 8) & ~15ull;
    return 0;
}

/* All but the vectors. */
static void
put_strings(const struct image *g, const struct places *p, const struct exec_args *args)
{
    u8 random[RANDOM_BYTES];
    random_bytes(random, sizeof(random));
    image_put(g, p->name, args->filename, g->top - 8 - p->name);
    image_put(g, p->strings, args->head, args->head_bytes);
    image_put(g, p->strings + args->head_bytes, args->text, args->bytes);
    image_put(g, p->platform, platform, sizeof(platform));
    image_put(g, p->random, random, sizeof(random));
}

static void
put_vectors(const struct image *g, const struct places *p, const struct exec_args *args,
            struct mm_layout *layout, const struct aux *aux, u32 count)
{
    struct words w = { g, p->vectors, (u64 *)image_ptr(g, p->vectors) };
    uaddr string = p->strings;
    put_word(&w, (u64)args->heads + args->argc);
    layout->stack_start = p->vectors;
    layout->arg_start = string;
    (void)put_pointers(&w, args->head, args->heads, &string);
    const char *env = put_pointers(&w, args->text, args->argc, &string);
    put_word(&w, 0);
    layout->arg_end = layout->env_start = string;
    (void)put_pointers(&w, env, args->envc, &string);
    put_word(&w, 0);
    layout->env_end = string;
    image_put(g, w.at, aux, count * sizeof(*aux)); /* AT_NULL: the page began as zero */
    memcpy(layout->aux, aux, count * sizeof(*aux));
    /* A structure that was used before has there what somebody else's was (mm_create). */
    memset(layout->aux + 2 * count, 0, sizeof(*aux));
    layout->aux_words = 2 * count + 2;
}

int
stack_build(struct mm *m, uaddr top, u32 prot, u64 shift, const struct exec_args *args,
            struct aux *aux, u32 count, uaddr *sp)
{
    struct places p;
    int rc = place_parts(top, shift, args, count, &p);
    if (rc != 0)
        return rc;
    struct image g;
    rc = image_make(&g, top, top - p.vectors);
    if (rc != 0)
        goto free_image;
    aux[count - AUX_BACK_RANDOM].value = p.random;
    aux[count - AUX_BACK_EXECFN].value = p.name;
    aux[count - AUX_BACK_PLATFORM].value = p.platform;
    put_strings(&g, &p, args);
    put_vectors(&g, &p, args, &m->layout, aux, count);
    *sp = p.vectors;
    rc = image_map(m, &g, prot);
free_image:
    while (g.count)
        page_free(g.frames[--g.count]);
    if (g.frames != g.few)
        heap_free(g.frames);
    return rc;
}
