/* SPDX-License-Identifier: MIT */
/*
 * Pending, mask, wait and signal: invariants D1, D2 and D3 of kernel/domain/domain.h, as
 * event_send (kernel/event/event.c), wait_frame (kernel/call/call_control.c), the
 * dispatcher (kernel/slice/dispatch.c) and gate_return (entry.S) do it.
 *
 * One vCPU on its CPU, which halts when there is nothing to run; senders on other CPUs,
 * one event bit each, and the CPU's own timer, which ends a wait. The vCPU goes on
 * through: waiting; computing in the user view until an interrupt comes; working masked
 * and returning; being preempted.
 *
 * Verified:
 *   W1. No wake-up is lost: when nothing can move any more, no bit is pending, and each
 *       bit that was sent was received.
 *   W2. Of several wakers one puts the vCPU on: it is never made READY twice for one
 *       wait.
 *
 * Planted faults, each of which must be found: STATE_LATE (wait tests pending before it
 * publishes WAITING), NO_SECOND_TEST (wait does not test again), LOOK_FIRST (a sender
 * reads the state before it sets the bits), NO_TEST (gate_return does not test after the
 * unmask), TEST_FIRST (gate_return tests, then unmasks, with interrupts on in between),
 * HALT_RACE (the CPU looks for ready vCPUs, then enables interrupts, then halts),
 * PLAIN_WAKE (a waker stores READY without compare-and-swap). REACH must fail too: it
 * shows that all bits can arrive.
 */
#define SENDERS 2
#define SENDS 2
#define TIMERS 1
#define ALL 3

mtype = { READY, RUNNING, WAITING };
mtype state = READY;
byte pending;    /* bit set */
bool mask;
bool kicked;     /* an interrupt that the CPU has not taken yet */
byte sent[SENDERS], received[SENDERS];
byte senders_left = SENDERS;
byte puts;       /* times the vCPU was made READY in this wait */
byte timers = TIMERS;

inline receive(bits)
{
    d_step {
        if
        :: bits & 1 -> received[0]++
        :: else
        fi;
        if
        :: bits & 2 -> received[1]++
        :: else
        fi
    }
}

/* WAITING -> READY by compare-and-swap; `won`: by this one. */
inline wake(won)
{
#ifdef PLAIN_WAKE
    if
    :: state == WAITING -> state = READY; puts++; won = true
    :: else -> won = false
    fi;
#else
    atomic {
        if
        :: state == WAITING -> state = READY; puts++; won = true
        :: else -> won = false
        fi
    };
#endif
    assert(puts <= 1) /* W2 */
}

proctype sender(byte me)
{
    byte n, old;
    mtype looked;
    bool won;

    do
    :: n < SENDS ->
        /* The bit may still be pending from before: then it counts as one. */
#ifdef LOOK_FIRST
        looked = state;
        d_step { old = pending; pending = pending | (1 << me); sent[me]++ };
#else
        d_step { old = pending; pending = pending | (1 << me); sent[me]++ };
        looked = state;
#endif
        if
        :: looked == WAITING ->
            wake(won);
            if
            :: won -> kicked = true
            :: else
            fi
        :: looked == RUNNING && !(old & (1 << me)) -> kicked = true
        :: else
        fi;
        n++
    :: else -> break
    od;
    senders_left--
}

/* The CPU's own timer ends the wait at its deadline. */
inline timer()
{
    timers--;
    wake(woke)
}

/* An interrupt, or the way onto the CPU: event_deliver. `user`: the user view, where the
 * mask does not count. */
inline deliver(user)
{
    if
    :: (user || !mask) && pending ->
        d_step { got = pending; pending = 0 };
        mask = true;
        receive(got);
        in_user = false
    :: else
    fi
}

inline gate_return()
{
#ifdef TEST_FIRST
    test = pending;
    if /* interrupts are on here: one that comes finds the mask set */
    :: kicked -> kicked = false
    :: skip
    fi;
    mask = false;
    in_user = true;
    if
    :: test -> deliver(true)
    :: else
    fi
#else
    mask = false;
    in_user = true;
#ifndef NO_TEST
    deliver(true)
#endif
#endif
}

inline wait_call()
{
    d_step { got = pending; pending = 0 };
    if
    :: got -> receive(got) /* back in the LibOS at once */
    :: else ->
#ifdef STATE_LATE
        test = pending;
        puts = 0;
        state = WAITING;
#else
        puts = 0;
        state = WAITING;
        test = pending;
#endif
#ifndef NO_SECOND_TEST
        if
        :: test -> wake(woke)
        :: else
        fi;
#endif
        waits = true;
        goto dispatch
    fi
}

proctype cpu()
{
    byte got, test;
    bool woke, waits, in_user;

dispatch: /* dispatch_loop, interrupts off */
    if
    :: atomic { state == READY -> state = RUNNING };
        if
        :: waits -> waits = false; d_step { got = pending; pending = 0 }; receive(got)
        :: else
        fi;
        deliver(in_user);
        goto ring3
    :: else ->
#ifdef HALT_RACE
        if /* interrupts come on here, before the halt */
        :: kicked -> kicked = false
        :: skip
        fi;
#endif
        /* sti; hlt: an interrupt that is there already, or comes, ends it. */
        if
        :: kicked -> kicked = false
        :: timers && state == WAITING -> timer()
        fi;
        goto dispatch
    fi;
ring3:
    do
    :: kicked -> kicked = false; deliver(in_user)
    :: !in_user -> gate_return()
    :: !in_user -> wait_call()
    :: in_user -> /* computes until an interrupt comes */
        kicked -> kicked = false; deliver(true)
    :: in_user -> in_user = false; mask = true /* a system call enters the LibOS */
    :: atomic { timers -> timers-- }; /* preempted: somebody else's slice */
        state = READY;
        goto dispatch
    od
}

/* W1: when nobody else can move. */
active proctype observer()
{
    timeout;
    assert(senders_left == 0 && pending == 0);
    assert(received[0] > 0 && received[1] > 0);
#ifdef REACH
    assert(false)
#endif
}

init
{
    atomic {
        run cpu();
        run sender(0);
        run sender(1)
    }
}
