/* SPDX-License-Identifier: MIT */
/* Private to posix's socket calls: Linux's layouts and numbers. */
#ifndef LIBOS_POSIX_SOCKET_H
#define LIBOS_POSIX_SOCKET_H

#include "posix/files.h"
#include "socket/socket.h"

#define LINUX_AF_UNSPEC 0u
#define LINUX_AF_UNIX 1u
#define LINUX_SOL_SOCKET 1
#define LINUX_SOCKADDR_MAX 128u /* struct sockaddr_storage */
#define SOCK_NONBLOCK_FLAG 04000u
#define SOCK_CLOEXEC_FLAG 02000000u

#define MSG_OOB 0x1u
#define MSG_PEEK 0x2u
#define MSG_CTRUNC 0x8u
#define MSG_TRUNC 0x20u
#define MSG_DONTWAIT 0x40u
#define MSG_WAITALL 0x100u
#define MSG_NOSIGNAL 0x4000u
#define MSG_WAITFORONE 0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

struct socket_arg {
    struct file_arg file;
    struct socket *socket;
};
/* -E_BADF -E_NOTSOCK.  socket_arg_done after it, if it was 0. */
int socket_arg_get(struct socket_arg *a, u64 fd) MUST_CHECK;
static inline void
socket_arg_done(struct socket_arg *a)
{
    file_arg_done(&a->file);
}
static inline bool
socket_arg_nonblock(const struct socket_arg *a)
{
    return (a->file.file->flags & OPEN_NONBLOCK) != 0;
}
/* A struct sockaddr of `length` bytes; *family is its first word. The family of the socket
 * decides what it means.  -E_INVAL -E_FAULT */
int socket_address_get(struct socket_address *a, u32 *family, uaddr from,
                       i32 length) MUST_CHECK;
/* The other way: at most *length_at bytes, and there how many they are. `any` false: no
 * name at all, whose length is 0.  -E_INVAL -E_FAULT */
int socket_address_put(const struct socket *s, const struct socket_address *a, bool any,
                       uaddr to, uaddr length_at) MUST_CHECK;
/* The number of a socket's family. */
u32 socket_family_number(const struct socket *s);
/* The bytes as struct sockaddr; how many. */
u32 socket_address_bytes(const struct socket *s, const struct socket_address *a,
                         u8 to[LINUX_SOCKADDR_MAX]);

#endif
