/* SPDX-License-Identifier: MIT */
/* For host tests: TAP output; a failed check names its line and ends the test with 1. */
#ifndef LIBOS_CORE_TEST_CHECK_H
#define LIBOS_CORE_TEST_CHECK_H

#include <stdio.h>
#include <stdlib.h>

static int check_tests;

#define CHECK(c)                                                                   \
    do {                                                                           \
        if (!(c)) {                                                                \
            printf("not ok %d %s:%d: %s\n", check_tests + 1, __FILE__, __LINE__, #c); \
            exit(1);                                                               \
        }                                                                          \
    } while (0)

#define RUN(test)                              \
    do {                                       \
        test();                                \
        printf("ok %d %s\n", ++check_tests, #test); \
    } while (0)

#define DONE()                          \
    do {                                \
        printf("1..%d\n", check_tests); \
        fflush(stdout);                 \
        return 0;                       \
    } while (0)

#endif
