/* SPDX-License-Identifier: MIT */
/*
 * The user's vector state and segment bases (T4): live in the CPU while the thread is
 * current, in thread->fpu (one page) else.
 * The layout in the page is XSAVE's standard format (SDM vol. 1, 13.4), or FXSAVE's 512
 * bytes without it.
 */
#ifndef LIBOS_CORE_FPU_H
#define LIBOS_CORE_FPU_H

#include "core/thread.h"

u32 fpu_bytes(void);                  /* size of the saved state, <= 4096 */
u64 fpu_features(void);               /* xcr0 bits that are saved; 0: FXSAVE */
void fpu_init_state(void *area);      /* the state of a fresh program */
void fpu_reset(struct thread *t);     /* exec: fresh state and zero bases; t is current */
/* the current thread's live state into t->fpu, bases into t (stays live) */
void fpu_save(struct thread *t);
/* t->fpu (checked: see fpu_valid) and the bases into the CPU; t is current */
void fpu_load(struct thread *t);
/* The live state straight to or from user memory (64-byte aligned, fpu_bytes() long, of a
 * range that was checked), without the pager. The header must be zero before a save.
 * -E_FAULT: do it by way of t->fpu; after a load the state is anybody's guess. */
int fpu_save_user(u64 at) MUST_CHECK;
int fpu_load_user(u64 at) MUST_CHECK;
/* sigreturn: make a user-supplied area safe to load; false: it is not */
bool fpu_valid(void *area);
/* the current thread's state and bases into the child */
void fpu_fork(struct thread *child);
void fpu_set_fs(struct thread *t, u64 base); /* t is current; base is in the lower half */
void fpu_set_gs(struct thread *t, u64 base);
u64 fpu_get_fs(struct thread *t);
u64 fpu_get_gs(struct thread *t);

#endif
