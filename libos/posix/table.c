/* SPDX-License-Identifier: MIT */
/*
 * The table of system calls. Every handler has a weak definition here that answers
 * ENOSYS; the file that implements the call overrides it at link time, so that a call is
 * there exactly when its code is.
 */
#include "posix/table.h"

#include "core/machine.h"
#include "proc/trace.h"

long
sys_missing(struct user_frame *f)
{
    (void)f;
    return -E_NOSYS;
}

#define SYSCALL(number, name)                                                            \
    extern long sys_##name(struct user_frame *f)                                         \
        __attribute__((weak, alias("sys_missing")));
#define SYSCALL_WHOLE SYSCALL
#include "posix/syscalls.def"
#undef SYSCALL
#undef SYSCALL_WHOLE

#define SYSCALL(number, name) [number] = sys_##name,
#define SYSCALL_WHOLE(number, name) [number] = machine_call_whole,
const syscall_fn posix_calls[POSIX_CALLS] = {
#include "posix/syscalls.def"
    /* Numbers that Linux left out. */
    [335 ... 423] = sys_missing,
};
#undef SYSCALL
#undef SYSCALL_WHOLE

#define SYSCALL(number, name) [number] = #name,
#define SYSCALL_WHOLE SYSCALL
static const char *const names[POSIX_CALLS] = {
#include "posix/syscalls.def"
};
#undef SYSCALL
#undef SYSCALL_WHOLE

#define SYSCALL(number, name) [number] = sys_##name,
#define SYSCALL_WHOLE SYSCALL
static const syscall_fn handlers[POSIX_CALLS] = {
#include "posix/syscalls.def"
    [335 ... 423] = sys_missing,
};
#undef SYSCALL
#undef SYSCALL_WHOLE

/* While some thread is traced at its calls, all go by posix_call_traced. */
const syscall_fn posix_traced_calls[POSIX_CALLS] = { [0 ... POSIX_CALLS - 1] =
                                                         machine_call_whole };

/* SYSCALL_WHOLE: where machine_call_whole comes out. Any call may: the tables were changed while it
 * was under way. */
long
posix_call_whole(struct user_frame *f)
{
    return f->orig_rax < POSIX_CALLS ? handlers[f->orig_rax](f) : -E_NOSYS;
}

long
posix_call_traced(struct user_frame *f)
{
    struct thread *t = thread_current();
    if (t->trace != NULL && !trace_call(t, f))
        return -E_NOSYS; /* what it gives comes from the tracer: trace_look */
    return posix_call_whole(f);
}

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
