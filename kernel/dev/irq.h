/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines: each is bound to one event bit of one vCPU; it is masked when it
 * fires, and irq_ack unmasks it. Q1. line->vcpu changes under the tree lock (cap/); the
 * handler reads it atomically, and a vCPU is freed only after a quiet point that follows
 * its unbinding.
 */
#ifndef KERNEL_DEV_IRQ_H
#define KERNEL_DEV_IRQ_H

#include "base/types.h"

struct vcpu;
struct domain;

void irq_fired(u32 gsi);
int irq_bind_line(u32 gsi, struct vcpu *v, u64 bit, u32 flags, u32 by) MUST_CHECK;
int irq_ack_line(u32 gsi) MUST_CHECK;
/* Revocation: unbind the lines [lo, hi); end of a domain: those bound to its vCPUs. */
void irq_unbind_range(u64 lo, u64 hi, const struct vcpu *v, u32 by);
void irq_unbind_domain(struct domain *d);

#endif
