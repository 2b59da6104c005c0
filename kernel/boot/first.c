/* SPDX-License-Identifier: MIT */
/*
 * The first domain: the steward, with the root capabilities.  Its memory comes from the
 * free ranges before it can see them; everything else is its to give out.
 *
 * The steward's image is flat (docs/contract.md): a header, then text, rodata, data at
 * page boundaries; bss is added.
 */
#include "base/cpu.h"
#include "base/panic.h"
#include "boot/boot.h"
#include "domain/life.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "slice/slice.h"

#define FLAT_MAGIC          0x313054414c464246ull /* "FBFLAT01" */
#define STEWARD_IMAGE       (FB_WINDOW_BASE + 0x4000000000ull)
#define STEWARD_CB          (FB_WINDOW_BASE + 0x5000000000ull)
#define STEWARD_SLOT_FRAMES 64u /* 2,048 capabilities */

struct flat {
    u64 magic, entry, text_bytes, rodata_bytes, data_bytes, bss_bytes;
};

static const struct frames all_memory = {
    .lo = 0,
    .hi = ~0ull,
    .rights = FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC,
};

/* Every step below happens once, on memory that is all ours: an error is a bug, not a
 * condition. */
#define MUST(call)                                                                       \
    do {                                                                                 \
        int must_error_ = (call);                                                        \
        if (must_error_)                                                                 \
            panic("first domain: %s: %s", #call, fb_error_name(must_error_));            \
    } while (0)

static void
map(struct domain *d, u64 va, frame_t frame, u64 pages, u32 flags)
{
    struct tree window = { .space = NULL, .domain = d };

    while (pages > 0) {
        u64 done = 0;
        int error =
            space_map_run(window, va, &all_memory, frame, flags, pages, &done);
        done &= (1ull << 56) - 1; /* above it: the level that NOTABLE names */
        va += done * PAGE_SIZE;
        frame += done;
        pages -= done;
        if (error == -FB_E_NOTABLE) {
            /* The missing node may be at level 2 or 1: the deeper one fails until the
             * upper one is there. */
            frame_t node = boot_frames(1, 1);
            if (space_link_table(window, va, 1, node) == -FB_E_NOTABLE)
                MUST(space_link_table(window, va, 2, node));
        } else if (error && error != -FB_E_RESUME) {
            MUST(error);
        }
    }
}

static void
map_image(struct domain *d, const struct flat *f)
{
    frame_t at = boot_steward.lo >> PAGE_SHIFT;
    u64 va = STEWARD_IMAGE;
    const u64 bytes[3] = { f->text_bytes, f->rodata_bytes, f->data_bytes };
    const u32 flags[3] = { FB_MAP_READ | FB_MAP_EXEC, FB_MAP_READ,
                           FB_MAP_READ | FB_MAP_WRITE };

    for (int i = 0; i < 3; i++) {
        ASSERT(bytes[i] % PAGE_SIZE == 0);
        map(d, va, at, bytes[i] >> PAGE_SHIFT, flags[i]);
        va += bytes[i];
        at += bytes[i] >> PAGE_SHIFT;
    }
    u64 bss = (f->bss_bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
    if (bss > 0)
        map(d, va, boot_frames(bss, 1), bss, FB_MAP_READ | FB_MAP_WRITE);
}

static u64
root_cap(struct domain *d, u32 type, u32 kinds, void *object, u64 lo, u64 hi)
{
    u64 name = 0;
    struct authority may = { .auth = FB_AUTH(FB_CLASS_ROOT, kinds, 0xffff),
                             .lo = lo,
                             .hi = hi };

    MUST(cap_insert(&d->table, NULL, type, object, may, &name));
    return name;
}

static void
root_caps(struct domain *d, struct space *s, struct vcpu *v)
{
    struct fb_boot *b = boot_info;
    u64 name;
    struct authority reading = {
        .auth = FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS,
                        FB_RIGHT_READ | FB_RIGHT_DERIVE | FB_RIGHT_GRANT),
        .lo = 0,
        .hi = frame_count,
    };

    b->cap_memory =
        root_cap(d, FB_TYPE_MEMORY, FB_KIND_MEMORY_PHYS, NULL, 0, frame_count);
    b->cap_slices =
        root_cap(d, FB_TYPE_SLICE, FB_KIND_SCHEDULER, NULL, 0, cpu_count * CPU_SLICES);
    b->cap_irqs = root_cap(d, FB_TYPE_IRQ, FB_KIND_INTERRUPT, NULL, 0, HAL_IRQS);
    b->cap_ports = root_cap(d, FB_TYPE_PORT, FB_KIND_IOPORT, NULL, 0, 65536);
    b->cap_machine = root_cap(d, FB_TYPE_MACHINE, FB_KIND_HARDWARE, NULL, 0, 1);
    b->cap_domain = root_cap(d, FB_TYPE_DOMAIN, FB_KIND_HARDWARE, d, 0, 1);
    d->cap = &d->table.slots[b->cap_domain & CAP_SLOT_MASK];
    b->cap_vcpu =
        root_cap(d, FB_TYPE_VCPU, FB_KIND_HARDWARE | FB_KIND_IPC_SEND | FB_KIND_IPC_RECV,
                 v, 0, 64);
    v->cap = &d->table.slots[b->cap_vcpu & CAP_SLOT_MASK];
    b->cap_space = root_cap(d, FB_TYPE_SPACE, FB_KIND_MEMORY_VIRT, s, 0, 1);
    s->cap = &d->table.slots[b->cap_space & CAP_SLOT_MASK];
    MUST(cap_insert(&d->table, NULL, FB_TYPE_MEMORY, NULL, reading, &name));
    b->cap_kernel_read = name;
}

NORETURN void
kernel_start(void)
{
    struct cpu *c = this_cpu();
    const struct flat *f = (const void *)(PHYSMAP_BASE + boot_steward.lo);
    struct domain *d;
    struct space *s;
    struct vcpu *v;

    if (boot_steward.hi - boot_steward.lo < sizeof(*f) || f->magic != FLAT_MAGIC ||
        f->text_bytes + f->rodata_bytes + f->data_bytes >
            boot_steward.hi - boot_steward.lo)
        panic("the steward's image is damaged");
    struct fb_domain_params p = {
        .object_frame = boot_frames(FB_DOMAIN_FRAMES, 1),
        .table_frame = boot_frames(STEWARD_SLOT_FRAMES, 1),
        .table_frames = STEWARD_SLOT_FRAMES,
        .window_frame = boot_frames(1, 1),
        .clearance = FB_CLASS_ROOT,
        .gate = FB_GATE_VIEWS,
        .name = "steward",
    };
    MUST(domain_make(&p, &d));
    boot_info->domain_record_frame = p.object_frame + 1;
    d->link = &domains;
    domains = d;
    MUST(space_init(d, boot_frames(2, 2), &s));
    frame_t cb = boot_frames(FB_CB_FRAMES, 1);
    MUST(vcpu_make(d, s, c->id, boot_frames(FB_VCPU_FRAMES, 1), cb, &v));
    map_image(d, f);
    map(d, STEWARD_CB, cb, FB_CB_FRAMES, FB_MAP_READ | FB_MAP_WRITE);
    map(d, FB_BOOT_VA, ptr_frame(boot_info),
        (sizeof(*boot_info) + PAGE_SIZE - 1) >> PAGE_SHIFT, FB_MAP_READ);
    root_caps(d, s, v);

    v->regs = (struct fb_regs){
        .rip = f->entry,
        .cs = HAL_USER_CS,
        .rflags = HAL_RFLAGS_FIXED,
        .ss = HAL_USER_SS,
    };
    v->cb->mask = 1;
    v->cr3 = space_libos_cr3(s);
    c->slice_pos = CPU_SLICES - 1;
    slice_bind(c, CPU_SLICES - 1, v, record->tsc_hz / 5000); /* short: others borrow it */
    atomic_store(&v->state, VCPU_READY);
    dispatch_start();
}
