/* SPDX-License-Identifier: MIT */
/* A stress of how processes talk: local sockets, descriptors that are passed and lost, System
 * V and POSIX objects, memory of others, descriptors of processes, notes of changed files
 * (stress.h). */
#define _GNU_SOURCE
#include "stress.h"
#include "unix_help.h"

#include <mqueue.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* ---- local sockets ---- */

static void
read_all(int fd, void *to, size_t bytes)
{
    for (size_t have = 0; have < bytes;) {
        ssize_t got = read(fd, (char *)to + have, bytes - have);

        CHECK(got > 0);
        have += (size_t)got;
    }
}

static int
listener(char *name, size_t size)
{
    static unsigned number;
    int fd = new_socket(SOCK_STREAM);

    snprintf(name, size, "%s.stress.%d.%u.%d", next(2) ? "@" : "/tmp/", worker, number++, getpid());
    CHECK(bind_to(fd, name) == 0 && listen(fd, 3) == 0);
    return fd;
}

/* Clients that send their number; the server answers with its square. */
static void
do_server(void)
{
    char name[80];
    int clients = 1 + (int)next(5), fd = listener(name, sizeof name);
    uint32_t number = next(1000), total = 0, want = 0;

    for (int i = 0; i < clients; i++) {
        uint32_t mine = number + (uint32_t)i;
        pid_t child = fork();

        CHECK(child >= 0);
        want += mine * mine;
        if (child != 0)
            continue;
        int to = new_socket(SOCK_STREAM);
        uint32_t answer;

        CHECK(connect_to(to, name) == 0);
        CHECK(write(to, &mine, sizeof mine) == sizeof mine);
        read_all(to, &answer, sizeof answer);
        _exit(answer != mine * mine);
    }
    for (int i = 0; i < clients; i++) {
        int client = accept(fd, NULL, NULL);
        uint32_t got;

        CHECK(client >= 0);
        read_all(client, &got, sizeof got);
        got *= got;
        total += got;
        CHECK(write(client, &got, sizeof got) == sizeof got && close(client) == 0);
    }
    for (int i = 0; i < clients; i++) {
        int status;

        CHECK(wait(&status) > 0 && status == 0);
    }
    CHECK(total == want && close(fd) == 0);
    if (name[0] != '@')
        CHECK(unlink(name) == 0);
    add(total);
}

/* Messages keep their bounds and their order. */
static void
do_messages(void)
{
    static unsigned char data[9000];
    int type = next(2) ? SOCK_DGRAM : SOCK_SEQPACKET, count = 1 + (int)next(40), pair[2];
    size_t bytes = 1 + next(8000);
    pid_t child;

    CHECK(socketpair(AF_UNIX, type, 0, pair) == 0);
    child = fork();
    CHECK(child >= 0);
    for (int i = 0; i < count; i++) {
        size_t size = 1 + (bytes * (unsigned)(i + 1)) % 8000;

        if (child == 0) {
            memset(data, i, size);
            CHECK(send(pair[1], data, size, 0) == (ssize_t)size);
        } else {
            CHECK(recv(pair[0], data, sizeof data, 0) == (ssize_t)size);
            CHECK(data[0] == (unsigned char)i && data[size - 1] == (unsigned char)i);
        }
    }
    if (child == 0)
        _exit(0);
    CHECK_EXIT(child, 0);
    CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
    add(bytes);
}

static void
send_fd(int over, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS } };
    struct iovec one = { (void *)"x", 1 };
    struct msghdr m = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = sizeof control };

    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    CHECK(sendmsg(over, &m, 0) == 1);
}

static int
receive_fd(int over)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec one = { &byte, 1 };
    struct msghdr m = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = sizeof control };
    int fd;

    CHECK(recvmsg(over, &m, 0) == 1 && control.head.cmsg_type == SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
    return fd;
}

/* A pipe's end goes through a chain of sockets to a child. */
static void
do_pass(void)
{
    int pair[2], ends[2], hops = 1 + (int)next(4);
    uint32_t value = next(1u << 31), got;
    pid_t child;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(ends) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(ends[0]);
        close(ends[1]);
        for (int i = 0; i < hops; i++) {
            int fd = receive_fd(pair[1]);

            if (i == hops - 1)
                CHECK(write(fd, &value, sizeof value) == sizeof value);
            close(fd);
        }
        _exit(0);
    }
    for (int i = 0; i < hops; i++)
        send_fd(pair[0], ends[1]);
    close(ends[1]);
    read_all(ends[0], &got, sizeof got);
    CHECK(got == value && read(ends[0], &got, 1) == 0);
    CHECK_EXIT(child, 0);
    close(ends[0]);
    close(pair[0]);
    close(pair[1]);
    add(value);
}

/* Sockets that hold each other and are let go of: the collector's work. A pipe's end that
 * went with them is seen to be closed. */
static void
do_cycle(void)
{
    int pairs = 1 + (int)next(5), ends[2], pair[5][2];
    char byte;

    CHECK(pipe(ends) == 0);
    for (int i = 0; i < pairs; i++)
        CHECK(socketpair(AF_UNIX, next(2) ? SOCK_STREAM : SOCK_DGRAM, 0, pair[i]) == 0);
    for (int i = 0; i < pairs; i++) {
        send_fd(pair[i][0], pair[(i + 1) % pairs][1]);
        send_fd(pair[i][0], ends[1]);
    }
    close(ends[1]);
    for (int i = 0; i < pairs; i++) {
        close(pair[i][0]);
        close(pair[i][1]);
    }
    struct pollfd closed = { .fd = ends[0] };
    for (int tries = 0; poll(&closed, 1, 0) == 0; tries++) {
        CHECK(tries < 10000 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair[0]) == 0);
        close(pair[0][0]); /* this is when systems look for what is lost */
        close(pair[0][1]);
    }
    CHECK(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
    add((uint64_t)pairs);
}

/* Children that send to each other and pass descriptors are killed in the middle. */
static void
do_kill(void)
{
    int pair[2], count = 2 + (int)next(3);
    pid_t child[4];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    for (int i = 0; i < count; i++) {
        child[i] = fork();
        CHECK(child[i] >= 0);
        if (child[i] != 0)
            continue;
        for (;;) {
            int more[2];

            CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, more) == 0);
            send_fd(pair[i % 2], more[0]);
            send_fd(more[1], more[0]);
            close(more[0]);
            close(more[1]);
            close(receive_fd(pair[i % 2 ^ (count == 2)]));
        }
    }
    usleep(next(4000));
    for (int i = 0; i < count; i++) {
        CHECK(kill(child[i], SIGKILL) == 0);
        CHECK_SIGNAL(child[i], SIGKILL);
    }
    close(pair[0]);
    close(pair[1]);
    add((uint64_t)count);
}

/* ---- System V and POSIX objects ---- */

static void
do_semaphores(void)
{
    int rounds = 1 + (int)next(60);
    int id = semget(IPC_PRIVATE, 2, 0600), total = 0;
    struct sembuf down = { 0, -1, SEM_UNDO }, up = { 0, 1, SEM_UNDO };
    int *count;

    add((uint64_t)rounds);
    if (id < 0 && errno == ENOSYS)
        return;
    CHECK(id >= 0 && semctl(id, 0, SETVAL, 1) == 0);
    count = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(count != MAP_FAILED);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child != 0)
            continue;
        for (int j = 0; j < rounds; j++) {
            CHECK(semop(id, &down, 1) == 0);
            ++*count;
            if (j + 1 < rounds) /* the last is undone by the end */
                CHECK(semop(id, &up, 1) == 0);
        }
        _exit(0);
    }
    for (int i = 0; i < 3; i++) {
        int status;

        CHECK(wait(&status) > 0 && status == 0);
        total += rounds;
    }
    CHECK(*count == total && semctl(id, 0, GETVAL) == 1);
    CHECK(semctl(id, 0, IPC_RMID) == 0 && munmap(count, PAGE) == 0);
}

static void
do_sysv_messages(void)
{
    struct { long type; uint32_t value; } m;
    int count = 1 + (int)next(60), id = msgget(IPC_PRIVATE, 0600);
    uint64_t total = 0;
    pid_t child;

    add((uint64_t)count);
    if (id < 0 && errno == ENOSYS)
        return;
    CHECK(id >= 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < count; i++) {
            m.type = 1 + i % 3;
            m.value = (uint32_t)i;
            CHECK(msgsnd(id, &m, sizeof m.value, 0) == 0);
        }
        _exit(0);
    }
    for (int i = 0; i < count; i++) {
        CHECK(msgrcv(id, &m, sizeof m.value, i % 2 ? 0 : -3, 0) == sizeof m.value);
        CHECK(m.type == 1 + m.value % 3);
        total += m.value;
    }
    CHECK(total == (uint64_t)count * (unsigned)(count - 1) / 2);
    CHECK_EXIT(child, 0);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
}

static void
do_sysv_memory(void)
{
    size_t pages = 1 + next(100);
    int id = shmget(IPC_PRIVATE, pages * PAGE, 0600);
    pid_t child;

    add(pages);
    if (id < 0 && errno == ENOSYS)
        return;
    CHECK(id >= 0);
    unsigned char *at = shmat(id, NULL, 0);
    CHECK(at != (void *)-1);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0); /* it goes with its last user */
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (size_t i = 0; i < pages; i++)
            at[i * PAGE] = (unsigned char)i;
        if (pages % 2)
            CHECK(shmdt(at) == 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    for (size_t i = 0; i < pages; i++)
        CHECK(at[i * PAGE] == (unsigned char)i);
    CHECK(shmdt(at) == 0);
}

static void
do_posix_queue(void)
{
    char name[40], text[16];
    struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = sizeof text };
    int count = 1 + (int)next(40), flags = O_CREAT | O_EXCL | O_RDWR;
    uint64_t total = 0;
    pid_t child;

    add((uint64_t)count);
    snprintf(name, sizeof name, "/stress.%d", worker);
    mqd_t queue = mq_open(name, flags, 0600, &attributes);
    if (queue < 0 && errno == ENOSYS)
        return;
    CHECK(queue >= 0);
    child = fork();
    CHECK(child >= 0);
    for (int i = 0; i < count; i++) {
        if (child == 0) {
            snprintf(text, sizeof text, "%d", i);
            CHECK(mq_send(queue, text, strlen(text) + 1, (unsigned)i % 5) == 0);
        } else {
            CHECK(mq_receive(queue, text, sizeof text, NULL) > 0);
            total += (uint64_t)atoi(text);
        }
    }
    if (child == 0)
        _exit(0);
    CHECK_EXIT(child, 0);
    CHECK(total == (uint64_t)count * (unsigned)(count - 1) / 2);
    CHECK(mq_close(queue) == 0 && mq_unlink(name) == 0);
}

/* ---- other processes ---- */

static void
do_memory_of_another(void)
{
    static unsigned char mine[40 * PAGE], back[40 * PAGE];
    size_t bytes = 1 + next(sizeof mine);
    unsigned char mark = (unsigned char)next(256);
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0)
        for (;;)
            pause();
    memset(back, mark, bytes);
    struct iovec here = { back, bytes }, there = { mine, bytes };
    CHECK(process_vm_writev(child, &here, 1, &there, 1, 0) == (ssize_t)bytes);
    memset(back, 0, bytes);
    CHECK(process_vm_readv(child, &here, 1, &there, 1, 0) == (ssize_t)bytes);
    for (size_t i = 0; i < bytes; i++)
        CHECK(back[i] == mark && mine[i] == 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
    add(bytes);
}

static void
do_pidfd(void)
{
    int code = (int)next(100), how = (int)next(2);
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        if (how == 0)
            _exit(code);
        for (;;)
            pause();
    }
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    siginfo_t info;

    CHECK(fd >= 0);
    if (how == 1)
        CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0);
    CHECK(poll(&p, 1, 20000) == 1);
    CHECK(waitid(3 /* P_PIDFD */, (id_t)fd, &info, WEXITED) == 0);
    CHECK(info.si_pid == child && info.si_status == (how ? SIGTERM : code));
    CHECK(close(fd) == 0);
    add((uint64_t)code);
}

static void
do_memfd(void)
{
    size_t bytes = 1 + next(100000);
    int fd = memfd_create("stress", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    unsigned char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(at != MAP_FAILED);
    memset(at, 7, bytes);
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    CHECK(munmap(at, bytes) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_ERROR(write(fd, "x", 1), EPERM);
        CHECK_ERROR(ftruncate(fd, 0), EPERM);
        at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
        CHECK(at != MAP_FAILED && at[bytes - 1] == 7);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(close(fd) == 0);
    add(bytes);
}

static void
do_notes(void)
{
    char directory[64], name[80];
    union {
        struct inotify_event event;
        char room[4096];
    } notes;
    int count = 1 + (int)next(30), seen = 0, fd = inotify_init1(IN_NONBLOCK);

    snprintf(directory, sizeof directory, "/tmp/stress.%d.n", worker);
    CHECK(fd >= 0 && mkdir(directory, 0700) == 0);
    CHECK(inotify_add_watch(fd, directory, IN_CREATE | IN_DELETE) >= 0);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%d", directory, i);
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        CHECK(file >= 0 && close(file) == 0 && unlink(name) == 0);
    }
    for (;;) {
        ssize_t got = read(fd, &notes, sizeof notes);

        if (got < 0 && errno == EAGAIN)
            break;
        CHECK(got > 0);
        for (char *at = notes.room; at < notes.room + got;) {
            struct inotify_event *e = (void *)at;

            CHECK(e->mask == (seen++ % 2 ? IN_DELETE : IN_CREATE));
            at += sizeof *e + e->len;
        }
    }
    CHECK(seen == 2 * count && close(fd) == 0 && rmdir(directory) == 0);
    add((uint64_t)count);
}

int
main(int argc, char **argv)
{
    static stress_work *const works[] = { do_server, do_messages, do_pass, do_cycle, do_kill,
        do_semaphores, do_sysv_messages, do_sysv_memory, do_posix_queue,
        do_memory_of_another, do_pidfd, do_memfd, do_notes };

    return stress_main(argc, argv, works, sizeof works / sizeof *works);
}
