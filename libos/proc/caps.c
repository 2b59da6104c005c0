/* SPDX-License-Identifier: MIT */
/*
 * Capabilities of a process: capset, the bounding and ambient sets, securebits, and what
 * exec makes of them all (capabilities(7), "Transformation of capabilities during
 * execve()"). C1-C3 in cred.c.
 */
#include "proc/cred.h"
#include "proc/internal.h"
#include "vfs/xattr.h"

/* A copy of the process's set, changed by `change`, becomes the new one. */
struct change {
    u64 effective, permitted, inheritable, bounding, ambient;
    u32 securebits;
};

static struct change
as_it_is(const struct cred *c)
{
    return (struct change){ c->effective, c->permitted, c->inheritable,
                            c->bounding, c->ambient, c->securebits };
}

static int
put(struct change to)
{
    const struct cred *now = cred_own();
    to.ambient &= to.permitted & to.inheritable; /* C3 */
    if (now->effective == to.effective && now->permitted == to.permitted &&
        now->inheritable == to.inheritable && now->bounding == to.bounding &&
        now->ambient == to.ambient && now->securebits == to.securebits)
        return 0;
    struct cred *c = cred_copy(now);
    if (c == NULL)
        return -E_NOMEM;
    c->effective = to.effective;
    c->permitted = to.permitted;
    c->inheritable = to.inheritable;
    c->bounding = to.bounding;
    c->ambient = to.ambient;
    c->securebits = to.securebits;
    cred_install(c);
    return 0;
}

int
cred_set_caps(u64 effective, u64 permitted, u64 inheritable)
{
    const struct cred *c = cred_own();
    struct change to = as_it_is(c);
    effective &= CAPS_ALL;
    permitted &= CAPS_ALL;
    inheritable &= CAPS_ALL;
    if ((inheritable & ~(c->inheritable | c->permitted)) != 0 &&
        !cred_can(c, CAP_SETPCAP))
        return -E_PERM;
    if ((inheritable & ~(c->inheritable | c->bounding)) != 0 ||
        (permitted & ~c->permitted) != 0 || (effective & ~permitted) != 0)
        return -E_PERM;
    to.effective = effective;
    to.permitted = permitted;
    to.inheritable = inheritable;
    return put(to);
}

int
cred_drop_bounding(enum capability cap)
{
    struct change to = as_it_is(cred_own());
    if (!cred_can(cred_own(), CAP_SETPCAP))
        return -E_PERM;
    to.bounding &= ~CAP_BIT(cap);
    return put(to);
}

int
cred_set_securebits(u32 bits)
{
    struct change to = as_it_is(cred_own());
    u32 locked = to.securebits & SECURE_LOCKS;
    if (((locked >> 1) & (to.securebits ^ bits)) != 0 || (locked & ~bits) != 0 ||
        (bits & ~(SECURE_BITS | SECURE_LOCKS)) != 0 || !cred_can(cred_own(), CAP_SETPCAP))
        return -E_PERM;
    to.securebits = bits;
    return put(to);
}

int
cred_keep_caps(bool keep)
{
    struct change to = as_it_is(cred_own());
    if (to.securebits & SECURE_KEEP_CAPS << 1)
        return -E_PERM;
    to.securebits = keep ? to.securebits | SECURE_KEEP_CAPS
                         : to.securebits & ~SECURE_KEEP_CAPS;
    return put(to);
}

int
cred_raise_ambient(enum capability cap)
{
    struct change to = as_it_is(cred_own());
    if (!(to.permitted & to.inheritable & CAP_BIT(cap)) ||
        (to.securebits & SECURE_NO_AMBIENT_RAISE))
        return -E_PERM;
    to.ambient |= CAP_BIT(cap);
    return put(to);
}

int
cred_lower_ambient(u64 caps)
{
    struct change to = as_it_is(cred_own());
    to.ambient &= ~caps;
    return put(to);
}

/* What the file gives.  -E_PERM: it sets the effective bit, so it does not know how to do
 * without what the bounding set refuses. */
static int
take_file_caps(struct cred *c, const struct file_caps *file, bool *effective)
{
    c->permitted = (c->bounding & file->permitted) | (c->inheritable & file->inheritable);
    *effective = file->effective;
    return *effective && (file->permitted & ~c->permitted) != 0 ? -E_PERM : 0;
}

/* Root has all, unless securebits say otherwise, or a set-user-id program that is root's
 * has capabilities of its own and somebody else runs it. */
static void
take_root_caps(struct cred *c, const struct file_caps *file, bool *effective)
{
    bool only_set_id = c->uid != 0 && c->euid == 0;
    if ((c->securebits & SECURE_NOROOT) != 0 || (file->there && only_set_id))
        return;
    if (c->euid == 0 || c->uid == 0)
        c->permitted = c->bounding | c->inheritable;
    *effective |= c->euid == 0;
}

int
cred_for_exec(const struct cred *from, const struct file_rights *program, bool honour,
              bool may_gain, struct cred **out, bool *secure)
{
    const struct file_caps *caps = &program->caps;
    bool effective = false;
    int r = 0;
    struct cred *c = *out = cred_copy(from);
    if (c == NULL)
        return -E_NOMEM;
    if (honour && (program->mode & 04000))
        c->euid = program->uid;
    if (honour && (program->mode & 02010) == 02010)
        c->egid = program->gid;
    bool set_id = c->euid != from->uid || c->egid != from->gid;
    bool changes = c->euid != from->euid || c->egid != from->egid;
    c->permitted = 0;
    if (caps->there)
        r = take_file_caps(c, caps, &effective);
    take_root_caps(c, caps, &effective);
    if (changes || set_id || caps->there)
        c->ambient = 0;
    c->permitted |= c->ambient;
    if (!may_gain)
        c->permitted &= from->permitted; /* which the ambient ones are within: C3 */
    c->effective = effective ? c->permitted : c->ambient;
    c->securebits &= ~SECURE_KEEP_CAPS;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    *secure = c->euid != c->uid || c->egid != c->gid ||
              (c->uid != 0 && (effective || (c->permitted & ~c->ambient) != 0));
    if (r == 0)
        return 0;
    cred_release(c);
    *out = NULL;
    return r;
}
