/* SPDX-License-Identifier: MIT */
/* NUMA calls on a machine of one node: what numactl and databases ask. */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, PREFERRED_MANY };
#define STATIC (1 << 15)
#define RELATIVE (1 << 14)
#define F_NODE 1
#define F_ADDR 2
#define F_ALLOWED 4

static long
set_policy(int mode, unsigned long nodes, unsigned long bits)
{
    return syscall(SYS_set_mempolicy, mode, bits ? &nodes : NULL, bits);
}

static int
policy_of(void *at, unsigned long *nodes)
{
    int mode = -1;
    unsigned long mask[16] = { 0 };

    CHECK(syscall(SYS_get_mempolicy, &mode, mask, 1024, at, at ? F_ADDR : 0) == 0);
    *nodes = mask[0];
    return mode;
}

static void
test_set_mempolicy_when_right_then_kept_and_inherited(void)
{
    unsigned long nodes;

    CHECK(policy_of(NULL, &nodes) == DEFAULT && nodes == 0);
    CHECK(set_policy(BIND, 1, 64) == 0 && policy_of(NULL, &nodes) == BIND && nodes == 1);
    CHECK(set_policy(INTERLEAVE, 1, 64) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(policy_of(NULL, &nodes) == INTERLEAVE && nodes == 1 ? 0 : 1);
    CHECK_EXIT(child, 0);
    CHECK(set_policy(PREFERRED, 0, 0) == 0 && policy_of(NULL, &nodes) == LOCAL);
    CHECK(set_policy(PREFERRED, 1, 64) == 0 && policy_of(NULL, &nodes) == PREFERRED);
    CHECK(set_policy(BIND | STATIC, 1, 64) == 0);
    CHECK(policy_of(NULL, &nodes) == (BIND | STATIC));
    CHECK(set_policy(LOCAL, 0, 0) == 0 && policy_of(NULL, &nodes) == LOCAL);
    CHECK(set_policy(DEFAULT, 0, 0) == 0 && policy_of(NULL, &nodes) == DEFAULT);
}

static void
test_set_mempolicy_when_wrong_then_einval(void)
{
    CHECK_ERROR(set_policy(6, 1, 64), EINVAL);
    CHECK_ERROR(set_policy(BIND, 0, 0), EINVAL);
    CHECK_ERROR(set_policy(BIND, 2, 64), EINVAL); /* there is no node 1 */
    CHECK_ERROR(set_policy(INTERLEAVE, 0, 64), EINVAL);
    CHECK_ERROR(set_policy(DEFAULT, 1, 64), EINVAL);
    CHECK_ERROR(set_policy(LOCAL, 1, 64), EINVAL);
    CHECK_ERROR(set_policy(BIND | STATIC | RELATIVE, 1, 64), EINVAL);
    CHECK_ERROR(set_policy(BIND, 1, 1000000), EINVAL);
    CHECK_ERROR(syscall(SYS_set_mempolicy, BIND, (void *)8, 64), EFAULT);
    CHECK_ERROR(syscall(SYS_get_mempolicy, (void *)8, NULL, 0, NULL, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_get_mempolicy, NULL, NULL, 0, &errno, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_get_mempolicy, NULL, NULL, 0, (void *)8, F_ADDR), EFAULT);
    CHECK_ERROR(syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, F_ALLOWED | F_NODE),
                EINVAL);
    CHECK_ERROR(syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, F_NODE), EINVAL);
}

static void
test_get_mempolicy_when_asked_for_nodes_then_there_is_one(void)
{
    unsigned long mask[16] = { 0 };
    int mode = -1, node = -1;
    char *p = mmap(NULL, PAGE, RW, ANON, -1, 0);

    CHECK(syscall(SYS_get_mempolicy, &mode, mask, 1024, NULL, F_ALLOWED) == 0);
    CHECK(mode == 0 && mask[0] == 1 && mask[1] == 0);
    CHECK(syscall(SYS_get_mempolicy, &node, NULL, 0, p, F_NODE | F_ADDR) == 0);
    CHECK(node == 0);
}

static void
test_mbind_when_a_range_then_the_policy_is_its_own(void)
{
    unsigned long nodes, one = 1;
    char *p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);

    memset(p, 'b', 4 * PAGE);
    CHECK(syscall(SYS_mbind, p + PAGE, 2 * PAGE, BIND, &one, 64, 2 /* MOVE */) == 0);
    CHECK(policy_of(p, &nodes) == DEFAULT && nodes == 0);
    CHECK(policy_of(p + PAGE, &nodes) == BIND && nodes == 1);
    CHECK(policy_of(p + 2 * PAGE, &nodes) == BIND);
    CHECK(policy_of(p + 3 * PAGE, &nodes) == DEFAULT);
    pid_t child = fork();
    if (child == 0)
        _exit(policy_of(p + PAGE, &nodes) == BIND ? 0 : 1);
    CHECK_EXIT(child, 0);
    CHECK(syscall(SYS_mbind, p, 4 * PAGE, DEFAULT, NULL, 0, 0) == 0);
    CHECK(policy_of(p + PAGE, &nodes) == DEFAULT && p[PAGE] == 'b');
    CHECK_ERROR(syscall(SYS_mbind, p + 1, PAGE, BIND, &one, 64, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_mbind, p, PAGE, BIND, &one, 64, 64), EINVAL);
    CHECK_ERROR(syscall(SYS_mbind, p, PAGE, 9, &one, 64, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_mbind, p, PAGE, BIND, NULL, 0, 0), EINVAL);
    CHECK(syscall(SYS_mbind, p, 0, BIND, &one, 64, 0) == 0);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    CHECK_ERROR(syscall(SYS_mbind, p, 3 * PAGE, BIND, &one, 64, 0), EFAULT);
    CHECK(setuid(1000) == 0);
    CHECK_ERROR(syscall(SYS_mbind, p, PAGE, BIND, &one, 64, 4 /* MOVE_ALL */), EPERM);
}

static void
test_move_pages_when_asked_then_where_they_are(void)
{
    char *p = mmap(NULL, 3 * PAGE, RW, ANON, -1, 0);
    void *pages[3] = { p, p + PAGE, p + 2 * PAGE };
    int status[3] = { 9, 9, 9 }, nodes[3] = { 0, 0, 0 }, wrong[1] = { 5000 };

    p[0] = 1;
    CHECK(munmap(p + 2 * PAGE, PAGE) == 0);
    CHECK(syscall(SYS_move_pages, 0, 3, pages, NULL, status, 0) == 0);
    CHECK(status[0] == 0 && status[2] == -EFAULT);
    CHECK(status[1] == -ENOENT || status[1] == -EFAULT); /* Linux's versions differ */
    CHECK(syscall(SYS_move_pages, getpid(), 1, pages, nodes, status, 2) == 0);
    CHECK(status[0] == 0 && p[0] == 1);
    CHECK_ERROR(syscall(SYS_move_pages, 0, 1, pages, wrong, status, 2), ENODEV);
    CHECK_ERROR(syscall(SYS_move_pages, 0, 1, pages, NULL, status, 1), EINVAL);
    CHECK_ERROR(syscall(SYS_move_pages, 0x3fffff, 1, pages, NULL, status, 0), ESRCH);
    CHECK_ERROR(syscall(SYS_move_pages, 0, 1, (void *)8, NULL, status, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_move_pages, 0, 1, pages, NULL, (void *)8, 0), EFAULT);
    CHECK(setuid(1000) == 0);
    CHECK_ERROR(syscall(SYS_move_pages, 0, 1, pages, nodes, status, 4), EPERM);
    CHECK_ERROR(syscall(SYS_move_pages, 1, 1, pages, NULL, status, 0), EPERM);
}

static void
test_migrate_pages_when_one_node_then_nothing_moves(void)
{
    unsigned long one = 1;

    CHECK(syscall(SYS_migrate_pages, 0, 64, &one, &one) == 0);
    CHECK(syscall(SYS_migrate_pages, getpid(), 64, &one, &one) == 0);
    CHECK_ERROR(syscall(SYS_migrate_pages, 0x3fffff, 64, &one, &one), ESRCH);
    CHECK_ERROR(syscall(SYS_migrate_pages, 0, 64, (void *)8, &one), EFAULT);
    CHECK_ERROR(syscall(SYS_migrate_pages, 0, 1000000, &one, &one), EINVAL);
}

static void
test_home_node_when_the_policy_has_none_then_errors(void)
{
    unsigned long one = 1;
    char *p = mmap(NULL, 2 * PAGE, RW, ANON, -1, 0);

    CHECK(syscall(SYS_mbind, p, PAGE, BIND, &one, 64, 0) == 0);
    CHECK(syscall(450, p, PAGE, 0, 0) == 0);
    CHECK_ERROR(syscall(450, p, PAGE, 0, 1), EINVAL);
    CHECK_ERROR(syscall(450, p, PAGE, 5000, 0), EINVAL);
    CHECK_ERROR(syscall(450, p + 1, PAGE, 0, 0), EINVAL);
    CHECK(syscall(SYS_mbind, p, PAGE, INTERLEAVE, &one, 64, 0) == 0);
    CHECK_ERROR(syscall(450, p, PAGE, 0, 0), EOPNOTSUPP);
}

int
main(void)
{
    RUN(test_set_mempolicy_when_right_then_kept_and_inherited, set_mempolicy,
        get_mempolicy);
    RUN(test_set_mempolicy_when_wrong_then_einval, set_mempolicy, get_mempolicy);
    RUN(test_get_mempolicy_when_asked_for_nodes_then_there_is_one, get_mempolicy);
    RUN(test_mbind_when_a_range_then_the_policy_is_its_own, mbind, get_mempolicy);
    RUN(test_move_pages_when_asked_then_where_they_are, move_pages);
    RUN(test_migrate_pages_when_one_node_then_nothing_moves, migrate_pages);
    RUN(test_home_node_when_the_policy_has_none_then_errors, set_mempolicy_home_node);
    return check_failures != 0;
}
