/* SPDX-License-Identifier: MIT */
/* Unit tests of local sockets: a random stream against a plain queue, files on their way,
 * names; and that nothing is left afterwards. */
#include "vfs/test/setup.h"

#include "core/string.h"
#include "core/work.h"
#include "socket/socket.h"

static void
walk_of_nobody(struct walk *w)
{
    w->context = NULL;
    w->cred = NULL;
}

static void
sender_is_root(struct socket_sender *out, bool effective)
{
    (void)effective;
    *out = (struct socket_sender){ 1, 0, 0 };
}

static u64
rights_max(void)
{
    return 100;
}

static u32 seed = 1;

static u32
random_below(u32 n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static struct file *
new_socket(enum socket_type type)
{
    struct socket *s;
    struct file *f;
    CHECK(unix_family.create(type, 0, &s) == 0);
    CHECK(socket_open(s, OPEN_NONBLOCK, &f) == 0);
    return f;
}

static void
new_pair(enum socket_type type, struct file *f[2])
{
    f[0] = new_socket(type);
    f[1] = new_socket(type);
    struct socket *a = socket_of(f[0]);
    CHECK(a->ops->pair(a, socket_of(f[1])) == 0);
}

static i64
transfer(struct file *f, bool send, void *data, u64 bytes, u32 flags,
         struct socket_rights **rights)
{
    struct uio u;
    struct socket *s = socket_of(f);
    struct socket_message m = { .data = &u, .flags = flags | SOCKET_NONBLOCK };
    uio_libos(&u, data, bytes);
    if (rights != NULL && send)
        m.rights = *rights;
    i64 n = send ? s->ops->send(s, &m) : s->ops->receive(s, &m);
    if (rights != NULL)
        *rights = m.rights;
    else
        socket_rights_free(m.rights);
    return n;
}

/* Verify that bytes come out as they went in, however they are cut, and that peeks see
 * what is next. */
static void
test_stream_when_random_then_as_a_queue(void)
{
    static u8 model[1 << 20], buffer[70000];
    u64 head = 0, tail = 0;
    struct file *f[2];
    new_pair(SOCKET_STREAM, f);
    for (int i = 0; i < 4000; i++) {
        u32 n = random_below(4) == 0 ? random_below(sizeof buffer) : random_below(300);
        if (random_below(2) == 0) {
            n = (u32)MIN(n, sizeof model - (head - tail));
            for (u32 k = 0; k < n; k++)
                buffer[k] = (u8)random_below(256);
            i64 sent = transfer(f[0], true, buffer, n, 0, NULL);
            CHECK(sent == -E_AGAIN || (sent >= 0 && sent <= n));
            for (i64 k = 0; k < sent; k++)
                model[head++ % sizeof model] = buffer[k];
        } else {
            bool peek = random_below(3) == 0;
            i64 got = transfer(f[1], false, buffer, n, peek ? SOCKET_PEEK : 0, NULL);
            CHECK(head != tail || n == 0 || got == -E_AGAIN);
            if (got < 0)
                continue;
            CHECK((u64)got == MIN(n, head - tail));
            for (i64 k = 0; k < got; k++)
                CHECK(buffer[k] == model[(tail + (u64)k) % sizeof model]);
            tail += peek ? 0 : (u64)got;
        }
        CHECK(socket_of(f[1])->ops->readable(socket_of(f[1])) == (i64)(head - tail));
    }
    file_release(f[0]);
    file_release(f[1]);
}

/* Verify the same of datagrams: each is one. */
static void
test_dgram_when_random_then_boundaries(void)
{
    static u8 buffer[5000];
    u32 sizes[4096], head = 0, tail = 0;
    struct file *f[2];
    new_pair(SOCKET_DGRAM, f);
    for (int i = 0; i < 4000; i++) {
        u32 n = random_below(sizeof buffer);
        if (random_below(2) == 0) {
            memset(buffer, (int)(head & 255), n);
            if (transfer(f[0], true, buffer, n, 0, NULL) >= 0)
                sizes[head++ % 4096] = n;
        } else {
            i64 got = transfer(f[1], false, buffer, n, SOCKET_TRUNC, NULL);
            if (head == tail) {
                CHECK(got == -E_AGAIN);
                continue;
            }
            CHECK(got == sizes[tail % 4096]);
            if (got != 0 && n != 0)
                CHECK(buffer[0] == (u8)tail && buffer[MIN((u32)got, n) - 1] == (u8)tail);
            tail++;
        }
    }
    file_release(f[0]);
    file_release(f[1]);
}

static struct socket_rights *
rights_of(struct file **file, u32 n)
{
    struct socket_rights *r = socket_rights_new(n);
    CHECK(r != NULL);
    for (u32 i = 0; i < n; i++) {
        file_hold(file[i]);
        r->file[r->count++] = file[i];
    }
    return r;
}

/* Verify that sockets which hold each other at random all go when nobody has them. */
static void
test_rights_when_cycles_then_collected(void)
{
    for (int round = 0; round < 50; round++) {
        struct file *f[20];
        for (int i = 0; i < 20; i += 2)
            new_pair(random_below(2) == 0 ? SOCKET_STREAM : SOCKET_DGRAM, &f[i]);
        for (int i = 0; i < 40; i++) {
            struct file *some[2] = { f[random_below(20)], f[random_below(20)] };
            struct socket_rights *r = rights_of(some, 2);
            i64 n = transfer(f[random_below(20)], true, "x", 1, 0, &r);
            CHECK(n == 1 || n == -E_AGAIN);
            socket_rights_free(r);
        }
        if (random_below(2) == 0) { /* some are taken again */
            u8 byte;
            struct socket_rights *r = NULL;
            (void)!transfer(f[random_below(20)], false, &byte, 1, SOCKET_RIGHTS, &r);
            socket_rights_free(r);
        }
        for (int i = 0; i < 20; i++)
            file_release(f[i]);
    }
    for (int i = 0; i < 200; i++)
        file_release(new_socket(SOCKET_STREAM));
    work_queue_drain(&work_shared);
    struct unix_facts facts;
    CHECK(!unix_next(0, &facts));
}

/* Verify names: one of each kind, free again with its socket. */
static void
test_names_when_taken_then_refused(void)
{
    struct file *a = new_socket(SOCKET_STREAM), *b = new_socket(SOCKET_STREAM),
                *c = new_socket(SOCKET_DGRAM);
    struct socket_address name = { .length = 3, .bytes = { 0, 'n', 'm' } }, got;
    struct socket *s = socket_of(a), *t = socket_of(b), *u = socket_of(c);
    CHECK(s->ops->bind(s, &name) == 0 && s->ops->bind(s, &name) == -E_INVAL);
    CHECK(t->ops->bind(t, &name) == -E_ADDRINUSE && u->ops->bind(u, &name) == 0);
    CHECK(t->ops->connect(t, &name, true) == -E_CONNREFUSED);
    CHECK(s->ops->listen(s, 0) == 0 && t->ops->connect(t, &name, true) == 0);
    CHECK(t->ops->connect(t, &name, true) == -E_AGAIN); /* before it says EISCONN */
    CHECK(t->ops->name(t, true, &got) == 0 && got.length == 3);
    file_release(a); /* with the connection that nobody accepted */
    CHECK(transfer(b, true, "x", 1, 0, NULL) == -E_PIPE);
    CHECK(transfer(b, false, &got, 1, 0, NULL) == -E_CONNRESET);
    CHECK(transfer(b, false, &got, 1, 0, NULL) == 0);
    a = new_socket(SOCKET_STREAM);
    s = socket_of(a);
    CHECK(s->ops->bind(s, &name) == 0);
    file_release(a);
    file_release(b);
    file_release(c);
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setup_root();
    socket_caller = (struct socket_caller){ .walk = walk_of_nobody, .sender = sender_is_root,
                                           .rights_max = rights_max };
    struct host_counts before = host_count();
    RUN(test_stream_when_random_then_as_a_queue);
    RUN(test_dgram_when_random_then_boundaries);
    RUN(test_rights_when_cycles_then_collected);
    RUN(test_names_when_taken_then_refused);
    CHECK(host_count().objects == before.objects);
    fs_context_release(context);
    DONE();
}
