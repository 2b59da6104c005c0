/* SPDX-License-Identifier: MIT */
/*
 * What a call that blocks does when a signal comes: one row for each line of signal(7).
 * A helper interrupts the call, and later gives it what it waits for, so that a call that
 * goes on ends well.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>

#define STEP_US 40000
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

static int ends[2];
static int file, notifier;
static pid_t tester, other;
static volatile uint32_t *word;
static volatile sig_atomic_t signals;
static sigset_t nothing, usr2;
static char page[65536];

/* ---- what they wait for ---- */

static void
nothing_to_do(void)
{
}

static void
make_pipe(void)
{
    CHECK(pipe(ends) == 0);
}

static void
fill_pipe(void)
{
    make_pipe();
    CHECK(write(ends[1], page, sizeof page) == sizeof page);
}

static void
empty_pipe(void)
{
    CHECK(read(ends[0], page, sizeof page) > 0);
}

static void
write_byte(void)
{
    CHECK(write(ends[1], "x", 1) == 1);
}

static void
make_fifo(void)
{
    CHECK(mkfifo("fifo", 0600) == 0);
}

static void
open_reader(void)
{
    CHECK(open("fifo", O_RDONLY | O_NONBLOCK) >= 0);
    usleep(STEP_US);
}

/* Another process has the lock until it gets SIGTERM. */
static void
lock_by_other(int how)
{
    int ready[2];
    char byte;
    struct flock l = { .l_type = F_WRLCK };

    file = open("locked", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && pipe(ready) == 0);
    other = fork();
    if (other == 0) {
        int own = open("locked", O_RDWR);
        CHECK((how == 0 ? flock(own, LOCK_EX) : fcntl(own, F_SETLK, &l)) == 0);
        CHECK(write(ready[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    CHECK(read(ready[0], &byte, 1) == 1);
}

static void
flock_by_other(void)
{
    lock_by_other(0);
}

static void
record_by_other(void)
{
    lock_by_other(1);
}

static void
end_other(void)
{
    CHECK(kill(other, SIGTERM) == 0);
}

static void
make_child(void)
{
    other = fork();
    while (other == 0)
        pause();
}

static void
make_word(void)
{
    word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(word != MAP_FAILED);
}

static void
wake_word(void)
{
    *word = 1;
    CHECK(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) >= 0);
}

static void
make_event(void)
{
    CHECK((file = eventfd(0, 0)) >= 0);
}

static void
add_event(void)
{
    CHECK(write(file, &(uint64_t){ 1 }, 8) == 8);
}

static void
make_timer(void)
{
    struct itimerspec t = { { 0, 0 }, { 3, 0 } };

    CHECK((file = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0);
    CHECK(timerfd_settime(file, 0, &t, NULL) == 0);
}

static void
make_signalfd(void)
{
    CHECK(sigprocmask(SIG_BLOCK, &usr2, NULL) == 0);
    CHECK((file = signalfd(-1, &usr2, 0)) >= 0);
}

static void
send_usr2(void)
{
    CHECK(kill(tester, SIGUSR2) == 0);
}

static void
make_inotify(void)
{
    CHECK((notifier = inotify_init1(0)) >= 0);
    CHECK(inotify_add_watch(notifier, ".", IN_CREATE) >= 0);
}

static void
create_file(void)
{
    CHECK(close(open("new", O_CREAT | O_WRONLY, 0600)) == 0);
}

static void
make_epoll(void)
{
    struct epoll_event e = { .events = EPOLLIN };

    make_pipe();
    CHECK((file = epoll_create1(0)) >= 0);
    CHECK(epoll_ctl(file, EPOLL_CTL_ADD, ends[0], &e) == 0);
}

/* ---- the calls ---- */

static long
do_read(void)
{
    return read(ends[0], page, 1);
}

static long
do_readv(void)
{
    struct iovec v[2] = { { page, 1 }, { page + 1, 1 } };

    return readv(ends[0], v, 2);
}

static long
do_write(void)
{
    return write(ends[1], "x", 1);
}

static long
do_writev(void)
{
    struct iovec v[2] = { { page, 1 }, { page + 1, 1 } };

    return writev(ends[1], v, 2);
}

static long
do_open(void)
{
    return open("fifo", O_WRONLY);
}

static long
do_wait4(void)
{
    return wait4(other, NULL, 0, NULL);
}

static long
do_waitid(void)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)other, &info, WEXITED);
}

static long
do_flock(void)
{
    return flock(file, LOCK_EX);
}

static long
do_setlkw(void)
{
    struct flock l = { .l_type = F_WRLCK };

    return fcntl(file, F_SETLKW, &l);
}

static long
do_ofd_setlkw(void)
{
    struct flock l = { .l_type = F_WRLCK };

    return fcntl(file, F_OFD_SETLKW, &l);
}

static long
do_futex(void)
{
    long r = syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);

    return r < 0 && errno == EAGAIN ? 0 : r;
}

static long
do_futex_timed(void)
{
    struct timespec t = { 20, 0 };
    long r = syscall(SYS_futex, word, FUTEX_WAIT, 0, &t, NULL, 0);

    return r < 0 && errno == EAGAIN ? 0 : r;
}

static long
do_read_file(void)
{
    return read(file, page, 4096);
}

static long
do_read_notifier(void)
{
    return read(notifier, page, 4096);
}

static long
do_poll(void)
{
    struct pollfd p = { .fd = ends[0], .events = POLLIN };

    return poll(&p, 1, 20000);
}

static long
do_ppoll(void)
{
    struct pollfd p = { .fd = ends[0], .events = POLLIN };
    struct timespec t = { 20, 0 };

    return syscall(SYS_ppoll, &p, 1, &t, &nothing, 8);
}

static long
do_select(void)
{
    struct timeval t = { 20, 0 };
    fd_set set;

    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, &set, NULL, NULL, &t);
}

static long
do_pselect(void)
{
    struct timespec t = { 20, 0 };
    fd_set set;

    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return pselect(ends[0] + 1, &set, NULL, NULL, &t, &nothing);
}

static long
do_epoll_wait(void)
{
    struct epoll_event e;

    return epoll_wait(file, &e, 1, 20000);
}

static long
do_epoll_pwait(void)
{
    struct epoll_event e;

    return epoll_pwait(file, &e, 1, 20000, &nothing);
}

static struct timespec asked, left;

static long
do_nanosleep(void)
{
    asked = (struct timespec){ 3, 0 };
    left = (struct timespec){ -1, 0 };
    return nanosleep(&asked, &left);
}

static long
do_clock_nanosleep(void)
{
    asked = (struct timespec){ 3, 0 };
    errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &asked, &left);
    return errno == 0 ? 0 : -1;
}

static long
do_sleep_until(void)
{
    CHECK(clock_gettime(CLOCK_REALTIME, &asked) == 0);
    asked.tv_sec += 3;
    errno = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &asked, NULL);
    return errno == 0 ? 0 : -1;
}

static long
do_pause(void)
{
    return pause();
}

static long
do_sigsuspend(void)
{
    return sigsuspend(&nothing);
}

static void
block_usr2(void)
{
    CHECK(sigprocmask(SIG_BLOCK, &usr2, NULL) == 0);
}

static long
do_sigwaitinfo(void)
{
    /* The bare call: musl goes on by itself. */
    return syscall(SYS_rt_sigtimedwait, &usr2, NULL, NULL, 8);
}

static long
do_sigtimedwait(void)
{
    struct timespec t = { 20, 0 };

    return syscall(SYS_rt_sigtimedwait, &usr2, NULL, &t, 8);
}

/* ---- the table ---- */

enum result { GOES_ON, INTERRUPTED };
enum way { PLAIN, WITH_RESTART, STOPPED, WAYS };

static const struct row {
    const char *name;
    void (*prepare)(void);
    long (*call)(void);
    void (*finish)(void);
    enum result with_restart, stopped;
} rows[] = {
    { "read", make_pipe, do_read, write_byte, GOES_ON, GOES_ON },
    { "readv", make_pipe, do_readv, write_byte, GOES_ON, GOES_ON },
    { "write", fill_pipe, do_write, empty_pipe, GOES_ON, GOES_ON },
    { "writev", fill_pipe, do_writev, empty_pipe, GOES_ON, GOES_ON },
    { "open of a FIFO", make_fifo, do_open, open_reader, GOES_ON, GOES_ON },
    { "wait4", make_child, do_wait4, end_other, GOES_ON, GOES_ON },
    { "waitid", make_child, do_waitid, end_other, GOES_ON, GOES_ON },
    { "flock", flock_by_other, do_flock, end_other, GOES_ON, GOES_ON },
    { "F_SETLKW", record_by_other, do_setlkw, end_other, GOES_ON, GOES_ON },
    { "F_OFD_SETLKW", record_by_other, do_ofd_setlkw, end_other, GOES_ON, GOES_ON },
    { "futex", make_word, do_futex, wake_word, GOES_ON, GOES_ON },
    { "futex with a limit", make_word, do_futex_timed, wake_word, INTERRUPTED, GOES_ON },
    { "eventfd", make_event, do_read_file, add_event, GOES_ON, GOES_ON },
    { "timerfd", make_timer, do_read_file, nothing_to_do, GOES_ON, GOES_ON },
    { "signalfd", make_signalfd, do_read_file, send_usr2, GOES_ON, GOES_ON },
    { "inotify", make_inotify, do_read_notifier, create_file, GOES_ON, GOES_ON },
    { "poll", make_pipe, do_poll, write_byte, INTERRUPTED, GOES_ON },
    { "ppoll", make_pipe, do_ppoll, write_byte, INTERRUPTED, GOES_ON },
    { "select", make_pipe, do_select, write_byte, INTERRUPTED, GOES_ON },
    { "pselect", make_pipe, do_pselect, write_byte, INTERRUPTED, GOES_ON },
    { "epoll_wait", make_epoll, do_epoll_wait, write_byte, INTERRUPTED, INTERRUPTED },
    { "epoll_pwait", make_epoll, do_epoll_pwait, write_byte, INTERRUPTED, INTERRUPTED },
    { "nanosleep", nothing_to_do, do_nanosleep, nothing_to_do, INTERRUPTED, GOES_ON },
    { "clock_nanosleep", nothing_to_do, do_clock_nanosleep, nothing_to_do, INTERRUPTED,
      GOES_ON },
    { "sleep until", nothing_to_do, do_sleep_until, nothing_to_do, INTERRUPTED, GOES_ON },
    { "pause", nothing_to_do, do_pause, NULL, INTERRUPTED, GOES_ON },
    { "sigsuspend", nothing_to_do, do_sigsuspend, NULL, INTERRUPTED, GOES_ON },
    { "sigwaitinfo", block_usr2, do_sigwaitinfo, send_usr2, INTERRUPTED, INTERRUPTED },
    { "sigtimedwait", block_usr2, do_sigtimedwait, send_usr2, INTERRUPTED, INTERRUPTED },
};

static void
note(int number)
{
    (void)number;
    signals++;
}

/* Wait until the tester is in this state (proc(5)): asleep, stopped; or has ended. */
static void
await_state(char wanted)
{
    char name[32], text[256], state = 0;

    snprintf(name, sizeof name, "/proc/%d/stat", tester);
    for (int i = 0; i < 5000 && state != wanted && state != 'Z'; i++) {
        int fd = open(name, O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd < 0 && errno == ENOENT)
            return;
        CHECK(n > 0 && close(fd) == 0);
        text[n] = '\0';
        state = strrchr(text, ')')[2];
        usleep(2000);
    }
}

/* The helper: interrupt, and later finish. */
static void
disturb(const struct row *row, enum way way)
{
    usleep(STEP_US);
    await_state('S');
    if (way == STOPPED) {
        CHECK(kill(tester, SIGSTOP) == 0);
        await_state('T');
        CHECK(kill(tester, SIGCONT) == 0);
    } else {
        CHECK(kill(tester, SIGUSR1) == 0);
    }
    usleep(STEP_US);
    await_state('S');
    if (row->finish == NULL)
        kill(tester, SIGUSR1); /* these end by a handler only */
    else
        row->finish();
    _exit(0);
}

/* In a process of its own. */
static void
one_way(const struct row *row, enum way way)
{
    struct sigaction action = { .sa_handler = note,
                                .sa_flags = way == WITH_RESTART ? SA_RESTART : 0 };
    enum result expected = way == PLAIN          ? INTERRUPTED
                           : way == WITH_RESTART ? row->with_restart
                                                 : row->stopped;
    pid_t helper;
    long r;

    tester = getpid();
    alarm(30);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    row->prepare();
    helper = fork();
    if (helper == 0)
        disturb(row, way);
    errno = 0;
    r = row->call();
    bool interrupted = r == -1 && errno == EINTR;
    if (row->finish == NULL) /* one signal more than the stop tells that it went on */
        CHECK(interrupted && signals == 1);
    else if (interrupted != (expected == INTERRUPTED) || (r < 0 && !interrupted))
        dprintf(2, "# result %ld, %s\n", r, strerror(errno)), _exit(1);
    if (way != STOPPED)
        CHECK(signals == 1);
    if (interrupted && row->call == do_nanosleep)
        CHECK(left.tv_sec >= 0 && left.tv_sec < 3);
    kill(helper, SIGKILL);
    if (other > 0)
        kill(other, SIGKILL);
    _exit(0);
}

static void
all_rows(enum way way)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    pid_t child[ROWS];
    int bad = 0;

    sigemptyset(&nothing);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    for (int i = 0; i < ROWS; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        CHECK(mkdir(name, 0755) == 0 && chdir(name) == 0);
        child[i] = fork();
        if (child[i] == 0)
            one_way(&rows[i], way);
        CHECK(chdir("..") == 0);
    }
    for (int i = 0; i < ROWS; i++) {
        int status = check_wait(child[i]);
        if (status != 0) {
            dprintf(2, "# %s: status 0x%x\n", rows[i].name, status);
            bad++;
        }
    }
    CHECK(bad == 0);
}

static void
test_blocking_calls_when_handler_without_restart_then_eintr(void)
{
    all_rows(PLAIN);
}

static void
test_blocking_calls_when_handler_with_restart_then_as_signal_7_says(void)
{
    all_rows(WITH_RESTART);
}

static void
test_blocking_calls_when_stopped_and_continued_then_as_signal_7_says(void)
{
    all_rows(STOPPED);
}

int
main(void)
{
    mkdir("/tmp", 01777);
    char work[] = "/tmp/restartXXXXXX";
    if (mkdtemp(work) == NULL || chdir(work) != 0)
        return 1;
    RUN_IN_NEW(test_blocking_calls_when_handler_without_restart_then_eintr, read, write,
               wait4, waitid, flock, futex, poll, select, nanosleep, pause);
    RUN_IN_NEW(test_blocking_calls_when_handler_with_restart_then_as_signal_7_says,
               restart_syscall, rt_sigaction, read, readv, write, writev, wait4, waitid,
               flock, fcntl, futex, poll, ppoll, select, pselect6, epoll_wait,
               epoll_pwait, nanosleep, clock_nanosleep, pause, rt_sigsuspend,
               rt_sigtimedwait);
    RUN_IN_NEW(test_blocking_calls_when_stopped_and_continued_then_as_signal_7_says,
               restart_syscall, poll, nanosleep, futex, rt_sigtimedwait, epoll_wait);
    return check_failures != 0;
}
