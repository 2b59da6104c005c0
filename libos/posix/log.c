/* SPDX-License-Identifier: MIT */
/* syslog(2): the log as text, "<PRIORITY>[SECONDS.MICROSECONDS] TEXT" and a newline for
 * each record. */
#include "core/heap.h"
#include "core/log.h"
#include "core/log_store.h"
#include "posix/files.h"

enum {
    LOG_CLOSE,
    LOG_OPEN,
    LOG_READ,
    LOG_READ_ALL,
    LOG_READ_CLEAR,
    LOG_CLEAR,
    LOG_CONSOLE_OFF,
    LOG_CONSOLE_ON,
    LOG_CONSOLE_LEVEL,
    LOG_SIZE_UNREAD,
    LOG_SIZE_BUFFER,
};
#define LINE_BYTES (LOG_TEXT_MAX + 64u)

/* What LOG_READ takes next; a record that did not fit stays. */
static _Atomic u64 unread;

struct line {
    struct log_record record;
    char text[LINE_BYTES];
    u32 length;
};

/* The record at or after seq as text; false: there is none. */
static bool
fetch_line(struct line *l, u64 seq)
{
    if (log_fetch(seq, &l->record) != 0)
        return false;
    const struct log_record *r = &l->record;
    u32 n = (u32)format_text(l->text, LINE_BYTES, "<%u>[%lu.%06lu] ", r->priority,
                             r->us / 1000000, r->us % 1000000);
    for (u32 i = 0; i < r->length; i++)
        l->text[n++] = r->text[i];
    l->text[n++] = '\n';
    l->length = n;
    return true;
}

/* From seq on, as many whole lines as fit; *next: behind them. */
static i64
copy_lines(struct line *l, u64 seq, uaddr to, u64 room, u64 *next)
{
    u64 done = 0;
    *next = seq;
    while (fetch_line(l, *next) && done + l->length <= room) {
        int r = copy_to_user(to + done, l->text, l->length);
        if (r != 0)
            return r;
        done += l->length;
        *next = l->record.seq + 1;
    }
    return (i64)done;
}

static u64
bytes_from(struct line *l, u64 seq)
{
    u64 total = 0;
    for (; fetch_line(l, seq); seq = l->record.seq + 1)
        total += l->length;
    return total;
}

/* The newest lines that fit. */
static i64
read_all(struct line *l, uaddr to, u64 room)
{
    u64 seq = log_cleared, next;
    u64 total = bytes_from(l, seq);
    for (; total > room && fetch_line(l, seq); seq = l->record.seq + 1)
        total -= l->length;
    return copy_lines(l, seq, to, room, &next);
}

static i64
read_next(struct line *l, uaddr to, u64 room)
{
    u64 seq, next;
    i64 n;
    do {
        seq = atomic_load(&unread);
        if (wait_until(&log_arrived, log_next() > seq, true, ~0ull) != 0)
            return -E_RESTART;
        n = copy_lines(l, seq, to, room, &next);
    } while (n == 0 && next > seq);
    if (n > 0)
        atomic_store(&unread, next);
    return n;
}

static i64
set_console(u32 type, i64 level)
{
    static u32 before;
    if (type == LOG_CONSOLE_LEVEL) {
        if (level < 1 || level > 8)
            return -E_INVAL;
        log_console_level = (u32)level;
        before = 0;
    } else if (type == LOG_CONSOLE_OFF && before == 0) {
        before = log_console_level;
        log_console_level = 1;
    } else if (type == LOG_CONSOLE_ON && before != 0) {
        log_console_level = before;
        before = 0;
    }
    return 0;
}

static i64
do_read(u32 type, uaddr to, i64 room)
{
    if (room < 0 || to == 0)
        return -E_INVAL;
    if (room == 0)
        return 0;
    struct line *l = heap_alloc(sizeof *l);
    if (l == NULL)
        return -E_NOMEM;
    i64 n = type == LOG_READ ? read_next(l, to, (u64)room) : read_all(l, to, (u64)room);
    if (n >= 0 && type == LOG_READ_CLEAR)
        log_cleared = log_next();
    heap_free(l);
    return n;
}

static i64
count_unread(void)
{
    struct line *l = heap_alloc(sizeof *l);
    if (l == NULL)
        return -E_NOMEM;
    i64 n = (i64)bytes_from(l, atomic_load(&unread));
    heap_free(l);
    return n;
}

long
sys_syslog(struct user_frame *f)
{
    u32 type = (u32)SYS_ARG0(f);
    if (type > LOG_SIZE_BUFFER)
        return -E_INVAL;
    if (type != LOG_READ_ALL && type != LOG_SIZE_BUFFER &&
        !cred_can(cred_own(), CAP_SYSLOG) && !may_act_as_root())
        return -E_PERM;
    switch (type) {
    case LOG_READ:
    case LOG_READ_ALL:
    case LOG_READ_CLEAR: return do_read(type, SYS_ARG1(f), (i32)SYS_ARG2(f));
    case LOG_CLEAR: log_cleared = log_next(); return 0;
    case LOG_CONSOLE_OFF:
    case LOG_CONSOLE_ON:
    case LOG_CONSOLE_LEVEL: return set_console(type, (i32)SYS_ARG2(f));
    case LOG_SIZE_UNREAD: return count_unread();
    case LOG_SIZE_BUFFER: return LOG_STORE_BYTES;
    default: return 0; /* LOG_OPEN and LOG_CLOSE do nothing on Linux, too */
    }
}
