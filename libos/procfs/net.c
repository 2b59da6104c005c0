/* SPDX-License-Identifier: MIT */
/* /proc/PID/net: there is one network for all processes. */
#include "core/log.h"
#include "procfs/shows.h"
#include "socket/socket.h"

#define PIECE_LINES 32u
#define ACCEPTS 0x10000u /* the flag of a listener */

static void
unix_line(struct text *t, const struct unix_facts *f)
{
    text_add(t, "%016x: %08x %08x %08x %04x %02x %5lu", 0, f->refs + 1, 0u,
             f->listens ? ACCEPTS : 0u, f->type, f->state, f->ino);
    if (f->name.length != 0) {
        char name[SOCKET_ADDRESS_MAX];
        bool abstract = f->name.bytes[0] == 0;
        u32 n = f->name.length - (abstract ? 0 : 1); /* without the NUL */
        for (u32 i = 0; i < n; i++)
            name[i] = f->name.bytes[i] != 0 ? (char)f->name.bytes[i] : '@';
        text_add(t, " ");
        text_put(t, name, n);
    }
    text_add(t, "\n");
}

/* The cursor is the next socket's number. */
static int
unix_show(struct view *v, struct text *t)
{
    struct unix_facts f;
    if (v->cursor == 0)
        text_add(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    for (u32 i = 0; i < PIECE_LINES; i++) {
        if (!unix_next(v->cursor, &f)) {
            v->ended = true;
            return 0;
        }
        unix_line(t, &f);
        v->cursor = f.ino + 1;
    }
    return 0;
}

const struct entry net_entries[NET_ENTRIES] = {
    ENTRY_FILE("unix", 0444, .show = unix_show),
};
