/* SPDX-License-Identifier: MIT */
/*
 * Revocation against use: kernel/cap/revoke.c, kernel/base/epoch.c, and the limbo of
 * kernel/cap/table.c.
 *
 * One capability slot, one frame that it allows to map, CPUs that look the name up and
 * use it with interrupts off, load and use TLB entries in Ring 3, idle, and take kicks;
 * and a revoker that marks, waits, undoes, waits, and gives slot and frame to somebody
 * else, twice. With LIMBO: instead of a revocation, a deletion without undo, whose slot
 * is taken again after its epoch.
 *
 * Verified (assertions; every end state must be a valid one):
 *   R1. A CPU that found the name live uses the capability it found: neither undone nor
 *       freed nor taken again.
 *   R2. A TLB entry leads to the frame's owner at the time of the mapping: no use after
 *       the frame went to another.
 *   R3. Undo leaves no mapping behind that was made through the capability.
 *   R4. With LIVE: the revoker comes to its end (weak fairness; a CPU in Ring 3 takes a
 *       kick before anything else). The other properties hold for CPUs that take kicks as
 *       late as they like.
 *
 * Planted faults, each of which must be found: NO_QUIET (undo without waiting), NO_FLUSH
 * (no second wait), LATE_EPOCH (the handler reads the epoch after it flushed), IDLE_LATE
 * (a CPU loads a root with Ring 3 entries before it says that it is not idle), NO_KICK
 * (LIVE: nobody is asked), NAME_LATE (the name is cleared after the epoch began). REACH
 * must fail too: it shows that the revoker gets to its end.
 *
 * Operations that the kernel does with sequentially consistent atomics are single steps
 * here; all others, too, are separate steps that interleave.
 */
#ifndef CPUS
#define CPUS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef BUMPS
#define BUMPS 0
#endif

byte epoch = 1;
byte seen[CPUS];      /* cpu->epoch */
bool idle[CPUS];
bool root[CPUS];      /* a root with Ring 3 entries is loaded */
bool kick[CPUS];      /* a kick that was sent and not yet taken */
byte tlb[CPUS];       /* whose frame the entry leads to; 0: no entry */
byte held[CPUS];      /* the generation that the look-up found; 0: none */
bool tree_busy;       /* try-lock of the page tables */
byte mapped;          /* who mapped the frame; 0: nobody */
byte name = 1;        /* the slot's name: its generation while LIVE, else 0 */
byte generation = 1;  /* what stands in the slot */
byte owner = 1;       /* who may use the frame */
bool undone;
byte bumps = BUMPS;       /* epochs that others still start */
bool finished;

#ifdef LIVE
#define FREE (!kick[me])
#else
#define FREE true
#endif

inline use(me)
{
    assert(generation == held[me] && !undone) /* R1 */
}

/* A call with interrupts off, from look-up to return. */
inline call(me)
{
    held[me] = name;
    if
    :: held[me] ->
        use(me);
#ifndef LIMBO
        if /* map the frame, if the tree is free; else BUSY */
        :: atomic { !tree_busy -> tree_busy = true };
            use(me);
            mapped = held[me];
            tree_busy = false
        :: skip
        fi;
#endif
        use(me);
        held[me] = 0
    :: else
    fi
}

/* The handler of a kick: epoch_kick. */
inline handler(me)
{
    kick[me] = false;
    if
    :: seen[me] < epoch ->
#ifdef LATE_EPOCH
        tlb[me] = 0;
        e = epoch;
#else
        e = epoch;
        tlb[me] = 0;
#endif
        seen[me] = e
    :: else
    fi
}

proctype cpu(byte me)
{
    byte e;

end:
    do
    :: kick[me] -> handler(me)
    :: FREE -> call(me)
    :: FREE && tlb[me] -> assert(owner == tlb[me]) /* R2 */
    :: FREE && bumps -> /* an epoch for another reason: tlb_flush, unmap */
        atomic { bumps--; epoch++; kick[(me + 1) % CPUS] = true }
    :: FREE -> /* the kernel's root, without Ring 3 entries */
        d_step { root[me] = false; tlb[me] = 0 };
        idle[me] = true;
#ifdef IDLE_LATE
        root[me] = true;
#endif
        idle[me] = false;
        e = epoch;
        seen[me] = e;
        root[me] = true
    od
}

/* The hardware walks the tables when it likes, also ahead of need and while the kernel
 * runs. */
proctype walker(byte me)
{
end:
    do
    :: atomic { root[me] && tlb[me] == 0 && mapped -> tlb[me] = mapped }
    od
}

/* Wait until all CPUs have seen tag: cap_quiet, repeated. */
inline quiet(tag)
{
    do
    :: if
       :: epoch < tag -> epoch++
       :: else
       fi;
       all = true;
       i = 0;
       do
       :: i < CPUS ->
           if
           :: idle[i] /* E3 */
           :: else ->
               if
               :: seen[i] >= tag
               :: else ->
                   all = false;
#ifndef NO_KICK
                   kick[i] = true
#endif
               fi
           fi;
           i++
       :: else -> break
       od;
       if
       :: all -> break
       :: else /* RESUME */
       fi
    od
}

proctype revoker()
{
    byte i, tag, round;
    bool all;

    do
    :: round < ROUNDS ->
#ifdef NAME_LATE
        tag = epoch + 1;
        epoch++;
        name = 0;
#else
        name = 0;
        tag = epoch + 1;
#endif
#ifndef NO_QUIET
        quiet(tag);
#endif
#ifndef LIMBO
        atomic { !tree_busy -> tree_busy = true };
        undone = true;
        mapped = 0;
        tree_busy = false;
        tag = epoch + 1;
#ifndef NO_FLUSH
        quiet(tag);
#endif
        assert(mapped == 0); /* R3 */
        owner = owner + 1;
        undone = false;
#endif
        generation++;
        name = generation;
        round++
    :: else -> break
    od;
    finished = true;
#ifdef REACH
    assert(false)
#endif
}

init
{
    byte n;

    atomic {
        n = 0;
        do
        :: n < CPUS -> seen[n] = 1; root[n] = true; run cpu(n);
#ifndef LIVE
            run walker(n);
#endif
            n++
        :: else -> break
        od;
        run revoker()
    }
}

#ifdef LIVE
ltl revoker_ends { <> finished }
#endif
