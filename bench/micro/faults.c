/* SPDX-License-Identifier: MIT */
/*
 * Faults that bring pages: each row touches 63 or 64 pages and says what one page costs.
 * In order, a system may bring several pages at one fault; the isolated rows touch pages
 * 128 KiB apart in an order that jumps about, so that each fault is alone.  What all this
 * comes to for a program that says nothing, with large pages where there are any, is in
 * anonymous_fill_64mib: one page of 64 MiB, from mmap to munmap.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "groups.h"

#define AREA_PAGES 64
#define AREA_BYTES ((size_t)AREA_PAGES * PAGE)
#define FILE_PATH  "/tmp/micro.faults"

#define LARGE_BYTES ((size_t)64 << 20)

/* Isolated pages: STEP is odd, so that its multiples reach each of them. */
#define APART       ((size_t)128 << 10)
#define STEP        37
#define WIDE_BYTES  (AREA_PAGES * APART)
#define TABLE_BYTES ((size_t)2 << 20)

static char *area;
static size_t bytes;
static int fd = -1;

static void
drop_area(void)
{
    if (area != NULL)
        munmap(area, bytes);
    area = NULL;
}

/* In pages of 4 KiB, where a system has larger ones. */
static void
map_area(size_t size, int protection, int flags)
{
    drop_area();
    bytes = size;
    area = mmap(NULL, size, protection, flags, fd, 0);
    must(area != MAP_FAILED, "mmap");
    (void)madvise(area, size, MADV_NOHUGEPAGE);
}

/* ---- without a file ---- */

/* The first page is there, and with it the page tables of all. */
static void
anonymous_area(void)
{
    map_area(AREA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    area[0] = 1;
}

static void
anonymous_area_read(void)
{
    map_area(AREA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    (void)*(volatile char *)area;
}

static long
op_write_pages(void)
{
    for (int i = 1; i < AREA_PAGES; i++)
        *(volatile char *)&area[i * PAGE] = 1;
    return 0;
}

static long
op_read_pages(void)
{
    for (int i = 1; i < AREA_PAGES; i++)
        (void)*(volatile char *)&area[i * PAGE];
    return 0;
}

static size_t
isolated(int i)
{
    return (size_t)(i * STEP % AREA_PAGES) * APART;
}

/* A page between two isolated ones brings each page table. */
static void
wide_area(void)
{
    map_area(WIDE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    for (size_t i = 0; i < WIDE_BYTES; i += TABLE_BYTES)
        area[i + APART / 2] = 1;
}

static long
op_write_isolated(void)
{
    for (int i = 0; i < AREA_PAGES; i++)
        *(volatile char *)&area[isolated(i)] = 1;
    return 0;
}

static long
op_read_isolated(void)
{
    for (int i = 0; i < AREA_PAGES; i++)
        (void)*(volatile char *)&area[isolated(i)];
    return 0;
}

/* 64 MiB made, written to and taken away, in whatever pages the system thinks best. */
static long
op_fill_large(void)
{
    char *large = mmap(NULL, LARGE_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (large == MAP_FAILED)
        return -1;
    for (size_t i = 0; i < LARGE_BYTES; i += PAGE)
        *(volatile char *)&large[i] = 1;
    return munmap(large, LARGE_BYTES);
}

static void
wait_for_end(void)
{
    char byte;

    (void)!write(peer_back[1], "r", 1);
    (void)!read(peer_there[0], &byte, 1);
}

/* The pages are shared with a child that waits; writing copies them. */
static void
shared_area(void)
{
    char byte;

    anonymous_area();
    op_write_pages();
    must(peer_start(wait_for_end) == 0, "fork");
    must(read(peer_back[0], &byte, 1) == 1, "read");
}

/* ---- of a file, whose pages are in memory ---- */

static int
open_file(void)
{
    fd = bench_file(FILE_PATH, AREA_BYTES);
    return 0;
}

/* All its bytes are there, so that an isolated page does not lie in a hole. */
static int
open_wide_file(void)
{
    fd = bench_file(FILE_PATH, WIDE_BYTES);
    return 0;
}

static void
close_file(void)
{
    drop_area();
    close(fd);
    unlink(FILE_PATH);
}

static void
private_file(void)
{
    map_area(AREA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    (void)*(volatile char *)area;
}

static void
shared_file(void)
{
    map_area(AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
    area[0] = 1;
}

static void
wide_file(void)
{
    map_area(WIDE_BYTES, PROT_READ, MAP_PRIVATE);
    for (size_t i = 0; i < WIDE_BYTES; i += TABLE_BYTES)
        (void)*(volatile char *)&area[i + APART / 2];
}

#define ON_FILE .set_up = open_file, .tear_down = close_file

static const struct row rows[] = {
    { .name = "anonymous_write_fault",
      .operation = op_write_pages,
      .parts = AREA_PAGES - 1,
      .flags = ROW_REP,
      .before = anonymous_area },
    { .name = "anonymous_write_fault_isolated",
      .operation = op_write_isolated,
      .parts = AREA_PAGES,
      .flags = ROW_REP,
      .before = wide_area },
    { .name = "anonymous_fill_64mib",
      .operation = op_fill_large,
      .parts = LARGE_BYTES / PAGE,
      .flags = ROW_REP },
    { .name = "anonymous_read_fault",
      .operation = op_read_pages,
      .parts = AREA_PAGES - 1,
      .before = anonymous_area_read },
    { .name = "copy_on_write_fault",
      .operation = op_write_pages,
      .parts = AREA_PAGES - 1,
      .flags = ROW_REP,
      .before = shared_area,
      .after = peer_end },
    { .name = "file_read_fault",
      .operation = op_read_pages,
      .parts = AREA_PAGES - 1,
      .before = private_file,
      ON_FILE },
    { .name = "file_read_fault_isolated",
      .operation = op_read_isolated,
      .parts = AREA_PAGES,
      .before = wide_file,
      .set_up = open_wide_file,
      .tear_down = close_file },
    { .name = "file_private_write_fault",
      .operation = op_write_pages,
      .parts = AREA_PAGES - 1,
      .flags = ROW_REP,
      .before = private_file,
      ON_FILE },
    { .name = "file_shared_write_fault",
      .operation = op_write_pages,
      .parts = AREA_PAGES - 1,
      .before = shared_file,
      ON_FILE },
};

const struct group group_faults = { "faults", rows, COUNT_OF(rows) };
