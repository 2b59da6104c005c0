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
#define CPU_CURRENT   0x30
#define CPU_TO_STACK  0xf000 /* from struct cpu to stack_top */

#define VCPU_REGS 0x00 /* struct vcpu */

#define CB_USER_RIP    0x00
#define CB_USER_RFLAGS 0x08
#define CB_USER_RSP    0x10
#define CB_ENTRY_RSP   0x18
#define CB_MASK        0x20
#define CB_PENDING     0x28
#define CB_CROSSINGS   0xf8

/* struct fb_regs */
#define REGS_R15    0x00
#define REGS_R14    0x08
#define REGS_R13    0x10
#define REGS_R12    0x18
#define REGS_RBP    0x20
#define REGS_RBX    0x28
#define REGS_R11    0x30
#define REGS_R10    0x38
#define REGS_R9     0x40
#define REGS_R8     0x48
#define REGS_RAX    0x50
#define REGS_RCX    0x58
#define REGS_RDX    0x60
#define REGS_RSI    0x68
#define REGS_RDI    0x70
#define REGS_RIP    0x88
#define REGS_RFLAGS 0x98
#define REGS_RSP    0xa0

#define RFLAGS_RF        0x10000
#define RFLAGS_FIXED     0x202
#define RFLAGS_USER      0x240dd5
#define USER_SS          0x1b
#define USER_CS          0x23
#define VECTOR_EVENT     256
#define FB_E_CALL_NUMBER 1
#define FB_CALLS_COUNT 45

#endif
