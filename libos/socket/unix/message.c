/* SPDX-License-Identifier: MIT */
/* Messages: bytes, and what goes along with them.  Small ones stand behind their message,
 * so that one allocation does; large ones are in frames of their own. */
#include "socket/unix/unix.h"

#include "core/heap.h"
#include "core/page.h"

static void
free_pages(struct unix_message *m)
{
    for (u32 i = 0; i < m->pages; i++)
        page_free(page_frame((void *)m->body[i]));
}

/* What is left of the message after a failure is freed. */
static int
fill_pages(struct unix_message *m, struct uio *u, u64 n)
{
    for (u64 done = 0; done < n; done += PAGE_SIZE) {
        frame_t frame = page_alloc();
        if (frame == FRAME_NONE)
            return -E_NOMEM;
        m->body[m->pages++] = (u64)page_ptr(frame);
        int r = uio_get(u, page_ptr(frame), MIN(n - done, PAGE_SIZE));
        if (r != 0)
            return r;
    }
    return 0;
}

struct unix_message *
unix_message_new(struct uio *u, u64 n, int *error)
{
    bool small = n <= UNIX_INLINE_MAX;
    u64 room = small ? n : PAGE_UP(n) / PAGE_SIZE * sizeof(u64);
    struct unix_message *m = heap_alloc(sizeof *m + room);
    if (m == NULL) {
        *error = -E_NOMEM;
        return NULL;
    }
    m->bytes = n;
    m->read = 0;
    m->charge = (u32)(sizeof *m + (small ? n : PAGE_UP(n)));
    m->pages = 0;
    m->has_sender = false;
    m->rights = NULL;
    m->from = NULL;
    int r = small ? (n == 0 ? 0 : uio_get(u, m->body, n)) : fill_pages(m, u, n);
    if (r == 0)
        return m;
    free_pages(m);
    heap_free(m);
    *error = r;
    return NULL;
}

void
unix_message_free(struct unix_message *m)
{
    if (m->from != NULL) {
        struct unix_socket *from = m->from;
        atomic_fetch_sub_explicit(&from->sent, m->charge, memory_order_relaxed);
        if (unix_writable(from))
            wait_wake(&from->socket.writable, ~0u);
        unix_release(from);
    }
    if (m->rights != NULL) {
        unix_flight_end(m->rights);
        socket_rights_free(m->rights);
    }
    free_pages(m);
    heap_free(m);
}

int
unix_message_copy(const struct unix_message *m, u64 at, u64 n, struct uio *u)
{
    if (m->pages == 0)
        return n == 0 ? 0 : uio_put(u, (const u8 *)m->body + at, n);
    while (n != 0) {
        u64 in_page = at % PAGE_SIZE, part = MIN(n, PAGE_SIZE - in_page);
        int r = uio_put(u, (const u8 *)m->body[at / PAGE_SIZE] + in_page, part);
        if (r != 0)
            return r;
        at += part;
        n -= part;
    }
    return 0;
}

int
unix_message_attach(struct unix_message *m, struct socket_message *from, bool tell_sender)
{
    if (from->has_sender) {
        m->sender = from->sender;
        m->has_sender = true;
    } else if (tell_sender) {
        socket_caller.sender(&m->sender, false);
        m->has_sender = true;
    }
    if (from->rights == NULL)
        return 0;
    int r = unix_flight_begin(from->rights);
    if (r != 0)
        return r;
    m->rights = from->rights;
    from->rights = NULL;
    return 0;
}

void
unix_message_sender(const struct unix_message *m, struct socket_message *to)
{
    to->has_sender = true;
    to->sender = m->has_sender ? m->sender
                               : (struct socket_sender){ 0, SOCKET_NOBODY, SOCKET_NOBODY };
}

/* A reader that does not take them loses them, and is told. */
void
unix_message_detach(struct unix_message *m, struct socket_message *to, bool take)
{
    if (m->rights == NULL)
        return;
    if (!take) {
        to->rights = (to->flags & SOCKET_RIGHTS) != 0 ? unix_flight_copy(m->rights) : NULL;
        if (to->rights == NULL)
            to->told |= SOCKET_RIGHTS_LOST;
        return;
    }
    unix_flight_end(m->rights);
    to->rights = m->rights; /* who reads without wanting them lets go of them */
    m->rights = NULL;
}
