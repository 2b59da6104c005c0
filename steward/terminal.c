/* SPDX-License-Identifier: MIT */
/*
 * Who has the terminal (COM1 and the kernel's console).
 *
 * The terminal is a device like any other: its holder drives the UART itself, through
 * capabilities on its ports and its line, so the steward has no driver and no byte of a
 * terminal session passes through it.  To give it to another instance, the capabilities
 * are taken back and granted anew.  As with all that is taken back, the holder is asked
 * first (it lets what it has begun to send go out, and masks the device); after ASK_MS it
 * loses them by force.
 *
 * N1. own[] are the steward's capabilities above the holder's; they are 0 exactly while
 *     nobody has the terminal.  So one revoke of each takes it back from whoever has it.
 */
#include "steward/steward.h"

#include <sdk/stubs.h>

#define ASK_MS 500u

static struct {
    struct instance *owner, *next; /* next: who gets it when the owner has let go */
    u64 own[3], deadline;
    bool asked;
} terminal;

struct instance *
terminal_owner(void)
{
    return terminal.owner;
}

static long
grant_one(struct instance *i, u32 n, u64 root, u64 auth, u64 lo, u64 hi, u64 *name)
{
    long error = AGAIN(fb_cap_derive(root, FB_AUTH_ALL, lo, hi, &terminal.own[n]));

    if (error) {
        terminal.own[n] = 0;
        return error;
    }
    return AGAIN(fb_cap_grant(terminal.own[n], i->domain, auth, lo, hi, name));
}

static void
take_all(void)
{
    for (u32 n = 0; n < 3; n++)
        if (terminal.own[n]) {
            finish(fb_cap_revoke, terminal.own[n]);
            finish(fb_cap_delete, terminal.own[n]);
            terminal.own[n] = 0;
        }
    terminal.owner = NULL;
    terminal.asked = false;
}

static long
grant_all(struct instance *i)
{
    struct steward_page *p = i->port.page;
    u32 derive = i->what->devices & DEVICE_DOMAINS ? FB_RIGHT_DERIVE : 0;
    u64 class = FB_CLASS_ROOT;

    long error =
        grant_one(i, 0, BOOT->cap_ports,
                  FB_AUTH(class, FB_KIND_IOPORT, FB_RIGHT_READ | FB_RIGHT_WRITE | derive),
                  0x3f8, 0x400, &p->cap_ports);
    if (!error)
        error = grant_one(i, 1, BOOT->cap_irqs,
                          FB_AUTH(class, FB_KIND_INTERRUPT, FB_RIGHT_CONTROL | derive), 4,
                          5, &p->cap_irq);
    if (!error)
        error = grant_one(i, 2, BOOT->cap_machine,
                          FB_AUTH(class, FB_KIND_HARDWARE, FB_RIGHT_WRITE), 0, 1,
                          &p->cap_console);
    return error;
}

long
terminal_give(struct instance *i)
{
    struct steward_page *p = i->port.page;

    long error = grant_all(i);
    if (error) {
        take_all();
        return error;
    }
    terminal.owner = i;
    p->terminal = (p->terminal + 1) | 1;
    return 0;
}

void
terminal_ended(struct instance *i)
{
    if (terminal.next == i)
        terminal.next = NULL;
    if (terminal.owner == i)
        take_all();
}

bool
terminal_move(struct instance *to, char *why, size_t size)
{
    if (to->state != STATE_UP || !to->port.page) {
        sdk_print_to(why, size, "%s is %s", to->what->name, life_state(to));
        return false;
    }
    /* Who was asked for it already lets go, and gets it back if it is the last to want
     * it. */
    terminal.next = terminal.owner == to && !terminal.asked ? NULL : to;
    if (!terminal.owner || terminal.owner == to || terminal.asked)
        return true;
    terminal.asked = true;
    terminal.deadline = __builtin_ia32_rdtsc() + ticks_of_ms(ASK_MS);
    terminal.owner->port.page->terminal++; /* even: let go */
    port_order(terminal.owner);
    return true;
}

/* Has the owner let go, or has its time passed? */
static bool
is_free(void)
{
    if (!terminal.owner)
        return true;
    if (!terminal.asked)
        return false;
    const struct steward_page *p = terminal.owner->port.page;
    return __atomic_load_n(&p->terminal_answer, __ATOMIC_ACQUIRE) == p->terminal ||
           __builtin_ia32_rdtsc() >= terminal.deadline;
}

u64
terminal_poll(void)
{
    if (terminal.asked && is_free()) {
        take_all();
        if (!terminal.next) /* it was asked for by one who has ended since */
            say("nobody has the terminal; `zonectl console NAME` gives it to NAME");
    }
    if (terminal.next && is_free()) {
        struct instance *to = terminal.next;
        terminal.next = NULL;
        long error = terminal_give(to);
        if (error)
            say("instance %s: giving it the terminal: %s", to->what->name,
                fb_error_name(error));
        else
            port_order(to);
    }
    return terminal.asked ? terminal.deadline : FB_FOREVER;
}
