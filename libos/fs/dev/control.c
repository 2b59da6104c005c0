/* SPDX-License-Identifier: MIT */
/*
 * /dev/steward: the steward's control port, for root of an instance whose manifest says
 * `devices control`.  A write is one request line; reads then give its answer, and the
 * end of the file after it.
 *
 * T1. One request is on its way at a time (channel.lock), whoever sends it.
 * T2. Nothing waits for the steward longer than REPLY_NS; the rest of a reply that came
 *     too late is told by its tag, and dropped.
 * file->priv: struct answer, or NULL before the first request.
 */
#include "core/clock.h"
#include "core/error.h"
#include "core/heap.h"
#include "core/steward.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "fs/dev/memory.h"

#define REPLY_NS    5000000000ull
#define REPLY_BYTES 32768u
#define LINE_BYTES  255u

struct answer {
    u32 bytes;
    char text[REPLY_BYTES];
};
static struct {
    struct mutex lock;
    u32 tag; /* of the last request */
} channel = { .lock = MUTEX_INIT(channel.lock) };

static int
send_line(const char *line, u32 bytes)
{
    u64 limit = clock_mono_ns() + REPLY_NS;

    for (u32 at = 0; at < bytes; at += STEWARD_PIECE) {
        u32 n = MIN(bytes - at, STEWARD_PIECE);
        while (!steward_request(line + at, n, at + n == bytes, channel.tag)) {
            if (clock_mono_ns() > limit)
                return -E_TIMEDOUT;
            wait_until(&steward_replied, false, false, clock_mono_ns() + 1000000);
        }
    }
    return 0;
}

static int
take_reply(struct answer *a)
{
    u64 limit = clock_mono_ns() + REPLY_NS;
    char piece[STEWARD_PIECE];
    bool end = false;
    u32 tag = 0;
    int n;

    a->bytes = 0;
    while (!end || tag != channel.tag) {
        if (wait_until(&steward_replied, (n = steward_reply(piece, &tag, &end)) >= 0, false,
                       limit) != 0)
            return -E_TIMEDOUT;
        if (tag != channel.tag)
            continue;
        u32 fits = MIN((u32)n, REPLY_BYTES - a->bytes);
        memcpy(a->text + a->bytes, piece, fits);
        a->bytes += fits;
    }
    return 0;
}

static i64
control_write(struct file *f, struct uio *u, u64 *pos)
{
    char line[LINE_BYTES];
    u32 n = (u32)u->left;

    if (u->left == 0 || u->left > LINE_BYTES)
        return -E_INVAL;
    int r = uio_get(u, line, n);
    if (r != 0)
        return r;
    mutex_lock(&channel.lock);
    struct answer *a = f->priv;
    if (a == NULL)
        a = heap_alloc(sizeof(*a));
    if (a != NULL) {
        f->priv = a;
        channel.tag = (channel.tag + 1) & 0x7fffffff;
        a->bytes = 0;
        r = send_line(line, n);
        if (r == 0)
            r = take_reply(a);
        *pos = 0;
    } else {
        r = -E_NOMEM;
    }
    mutex_unlock(&channel.lock);
    return r != 0 ? r : (i64)n;
}

static i64
control_read(struct file *f, struct uio *u, u64 *pos)
{
    mutex_lock(&channel.lock);
    struct answer *a = f->priv;
    u64 left = a == NULL || *pos >= a->bytes ? 0 : a->bytes - *pos;
    u64 n = MIN(left, u->left);
    i64 r = n > 0 ? uio_put(u, a->text + *pos, n) : 0;
    if (r == 0) {
        *pos += n;
        r = (i64)n;
    }
    mutex_unlock(&channel.lock);
    return r;
}

static void
control_release(struct file *f)
{
    heap_free(f->priv);
}

static const struct file_ops control_ops = {
    .read = control_read,
    .write = control_write,
    .release = control_release,
};

static int
control_open(struct device *d, struct inode *i, struct file *f)
{
    (void)d;
    (void)i;
    f->priv = NULL;
    if (!steward_control())
        return -E_NXIO;
    return dev_caller_is_root != NULL && dev_caller_is_root() ? 0 : -E_PERM;
}

static struct device control = {
    .name = "steward",
    .mode = 0600,
    .ops = &control_ops,
    .open = control_open,
};

void
dev_control_init(void)
{
    control.rdev = vfs_rdev(10, 240);
    if (steward_control())
        dev_register(&control);
}
