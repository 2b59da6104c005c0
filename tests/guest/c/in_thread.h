/* SPDX-License-Identifier: MIT */
/* A function in a thread of its own, until it returns. */
#ifndef IN_THREAD_H
#define IN_THREAD_H

#include "check.h"

#include <pthread.h>

static void (*in_thread_todo)(void);

static void *
in_thread_main(void *arg)
{
    (void)arg;
    in_thread_todo();
    return NULL;
}

static inline void
in_thread(void (*fn)(void))
{
    pthread_t t;
    in_thread_todo = fn;
    CHECK(pthread_create(&t, NULL, in_thread_main, NULL) == 0 && pthread_join(t, NULL) == 0);
}

#endif
