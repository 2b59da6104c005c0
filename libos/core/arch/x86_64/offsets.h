/* SPDX-License-Identifier: MIT */
/* Offsets for assembly; machine.c asserts each of them. */
#ifndef LIBOS_CORE_ARCH_OFFSETS_H
#define LIBOS_CORE_ARCH_OFFSETS_H

#define STACK_BYTES 16384
#define FRAME_BYTES 176 /* struct user_frame */

#define F_R15 0
#define F_R14 8
#define F_R13 16
#define F_R12 24
#define F_RBP 32
#define F_RBX 40
#define F_R11 48
#define F_R10 56
#define F_R9 64
#define F_R8 72
#define F_RAX 80
#define F_RCX 88
#define F_RDX 96
#define F_RSI 104
#define F_RDI 112
#define F_ORIG_RAX 120
#define F_ERROR 128
#define F_RIP 136
#define F_RFLAGS 152
#define F_RSP 160

#define T_WORK 16
#define T_CB 56
#define RESCHED 2 /* WORK_RESCHED, alone */

#define CB_USER_RIP 0x00
#define CB_USER_RFLAGS 0x08
#define CB_USER_RSP 0x10
#define CB_MASK 0x20
#define CB_PENDING 0x28

#define HOOK_CALLS 0
#define HOOK_CALL_COUNT 8
#define HOOK_CALL_ERROR 16
#define HOOK_CALL_WHOLE 24

#define ERRORS 73        /* E_MAX */
#define ERROR_NO_CALL 38 /* E_NOSYS */
#define NO_CALL -2       /* orig_rax of a call whose number is beyond the table */

#endif
