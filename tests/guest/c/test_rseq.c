/* SPDX-License-Identifier: MIT */
/* rseq(2) and membarrier(2). */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

struct area {
    uint32_t cpu_start, cpu;
    uint64_t sequence;
    uint32_t flags, pad[3];
} __attribute__((aligned(32)));
#define SIGNATURE 0x53053053u
#define ROUNDS 20000

static _Thread_local volatile struct area mine;
static volatile long per_cpu[64][8];
static volatile int stop;
static _Atomic long restarts, done_by_all;

static long
rseq(volatile void *at, unsigned bytes, int flags, uint32_t signature)
{
    return syscall(SYS_rseq, at, bytes, flags, signature);
}

static void
enter(void)
{
    mine.cpu = ~0u;
    CHECK(rseq(&mine, sizeof mine, 0, SIGNATURE) == 0);
}

/* Add one to the own CPU's counter, with neither a lock nor a locked instruction; true: it
 * was not interrupted. `wait`: so often it turns around in the middle. */
static int
add_one(uint32_t cpu, long wait)
{
    volatile long *at = per_cpu[cpu];
    __asm__ goto(
        ".pushsection __rseq_cs, \"aw\"\n\t"
        ".balign 32\n"
        "3:\t.long 0, 0\n\t"
        ".quad 1f, 2f - 1f, 4f\n\t"
        ".popsection\n\t"
        "leaq 3b(%%rip), %%rax\n\t"
        "movq %%rax, 8(%0)\n"
        "1:\tcmpl %k1, 4(%0)\n\t"
        "jne 4f\n\t"
        "movq (%2), %%rax\n\t"
        "movq %3, %%rcx\n"
        "5:\tdecq %%rcx\n\t"
        "jns 5b\n\t"
        "incq %%rax\n\t"
        "movq %%rax, (%2)\n"
        "2:\n\t"
        ".pushsection __rseq_abort, \"ax\"\n\t"
        ".byte 0x0f, 0xb9, 0x3d\n\t"
        ".long 0x53053053\n"
        "4:\tjmp %l[aborted]\n\t"
        ".popsection"
        :
        : "r"(&mine), "r"(cpu), "r"(at), "r"(wait)
        : "rax", "rcx", "memory", "cc"
        : aborted);
    return 1;
aborted:
    return 0;
}

static void *
count(void *arg)
{
    enter();
    for (int i = 0; i < ROUNDS; i++) {
        while (!add_one(mine.cpu_start, i % 100 == 0 ? 20000 : 3))
            restarts++;
        done_by_all++;
    }
    return arg;
}

/* Verify registration, and its errors. */
static void
test_register(void)
{
    CHECK_ERROR(rseq((char *)&mine + 8, sizeof mine, 0, SIGNATURE), EINVAL);
    CHECK_ERROR(rseq(&mine, 24, 0, SIGNATURE), EINVAL);
    CHECK_ERROR(rseq(&mine, sizeof mine, 2, SIGNATURE), EINVAL);
    CHECK_ERROR(rseq((void *)~63ul, sizeof mine, 0, SIGNATURE), EFAULT);
    CHECK_ERROR(rseq(&mine, sizeof mine, 1, SIGNATURE), EINVAL);
    enter();
    unsigned cpu;
    CHECK(mine.cpu == mine.cpu_start && mine.cpu < 64);
    CHECK(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0);
    CHECK_ERROR(rseq(&mine, sizeof mine, 0, SIGNATURE), EBUSY);
    CHECK_ERROR(rseq(&mine, sizeof mine, 0, 1), EPERM);
    CHECK_ERROR(rseq((char *)&mine + 32, sizeof mine, 0, SIGNATURE), EINVAL);
    CHECK_ERROR(rseq(&mine, sizeof mine, 1, 1), EPERM);
    CHECK_ERROR(rseq(&mine, sizeof mine, 3, SIGNATURE), EINVAL);
    pid_t child = fork(); /* it has it, too */
    if (child == 0)
        _exit(rseq(&mine, sizeof mine, 0, SIGNATURE) != -1 || errno != EBUSY);
    CHECK_EXIT(child, 0);
    CHECK(rseq(&mine, sizeof mine, 1, SIGNATURE) == 0 && mine.cpu == ~0u);
    enter();
}

/* Verify that the number of the CPU follows the thread. */
static void
test_cpu_number(void)
{
    enter();
    for (unsigned i = 0; i < 2; i++) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(i, &set);
        if (sched_setaffinity(0, sizeof set, &set) != 0)
            continue; /* there is one only */
        CHECK(mine.cpu == i && mine.cpu_start == i);
    }
}

/* Verify that counters of CPUs lose nothing, though many threads share each. */
static void
test_counters(void)
{
    pthread_t t[8];
    long sum = 0;
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&t[i], NULL, count, NULL) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 64; i++)
        sum += per_cpu[i][0];
    CHECK(sum == 8 * ROUNDS && done_by_all == sum);
}

static volatile sig_atomic_t hits;

static void
note(int number)
{
    (void)number;
    hits++;
}

/* Verify that a signal ends a sequence. */
static void
test_signal_ends_a_sequence(void)
{
    struct sigaction a = { .sa_handler = note };
    sigaction(SIGUSR1, &a, NULL);
    enter();
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        usleep(50000);
        kill(self, SIGUSR1);
        _exit(0);
    }
    /* endless, as long as nothing interrupts it */
    while (hits == 0)
        CHECK(!add_one(mine.cpu_start, 1l << 62));
    CHECK(per_cpu[0][0] == 0 && mine.sequence == 0);
    CHECK_EXIT(child, 0);
}

/* Verify that a wrong signature is SIGSEGV. */
static void
test_wrong_signature(void)
{
    pid_t child = fork();
    if (child == 0) {
        CHECK(rseq(&mine, sizeof mine, 0, 5) == 0);
        alarm(20);
        for (;;) {
            add_one(mine.cpu_start, 1l << 62);
            sched_yield();
        }
    }
    usleep(20000);
    kill(child, SIGSTOP); /* so that it is interrupted */
    kill(child, SIGCONT);
    int status;
    pid_t other = fork();
    if (other == 0) {
        for (int i = 0; i < 200; i++) {
            usleep(10000);
            kill(child, i & 1 ? SIGCONT : SIGSTOP);
        }
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSEGV);
    kill(other, SIGKILL);
    CHECK(waitpid(other, NULL, 0) == other);
}

enum { QUERY, GLOBAL, GLOBAL_X = 2, REGISTER_GLOBAL = 4, PRIVATE = 8, REGISTER_PRIVATE = 16,
       CORE = 32, REGISTER_CORE = 64, RSEQ = 128, REGISTER_RSEQ = 256 };

static long
membarrier(int command, unsigned flags, int cpu)
{
    return syscall(SYS_membarrier, command, flags, cpu);
}

/* Verify what there is, and that one registers first. */
static void
test_membarrier_errors(void)
{
    CHECK((membarrier(QUERY, 0, 0) & 511) == 511);
    CHECK_ERROR(membarrier(PRIVATE, 0, 0), EPERM);
    CHECK_ERROR(membarrier(CORE, 0, 0), EPERM);
    CHECK_ERROR(membarrier(RSEQ, 0, 0), EPERM);
    CHECK_ERROR(membarrier(1024, 0, 0), EINVAL);
    CHECK_ERROR(membarrier(QUERY, 1, 0), EINVAL);
    CHECK_ERROR(membarrier(PRIVATE, 1, 0), EINVAL);
    CHECK_ERROR(membarrier(RSEQ, 2, 0), EINVAL);
    CHECK(membarrier(GLOBAL, 0, 0) == 0 && membarrier(GLOBAL_X, 0, 0) == 0);
    CHECK(membarrier(REGISTER_GLOBAL, 0, 0) == 0);
    CHECK(membarrier(REGISTER_PRIVATE, 0, 0) == 0 && membarrier(PRIVATE, 0, 0) == 0);
    CHECK(membarrier(REGISTER_CORE, 0, 0) == 0 && membarrier(CORE, 0, 0) == 0);
    CHECK(membarrier(REGISTER_RSEQ, 0, 0) == 0 && membarrier(RSEQ, 0, 0) == 0);
    CHECK(membarrier(RSEQ, 1, 0) == 0 && membarrier(RSEQ, 1, 1) == 0);
    pid_t child = fork(); /* which has registered by that */
    if (child == 0)
        _exit(membarrier(PRIVATE, 0, 0) != 0);
    CHECK_EXIT(child, 0);
}

/* Two threads that both write first, and then read: with a barrier in one, which interrupts
 * the other, never both read what was before. */
static volatile int x, y, seen_y;
static _Atomic int round_of[2];

static void *
other_side(void *arg)
{
    for (int i = 1; i <= 2000; i++) {
        while (round_of[0] != i)
            if (stop)
                return arg;
        x = 1;
        __asm__ volatile("" ::: "memory");
        seen_y = y;
        round_of[1] = i;
    }
    return arg;
}

static void
test_membarrier_orders(void)
{
    pthread_t t;
    CHECK(membarrier(REGISTER_PRIVATE, 0, 0) == 0);
    CHECK(pthread_create(&t, NULL, other_side, NULL) == 0);
    for (int i = 1; i <= 2000; i++) {
        x = y = 0;
        round_of[0] = i;
        y = 1;
        CHECK(membarrier(PRIVATE, 0, 0) == 0);
        int seen_x = x;
        while (round_of[1] != i)
            ;
        CHECK(seen_x == 1 || seen_y == 1);
    }
    pthread_join(t, NULL);
}

static _Atomic int inside;

static void *
endless_sequence(void *arg)
{
    enter();
    while (!stop) {
        inside = 1;
        if (!add_one(mine.cpu_start, 1l << 62))
            restarts++;
    }
    return arg;
}

/* Verify that a barrier for sequences ends those of the others. */
static void
test_membarrier_ends_sequences(void)
{
    pthread_t t;
    CHECK(membarrier(REGISTER_RSEQ, 0, 0) == 0);
    CHECK(pthread_create(&t, NULL, endless_sequence, NULL) == 0);
    while (!inside)
        sched_yield();
    stop = 1;
    while (restarts == 0) {
        usleep(5000); /* until it is in the sequence */
        CHECK(membarrier(RSEQ, 0, 0) == 0);
    }
    pthread_join(t, NULL);
}

int
main(void)
{
    RUN(test_register, rseq);
    RUN(test_cpu_number, rseq);
    RUN(test_counters, rseq);
    RUN(test_signal_ends_a_sequence, rseq);
    RUN(test_wrong_signature, rseq);
    RUN(test_membarrier_errors, membarrier);
    RUN(test_membarrier_orders, membarrier);
    RUN(test_membarrier_ends_sequences, membarrier, rseq);
    return check_failures != 0;
}
