/* SPDX-License-Identifier: MIT */
/* Unit tests of the tables: every error has a number, every call of Linux has a name and
 * a place. */
#include "core/host/host.h"
#include "core/string.h"
#include "core/test/check.h"
#include "posix/table.h"

/* Verify that each error of core/error.h has a number of Linux, and that no two that
 * differ in meaning share one. */
static void
test_errno_is_complete(void)
{
    int owner[256] = { 0 };
    for (int e = 1; e < E_MAX; e++) {
        int number = posix_errno(e);
        CHECK(number > 0 && number < 134);
        CHECK(e >= E_RESTART || owner[number] == 0);
        if (e < E_RESTART)
            owner[number] = e;
    }
    CHECK(posix_errno(0) == 0 && posix_errno(-1) == 0 && posix_errno(E_MAX) == 0);
    CHECK(posix_errno(E_NOSYS) == 38 && posix_errno(E_RESTART) == 4);
}

/* Verify that numbers stand where Linux has them, and that none is without a function. */
static void
test_table_matches_linux(void)
{
    CHECK(strcmp(posix_call_name(0), "read") == 0);
    CHECK(strcmp(posix_call_name(57), "fork") == 0);
    CHECK(strcmp(posix_call_name(110), "getppid") == 0);
    CHECK(strcmp(posix_call_name(231), "exit_group") == 0);
    CHECK(strcmp(posix_call_name(435), "clone3") == 0);
    CHECK(strcmp(posix_call_name(462), "mseal") == 0);
    for (u32 n = 0; n < POSIX_CALLS; n++)
        CHECK(posix_calls[n] != NULL &&
              (posix_call_name(n) != NULL || !posix_call_exists(n)));
    CHECK(posix_call_exists(0) && posix_call_exists(110) && !posix_call_exists(156));
}

/* Verify that a call without a handler is ENOSYS, and that what needs a whole frame comes
 * to its handler. */
static void
test_dispatch_unknown_is_enosys(void)
{
    static const u32 numbers[] = { 335, 156, 423 };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        struct user_frame f = { .orig_rax = numbers[i] };
        CHECK(posix_call_error(posix_calls[numbers[i]](&f)) == -38);
        CHECK(posix_call_whole(&f) == -E_NOSYS);
    }
    struct user_frame clone = { .orig_rax = 435, .rsi = 1 };
    CHECK(posix_call_error(posix_call_whole(&clone)) == -22);
}

int
main(void)
{
    host_init(16);
    RUN(test_errno_is_complete);
    RUN(test_table_matches_linux);
    RUN(test_dispatch_unknown_is_enosys);
    DONE();
}
