/* SPDX-License-Identifier: MIT */
/* Unit tests of vfs/fdtable.c: against a model, with random sequences that repeat. */
#include "vfs/test/setup.h"

#define MODEL 4096u

static u64 limit = MODEL;
static const struct file_ops plain_ops = { .read = NULL };
static struct file *model[MODEL];
static bool model_cloexec[MODEL];
static u64 random_state = 88172645463325252ull;

static u64
current_limit(void)
{
    return limit;
}

static u64
next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int
model_lowest(u32 from)
{
    for (u32 i = from; i < limit; i++)
        if (model[i] == NULL)
            return (int)i;
    return -E_MFILE;
}

static void
check_all(struct fdtable *t)
{
    u32 n = 0;
    for (u32 i = 0; i < MODEL; i++) {
        bool cloexec = false;
        struct file *f = fd_get(t, (int)i);
        CHECK(f == model[i] && fd_peek(t, (int)i) == f);
        CHECK(fd_flags(t, (int)i, -1, &cloexec) == (f != NULL ? 0 : -E_BADF));
        CHECK(f == NULL || cloexec == model_cloexec[i]);
        n += f != NULL;
        if (f != NULL)
            file_release(f);
    }
    CHECK(fd_count(t) == n);
}

static void
step(struct fdtable *t)
{
    u32 at = (u32)(next_random() % (next_random() % 4 == 0 ? MODEL : 80)),
        op = (u32)(next_random() % 8);
    bool cloexec = next_random() % 2 == 0;
    struct file *f = file_new(&plain_ops, NULL, 0);
    CHECK(f != NULL);
    int wanted, got;
    switch (op) {
    case 0:
    case 1:
    case 2:
        wanted = model_lowest(op == 0 ? at : 0);
        got = fd_install(t, f, op == 0 ? (int)at : 0, cloexec);
        CHECK(got == wanted);
        if (got >= 0) {
            model[got] = f;
            model_cloexec[got] = cloexec;
            return;
        }
        break;
    case 3:
        CHECK(fd_install_at(t, f, (int)at, cloexec) == (at < limit ? (int)at : -E_BADF));
        if (at < limit) {
            model[at] = f;
            model_cloexec[at] = cloexec;
            return;
        }
        break;
    case 4:
        if (model[at] != NULL) {
            CHECK(fd_flags(t, (int)at, cloexec, NULL) == 0);
            model_cloexec[at] = cloexec;
        }
        break;
    case 5:
        wanted = model_lowest(0);
        got = fd_reserve(t, 0);
        CHECK(got == wanted);
        if (got >= 0) {
            CHECK(fd_get(t, got) == NULL && fd_close(t, got) == -E_BADF);
            fd_unreserve(t, got);
        }
        break;
    default:
        CHECK(fd_close(t, (int)at) == (model[at] != NULL ? 0 : -E_BADF));
        model[at] = NULL;
        break;
    }
    file_release(f);
}

/* Verify that a table and a simple array agree over a long random sequence of calls. */
static void
test_fdtable_agrees_with_model(void)
{
    struct fdtable *t;
    struct host_counts before = host_count();
    CHECK(fdtable_new(&t) == 0);
    for (int i = 0; i < 20000; i++) {
        step(t);
        if (i % 2000 == 0)
            check_all(t);
    }
    check_all(t);
    fdtable_release(t);
    memset(model, 0, sizeof model);
    CHECK(host_count().objects == before.objects);
}

/* Verify that a copy has the same files and flags, and that close-on-exec closes just
 * those that are marked. */
static void
test_fdtable_copy_and_exec(void)
{
    struct fdtable *t, *copy;
    CHECK(fdtable_new(&t) == 0);
    for (u32 i = 0; i < 1000; i += 3) {
        model[i] = file_new(&plain_ops, NULL, 0);
        model_cloexec[i] = i % 2 == 0;
        CHECK(fd_install_at(t, model[i], (int)i, model_cloexec[i]) == (int)i);
    }
    CHECK(fdtable_copy(t, &copy) == 0);
    check_all(copy);
    fdtable_release(t);
    check_all(copy);
    fdtable_close_exec(copy);
    for (u32 i = 0; i < 1000; i++)
        if (model_cloexec[i])
            model[i] = NULL;
    check_all(copy);
    fd_close_range(copy, 100, 200, false);
    for (u32 i = 100; i <= 200; i++)
        model[i] = NULL;
    check_all(copy);
    fd_close_range(copy, 0, ~0u, true);
    for (u32 i = 0; i < 1000; i++)
        model_cloexec[i] = model[i] != NULL;
    check_all(copy);
    CHECK(fd_next(copy, 0) == 3 && fd_next(copy, 100) == 201 &&
          fd_next(copy, 2000) == -1);
    fdtable_release(copy);
    memset(model, 0, sizeof model);
}

/* Verify that a table grows to the greatest descriptor, and that the limit is the
 * caller's. */
static void
test_fdtable_limits(void)
{
    struct fdtable *t;
    limit = FD_LIMIT_MAX;
    CHECK(fdtable_new(&t) == 0);
    struct file *f = file_new(&plain_ops, NULL, 0);
    file_hold(f);
    CHECK(fd_install_at(t, f, FD_LIMIT_MAX - 1, false) == FD_LIMIT_MAX - 1);
    CHECK(fd_install(t, f, FD_LIMIT_MAX - 1, false) == -E_MFILE);
    CHECK(fd_install_at(t, f, FD_LIMIT_MAX, false) == -E_BADF &&
          fd_install_at(t, f, -1, false) == -E_BADF);
    CHECK(fd_get(t, -1) == NULL && fd_get(t, FD_LIMIT_MAX) == NULL &&
          fd_close(t, -5) == -E_BADF);
    limit = 3;
    for (int i = 0; i < 3; i++) {
        file_hold(f);
        CHECK(fd_install(t, f, 0, false) == i);
    }
    CHECK(fd_install(t, f, 0, false) == -E_MFILE);
    file_release(f);
    fdtable_release(t);
    limit = MODEL;
}

/* Verify that failing allocations leave a table usable. */
static void
test_fdtable_out_of_memory(void)
{
    struct fdtable *t, *copy;
    CHECK(fdtable_new(&t) == 0);
    struct file *f = file_new(&plain_ops, NULL, 0);
    host_fail_heap_after(0);
    CHECK(fd_install_at(t, f, 3000, false) == -E_NOMEM &&
          fd_install(t, f, 3000, false) == -E_MFILE);
    host_fail_heap_after(~0ull);
    CHECK(fd_install_at(t, f, 3000, false) == 3000);
    for (u64 n = 0; n < 5; n++) {
        host_fail_heap_after(n);
        int r = fdtable_copy(t, &copy);
        host_fail_heap_after(~0ull);
        CHECK(r == 0 || r == -E_NOMEM);
        if (r == 0)
            fdtable_release(copy);
    }
    fdtable_release(t);
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setup_root();
    fd_limit = current_limit;
    RUN(test_fdtable_agrees_with_model);
    RUN(test_fdtable_copy_and_exec);
    RUN(test_fdtable_limits);
    RUN(test_fdtable_out_of_memory);
    fs_context_release(context);
    DONE();
}
