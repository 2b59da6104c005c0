/* SPDX-License-Identifier: MIT */
/* The kernel calls that control.c makes, for the host: counted, and without effect. */
#ifndef STANDIN_STUBS_H
#define STANDIN_STUBS_H

#include <abi/layout.h>

extern unsigned long standin_signals;
extern const struct fb_boot standin_boot;

static inline long
fb_signal(unsigned long vcpu, unsigned long bits, unsigned long *out)
{
    (void)vcpu, (void)bits, (void)out;
    standin_signals++;
    return 0;
}

#endif
