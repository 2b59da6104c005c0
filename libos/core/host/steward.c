/* SPDX-License-Identifier: MIT */
/* core/steward.h on the host, where there is no steward: text goes where the console's
 * goes, and nobody orders anything. */
#include "core/steward.h"

#include "core/hw.h"

struct waitq steward_replied = WAITQ_INIT(steward_replied);
struct waitq steward_ordered = WAITQ_INIT(steward_ordered);

void
steward_start(void)
{
}

void
steward_write(const char *text, size_t bytes)
{
    hw_console_write(text, bytes);
}

void
steward_sampled(bool programs, u64 ticks)
{
    (void)programs, (void)ticks;
}

void
steward_backtrace(u64 address)
{
    (void)address;
}

bool
steward_control(void)
{
    return false;
}

bool
steward_request(const void *bytes, u32 count, bool end, u32 tag)
{
    (void)bytes, (void)count, (void)end, (void)tag;
    return false;
}

int
steward_reply(char *to, u32 *tag, bool *end)
{
    (void)to, (void)tag, (void)end;
    return -1;
}

u64
steward_orders(void)
{
    return 0;
}

u64
steward_stop_ns(void)
{
    return 0;
}

void
steward_stopping(void)
{
}

bool
steward_is_stopping(void)
{
    return false;
}

u64
steward_terminal(void)
{
    return 1;
}

void
steward_terminal_answer(u64 number)
{
    (void)number;
}
