/* SPDX-License-Identifier: MIT */
/* Calls on capabilities. */
#include "call/call.h"
#include "domain/life.h"

struct ret
call_cap_derive(u64 source, u64 auth, u64 lo, u64 hi, u64 a4, u64 a5)
{
    struct domain *d = caller();
    u64 name = 0;

    (void)a4, (void)a5;
    struct authority ask = { .auth = auth, .lo = lo, .hi = hi };
    int error = cap_derive_to(&d->table, source, &d->table, FB_CLASS_ROOT, ask,
                              FB_AUTH(0, 0, FB_RIGHT_DERIVE), &name);
    return RET(error, name);
}

struct ret
call_cap_grant(u64 source, u64 domain, u64 auth, u64 lo, u64 hi, u64 a5)
{
    struct cap *to;
    u64 name = 0;

    (void)a5;
    int error = find(domain, FB_TYPE_DOMAIN, FB_AUTH(0, 0, FB_RIGHT_GRANT), &to);
    if (error)
        return ERR(error);
    struct domain *d = to->object;
    if (!domain_alive(d))
        return ERR(-FB_E_DEAD);
    struct authority ask = { .auth = auth, .lo = lo, .hi = hi };
    error = cap_derive_to(&caller()->table, source, &d->table, d->clearance, ask,
                          FB_AUTH(0, 0, FB_RIGHT_GRANT), &name);
    return RET(error, name);
}

struct ret
call_cap_move(u64 source, u64 domain, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cap *to;
    u64 name = 0;

    (void)a2, (void)a3, (void)a4, (void)a5;
    int error = find(domain, FB_TYPE_DOMAIN, FB_AUTH(0, 0, FB_RIGHT_GRANT), &to);
    if (error)
        return ERR(error);
    struct domain *d = to->object;
    if (!domain_alive(d))
        return ERR(-FB_E_DEAD);
    error = cap_move_to(&caller()->table, source, &d->table, d->clearance, &name);
    return RET(error, name);
}

struct ret
call_cap_inspect(u64 source, u64 offset, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cap_table *t = &caller()->table;
    u64 slot = source & CAP_SLOT_MASK;

    (void)a2, (void)a3, (void)a4, (void)a5;
    if (source == 0 || slot >= t->count || atomic_load(&t->slots[slot].name) != source)
        return ERR(-FB_E_NAME);
    struct fb_cap_info *out = buffer_at(offset, sizeof(*out), 8);
    if (!out)
        return ERR(-FB_E_FAULT);
    *out = cap_info(&t->slots[slot]);
    return ERR(0);
}

struct ret
call_cap_delete(u64 source, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    return ERR(cap_delete(&caller()->table, source));
}

struct ret
call_cap_revoke(u64 source, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    int error = cap_revoke_step(&caller()->table, source);
    if (error == -FB_E_INUSE) /* what was made through it may have ended */
        error = domain_resume_below(&caller()->table, source);
    return ERR(error);
}
