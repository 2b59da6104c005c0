/* SPDX-License-Identifier: MIT */
/* Making and destroying endpoints; what is done at them is in ipc/. */
#include "call/call.h"
#include "frame/frame.h"
#include "ipc/ipc.h"

#define ENDPOINT_AUTH                                                                    \
    FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_SEND | FB_KIND_IPC_RECV,                          \
            FB_RIGHT_READ | FB_RIGHT_CONTROL | FB_RIGHT_DERIVE | FB_RIGHT_GRANT |        \
                FB_RIGHT_REVOKE | FB_RIGHT_SIGNAL)

struct ret
call_endpoint_create(u64 memory, u64 frame, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cap *parent;
    struct frames m;

    (void)a2, (void)a3, (void)a4, (void)a5;
    int error = find_frames(caller(), memory, FB_AUTH(0, 0, FB_RIGHT_GIVE), &m, &parent);
    if (error)
        return ERR(error);
    if (!within(frame, 1, m.lo, m.hi))
        return ERR(-FB_E_RANGE);
    struct cap_table *table = &caller()->table;
    error = cap_reserve(table, parent);
    if (error)
        return ERR(error);
    u64 name = 0;
    error = frame_give(frame, FB_FRAME_OBJECT);
    if (!error) {
        struct endpoint *e = frame_ptr(frame);
        struct authority may = { .auth =
                                     ENDPOINT_AUTH & (parent->may.auth | ~LATTICE_CLASS),
                                 .lo = 0,
                                 .hi = ~0ull };
        name = cap_insert_locked(table, parent, FB_TYPE_ENDPOINT, e, may);
        e->cap = &table->slots[name & CAP_SLOT_MASK];
        e->frame = frame;
    }
    cap_release();
    return RET(error, name);
}

struct ret
call_endpoint_destroy(u64 name, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cap *c;

    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    int error = cap_lock();
    if (error)
        return ERR(error);
    error = cap_find_ending(&caller()->table, name, FB_TYPE_ENDPOINT,
                            FB_AUTH(0, 0, FB_RIGHT_CONTROL), &c);
    if (!error) {
        struct endpoint *e = c->object;
        error = cap_destroy_locked(e->cap, c); /* 0: after a quiet point (P8) */
        if (!error)
            ipc_end(e);
    }
    cap_release();
    return ERR(error);
}
