/* SPDX-License-Identifier: MIT */
/*
 * Calls between vCPUs: invariants I1 to I7 of kernel/ipc/ipc.h, as ipc_call, ipc_receive,
 * ipc_reply, ipc_settle (kernel/ipc/ipc.c), stop_vcpus (kernel/domain/life.c) and
 * undo_endpoint (kernel/call/undo.c) do it.
 *
 * One CPU with a caller (vCPU 0) and two servers (1 and 2) that receive at one endpoint; its
 * kernel code runs with interrupts off, so what is here from one statement of ring3 or idle
 * to the next is interrupted by nobody on that CPU, but step by step by another CPU.  That
 * sends an event to server 1, or wakes the caller for nothing, and ends a domain (the
 * caller's or server 1's), or (REVOKE) revokes a capability (the caller's or server 1's).
 * Server 1 may go to sleep with a call open.  The timer may end each call, unless FOREVER.
 *
 * Verified:
 *   M1. A reply reaches the call that it is for, while that is open, and once.
 *   M2. Nobody is forgotten: when nothing can move any more, no vCPU waits or calls that has
 *       a reason not to, and nobody is left READY.
 *   M3. A caller that is CALLING then has a living server that has its call.
 *   M4. No vCPU is entered of which it is known that it is DEAD.
 *
 * Planted faults, each of which must be found: NO_NUMBER (a reply looks at the state of the
 * caller alone), SETTLE_FIRST (a woken vCPU looks for its reason, then publishes that it
 * waits), NO_RECHECK (after a message that came to nothing the partner waits on without a
 * look), ONE_PASS (a revoked receiver's callers are woken before a quiet point, and not
 * after it), NO_GONE (who ends does not wake its caller), PLAIN_CLAIM (who enters a vCPU
 * stores its state without compare-and-swap).  REACH must fail too:
 * both a reply and a late one are possible.
 */
#define CALLS 2
#define NONE 9

mtype = { READY, RUNNING, WAITING, CALLING, DEAD };
mtype state[3] = READY;
byte waits[3];    /* 0; 1: at the endpoint; 2: for a reply; 3: for events */
byte serving[3], calling, number; /* of calls: 0 none */
byte server = NONE;
bool alive[3] = true, buried[3]; /* its domain; it is DEAD, as who ends that was told */
bool send_live = true, recv_live = true; /* the caller's name; server 1's */
bool pending;     /* of server 1 */
bool expired;     /* the deadline of the open call has come */
bool open;        /* the caller's call */
bool kicked, ask; /* an interrupt that the CPU has not taken; it asks for a quiet point */
byte made;        /* calls so far */
bool late, replied;

inline wake(v)
{
    atomic {
        if
        :: state[v] == WAITING || state[v] == CALLING -> state[v] = READY; kicked = true
        :: else
        fi
    }
}

inline claim(v, from, won)
{
#ifdef PLAIN_CLAIM
    won = state[v] == from;
    if
    :: won -> state[v] = RUNNING
    :: else
    fi
#else
    atomic {
        won = state[v] == from;
        if
        :: won -> state[v] = RUNNING
        :: else
        fi
    }
#endif
}

/* Whoever waits for v's reply is woken. */
inline gone(v)
{
#ifndef NO_GONE
    if
    :: serving[v] != 0 && calling == serving[v] -> wake(0)
    :: else
    fi
#endif
    skip
}

/* why: should v stop waiting? */
inline reason(v)
{
    if
    :: waits[v] == 2 ->
        why = expired || server == NONE;
        if
        :: !why -> why = serving[server] != calling
        :: else
        fi;
        if
        :: !why -> why = state[server] == DEAD
        :: else
        fi;
        why = why || !send_live;
        why = why || (server == 1 && !recv_live)
    :: else ->
        why = v == 1 && pending;
        why = why || (waits[v] == 1 && v == 1 && !recv_live)
    fi
}

inline drop(v)
{
    state[v] = DEAD;
    gone(v);
    current = NONE
}

inline enter(v)
{
    assert(!buried[v]); /* M4 */
    current = v;
    if
    :: !alive[v] -> drop(v)
    :: else
    fi
}

/* The claimed v, which was in `from`, waits on. */
inline unclaim(v, from)
{
    state[v] = from;
#ifndef NO_RECHECK
    reason(v);
    if
    :: why -> wake(v)
    :: else
    fi
#endif
    skip
}

inline await(v)
{
    serving[v] = 0;
    waits[v] = 1;
    state[v] = WAITING;
    if
    :: v == 1 && pending -> wake(v)
    :: else
    fi
}

inline call()
{
    made++;
    if
    :: !send_live -> skip
    :: else ->
        if
        :: to = 1
        :: to = 2
        fi;
        won = false;
        if
        :: waits[to] == 1 -> claim(to, WAITING, won)
        :: else
        fi;
        if
        :: !won -> skip /* BUSY */
        :: won -> unclaim(to, WAITING)
        :: won ->
            number++;
            waits[to] = 0;
            serving[to] = number;
            calling = number;
            server = to;
            expired = false;
            open = true;
            waits[0] = 2;
            state[0] = CALLING;
            enter(to)
        fi
    fi
}

/* With a receive at once, where there is a name for that. */
inline reply(v)
{
    again = v == 2 || recv_live;
    won = false;
    if
#ifdef NO_NUMBER
    :: serving[v] != 0 -> claim(0, CALLING, won)
#else
    :: serving[v] != 0 && calling == serving[v] -> claim(0, CALLING, won)
#endif
    :: else -> late = true
    fi;
    if
    :: !won -> serving[v] = 0
    :: won -> unclaim(0, CALLING)
    :: won ->
        assert(open && calling == serving[v]); /* M1 */
        open = false;
        replied = true;
        waits[0] = 0;
        if
        :: again -> await(v); enter(0)
        :: else -> serving[v] = 0; state[0] = READY
        fi
    fi
}

inline receive(v)
{
    gone(v);
    await(v);
    current = NONE
}

/* v was woken and is RUNNING. */
inline settle(v)
{
    reason(v);
    if
    :: !why ->
        old = (waits[v] == 2 -> CALLING : WAITING);
        state[v] = old;
#ifndef SETTLE_FIRST
        reason(v);
        if
        :: why -> claim(v, old, why)
        :: else
        fi
#endif
    :: else
    fi;
    if
    :: !why -> current = NONE
    :: else ->
        if
        :: waits[v] == 2 -> assert(open); open = false
        :: v == 1 && pending -> pending = false
        :: else
        fi;
        waits[v] = 0
    fi
}

/* An interrupt is taken: a quiet point, and a look who is alive. */
inline interrupt()
{
    kicked = false;
    ask = false;
    if
    :: current != NONE ->
        if
        :: !alive[current] -> drop(current)
        :: else
        fi
    :: else
    fi
}

proctype cpu()
{
    byte current = NONE, to;
    bool won, why, again;
    mtype old;

dispatch:
    current = NONE;
    if
    :: atomic { state[0] == READY -> state[0] = RUNNING; current = 0 }
    :: atomic { state[1] == READY -> state[1] = RUNNING; current = 1 }
    :: atomic { state[2] == READY -> state[2] = RUNNING; current = 2 }
    :: else -> /* idle */
        if
        :: kicked -> interrupt()
#ifndef FOREVER
        :: open && !expired && state[0] == CALLING -> expired = true; wake(0)
#endif
        fi;
        goto dispatch
    fi;
    if
    :: waits[current] != 0 -> settle(current)
    :: else
    fi;
    if
    :: current != NONE && !alive[current] -> drop(current)
    :: else
    fi;
ring3:
    do
    :: current == NONE -> break
    :: current != NONE && kicked -> interrupt()
#ifndef FOREVER
    :: current != NONE && open && !expired && state[0] == CALLING -> expired = true; wake(0)
#endif
    :: current == 0 && made < CALLS -> call()
    :: current == 0 && made == CALLS -> state[0] = DEAD; alive[0] = false; current = NONE
    :: (current == 1 || current == 2) && serving[current] != 0 -> reply(current)
    :: current == 1 && serving[1] != 0 -> /* it sleeps with the call open */
        waits[1] = 3;
        state[1] = WAITING;
        if
        :: pending -> wake(1)
        :: else
        fi;
        current = NONE
    :: (current == 1 && recv_live) || current == 2 -> receive(current)
    :: current == 1 && !recv_live && serving[1] == 0 -> /* it has nothing left to do */
        state[1] = DEAD; alive[1] = false; current = NONE
    :: current != NONE -> /* preempted */
        atomic { state[current] == RUNNING -> state[current] = READY };
        current = NONE
    od;
    goto dispatch
}

/* Wakes without a reason, as a name of former use may. */
proctype waker()
{
    wake(0)
}

proctype sender()
{
    pending = true;
    if
    :: state[1] == WAITING -> wake(1)
    :: else -> kicked = true
    fi
}

/* STOP of a domain that ends. */
proctype killer(byte v)
{
    bool dead;

    alive[v] = false;
    do
    :: atomic {
        dead = state[v] != RUNNING;
        if
        :: dead -> state[v] = DEAD
        :: else
        fi
    };
        if
        :: dead -> buried[v] = true; gone(v); break
        :: else ->
            kicked = true;
            !kicked || state[v] != RUNNING
        fi
    od
}

inline quiet()
{
    ask = true;
    kicked = true;
    !ask
}

proctype revoker()
{
    if
    :: send_live = false;
        quiet();
        wake(0)
    :: recv_live = false;
        quiet();
        wake(1);
        gone(1);
#ifndef ONE_PASS
        quiet();
        wake(1);
        gone(1)
#endif
    fi
}

/* M2, M3: when nobody can move any more. */
active proctype observer()
{
    timeout;
    assert(state[0] != READY && state[1] != READY && state[2] != READY);
    assert(state[0] == DEAD ||
           (state[0] == CALLING && open && !expired && send_live && server != NONE &&
            serving[server] == calling && state[server] != DEAD &&
            (server != 1 || recv_live)));
    assert(state[1] == DEAD || (state[1] == WAITING && !pending && (recv_live || waits[1] == 3)));
#ifdef REACH
    assert(!(late && replied))
#endif
}

init
{
    atomic {
        run cpu();
#ifdef REVOKE
        run revoker()
#else
        if
        :: run sender()
        :: run waker()
        fi;
        if
        :: run killer(0)
        :: run killer(1)
        :: skip
        fi
#endif
    }
}
