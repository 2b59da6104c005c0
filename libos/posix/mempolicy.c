/* SPDX-License-Identifier: MIT */
/*
 * NUMA policies: mbind, set_mempolicy, get_mempolicy, set_mempolicy_home_node, move_pages,
 * migrate_pages.  There is one node, number 0, so every policy that is possible means the
 * same; it is checked, kept and shown as on a Linux of one node.
 *
 * N1. A policy is a word: mode, and Linux's flags, moved down to bits 3 to 5.  A thread's
 *     stands in thread->memory_policy, that of a mapping in its area's AREA_POLICY bits;
 *     0 is none.
 */
#include "core/heap.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "vm/mm.h"

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, PREFERRED_MANY, MODES };
#define LINUX_F_SHIFT 13
#define F_BALANCING 1u /* from here on moved down by LINUX_F_SHIFT */
#define F_RELATIVE 2u
#define F_STATIC 4u
#define POLICY(mode, flags) ((mode) | (flags) << 3)
#define MODE(policy) ((policy) & 7u)
#define LINUX_MODE(policy) (MODE(policy) | ((policy) >> 3) << LINUX_F_SHIFT)

#define MF_STRICT 1u
#define MF_MOVE 2u
#define MF_MOVE_ALL 4u
#define GET_NODE 1u
#define GET_ADDR 2u
#define GET_ALLOWED 4u

#define MAX_NODES 1024u /* bits that a mask may have set at all, as Debian's Linux */

/* A set of nodes: is ours among them, is any? */
struct nodes {
    bool any, ours;
};

/* The mask's bits below `bits`, of which those beyond MAX_NODES must be clear. */
static int
get_nodes(uaddr mask, u64 bits, struct nodes *out)
{
    *out = (struct nodes){ false, false };
    bits--;
    if (bits == 0 || mask == 0)
        return 0;
    if (bits > PAGE_SIZE * 8)
        return -E_INVAL;
    for (u64 i = 0; i < bits; i += 64) {
        u64 word;
        if (copy_from_user(&word, mask + i / 8, sizeof word) != 0)
            return -E_FAULT;
        if (bits - i < 64)
            word &= (1ull << (bits - i)) - 1;
        if (word != 0 && i >= MAX_NODES)
            return -E_INVAL;
        out->any |= word != 0;
        out->ours |= i == 0 && (word & 1);
    }
    return 0;
}

/* What a program asks for, as a policy (N1). -E_INVAL -E_FAULT */
static int
get_policy(u64 linux_mode, uaddr mask, u64 bits, u32 *out)
{
    struct nodes nodes;
    u32 flags = (u32)linux_mode >> LINUX_F_SHIFT;
    u32 mode = (u32)linux_mode & ((1u << LINUX_F_SHIFT) - 1);
    if ((flags & ~(F_STATIC | F_RELATIVE | F_BALANCING)) || mode >= MODES ||
        (flags & (F_STATIC | F_RELATIVE)) == (F_STATIC | F_RELATIVE) ||
        ((flags & F_BALANCING) && mode != BIND))
        return -E_INVAL;
    int r = get_nodes(mask, bits, &nodes);
    if (r != 0)
        return r;
    bool pinned = flags & (F_STATIC | F_RELATIVE);
    if (mode == DEFAULT || mode == LOCAL) {
        if (nodes.any || (mode == LOCAL && pinned))
            return -E_INVAL;
    } else if (mode == PREFERRED && !nodes.any) {
        if (pinned)
            return -E_INVAL;
        mode = LOCAL;
    } else if (!nodes.any || !(nodes.ours || (flags & F_RELATIVE))) {
        return -E_INVAL;
    }
    *out = mode == DEFAULT ? 0 : POLICY(mode, flags);
    return 0;
}

/* Node 0, or none, into a mask of `bits`. */
static int
put_nodes(uaddr mask, u64 bits, bool ours)
{
    u64 word = ours, bytes = (MIN(bits, (u64)MAX_NODES) - 1 + 63) / 64 * 8;
    if (bytes == 0)
        return 0;
    if (copy_to_user(mask, &word, sizeof word) != 0)
        return -E_FAULT;
    u64 all = (bits - 1 + 63) / 64 * 8; /* what is beyond is cleared, up to a page */
    if (all > PAGE_SIZE)
        return -E_INVAL;
    return zero_user(mask + sizeof word, all - sizeof word);
}

long
sys_set_mempolicy(struct user_frame *f)
{
    u32 policy;
    int r = get_policy((u32)SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), &policy);
    if (r == 0)
        thread_current()->memory_policy = policy;
    return r;
}

/* The policy of the mapping at `at`. -E_FAULT: there is none. */
static int
policy_at(uaddr at, u32 *out)
{
    struct mm_area_info a;
    if (!mm_next_area(proc_current()->mm, at, &a))
        return -E_FAULT;
    bool there = a.start <= at;
    *out = (a.flags & AREA_POLICY) >> AREA_POLICY_SHIFT;
    mm_area_info_drop(&a);
    return there ? 0 : -E_FAULT;
}

/* What get_mempolicy says as its mode: of a page its node. */
static int
answer(u64 flags, uaddr at, u32 policy, u32 *out)
{
    *out = LINUX_MODE(policy);
    if (!(flags & GET_NODE))
        return 0;
    *out = 0;
    if (!(flags & GET_ADDR))
        return MODE(policy) == INTERLEAVE ? 0 : -E_INVAL;
    u8 byte;
    return mm_peek(proc_current()->mm, at, &byte, 1, false) == 1 ? 0 : -E_FAULT;
}

long
sys_get_mempolicy(struct user_frame *f)
{
    uaddr mode = SYS_ARG0(f), mask = SYS_ARG1(f), at = SYS_ARG3(f);
    u64 bits = SYS_ARG2(f), flags = SYS_ARG4(f);
    u32 policy = thread_current()->memory_policy, said = 0;
    bool allowed = flags & GET_ALLOWED;
    int r = 0;
    if ((flags & ~(u64)(GET_NODE | GET_ADDR | GET_ALLOWED)) || (mask && bits < 1) ||
        (allowed && (flags & (GET_NODE | GET_ADDR))) ||
        (!allowed && !(flags & GET_ADDR) && at != 0))
        return -E_INVAL;
    if (flags & GET_ADDR)
        r = policy_at(at, &policy);
    if (r == 0 && !allowed)
        r = answer(flags, at, policy, &said);
    if (r == 0 && mode)
        r = copy_to_user(mode, &said, sizeof said);
    bool named = MODE(policy) != DEFAULT && MODE(policy) != LOCAL;
    if (r == 0 && mask)
        r = put_nodes(mask, bits, allowed || named);
    return r;
}

/* The arguments of a range of pages.  1: it is empty. */
static int
check_range(uaddr at, u64 *bytes)
{
    *bytes = PAGE_UP(*bytes);
    if (at % PAGE_SIZE != 0 || at + *bytes < at)
        return -E_INVAL;
    return *bytes == 0;
}

long
sys_mbind(struct user_frame *f)
{
    uaddr at = SYS_ARG0(f);
    u64 bytes = SYS_ARG1(f), flags = (u32)SYS_ARG5(f);
    struct mm *m = proc_current()->mm;
    u32 policy;
    int r = get_policy((u32)SYS_ARG2(f), SYS_ARG3(f), SYS_ARG4(f), &policy);
    if (r != 0 || (flags & ~(u64)(MF_STRICT | MF_MOVE | MF_MOVE_ALL)))
        return r != 0 ? r : -E_INVAL;
    if ((flags & MF_MOVE_ALL) && !cred_can(cred_own(), CAP_SYS_NICE))
        return -E_PERM;
    r = check_range(at, &bytes);
    if (r != 0)
        return r < 0 ? r : 0;
    if (policy != 0 && mm_check_range(m, at, bytes) != 0)
        return -E_FAULT; /* a hole; the default may have some */
    r = mm_advise(m, at, bytes, MM_ADVISE_FLAGS, policy << AREA_POLICY_SHIFT, AREA_POLICY);
    return r == -E_NOMEM && policy == 0 ? 0 : r;
}

/* Of one node there is none to prefer: areas with a policy of several are what may have
 * one. */
long
sys_set_mempolicy_home_node(struct user_frame *f)
{
    uaddr at = SYS_ARG0(f);
    u64 bytes = SYS_ARG1(f);
    struct mm_area_info a;
    int r = check_range(at, &bytes);
    if (at % PAGE_SIZE != 0 || SYS_ARG3(f) != 0 || SYS_ARG2(f) != 0 || r < 0)
        return -E_INVAL;
    if (r == 1)
        return 0;
    r = -E_NOENT;
    for (uaddr pos = at; pos < at + bytes; pos = a.end) {
        if (!mm_next_area(proc_current()->mm, pos, &a) || a.start >= at + bytes) {
            break;
        }
        u32 policy = (a.flags & AREA_POLICY) >> AREA_POLICY_SHIFT;
        mm_area_info_drop(&a);
        if (a.start >= at + bytes)
            break;
        if (policy != 0 && MODE(policy) != BIND && MODE(policy) != PREFERRED_MANY)
            return -E_NOTSUP;
        if (policy != 0)
            r = 0;
    }
    return r;
}

/* ---- pages ---- */

/* Another process's memory, or our own (0). -E_SRCH -E_PERM */
static int
memory_of(i32 pid, struct mm **out)
{
    struct process *p = proc_current();
    if (pid != 0)
        p = proc_find_thread(pid);
    if (p == NULL)
        return -E_SRCH;
    int r = mm_of_inspected(p, true, out);
    if (pid != 0)
        proc_release(p);
    return r != 0 ? -E_PERM : *out == NULL ? -E_INVAL : 0;
}

/* Where one page is: 0, our node; or minus what Linux says of it. */
static i32
page_status(struct mm *m, uaddr at)
{
    u8 there = 0;
    int r = mm_resident(m, PAGE_DOWN(at), 1, &there);
    return r != 0 ? -posix_errnos[E_FAULT] : there ? 0 : -posix_errnos[E_NOENT];
}

static int
move_one(struct mm *m, const struct user_frame *f, u64 i)
{
    u64 at;
    if (copy_from_user(&at, SYS_ARG2(f) + i * sizeof at, sizeof at) != 0)
        return -E_FAULT;
    if (SYS_ARG3(f) != 0) {
        i32 node;
        if (copy_from_user(&node, SYS_ARG3(f) + i * sizeof node, sizeof node) != 0)
            return -E_FAULT;
        if (node != 0)
            return -E_NODEV;
    }
    i32 status = page_status(m, at);
    return copy_to_user(SYS_ARG4(f) + i * sizeof status, &status, sizeof status);
}

long
sys_move_pages(struct user_frame *f)
{
    struct mm *m;
    u64 flags = (u32)SYS_ARG5(f), count = SYS_ARG1(f);
    if (flags & ~(u64)(MF_MOVE | MF_MOVE_ALL))
        return -E_INVAL;
    if ((flags & MF_MOVE_ALL) && !cred_can(cred_own(), CAP_SYS_NICE))
        return -E_PERM;
    int r = memory_of((i32)SYS_ARG0(f), &m);
    if (r != 0)
        return r;
    for (u64 i = 0; r == 0 && i < count; i++) {
        r = move_one(m, f, i);
        if (i % 256 == 255)
            thread_breathe();
    }
    mm_drop(m);
    return r;
}

long
sys_migrate_pages(struct user_frame *f)
{
    struct nodes from, to;
    struct mm *m;
    int r = get_nodes(SYS_ARG2(f), SYS_ARG1(f), &from);
    if (r == 0)
        r = get_nodes(SYS_ARG3(f), SYS_ARG1(f), &to);
    if (r == 0)
        r = memory_of((i32)SYS_ARG0(f), &m);
    if (r != 0)
        return r;
    mm_drop(m); /* every page is where it can be only */
    return to.ours ? 0 : -E_INVAL;
}
