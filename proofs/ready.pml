/* SPDX-License-Identifier: MIT */
/*
 * The set of positions whose vCPU may be ready: invariant I5 of kernel/slice/slice.h, as
 * vcpu_wake, slice_ready, slice_bind and slice_seek (kernel/slice/table.c) do it.
 *
 * One vCPU and two positions; its CPU, which looks for it, runs it, lets it wait, and
 * halts when it finds nothing; a waker on another CPU; and a holder of the slices that
 * gives it positions and takes them away.
 *
 * Verified:
 *   B1. When nothing can move any more, the vCPU is not READY while it has a position:
 *       no wake-up and no position is overlooked.
 *   B2. The CPU runs it only when it is READY.
 *
 * Planted faults, each of which must be found: POSITIONS_FIRST (the waker loads the
 * positions before it stores READY), NO_RECHECK (who is found asleep loses its bit, and
 * nobody looks again), BIT_FIRST (slice_bind sets the bit before the positions), NO_BIT
 * (slice_bind leaves the bit to the next waker). REACH must fail too: it shows that the
 * end is reached with the vCPU having run.
 */
#define WAKES 2
#define BINDS 3

mtype = { READY, RUNNING, WAITING };
mtype state = WAITING;
byte ready = 1, positions = 1;
bool owner[2];
bool kicked;
byte ran, others = 2;

init
{
    owner[0] = true;
    run cpu();
    run waker();
    run binder()
}

/* slice_seek for one position; `found`: its owner was READY. */
inline seek(pos)
{
    if
    :: (ready >> pos) & 1 ->
        if
        :: owner[pos] ->
            if
            :: state == READY -> found = true
            :: else -> asleep = (state == WAITING)
            fi
        :: else -> asleep = true
        fi;
        if
        :: !found && asleep ->
            ready = ready & ~(1 << pos);
#ifndef NO_RECHECK
            if
            :: owner[pos] && state != WAITING -> ready = ready | (1 << pos)
            :: else
            fi
#endif
        :: else
        fi
    :: else
    fi
}

proctype cpu()
{
    bool found, asleep;

    do
    :: kicked = false; /* the interrupt is taken */
        found = false;
        asleep = false;
        seek(0);
        if
        :: !found -> asleep = false; seek(1)
        :: else
        fi;
        if
        :: found ->
            /* B2: nobody but this CPU makes a READY vCPU something else */
            assert(state == READY);
            state = RUNNING;
            ran = (ran < 3 -> ran + 1 : 3);
            state = WAITING;
            kicked = true /* it looks again */
        :: else
        fi;
        if
        :: kicked
        :: !kicked && others == 0 ->
            assert(!(state == READY && positions != 0)); /* B1 */
#ifdef REACH
            assert(ran == 0);
#endif
            break
        fi
    od
}

proctype waker()
{
    byte n, mine;
    bool won;

    do
    :: n < WAKES ->
        n++;
        won = false;
#ifdef POSITIONS_FIRST
        mine = positions;
#endif
        atomic {
            if
            :: state == WAITING -> state = READY; won = true
            :: else
            fi
        };
        if
        :: won ->
#ifndef POSITIONS_FIRST
            mine = positions;
#endif
            if
            :: (ready & mine) != mine -> ready = ready | mine
            :: else
            fi;
            kicked = true
        :: else
        fi
    :: else -> break
    od;
    others--
}

/* Under the tree lock: one at a time. */
proctype binder()
{
    byte n, pos;

    do
    :: n < BINDS ->
        n++;
        if
        :: pos = 0
        :: pos = 1
        fi;
        if
        :: positions = positions & ~(1 << pos);
            owner[pos] = false
        ::
#ifdef BIT_FIRST
            ready = ready | (1 << pos);
#endif
            owner[pos] = true;
            positions = positions | (1 << pos);
#if !defined(BIT_FIRST) && !defined(NO_BIT)
            ready = ready | (1 << pos)
#endif
        fi;
        kicked = true
    :: else -> break
    od;
    others--
}
