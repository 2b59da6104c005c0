/* SPDX-License-Identifier: MIT */
/*
 * core/steward.h over the pages of sdk/steward.h.
 *
 * The ring of text has one producer for the kernel's purposes and several here: `text_busy`
 * makes them one.  It is taken with a bound, and also without: who panics while another
 * vCPU writes may garble a line, and must not hang.
 */
#include "core/steward.h"

#include <sdk/steward.h>
#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/error.h"
#include "core/event.h"
#include "core/log.h"
#include "core/machine.h"

#define ROOM_TRIES 64u
#define BUSY_TRIES 100000u

struct waitq steward_replied = WAITQ_INIT(steward_replied);
struct waitq steward_ordered = WAITQ_INIT(steward_ordered);
static struct ring_producer text, requests;
static struct ring_consumer replies;
static _Atomic u32 text_busy;
static bool started, stopping;
static u64 dropped;

static void
rang(void *arg)
{
    (void)arg;
    wait_wake(&steward_replied, ~0u);
    wait_wake(&steward_ordered, ~0u);
}

void
steward_start(void)
{
    u8 *at = (u8 *)WINDOW_STEWARD;

    if (STEWARD_PAGE->version != STEWARD_VERSION ||
        ring_produce(&text, at + STEWARD_TEXT, 16384, PACKET_WORDS) != 0 ||
        ring_produce(&requests, at + STEWARD_REQUESTS, 4096, PACKET_WORDS) != 0 ||
        ring_consume(&replies, at + STEWARD_REPLIES, 16384, PACKET_WORDS) != 0)
        libos_panic("the steward's pages are of another version");
    started = true;
    event_bind(STEWARD_EVENT, rang, NULL);
}

static void
ring_steward(void)
{
    fb_signal(STEWARD_PAGE->cap_steward, STEWARD_PAGE->steward_bit, NULL);
}

/* One packet; a full ring is the steward's to empty, which takes it a moment. */
static bool
put_text(const char *bytes, u64 count)
{
    for (u32 n = 0; n < ROOM_TRIES; n++) {
        if (packet_send(&text, bytes, count, 0, 0))
            return true;
        if (ring_bell_consumer(&text))
            ring_steward();
        machine_yield();
    }
    return false;
}

void
steward_write(const char *bytes, size_t count)
{
    if (!started)
        return;
    for (u32 n = 0; atomic_exchange(&text_busy, 1) != 0 && n < BUSY_TRIES; n++)
        machine_pause();
    for (size_t done = 0; done < count; done += STEWARD_PIECE)
        dropped += !put_text(bytes + done, MIN(count - done, (size_t)STEWARD_PIECE));
    atomic_store(&text_busy, 0);
    if (ring_bell_consumer(&text))
        ring_steward();
}

void
steward_sampled(bool programs, u64 ticks)
{
    __atomic_fetch_add(&STEWARD_PAGE->sampled[programs], ticks, __ATOMIC_RELAXED);
}

void
steward_backtrace(u64 address)
{
    struct steward_page *p = STEWARD_PAGE;
    if (p->backtrace_count < ARRAY_SIZE(p->backtrace))
        p->backtrace[p->backtrace_count++] = address;
}

bool
steward_control(void)
{
    return STEWARD_PAGE->control != 0;
}

bool
steward_request(const void *bytes, u32 count, bool end, u32 tag)
{
    bool sent = packet_send(&requests, bytes, count, end ? PACKET_END : 0, tag);
    if (ring_bell_consumer(&requests))
        ring_steward();
    return sent;
}

int
steward_reply(char *to, u32 *tag, bool *end)
{
    u64 count, word = packet_receive(&replies, to, &count);

    if (word == 0 && !ring_consumer_sleeps(&replies))
        word = packet_receive(&replies, to, &count);
    if (word == 0)
        return -1;
    if (ring_bell_producers(&replies))
        ring_steward();
    *tag = PACKET_TAG(word);
    *end = (word & PACKET_END) != 0;
    return (int)count;
}

u64
steward_orders(void)
{
    return __atomic_load_n(&STEWARD_PAGE->orders, __ATOMIC_ACQUIRE);
}

u64
steward_stop_ns(void)
{
    u64 until = STEWARD_PAGE->stop, now = machine_tsc();
    if (until == 0)
        return 0;
    u64 ticks = until > now ? until - now : 0;
    return ticks / (machine_record->tsc_hz / 1000000) * 1000 + 1; /* 1 us is fine enough */
}

void
steward_stopping(void)
{
    stopping = true;
}

bool
steward_is_stopping(void)
{
    return stopping;
}

u64
steward_terminal(void)
{
    return __atomic_load_n(&STEWARD_PAGE->terminal, __ATOMIC_ACQUIRE);
}

void
steward_terminal_answer(u64 number)
{
    __atomic_store_n(&STEWARD_PAGE->terminal_answer, number, __ATOMIC_RELEASE);
    ring_steward();
}
