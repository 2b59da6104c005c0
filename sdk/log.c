/* SPDX-License-Identifier: MIT */
/* What a LibOS without a console says goes to the steward, which keeps it as the
 * instance's log (sdk/steward.h).  One vCPU at a time is the ring's producer. */
#pragma GCC visibility push(hidden)
#include <sdk/libos.h>
#include <sdk/steward.h>
#include <sdk/stubs.h>

#define TRIES                                                                            \
    1000u /* of a lock, or a full ring: a line is lost rather than a LibOS stuck */

static struct ring_producer text;
static bool open, busy;

static void
bell(void)
{
    if (ring_bell_consumer(&text))
        fb_signal(STEWARD_PAGE->cap_steward, STEWARD_PAGE->steward_bit, NULL);
}

void
libos_log(const char *bytes, size_t count)
{
    u32 tries = 0;

    while (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) {
        if (++tries == TRIES) /* it may be this vCPU itself, in a fault */
            return;
        fb_yield(0, NULL);
    }
    if (!open)
        open = STEWARD_PAGE->version == STEWARD_VERSION &&
               ring_produce(&text, (u8 *)WINDOW_STEWARD + STEWARD_TEXT, 16384,
                            PACKET_WORDS) == 0;
    for (size_t done = 0; open && done < count && tries < TRIES;) {
        size_t n = count - done < PACKET_BYTES ? count - done : PACKET_BYTES;
        if (packet_send(&text, bytes + done, n, 0, 0)) {
            done += n;
            continue;
        }
        tries++;
        bell();
        fb_yield(0, NULL);
    }
    if (open)
        bell();
    __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
}
