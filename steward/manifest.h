/* SPDX-License-Identifier: MIT */
/*
 * The manifest: which instances run, and what each gets.  Text, one word and its values a
 * line, `#` comments.  docs/operating.md says more of each.
 *
 *   instance NAME            starts a section; at most 60 of them
 *     personality NAME       which LibOS (default: posix)
 *     memory all | SIZE[K|M|G]  at least 4M; `all`: what the other instances leave
 *     chunk SIZE[K|M|G]      memory that can be asked back is granted in pieces of this
 *                            size, a multiple of 2M
 *     chunks N               how many of them, at most 64; they are part of `memory`
 *     cpus all | N[,N...]    CPUs that the machine lacks are left out; one must be left
 *     gate views | direct
 *     slots N                capability slots, 64..131072 (default: by memory)
 *     slice US               time in the slice vector, in microseconds, 10..1000000
 *     devices WORD...        com1 (the terminal), com2 (ports, line), host (ports
 *                            0x402-0x404), power, console (the kernel's), domains (may
 *                            make domains, and place vCPUs in positions 16..55 of all
 *                            slice vectors; one instance at most should have it),
 *                            control (the steward's control port)
 *     initrd yes | no        gets the initial archive; one instance at most
 *     root NAME              gets the member root:NAME of the bundle that is the initrd;
 *                            its command line is `args` alone
 *     share NAME PAGES with OTHER   memory that this instance and OTHER share
 *                            (sdk/share.h): an even number of pages, 448 in all
 *                            shares; at most 8 shares
 *     args TEXT              to the end of the line: appended to the machine's command
 *                            line
 *     restart never | always [LIMIT [MS]] | on-failure [LIMIT [MS]]
 *                            after an end; at most LIMIT times in a row (0: no limit),
 *                            after MS milliseconds (100), doubled each time
 *     on-end power | keep | restart   what its end means, when it is not started again;
 *                            `restart` is `restart always 0 0`
 */
#ifndef STEWARD_MANIFEST_H
#define STEWARD_MANIFEST_H

#include <sdk/reclaim.h>
#include <sdk/sdk.h>

#define MANIFEST_INSTANCES      60u /* one event bit of the steward's for each */
#define MANIFEST_CONTROLS       8u
#define MANIFEST_BESIDE_DOMAINS 23u /* positions that DEVICE_DOMAINS leaves */
#define ROOT_NAME_MAX           42u /* with "root:", a name of a bundle's member */
#define MEMORY_ALL         (~0ull)

enum on_end { ON_END_POWER, ON_END_KEEP };
enum restart { RESTART_NEVER, RESTART_ALWAYS, RESTART_ON_FAILURE };
#define DEVICE_COM1    0x1u
#define DEVICE_COM2    0x2u
#define DEVICE_HOST    0x4u
#define DEVICE_POWER   0x8u
#define DEVICE_CONSOLE 0x10u
#define DEVICE_DOMAINS 0x20u
#define DEVICE_CONTROL 0x40u

struct manifest_instance {
    char name[16];
    char personality[32];
    u64 memory; /* bytes, MEMORY_ALL */
    u64 chunk;  /* bytes; 0: as the memory goes, see reclaim.c */
    u32 chunks; /* of `memory`, so many are granted as chunks */
    u64 cpus;   /* bit set */
    u32 gate;
    u32 slots; /* 0: by memory */
    u32 slice_us;
    u32 devices;
    bool initrd;
    char root[ROOT_NAME_MAX + 1]; /* "": none, or the initrd */
    enum on_end on_end;
    enum restart restart;
    u32 restart_limit, restart_ms;
    char args[256];
};
#define MANIFEST_SHARES      8u
#define MANIFEST_SHARE_PAGES 448u
struct manifest_share {
    char name[16];
    char with[16];
    u32 pages;
    u32 side[2]; /* the instances' numbers; the one with the line first */
};
struct manifest {
    u32 count;
    u32 nshares;
    struct manifest_share share[MANIFEST_SHARES];
    struct manifest_instance instance[MANIFEST_INSTANCES];
};

/* Parse `bytes` of text.  True, or false with a message that names the line in `error`.
 */
bool manifest_parse(const char *text, size_t bytes, struct manifest *out, char *error,
                    size_t size);

#endif
