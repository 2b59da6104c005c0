/* SPDX-License-Identifier: MIT */
/* Included before everything else on the target: all names are the image's own, so that
 * addresses are rip-relative. */
#ifndef LIBOS_CORE_HIDDEN_H
#define LIBOS_CORE_HIDDEN_H
#pragma GCC visibility push(hidden)
#endif
