/* SPDX-License-Identifier: MIT */
/* Calls on address spaces one by one; test_mm.c has them all in random order. */
#include <string.h>

#include "core/error.h"
#include "core/host/host.h"
#include "core/page.h"
#include "core/random.h"
#include "core/test/check.h"
#include "core/usercopy.h"
#include "fs/tmpfs/tmpfs.h"
#include "proc/proc.h"
#include "time/vdso.h"
#include "vfs/vfs.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

#define BASE 0x100000000ull

static struct process self;

static void
enter(struct mm *m)
{
    self.mm = m;
    for (unsigned i = 0; i < PROC_RLIMITS; i++)
        self.limits[i] = (struct rlimit_pair){ ~0ull, ~0ull };
    thread_current()->process = &self;
    mm_switch(m);
}

static struct file *
new_file(u64 bytes)
{
    struct inode *inode;
    CHECK(tmpfs_shared_memory(bytes, &inode) == 0);
    struct file *f = file_new(inode->file_ops, inode, OPEN_READ | OPEN_WRITE);
    CHECK(f);
    inode_release(inode);
    return f;
}

/* Verify that neighbours with the same properties become one area, and that a hole cuts
 * them. */
static void
test_map_when_adjacent_then_one_area(void)
{
    struct mm *m;
    uaddr at;
    CHECK(mm_create(&m) == 0);
    for (int i = 0; i < 10; i++)
        CHECK(mm_map(m, BASE + (u64)i * PAGE_SIZE, PAGE_SIZE, PROT_R, MAP_AT_FIXED, NULL,
                     0, &at) == 0);
    CHECK(m->areas.count == 1);
    CHECK(mm_protect(m, BASE + 4 * PAGE_SIZE, PAGE_SIZE, PROT_R | PROT_W) == 0 &&
          m->areas.count == 3);
    CHECK(mm_protect(m, BASE + 4 * PAGE_SIZE, PAGE_SIZE, PROT_R) == 0 &&
          m->areas.count == 1);
    CHECK(mm_unmap(m, BASE + 4 * PAGE_SIZE, PAGE_SIZE) == 0 && m->areas.count == 2);
    CHECK(mm_map(m, BASE, PAGE_SIZE, PROT_R, MAP_AT_FIXED_NOREPLACE, NULL, 0, &at) ==
          -E_EXIST);
    mm_release(m);
}

/* Verify the errors that mm.h names. */
static void
test_map_when_wrong_then_error(void)
{
    struct mm *m;
    uaddr at;
    struct file *f = new_file(4096);
    CHECK(mm_create(&m) == 0);
    CHECK(mm_map(m, 0, 0, PROT_R, 0, NULL, 0, &at) == -E_INVAL);
    CHECK(mm_map(m, 0, ~0ull, PROT_R, 0, NULL, 0, &at) == -E_NOMEM);
    CHECK(mm_map(m, BASE + 1, 4096, PROT_R, MAP_AT_FIXED, NULL, 0, &at) == -E_INVAL);
    CHECK(mm_map(m, USER_TOP - 4096, 8192, PROT_R, MAP_AT_FIXED, NULL, 0, &at) ==
          -E_NOMEM);
    CHECK(mm_map(m, 0, 4096, PROT_R, MAP_AT_FIXED, NULL, 0, &at) == -E_PERM);
    CHECK(mm_map(m, 0, 4096, PROT_R, 0, f, 100, &at) == -E_INVAL);
    CHECK(mm_map(m, 0, 8192, PROT_R, 0, f, ~0ull << 12, &at) == -E_OVERFLOW);
    f->flags = OPEN_READ;
    CHECK(mm_map(m, 0, 4096, PROT_R | PROT_W, AREA_SHARED, f, 0, &at) == -E_ACCES);
    CHECK(mm_map(m, 0, 4096, PROT_R, AREA_SHARED, f, 0, &at) == 0);
    CHECK(mm_protect(m, at, 4096, PROT_R | PROT_W) == -E_ACCES);
    f->flags = OPEN_WRITE;
    CHECK(mm_map(m, 0, 4096, PROT_R, 0, f, 0, &at) == -E_ACCES);
    CHECK(mm_unmap(m, BASE + 1, 4096) == -E_INVAL && mm_unmap(m, BASE, 0) == -E_INVAL);
    CHECK(mm_unmap(m, ~0ull << 12, 4096) == -E_INVAL);
    CHECK(mm_fault(m, BASE, PROT_R) == -E_FAULT &&
          mm_fault(m, ~0ull, PROT_R) == -E_FAULT);
    CHECK(mm_sync(m, BASE, 4096, 0) == -E_NOMEM);
    mm_release(m);
    file_release(f);
}

/* Verify that the break grows and shrinks, and stops at a mapping. */
static void
test_brk_when_moved_then_memory_follows(void)
{
    struct mm *m;
    uaddr at;
    u8 v = 7;
    CHECK(mm_create(&m) == 0);
    m->brk_start = m->brk = BASE + 100;
    enter(m);
    CHECK(mm_brk(m, 0) == BASE + 100);
    CHECK(mm_brk(m, BASE + 10000) == BASE + 10000);
    CHECK(copy_to_user(BASE + 9000, &v, 1) == 0);
    CHECK(mm_brk(m, BASE + 5000) == BASE + 5000);
    CHECK(copy_to_user(BASE + 9000, &v, 1) == -E_FAULT);
    CHECK(mm_brk(m, BASE + 20000) == BASE + 20000);
    CHECK(copy_from_user(&v, BASE + 9000, 1) == 0 && v == 0);
    CHECK(mm_map(m, BASE + 16 * PAGE_SIZE, PAGE_SIZE, PROT_R, MAP_AT_FIXED, NULL, 0,
                 &at) == 0);
    CHECK(mm_brk(m, BASE + 17 * PAGE_SIZE) == BASE + 20000);
    thread_current()->process = NULL;
    mm_release(m);
}

/* Verify that a stack grows to its bound, and no nearer than the guard to what is below.
 */
static void
test_stack_when_touched_below_then_grows(void)
{
    struct mm *m;
    uaddr at, top = BASE + (64ull << 20);
    u8 v = 1;
    CHECK(mm_create(&m) == 0);
    enter(m);
    self.limits[MM_LIMIT_STACK].soft = MM_STACK_MAX;
    CHECK(mm_map(m, top - 8192, 8192, PROT_R | PROT_W, MAP_AT_FIXED | AREA_GROWSDOWN,
                 NULL, 0, &at) == 0);
    CHECK(copy_to_user(top - (1 << 20), &v, 1) == 0);
    CHECK(copy_to_user(top - MM_STACK_MAX, &v, 1) == 0);
    CHECK(copy_to_user(top - MM_STACK_MAX - 1, &v, 1) == -E_FAULT);
    CHECK(mm_unmap(m, BASE, 128ull << 20) == 0);
    CHECK(mm_map(m, top - 8192, 8192, PROT_R | PROT_W, MAP_AT_FIXED | AREA_GROWSDOWN,
                 NULL, 0, &at) == 0);
    CHECK(mm_map(m, top - (2 << 20), 4096, PROT_R, MAP_AT_FIXED, NULL, 0, &at) == 0);
    CHECK(copy_to_user(top - (1 << 20) + 4096, &v, 1) == 0);
    CHECK(copy_to_user(top - (1 << 20) - 4096, &v, 1) == -E_FAULT);
    thread_current()->process = NULL;
    mm_release(m);
}

/* Verify that after the child has gone, the parent's page is written in place: no frame
 * more. */
static void
test_copy_when_alone_again_then_in_place(void)
{
    struct mm *m, *child;
    uaddr at;
    u8 v = 3;
    CHECK(mm_create(&m) == 0);
    enter(m);
    CHECK(mm_map(m, BASE, PAGE_SIZE, PROT_R | PROT_W, MAP_AT_FIXED, NULL, 0, &at) == 0);
    CHECK(copy_to_user(BASE, &v, 1) == 0);
    CHECK(mm_fork(m, &child) == 0);
    struct mmu_page before, after;
    CHECK(mmu_query(&m->space, BASE, &before) && !(before.flags & MMU_WRITE));
    mm_release(child);
    CHECK(copy_to_user(BASE, &v, 1) == 0 && mmu_query(&m->space, BASE, &after) &&
          after.frame == before.frame);
    thread_current()->process = NULL;
    mm_release(m);
}

/* Verify that running out of heap at each point of fork and map loses nothing. */
static void
test_fork_when_heap_is_short_then_nothing_lost(void)
{
    struct mm *m, *child;
    uaddr at;
    CHECK(mm_create(&m) == 0);
    for (u64 i = 0; i < 12; i++)
        CHECK(mm_map(m, BASE + 2 * i * PAGE_SIZE, PAGE_SIZE, PROT_R, MAP_AT_FIXED, NULL,
                     0, &at) == 0);
    struct host_counts before = host_count();
    int failures = 0;
    for (u64 n = 0; n < 40; n++) {
        host_fail_heap_after(n);
        int rc = mm_fork(m, &child);
        host_fail_heap_after(~0ull);
        if (rc == 0)
            mm_release(child);
        else
            failures++;
        struct host_counts now = host_count();
        CHECK(now.frames == before.frames && now.objects == before.objects &&
              now.mapped == before.mapped);
    }
    CHECK(failures >= 12);
    mm_release(m);
}

int
main(void)
{
    host_init(64);
    vdso_init();
    vm_init();
    static struct filesystem *fs; /* stays */
    CHECK(tmpfs_create(&fs) == 0);
    RUN(test_map_when_adjacent_then_one_area);
    RUN(test_map_when_wrong_then_error);
    RUN(test_brk_when_moved_then_memory_follows);
    RUN(test_stack_when_touched_below_then_grows);
    RUN(test_copy_when_alone_again_then_in_place);
    RUN(test_fork_when_heap_is_short_then_nothing_lost);
    DONE();
}
