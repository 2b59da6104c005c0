/* SPDX-License-Identifier: MIT */
/* Files that tests need. */
#ifndef FILES_H
#define FILES_H

#include "check.h"

#include <fcntl.h>

/* There is an ordinary file of that name. */
static inline void
make(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0 && close(fd) == 0);
}

#endif
