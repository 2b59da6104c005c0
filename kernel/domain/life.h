/* SPDX-License-Identifier: MIT */
/* The end of domains, from whichever side it comes. */
#ifndef KERNEL_DOMAIN_LIFE_H
#define KERNEL_DOMAIN_LIFE_H

#include "base/cpu.h"
#include "domain/domain.h"

/* The domain ends now: the first caller's cause is kept; its vCPUs stop at their next
 * entry, its watcher is told. */
void domain_end(struct domain *d, enum fb_end_cause cause, u64 code,
                const struct fb_regs *regs, u64 cr2);
/* The current vCPU's domain has ended: leave it for good. */
NORETURN void domain_drop_current(struct cpu *c);
/* One bounded step of destroying the domain that `name` denotes in the caller's table,
 * with the rights `need`: -RESUME, -BUSY, 0 when its memory is free; -INUSE: it is the
 * caller's own, or made that; else as cap_lookup. */
int domain_destroy_step(struct cap_table *table, u64 name, u64 need) MUST_CHECK;
/* One step of destroying a domain that has ended and was made through the capability
 * `name` of `table`, or one that was below it: its end is a state that whoever holds the
 * parent can go on with.  -RESUME, -BUSY; -INUSE: none of them has ended. */
int domain_resume_below(struct cap_table *table, u64 name) MUST_CHECK;
/* Make the object in given frames.  All frames were checked to be the caller's. */
int domain_make(const struct fb_domain_params *p, struct domain **out) MUST_CHECK;
void domain_unmake(struct domain *d); /* before anything refers to it */
/* Under the tree lock (but for the first one). */
int vcpu_make(struct domain *d, struct space *s, u32 cpu, frame_t object, frame_t cb,
              struct vcpu **out) MUST_CHECK;
void vcpu_unmake(struct vcpu *v);

#endif
