/* SPDX-License-Identifier: MIT */
/* Making domains and vCPUs out of memory that the caller gives.  Checks before effects;
 * what fails undoes itself. */
#include "domain/domain.h"

#include "base/cpu.h"
#include "domain/life.h"
#include "frame/frame.h"
#include "hal/hal.h"

#define RUN_STEP 64u /* frames that frame_give_run takes at once */

struct domain *domains;
static _Atomic u32 next_id = 1;

static void
take_back_run(frame_t f, u64 n)
{
    for (u64 i = 0; i < n; i++)
        frame_take_back(f + i);
}

/* Give a run of any length: all or nothing. */
static int
give_run(frame_t f, u64 n, enum fb_frame_type type)
{
    for (u64 done = 0; done < n;) {
        u64 step = n - done < RUN_STEP ? n - done : RUN_STEP;
        int error = frame_give_run(f + done, step, type);
        if (error) {
            take_back_run(f, done);
            return error;
        }
        done += step;
    }
    return 0;
}

int
domain_make(const struct fb_domain_params *p, struct domain **out)
{
    int error = frame_give(p->object_frame, FB_FRAME_OBJECT);
    if (error)
        return error;
    error = frame_give(p->object_frame + 1, FB_FRAME_DOMAIN_RECORD);
    if (error)
        goto no_record;
    error = give_run(p->table_frame, p->table_frames, FB_FRAME_CAPTAB);
    if (error)
        goto no_table;
    error = frame_link(p->window_frame);
    if (error)
        goto no_window;

    struct domain *d = frame_ptr(p->object_frame);
    __builtin_memset(d, 0, sizeof(*d));
    d->id = atomic_fetch_add(&next_id, 1);
    d->gate = (u32)p->gate;
    d->clearance = p->clearance;
    d->window_frame = p->window_frame;
    d->object_frame = p->object_frame;
    d->record = frame_ptr(p->object_frame + 1);
    d->table_frame = p->table_frame;
    d->table_frames = p->table_frames;
    __builtin_memcpy(d->status.name, p->name, sizeof(d->status.name));
    d->status.name[sizeof(d->status.name) - 1] = '\0';
    cap_table_init(&d->table, frame_ptr(p->table_frame),
                   (u32)(p->table_frames * (PAGE_SIZE / sizeof(struct cap))), d);
    *out = d;
    return 0;

no_window:
    take_back_run(p->table_frame, p->table_frames);
no_table:
    frame_take_back(p->object_frame + 1);
no_record:
    frame_take_back(p->object_frame);
    return error;
}

void
domain_unmake(struct domain *d)
{
    frame_t object = d->object_frame;

    frame_take_back(d->window_frame);
    take_back_run(d->table_frame, d->table_frames);
    take_back_run(object, FB_DOMAIN_FRAMES);
}

/* Reserve a place among the CPU's vCPUs. */
static int
cpu_add_vcpu(struct cpu *c, struct vcpu *v)
{
    for (u32 i = 0; i < CPU_VCPUS_MAX; i++) {
        struct vcpu *none = NULL;
        if (!atomic_compare_exchange_strong(&c->vcpus[i], &none, v))
            continue;
        v->slot = i;
        return 0;
    }
    return -FB_E_FULL;
}

static struct cap nothing; /* of no type */

int
vcpu_make(struct domain *d, struct space *s, u32 cpu, frame_t object, frame_t cb,
          struct vcpu **out)
{
    u64 pinned = 0;
    int error = give_run(object, FB_VCPU_FRAMES, FB_FRAME_OBJECT);
    if (error)
        return error;
    while (pinned < FB_CB_FRAMES) {
        error = frame_pin(cb + pinned);
        if (error)
            goto unpin;
        pinned++;
    }
    struct vcpu *v = frame_ptr(object);
    __builtin_memset(v, 0, FB_VCPU_FRAMES * PAGE_SIZE);
    v->cb = frame_ptr(cb);
    v->domain = d;
    v->space = s;
    v->cpu = cpu;
    v->counts = &d->record->cpu[cpu];
    v->shown = &record->cpu[cpu].vcpu;
    v->called_at = v->received_at = &nothing;
    v->id = atomic_fetch_add(&next_id, 1);
    v->timer = v->wait_until = ~0ull;
    v->object_frame = object;
    v->cb_frame = cb;
    hal_fpu_init(v->machine.fpu);
    error = cpu_add_vcpu(cpu_by_id(cpu), v);
    if (error)
        goto unpin;
    v->next = d->vcpus;
    d->vcpus = v;
    d->nvcpus++;
    *out = v;
    return 0;

unpin:
    while (pinned > 0)
        frame_unpin(cb + --pinned);
    take_back_run(object, FB_VCPU_FRAMES);
    return error;
}

/* Only at the end of its domain: nobody refers to it any more. */
void
vcpu_unmake(struct vcpu *v)
{
    frame_t object = v->object_frame;

    for (u64 i = 0; i < FB_CB_FRAMES; i++)
        frame_unpin(v->cb_frame + i);
    take_back_run(object, FB_VCPU_FRAMES);
}
