/* SPDX-License-Identifier: MIT */
/*
 * Calls between vCPUs: invariants I1 to I8 of kernel/ipc/ipc.h, as ipc_call, ipc_receive and
 * ipc_reply (kernel/ipc/ipc.c), ipc_settle, ipc_claim_woken, ipc_unclaim, ipc_note, ipc_tell
 * and ipc_end (kernel/ipc/wait.c), event_send (kernel/event/event.c), stop_vcpus
 * (kernel/domain/life.c) and undo_endpoint (kernel/call/undo.c) do it.
 *
 * One CPU with a caller (vCPU 0) and two servers (1 and 2) that receive at one endpoint; its
 * kernel code runs with interrupts off, so what is here from one statement of ring3 or idle
 * to the next is interrupted by nobody on that CPU, but step by step by another CPU.  That
 * sends an event to server 1, or wakes the caller or server 1 for nothing, and ends a domain
 * (the caller's or server 1's); or (REVOKE) revokes a capability (the caller's or server
 * 1's); or (END) destroys the endpoint.  Server 1 may go to sleep with a call open.  The
 * timer may end each call, unless FOREVER.  PASS: a capability may go with one message or
 * reply, past any number of quiet points, and may be the one through which its sender meets
 * the other.  NOTE: a caller that finds nobody leaves a note and sleeps until it is told.
 *
 * Verified:
 *   M1. A reply reaches the call that it is for, while that is open, and once; not after the
 *       deadline has come.
 *   M2. Nobody is forgotten: when nothing can move any more, no vCPU waits or calls that has
 *       a reason not to, and nobody is left READY.
 *   M3. A caller that is CALLING then has a living server that has its call.
 *   M4. No vCPU is entered of which it is known that it is DEAD.
 *   M5. When a revocation is complete, no call and no reply goes through what was revoked,
 *       nor does a call arrive that was sent before, or a reply with a capability.  (A
 *       reply without one may be about to enter its caller: it found the call open.)
 *   M6. Who has left a note does not sleep while somebody waits at the endpoint, nor when
 *       there is no endpoint any more.
 *   M7. An event that was sent to a vCPU in Ring 3 is delivered, or an interrupt is on its
 *       way: also when a message has entered the vCPU meanwhile.
 *
 * Planted faults, each of which must be found: NO_NUMBER (a reply looks at the state of the
 * caller alone), SETTLE_FIRST (a woken vCPU looks for its reason, then publishes that it
 * waits), NO_RECHECK (after a message that came to nothing the partner waits on without a
 * look), ONE_PASS (a revoked receiver's callers are woken before a quiet point, and not
 * after it), NO_GONE (who ends does not wake its caller), PLAIN_CLAIM (who enters a vCPU
 * stores its state without compare-and-swap), BLIND_CLAIM (a vCPU that was woken is entered
 * without a look whether there was a reason), NO_LOOK, NO_LOOK_REPLY (after a capability
 * went with a call, or a reply, nobody looks whether one's own name is still good), NO_MEET
 * (a capability moves whether or not the names are good by which the two meet), NO_TELL,
 * TELL_FIRST (the end of an endpoint tells nobody, or before nobody can leave a note any
 * more), NO_EVENTS (a message enters without a look for events).  REACH must fail too:
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
bool send_live = true, live[3] = true; /* the caller's name; the servers' */
bool pending[3], sent; /* events; server 1's has been sent */
bool note, wanted;     /* the caller's; the endpoint's word for this CPU */
bool send_gone, recv_gone, ended; /* the revocation is complete; the endpoint's end */
bool passed_one;       /* a capability went with a message */
bool expired;          /* the deadline of the open call has come */
bool open;             /* the caller's call */
bool locked;            /* the tree lock, by the CPU */
bool kicked, ask;      /* an interrupt that the CPU has not taken; it asks for a quiet point */
byte made;             /* calls so far */
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

inline wake_waiting(v)
{
    atomic {
        if
        :: state[v] == WAITING -> state[v] = READY; kicked = true
        :: state[v] == RUNNING -> kicked = true
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

/* The same of one that was woken, and waited so, if there was no reason. */
inline claim_woken(v, won)
{
    claim(v, READY, won);
#ifndef BLIND_CLAIM
    if
    :: won ->
        reason(v);
        if
        :: why -> state[v] = READY; won = false
        :: else
        fi
    :: else
    fi
#endif
    skip
}

inline claim_receiver(v, won)
{
    won = false;
    if
    :: waits[v] == 1 ->
        claim(v, WAITING, won);
        if
        :: !won -> claim_woken(v, won)
        :: else
        fi
    :: else
    fi
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
        if
        :: !why -> why = !live[server]
        :: else
        fi
    :: else -> why = pending[v] || (waits[v] == 1 && !live[v])
    fi
}

inline drop(v)
{
    state[v] = DEAD;
    gone(v);
    current = NONE
}

/* At once, or when its turn comes: if events came for it, or somebody else is ready. */
inline enter(v)
{
    assert(!buried[v]); /* M4 */
    if
#ifndef NO_EVENTS
    :: pending[v] -> state[v] = READY; current = NONE
    :: !pending[v] ->
#else
    :: true ->
#endif
        current = v;
        if
        :: !alive[v] -> drop(v)
        :: else
        fi
    :: state[v] = READY; current = NONE
    fi
}

/* A capability is moved between the caller and server s, if they meet, and the CPU passes
 * quiet points: under the tree lock, so that no name is marked meanwhile but its own. */
inline pass(own, s)
{
    passed_one = true;
    locked = true;
#ifdef NO_MEET
    locked = false;
    met = true;
#else
    met = send_live && live[s];
#endif
    if
    :: met ->
        if
        :: own = false
        :: skip
        fi;
        do
        :: ask -> ask = false
        :: break
        od
    :: else
    fi;
    locked = false
}

/* By another CPU, which has the tree lock. */
inline mark(name)
{
    atomic { !locked -> name = false }
}

inline tell()
{
    if
    :: wanted ->
        wanted = false;
        if
        :: note -> note = false; pending[0] = true; wake_waiting(0)
        :: else
        fi
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
    :: pending[v] -> wake(v)
    :: else
    fi;
    tell()
}

/* Until an event. */
inline sleep(v)
{
    waits[v] = 3;
    state[v] = WAITING;
    if
    :: pending[v] -> wake(v)
    :: else
    fi;
    current = NONE
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
        over = send_gone || ended || (to == 1 && recv_gone);
        claim_receiver(to, won);
        if
        :: !won ->
            to = 3 - to;
            over = send_gone || ended || (to == 1 && recv_gone);
            claim_receiver(to, won)
        :: else
        fi;
        passing = false;
        met = true;
        assert(!won || !over); /* M5 */
        if
        :: !won -> /* BUSY */
#ifdef NOTE
            note = true;
            wanted = true;
            made--;
            sleep(0)
#endif
            skip
        :: won -> met = false /* nothing could be passed */
        :: won ->
#ifdef PASS
            if
            :: !passed_one -> passing = true; pass(send_live, to)
            :: true
            fi;
#endif
            skip
        fi;
        if
        :: won && !met -> unclaim(to, WAITING) /* DEAD */
        :: !won -> skip
        :: won && met ->
            number++;
            waits[to] = 0;
            serving[to] = number;
            calling = number;
            server = to;
            expired = false;
            open = true;
            waits[0] = 2;
            state[0] = CALLING;
#ifndef NO_LOOK
            if
            :: passing ->
                reason(0);
                if
                :: why -> wake(0)
                :: else
                fi
            :: else
            fi;
#endif
            assert(!send_gone && !ended && !(to == 1 && recv_gone)); /* M5 */
            enter(to)
        fi
    fi
}

/* With a receive at once, where there is a name for that. */
inline reply(v)
{
    again = live[v];
    won = false;
    over = expired || send_gone || ended || (v == 1 && recv_gone);
    if
#ifdef NO_NUMBER
    :: serving[v] != 0 ->
#else
    :: serving[v] != 0 && calling == serving[v] ->
#endif
        claim(0, CALLING, won);
        if
        :: !won && waits[0] == 2 -> claim_woken(0, won)
        :: else
        fi
    :: else -> late = true
    fi;
    assert(!won || !over); /* M1, M5 */
    if
    :: !won -> serving[v] = 0
    :: won -> met = false /* nothing could be passed */
    :: won ->
        met = true;
        passing = false;
#ifdef PASS
        if
        :: !passed_one ->
            passing = true;
            pass(live[v], v);
#ifndef NO_LOOK_REPLY
            again = again && live[v]
#endif
        :: true
        fi
#endif
    fi;
    if
    :: !won -> skip
    :: won && !met -> unclaim(0, CALLING)
    :: won && met ->
        assert(!passing || (!send_gone && !ended && !(v == 1 && recv_gone))); /* M5 */
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
        :: else -> pending[v] = false
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
        :: else -> pending[current] = false /* an upcall */
        fi
    :: else
    fi
}

proctype cpu()
{
    byte current = NONE, to;
    bool won, why, again, passing, over, met;
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
        :: open && !expired && state[0] != RUNNING -> expired = true; wake(0)
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
    :: current != NONE && alive[current] -> pending[current] = false
    :: else
    fi;
ring3:
    do
    :: current == NONE -> break
    :: current != NONE && kicked -> interrupt()
#ifndef FOREVER
    :: current != NONE && open && !expired && state[0] != RUNNING -> expired = true; wake(0)
#endif
    :: current == 0 && made < CALLS -> call()
    :: current == 0 && made == CALLS -> state[0] = DEAD; alive[0] = false; current = NONE
    :: (current == 1 || current == 2) && serving[current] != 0 -> reply(current)
    :: current == 1 && serving[1] != 0 -> sleep(1) /* with the call open */
    :: (current == 1 || current == 2) && live[current] -> receive(current)
    :: (current == 1 || current == 2) && !live[current] && serving[current] == 0 ->
        state[current] = DEAD; alive[current] = false; current = NONE /* nothing left to do */
    :: sent && current == 1 && pending[1] && !kicked -> assert(false) /* M7 */
    :: current != NONE -> /* preempted */
        atomic { state[current] == RUNNING -> state[current] = READY };
        current = NONE
    od;
    goto dispatch
}

/* Wakes without a reason, as a name of former use may. */
proctype waker(byte v)
{
    wake(v)
}

proctype sender()
{
    mtype saw;

    pending[1] = true;
    saw = state[1];
    if
    :: saw == WAITING -> wake(1)
    :: saw == RUNNING -> kicked = true
    :: else
    fi;
    sent = true
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
    :: mark(send_live);
        quiet();
        wake(0);
        send_gone = true
    :: mark(live[1]);
        quiet();
        wake(1);
        gone(1);
#ifndef ONE_PASS
        quiet();
        wake(1);
        gone(1);
#endif
        recv_gone = true
    fi
}

/* The endpoint: its names go, and it does. */
proctype destroyer()
{
    mark(send_live);
    mark(live[1]);
    mark(live[2]);
#ifdef TELL_FIRST
    tell();
#endif
    quiet();
    wake(0);
    wake(1);
    gone(1);
    wake(2);
    gone(2);
    quiet();
    gone(1);
    gone(2);
    if
    :: waits[0] == 2 -> wake(0)
    :: else
    fi;
    if
    :: waits[1] == 1 -> wake(1)
    :: else
    fi;
    if
    :: waits[2] == 1 -> wake(2)
    :: else
    fi;
#if !defined(NO_TELL) && !defined(TELL_FIRST)
    tell();
#endif
    ended = true
}

#define RESTS(v) (state[v] == DEAD || (state[v] == WAITING && !pending[v] && (live[v] || waits[v] == 3)))
#define AT_IT(v) (state[v] == WAITING && waits[v] == 1)

/* M2, M3, M6: when nobody can move any more. */
active proctype observer()
{
    timeout;
    assert(state[0] != READY && state[1] != READY && state[2] != READY);
    assert(state[0] == DEAD ||
           (state[0] == WAITING && waits[0] == 3 && !pending[0] && note && !ended &&
            !AT_IT(1) && !AT_IT(2)) ||
           (state[0] == CALLING && open && !expired && send_live && server != NONE &&
            serving[server] == calling && state[server] != DEAD && live[server]));
    assert(RESTS(1));
    assert(RESTS(2));
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
#ifdef END
        run destroyer()
#else
        if
        :: run sender()
        :: run waker(0)
        :: run waker(1)
        fi;
        if
        :: run killer(0)
        :: run killer(1)
        :: skip
        fi
#endif
#endif
    }
}
