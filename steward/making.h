/* SPDX-License-Identifier: MIT */
/* An instance that is being made: what instance.c and grants.c share. */
#ifndef STEWARD_MAKING_H
#define STEWARD_MAKING_H

#include "steward/elf.h"
#include "steward/steward.h"

#define INFO_PAGES ((sizeof(struct instance_info) + PAGE - 1) / PAGE)

/* What is being made. */
struct making {
    struct instance *i;
    struct elf_image image;
    struct ranges memory; /* as in instance, and the initrd's interval last */
    struct fb_range overhead;
    u64 next; /* in overhead */
    struct node_source nodes;
    u64 domain_frame, table_frame, table_frames, window_frame, root_frame;
    u64 vcpu_frame, cb_frame, info_frame, reclaim_frame, port_frame, data_frame;
    u64 cpus[FB_CPUS_MAX];
    u32 ncpus;
    struct instance_info *info;
};

/* True when there is no error; else says which step of the making failed. */
bool making_check(const struct making *m, long error, const char *what);
/* Fill the info pages, and grant everything but vCPUs and chunks. */
bool making_grant(struct making *m);

#endif
