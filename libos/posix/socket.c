/* SPDX-License-Identifier: MIT */
/*
 * The socket calls of a system that has no address family yet.  They answer what Linux
 * answers there: no socket can be made, and no descriptor is one.  Programs that would
 * only like a socket go on without: libaudit (and so PAM, su and login) and bash tell "not
 * supported" from other errors.
 */
#include "posix/files.h"

#define SOCKET_TYPE_MASK 0xfu
#define SOCKET_FLAGS (04000u | 02000000u) /* SOCK_NONBLOCK, SOCK_CLOEXEC */

static long
no_family(u64 type_and_flags)
{
    u32 flags = (u32)type_and_flags & ~SOCKET_TYPE_MASK;
    return (flags & ~SOCKET_FLAGS) != 0 ? -E_INVAL : -E_AFNOSUPPORT;
}

static long
not_a_socket(struct user_frame *f)
{
    struct file_arg a;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    file_arg_done(&a);
    return -E_NOTSOCK;
}

long
sys_socket(struct user_frame *f)
{
    return no_family(SYS_ARG1(f));
}

long
sys_socketpair(struct user_frame *f)
{
    return no_family(SYS_ARG1(f));
}

long
sys_accept4(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_connect(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_accept(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_sendto(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_recvfrom(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_sendmsg(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_recvmsg(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_shutdown(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_bind(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_listen(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_getsockname(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_getpeername(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_setsockopt(struct user_frame *f)
{
    return not_a_socket(f);
}

long
sys_getsockopt(struct user_frame *f)
{
    return not_a_socket(f);
}
