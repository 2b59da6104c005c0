/* SPDX-License-Identifier: MIT */
/*
 * The table of system calls. Every handler has a weak definition here that answers
 * ENOSYS; the file that implements the call overrides it at link time, so that a call is
 * there exactly when its code is.
 */
#include "posix/table.h"

long
sys_missing(struct user_frame *f)
{
    (void)f;
    return -E_NOSYS;
}

#define SYSCALL(number, name)                                                            \
    extern long sys_##name(struct user_frame *f)                                         \
        __attribute__((weak, alias("sys_missing")));
#include "posix/syscalls.def"
#undef SYSCALL

#define SYSCALL(number, name) [number] = sys_##name,
const syscall_fn posix_calls[POSIX_CALLS] = {
#include "posix/syscalls.def"
    /* Numbers that Linux left out. */
    [335 ... 423] = sys_missing,
};
#undef SYSCALL

#define SYSCALL(number, name) [number] = #name,
static const char *const names[POSIX_CALLS] = {
#include "posix/syscalls.def"
};
#undef SYSCALL

bool
posix_call_exists(u32 number)
{
    return number < POSIX_CALLS && posix_calls[number] != NULL &&
           posix_calls[number] != sys_missing;
}

const char *
posix_call_name(u32 number)
{
    return number < POSIX_CALLS ? names[number] : NULL;
}
