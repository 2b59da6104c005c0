/* SPDX-License-Identifier: MIT */
/* System V message queues: msgget(2), msgop(2), msgctl(2). */
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "check.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif
#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif
#define NOBODY 65534

struct text {
    long type;
    char bytes[8192];
};
static struct text in, out;

static int
make(void)
{
    int id = msgget(IPC_PRIVATE, 0600);
    CHECK(id >= 0);
    return id;
}

static int
put(int id, long type, const char *s, int flags)
{
    out.type = type;
    strcpy(out.bytes, s);
    return msgsnd(id, &out, strlen(s), flags);
}

/* The text of the message that is got; NULL: none. */
static const char *
get(int id, long type, int flags)
{
    long n = msgrcv(id, &in, sizeof in.bytes - 1, type, flags | IPC_NOWAIT);
    if (n < 0)
        return NULL;
    in.bytes[n] = 0;
    return in.bytes;
}

static int
got(int id, long type, int flags, const char *text)
{
    const char *s = get(id, type, flags);
    return s != NULL && strcmp(s, text) == 0;
}

static void
drop(int id)
{
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
}

static void
test_get(void)
{
    key_t key = 0x35600000 | (getpid() & 0xffff);
    CHECK_ERROR(msgget(key, 0), ENOENT);
    int id = msgget(key, IPC_CREAT | 0600);
    CHECK(id >= 0 && msgget(key, 0) == id);
    CHECK_ERROR(msgget(key, IPC_CREAT | IPC_EXCL), EEXIST);
    drop(id);
    CHECK_ERROR(put(id, 1, "x", 0), EINVAL);
    CHECK_ERROR(msgctl(id, IPC_RMID, NULL), EINVAL);
}

static void
test_order_and_types(void)
{
    int id = make();
    CHECK(put(id, 3, "three", 0) == 0 && put(id, 1, "one", 0) == 0);
    CHECK(put(id, 2, "two", 0) == 0 && put(id, 1, "uno", 0) == 0);
    CHECK(got(id, 0, 0, "three") && in.type == 3);
    CHECK(got(id, 1, 0, "one"));
    CHECK(got(id, 1, MSG_EXCEPT, "two") && in.type == 2);
    CHECK(get(id, 7, 0) == NULL && errno == ENOMSG);
    CHECK(put(id, 5, "five", 0) == 0 && put(id, 4, "four", 0) == 0);
    CHECK(get(id, -0x7fffffff, 0) != NULL && in.type == 1);
    CHECK(got(id, -5, 0, "four") && got(id, LONG_MIN, 0, "five"));
    CHECK(get(id, 0, 0) == NULL && errno == ENOMSG);
    drop(id);
}

static void
test_errors(void)
{
    int id = make();
    CHECK_ERROR(put(id, 0, "x", 0), EINVAL);
    CHECK_ERROR(put(id, -1, "x", 0), EINVAL);
    out.type = 1;
    CHECK_ERROR(msgsnd(id, &out, 8193, 0), EINVAL);
    CHECK_ERROR(msgsnd(id, &out, (size_t)-1, 0), EINVAL);
    CHECK_ERROR(msgsnd(id, (void *)8, 1, 0), EFAULT);
    CHECK_ERROR(msgsnd(-1, &out, 1, 0), EINVAL);
    CHECK_ERROR(msgrcv(id, &in, (size_t)-1, 0, IPC_NOWAIT), EINVAL);
    CHECK(put(id, 1, "long message", 0) == 0);
    CHECK_ERROR(msgrcv(id, &in, 4, 0, 0), E2BIG);
    CHECK(msgrcv(id, &in, 4, 0, MSG_NOERROR) == 4 && memcmp(in.bytes, "long", 4) == 0);
    CHECK_ERROR(msgrcv(id, &in, 4, 0, IPC_NOWAIT), ENOMSG);
    CHECK(msgsnd(id, &out, 0, 0) == 0 && msgrcv(id, &in, 0, 0, 0) == 0);
    CHECK_ERROR(msgctl(id, 99, NULL), EINVAL);
    CHECK_ERROR(msgctl(id, IPC_STAT, (void *)8), EFAULT);
    drop(id);
}

static void
test_copy(void)
{
    int id = make();
    CHECK(put(id, 1, "a", 0) == 0 && put(id, 2, "b", 0) == 0);
    if (get(id, 1, MSG_COPY) == NULL && errno == ENOSYS) {
        drop(id);
        return; /* a Linux without checkpoint and restore */
    }
    CHECK(strcmp(in.bytes, "b") == 0 && in.type == 2);
    CHECK(got(id, 0, MSG_COPY, "a"));
    CHECK(get(id, 2, MSG_COPY) == NULL && errno == ENOMSG);
    CHECK_ERROR(msgrcv(id, &in, 9, 0, MSG_COPY), EINVAL);
    CHECK_ERROR(msgrcv(id, &in, 9, 0, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT), EINVAL);
    CHECK(got(id, 0, 0, "a") && got(id, 0, 0, "b"));
    drop(id);
}

static void
test_stat(void)
{
    int id = make();
    struct msqid_ds ds;
    CHECK(put(id, 1, "12345", 0) == 0);
    CHECK(msgctl(id, IPC_STAT, &ds) == 0);
    CHECK(ds.msg_qnum == 1 && ds.msg_cbytes == 5 && ds.msg_qbytes == 16384);
    CHECK(ds.msg_lspid == getpid() && ds.msg_lrpid == 0 && ds.msg_stime > 0);
    CHECK(ds.msg_rtime == 0 && ds.msg_perm.mode == 0600);
    CHECK(get(id, 0, 0) != NULL && msgctl(id, IPC_STAT, &ds) == 0);
    CHECK(ds.msg_qnum == 0 && ds.msg_cbytes == 0 && ds.msg_lrpid == getpid());
    ds.msg_qbytes = 10;
    ds.msg_perm.mode = 0644;
    CHECK(msgctl(id, IPC_SET, &ds) == 0 && msgctl(id, IPC_STAT, &ds) == 0);
    CHECK(ds.msg_qbytes == 10 && ds.msg_perm.mode == 0644);
    CHECK(put(id, 1, "123456", IPC_NOWAIT) == 0);
    CHECK_ERROR(put(id, 1, "12345", IPC_NOWAIT), EAGAIN);
    drop(id);
}

static void
test_info(void)
{
    int id = make(), found = 0;
    struct msginfo i;
    struct msqid_ds ds;
    CHECK(put(id, 1, "12345", 0) == 0);
    CHECK(msgctl(0, IPC_INFO, (void *)&i) >= 0);
    CHECK(i.msgmax == 8192 && i.msgmnb == 16384 && i.msgmni == 32000);
    int highest = msgctl(0, MSG_INFO, (void *)&i);
    CHECK(highest >= 0 && i.msgpool >= 1 && i.msgmap >= 1 && i.msgtql >= 5);
    for (int at = 0; at <= highest; at++) {
        int by_index = msgctl(at, MSG_STAT, &ds);
        found |= by_index == id && ds.msg_qnum == 1;
        CHECK(by_index < 0 || msgctl(at, MSG_STAT_ANY, &ds) == by_index);
    }
    CHECK(found);
    drop(id);
}

/* How many messages are there now: one that waits has been seen when it changed. */
static unsigned long
count(int id)
{
    struct msqid_ds ds;
    CHECK(msgctl(id, IPC_STAT, &ds) == 0);
    return ds.msg_qnum;
}

static char
state_of(pid_t pid)
{
    char name[64], text[256];
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    FILE *f = fopen(name, "r");
    CHECK(f != NULL && fgets(text, sizeof text, f) != NULL);
    fclose(f);
    return strrchr(text, ')')[2];
}

static void
await_asleep(pid_t pid)
{
    while (state_of(pid) != 'S')
        usleep(500);
}

static void
test_wait(void)
{
    int id = make();
    pid_t child = fork();
    if (child == 0)
        _exit(msgrcv(id, &in, 100, 2, 0) == 3 && memcmp(in.bytes, "two", 3) == 0 ? 0 : 1);
    await_asleep(child);
    CHECK(put(id, 1, "one", 0) == 0 && put(id, 2, "two", 0) == 0);
    CHECK_EXIT(child, 0);
    CHECK(count(id) == 1 && got(id, 0, 0, "one"));
    /* A sender waits for room. */
    out.type = 1;
    CHECK(msgsnd(id, &out, 8192, 0) == 0 && msgsnd(id, &out, 8192, 0) == 0);
    CHECK_ERROR(msgsnd(id, &out, 1, IPC_NOWAIT), EAGAIN);
    if ((child = fork()) == 0)
        _exit(put(id, 9, "late", 0) == 0 ? 0 : 1);
    await_asleep(child);
    CHECK(count(id) == 2 && msgrcv(id, &in, 8192, 0, 0) == 8192);
    CHECK_EXIT(child, 0);
    CHECK(got(id, 9, 0, "late"));
    drop(id);
}

static void
nothing(int number)
{
    (void)number;
}

static void
test_removed_and_interrupted(void)
{
    int id = make();
    pid_t child = fork();
    if (child == 0)
        _exit(msgrcv(id, &in, 100, 0, 0) == -1 && errno == EIDRM ? 0 : 1);
    await_asleep(child);
    drop(id);
    CHECK_EXIT(child, 0);
    id = make();
    if ((child = fork()) == 0) {
        struct sigaction a = { .sa_handler = nothing, .sa_flags = SA_RESTART };
        sigaction(SIGUSR1, &a, NULL);
        _exit(msgrcv(id, &in, 100, 0, 0) == -1 && errno == EINTR ? 0 : 1);
    }
    await_asleep(child);
    CHECK(kill(child, SIGUSR1) == 0);
    CHECK_EXIT(child, 0);
    if ((child = fork()) == 0)
        _exit((int)msgrcv(id, &in, 100, 0, 0));
    await_asleep(child);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK(put(id, 1, "kept", 0) == 0 && got(id, 0, 0, "kept"));
    drop(id);
}

static void
test_rights(void)
{
    int id = msgget(IPC_PRIVATE, 0604);
    struct msqid_ds ds;
    if (geteuid() != 0)
        return;
    CHECK(put(id, 1, "x", 0) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0);
        CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
        CHECK_ERROR(put(id, 1, "y", 0), EACCES);
        CHECK(got(id, 0, 0, "x") && msgctl(id, IPC_STAT, &ds) == 0);
        CHECK_ERROR(msgctl(id, IPC_SET, &ds), EPERM);
        CHECK_ERROR(msgctl(id, IPC_RMID, NULL), EPERM);
        int own = make();
        CHECK(msgctl(own, IPC_STAT, &ds) == 0);
        ds.msg_qbytes = 16385;
        CHECK_ERROR(msgctl(own, IPC_SET, &ds), EPERM);
        drop(own);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    drop(id);
}

#define MESSAGES 2000

/* Two senders, two receivers: each number arrives once. */
static void
test_traffic(void)
{
    int id = make();
    pid_t sender[2], receiver[2];
    for (int s = 0; s < 2; s++) {
        if ((sender[s] = fork()) != 0)
            continue;
        for (int i = 0; i < MESSAGES; i++) {
            out.type = s + 1;
            memcpy(out.bytes, &i, sizeof i);
            CHECK(msgsnd(id, &out, 64, 0) == 0);
        }
        _exit(0);
    }
    for (int r = 0; r < 2; r++) {
        if ((receiver[r] = fork()) != 0)
            continue;
        for (int i = 0, n; i < MESSAGES; i++) {
            CHECK(msgrcv(id, &in, 64, r + 1, 0) == 64);
            memcpy(&n, in.bytes, sizeof n);
            CHECK(n == i);
        }
        _exit(0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EXIT(sender[i], 0);
        CHECK_EXIT(receiver[i], 0);
    }
    CHECK(count(id) == 0);
    drop(id);
}

int
main(void)
{
    RUN(test_get, msgget);
    RUN(test_order_and_types, msgsnd, msgrcv);
    RUN(test_errors, msgsnd, msgrcv, msgctl);
    RUN(test_copy, msgrcv);
    RUN(test_stat, msgctl);
    RUN(test_info, msgctl);
    RUN(test_wait, msgsnd, msgrcv);
    RUN(test_removed_and_interrupted, msgctl, msgrcv);
    RUN(test_rights, msgctl, msgsnd);
    RUN(test_traffic, msgsnd, msgrcv);
    return check_failures != 0;
}
