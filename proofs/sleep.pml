/* SPDX-License-Identifier: MIT */
/*
 * How LibOS threads sleep and are woken: wait queues (libos/core/wait.c), mutexes of one
 * word (libos/core/lock.c), blocking, waking and idling (libos/core/thread.c), as
 * pipe_wait (libos/pipe/pipe.c) uses them: W1 and W3 of wait.h, T3 of thread.h.
 *
 * With MUTEX: three threads that want the mutex of one word, one of them twice; who unlocks tells the first
 * that waits, others may be faster, and who was told and came late is given it. Without:
 * the mutex is taken in one step, and the queue is looked at.
 *
 * Each of the two sleepers has a vCPU, and wants an item of which there are several. It
 * looks under the mutex, queues itself (exclusive, on its stack), prepares to sleep, lets
 * the mutex go, gives its vCPU away, leaves the queue, and takes the mutex again. One of them may be interrupted, by a signal or by its timer (which
 * differ in the result only), and gives up then. Two wakers bring an item each, under the
 * same mutex, and wake one sleeper each, from other vCPUs. Who gives up passes the wake-up on if there are items left
 * (pipe_unlock_wake). A vCPU without a thread announces that it sleeps, looks at its queue
 * again, and waits for an IPI.
 *
 * Verified:
 *   L1. No wake-up is lost: when nothing can move any more, all threads have ended, or
 *       there is no item for those that sleep in the queue.
 *   L2. A waiter is touched only while its owner is in the function on whose stack it
 *       lies, and one thread holds the mutex.
 *   L3. A thread is put into a run queue once for each sleep, and only when it has left
 *       its vCPU.
 *
 * Planted faults, each of which must be found: PREPARE_LATE (state SLEEPING after the
 * mutex was let go), TAKE_FIRST (a waiter is taken out of the queue before it is known
 * whether it sleeps, and put back if not: it may be gone), IDLE_LATE (a vCPU looks at its
 * queue, then announces that it sleeps), ROUSE_FIRST (a waker looks whether the vCPU
 * sleeps, then queues), with MUTEX: MARK_LATE (a waiter marks the word after its test in
 * another step), TOLD_STAYS (who came late sleeps again as one that was told). REACH must fail too: all threads can end.
 */
#define SLEEPERS 2
#ifdef MUTEX
#define THREADS 3
#else
#define THREADS 4
#endif
#define NOBODY 7

mtype = { RUNNING, SLEEPING, RUNNABLE };
mtype state[THREADS] = RUNNING;
bool interrupted[THREADS]; /* wake_result of a poke, or a time-out */
bool interruptible[THREADS];
bool on_cpu[THREADS] = true;
bool queued[THREADS];      /* in its vCPU's run queue */
bool announced[THREADS];   /* lcpu.sleeping */
bool ipi[THREADS];
bool runq_lock[THREADS];

bool in_queue[SLEEPERS];   /* the waiter's link */
bool on_stack[SLEEPERS];   /* the waiter exists */
bool queue_lock;
byte first = NOBODY, second = NOBODY; /* the wait queue, in order */

byte owner = NOBODY;       /* the mutex: its word */
bool waited, guard;
byte mw[THREADS];          /* its waiters, in order */
byte mw_used;
bool told[THREADS], given[THREADS];
byte late[THREADS];

byte items, holders, ended, gave_up;

inline lock(l) { atomic { !l -> l = true } }
inline unlock(l) { l = false }

/* ---- run queues ---- */

/* With the lock of t's run queue: RUNNABLE. If it has left the vCPU, it is queued, and a
 * vCPU that idles is roused. Drops the lock. */
inline make_runnable(t)
{
    state[t] = RUNNABLE;
    if
    :: on_cpu[t] -> unlock(runq_lock[t])
    :: else ->
        assert(!queued[t]); /* L3 */
#ifdef ROUSE_FIRST
        seen = announced[t];
        queued[t] = true;
        unlock(runq_lock[t]);
#else
        queued[t] = true;
        unlock(runq_lock[t]);
        seen = announced[t];
#endif
        if
        :: seen -> ipi[t] = true
        :: else
        fi
    fi
}

/* thread_wake; `woke`: by this call. */
inline wake(t)
{
    woke = false;
    if
    :: state[t] != SLEEPING
    :: else ->
        lock(runq_lock[t]);
        if
        :: state[t] != SLEEPING -> unlock(runq_lock[t])
        :: else -> woke = true; make_runnable(t)
        fi
    fi
}

inline take_out(t)
{
    d_step {
        assert(on_stack[t]); /* L2 */
        if
        :: in_queue[t] ->
            in_queue[t] = false;
            if
            :: first == t -> first = second
            :: else
            fi;
            second = NOBODY
        :: else
        fi
    }
}

inline stand(t)
{
    d_step {
        assert(!in_queue[t]);
        in_queue[t] = true;
        on_stack[t] = true;
        if
        :: first == NOBODY -> first = t
        :: else -> second = t
        fi
    }
}

/* thread_wake_from */
inline wake_from(t)
{
#ifdef TAKE_FIRST
    take_out(t);
    wake(t);
    if
    :: !woke -> stand(t)
    :: else
    fi
#else
    woke = false;
    if
    :: state[t] != SLEEPING
    :: else ->
        lock(runq_lock[t]);
        if
        :: state[t] != SLEEPING -> unlock(runq_lock[t])
        :: else ->
            woke = true;
            take_out(t);
            make_runnable(t)
        fi
    fi
#endif
}

/* thread_block, and the idle loop of the vCPU; `poked`: by a signal or timer. */
inline block(me)
{
    lock(runq_lock[me]);
    if
    :: state[me] != SLEEPING -> state[me] = RUNNING; unlock(runq_lock[me])
    :: else ->
        on_cpu[me] = false;
        unlock(runq_lock[me]);
        do
        :: queued[me] -> break
        :: else ->
#ifdef IDLE_LATE
            if
            :: queued[me] -> announced[me] = true
            :: else -> announced[me] = true; ipi[me] -> ipi[me] = false
            fi;
#else
            announced[me] = true;
            if
            :: queued[me]
            :: else -> ipi[me] -> ipi[me] = false
            fi;
#endif
            announced[me] = false
        od;
        lock(runq_lock[me]);
        queued[me] = false;
        on_cpu[me] = true;
        state[me] = RUNNING;
        unlock(runq_lock[me])
    fi
}

inline prepare(me, how)
{
    d_step { interruptible[me] = how; interrupted[me] = false };
    state[me] = SLEEPING
}

/* ---- the mutex ---- */

/* With the guard: `got`, or the word says that somebody waits. */
inline take_or_mark(me)
{
#ifdef MARK_LATE
    got = owner == NOBODY || owner == me;
    if
    :: got -> owner = me
    :: else -> waited = true
    fi
#else
    atomic {
        got = owner == NOBODY || owner == me;
        if
        :: got -> owner = me
        :: else -> waited = true
        fi
    }
#endif
}

/* Somebody who spins may see that it is free, and take it past those that wait. */
inline spin_for(me)
{
    got = false;
    if
    :: atomic { owner == NOBODY -> owner = me; got = true }
    :: true
    fi
}

/* With the guard. */
inline take_from_list(me)
{
    d_step {
        if
        :: mw[0] == me -> mw[0] = mw[1]; mw[1] = mw[2]
        :: mw[0] != me && mw[1] == me -> mw[1] = mw[2]
        :: else -> assert(mw[2] == me)
        fi;
        mw[2] = 0;
        mw_used--
    }
}

inline mutex_lock(me)
{
#ifndef MUTEX
    atomic { owner == NOBODY -> owner = me };
#else
    if
    :: atomic { owner == NOBODY && !waited -> owner = me }
    :: else ->
        spin_for(me);
        if
        :: got
        :: else ->
            lock(guard);
            take_or_mark(me);
            if
            :: got
            :: else ->
                d_step { mw[mw_used] = me; mw_used++ };
                do
                :: true ->
#ifndef TOLD_STAYS
                    told[me] = false;
#endif
                    prepare(me, false);
                    unlock(guard);
                    block(me);
                    spin_for(me);
                    lock(guard);
                    if
                    :: got -> break
                    :: else ->
                        take_or_mark(me);
                        if
                        :: got -> break
                        :: else -> late[me]++
                        fi
                    fi
                od;
                if
                :: given[me]
                :: else -> take_from_list(me)
                fi;
                d_step {
                    if
                    :: mw_used == 0 -> waited = false
                    :: else
                    fi;
                    told[me] = false;
                    late[me] = 0;
                    given[me] = false
                }
            fi;
            unlock(guard)
        fi;
        got = false
    fi;
    holders++;
    assert(holders == 1); /* L2 */
#endif
    skip
}

inline mutex_unlock(me)
{
#ifndef MUTEX
    owner = NOBODY;
#else
    holders--;
    if
    :: atomic { owner == me && !waited -> owner = NOBODY }
    :: else ->
        lock(guard);
        d_step {
            assert(owner == me && mw_used != 0);
            next = mw[0];
            got = told[next]; /* before */
            told[next] = true
        };
        if
        :: late[next] >= 2 ->
            take_from_list(next);
            given[next] = true;
            got = false;
            d_step { waited = mw_used != 0; owner = next }
        :: else -> owner = NOBODY /* and waited stays, in the same word */
        fi;
        if
        :: got
        :: else -> wake(next)
        fi;
        unlock(guard);
        d_step { next = 0; woke = false; seen = false; got = false }
    fi;
#endif
    skip
}

/* ---- the wait queue ---- */

/* wait_wake(queue, 1): the first that it makes run. */
inline wait_wake()
{
    if
    :: first == NOBODY
    :: else ->
        lock(queue_lock);
        at = first;
        after = second;
        do
        :: at == NOBODY -> break
        :: else ->
            wake_from(at);
            if
            :: woke -> break
            :: else -> at = after; after = NOBODY
            fi
        od;
        unlock(queue_lock);
        d_step { at = NOBODY; after = NOBODY; woke = false; seen = false }
    fi
}

inline unlock_wake(me)
{
    pass = items != 0 && first != NOBODY;
    mutex_unlock(me);
    if
    :: pass -> wait_wake()
    :: else
    fi;
    pass = false
}

proctype sleeper(byte me)
{
    byte next, at = NOBODY, after = NOBODY;
    bool woke, seen, pass, got;

    mutex_lock(me);
    do
    :: items != 0 -> items--; break
    :: items == 0 && interrupted[me] -> gave_up++; break
    :: items == 0 && !interrupted[me] ->
        lock(queue_lock);
        stand(me);
        unlock(queue_lock);
#ifdef PREPARE_LATE
        mutex_unlock(me);
        prepare(me, true);
#else
        prepare(me, true);
        mutex_unlock(me);
#endif
        block(me);
        if /* wait_leave */
        :: in_queue[me] -> lock(queue_lock); take_out(me); unlock(queue_lock)
        :: else
        fi;
        on_stack[me] = false;
        pass = interrupted[me]; /* the result is its own */
        mutex_lock(me);
        interrupted[me] = pass;
        pass = false
    od;
    unlock_wake(me);
    ended++
}

proctype waker(byte me)
{
    byte next, at = NOBODY, after = NOBODY;
    bool woke, seen, pass, got;

    mutex_lock(me);
    items++;
    unlock_wake(me);
    ended++
}

/* A signal (thread_poke), or the timer, for sleeper 0: once. */
proctype poker()
{
    bool seen;

    if
    :: state[0] == SLEEPING && interruptible[0] ->
        lock(runq_lock[0]);
        if
        :: state[0] == SLEEPING && interruptible[0] ->
            interrupted[0] = true;
            make_runnable(0)
        :: else -> unlock(runq_lock[0])
        fi
    :: true /* it comes never */
    fi
}

#ifdef MUTEX
proctype contender(byte me)
{
    byte next;
    bool woke, seen, got;

    mutex_lock(me);
    mutex_unlock(me);
    if
    :: me == 0 -> /* once more, while the others queue */
        mutex_lock(me);
        mutex_unlock(me)
    :: else
    fi;
    ended++
}
#endif

/* L1 */
active proctype observer()
{
    timeout;
    assert(holders == 0 && mw_used == 0 && owner == NOBODY);
#ifdef MUTEX
    assert(ended == THREADS);
#else
    assert(ended == THREADS || items == 0);
#endif
#ifdef REACH
    assert(ended != THREADS)
#endif
}

init
{
    atomic {
#ifdef MUTEX
        run contender(0);
        run contender(1);
        run contender(2)
#else
        run sleeper(0);
        run sleeper(1);
        run waker(2);
        run waker(3);
        run poker()
#endif
    }
}
