/* SPDX-License-Identifier: MIT */
/* Sets that watch sets: no circles and no long lines (P4 in epoll.c). */
#include "ready/epoll_private.h"

#define MAX_LINE 5u

static struct mutex nest_mutex = MUTEX_INIT(nest_mutex);
static struct mutex links_mutex = MUTEX_INIT(links_mutex);
static u64 walks; /* nest_mutex */

/* The longest line of sets from s down, s included; MAX_LINE + 1: longer, or one that
 * comes by `target`. nest_mutex is held; each set is walked once. */
static u32
depth_below(struct watch_set *s, const struct watch_set *target, u32 budget)
{
    u32 deepest = 0;
    if (s == target || budget == 0)
        return MAX_LINE + 1;
    if (s->seen == walks)
        return s->depth;
    mutex_lock(&s->mutex);
    for (struct tree_node *n = tree_first(&s->entries); n != NULL; n = tree_next(n)) {
        struct watch_entry *e = container_of(n, struct watch_entry, node);
        if (watch_set_is(e->file))
            deepest = MAX(deepest, depth_below(e->file->priv, target, budget - 1));
    }
    mutex_unlock(&s->mutex);
    s->seen = walks;
    s->depth = MIN(deepest, MAX_LINE) + 1;
    return s->depth;
}

/* How many sets stand in the longest line above s.  nest_mutex and links_mutex are held; each
 * set is walked once, and no line is longer than MAX_LINE. */
static u32
height_above(struct watch_set *s)
{
    u32 height = 0;
    if (s->climbed == walks)
        return s->height;
    list_for_each(it, &s->above) {
        struct watch_entry *e = container_of(it, struct watch_entry, above_link);
        height = MAX(height, 1 + height_above(e->set));
    }
    s->climbed = walks;
    s->height = height;
    return height;
}

void
watch_nest_link(struct watch_entry *e)
{
    struct watch_set *below = e->file->priv;
    mutex_lock(&links_mutex);
    list_push_back(&below->above, &e->above_link);
    mutex_unlock(&links_mutex);
}

void
watch_nest_unlink(struct watch_entry *e)
{
    mutex_lock(&links_mutex);
    list_remove(&e->above_link);
    mutex_unlock(&links_mutex);
}

int
watch_nest_begin(struct watch_set *s, struct watch_set *below)
{
    mutex_lock(&nest_mutex);
    walks++;
    mutex_lock(&links_mutex);
    u32 height = height_above(s);
    mutex_unlock(&links_mutex);
    if (height + 1 + depth_below(below, s, MAX_LINE) > MAX_LINE) {
        mutex_unlock(&nest_mutex);
        return -E_LOOP;
    }
    return 0;
}

void
watch_nest_done(void)
{
    mutex_unlock(&nest_mutex);
}
