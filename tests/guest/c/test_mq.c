/* SPDX-License-Identifier: MIT */
/* POSIX message queues: names, messages, priorities, waiting, notes, the file system. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#define NAME "/test_mq"

static struct timespec
real_in(long ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += ms % 1000 * 1000000;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* A new queue without a name any more. */
static mqd_t
fresh(long count, long bytes, int flags)
{
    struct mq_attr attr = { .mq_maxmsg = count, .mq_msgsize = bytes };
    mq_unlink(NAME);
    mqd_t q = mq_open(NAME, O_CREAT | O_EXCL | O_RDWR | flags, 0600, &attr);
    CHECK(q != (mqd_t)-1);
    CHECK(mq_unlink(NAME) == 0);
    return q;
}

static void
send_text(mqd_t q, const char *text, unsigned priority)
{
    CHECK(mq_send(q, text, strlen(text), priority) == 0);
}

static void
expect(mqd_t q, const char *text, unsigned priority)
{
    char got[8192];
    unsigned p = 77;
    ssize_t n = mq_receive(q, got, sizeof got, &p);
    CHECK(n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0);
    CHECK(p == priority);
}

static void
test_order(void)
{
    mqd_t q = fresh(8, 64, 0);
    send_text(q, "low", 1);
    send_text(q, "high", 32767);
    send_text(q, "low too", 1);
    send_text(q, "", 5);
    send_text(q, "middle", 5);
    expect(q, "high", 32767);
    expect(q, "", 5);
    expect(q, "middle", 5);
    expect(q, "low", 1);
    expect(q, "low too", 1);
}

static void
test_open(void)
{
    struct mq_attr attr;
    mqd_t q;
    mq_unlink(NAME);
    CHECK_ERROR(mq_open(NAME, O_RDWR), ENOENT);
    CHECK_ERROR(mq_unlink(NAME), ENOENT);
    q = mq_open(NAME, O_CREAT | O_WRONLY, 0600, NULL);
    CHECK(q != (mqd_t)-1);
    CHECK(mq_getattr(q, &attr) == 0);
    CHECK(attr.mq_maxmsg == 10 && attr.mq_msgsize == 8192 && attr.mq_curmsgs == 0);
    CHECK(attr.mq_flags == 0);
    CHECK((fcntl(q, F_GETFD) & FD_CLOEXEC) != 0);
    char got[8192];
    CHECK_ERROR(mq_receive(q, got, sizeof got, NULL), EBADF);
    mqd_t reader = mq_open(NAME, O_RDONLY | O_NONBLOCK);
    CHECK(reader != (mqd_t)-1);
    CHECK_ERROR(mq_send(reader, "x", 1, 0), EBADF);
    CHECK(mq_getattr(reader, &attr) == 0 && attr.mq_flags == O_NONBLOCK);
    send_text(q, "x", 3);
    CHECK(mq_getattr(reader, &attr) == 0 && attr.mq_curmsgs == 1);
    expect(reader, "x", 3);
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_EXCL | O_RDWR, 0600, NULL), EEXIST);
    mqd_t again = mq_open(NAME, O_CREAT | O_RDWR, 0600, NULL);
    CHECK(again != (mqd_t)-1);
    CHECK(mq_unlink(NAME) == 0);
    CHECK_ERROR(mq_open(NAME, O_RDWR), ENOENT);
    send_text(q, "y", 1); /* it lives without its name */
    expect(again, "y", 1);
    CHECK(mq_close(q) == 0 && mq_close(reader) == 0 && mq_close(again) == 0);
    CHECK_ERROR(mq_send(q, "x", 1, 0), EBADF);
}

static long
raw_open(const char *name, int flags)
{
    return syscall(SYS_mq_open, name, flags, 0600, NULL);
}

static void
test_names(void)
{
    char name[300];
    CHECK_ERROR(raw_open("", O_CREAT | O_RDWR), ENOENT);
    CHECK_ERROR(raw_open("a/b", O_CREAT | O_RDWR), EACCES);
    CHECK_ERROR(raw_open("/a", O_CREAT | O_RDWR), EACCES);
    CHECK_ERROR(raw_open(".", O_CREAT | O_RDWR), EACCES);
    CHECK_ERROR(raw_open("..", O_RDWR), EACCES);
    CHECK_ERROR(raw_open((void *)8, O_RDWR), EFAULT);
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    CHECK_ERROR(raw_open(name, O_CREAT | O_RDWR), ENAMETOOLONG);
    name[255] = '\0';
    long q = raw_open(name, O_CREAT | O_RDWR);
    CHECK(q >= 0);
    CHECK_ERROR(raw_open(name, O_WRONLY | O_RDWR), EINVAL);
    CHECK(syscall(SYS_mq_unlink, name) == 0);
    CHECK_ERROR(syscall(SYS_mq_unlink, "a/b"), EACCES);
    CHECK_ERROR(syscall(SYS_mq_unlink, ""), ENOENT);
}

static void
test_sizes(void)
{
    struct mq_attr attr = { .mq_maxmsg = 0, .mq_msgsize = 1 };
    mq_unlink(NAME);
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr), EINVAL);
    attr = (struct mq_attr){ .mq_maxmsg = 1, .mq_msgsize = 0 };
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr), EINVAL);
    attr = (struct mq_attr){ .mq_maxmsg = -1, .mq_msgsize = 1 };
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr), EINVAL);
    attr = (struct mq_attr){ .mq_maxmsg = 65537, .mq_msgsize = 1 };
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr), EINVAL);
    attr = (struct mq_attr){ .mq_maxmsg = 1, .mq_msgsize = 16777217 };
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr), EINVAL);
    CHECK_ERROR(syscall(SYS_mq_open, "test_mq", O_CREAT | O_RDWR, 0600, 8), EFAULT);
    mqd_t q = fresh(2, 4, 0);
    char got[4];
    CHECK_ERROR(mq_send(q, "12345", 5, 0), EMSGSIZE);
    CHECK_ERROR(mq_send(q, "1234", 4, 32768), EINVAL);
    CHECK_ERROR(mq_receive(q, got, 3, NULL), EMSGSIZE);
    CHECK_ERROR(syscall(SYS_mq_timedsend, q, 8, 4, 0, NULL), EFAULT);
    CHECK(mq_send(q, "1234", 4, 0) == 0);
    CHECK(mq_receive(q, got, 4, NULL) == 4 && memcmp(got, "1234", 4) == 0);
    /* A descriptor of something else */
    CHECK_ERROR(mq_send(0, "", 0, 0), EBADF);
    CHECK_ERROR(mq_notify(0, NULL), EBADF);
}

/* An ordinary user: what the settings and RLIMIT_MSGQUEUE say. */
static void
test_limits(void)
{
    struct rlimit limit = { 4096, 4096 };
    struct mq_attr attr = { .mq_maxmsg = 11, .mq_msgsize = 1 };
    mq_unlink(NAME);
    CHECK(setresuid(4711, 4711, 4711) == 0);
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr), EINVAL);
    attr = (struct mq_attr){ .mq_maxmsg = 1, .mq_msgsize = 8193 };
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr), EINVAL);
    CHECK(setrlimit(RLIMIT_MSGQUEUE, &limit) == 0);
    attr = (struct mq_attr){ .mq_maxmsg = 10, .mq_msgsize = 1000 };
    CHECK_ERROR(mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr), EMFILE);
    attr.mq_msgsize = 200; /* 10 * (200 + 2 * 48) = 2960 */
    mqd_t q = mq_open(NAME, O_CREAT | O_RDWR, 0600, &attr);
    CHECK(q != (mqd_t)-1);
    CHECK_ERROR(mq_open(NAME "_two", O_CREAT | O_RDWR, 0600, &attr), EMFILE);
    CHECK(mq_unlink(NAME) == 0);
    CHECK_ERROR(mq_open(NAME "_two", O_CREAT | O_RDWR, 0600, &attr), EMFILE);
    CHECK(mq_close(q) == 0); /* now it is given back */
    q = mq_open(NAME "_two", O_CREAT | O_RDWR, 0600, &attr);
    CHECK(q != (mqd_t)-1 && mq_unlink(NAME "_two") == 0);
}

static void
test_rights(void)
{
    mq_unlink(NAME);
    umask(027);
    mqd_t q = mq_open(NAME, O_CREAT | O_RDWR, 0666, NULL);
    struct stat st;
    CHECK(q != (mqd_t)-1 && fstat(q, &st) == 0);
    CHECK((st.st_mode & 07777) == 0640 && S_ISREG(st.st_mode) && st.st_size == 80);
    CHECK(st.st_uid == 0 && st.st_nlink == 1);
    CHECK(fchmod(q, 0604) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setresgid(4711, 4711, 4711) == 0 && setresuid(4711, 4711, 4711) == 0);
        CHECK_ERROR(mq_open(NAME, O_RDWR), EACCES);
        CHECK_ERROR(mq_open(NAME, O_WRONLY), EACCES);
        CHECK(mq_open(NAME, O_RDONLY) != (mqd_t)-1);
        CHECK(mq_open(NAME, O_RDONLY | O_CREAT, 0600, NULL) != (mqd_t)-1);
        errno = 0;
        CHECK(mq_unlink(NAME) == -1 && (errno == EACCES || errno == EPERM));
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(mq_unlink(NAME) == 0);
}

static void
no_action(int number)
{
    (void)number;
}

static void
test_waiting(void)
{
    mqd_t q = fresh(1, 8, 0);
    char got[8];
    struct timespec soon = real_in(30), bad = { 0, 1000000000 }, past = { 1, 0 };
    CHECK_ERROR(mq_timedreceive(q, got, 8, NULL, &soon), ETIMEDOUT);
    CHECK_ERROR(mq_timedreceive(q, got, 8, NULL, &past), ETIMEDOUT);
    CHECK_ERROR(mq_timedreceive(q, got, 8, NULL, &bad), EINVAL);
    send_text(q, "a", 0);
    soon = real_in(30);
    CHECK_ERROR(mq_timedsend(q, "b", 1, 0, &soon), ETIMEDOUT);
    CHECK_ERROR(mq_timedsend(q, "b", 1, 0, &bad), EINVAL);
    struct mq_attr attr = { .mq_flags = O_NONBLOCK }, old;
    CHECK(mq_setattr(q, &attr, &old) == 0 && old.mq_flags == 0 && old.mq_curmsgs == 1);
    CHECK_ERROR(mq_send(q, "b", 1, 0), EAGAIN);
    expect(q, "a", 0);
    CHECK_ERROR(mq_receive(q, got, 8, NULL), EAGAIN);
    attr.mq_flags = 1;
    CHECK_ERROR(mq_setattr(q, &attr, NULL), EINVAL);
    attr.mq_flags = 0;
    CHECK(mq_setattr(q, &attr, NULL) == 0);
    /* A signal: EINTR, unless it restarts. */
    struct sigaction act = { .sa_handler = no_action };
    sigaction(SIGUSR1, &act, NULL);
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        for (;;) { /* until the parent is through */
            kill(self, SIGUSR1);
            usleep(2000);
        }
    }
    CHECK_ERROR(mq_receive(q, got, 8, NULL), EINTR);
    send_text(q, "a", 0);
    CHECK_ERROR(mq_send(q, "b", 1, 0), EINTR);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
}

static void
test_restart_goes_on(void)
{
    mqd_t q = fresh(1, 8, 0);
    struct sigaction act = { .sa_handler = no_action, .sa_flags = SA_RESTART };
    sigaction(SIGUSR1, &act, NULL);
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            kill(self, SIGUSR1);
            usleep(2000);
        }
        send_text(q, "done", 9);
        _exit(0);
    }
    expect(q, "done", 9);
    CHECK(waitpid(child, NULL, 0) == child);
}

/* A hundred messages through a queue of three, to and fro. */
static void
test_processes(void)
{
    mqd_t to = fresh(3, 8, 0), from = fresh(3, 8, 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 100; i++) {
            int n;
            CHECK(mq_receive(to, (char *)&n, 8, NULL) == sizeof n && n == i);
            CHECK(mq_send(from, (char *)&n, sizeof n, 1) == 0);
        }
        _exit(0);
    }
    for (int i = 0, seen = 0; seen < 100;) {
        int n;
        if (i < 100) {
            CHECK(mq_send(to, (char *)&i, sizeof i, 7) == 0);
            i++;
        }
        if (i - seen >= 3 || i == 100) {
            CHECK(mq_receive(from, (char *)&n, 8, NULL) == sizeof n && n == seen);
            seen++;
        }
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static char
state_of(pid_t pid)
{
    char path[40], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL && fgets(text, sizeof text, f) != NULL && fclose(f) == 0);
    return strrchr(text, ')')[2];
}

/* A receiver that waits; it ends with the priority of the message that it got. */
static pid_t
receiver(mqd_t q, int policy, int priority)
{
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct sched_param p = { .sched_priority = priority };
        char got[8];
        unsigned number;
        /* The system call: musl has none. */
        CHECK(syscall(SYS_sched_setscheduler, 0, policy, &p) == 0);
        CHECK(write(ready[1], "", 1) == 1);
        CHECK(mq_receive(q, got, sizeof got, &number) == 1);
        _exit((int)number);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    while (state_of(child) != 'S')
        usleep(1000);
    close(ready[0]);
    close(ready[1]);
    return child;
}

/* The most important thread that waits gets the message, of these the first. */
static void
test_important_first(void)
{
    mqd_t q = fresh(4, 8, 0);
    pid_t plain = receiver(q, SCHED_OTHER, 0), low = receiver(q, SCHED_FIFO, 1),
          high = receiver(q, SCHED_FIFO, 9), second = receiver(q, SCHED_FIFO, 9);
    for (unsigned i = 1; i <= 4; i++)
        send_text(q, "x", i);
    CHECK_EXIT(high, 1);
    CHECK_EXIT(second, 2);
    CHECK_EXIT(low, 3);
    CHECK_EXIT(plain, 4);
}

static void
test_poll(void)
{
    mqd_t q = fresh(2, 8, 0);
    struct pollfd p = { .fd = q, .events = POLLIN | POLLOUT };
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
    send_text(q, "a", 0);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT));
    send_text(q, "b", 0);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    expect(q, "a", 0);
    expect(q, "b", 0);
    int set = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN };
    CHECK(set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, q, &e) == 0);
    CHECK(epoll_wait(set, &e, 1, 0) == 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(10000);
        send_text(q, "c", 0);
        _exit(0);
    }
    CHECK(epoll_wait(set, &e, 1, -1) == 1 && e.events == EPOLLIN);
    CHECK(waitpid(child, NULL, 0) == child);
}

/* ---- notes ---- */

static sigset_t
block(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return set;
}

static void
test_notify_signal(void)
{
    mqd_t q = fresh(4, 8, 0);
    sigset_t set = block(SIGUSR1);
    struct timespec none = { 0, 0 };
    struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1,
                          .sigev_value.sival_int = 4711 };
    siginfo_t info;
    CHECK(mq_notify(q, &e) == 0);
    CHECK_ERROR(mq_notify(q, &e), EBUSY);
    pid_t child = fork();
    if (child == 0) {
        struct sigevent other = { .sigev_notify = SIGEV_NONE };
        CHECK_ERROR(mq_notify(q, &other), EBUSY);
        CHECK(mq_notify(q, NULL) == 0); /* not its own: nothing happens */
        send_text(q, "a", 0);
        send_text(q, "b", 0);
        _exit(0);
    }
    int status;
    CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
    CHECK(info.si_code == SI_MESGQ && info.si_pid == child && info.si_uid == getuid());
    CHECK(info.si_value.sival_int == 4711);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    /* Once only, and only when the queue was empty. */
    CHECK_ERROR(sigtimedwait(&set, &info, &none), EAGAIN);
    CHECK(mq_notify(q, &e) == 0);
    send_text(q, "c", 0);
    CHECK_ERROR(sigtimedwait(&set, &info, &none), EAGAIN);
    expect(q, "a", 0);
    expect(q, "b", 0);
    expect(q, "c", 0);
    CHECK(mq_notify(q, NULL) == 0);
    send_text(q, "d", 0);
    CHECK_ERROR(sigtimedwait(&set, &info, &none), EAGAIN);
    expect(q, "d", 0);
    CHECK(mq_notify(q, &e) == 0);
    send_text(q, "e", 0);
    CHECK(sigtimedwait(&set, &info, &none) == SIGUSR1 && info.si_pid == getpid());
}

static void
test_notify_ends_with_its_owner(void)
{
    mqd_t q = fresh(4, 8, 0);
    struct sigevent e = { .sigev_notify = SIGEV_NONE };
    int status;
    pid_t child = fork();
    if (child == 0) {
        CHECK(mq_notify(q, &e) == 0);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(mq_notify(q, &e) == 0);
    int other = dup(q);
    CHECK(other >= 0 && close(other) == 0); /* any descriptor of it */
    CHECK(mq_notify(q, &e) == 0);
    CHECK_ERROR(mq_notify(q, &e), EBUSY);
}

static void
test_notify_errors(void)
{
    mqd_t q = fresh(4, 8, 0);
    struct sigevent e = { .sigev_notify = 77 };
    CHECK_ERROR(syscall(SYS_mq_notify, q, &e), EINVAL);
    e = (struct sigevent){ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65 };
    CHECK_ERROR(syscall(SYS_mq_notify, q, &e), EINVAL);
    CHECK_ERROR(syscall(SYS_mq_notify, q, 8), EFAULT);
    char cookie[32] = "";
    e = (struct sigevent){ .sigev_notify = SIGEV_THREAD, .sigev_signo = 999,
                           .sigev_value.sival_ptr = cookie };
    CHECK_ERROR(syscall(SYS_mq_notify, q, &e), EBADF);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    e.sigev_signo = pipes[0];
    CHECK_ERROR(syscall(SYS_mq_notify, q, &e), ENOTSOCK);
    e.sigev_value.sival_ptr = (void *)8;
    CHECK_ERROR(syscall(SYS_mq_notify, q, &e), EFAULT);
}

/* ---- the file system ---- */

static void
test_files(void)
{
    char text[128];
    struct statfs fs;
    struct stat st;
    mkdir("/tmp/mq", 0700);
    mq_unlink(NAME);
    CHECK(mount("none", "/tmp/mq", "mqueue", 0, NULL) == 0);
    CHECK(statfs("/tmp/mq", &fs) == 0 && fs.f_type == 0x19800202);
    CHECK(stat("/tmp/mq", &st) == 0 && (st.st_mode & 07777) == 01777);
    mqd_t q = mq_open(NAME, O_CREAT | O_RDWR, 0600, NULL);
    CHECK(q != (mqd_t)-1);
    send_text(q, "12345", 1);
    int file = open("/tmp/mq" NAME, O_RDONLY);
    CHECK(file >= 0);
    ssize_t n = read(file, text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = '\0';
    CHECK(strcmp(text, "QSIZE:5          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n") == 0);
    CHECK(read(file, text, sizeof text) == 0);
    struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
    CHECK(mq_notify(q, &e) == 0);
    n = pread(file, text, sizeof text - 1, 0);
    CHECK(n > 0);
    text[n] = '\0';
    char wanted[128];
    snprintf(wanted, sizeof wanted, "QSIZE:%-10d NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
             5, 0, SIGUSR2, getpid());
    CHECK(strcmp(text, wanted) == 0);
    CHECK(write(file, "x", 1) == -1);
    char got[8192]; /* what open(2) gives is a queue, too */
    CHECK(mq_receive(file, got, sizeof got, NULL) == 5);
    close(file);
    file = open("/tmp/mq/other", O_CREAT | O_RDWR, 0600);
    CHECK(file >= 0 && mq_open("/other", O_RDWR) != (mqd_t)-1);
    CHECK(close(file) == 0);
    CHECK(unlink("/tmp/mq/other") == 0);
    snprintf(wanted, sizeof wanted, "/proc/self/fd/%d", q);
    n = readlink(wanted, text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = '\0';
    CHECK(strcmp(text, NAME) == 0);
    CHECK_ERROR(mq_open("/other", O_RDWR), ENOENT);
    CHECK_ERROR(mkdir("/tmp/mq/d", 0700), EPERM);
    CHECK_ERROR(symlink("a", "/tmp/mq/s"), EPERM);
    CHECK_ERROR(rename("/tmp/mq" NAME, "/tmp/mq/b"), EPERM);
    CHECK(mq_unlink(NAME) == 0);
    CHECK_ERROR(stat("/tmp/mq" NAME, &st), ENOENT);
    CHECK(umount("/tmp/mq") == 0);
    send_text(q, "still there", 2);
    expect(q, "still there", 2);
}

static void
setting(const char *name, const char *value)
{
    char path[80];
    snprintf(path, sizeof path, "/proc/sys/fs/mqueue/%s", name);
    int f = open(path, O_WRONLY);
    CHECK(f >= 0 && write(f, value, strlen(value)) == (ssize_t)strlen(value));
    CHECK(close(f) == 0);
}

static void
test_settings(void)
{
    struct mq_attr attr;
    int f = open("/proc/sys/fs/mqueue/msg_max", O_WRONLY);
    CHECK(f >= 0);
    CHECK_ERROR(write(f, "0", 1), EINVAL);
    CHECK_ERROR(write(f, "65537", 5), EINVAL);
    setting("msg_default", "3");
    setting("msgsize_default", "200");
    mq_unlink(NAME);
    mqd_t q = mq_open(NAME, O_CREAT | O_RDWR, 0600, NULL);
    CHECK(q != (mqd_t)-1 && mq_getattr(q, &attr) == 0);
    CHECK(attr.mq_maxmsg == 3 && attr.mq_msgsize == 200);
    setting("msg_default", "10");
    setting("msgsize_default", "8192");
    setting("queues_max", "0");
    pid_t child = fork();
    if (child == 0) {
        CHECK(setresuid(4711, 4711, 4711) == 0);
        CHECK_ERROR(mq_open(NAME "_more", O_CREAT | O_RDWR, 0600, NULL), ENOSPC);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    setting("queues_max", "256");
    CHECK(status == 0);
    CHECK(mq_unlink(NAME) == 0);
}

/* Many messages of many priorities come in order. */
static void
test_many(void)
{
    mqd_t q = fresh(5000, 8, 0);
    unsigned seed = 1, last = 40000, p;
    int last_number = 0;
    for (int i = 0; i < 5000; i++) {
        seed = seed * 1103515245 + 12345;
        CHECK(mq_send(q, (char *)&i, sizeof i, seed >> 16 & 31) == 0);
    }
    for (int i = 0; i < 5000; i++) {
        int number;
        CHECK(mq_receive(q, (char *)&number, 8, &p) == sizeof number);
        CHECK(p < last || (p == last && number > last_number));
        last = p;
        last_number = number;
    }
}

int
main(void)
{
    RUN(test_order, mq_timedsend, mq_timedreceive);
    RUN(test_open, mq_open, mq_unlink, mq_getsetattr);
    RUN(test_names, mq_open, mq_unlink);
    RUN(test_sizes, mq_open, mq_timedsend, mq_timedreceive);
    RUN(test_limits, mq_open);
    RUN(test_rights, mq_open, mq_unlink);
    RUN(test_waiting, mq_timedsend, mq_timedreceive, mq_getsetattr);
    RUN(test_restart_goes_on, mq_timedreceive);
    RUN(test_processes, mq_timedsend, mq_timedreceive);
    RUN(test_important_first, mq_timedreceive);
    RUN(test_poll, poll, epoll_wait);
    RUN(test_notify_signal, mq_notify);
    RUN(test_notify_ends_with_its_owner, mq_notify);
    RUN(test_notify_errors, mq_notify);
    RUN(test_files, mount, mq_open);
    RUN(test_settings, mq_open);
    RUN(test_many, mq_timedsend, mq_timedreceive);
    return check_failures != 0;
}
