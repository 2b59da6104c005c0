/* SPDX-License-Identifier: MIT */
/*
 * The steward's orders, carried out by a thread of its own.
 *
 * The terminal: it is given, or asked back (tty/tty.h: console_attach, console_detach).
 *
 * An end: process 1 is told first, with the signal by which init programs are told to
 * power off (SIGUSR2), if it has a handler for it.  Where it has none, or takes longer
 * than half of the time that is left, the other processes get SIGTERM, and after half of
 * the rest SIGKILL.  Then the instance ends.
 */
#include "boot/rooms.h"

#include "core/clock.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/steward.h"
#include "core/thread.h"
#include "proc/proc.h"
#include "signal/signal.h"
#include "tty/tty.h"

#define LOOK_NS 20000000u

static bool
signal_one(struct process *p, void *number)
{
    if (p != proc_init_process)
        signal_send_process(p, (int)(uintptr_t)number, NULL);
    return true;
}

static void
signal_all(int number)
{
    proc_each_in_group(0, signal_one, (void *)(uintptr_t)number);
}

/* Until only process 1 is left, or the time has come. */
static void
wait_for_ends(u64 until_ns)
{
    while (proc_count() > 1 && clock_mono_ns() < until_ns) {
        thread_prepare(false);
        thread_block(MIN(until_ns, clock_mono_ns() + LOOK_NS));
    }
}

static bool
init_listens(void)
{
    struct signal_action now;
    return proc_init_process != NULL &&
           signal_action_set(proc_init_process, SIG_USR2, NULL, &now) == 0 &&
           now.handler > 1; /* neither default nor ignored */
}

static void
end_instance(u64 ns)
{
    u64 begin = clock_mono_ns();

    log_info("the steward asks for an end");
    steward_stopping();
    if (init_listens()) {
        signal_send_process(proc_init_process, SIG_USR2, NULL);
        u64 until = begin + ns / 2;
        while (clock_mono_ns() < until) {
            thread_prepare(false);
            thread_block(until);
        }
    }
    u64 left = begin + ns - MIN(clock_mono_ns(), begin + ns);
    signal_all(SIG_TERM);
    signal_all(SIG_CONT);
    wait_for_ends(clock_mono_ns() + MIN(left / 2, 2000000000ull));
    signal_all(SIG_KILL);
    wait_for_ends(clock_mono_ns() + left / 4);
    hw_power(HW_POWER_OFF);
}

static void
orders_thread(void *unused)
{
    u64 terminal = steward_terminal(), seen = 0;

    (void)unused;
    for (;;) {
        wait_until(&steward_ordered, steward_orders() != seen, false, ~0ull);
        seen = steward_orders();
        u64 now = steward_terminal(), ns = steward_stop_ns();
        if (now != terminal) {
            if (now & 1)
                console_attach();
            else
                console_detach();
            terminal = now;
            steward_terminal_answer(now);
        }
        if (ns != 0)
            end_instance(ns);
    }
}

void
orders_start(void)
{
    struct thread *t = thread_create("orders", orders_thread, NULL);
    if (t == NULL)
        libos_panic("no memory for the thread of orders");
    thread_start(t);
}
