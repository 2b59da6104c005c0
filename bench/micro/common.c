/* SPDX-License-Identifier: MIT */
/* What the groups of rows share: see groups.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "groups.h"

char bench_page[PAGE];
int peer_there[2], peer_back[2];
static pid_t peer;

int
peer_start(void (*body)(void))
{
    if (pipe(peer_there) < 0 || pipe(peer_back) < 0)
        return -1;
    peer = fork();
    if (peer == 0) {
        close(peer_there[1]);
        close(peer_back[0]);
        body();
        _exit(0);
    }
    if (peer < 0)
        return -1;
    close(peer_there[0]);
    close(peer_back[1]);
    return 0;
}

void
peer_end(void)
{
    close(peer_there[1]);
    close(peer_back[0]);
    waitpid(peer, NULL, 0);
}

int
bench_file(const char *path, size_t size)
{
    int fd = open(path, O_CREAT | O_RDWR, 0600);

    must(fd >= 0, path);
    for (size_t i = 0; i < size; i += PAGE)
        must(pwrite(fd, bench_page, PAGE, (off_t)i) == PAGE, path);
    return fd;
}
