/* SPDX-License-Identifier: MIT */
/* Interrupt lines: see irq.h. */
#include "dev/irq.h"

#include "domain/domain.h"
#include "event/event.h"
#include "hal/hal.h"

struct line {
    struct vcpu *_Atomic vcpu;
    _Atomic u32 bit;
    u32 by; /* id of the domain that bound it; tree lock */
};
static struct line lines[HAL_IRQS];

void
irq_fired(u32 gsi)
{
    struct vcpu *v = atomic_load(&lines[gsi].vcpu);

    hal_irq_mask(gsi);
    hal_eoi();
    if (v != NULL && domain_alive(v->domain))
        event_send(v, 1ull << atomic_load(&lines[gsi].bit));
}

int
irq_bind_line(u32 gsi, struct vcpu *v, u64 bit, u32 flags, u32 by)
{
    int error = 0;

    if (gsi >= HAL_IRQS)
        return -FB_E_NODEV;
    if (v == NULL) {
        hal_irq_mask(gsi);
        atomic_store(&lines[gsi].vcpu, NULL);
    } else {
        error = hal_irq_setup(gsi, v->cpu, flags);
        if (error == 0) {
            atomic_store(&lines[gsi].bit, (u32)bit);
            lines[gsi].by = by;
            atomic_store(&lines[gsi].vcpu, v);
            hal_irq_unmask(gsi);
        }
    }
    return error;
}

int
irq_ack_line(u32 gsi)
{
    if (gsi >= HAL_IRQS || atomic_load(&lines[gsi].vcpu) == NULL)
        return -FB_E_STATE;
    hal_irq_unmask(gsi);
    return 0;
}

static void
unbind(u32 gsi)
{
    hal_irq_mask(gsi);
    atomic_store(&lines[gsi].vcpu, NULL);
}

void
irq_unbind_range(u64 lo, u64 hi, const struct vcpu *v, u32 by)
{
    for (u64 gsi = lo; gsi < hi && gsi < HAL_IRQS; gsi++) {
        const struct vcpu *to = atomic_load(&lines[gsi].vcpu);
        if (to != NULL && lines[gsi].by == by && (v == NULL || to == v))
            unbind((u32)gsi);
    }
}

void
irq_unbind_domain(struct domain *d)
{
    for (u32 gsi = 0; gsi < HAL_IRQS; gsi++) {
        struct vcpu *v = atomic_load(&lines[gsi].vcpu);
        if (v != NULL && v->domain == d)
            unbind(gsi);
    }
}
