/* SPDX-License-Identifier: MIT */
/* The area map against a plain model: a bitmap of pages. */
#include <stdlib.h>
#include <string.h>

#include "core/test/check.h"
#include "vm/area.h"
#include "vm/test/fake.h"

#define LOW   0x10000ull
#define PAGES 512u

static struct area *owner[PAGES]; /* the model */

static uaddr
address(u64 page)
{
    return LOW + page * PAGE_SIZE;
}

static void
model_set(const struct area *a, struct area *value)
{
    for (u64 p = (a->start - LOW) / PAGE_SIZE; p < (a->end - LOW) / PAGE_SIZE; p++)
        owner[p] = value;
}

static u64
model_gap(u64 pages, u64 low, u64 high, bool down)
{
    for (u64 k = 0; low + pages + k <= high; k++) {
        u64 p = down ? high - pages - k : low + k, i = 0;
        while (i < pages && !owner[p + i])
            i++;
        if (i == pages)
            return address(p);
    }
    return 0;
}

static void
check_gaps(struct area_map *map)
{
    u64 low = fake_random() % PAGES, high = low + fake_random() % (PAGES - low + 1),
        pages = 1 + fake_random() % 40;
    CHECK(area_gap_down(map, pages * PAGE_SIZE, address(low), address(high)) ==
          model_gap(pages, low, high, true));
    CHECK(area_gap_up(map, pages * PAGE_SIZE, address(low), address(high)) ==
          model_gap(pages, low, high, false));
}

static void
add_area(struct area_map *map, u64 page)
{
    u64 n = 1;
    while (n < 20 && page + n < PAGES && !owner[page + n])
        n++;
    n = 1 + fake_random() % n;
    struct area *a = calloc(1, sizeof(*a));
    a->start = address(page);
    a->end = address(page + n);
    area_insert(map, a);
    model_set(a, a);
}

/* Grow over a free page at the end, or shrink. */
static void
change_area(struct area_map *map, struct area *a)
{
    uaddr start = a->start, end = a->end;
    u64 next = (end - LOW) / PAGE_SIZE;
    if (fake_random() % 2 && next < PAGES && !owner[next])
        end += PAGE_SIZE;
    else if (end - start > PAGE_SIZE)
        start += PAGE_SIZE;
    model_set(a, NULL);
    area_resize(map, a, start, end);
    model_set(a, a);
}

/* Cut it in two, or join it with the next one. */
static void
split_or_join(struct area_map *map, struct area *a)
{
    u64 pages = (a->end - a->start) / PAGE_SIZE;
    struct area *n = a->next;
    if (n && n->start == a->end && fake_random() % 2) {
        model_set(n, a);
        area_join(map, a);
        free(n);
    } else if (pages > 1) {
        struct area *upper = calloc(1, sizeof(*upper));
        upper->start = a->start + (1 + fake_random() % (pages - 1)) * PAGE_SIZE;
        upper->end = a->end;
        area_split(map, a, upper);
        model_set(upper, upper);
    }
}

/* Verify that finding, gaps and the tree's shape agree with a bitmap through random
 * insertions, removals, changes, splits and joins. */
static void
test_map_when_changed_at_random_then_as_the_model(void)
{
    struct area_map map;
    area_map_init(&map, LOW);
    for (int step = 0; step < 40000; step++) {
        u64 page = fake_random() % PAGES;
        struct area *a = owner[page];
        CHECK(area_find(&map, address(page)) == (a ? a : area_find(&map, address(page))));
        struct area *found = area_find(&map, address(page));
        CHECK(!a || found == a);
        CHECK(a || !found || found->start > address(page));
        if (!a) {
            add_area(&map, page);
        } else if (fake_random() % 2) {
            split_or_join(&map, a);
        } else if (fake_random() % 3) {
            area_remove(&map, a);
            model_set(a, NULL);
            free(a);
        } else {
            change_area(&map, a);
        }
        check_gaps(&map);
        if (step % 16 == 0)
            CHECK(area_map_valid(&map));
    }
    while (map.root) {
        struct area *a = map.root;
        area_remove(&map, a);
        free(a);
        CHECK(area_map_valid(&map));
    }
    memset(owner, 0, sizeof(owner));
}

/* Verify that a million areas are held, and that the height is that of a balanced tree.
 */
static void
test_map_when_a_million_areas_then_balanced(void)
{
    enum { MANY = 1000000 };
    struct area_map map;
    area_map_init(&map, LOW);
    struct area *all = calloc(MANY, sizeof(*all));
    for (u64 i = 0; i < MANY; i++) {
        uaddr at = area_gap_down(&map, PAGE_SIZE, LOW, USER_TOP);
        CHECK(at == USER_TOP - PAGE_SIZE);
        all[i].start = USER_TOP - (2 * i + 2) * PAGE_SIZE;
        all[i].end = all[i].start + PAGE_SIZE;
        area_insert(&map, &all[i]);
    }
    CHECK(map.count == MANY && map.root->height <= 29 && area_map_valid(&map));
    for (u64 i = 0; i < MANY; i += 2)
        area_remove(&map, &all[i]);
    CHECK(area_map_valid(&map));
    CHECK(area_gap_down(&map, 3 * PAGE_SIZE, LOW, USER_TOP) == USER_TOP - 3 * PAGE_SIZE);
    CHECK(area_gap_down(&map, 4 * PAGE_SIZE, map.first->start + 1, USER_TOP) == 0);
    free(all);
}

int
main(void)
{
    RUN(test_map_when_changed_at_random_then_as_the_model);
    RUN(test_map_when_a_million_areas_then_balanced);
    DONE();
}
