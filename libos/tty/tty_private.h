/* SPDX-License-Identifier: MIT */
/* What the files of the tty room share. */
#ifndef LIBOS_TTY_TTY_PRIVATE_H
#define LIBOS_TTY_TTY_PRIVATE_H

#include "core/log.h"
#include "core/usercopy.h"
#include "tty/tty.h"
#include "vfs/vfs.h"

extern const struct file_ops tty_ops;
i64 tty_ioctl(struct file *f, u32 request, uaddr arg);
int tty_check_job(struct tty *t, int number) MUST_CHECK;
int tty_acquire(struct tty *t);

#endif
