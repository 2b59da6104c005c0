/* SPDX-License-Identifier: MIT */
/* The options of a devpts (pts(4)). */
#ifndef LIBOS_TTY_PTS_OPTIONS_H
#define LIBOS_TTY_PTS_OPTIONS_H

#include "core/types.h"

struct pts_options {
    u32 mode, ptmx_mode, max, uid, gid;
    bool has_uid, has_gid;
};
/* uid= gid= mode= of new slaves (without uid and gid: the opener's; 0600), ptmxmode= of
 * the instance's own ptmx (0), max= how many pairs at most, newinstance (always so).
 * What is not named gets its default.  -E_INVAL */
int pts_options_read(struct pts_options *o, const char *text) MUST_CHECK;
/* As /proc/self/mounts shows them, with a comma before each. */
void pts_options_show(const struct pts_options *o, char *to, u32 size);

#endif
