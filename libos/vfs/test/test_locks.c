/* SPDX-License-Identifier: MIT */
/* Unit tests of vfs/locks.c: record locks against a model of bytes, waiting, flock. */
#include "vfs/test/setup.h"

#include "core/thread.h"
#include "vfs/locks.h"

#define BYTES  24
#define OWNERS 3

static struct file *file;
static enum lock_kind model[OWNERS][BYTES];
static const char owners[OWNERS];
static u64 random_state = 88172645463325252ull;

static u32
pick(u32 n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (u32)(random_state % n);
}

static bool
model_allows(u32 owner, u32 start, u32 end, enum lock_kind kind)
{
    for (u32 o = 0; o < OWNERS; o++)
        for (u32 i = start; i <= end && kind != LOCK_NONE; i++)
            if (o != owner && model[o][i] != LOCK_NONE &&
                (kind == LOCK_EXCLUSIVE || model[o][i] == LOCK_EXCLUSIVE))
                return false;
    return true;
}

/* Verify that record locks of three owners agree with a model of one kind for each
 * byte. */
static void
test_records_agree_with_model(void)
{
    for (int n = 0; n < 20000; n++) {
        u32 owner = pick(OWNERS), a = pick(BYTES), b = pick(BYTES);
        u32 start = MIN(a, b), end = MAX(a, b);
        enum lock_kind kind = (enum lock_kind)pick(3);
        struct lock_range r = { start, end == BYTES - 1 ? LOCK_END_MAX : end, kind,
                                (i32)owner + 1 };
        bool allowed = model_allows(owner, start, end, kind);
        struct lock_range test = r;
        lock_record_test(file->inode, &owners[owner], &test);
        CHECK((test.kind == LOCK_NONE) == allowed);
        CHECK(allowed ||
              (test.pid != (i32)owner + 1 && test.pid >= 1 && test.pid <= OWNERS));
        CHECK(lock_record(file->inode, &owners[owner], &r, false) ==
              (allowed ? 0 : -E_AGAIN));
        for (u32 i = start; i <= end && allowed; i++)
            model[owner][i] = kind;
        if (pick(50) == 0) {
            locks_drop_owner(file->inode, &owners[owner]);
            memset(model[owner], 0, sizeof model[owner]);
        }
    }
    for (u32 o = 0; o < OWNERS; o++)
        locks_drop_owner(file->inode, &owners[o]);
}

static void
locker(void *arg)
{
    struct lock_range r = { 0, 9, LOCK_EXCLUSIVE, 2 };
    *(int *)arg = lock_record(file->inode, &owners[1], &r, true) == 0 ? 1 : -1;
}

/* Verify that a waiter gets its lock when the last one in its way goes, not before. */
static void
test_record_waits(void)
{
    int result = 0;
    struct lock_range low = { 0, 4, LOCK_SHARED, 1 }, high = { 5, 9, LOCK_SHARED, 1 };
    CHECK(lock_record(file->inode, &owners[0], &low, false) == 0 &&
          lock_record(file->inode, &owners[2], &high, false) == 0);
    thread_start(thread_create("locker", locker, &result));
    host_settle();
    CHECK(result == 0);
    low.kind = LOCK_NONE;
    CHECK(lock_record(file->inode, &owners[0], &low, false) == 0);
    host_settle();
    CHECK(result == 0);
    locks_drop_owner(file->inode, &owners[2]);
    host_settle();
    CHECK(result == 1);
    locks_drop_owner(file->inode, &owners[1]);
}

/* Verify flock: shared with shared, conversion, and that the lock goes with the open
 * file. */
static void
test_whole_file_locks(void)
{
    struct file *a, *b;
    CHECK(do_open("/locked", OPEN_READ, 0, &a) == 0 &&
          do_open("/locked", OPEN_READ, 0, &b) == 0);
    CHECK(lock_whole(a->inode, a, LOCK_SHARED, false) == 0 &&
          lock_whole(b->inode, b, LOCK_SHARED, false) == 0);
    CHECK(lock_whole(a->inode, a, LOCK_EXCLUSIVE, false) == -E_AGAIN);
    file_release(b);
    CHECK(lock_whole(a->inode, a, LOCK_EXCLUSIVE, false) == 0);
    CHECK(lock_whole(file->inode, file, LOCK_SHARED, false) == -E_AGAIN);
    CHECK(lock_whole(a->inode, a, LOCK_NONE, false) == 0);
    CHECK(lock_whole(file->inode, file, LOCK_SHARED, false) == 0);
    file_release(a);
}

/* Verify that the records of an inode are counted through splits, joins and drops, so
 * that their bound holds and is given back. */
static void
test_records_bound(void)
{
    struct inode *i = file->inode;
    const char *owner = &owners[0];
    for (int round = 0; round < 2; round++) {
        u64 n = 0;
        struct lock_range r = { 0, 0, LOCK_EXCLUSIVE, 1 };
        while (lock_record(i, owner, &r, false) == 0) {
            n++;
            r.start = r.end = n * 2;
        }
        CHECK(n == LOCK_RECORDS_MAX - 1);
        r = (struct lock_range){ 0, n * 2, LOCK_NONE, 1 };
        if (round == 0)
            CHECK(lock_record(i, owner, &r, false) == 0);
        else
            locks_drop_owner(i, owner);
    }
    struct lock_range all = { 0, LOCK_END_MAX, LOCK_EXCLUSIVE, 1 };
    CHECK(lock_record(i, owner, &all, false) == 0);
    for (u64 n = 0; n < 100; n++) { /* holes make more of them */
        struct lock_range hole = { 2 * n + 1, 2 * n + 1, LOCK_NONE, 1 };
        CHECK(lock_record(i, owner, &hole, false) == 0);
    }
    locks_drop_owner(i, owner);
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setup_root();
    struct host_counts before = host_count();
    CHECK(do_open("/locked", OPEN_CREATE | OPEN_READ | OPEN_WRITE, 0600, &file) == 0);
    RUN(test_records_agree_with_model);
    RUN(test_record_waits);
    RUN(test_whole_file_locks);
    RUN(test_records_bound);
    file_release(file);
    CHECK(do_unlink("/locked", false) == 0);
    CHECK(host_count().objects <= before.objects + 2); /* the directory's tables */
    fs_context_release(context);
    DONE();
}
