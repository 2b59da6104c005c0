/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer of pipes: writes, reads, splices between three pipes and two files, tees, new
 * capacities, packets, failing memory; against queues of bytes.  Whatever is read must be
 * what the model holds, and nothing may be left when all is closed.  Without arguments it
 * runs fixed seeds; `fuzz_splice SEED STEPS` others.
 */
#include <stdlib.h>

#include "core/page.h"
#include "pipe/pipe.h"
#include "vfs/test/setup.h"

#define PIPES      3
#define FILE_BYTES 100000u
#define QUEUE_MAX  (4u << 20)

static struct file *reader[PIPES], *writer[PIPES], *source, *sink;
static u8 *queue[PIPES]; /* the contents by the model, from head to tail */
static u64 queue_head[PIPES], queue_tail[PIPES];
static u8 source_data[FILE_BYTES];
static _Alignas(PAGE_SIZE) u8 buffer[100 * PAGE_SIZE];
static u64 random_state;

static u64
pick(u64 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

static u64
pick_size(void)
{
    static const u64 around[] = { 1, 4095, 4096, 4097, 8192, 65536, 70000 };
    return pick(3) == 0 ? around[pick(ARRAY_SIZE(around))] : 1 + pick(9000);
}

static void
queue_put(u32 k, const u8 *from, u64 n)
{
    if (queue_tail[k] + n > QUEUE_MAX) {
        memmove(queue[k], queue[k] + queue_head[k], queue_tail[k] - queue_head[k]);
        queue_tail[k] -= queue_head[k];
        queue_head[k] = 0;
    }
    CHECK(queue_tail[k] + n <= QUEUE_MAX);
    memcpy(queue[k] + queue_tail[k], from, n);
    queue_tail[k] += n;
}

static void
queue_check(u32 k, const u8 *got, u64 n)
{
    CHECK(n <= queue_tail[k] - queue_head[k]);
    CHECK(memcmp(queue[k] + queue_head[k], got, n) == 0);
    queue_head[k] += n;
}

/* A result is what moved, or says why nothing did. */
static u64
moved(i64 r, u64 asked)
{
    CHECK(r <= (i64)asked);
    CHECK(r >= 0 || r == -E_AGAIN || r == -E_NOMEM);
    return r > 0 ? (u64)r : 0;
}

/* Whole pages of the buffer, as many as chance and memory allow. */
static u32
lend(uaddr at, u32 pages, frame_t *frame)
{
    u32 count = 0;
    for (; count < pages && pick(8) != 0; count++) {
        frame[count] = page_alloc();
        if (frame[count] == FRAME_NONE)
            break;
        memcpy(page_ptr(frame[count]), (void *)(at + count * PAGE_SIZE), PAGE_SIZE);
    }
    return count;
}

static void
step_write(u32 k)
{
    struct uio u;
    u64 n = pick_size();
    u8 *from = buffer + pick(PAGE_SIZE);
    for (u64 i = 0; i < n; i++)
        from[i] = (u8)pick(256);
    uio_libos(&u, from, n);
    i64 r = pick(4) == 0 ? pipe_splice_memory(writer[k], &u, true, lend)
                         : file_write(writer[k], &u, NULL);
    queue_put(k, from, moved(r, n));
}

static void
step_read(u32 k)
{
    struct uio u;
    u64 n = pick_size();
    uio_libos(&u, buffer, n);
    queue_check(k, buffer, moved(file_read(reader[k], &u, NULL), n));
}

static void
step_between(u32 a, u32 b, bool keep)
{
    u64 n = pick_size();
    i64 r = pipe_splice_pipe(reader[a], writer[b], n, keep, true);
    if (a == b) {
        CHECK(r == -E_INVAL);
        return;
    }
    u64 done = moved(r, n);
    CHECK(done <= queue_tail[a] - queue_head[a]);
    queue_put(b, queue[a] + queue_head[a], done);
    queue_head[a] += keep ? 0 : done;
}

static void
step_from_file(u32 k)
{
    u64 at = pick(FILE_BYTES + 1000), n = pick_size(), pos = at;
    u64 done = moved(pipe_splice_in(writer[k], source, &pos, n, true), n);
    CHECK(pos == at + done && (done == 0 || at + done <= FILE_BYTES));
    queue_put(k, source_data + MIN(at, (u64)FILE_BYTES), done);
}

static void
step_to_file(u32 k)
{
    u64 n = pick_size(), pos = 0;
    u64 done = moved(pipe_splice_out(reader[k], sink, &pos, n, true, file_write), n);
    struct uio u;
    u64 from = 0;
    CHECK(pos == done);
    uio_libos(&u, buffer, done);
    CHECK(done == 0 || file_read(sink, &u, &from) == (i64)done);
    queue_check(k, buffer, done);
}

static void
one_step(void)
{
    u32 k = (u32)pick(PIPES);
    bool starve = pick(50) == 0;
    if (starve)
        host_fail_heap_after(pick(3));
    switch (pick(10)) {
    case 0:
    case 1:
    case 2: step_write(k); break;
    case 3:
    case 4: step_read(k); break;
    case 5: step_between(k, (u32)pick(PIPES), false); break;
    case 6: step_between(k, (u32)pick(PIPES), true); break;
    case 7: step_from_file(k); break;
    case 8: step_to_file(k); break;
    default: {
        u64 bytes = 4096ull << pick(6);
        i64 r = pipe_set_capacity(reader[k], bytes);
        CHECK(r == (i64)bytes || r == -E_BUSY || r == -E_NOMEM);
        break;
    }
    }
    host_fail_heap_after(~0ull);
}

static void
run(u64 seed, u64 steps)
{
    struct host_counts before;
    random_state = seed * 2654435761u + 88172645463325252ull;
    before = host_count();
    for (u32 k = 0; k < PIPES; k++) {
        CHECK(pipe_create(OPEN_NONBLOCK, &reader[k], &writer[k]) == 0);
        queue_head[k] = queue_tail[k] = 0;
    }
    for (u64 i = 0; i < steps; i++)
        one_step();
    for (u32 k = 0; k < PIPES; k++) {
        struct uio u;
        i64 r;
        file_release(writer[k]);
        do {
            uio_libos(&u, buffer, 50000);
            r = file_read(reader[k], &u, NULL);
            CHECK(r >= 0);
            queue_check(k, buffer, (u64)r);
        } while (r > 0);
        CHECK(queue_head[k] == queue_tail[k]);
        file_release(reader[k]);
    }
    CHECK(host_count().objects <=
          before.objects + 4); /* the sink's tree may have grown */
}

static u64 first_seed = 1, seeds = 20, steps_each = 3000;

/* Verify that pipes agree with queues of bytes, whatever moves between them. */
static void
test_pipes_agree_with_queues(void)
{
    struct uio u;
    for (u32 i = 0; i < FILE_BYTES; i++)
        source_data[i] = (u8)(i * 7 + i / 4096);
    for (u32 k = 0; k < PIPES; k++)
        CHECK((queue[k] = malloc(QUEUE_MAX)) != NULL);
    CHECK(do_open("/source", OPEN_CREATE | OPEN_READ | OPEN_WRITE, 0600, &source) == 0);
    CHECK(do_open("/sink", OPEN_CREATE | OPEN_READ | OPEN_WRITE, 0600, &sink) == 0);
    uio_libos(&u, source_data, FILE_BYTES);
    CHECK(file_write(source, &u, NULL) == FILE_BYTES);
    for (u64 k = 0; k < seeds; k++)
        run(first_seed + k, steps_each);
    file_release(source);
    file_release(sink);
    CHECK(do_unlink("/source", false) == 0 && do_unlink("/sink", false) == 0);
    for (u32 k = 0; k < PIPES; k++)
        free(queue[k]);
}

int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3) {
        first_seed = strtoull(argv[1], NULL, 0);
        steps_each = strtoull(argv[2], NULL, 0);
        seeds = 1;
    }
    setup_root();
    RUN(test_pipes_agree_with_queues);
    fs_context_release(context);
    DONE();
}
