/* SPDX-License-Identifier: MIT */
/*
 * /dev/kmsg: the log, one record for each read, as
 * "PRIORITY,SEQUENCE,MICROSECONDS,-;TEXT" and a newline; what does not print is \xNN.  A
 * write is a record.
 *
 * file->priv is the sequence number of its next record; two reads through one open file
 * at once may see the same record twice, none is lost.
 */
#include "core/format.h"
#include "core/heap.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/log_store.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "fs/dev/memory.h"

#define LINE_BYTES    (64u + 4 * LOG_TEXT_MAX)
#define FACILITY_USER 1u
#define LEVEL_DEFAULT 4u
#define LEVEL_CONSOLE 7u /* what is more important is shown; with `quiet`: */
#define LEVEL_QUIET   4u

static u64
position(const struct file *f)
{
    return (u64)__atomic_load_n(&f->priv, __ATOMIC_RELAXED);
}

static void
set_position(struct file *f, u64 seq)
{
    __atomic_store_n(&f->priv, (void *)seq, __ATOMIC_RELAXED);
}

static u32
print_record(const struct log_record *r, char *to)
{
    u32 n = (u32)format_text(to, LINE_BYTES, "%u,%lu,%lu,-;", r->priority, r->seq, r->us);

    for (u32 i = 0; i < r->length; i++) {
        u8 c = (u8)r->text[i];
        if (c >= ' ' && c < 127 && c != '\\')
            to[n++] = (char)c;
        else
            n += (u32)format_text(to + n, LINE_BYTES - n, "\\x%02x", c);
    }
    to[n++] = '\n';
    return n;
}

static i64
kmsg_read(struct file *f, struct uio *u, u64 *pos)
{
    struct log_record *record = heap_alloc(sizeof(*record));
    char *line = heap_alloc(LINE_BYTES);
    i64 r = record == NULL || line == NULL ? -E_NOMEM : 0;

    while (r == 0 && log_fetch(position(f), record) != 0) {
        if (f->flags & OPEN_NONBLOCK)
            r = -E_AGAIN;
        else if (wait_until(&log_arrived, log_next() > position(f), true, ~0ull) != 0)
            r = -E_RESTART;
    }
    if (r == 0 &&
        record->seq > position(f)) { /* overwritten; it goes on with the oldest */
        set_position(f, record->seq);
        r = -E_PIPE;
    }
    if (r == 0) {
        u32 n = print_record(record, line);
        r = n > u->left ? -E_INVAL : uio_put(u, line, n);
        if (r == 0) {
            set_position(f, record->seq + 1);
            r = n;
        }
    }
    (void)pos;
    heap_free(record);
    heap_free(line);
    return r;
}

static i64
kmsg_write(struct file *f, struct uio *u, u64 *pos)
{
    char text[LOG_TEXT_MAX + 1];
    u32 n = (u32)u->left, at = 0, priority = FACILITY_USER << 3 | LEVEL_DEFAULT;

    (void)f;
    (void)pos;
    if (u->left > LOG_TEXT_MAX)
        return -E_INVAL;
    int r = uio_get(u, text, n);
    if (r != 0)
        return r;
    text[n] = '\0';
    if (text[0] == '<') {
        u32 value = 0, end = 1;
        for (; text[end] >= '0' && text[end] <= '9' && end < 6; end++)
            value = value * 10 + (u32)(text[end] - '0');
        if (end > 1 && text[end] == '>') {
            /* Nobody but the kernel speaks for it. */
            priority = value >> 3 != 0 ? value : FACILITY_USER << 3 | (value & 7);
            at = end + 1;
        }
    }
    log_store(priority, text + at, n - at);
    if ((priority & 7) < log_console_level) {
        hw_console_write(text + at, n - at);
        if (n == at || text[n - 1] != '\n')
            hw_console_write("\n", 1);
    }
    return n;
}

static u32
kmsg_poll(struct file *f, struct poll_table *t)
{
    if (t)
        t->add(t, &log_arrived);
    return (log_next() > position(f) ? POLL_IN : 0) |
           (log_first() > position(f) ? POLL_ERR | POLL_PRI : 0) | POLL_OUT;
}

/* Begin, what came since it was cleared, end: the one offset is 0. */
static i64
kmsg_seek(struct file *f, i64 offset, int whence)
{
    if (offset != 0)
        return -E_SPIPE;
    switch (whence) {
    case 0: set_position(f, log_first()); break;
    case 2: set_position(f, log_next()); break;
    case 3: set_position(f, MAX(log_first(), log_cleared)); break;
    default: return -E_INVAL;
    }
    return 0;
}

static int
kmsg_open(struct device *d, struct inode *i, struct file *f)
{
    (void)d;
    (void)i;
    set_position(f, log_first());
    return 0;
}

static const struct file_ops kmsg_ops = {
    .read = kmsg_read,
    .write = kmsg_write,
    .poll = kmsg_poll,
    .seek = kmsg_seek,
    .traits = FILE_UNLOCKED,
};
static struct device kmsg = {
    .name = "kmsg",
    .mode = 0644,
    .ops = &kmsg_ops,
    .open = kmsg_open,
};

void
dev_kmsg_init(void)
{
    log_console_level = hw_quiet() ? LEVEL_QUIET : LEVEL_CONSOLE;
    kmsg.rdev = vfs_rdev(1, 11);
    dev_register(&kmsg);
}
