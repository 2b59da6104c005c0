/* SPDX-License-Identifier: MIT */
/*
 * The vDSO: a small shared object with clock_gettime and friends, and the page of data
 * that it reads. exec maps vdso_data_frame at
 * `base`, read-only, and the vdso_image_frames after it (base + 4096 ...), read and
 * execute; AT_SYSINFO_EHDR = base + 4096.
 * The frames belong to the LibOS and are never freed: vdso_is_frame tells, when a mapping
 * goes.
 */
#ifndef LIBOS_TIME_VDSO_H
#define LIBOS_TIME_VDSO_H

#include "core/types.h"

#define VDSO_IMAGE_PAGES_MAX 2u
void vdso_init(void);
u32 vdso_image_pages(void);
frame_t vdso_image_frame(u32 index);
frame_t vdso_data_frame(void);
bool vdso_is_frame(frame_t f);

#endif
