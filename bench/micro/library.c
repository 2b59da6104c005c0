/* SPDX-License-Identifier: MIT */
/* What the C library does mostly by itself: memory, copying, streams. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "groups.h"

#define SMALL       64
#define FILE_PATH   "/tmp/micro.stream"
#define PAGES_BATCH 16

static char source[PAGE], target[PAGE];
static FILE *stream;

/* Hides where POINTER comes from, so that the compiler keeps what is done with it. */
static void *
opaque(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer)::"memory");
    return pointer;
}

static long
op_malloc_free(void)
{
    void *got = opaque(malloc(SMALL));

    free(got);
    return got == NULL ? -1 : 0;
}

/* A hundred that live together, freed in the order in which they came. */
static long
op_malloc_many(void)
{
    static void *all[100];

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        all[i] = opaque(malloc(SMALL));
        if (all[i] == NULL)
            return -1;
    }
    for (size_t i = 0; i < COUNT_OF(all); i++)
        free(all[i]);
    return 0;
}

static long
op_memcpy(void)
{
    memcpy(opaque(target), opaque(source), PAGE);
    return 0;
}

static int
open_stream(void)
{
    stream = fopen(FILE_PATH, "w+");
    return stream == NULL ? -1 : 0;
}

static int
open_full_stream(void)
{
    if (open_stream() < 0)
        return -1;
    for (int i = 0; i < PAGES_BATCH; i++) {
        if (fwrite(source, 1, PAGE, stream) != PAGE)
            return -1;
    }
    return fflush(stream);
}

static void
close_stream(void)
{
    fclose(stream);
    unlink(FILE_PATH);
}

static void
to_begin(void)
{
    rewind(stream);
}

static long
op_fprintf(void)
{
    return fprintf(stream, "%s %d %ld %x\n", "word", 12345, 1234567890L, 0xabcdu);
}

static long
op_fread(void)
{
    return fread(target, 1, PAGE, stream) == PAGE ? 0 : -1;
}

static long
op_fwrite(void)
{
    return fwrite(source, 1, PAGE, stream) == PAGE ? 0 : -1;
}

static const struct row rows[] = {
    { .name = "malloc_free_64",
      .operation = op_malloc_free,
      .batch = 100,
      .flags = ROW_USER },
    { .name = "malloc_free_64_of_100",
      .operation = op_malloc_many,
      .parts = 100,
      .flags = ROW_USER },
    { .name = "memcpy_4096",
      .operation = op_memcpy,
      .batch = 20,
      .flags = ROW_REP | ROW_USER },
    { .name = "fprintf_line",
      .operation = op_fprintf,
      .batch = 500,
      .flags = ROW_USER,
      .before = to_begin,
      .set_up = open_stream,
      .tear_down = close_stream },
    { .name = "fread_4096",
      .operation = op_fread,
      .batch = PAGES_BATCH,
      .flags = ROW_REP,
      .before = to_begin,
      .set_up = open_full_stream,
      .tear_down = close_stream },
    { .name = "fwrite_4096",
      .operation = op_fwrite,
      .batch = PAGES_BATCH,
      .flags = ROW_REP,
      .before = to_begin,
      .set_up = open_full_stream,
      .tear_down = close_stream },
};

const struct group group_library = { "library", rows, COUNT_OF(rows) };
