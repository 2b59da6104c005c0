/* SPDX-License-Identifier: MIT */
/*
 * Restartable sequences (rseq(2) of Linux, Documentation/userspace-api/rseq) and
 * membarrier(2).
 *
 * Q1. A thread that lost its CPU in the user's code, or came onto another one, has WORK_RSEQ
 *     before it sees the user again: core sets it where it takes the CPU away or moves the
 *     thread. A page fault is such a place too, if the thread slept in it.
 * Q2. rseq_work writes the number of the CPU, and ends the sequence under way at its abort
 *     address. A handler of a signal does that first (sigframe.c), so that it returns there.
 * What is broken in the user's structure is SIGSEGV.
 */
#include "core/hooks.h"
#include "core/machine.h"
#include "core/mmu.h"
#include "core/usercopy.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/proc.h"
#include "signal/signal.h"

struct linux_rseq {
    u32 cpu_id_start, cpu_id;
    u64 sequence; /* struct linux_rseq_cs of the sequence under way, or 0 */
    u32 flags, pad[3];
};
_Static_assert(sizeof(struct linux_rseq) == 32, "struct rseq");
struct linux_rseq_cs {
    u32 version, flags;
    u64 start, bytes, abort;
};
#define RSEQ_UNREGISTER 1u
#define RSEQ_CPU_UNKNOWN (~0u)
/* Old flags that said when not to end a sequence; nothing may have them any more. */
#define RSEQ_OLD_FLAGS 7u

/* f->rip is in a sequence: to its abort address. -E_FAULT; -E_INVAL: it is no sequence. */
static int
end_sequence(struct thread *t, struct user_frame *f)
{
    struct linux_rseq_cs cs;
    u64 at, none = 0;
    u32 signature;
    uaddr field = t->rseq + offsetof(struct linux_rseq, sequence);
    if (copy_from_user(&at, field, sizeof at) != 0)
        return -E_FAULT;
    if (at == 0)
        return 0;
    if (copy_from_user(&cs, at, sizeof cs) != 0)
        return -E_FAULT;
    if (cs.start >= USER_TOP || cs.start + cs.bytes >= USER_TOP || cs.abort >= USER_TOP ||
        cs.version > 0 || cs.start + cs.bytes < cs.start ||
        cs.abort - cs.start < cs.bytes || (cs.flags & RSEQ_OLD_FLAGS))
        return -E_INVAL;
    if (user_load32(cs.abort - sizeof signature, &signature) != 0)
        return -E_FAULT;
    if (signature != t->rseq_signature)
        return -E_INVAL;
    if (copy_to_user(field, &none, sizeof none) != 0)
        return -E_FAULT;
    if (f->rip - cs.start >= cs.bytes)
        return 0;
    f->rip = cs.abort;
    if (f->orig_rax != ~0ull)
        machine_user_moved(t, f);
    else
        thread_set_work(t, WORK_FULL);
    return 0;
}

void
rseq_work(struct thread *t, struct user_frame *f)
{
    u32 cpu[2];
    if (t->rseq == 0)
        return;
    int error = end_sequence(t, f);
    cpu[0] = cpu[1] = lcpu_current()->id;
    if (error == 0)
        error = copy_to_user(t->rseq, cpu, sizeof cpu);
    if (error != 0) {
        struct signal_info info = { .number = SIG_SEGV, .code = SIGNAL_CODE_KERNEL };
        signal_fault(SIG_SEGV, &info);
    } else if (cpu[0] != lcpu_current()->id) {
        thread_set_work(t, WORK_RSEQ); /* it slept meanwhile, and woke up elsewhere */
    }
}

static void (*fault_below)(struct thread *t, struct user_frame *f, u64 error, uaddr address);

/* Q1; installed with the first sequence. */
static void
fault_of_sequence(struct thread *t, struct user_frame *f, u64 error, uaddr address)
{
    u64 slept = t->switches_voluntary;
    fault_below(t, f, error, address);
    if (t->rseq != 0 && t->switches_voluntary != slept)
        thread_set_work(t, WORK_RSEQ);
}

static void
install(void)
{
    static struct spinlock lock = SPINLOCK_INIT;
    if (__atomic_load_n(&fault_below, __ATOMIC_ACQUIRE) != NULL)
        return;
    spin_lock(&lock);
    if (fault_below == NULL) {
        __atomic_store_n(&fault_below, libos_hooks.page_fault, __ATOMIC_RELEASE);
        __atomic_store_n(&libos_hooks.page_fault, fault_of_sequence, __ATOMIC_RELEASE);
    }
    spin_unlock(&lock);
}

static int
unregister(struct thread *t, uaddr at, u32 bytes, u32 signature)
{
    u32 cpu[2] = { 0, RSEQ_CPU_UNKNOWN };
    if (t->rseq != at || at == 0 || bytes != sizeof(struct linux_rseq))
        return -E_INVAL;
    if (t->rseq_signature != signature)
        return -E_PERM;
    int error = copy_to_user(at, cpu, sizeof cpu);
    if (error == 0)
        t->rseq = t->rseq_signature = 0;
    return error;
}

long
sys_rseq(struct user_frame *f)
{
    struct thread *t = thread_current();
    uaddr at = SYS_ARG0(f);
    u32 bytes = (u32)SYS_ARG1(f), flags = (u32)SYS_ARG2(f), signature = (u32)SYS_ARG3(f);
    if (flags & RSEQ_UNREGISTER)
        return flags != RSEQ_UNREGISTER ? -E_INVAL : unregister(t, at, bytes, signature);
    if (flags != 0)
        return -E_INVAL;
    if (t->rseq != 0) {
        if (t->rseq != at || bytes != sizeof(struct linux_rseq))
            return -E_INVAL;
        return t->rseq_signature != signature ? -E_PERM : -E_BUSY;
    }
    if (at % sizeof(struct linux_rseq) != 0 || bytes != sizeof(struct linux_rseq))
        return -E_INVAL;
    if (!user_range(at, bytes))
        return -E_FAULT;
    install();
    t->rseq = at;
    t->rseq_signature = signature;
    thread_set_work(t, WORK_RSEQ);
    return 0;
}

/* ---- membarrier ---- */

enum {
    BARRIER_QUERY = 0, BARRIER_GLOBAL = 1, BARRIER_GLOBAL_EXPEDITED = 2,
    BARRIER_REGISTER_GLOBAL = 4, BARRIER_PRIVATE = 8, BARRIER_REGISTER_PRIVATE = 16,
    BARRIER_CORE = 32, BARRIER_REGISTER_CORE = 64, BARRIER_RSEQ = 128,
    BARRIER_REGISTER_RSEQ = 256
};
#define BARRIER_ALL 511
#define BARRIER_FLAG_CPU 1u

/* The sequences of the process's other threads that run end before it returns; of those on
 * one CPU, or on all (-1). */
static int
end_sequences(struct process *p, i32 cpu)
{
    struct thread *self = thread_current();
    for (bool first = true;; first = false) {
        bool busy = false;
        spin_lock(&p->lock);
        list_for_each(it, &p->threads) {
            struct thread *t = container_of(it, struct thread, process_link);
            if (t == self || t->rseq == 0 || (cpu >= 0 && t->cpu->id != (u32)cpu) ||
                atomic_load(&t->state) != THREAD_RUNNING)
                continue; /* who does not run has lost its CPU: Q1 */
            if (first)
                thread_set_work(t, WORK_RSEQ);
            if (atomic_load(&t->work) & WORK_RSEQ) {
                thread_poke(t);
                busy = true;
            }
        }
        spin_unlock(&p->lock);
        if (!busy)
            return 0;
        if (thread_interrupted(self))
            return -E_RESTART_ALWAYS;
        thread_yield();
        thread_breathe();
        machine_pause();
    }
}

static bool
is_registered(const struct process *p, u32 command)
{
    return (__atomic_load_n(&p->barriers, __ATOMIC_RELAXED) & command) != 0;
}

/* A flush interrupts a CPU, which is a barrier there, also for its instructions: the way
 * back from an interrupt is `iret`. */
long
sys_membarrier(struct user_frame *f)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    u32 command = (u32)SYS_ARG0(f), flags = (u32)SYS_ARG1(f);
    i32 cpu = flags & BARRIER_FLAG_CPU ? (i32)SYS_ARG2(f) : -1;
    if (flags != 0 && (command != BARRIER_RSEQ || flags != BARRIER_FLAG_CPU))
        return -E_INVAL;
    atomic_thread_fence(memory_order_seq_cst);
    switch (command) {
    case BARRIER_QUERY:
        return BARRIER_ALL;
    case BARRIER_GLOBAL:
    case BARRIER_GLOBAL_EXPEDITED:
        mmu_flush_all();
        return 0;
    case BARRIER_REGISTER_GLOBAL:
    case BARRIER_REGISTER_PRIVATE:
    case BARRIER_REGISTER_CORE:
    case BARRIER_REGISTER_RSEQ:
        __atomic_fetch_or(&p->barriers, command, __ATOMIC_RELAXED);
        return 0;
    case BARRIER_PRIVATE:
    case BARRIER_CORE:
        if (!is_registered(p, command << 1))
            return -E_PERM;
        mmu_flush(t->space);
        return 0;
    case BARRIER_RSEQ:
        if (!is_registered(p, BARRIER_REGISTER_RSEQ))
            return -E_PERM;
        if (cpu >= (i32)lcpu_count || (flags != 0 && cpu < 0))
            return 0; /* nothing runs there */
        return end_sequences(p, cpu);
    default:
        return -E_INVAL;
    }
}

void
rseq_init(void)
{
    libos_hooks.rseq_work = rseq_work;
}
