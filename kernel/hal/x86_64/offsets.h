/* SPDX-License-Identifier: MIT */
/* Numbers that entry.S shares with C; call/entry_asserts.c ties each to the structure it
 * comes from. */
#ifndef KERNEL_HAL_X86_64_OFFSETS_H
#define KERNEL_HAL_X86_64_OFFSETS_H

#define CPU_SCRATCH   0x00
#define CPU_CB        0x08
#define CPU_GATE_RIP  0x10
#define CPU_USER_CR3  0x18
#define CPU_LIBOS_CR3 0x20
#define CPU_STACK_TOP 0x28

#define CB_USER_RIP    0x00
#define CB_USER_RFLAGS 0x08
#define CB_USER_RSP    0x10
#define CB_ENTRY_RSP   0x18
#define CB_MASK        0x20
#define CB_PENDING     0x28

#define RFLAGS_FIXED     0x202
#define RFLAGS_USER      0x240dd5
#define USER_SS          0x1b
#define USER_CS          0x23
#define VECTOR_EVENT     256
#define FB_E_CALL_NUMBER 1
#define FB_CALLS_COUNT   38

#endif
