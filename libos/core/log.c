/* SPDX-License-Identifier: MIT */
/* The log: one line at a time to the console; the end of the instance when one of its own
 * invariants is broken. */
#include "core/log.h"

#include "core/format.h"
#include "core/hooks.h"
#include "core/hw.h"
#include "core/lock.h"
#include "core/log_store.h"
#include "core/machine.h"
#include "core/string.h"

#define LINE_MAX 256
#define LEVEL_ERROR 3u /* of syslog(3) */
#define LEVEL_INFO  6u

static struct spinlock console_lock = SPINLOCK_INIT;
static _Atomic u32 panicking;

/* Where a line goes. */
enum target { PANIC, CONSOLE, STORE_ONLY };

static void
write_line(const char *prefix, const char *format, va_list args, enum target target,
           u32 level)
{
    char line[LINE_MAX];
    size_t n = string_copy(line, prefix, sizeof(line));
    n += format_args(line + n, sizeof(line) - n - 1, format, args);
    n = MIN(n, sizeof(line) - 2);
    line[n++] = '\n';
    if (target != PANIC)
        log_store(level, line, n);
    if (target == STORE_ONLY)
        return;
    if (target == PANIC || !libos_hooks.console_write)
        hw_console_write(line, n);
    else
        libos_hooks.console_write(line, n);
}

static void
log_line(const char *format, va_list args, enum target target, u32 level)
{
    spin_lock(&console_lock);
    write_line("libos: ", format, args, target, level);
    spin_unlock(&console_lock);
}

void
log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(format, args, hw_quiet() ? STORE_ONLY : CONSOLE, LEVEL_INFO);
    va_end(args);
}

void
log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(format, args, CONSOLE, LEVEL_ERROR);
    va_end(args);
}

void
libos_panic(const char *format, ...)
{
    if (atomic_exchange(&panicking, 1) == 0) {
        va_list args;
        va_start(args, format);
        /* without locks or hooks: they may be what broke */
        write_line("libos: PANIC: ", format, args, PANIC, 0);
        va_end(args);
        machine_backtrace();
    }
    machine_end();
}
