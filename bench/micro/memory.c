/* SPDX-License-Identifier: MIT */
/* Mappings, and the faults that fill them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "groups.h"

#define AREA_PAGES 64

static char *area;

static long
op_mmap_munmap(void)
{
    void *got =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return got == MAP_FAILED ? -1 : munmap(got, PAGE);
}

static long
op_mprotect(void)
{
    return mprotect(area, PAGE, PROT_READ) < 0
               ? -1
               : mprotect(area, PAGE, PROT_READ | PROT_WRITE);
}

/* An area whose first page is there, and with it the page tables of all. */
static void
fresh_area(void)
{
    if (area != NULL)
        munmap(area, AREA_PAGES * PAGE);
    area = mmap(NULL, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(area != MAP_FAILED, "mmap");
    area[0] = 1;
}

static int
set_up_area(void)
{
    fresh_area();
    return 0;
}

static long
op_touch_area(void)
{
    for (int i = 1; i < AREA_PAGES; i++)
        *(volatile char *)&area[i * PAGE] = 1;
    return 0;
}

static void
wait_for_end(void)
{
    char byte;

    (void)!write(peer_back[1], "r", 1);
    (void)!read(peer_there[0], &byte, 1);
}

/* The parent's pages are shared with a child that waits; writing copies them. */
static void
shared_area(void)
{
    char byte;

    fresh_area();
    op_touch_area();
    must(peer_start(wait_for_end) == 0, "fork");
    must(read(peer_back[0], &byte, 1) == 1, "read");
}

static const struct row rows[] = {
    { .name = "mmap_munmap", .operation = op_mmap_munmap, .batch = 10 },
    { .name = "mprotect",
      .operation = op_mprotect,
      .batch = 10,
      .parts = 2,
      .set_up = set_up_area },
    { .name = "anonymous_write_fault",
      .operation = op_touch_area,
      .parts = AREA_PAGES - 1,
      .flags = ROW_REP,
      .before = fresh_area },
    { .name = "copy_on_write_fault",
      .operation = op_touch_area,
      .parts = AREA_PAGES - 1,
      .flags = ROW_REP,
      .before = shared_area,
      .after = peer_end },
};

const struct group group_memory = { "memory", rows, COUNT_OF(rows) };
