/* SPDX-License-Identifier: MIT */
/*
 * When instances start, end, and start anew: the states of steward.h, and what the
 * manifest says about ends.
 *
 * An end is a failure unless the instance said itself that it is orderly
 * (STEWARD_EXIT_OFF, STEWARD_EXIT_HALT).  An instance that asks to be started anew
 * (STEWARD_EXIT_RESET) is, unless its policy is `never`.
 * The delay before a restart doubles with each one in a row; who has run for CALM_MS
 * begins with the first delay again.
 */
#include "steward/steward.h"

#include <sdk/stubs.h>

#define CALM_MS  10000u
#define PAUSE_MS 60000u /* the longest delay */

struct instance instances[MANIFEST_INSTANCES];
u32 instance_count;

static u64
now(void)
{
    return __builtin_ia32_rdtsc();
}

struct instance *
instance_named(const char *name)
{
    for (u32 k = 0; k < instance_count; k++)
        if (strcmp(instances[k].what->name, name) == 0)
            return &instances[k];
    return NULL;
}

static bool
make(struct instance *i)
{
    i->held = false;
    i->until = FB_FOREVER;
    i->began = now();
    bool made = instance_start(i);
    i->state = made ? STATE_UP : STATE_ENDING;
    if (!made) {
        terminal_ended(i);
        i->held = true; /* what failed now fails again */
        sdk_print_to(i->ended, sizeof(i->ended), "could not be made");
    }
    return made;
}

/* Instances with a size first, so that `memory all` gets what they leave. */
void
life_start_all(void)
{
    for (int round = 0; round < 2; round++)
        for (u32 k = 0; k < instance_count; k++) {
            struct instance *i = &instances[k];
            if ((i->what->memory == MEMORY_ALL) != (round == 1))
                continue;
            if (!make(i) && i->what->on_end == ON_END_POWER)
                give_up("instance %s, which the machine is for, cannot be made",
                        i->what->name);
        }
}

const char *
life_state(const struct instance *i)
{
    switch (i->state) {
    case STATE_DOWN: return "down";
    case STATE_UP: return i->until != FB_FOREVER ? "stopping" : "up";
    case STATE_ENDING: return "ending";
    case STATE_PAUSE: return "restarting";
    }
    return "?";
}

/* ---- what the control port asks for ---- */

bool
life_start(struct instance *i, char *why, size_t size)
{
    if (i->state != STATE_DOWN && i->state != STATE_PAUSE) {
        sdk_print_to(why, size, "%s is %s", i->what->name, life_state(i));
        return false;
    }
    i->tries = 0;
    if (make(i))
        return true;
    sdk_print_to(why, size, "%s cannot be made; `zonectl log steward` says why",
                 i->what->name);
    return false;
}

bool
life_stop(struct instance *i, u64 ms, char *why, size_t size)
{
    if (i->state == STATE_PAUSE) {
        i->state = STATE_DOWN;
        i->held = true;
        return true;
    }
    if (i->state == STATE_ENDING) { /* it ends already: it is not to come back */
        i->held = true;
        return true;
    }
    if (i->state != STATE_UP || !i->port.page) {
        sdk_print_to(why, size, "%s is %s", i->what->name, life_state(i));
        return false;
    }
    i->held = true;
    i->until = now() + ticks_of_ms(ms);
    i->port.page->stop = i->until;
    port_order(i);
    return true;
}

static void
begin_end(struct instance *i)
{
    terminal_ended(i);
    i->state = STATE_ENDING;
    i->until = FB_FOREVER;
}

bool
life_kill(struct instance *i, char *why, size_t size)
{
    if (i->state == STATE_PAUSE)
        return life_stop(i, 0, why, size);
    if (i->state != STATE_UP) {
        sdk_print_to(why, size, "%s is %s", i->what->name, life_state(i));
        return false;
    }
    say("instance %s is killed", i->what->name);
    sdk_print_to(i->ended, sizeof(i->ended), "killed");
    begin_end(i);
    return true;
}

/* ---- ends ---- */

static const char *
cause_name(u32 cause)
{
    switch ((enum fb_end_cause)cause) {
    case FB_END_NONE: return "no cause";
    case FB_END_EXIT: return "exit";
    case FB_END_DOUBLE_FAULT: return "a fault in its fault handler";
    case FB_END_DESTROYED: return "destroyed";
    case FB_END_NO_ENTRY: return "a fault before it could handle one";
    }
    return "?";
}

/* Will it be started again, after an end that was `clean`, or asked for that (`again`)?
 */
static bool
starts_again(struct instance *i, bool clean, bool again)
{
    enum restart policy = i->what->restart;

    if (i->held || policy == RESTART_NEVER ||
        (policy == RESTART_ON_FAILURE && clean && !again))
        return false;
    if (now() - i->began > ticks_of_ms(CALM_MS))
        i->tries = 0;
    if (i->what->restart_limit && i->tries >= i->what->restart_limit) {
        say("instance %s: ended %u times in a row, and stays down", i->what->name,
            i->tries + 1);
        return false;
    }
    return true;
}

/* The end of the machine, where the instance is what it is for. */
static void
machine_ends(const struct instance *i, bool clean)
{
    if (i->what->on_end != ON_END_POWER)
        return;
    if (!clean)
        give_up("instance %s, which the machine is for, has failed", i->what->name);
    fb_power(BOOT->cap_machine, FB_POWER_OFF, NULL);
}

void
life_look(struct instance *i)
{
    const struct fb_domain_status *status = (const void *)STEWARD_BUFFER;

    if (i->state != STATE_UP || fb_domain_status(i->domain, 0, NULL) != 0 ||
        status->state == FB_DOMAIN_ALIVE)
        return;
    struct fb_domain_status s = *status; /* the buffer serves `say` too */
    bool by_hand = s.cause == FB_END_EXIT,
         again = by_hand && s.code == STEWARD_EXIT_RESET;
    bool clean = by_hand && s.code <= STEWARD_EXIT_HALT;
    sdk_print_to(i->ended, sizeof(i->ended), "%s, code %lu", cause_name(s.cause), s.code);
    if (!clean || !BOOT->quiet)
        say("instance %s ended: %s", i->what->name, i->ended);
    if (!by_hand)
        say("  at %lx, stack %lx, address %lx, error %lx", s.regs.rip, s.regs.rsp, s.cr2,
            s.regs.error);
    if (!clean)
        trace_say(i, by_hand ? NULL : &s.regs);
    bool restart = starts_again(i, clean, again);
    if (!restart)
        machine_ends(i, clean);
    if (!restart)
        i->held = true;
    begin_end(i);
}

/* Its domain is gone, and its memory is back. */
static void
gone(struct instance *i)
{
    if (i->held || !starts_again(i, false, true)) {
        i->state = STATE_DOWN;
        machine_ends(i, false); /* an orderly end of the machine came earlier */
        return;
    }
    u64 ms = i->what->restart_ms;
    for (u32 n = 0; n < i->tries && ms < PAUSE_MS; n++)
        ms *= 2;
    i->tries++;
    i->until = now() + ticks_of_ms(ms < PAUSE_MS ? ms : PAUSE_MS);
    i->state = STATE_PAUSE;
}

static void
poll_one(struct instance *i)
{
    u64 at = now();

    if (i->state == STATE_UP && at >= i->until) {
        say("instance %s did not end in time and is killed", i->what->name);
        sdk_print_to(i->ended, sizeof(i->ended), "killed: it did not stop in time");
        begin_end(i);
    }
    if (i->state == STATE_ENDING && instance_remove_step(i))
        gone(i);
    if (i->state == STATE_PAUSE && at >= i->until && !make(i))
        say("instance %s: could not be started again", i->what->name);
}

u64
life_poll(void)
{
    u64 next = FB_FOREVER;

    for (u32 k = 0; k < instance_count; k++) {
        struct instance *i = &instances[k];
        if (i->state == STATE_DOWN || (i->state == STATE_UP && i->until == FB_FOREVER))
            continue;
        poll_one(i);
        u64 when = i->state == STATE_ENDING                          ? 0
                   : i->state == STATE_UP || i->state == STATE_PAUSE ? i->until
                                                                     : FB_FOREVER;
        next = when < next ? when : next;
    }
    return next;
}
