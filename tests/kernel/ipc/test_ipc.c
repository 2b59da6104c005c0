/* SPDX-License-Identifier: MIT */
/*
 * kernel/ipc beside rules, on one CPU that the test drives: random calls, receives and
 * replies of six vCPUs in three domains, nested as they come, while capabilities are
 * passed, events are sent, wake-ups come without a reason, time passes, names are revoked
 * (also in the middle of a message), vCPUs die, and endpoints end.
 *
 * Rules, for each call (its number travels in the message):
 *   T1. It reaches one receiver at most, whole, with the badge of its capability.
 *   T2. Its caller goes on once: with the reply that was made to it, whole, or with
 *       TIMEOUT, after its deadline, or with DEAD, when the server is dead or has turned
 *       to others, or a name that it goes through is gone.
 *   T3. A reply succeeds while its call is open, and only then; STATE says that the call
 *       is over or about to be.
 *   T4. When everybody has been looked at, nobody waits who has a reason not to, who waits
 *       at an endpoint has its name, and whoever was told BUSY and asked for it has been
 *       sent an event if somebody came to wait.
 *   T5. The machine's state and the root are those of the vCPU that is entered.
 *   T6. Who is woken on this CPU gets its turn: what wakes it dispatches, or asks for a
 *       look at the time-table, before the current vCPU goes on.
 *   T7. A capability moves with a message only while the names of both sides are good.
 */
#include "boot/boot.h"
#include "domain/life.h"
#include "event/event.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "ipc/message.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VCPUS 6
#define NAMES 4 /* of each domain: send and receive, at each of two endpoints */
#define CALLS 100000u
#define CHECK(c) ((c) ? (void)0 : failed(__LINE__, #c))

enum doing { RUNS, RECEIVES, WAITS_FOR_REPLY };
struct one {
    struct vcpu *v;
    struct fb_cb cb;
    enum doing doing;
    u64 call;    /* its open call, 0: none */
    u64 serving; /* the call that it got last and did not answer; 0: none */
    bool dead, told; /* told: the note's event has come */
};
struct call {
    u32 caller, server;
    bool delivered, replied, over;
    u64 badge, answer;
};

static struct one ones[VCPUS];
static struct call *calls;
static u64 last_call, answers, moves, done[8];
static struct cpu the_cpu;
static struct fb_record the_record;
static struct fb_domain_record counts;
static struct domain homes[3];
static struct cap slots[3][64];
static struct space spaces[VCPUS];
static struct endpoint ends[2];
static bool ended[2];
static u64 clock_now = 1000, state, cr3, generation = 1;
static struct hal_state *in_cpu;
static jmp_buf ring3;
static int64_t pass_error;
static bool revoke_in_pass, turn_due; /* T6 */
static unsigned failures;
static struct { struct vcpu *v; int64_t rax; u64 rdi, word[4]; } entered;

struct fb_record *record = &the_record;
u32 cpu_count = 1;
u32 hal_fpu_bytes;

static void
failed(int line, const char *what)
{
    if (failures++ < 20)
        printf("# %d: %s, at call %llu\n", line, what, (unsigned long long)last_call);
}
static u64
below(u64 n)
{
    state ^= state << 13; /* xorshift64: Marsaglia, 2003 */
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* ---- the machine ---- */

struct cpu *this_cpu(void) { return &the_cpu; }
struct cpu *cpu_by_id(u32 id) { (void)id; return &the_cpu; }
u64 hal_tsc(void) { return clock_now; }
u64 hal_cr3_read(void) { return cr3; }
void hal_cr3_write(u64 value) { cr3 = value; }
void hal_timer_arm(u64 tsc) { (void)tsc; }
void hal_gate_select(bool direct) { (void)direct; }
void
hal_state_switch(struct hal_state *old, const struct hal_state *new)
{
    CHECK(in_cpu == old);
    in_cpu = (struct hal_state *)new;
}
void
hal_enter(const struct fb_regs *regs, int64_t rax, u64 rdi, u64 rdx, u64 r10, u64 r8,
          u64 r9)
{
    CHECK(!turn_due); /* T6 */
    entered.v = (struct vcpu *)regs;
    entered.rax = rax;
    entered.rdi = rdi;
    memcpy(entered.word, (u64[]){ rdx, r10, r8, r9 }, sizeof(entered.word));
    longjmp(ring3, 1);
}
void event_turn(void) { turn_due = false; }
void
dispatch(struct cpu *c)
{
    (void)c;
    event_turn();
    longjmp(ring3, 2);
}
void
domain_drop_current(struct cpu *c)
{
    atomic_store(&c->current->state, VCPU_DEAD);
    dispatch(c);
}
void
vcpu_leave(struct vcpu *v, const struct fb_regs *regs)
{
    v->regs = *regs;
    v->waits = 0;
    v->cr3 = cr3;
    atomic_store(&v->state, VCPU_READY);
}
void
event_rouse(struct vcpu *v)
{
    if (vcpu_wake(v))
        the_cpu.resched = turn_due = true;
}
void
event_send(struct vcpu *v, u64 bits)
{
    v->cb->pending |= bits;
    if (atomic_load(&v->state) == VCPU_WAITING)
        event_rouse(v);
}
void frame_take_back(frame_t f) { (void)f; }
static void revoke(struct cap *c);
static struct cap *
random_name(void)
{
    return &slots[below(3)][1 + below(NAMES)];
}
static bool tree_locked;
int
cap_lock(void)
{
    CHECK(!tree_locked);
    if (revoke_in_pass)
        revoke(random_name()); /* as another CPU did before it left the lock to this one */
    tree_locked = below(50) != 0;
    return tree_locked ? 0 : -FB_E_BUSY;
}
void
cap_release(void)
{
    CHECK(tree_locked);
    tree_locked = false;
}
static bool
good(const struct vcpu *v, u64 name)
{
    return name != 0 && slots[v->slot % 3][name & 63].name == name;
}
int
cap_move_locked(struct cap_table *from, u64 source, struct cap_table *to, u64 clearance,
                u64 *name)
{
    struct vcpu *v = the_cpu.current, *w = NULL;

    (void)from, (void)source, (void)to, (void)clearance;
    CHECK(tree_locked);
    for (u32 i = 0; i < VCPUS; i++) /* the one that is claimed */
        if (ones[i].v != v && atomic_load(&ones[i].v->state) == VCPU_RUNNING)
            w = ones[i].v;
    CHECK(w != NULL);
    bool reply = w->waits & WAITS_CALL;
    CHECK(good(v, reply ? v->received : v->called)); /* T7 */
    CHECK(good(w, reply ? w->called : w->received));
    if (pass_error == 0 && below(8) == 0)
        revoke(&slots[v->slot % 3][(reply ? v->received : v->called) & 63]); /* it moves */
    *name = 77;
    moves++;
    return (int)pass_error;
}
int
cap_derive_to(struct cap_table *from, u64 source, struct cap_table *to, u64 clearance,
              struct authority ask, u64 need, u64 *name)
{
    (void)from, (void)source, (void)to, (void)clearance, (void)ask, (void)need;
    *name = 77;
    return (int)pass_error;
}

/* ---- the world ---- */

/* Names 1, 2: send to endpoints 0, 1; 3, 4: receive there. */
static void
name_give(u32 d, u32 slot)
{
    struct cap *c = &slots[d][slot];
    memset(c, 0, sizeof(*c));
    c->holder = &homes[d];
    c->type = FB_TYPE_ENDPOINT;
    c->object = &ends[(slot - 1) & 1];
    c->may.auth = slot <= 2 ? SEND : RECEIVE;
    c->may.lo = 100 * d + slot;
    c->generation = ++generation;
    c->name = c->generation << FB_NAME_SLOT_BITS | slot;
}
static void
revoke(struct cap *c)
{
    if (c->name == 0)
        return;
    c->name = 0;
    ipc_cancel(c);
}

static void
world(void)
{
    memset(&the_cpu, 0, sizeof(the_cpu));
    memset(ended, 0, sizeof(ended));
    memset(ends, 0, sizeof(ends));
    for (u32 d = 0; d < 3; d++) {
        homes[d] = (struct domain){ .record = &counts, .state = FB_DOMAIN_ALIVE };
        homes[d].table.slots = slots[d];
        homes[d].table.count = 64;
        for (u32 n = 1; n <= NAMES; n++)
            name_give(d, n);
    }
    for (u32 i = 0; i < VCPUS; i++) {
        static struct cap none;
        struct vcpu *v = ones[i].v;
        if (v == NULL)
            v = aligned_alloc(64, (sizeof(*v) + 127) / 64 * 64);
        memset(v, 0, sizeof(*v));
        ones[i] = (struct one){ .v = v };
        v->cb = &ones[i].cb;
        v->domain = &homes[i % 3];
        v->next = v->domain->vcpus;
        v->domain->vcpus = v;
        spaces[i].root = 0x10000 * (i + 1);
        v->space = &spaces[i];
        v->slot = i;
        v->id = i + 1;
        v->counts = counts.cpu;
        v->shown = &the_record.cpu[0].vcpu;
        v->called_at = v->received_at = &none;
        v->timer = v->wait_until = FB_FOREVER;
        v->cb->mask = below(2);
        atomic_store(&v->state, VCPU_READY);
        the_cpu.vcpus[i] = v;
    }
}

static bool
call_over(const struct one *o, int64_t error)
{
    const struct call *c = &calls[o->call];
    const struct one *server = &ones[c->server];

    if (error == -FB_E_TIMEOUT)
        return o->v->wait_until <= clock_now;
    if (error != -FB_E_DEAD)
        return false;
    return server->v->state == VCPU_DEAD || server->serving != o->call ||
           slots[o->v->slot % 3][o->v->called & 63].name != o->v->called ||
           slots[c->server % 3][server->v->received & 63].name != server->v->received;
}

/* o goes on in Ring 3 with these registers, from what it did. */
static void
comes(struct one *o, int64_t rax, u64 rdi, const u64 *word)
{
    struct call *c;

    CHECK(!o->dead && atomic_load(&o->v->state) == VCPU_RUNNING);
    CHECK(in_cpu == &o->v->machine && cr3 == spaces[o->v->slot].root + PAGE_SIZE); /* T5 */
    CHECK(the_cpu.current == o->v && the_cpu.cb == o->v->cb);
    if (rax >= 0 && rax < 8)
        done[o->doing]++;
    if (o->doing == RECEIVES && rax == 0) {
        c = &calls[word[0]];
        CHECK(word[0] <= last_call && !c->delivered && rdi == c->badge); /* T1 */
        CHECK(word[1] == c->caller && word[2] == ~word[0] && word[3] == 3 * word[0]);
        CHECK(c->server == o->v->slot);
        c->delivered = true;
        o->serving = word[0];
    } else if (o->doing == WAITS_FOR_REPLY) {
        c = &calls[o->call];
        CHECK(!c->over); /* T2 */
        if (rax == 0)
            CHECK(c->replied && word[0] == c->answer && word[1] == ~c->answer &&
                  word[2] == 5 && word[3] == o->call && rdi == 0);
        else
            CHECK(!c->replied && call_over(o, rax));
        c->over = true;
        o->call = 0;
    } else if (o->doing == RECEIVES) {
        CHECK(rax == -FB_E_EVENT || rax == -FB_E_DEAD ||
              (rax == -FB_E_TIMEOUT && o->v->wait_until <= clock_now));
        CHECK(rax != -FB_E_EVENT || word[0] != 0);
    }
    o->doing = RUNS;
}

/* As the dispatcher does it: somebody who is READY, at random. */
static void
schedule(void)
{
    the_cpu.resched = 0;
    for (u32 n = 0, at = (u32)below(VCPUS); n < VCPUS; n++, at = (at + 1) % VCPUS) {
        struct vcpu *v = ones[at].v;
        if (atomic_load(&v->state) != VCPU_READY)
            continue;
        atomic_store(&v->state, VCPU_RUNNING);
        bool waited = v->waits != 0;
        if (waited && !ipc_settle(&the_cpu, v)) {
            CHECK(atomic_load(&v->state) == VCPU_READY || ipc_reason(&the_cpu, v) == 0);
            continue;
        }
        vcpu_current(&the_cpu, v);
        in_cpu = &v->machine;
        the_cpu.fpu_owner = the_cpu.charged = v;
        cr3 = v->cr3 = spaces[v->slot].root + PAGE_SIZE;
        if (ones[at].doing != RUNS)
            comes(&ones[at], (int64_t)v->regs.rax, v->regs.rdi,
                  (u64[]){ v->regs.rdx, v->regs.r10, v->regs.r8, v->regs.r9 });
        return;
    }
    the_cpu.current = NULL;
}

/* ---- what a vCPU does ---- */

static void
after_jump(int how)
{
    if (how == 1 && entered.v == the_cpu.current)
        comes(&ones[entered.v->slot], entered.rax, entered.rdi, entered.word);
    else if (how == 1)
        CHECK(false);
    if (how == 2)
        schedule();
}

static void
do_call(struct one *o)
{
    u32 slot = 1 + (u32)below(2);
    u64 name = slots[o->v->slot % 3][slot].name, id = last_call + 1;
    u64 deadline = below(2) ? FB_FOREVER : clock_now + below(40);
    u64 before = the_cpu.calls;
    int how = setjmp(ring3);

    if (how == 0) {
        calls[id] = (struct call){ .caller = o->v->slot,
                                   .badge = slots[o->v->slot % 3][slot].may.lo };
        o->cb.ipc.pass = below(4) == 0;
        o->cb.ipc.auth = below(2);
        o->cb.ipc.notify = below(3);
        o->doing = WAITS_FOR_REPLY;
        ipc_call(name, deadline, id, o->v->slot, ~id, 3 * id);
        CHECK(false);
    }
    id = last_call + 1;
    if (the_cpu.calls == before) { /* nobody was there, or nothing could be passed */
        CHECK(how == 1 && entered.v == o->v && entered.rax < 0);
        o->doing = RUNS;
        done[entered.rax == -FB_E_BUSY ? 3 : 4]++;
        return;
    }
    last_call = id;
    o->call = id;
    calls[id].server = o->v->server;
    CHECK(atomic_load(&o->v->state) == VCPU_CALLING ||
          atomic_load(&o->v->state) == VCPU_READY);
    after_jump(how);
}

static void
turn_away(struct one *o)
{
    o->serving = 0;
    o->doing = RECEIVES;
}

static void
do_receive(struct one *o)
{
    u64 name = slots[o->v->slot % 3][3 + below(2)].name;
    int how = setjmp(ring3);

    if (how == 0) {
        o->cb.ipc.take = below(2);
        ipc_receive(name, below(2) ? FB_FOREVER : clock_now + below(60));
        CHECK(false);
    }
    if (how == 1) {
        CHECK(entered.v == o->v && entered.rax == -FB_E_NAME);
        return;
    }
    turn_away(o);
    after_jump(how);
}

static void
do_reply(struct one *o)
{
    u64 id = o->serving, answer = ++answers, before = counts.cpu[0].replies;
    bool receive = below(2);
    u64 name = receive ? slots[o->v->slot % 3][3 + below(2)].name : 0;
    struct one *to = id ? &ones[calls[id].caller] : NULL;
    bool open = id != 0 && !calls[id].over && !calls[id].replied && !to->dead;
    bool ending = open && ipc_reason(&the_cpu, to->v) != 0;
    int how;

    if (receive && name == 0)
        return;
    o->cb.ipc.pass = below(5) == 0;
    o->cb.ipc.auth = below(2);
    bool passing = o->cb.ipc.pass != 0;
    if (open) {
        calls[id].answer = answer;
        calls[id].replied = true; /* taken back below */
    }
    how = setjmp(ring3);
    if (how == 0) {
        ipc_reply(name, FB_FOREVER, answer, ~answer, 5, id);
        CHECK(false);
    }
    if (counts.cpu[0].replies == before) { /* T3 */
        CHECK(how == 1 && entered.v == o->v);
        CHECK(entered.rax == -FB_E_STATE ? !open || ending || passing
                                         : passing || entered.rax == -FB_E_NAME);
        if (open)
            calls[id].replied = false;
        done[5]++;
        return;
    }
    CHECK(open);
    done[6]++;
    o->serving = 0;
    if (how == 1 && entered.v == o->v) { /* it goes on itself */
        CHECK(!receive || passing);
        return;
    }
    if (atomic_load(&o->v->state) == VCPU_READY && o->v->waits == 0)
        o->doing = RUNS; /* preempted at once */
    else
        turn_away(o);
    after_jump(how);
}

/* ---- what comes from elsewhere ---- */

static void
stop(struct one *o)
{
    if (atomic_load(&o->v->state) == VCPU_RUNNING)
        return; /* it would be kicked, and leave by itself */
    atomic_store(&o->v->state, VCPU_DEAD);
    ipc_gone(o->v);
    event_turn(); /* as who ends a domain does */
    o->dead = true;
    if (o->call)
        calls[o->call].over = true;
}

static void
timer(void)
{
    for (u32 i = 0; i < VCPUS; i++)
        if (ones[i].v->waits != 0 && ones[i].v->wait_until <= clock_now)
            vcpu_wake(ones[i].v);
}

static void
elsewhere(void)
{
    struct one *o = &ones[below(VCPUS)];

    pass_error = below(3) ? 0 : -FB_E_CLEARANCE;
    revoke_in_pass = below(20) == 0;
    clock_now += below(4);
    the_cpu.resched = below(8) == 0;
    switch (below(40)) {
    case 0: case 1: vcpu_wake(o->v); break;
    case 2:
        event_send(o->v, 1ull << (10 + below(4)));
        event_turn(); /* it came from another CPU */
        break;
    case 3: revoke(random_name()); break;
    case 4: if (below(20) == 0) stop(o); break;
    case 5: clock_now += 50; break;
    case 6: {
        u32 d = (u32)below(3), n = 1 + (u32)below(NAMES);
        if (slots[d][n].name == 0 && !ended[(n - 1) & 1])
            name_give(d, n); /* a new name in a slot of former use */
        break;
    }
    case 7:
        if (below(50) == 0) {
            u32 e = (u32)below(2);
            ended[e] = true;
            for (u32 d = 0; d < 3; d++)
                slots[d][1 + e].name = slots[d][3 + e].name = 0;
            ipc_end(&ends[e]);
        }
        break;
    default: break;
    }
    CHECK(!turn_due);
    timer();
}

/* T4 */
static void
look(void)
{
    timer(); /* a deadline may have passed when the wait began */
    for (u32 i = 0; i < VCPUS; i++) {
        struct vcpu *v = ones[i].v;
        u32 now = atomic_load(&v->state);
        if (now == VCPU_WAITING || now == VCPU_CALLING)
            CHECK(ipc_reason(&the_cpu, v) == 0);
        CHECK((now == VCPU_CALLING) <= (ones[i].doing == WAITS_FOR_REPLY));
        for (u32 n = 0; n < FB_IPC_NOTES; n++)
            for (u32 e = 0; e < 2; e++)
                if (v->notes[n].at == &ends[e])
                    CHECK(ends[e].wanted[0] >> i & 1);
    }
}

static void
sequence(u64 seed, u32 steps)
{
    state = seed;
    last_call = 0;
    world();
    schedule();
    for (u32 i = 0; i < steps && failures == 0; i++) {
        struct vcpu *v = the_cpu.current;
        elsewhere();
        if (v == NULL || atomic_load(&v->state) != VCPU_RUNNING) {
            schedule();
        } else if (below(6) == 0) { /* preempted */
            v->waits = 0;
            atomic_store(&v->state, VCPU_READY);
            schedule();
        } else {
            struct one *o = &ones[v->slot];
            u64 what = below(10);
            if (o->serving && what < 5)
                do_reply(o);
            else if (what < 6)
                do_call(o);
            else if (what < 9)
                do_receive(o);
            else
                do_reply(o);
        }
        look();
    }
}

int
main(int argc, char **argv)
{
    u64 count = argc > 1 ? strtoull(argv[1], NULL, 0) : 300;
    static const char *what[] = { "", "received", "answered", "busy", "refused", "late replies",
                                  "replies", "" };

    calls = calloc(CALLS, sizeof(*calls));
    for (u64 seed = 1; seed <= count && failures == 0; seed++) {
        sequence(seed * 0x9e3779b97f4a7c15ull, 2000);
        if (failures)
            printf("# seed %llu\n", (unsigned long long)seed);
    }
    for (u32 i = 1; i < 7; i++) {
        printf("# %s: %llu\n", what[i], (unsigned long long)done[i]);
        if (done[i] < count) /* the sequences reach all of it */
            failures++;
    }
    if (moves < count)
        failures++;
    printf("%s - calls, receives and replies at random\n1..1\n", failures ? "not ok" : "ok");
    for (u32 i = 0; i < VCPUS; i++)
        free(ones[i].v);
    free(calls);
    return failures != 0;
}
