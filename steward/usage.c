/* SPDX-License-Identifier: MIT */
/*
 * Who had how much CPU time: with `feuer.usage=MS` on the command line the steward says,
 * every MS milliseconds, `usage T us: NAME U NAME U ...`; T is the time since boot, U the
 * CPU time that the instance's vCPUs have had, both in microseconds.
 */
#include "steward/steward.h"

#include <sdk/stubs.h>

static void
say_usage(const struct instance *all, u32 count, u64 since_boot, u64 ticks_us)
{
    const struct fb_domain_status *s = (const void *)STEWARD_BUFFER;
    char line[400];
    size_t n = 0;

    for (u32 i = 0; i < count; i++)
        if (all[i].alive && n < sizeof(line) - 40 &&
            fb_domain_status(all[i].domain, 0, NULL) == 0)
            n += sdk_print_to(line + n, sizeof(line) - n, " %s %lu", all[i].what->name,
                              s->ticks / ticks_us);
    say("usage %lu us:%s", since_boot / ticks_us, n ? line : "");
}

u64
usage_poll(const struct instance *all, u32 count)
{
    static u64 every, next = FB_FOREVER;
    static bool asked;
    const struct fb_record *r = (const void *)WINDOW_RECORD;
    u64 now = __builtin_ia32_rdtsc();
    char value[16];

    if (!asked) {
        asked = true;
        u64 ms = 0;
        if (sdk_option(BOOT->cmdline, "feuer.usage=", value, sizeof(value)))
            for (const char *c = value; *c >= '0' && *c <= '9' && ms < 100000; c++)
                ms = ms * 10 + (u64)(*c - '0');
        every = ms * (r->tsc_hz / 1000);
        next = every ? now + every : FB_FOREVER;
    }
    if (now >= next) {
        say_usage(all, count, now - r->tsc_base, r->tsc_hz / 1000000);
        next = now + every;
    }
    return next;
}
