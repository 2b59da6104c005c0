/* SPDX-License-Identifier: MIT */
/*
 * Rings in shared memory (sdk/ring.h): R1, R4 and R5, on CPUs that keep stores back.
 *
 * Each side runs on a CPU with a buffer of stores (x86-TSO: Owens, Sarkar and Sewell,
 * 2009): a store goes into the buffer and comes into memory later, in order; the CPU
 * itself sees it at once; a fence or a locked operation waits until the buffer is
 * empty.  So it is checked that the fences of the code are where they are needed.
 *
 * Without MPSC: a producer and a consumer.  With MPSC: two producers that claim slots
 * by a locked compare-and-exchange.  The ring has two slots, so that it is full and
 * empty often.  A side that cannot go on announces that it sleeps, looks again, and
 * waits for its event, which is a bit that stays set.  Who pushed or popped looks for
 * the other's sleep at once or later, at the latest before it sleeps or ends.
 *
 * Verified:
 *   P1. What is popped is what was pushed, in the order of each producer; nothing is
 *       lost, nothing comes twice.
 *   P2. No wake-up is lost: when nothing can move any more, all have ended.
 *
 * Planted faults, each of which must be found: NO_FENCE_BELL (who pushed looks for
 * sleepers without a fence), NO_FENCE_SLEEP (who announces its sleep looks again
 * without a fence), LOOK_FIRST (looks again, then announces), BELL_LATE (sleeps on a
 * full ring without having looked for the consumer's sleep), LOSE_EVENT (an event that
 * comes before the wait is forgotten), with MPSC: COUNT_FIRST (the consumer counts a
 * slot as consumed, then frees it), CLAIM_PLAIN (a claim is a load and a store).  REACH
 * must fail too: all can end.
 */
#define SLOTS 2
#ifdef MPSC
#define PRODUCERS 2
#define VALUES 2
#define BUFFER 2
#else
#define PRODUCERS 1
#define VALUES 5
#define BUFFER 3
#endif
#define CONSUMER PRODUCERS
#define CPUS (PRODUCERS + 1)

/* Addresses: the slots, then these. */
#define CONSUMER_SLEEPS SLOTS
#define PRODUCERS_SLEEP (SLOTS + 1)
#define CLAIMED (SLOTS + 2)
#define CONSUMED (SLOTS + 3)
#define WORDS (SLOTS + 4)

byte memory[WORDS];
chan buffer[CPUS] = [BUFFER] of { byte, byte };
byte own[CPUS * WORDS];     /* the CPU's latest store to a word ... */
byte pending[CPUS * WORDS]; /* ... while so many of them are in its buffer */
bool event[CPUS];
byte ended;

inline load(at, to)
{
    to = (pending[me * WORDS + (at)] > 0 -> own[me * WORDS + (at)] : memory[at])
}

inline store(at, value)
{
    atomic {
        nfull(buffer[me]);
        own[me * WORDS + (at)] = value;
        pending[me * WORDS + (at)]++;
        buffer[me] ! at, value
    }
}

inline fence()
{
    empty(buffer[me])
}

proctype memory_system(byte cpu)
{
    byte at, value;
end:
    do
    :: atomic {
           buffer[cpu] ? at, value;
           memory[at] = value;
           pending[cpu * WORDS + at]--;
           at = 0;
           value = 0
       }
    od
}

inline signal(who)
{
    event[who] = true
}

inline wait()
{
#ifdef LOSE_EVENT
    event[me] = false;
#endif
    atomic { event[me]; event[me] = false }
}

inline exchange_zero(at)
{
    atomic { empty(buffer[me]); word = memory[at]; memory[at] = 0 }
}

/* ring_bell */
inline bell_consumer()
{
#ifndef NO_FENCE_BELL
    fence();
#endif
    load(CONSUMER_SLEEPS, word);
    if
    :: word != 0 ->
        exchange_zero(CONSUMER_SLEEPS);
        if
        :: word != 0 -> signal(CONSUMER)
        :: else
        fi
    :: else
    fi;
    word = 0
}

/* ring_bell_producers */
inline bell_producers()
{
#ifndef NO_FENCE_BELL
    fence();
#endif
    load(PRODUCERS_SLEEP, word);
    if
    :: word != 0 ->
        exchange_zero(PRODUCERS_SLEEP);
        if
        :: word & 1 -> signal(0)
        :: else
        fi;
#ifdef MPSC
        if
        :: word & 2 -> signal(1)
        :: else
        fi
#endif
    :: else
    fi;
    word = 0
}

#ifdef MPSC
inline announce()
{
    atomic {
        empty(buffer[me]);
        memory[PRODUCERS_SLEEP] = memory[PRODUCERS_SLEEP] | (1 << me)
    }
}
inline awake()
{
    atomic {
        empty(buffer[me]);
        memory[PRODUCERS_SLEEP] = memory[PRODUCERS_SLEEP] & ~(1 << me)
    }
}
inline forget() /* what is not looked at again: fewer states */
{
    atomic { claim = 0; word = 0 }
}
inline look()
{
    load(CLAIMED, claim);
    load(CONSUMED, word);
    no_room = claim - word >= SLOTS
}
#else
inline announce()
{
    store(PRODUCERS_SLEEP, 1);
#ifndef NO_FENCE_SLEEP
    fence()
#else
    skip
#endif
}
inline awake()
{
    store(PRODUCERS_SLEEP, 0)
}
inline forget()
{
    word = 0
}
inline look()
{
    load(claim % SLOTS, word);
    no_room = word != 0
}
#endif

/* ring_push and ring_push_shared, of the value that is next. */
inline push()
{
    look();
    if
    :: no_room
    :: else ->
#ifdef MPSC
#ifdef CLAIM_PLAIN
        store(CLAIMED, claim + 1);
        done = true;
#else
        atomic {
            empty(buffer[me]);
            done = memory[CLAIMED] == claim;
            if
            :: done -> memory[CLAIMED] = claim + 1
            :: else
            fi
        };
#endif
#else
        done = true;
#endif
        if
        :: done ->
            store(claim % SLOTS, next * PRODUCERS + me);
            next++;
#ifndef MPSC
            claim++
#endif
        :: else /* another was faster: again */
        fi
    fi;
    forget()
}

proctype producer(byte me)
{
    byte next = 1, claim, word;
    bool no_room, done;

    do
    :: next > VALUES -> break
    :: else ->
        push();
        if
        :: no_room ->
#ifndef BELL_LATE
            bell_consumer();
#endif
#ifdef LOOK_FIRST
            look();
            announce();
#else
            announce();
            look();
#endif
            if
            :: no_room -> wait()
            :: else
            fi;
            forget();
            awake()
        :: !no_room && done -> bell_consumer()
        :: !no_room /* later, or nothing was pushed */
        fi;
        no_room = false;
        done = false
    od;
    bell_consumer();
    ended++
}

proctype consumer()
{
    byte me = CONSUMER, at, taken, value, word;
    byte seen[PRODUCERS];

    do
    :: taken == PRODUCERS * VALUES -> break
    :: else ->
        load(at, value);
        if
        :: value != 0 ->
#if defined(MPSC) && defined(COUNT_FIRST)
            store(CONSUMED, taken + 1);
            store(at, 0);
#else
            store(at, 0);
#ifdef MPSC
            store(CONSUMED, taken + 1);
#endif
#endif
            at = (at + 1) % SLOTS;
            taken++;
            seen[value % PRODUCERS]++;
            assert(value / PRODUCERS == seen[value % PRODUCERS]); /* P1 */
            value = 0;
            if
            :: bell_producers()
            :: true /* later */
            fi
        :: else ->
            bell_producers();
#ifdef LOOK_FIRST
            load(at, value);
            store(CONSUMER_SLEEPS, 1);
#else
            store(CONSUMER_SLEEPS, 1);
#ifndef NO_FENCE_SLEEP
            fence();
#endif
            load(at, value);
#endif
            if
            :: value == 0 -> wait()
            :: else
            fi;
            value = 0;
            store(CONSUMER_SLEEPS, 0)
        fi
    od;
    bell_producers();
    ended++
}

init
{
    byte i;

    atomic {
        for (i : 0 .. PRODUCERS) {
            run memory_system(i)
        }
        for (i : 0 .. PRODUCERS - 1) {
            run producer(i)
        }
        run consumer();
        i = 0
    }
#ifdef REACH
    ended == CPUS;
    assert(false)
#else
    timeout;
    assert(ended == CPUS) /* P2 */
#endif
}
