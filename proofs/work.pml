/* SPDX-License-Identifier: MIT */
/*
 * Work queues: WK1, WK2 and the ends of work_cancel and work_queue_drain, as libos/core/work.c does it.
 *
 * Two works, two workers; adders that change what a work is about and then add it; one that
 * cancels the first work, and then frees it (nothing may touch it after), or one that drains.
 * What is done under the queue's lock is one step. Sleeping workers stand in `arrived` from
 * their arrival until they are woken or go on by themselves, and test the list after they
 * stand there (W1 of wait.h).
 *
 * Verified:
 *   1. When nothing can move any more, no work is added, and each change was seen by a run
 *      that began after it: nothing is forgotten.
 *   2. WK2: a function never runs twice at once for a work.
 *   3. After work_cancel its work neither runs nor begins.
 *   4. After work_queue_drain all that was added before it has been done.
 *
 * Planted faults, each of which must be found: NO_AGAIN (a work that runs is put into the
 * list as any other), LOST_AGAIN (work_add of one that runs is forgotten), NO_TEST (a worker
 * sleeps without a test after it stands in the queue), ADDED_LATE (the mark that a work is
 * added goes after its function), CANCEL_EARLY (work_cancel does not wait for a run),
 * ENDERS_LATE (who waits for an end counts itself after its test). REACH must fail too.
 */
#define WORKS 2
#define WORKERS 2
#define NONE 9

bool added[WORKS];
bool gone;                      /* work 0 is freed */
byte changes[WORKS], seen[WORKS];
byte list[4] = { NONE, NONE, NONE, NONE }; /* waiting, the first first */
byte count;
byte number, numbers[WORKS];    /* work.number */
byte listed[4];                 /* its number, beside list */
byte current[WORKERS] = { NONE, NONE };
byte run_number[WORKERS];
bool again[WORKERS];
bool stands[WORKERS], asleep[WORKERS]; /* in `arrived` */
byte running[WORKS];
byte enders;
bool ender_stands, ender_asleep, ender_done;

inline runner_of(w, r)
{
    if
    :: current[0] == w -> r = 0
    :: current[0] != w && current[1] == w -> r = 1
    :: else -> r = NONE
    fi
}

inline push(w)
{
    list[count] = w;
    listed[count] = numbers[w];
    count++
}

inline remove_at(i)
{
    do
    :: i < count - 1 -> list[i] = list[i + 1]; listed[i] = listed[i + 1]; i++
    :: else -> break
    od;
    count--;
    list[count] = NONE
}

/* wait_wake(&arrived, 1): one that sleeps is taken out; one that does not sleep yet stays. */
inline wake_worker()
{
    if
    :: stands[0] && asleep[0] -> stands[0] = false; asleep[0] = false
    :: stands[1] && asleep[1] -> stands[1] = false; asleep[1] = false
    :: !(stands[0] && asleep[0]) && !(stands[1] && asleep[1]) -> skip
    fi
}

proctype adder(byte w; byte n)
{
    byte r;
    bool queued;

    do
    :: n > 0 ->
        changes[w]++;
        atomic { /* work_add, under the lock */
            queued = false;
            if
            :: added[w] -> skip
            :: else ->
                added[w] = true;
                number++;
                numbers[w] = number;
                runner_of(w, r);
#ifdef NO_AGAIN
                r = NONE;
#endif
                if
                :: r == NONE -> push(w); queued = true
                :: else ->
#ifndef LOST_AGAIN
                    again[r] = true
#else
                    added[w] = false
#endif
                fi;
                r = 0
            fi
        };
        if
        :: queued -> atomic { wake_worker(); queued = false }
        :: else
        fi;
        n--
    :: else -> break
    od
}

proctype worker(byte me)
{
    byte w, i;

    do
    ::
        atomic { /* take_locked */
            w = current[me];
            if
            :: again[me] -> skip
            :: else ->
                current[me] = NONE;
                w = NONE;
                if
                :: count > 0 -> w = list[0]; i = 0; remove_at(i)
                :: else
                fi
            fi;
            if
            :: w != NONE ->
                assert(added[w]);
                assert(!(gone && w == 0));
#ifndef ADDED_LATE
                added[w] = false;
#endif
                again[me] = false;
                current[me] = w;
                run_number[me] = numbers[w]
            :: else
            fi
        };
        if
        :: enders != 0 ->
            atomic {
                if
                :: ender_stands && ender_asleep -> ender_stands = false; ender_asleep = false
                :: else
                fi
            }
        :: else
        fi;
        if
        :: w != NONE ->
            atomic { running[w]++; assert(running[w] == 1); assert(!(gone && w == 0)) };
            seen[w] = changes[w];
            running[w]--;
#ifdef ADDED_LATE
            added[w] = false
#endif
        :: else ->
            stands[me] = true;
            asleep[me] = true; /* thread_prepare */
#ifndef NO_TEST
            if
            :: count > 0 -> asleep[me] = false
            :: else
            fi;
#endif
end_idle:   !asleep[me];
            stands[me] = false
        fi
    od
}

#define BEFORE(n) ((count > 0 && listed[0] <= n) || \
    (current[0] != NONE && run_number[0] <= n) || (current[1] != NONE && run_number[1] <= n))

byte drain_number;
bool drains;

inline wait_for(over)
{
#ifndef ENDERS_LATE
    enders++;
#endif
    do
    ::
        if
        :: over -> break
        :: else
        fi;
        ender_stands = true;
        ender_asleep = true;
        if
        :: over -> ender_asleep = false; ender_stands = false; break
        :: else
        fi;
#ifdef ENDERS_LATE
        enders++;
#endif
        !ender_asleep;
        ender_stands = false
    od;
#ifndef ENDERS_LATE
    enders--
#endif
}

proctype canceller()
{
    byte r, i;

    atomic {
        runner_of(0, r);
        if
        :: added[0] && r != NONE -> again[r] = false
        :: added[0] && r == NONE ->
            i = 0;
            do
            :: list[i] != 0 -> i++
            :: else -> break
            od;
            remove_at(i)
        :: else
        fi;
        added[0] = false
    };
#ifndef CANCEL_EARLY
    if
    :: r != NONE -> wait_for((current[0] != 0 && current[1] != 0))
    :: else
    fi;
#endif
    atomic { gone = true; assert(running[0] == 0); ender_done = true }
}

proctype drainer()
{
    byte mark;

    atomic { mark = number };
    wait_for((!BEFORE(mark)));
    atomic { assert(!BEFORE(mark)); ender_done = true }
}

/* At the end nobody is left but the workers, asleep. */
init
{
    atomic {
        run worker(0);
        run worker(1);
        run adder(1, 2)
    };
#ifdef DRAIN
    atomic { run adder(0, 1); run drainer() };
#else
    /* nobody adds a work while it is cancelled: before it, its adders have come back */
    run adder(0, 1);
    _nr_pr <= 4;
    run canceller();
#endif
    timeout;
#ifdef REACH
    assert(false);
#endif
    assert(!added[1] && count == 0 && seen[1] == changes[1]);
#ifdef DRAIN
    assert(!added[0] && seen[0] == changes[0]);
#endif
    assert(ender_done && asleep[0] && asleep[1])
}
