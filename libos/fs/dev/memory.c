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
