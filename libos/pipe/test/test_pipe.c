/* SPDX-License-Identifier: MIT */
/* Unit tests of pipe/: against a queue of bytes, with threads, and FIFOs. */
#include "vfs/test/setup.h"

#include "core/thread.h"
#include "pipe/pipe.h"

#define BUFFER (2u << 20)

static u8 in_data[BUFFER], out_data[BUFFER];
static u64 random_state = 88172645463325252ull;

static u64
pick(u64 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

static i64
pipe_put(struct file *f, const void *from, u64 n)
{
    struct uio u;
    uio_libos(&u, (void *)(uintptr_t)from, n);
    return file_write(f, &u, NULL);
}

static i64
pipe_get(struct file *f, void *to, u64 n)
{
    struct uio u;
    uio_libos(&u, to, n);
    return file_read(f, &u, NULL);
}

static u64
pick_size(void)
{
    static const u64 around[] = { 1, 4095, 4096, 4097, 8192, 65535, 65536, 65537 };
    return pick(3) == 0 ? around[pick(ARRAY_SIZE(around))]
                        : 1 + pick(pick(2) == 0 ? 200 : 9000);
}

/* The slots of a pipe as pipe(7) and Linux have them: each write takes a slot for each
 * page, but what does not fill a page goes behind the last one's bytes if it fits. */
struct model {
    u64 offset[512], bytes[512];
    u64 head, tail, slots;
};

static i64
model_write(struct model *m, u64 n)
{
    u64 done = 0, part = n % 4096, last = (m->head - 1) % 512;
    if (m->head != m->tail && part != 0 &&
        m->offset[last] + m->bytes[last] + part <= 4096) {
        m->bytes[last] += part;
        done = part;
    }
    while (done < n && m->head - m->tail < m->slots) {
        u64 piece = MIN(n - done, 4096ull);
        m->offset[m->head % 512] = 0;
        m->bytes[m->head++ % 512] = piece;
        done += piece;
    }
    return done != 0 ? (i64)done : -E_AGAIN;
}

static i64
model_read(struct model *m, u64 n)
{
    u64 done = 0;
    while (done < n && m->head != m->tail) {
        u64 piece = MIN(n - done, m->bytes[m->tail % 512]);
        m->offset[m->tail % 512] += piece;
        m->bytes[m->tail % 512] -= piece;
        m->tail += m->bytes[m->tail % 512] == 0;
        done += piece;
    }
    return done != 0 ? (i64)done : -E_AGAIN;
}

/* Verify that a pipe is a queue of bytes: sizes, EAGAIN, atomic small writes, and
 * resizing in between. */
static void
test_pipe_agrees_with_queue(void)
{
    struct file *r, *w;
    struct host_counts before = host_count();
    u64 written = 0, taken = 0;
    static struct model m;
    m = (struct model){ .slots = 16 };
    for (u64 i = 0; i < BUFFER; i++)
        in_data[i] = (u8)pick(256);
    CHECK(pipe_create(OPEN_NONBLOCK, &r, &w) == 0 && pipe_capacity(r) == 65536);
    while (written + 70000 < BUFFER) {
        u64 n = pick_size();
        if (pick(2) == 0) {
            i64 got = pipe_put(w, in_data + written, n);
            CHECK(got == model_write(&m, n));
            written += got > 0 ? (u64)got : 0;
        } else {
            i64 got = pipe_get(r, out_data + taken, n);
            CHECK(got == model_read(&m, n));
            taken += got > 0 ? (u64)got : 0;
        }
        if (pick(40) == 0) {
            u64 bytes = 4096ull << pick(7);
            i64 set = pipe_set_capacity(r, bytes);
            CHECK(set == (m.head - m.tail > bytes / 4096 ? -E_BUSY : (i64)bytes));
            m.slots = set > 0 ? bytes / 4096 : m.slots;
        }
    }
    file_release(w);
    while (taken < written) {
        i64 got = pipe_get(r, out_data + taken, 10000);
        CHECK(got > 0);
        taken += (u64)got;
    }
    CHECK(pipe_get(r, out_data, 1) == 0 && memcmp(in_data, out_data, written) == 0);
    file_release(r);
    CHECK(host_count().frames <= before.frames + 8 &&
          host_count().objects == before.objects);
}

static struct file *side;
static u64 moved;

static void
writer_thread(void *arg)
{
    (void)arg;
    while (moved < 1000000) {
        u64 n = MIN(1 + pick(100000), 1000000 - moved);
        i64 put = pipe_put(side, in_data + moved, n);
        CHECK(put == (i64)n); /* a blocking write comes back when all is in */
        moved += n;
    }
    file_release(side);
}

/* Verify that a blocked writer and a blocked reader hand over everything, in order,
 * and that the end is seen. */
static void
test_pipe_blocking_transfer(void)
{
    struct file *r;
    u64 taken = 0;
    moved = 0;
    CHECK(pipe_create(0, &r, &side) == 0);
    thread_start(thread_create("writer", writer_thread, NULL));
    for (;;) {
        i64 got = pipe_get(r, out_data + taken, 1 + pick(50000));
        CHECK(got >= 0);
        if (got == 0)
            break;
        taken += (u64)got;
    }
    CHECK(taken == 1000000 && memcmp(in_data, out_data, taken) == 0);
    file_release(r);
}

/* Verify that writing without a reader fails, and that poll sees each state. */
static void
test_pipe_ends(void)
{
    struct file *r, *w;
    CHECK(pipe_create(OPEN_NONBLOCK, &r, &w) == 0);
    CHECK(file_poll(r, NULL) == 0 && file_poll(w, NULL) == POLL_OUT);
    CHECK(pipe_put(w, "x", 1) == 1 && file_poll(r, NULL) == POLL_IN);
    u64 pos = 0;
    struct uio u;
    uio_libos(&u, out_data, 1);
    CHECK(file_read(r, &u, &pos) == -E_SPIPE && file_seek(r, 0, 0) == -E_SPIPE);
    CHECK(pipe_get(w, out_data, 1) == -E_BADF && pipe_put(r, "x", 1) == -E_BADF);
    file_release(r);
    CHECK((file_poll(w, NULL) & POLL_ERR) != 0 && pipe_put(w, "x", 1) == -E_PIPE &&
          pipe_put(w, "x", 0) == 0);
    file_release(w);
    CHECK(pipe_create(OPEN_NONBLOCK, &r, &w) == 0);
    CHECK(pipe_put(w, "x", 1) == 1);
    file_release(w);
    CHECK(file_poll(r, NULL) == (POLL_IN | POLL_HUP) && pipe_get(r, out_data, 9) == 1 &&
          pipe_get(r, out_data, 9) == 0);
    CHECK(file_poll(r, NULL) == POLL_HUP);
    file_release(r);
}

static int fifo_state;

static void
fifo_writer(void *arg)
{
    struct file *f;
    (void)arg;
    CHECK(do_open("/fifo", OPEN_WRITE, 0, &f) == 0);
    fifo_state = 1;
    CHECK(pipe_put(f, "through", 7) == 7);
    file_release(f);
}

/* Verify that opening a FIFO waits for the other side, and what O_NONBLOCK changes. */
static void
test_fifo_open(void)
{
    struct walk w = from_here(0);
    struct file *f, *g;
    CHECK(vfs_mknod(&w, "/fifo", IT_FIFO, 0600, 0) == 0);
    CHECK(try_open("/fifo", OPEN_WRITE | OPEN_NONBLOCK, 0) == -E_NXIO);
    CHECK(try_open("/fifo", OPEN_READ | OPEN_WRITE, 0) == 0);
    thread_start(thread_create("fifo", fifo_writer, NULL));
    host_settle();
    CHECK(fifo_state == 0);
    CHECK(do_open("/fifo", OPEN_READ, 0, &f) == 0);
    CHECK(pipe_get(f, out_data, 100) == 7 && memcmp(out_data, "through", 7) == 0 &&
          pipe_get(f, out_data, 1) == 0);
    CHECK(fifo_state == 1);
    file_release(f);
    CHECK(do_open("/fifo", OPEN_READ | OPEN_NONBLOCK, 0, &f) == 0 &&
          file_poll(f, NULL) == 0);
    CHECK(pipe_get(f, out_data, 1) == 0);
    CHECK(do_open("/fifo", OPEN_WRITE | OPEN_NONBLOCK, 0, &g) == 0 &&
          pipe_get(f, out_data, 1) == -E_AGAIN);
    file_release(g);
    CHECK(file_poll(f, NULL) == POLL_HUP && pipe_get(f, out_data, 1) == 0);
    file_release(f);
    CHECK(do_unlink("/fifo", false) == 0);
}

/* Verify that a pipe that cannot be made loses nothing. */
static void
test_pipe_out_of_memory(void)
{
    struct file *r, *w;
    struct host_counts before = host_count();
    for (u64 n = 0; n < 4; n++) {
        host_fail_heap_after(n);
        int made = pipe_create(0, &r, &w);
        host_fail_heap_after(~0ull);
        CHECK(made == -E_NOMEM && host_count().objects == before.objects);
    }
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setup_root();
    RUN(test_pipe_agrees_with_queue);
    RUN(test_pipe_blocking_transfer);
    RUN(test_pipe_ends);
    RUN(test_fifo_open);
    RUN(test_pipe_out_of_memory);
    fs_context_release(context);
    DONE();
}
