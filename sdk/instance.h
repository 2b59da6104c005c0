/* SPDX-License-Identifier: MIT */
/*
 * What the steward hands to an instance: the layout of its window, and the page of names
 * at INSTANCE_INFO_VA.
 *
 * The window (512 GiB from FB_WINDOW_BASE):
 *   +0x0000000000  direct map: frame f of the instance's memory at WINDOW_DMAP + f *
 * 4096, writable, 2 MiB pages where whole +0x4000000000  image: text (RX), rodata (R),
 * data and bss (RW) +0x5000000000  control blocks: vCPU i at +i * 64 KiB (FB_CB_FRAMES
 * pages: control block, buffer) +0x5800000000  instance info (R), then at +0x100000 the
 * record (R) +0x6000000000  frame records (R): frame f's at +f * 16, those pages that
 * cover the instance's memory +0x6800000000  free for the instance, to the end
 */
#ifndef SDK_INSTANCE_H
#define SDK_INSTANCE_H

#include <abi/calls.h>
#include <abi/layout.h>

#define WINDOW_DMAP        FB_WINDOW_BASE
#define WINDOW_DMAP_FRAMES (0x4000000000ull >> 12) /* physical memory up to 256 GiB */
#define WINDOW_IMAGE       (FB_WINDOW_BASE + 0x4000000000ull)
#define WINDOW_CB          (FB_WINDOW_BASE + 0x5000000000ull)
#define WINDOW_CB_STRIDE   0x10000ull
#define INSTANCE_INFO_VA   (FB_WINDOW_BASE + 0x5800000000ull)
#define WINDOW_RECORD      (INSTANCE_INFO_VA + 0x100000ull)
#define WINDOW_RECORDS     (FB_WINDOW_BASE + 0x6000000000ull)
#define WINDOW_FREE        (FB_WINDOW_BASE + 0x6800000000ull)

#define INSTANCE_MAGIC  0x4e4154534e494246ull
#define INSTANCE_RANGES 16u

struct instance_memory {
    fb_u64 cap;    /* MEMORY capability: READ WRITE EXEC GIVE DERIVE ... */
    fb_u64 lo, hi; /* frames; all of it is in the direct map unless listed in `used` */
};
struct instance_info {
    fb_u64 magic;
    fb_u32 abi_version, ncpus; /* vCPUs; vCPU i runs on CPU cpu[i] */
    fb_u32 gate, nmemory;
    struct instance_memory memory[INSTANCE_RANGES];
    fb_u32 nused, quiet;
    struct fb_range used[INSTANCE_RANGES * 2]; /* frames within memory that serve already
                                                  (image, tables, ...) */
    struct fb_range
        initrd;        /* bytes, physical; within memory (and in `used`); empty: none */
    fb_u64 cap_domain; /* itself: CREATE MAP READ */
    fb_u64 cap_space;  /* the first space, current at the start; 0 when there is none to
                          reuse */
    fb_u64 space_root_frame;      /* its even root frame */
    fb_u64 cap_vcpu[FB_CPUS_MAX]; /* SIGNAL and CONTROL */
    fb_u32 cpu[FB_CPUS_MAX];
    struct {
        fb_u64 ports, irq; /* 0x3f8 and line 4; 0x2f8 and line 3 */
    } cap_com[2];          /* 0: not granted; [0] is always 0: see sdk/steward.h */
    fb_u64 cap_host_ports; /* 0x402 standard output, 0x403 error, 0x404 control; 0: not
                              granted */
    fb_u64 cap_machine;    /* WRITE: console; CONTROL: power, if granted */
    fb_u64 window_frame;   /* top node of the window */
    char name[16];
    char cmdline[FB_CMDLINE_MAX];
    char personality[32];
    char console[16];               /* "ttyS0": has COM1 at the start; "none" */
    fb_u64 cap_slices[FB_CPUS_MAX]; /* positions 16..55 of each CPU's vector; 0: not
                                       granted (devices domains) */
    fb_u64 shares; /* window address of struct share_list (sdk/share.h); 0: none */
};
/*
 * Start: every vCPU i is started at the image's entry with rdi = i, rsp = 0 (the image
 * brings its own stacks), mask 1, in the first space's LibOS view.  The image calls
 * vcpu_start on itself to register its entries before it unmasks.
 */

#endif
