/* SPDX-License-Identifier: MIT */
/*
 * Errors of the LibOS's rooms: functions return 0 (or a count) or minus one of these. The
 * names are POSIX's, the
 * numbers are ours; only libos/posix knows Linux's numbers (posix/errno.c).
 */
#ifndef LIBOS_CORE_ERROR_H
#define LIBOS_CORE_ERROR_H

enum err {
    E_PERM = 1, E_NOENT, E_SRCH, E_INTR, E_IO, E_NXIO, E_2BIG, E_NOEXEC, E_BADF, E_CHILD,
        E_AGAIN, E_NOMEM, E_ACCES,
    E_FAULT, E_NOTBLK, E_BUSY, E_EXIST, E_XDEV, E_NODEV, E_NOTDIR, E_ISDIR, E_INVAL,
        E_NFILE, E_MFILE, E_NOTTY,
    E_TXTBSY, E_FBIG, E_NOSPC, E_SPIPE, E_ROFS, E_MLINK, E_PIPE, E_DOM, E_RANGE, E_DEADLK,
        E_NAMETOOLONG, E_NOLCK,
    E_NOSYS, E_NOTEMPTY, E_LOOP, E_OVERFLOW, E_ILSEQ, E_NOTSUP, E_TIMEDOUT, E_ALREADY,
        E_INPROGRESS, E_CANCELED,
    E_OWNERDEAD, E_NOTRECOVERABLE, E_NODATA, E_LIBBAD, E_NOTSOCK, E_AFNOSUPPORT,
        E_PROTONOSUPPORT, E_MSGSIZE, E_PROTOTYPE, E_NOPROTOOPT, E_SOCKTNOSUPPORT,
    E_ADDRINUSE, E_CONNABORTED, E_CONNRESET, E_NOBUFS, E_ISCONN, E_NOTCONN,
        E_TOOMANYREFS, E_CONNREFUSED,
    E_NOMSG, E_IDRM,
    /* A blocking call that a signal interrupted: posix turns these into a restart or into
     * INTR (signal(7)). */
    E_RESTART,       /* restart if SA_RESTART, else INTR */
    E_RESTART_NOHAND, /* restart if no handler ran, else INTR */
    E_RESTART_ALWAYS, /* restart after any handler */
    E_RESTART_BLOCK, /* as NOHAND, with the remaining time (nanosleep, poll) */
    E_MAX
};

#endif
