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

/* At the start, and when the wall clock was set. */
static void
update(void)
{
    struct vdso_data *d = page_ptr(data_frame);
    d->tsc_base = machine_record->tsc_base; /* Y1: it does not change */
    d->tsc_mult = machine_record->tsc_mult;
    for (u32 clock = 0; clock < VDSO_CLOCKS; clock++)
        if (VDSO_CLOCKS_REAL >> clock & 1)
            __atomic_store_n(&d->offset_ns[clock], clock_real_offset_ns(),
                             __ATOMIC_RELAXED);
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
