/* SPDX-License-Identifier: MIT */
/*
 * /dev/null, zero, full, random and urandom.  The two random ones are the same: core's
 * generator is seeded at boot, before anyone can open them.  Their position means nothing
 * and is not locked.
 */
#include "fs/dev/memory.h"

#include "core/random.h"
#include "core/string.h"
#include "core/thread.h"
#include "fs/dev/dev.h"

#define PIECE 65536u /* between two looks at whether others should run */

static i64
null_read(struct file *f, struct uio *u, u64 *pos)
{
    (void)f;
    (void)u;
    (void)pos;
    return 0;
}

static i64
null_write(struct file *f, struct uio *u, u64 *pos)
{
    (void)f;
    (void)pos;
    return (i64)u->left;
}

static i64
full_write(struct file *f, struct uio *u, u64 *pos)
{
    (void)f;
    (void)u;
    (void)pos;
    return -E_NOSPC;
}

/* In a long transfer: let others run; true when a signal says that it is enough. */
static bool
pause_is_end(void)
{
    thread_breathe();
    return thread_interrupted(thread_current());
}

static i64
zero_read(struct file *f, struct uio *u, u64 *pos)
{
    u64 wanted = u->left;
    (void)f;
    (void)pos;
    while (u->left != 0) {
        int r = uio_put_zero(u, MIN(u->left, (u64)PIECE));
        if (r != 0)
            return u->left != wanted ? (i64)(wanted - u->left) : r;
        if (u->left != 0 && pause_is_end())
            break;
    }
    return (i64)(wanted - u->left);
}

static i64
random_read(struct file *f, struct uio *u, u64 *pos)
{
    u8 bytes[256];
    u64 wanted = u->left;
    int r = 0;
    (void)f;
    (void)pos;
    for (unsigned i = 1; u->left != 0 && r == 0; i++) {
        u64 n = MIN(u->left, sizeof bytes);
        random_bytes(bytes, n);
        r = uio_put(u, bytes, n);
        if (i % 64 == 0 && pause_is_end())
            break;
    }
    memset(bytes, 0, sizeof bytes);
    return u->left != wanted || wanted == 0 ? (i64)(wanted - u->left) : r;
}

static i64
random_write(struct file *f, struct uio *u, u64 *pos)
{
    u8 bytes[256];
    u64 wanted = u->left;
    int r = 0;
    (void)f;
    (void)pos;
    for (unsigned i = 1; u->left != 0 && r == 0; i++) {
        u64 n = MIN(u->left, sizeof bytes);
        r = uio_get(u, bytes, n);
        if (r == 0)
            random_mix(bytes, n);
        if (i % 64 == 0 && pause_is_end())
            break;
    }
    return u->left != wanted || wanted == 0 ? (i64)(wanted - u->left) : r;
}

#define RND_GET_COUNT 0x80045200u
#define RND_ADD_COUNT 0x40045201u
#define RND_ADD       0x40085203u
#define RND_ZAP       0x5204u
#define RND_CLEAR     0x5206u
#define RND_RESEED    0x5207u
#define RND_BITS      256 /* the pool is full from the start */

/* random(4): what is added is mixed in; there is nothing to count or to empty. */
static i64
random_ioctl(struct file *f, u32 request, uaddr arg)
{
    struct {
        i32 bits, bytes;
    } head;
    i32 count = RND_BITS;
    struct uio u;
    u64 pos = 0;
    int r;

    if (request == RND_GET_COUNT)
        return copy_to_user(arg, &count, sizeof count);
    if (request != RND_ADD_COUNT && request != RND_ADD && request != RND_ZAP &&
        request != RND_CLEAR && request != RND_RESEED)
        return -E_INVAL;
    if (dev_caller_is_root != NULL && !dev_caller_is_root())
        return -E_PERM;
    switch (request) {
    case RND_ADD_COUNT:
        r = copy_from_user(&count, arg, sizeof count);
        return r != 0 ? r : count < 0 ? -E_INVAL : 0;
    case RND_ADD:
        r = copy_from_user(&head, arg, sizeof head);
        if (r != 0)
            return r;
        if (head.bits < 0 || head.bytes < 0)
            return -E_INVAL;
        uio_user(&u, arg + sizeof head, (u64)head.bytes);
        i64 n = random_write(f, &u, &pos);
        return n < 0 ? n : 0;
    default:
        return 0;
    }
}

static i64
seek_nowhere(struct file *f, i64 offset, int whence)
{
    (void)f;
    (void)offset;
    (void)whence;
    return 0;
}

static const struct file_ops null_ops = {
    .read = null_read, .write = null_write, .seek = seek_nowhere, .traits = FILE_UNLOCKED,
};
/* 1: a mapping of it is anonymous memory (vm/map.c). */
static int
zero_map(struct file *f, u64 offset, u64 bytes, u32 prot, u32 flags)
{
    (void)f, (void)offset, (void)bytes, (void)prot, (void)flags;
    return 1;
}

static const struct file_ops zero_ops = {
    .read = zero_read, .write = null_write, .seek = seek_nowhere, .map = zero_map,
    .traits = FILE_UNLOCKED,
};
static const struct file_ops full_ops = {
    .read = zero_read, .write = full_write, .seek = seek_nowhere, .traits = FILE_UNLOCKED,
};
static const struct file_ops random_ops = {
    .read = random_read,
    .write = random_write,
    .ioctl = random_ioctl,
    .seek = seek_nowhere,
    .traits = FILE_UNLOCKED,
};
static struct device memory_devices[] = {
    { .name = "null", .mode = 0666, .ops = &null_ops },
    { .name = "zero", .mode = 0666, .ops = &zero_ops },
    { .name = "full", .mode = 0666, .ops = &full_ops },
    { .name = "random", .mode = 0666, .ops = &random_ops },
    { .name = "urandom", .mode = 0666, .ops = &random_ops },
};
static const u8 memory_minors[ARRAY_SIZE(memory_devices)] = { 3, 5, 7, 8, 9 };

void
dev_memory_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(memory_devices); i++) {
        memory_devices[i].rdev = vfs_rdev(1, memory_minors[i]);
        dev_register(&memory_devices[i]);
    }
}
