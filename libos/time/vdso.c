/* SPDX-License-Identifier: MIT */
/* The vDSO's frames: its image, copied once from the LibOS's own rodata, and the page of
 * data. */
#include "time/vdso.h"

#include <abi/layout.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/string.h"
#include "time/vdso_data.h"

extern const char vdso_blob[], vdso_blob_end[];

static frame_t image[VDSO_IMAGE_PAGES_MAX], data_frame;
static u32 image_pages;

static void
set_base(struct vdso_data *d, u32 clocks, u64 base)
{
    for (u32 clock = 0; clock < VDSO_CLOCKS; clock++)
        if (clocks >> clock & 1)
            __atomic_store_n(&d->base[clock], base, __ATOMIC_RELAXED);
}

/* When the wall clock was set, and at the start. A date so late that its ticks would come
 * to 64 bits within decades is not here. */
static void
update(void)
{
    struct vdso_data *d = page_ptr(data_frame);
    u64 offset = clock_real_offset_ns(), base = machine_record->tsc_base, ticks;
    if ((i64)offset >= 0) {
        ticks = clock_ns_to_ticks(offset);
        base -= ticks;
    } else { /* the wall clock shows less than the time since the start */
        ticks = clock_ns_to_ticks(-offset) - 1;
        base += ticks;
    }
    set_base(d, VDSO_CLOCKS_REAL, ticks < 3ull << 62 ? base : VDSO_AWAY);
}

void
vdso_init(void)
{
    size_t bytes = (size_t)(vdso_blob_end - vdso_blob);
    image_pages = (u32)(PAGE_UP(bytes) >> PAGE_SHIFT);
    ASSERT(image_pages >= 1 && image_pages <= VDSO_IMAGE_PAGES_MAX);
    data_frame = page_alloc_zeroed();
    ASSERT(data_frame != FRAME_NONE);
    for (u32 i = 0; i < image_pages; i++) {
        image[i] = page_alloc_zeroed();
        ASSERT(image[i] != FRAME_NONE);
        memcpy(page_ptr(image[i]), vdso_blob + i * PAGE_SIZE, MIN(PAGE_SIZE,
                                                                  bytes - i * PAGE_SIZE));
    }
    struct vdso_data *d = page_ptr(data_frame);
    d->tick = machine_record->tsc_mult;
    set_base(d, ~0u, VDSO_AWAY);
    set_base(d, VDSO_CLOCKS_MONOTONIC, machine_record->tsc_base);
    update();
    clock_real_shown = update;
}

u32
vdso_image_pages(void)
{
    return image_pages;
}

frame_t
vdso_image_frame(u32 index)
{
    ASSERT(index < image_pages);
    return image[index];
}

frame_t
vdso_data_frame(void)
{
    return data_frame;
}

bool
vdso_is_frame(frame_t f)
{
    for (u32 i = 0; i < image_pages; i++)
        if (image[i] == f)
            return true;
    return f == data_frame;
}
