/* SPDX-License-Identifier: MIT */
/*
 * Layouts that the kernel shares with the domains: the control block, save areas, the
 * record, parameters.
 *
 * This header includes nothing.  The kernel loads each field of memory that a domain can
 * write exactly once.
 */
#ifndef ABI_LAYOUT_H
#define ABI_LAYOUT_H

typedef __UINT64_TYPE__ fb_u64;
typedef __UINT32_TYPE__ fb_u32;
typedef __UINT16_TYPE__ fb_u16;
typedef __UINT8_TYPE__ fb_u8;

#define FB_ABI_VERSION 1u

/* ---- address space: fixed top-level slots (4-level paging, 512 GiB each) ---- */
#define FB_USER_TOP                                                                      \
    0x00007ffffffff000ull /* first lower-half address that is never mapped */
#define FB_WINDOW_BASE 0xffff800000000000ull /* top-level slot 256: the LibOS window */
#define FB_WINDOW_SIZE 0x0000008000000000ull /* 512 GiB */
#define FB_WINDOW_END  (FB_WINDOW_BASE + FB_WINDOW_SIZE)

/* ---- capabilities ---- */
/* What a capability allows, besides its interval, is one word: the lattice order is bit
 * inclusion. */
#define FB_AUTH(classes, kinds, rights)                                                  \
    ((fb_u64)(classes) | ((fb_u64)(kinds) << 8) | ((fb_u64)(rights) << 32))
#define FB_AUTH_CLASS(auth) ((fb_u64)(auth)&0xffull)
#define FB_AUTH_ALL         0x0000ffff00ffff3full
#define FB_CLASS_SYSTEM     0x03u
#define FB_CLASS_LIBOS      0x0cu
#define FB_CLASS_USER       0x30u
#define FB_CLASS_ROOT       0x3fu
#define FB_NAME_SLOT_BITS   24
#define FB_NAME_GEN_BITS    40

struct fb_cap_info {
    fb_u64 auth;
    fb_u64 lo, hi;
    fb_u32 type;     /* FB_TYPE_* */
    fb_u32 children; /* 1 when something was derived from it */
};

struct fb_cap_entry { /* domain_caps */
    fb_u64 slot;
    struct fb_cap_info info;
};
#define FB_CAPS_STEP 64u /* entries of one call */

/* ---- mapping ---- */
#define FB_MAP_READ  0x1u
#define FB_MAP_WRITE 0x2u
#define FB_MAP_EXEC  0x4u
#define FB_MAP_2M    0x10u
#define FB_MAP_1G    0x20u
/* space_map: what is mapped there (4 KiB) is replaced, each page atomically */
#define FB_MAP_REPLACE     0x40u
#define FB_MAP_REPLACE_MAX 32u /* pages of one call */
#define FB_MAP_REPLACED(v) ((v) >> 32 & 0xff) /* pages done */
#define FB_MAP_LOST(v)     ((v)&0xffffffffull) /* bit i: page i's frame is unmapped now */
#define FB_MAP_UNCACHED 0x80u  /* device memory */
#define FB_MAP_NOADD    0x100u /* space_protect: rights are taken away only */
#define FB_MAP_LIST     0x200u /* space_map: of frames, in the buffer */
#define FB_UNMAP_TABLES 0x1u
#define FB_COPY_COW     0x1u
#define FB_COPY_SHARE   0x2u
#define FB_COPY_TABLES  0x4u /* with COW: page tables that lie in the range are shared */
#define FB_RANGE_STEP   512u /* pages that one range call handles at most */
/* Entries of the list that space_unmap makes. */
#define FB_OUT_FRAME(e) ((e)&0xffffffffffull)
#define FB_OUT_TABLE    (1ull << 63) /* an unlinked, clean page-table node */
#define FB_OUT_VALID    (1ull << 62) /* set in each entry */
#define FB_OUT_DIRTY    (1ull << 61) /* the hardware's dirty bit was set in the mapping */

/* ---- page-table entries, as a LibOS reads them in its own tables (SDM vol. 3, 4.5) ----
 */
#define FB_PTE_PRESENT  0x1ull
#define FB_PTE_WRITE    0x2ull
#define FB_PTE_USER     0x4ull
#define FB_PTE_ACCESSED 0x20ull
#define FB_PTE_DIRTY    0x40ull
#define FB_PTE_LARGE    0x80ull
#define FB_PTE_NX       (1ull << 63)
#define FB_PTE_FRAME(e) (((e)&0x000ffffffffff000ull) >> 12)

/* ---- frame records: 16 bytes for each frame, readable by who may read the frames ----
 */
enum fb_frame_type {
    FB_FRAME_RESERVED = 0, /* not memory, or firmware's */
    FB_FRAME_DATA = 1,     /* may be mapped */
    FB_FRAME_TABLE =
        2,             /* page-table node (linked: count of entries > 0 or linked flag) */
    FB_FRAME_ROOT = 3, /* half of a space's root pair */
    FB_FRAME_CAPTAB = 4, /* capability table */
    FB_FRAME_OBJECT = 5, /* domain or vCPU */
    FB_FRAME_KERNEL = 6, /* the kernel's own */
    FB_FRAME_PUBLIC = 7, /* the kernel's own, which may be mapped for reading */
    FB_FRAME_DOMAIN_RECORD = 8, /* given for a domain; may be mapped for reading */
};
struct fb_frame_record {
    /* bits 0-3 type, 4-15 pins, 16-39 writable mappings, 40-63 mappings (4 KiB ones) */
    fb_u64 word;
    fb_u32 stamp; /* epoch after which no TLB holds a mapping that was removed */
    fb_u16 used;  /* table: present entries */
    fb_u16 flags; /* FB_FRAME_F_* */
};
#define FB_FRAME_TYPE(w)  ((w)&0xfull)
#define FB_FRAME_PINS(w)  (((w) >> 4) & 0xfffull)
/* of a linked table: how many trees have it; above them stands a lock of the kernel's */
#define FB_FRAME_PARENTS(w) (((w) >> 4) & 0x7ffull)
#define FB_FRAME_WMAPS(w) (((w) >> 16) & 0xffffffull)
#define FB_FRAME_MAPS(w)  ((w) >> 40)
#define FB_FRAME_F_LINKED 0x1u /* table: linked into a tree */

/* ---- registers as saved ---- */
struct fb_regs {
    fb_u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    fb_u64 vector, error; /* error: as the CPU gave it, else 0 */
    fb_u64 rip, cs, rflags, rsp, ss;
};

/* ---- control block: first page of FB_CB_FRAMES; the others are the buffer ---- */
#define FB_CB_FRAMES    4u
#define FB_BUFFER_BYTES (3u * 4096u)
#define FB_VCPU_FRAMES  2u /* object memory of one vCPU */
#define FB_BATCH_MAX    128u

enum fb_save {
    FB_SAVE_USER = 0,  /* exception, interrupt or event in the user view */
    FB_SAVE_FAULT = 1, /* exception in the LibOS view */
    FB_SAVE_EVENT = 2, /* event in the LibOS view, unmasked */
    FB_SAVES = 3
};
struct fb_save_area {
    struct fb_regs regs;
    fb_u64 cr2;    /* page faults: the address */
    fb_u64 mask;   /* FAULT, EVENT: the mask to restore */
    fb_u64 busy;   /* nonzero from delivery until resume */
    fb_u64 events; /* event bits that this upcall delivers */
};
/* What goes with a call or reply besides its registers.  The vCPU's own to write; the
 * kernel reads `pass` of who sends, and the rest when it needs it. */
struct fb_ipc {
    fb_u64 pass;         /* capability to pass with the next message, else 0; the kernel
                            sets it to 0 when it has passed */
    fb_u64 auth, lo, hi; /* what is derived of it; auth = 0: it is moved as it is */
    fb_u64 take;         /* nonzero: a message may bring a capability */
    fb_u64 got;          /* written when one came: its name */
    fb_u64 notify;       /* BUSY: 1 + the event bit to set when it is worth a try; else 0 */
};
struct fb_cb {
    /* Gate: written on a system call, read by gate_return. */
    fb_u64 user_rip;    /* 0x00 */
    fb_u64 user_rflags; /* 0x08 */
    fb_u64 user_rsp;    /* 0x10 */
    fb_u64
        entry_rsp;  /* 0x18: stack for system calls and for upcalls from the user view */
    fb_u64 mask;    /* 0x20: nonzero while events stay pending; entry sets it to 1 */
    fb_u64 pending; /* 0x28: event bits, set by locked operations */
    fb_u64 fault_rsp; /* 0x30: stack for FB_SAVE_FAULT upcalls */
    fb_u64 event_rsp; /* 0x38: stack for FB_SAVE_EVENT upcalls */
    fb_u64 libos[23]; /* 0x40: the LibOS's own; the kernel never looks */
    fb_u64 crossings; /* 0xf8: counts system calls; whoever has the block can change it */
    struct fb_save_area save[FB_SAVES]; /* 0x100 */
    struct fb_ipc ipc;
};
/*
 * An upcall enters at the registered `upcall` address with rdi = area (enum fb_save), rsi
 * = vector, and the stack that the control block names for the area; all other registers
 * are the interrupted program's; the mask is 1.
 */
/* Vectors: 0-31 as the CPU's; */
#define FB_VECTOR_EVENT 256u /* events, in save[area].events */

/* Event bits that the kernel sets; the others are the domain's to use. */
#define FB_EVENT_TIMER  63
#define FB_EVENT_SLICE  62 /* the slice ended */
#define FB_EVENT_REVOKE 61 /* something is being asked back */
#define FB_FOREVER      (~0ull)

#define FB_IPC_NOTES 16u /* endpoints that a vCPU can wait to be told of */

struct fb_batch_entry {
    fb_u64 call;
    fb_u64 arg[6];
    fb_u64 result; /* 0 or -FB_E_X, written back */
    fb_u64 value;
};

/* ---- domains ---- */
#define FB_GATE_VIEWS  0u
#define FB_GATE_DIRECT 1u
struct fb_domain_params {
    fb_u64 object_frame; /* first of FB_DOMAIN_FRAMES object frames */
    fb_u64 table_frame;  /* first frame of the capability table (32 slots a frame) */
    fb_u64 table_frames; /* 1..FB_TABLE_FRAMES_MAX: clearing them is one call */
    fb_u64 window_frame; /* top node of the window */
    fb_u64 clearance;    /* class */
    fb_u64 gate;         /* FB_GATE_* */
    char name[16];       /* for reports, NUL-padded */
};
#define FB_DOMAIN_FRAMES    2u /* the domain, and its record (struct fb_domain_record) */
#define FB_TABLE_FRAMES_MAX 4096u
#define FB_CONSOLE_MAX                                                                   \
    256u /* bytes that one console_write takes: a slow line bounds the call */
enum fb_domain_state { FB_DOMAIN_ALIVE = 0, FB_DOMAIN_DYING = 1, FB_DOMAIN_ENDED = 2 };
enum fb_end_cause {
    FB_END_NONE = 0,
    FB_END_EXIT = 1, /* domain_exit; code = its argument */
    FB_END_DOUBLE_FAULT =
        2,                /* fault in the LibOS view while the area was busy; regs, cr2 */
    FB_END_DESTROYED = 3, /* domain_destroy */
    FB_END_NO_ENTRY = 4,  /* an upcall was due and no entry was registered */
};
struct fb_domain_status {
    fb_u32 state, cause;
    fb_u64 code;
    fb_u64 cr2;
    fb_u64 vcpus, spaces, slots, slots_used;
    struct fb_regs regs;
    char name[16];
    fb_u64 ticks; /* TSC ticks that its vCPUs have had a CPU, up to now */
};

/* ---- a domain's record: a page that it and its maker can map for reading ----
 * What was taken by force, by a revocation that another domain made, stands in a ring:
 * entry n, counted from 0, at entry[n % FB_TAKEN_MAX].  An entry is complete before
 * `taken` counts it; with a count that is FB_TAKEN_MAX ahead of the reader's it is lost. */
#define FB_TAKEN_MAX 32u
struct fb_taken {
    fb_u64 type;     /* FB_TYPE_* */
    fb_u64 lo, hi;   /* the capability's interval; of a SPACE its two root frames */
    fb_u64 mappings; /* that went from the domain's trees since the entry before */
    fb_u64 tsc;
};
struct fb_domain_counts { /* each written by its own CPU alone */
    fb_u64 upcalls, faults; /* upcalls of all kinds; those that exceptions made */
    fb_u64 switches;        /* to a vCPU of the domain, from another or from idle */
    fb_u64 calls, replies;  /* of endpoints */
    fb_u64 ticks;           /* TSC ticks that its vCPUs ran */
    fb_u64 pad[2];
};
struct fb_domain_record {
    fb_u64 taken; /* entries written so far */
    fb_u64 pad[7];
    struct fb_domain_counts cpu[32]; /* 0x40; FB_CPUS_MAX */
    struct fb_taken entry[FB_TAKEN_MAX];
};

/* ---- the record: one page of the kernel that every domain may map for reading ---- */
#define FB_CPUS_MAX 32u
struct fb_record_cpu {
    fb_u64 epoch;    /* last epoch at which this CPU had flushed; ~0 while it idles */
    fb_u64 vcpu;     /* id of the vCPU that runs, 0: idle */
    fb_u64 idle_tsc; /* TSC ticks spent idle */
    fb_u64 apic_id;
};
#define FB_FEATURE_FSGSBASE      0x1u
#define FB_FEATURE_XSAVE         0x2u
#define FB_FEATURE_RDRAND        0x4u
#define FB_FEATURE_NX            0x8u
#define FB_FEATURE_SMEP          0x10u
#define FB_FEATURE_SMAP          0x20u
#define FB_FEATURE_UMIP          0x40u
#define FB_FEATURE_PAGE1G        0x80u
#define FB_FEATURE_NOT_ISOLATING 0x100u /* open to Meltdown or L1TF */
#define FB_FEATURE_INVARIANT_TSC 0x200u
struct fb_record {
    fb_u64 magic; /* FB_RECORD_MAGIC */
    fb_u32 abi_version, ncpus;
    fb_u64 features;
    fb_u64 tsc_hz;
    /* Time since boot, of which 2^64 are a second = (rdtsc - tsc_base) * tsc_mult, in 128
     * bits: the upper half is seconds, the lower a fraction. */
    fb_u64 tsc_base, tsc_mult;
    fb_u64 boot_unix_ns; /* wall clock (RTC, UTC) at tsc_base */
    fb_u64 xsave_bytes;  /* size of the XSAVE area for xcr0 */
    fb_u64 xcr0;
    fb_u64 epoch; /* current epoch */
    fb_u64 pad[6];
    struct fb_record_cpu cpu[FB_CPUS_MAX]; /* 0x80 */
    fb_u64 interrupts[FB_CPUS_MAX];        /* that the CPU took: timer, kicks, lines */
};
#define FB_RECORD_MAGIC 0x4445524f43455246ull

#define FB_IRQ_LEVEL 0x1u
#define FB_IRQ_LOW   0x2u
#define FB_IRQ_EXPLICIT                                                                  \
    0x4u /* take LEVEL and LOW from the flags, not from the firmware tables */
#define FB_POWER_OFF   0u
#define FB_POWER_RESET 1u
#define FB_POWER_HALT  2u

/* ---- what the kernel tells the first domain: at FB_BOOT_VA of its window, read-only
 * ---- */
#define FB_BOOT_VA     (FB_WINDOW_BASE + 0x5800000000ull)
#define FB_BOOT_MAGIC  0x544f4f4252494246ull
#define FB_BOOT_RANGES 32u
#define FB_CMDLINE_MAX 4096u
struct fb_range {
    fb_u64 lo, hi; /* frames (or bytes where it says so) */
};
struct fb_boot {
    fb_u64 magic;
    fb_u32 abi_version, nfree;
    struct fb_range free[FB_BOOT_RANGES]; /* frames that are free memory */
    fb_u64 frames;                        /* frame records exist for [0, frames) */
    fb_u64 record_frame;                  /* the record's frame */
    fb_u64 records_frame;                 /* first frame of the array of frame records */
    fb_u64 kernel_frames;                 /* the kernel's own memory, with these records */
    fb_u64 domain_record_frame;           /* the first domain's struct fb_domain_record */
    struct fb_range
        libos; /* bytes, physical: the personalities (tools/pack.py) in the kernel file */
    struct fb_range manifest; /* bytes, physical: the manifest area (16,384 bytes) */
    struct fb_range initrd;   /* bytes, physical; lo == hi: none */
    /* Names of the root capabilities. */
    fb_u64 cap_memory, cap_slices, cap_irqs, cap_ports, cap_machine, cap_domain, cap_vcpu,
        cap_space;
    fb_u64 cap_kernel_read; /* MEMORY, READ only, over record, frame records and kernel
                               file: [0, frames) */
    fb_u32 kernel_lines, quiet;
    char cmdline[FB_CMDLINE_MAX]; /* NUL-terminated; truncated is refused at boot */
};

#define FB_STATIC_ASSERT(c) _Static_assert(c, #c)
FB_STATIC_ASSERT(sizeof(struct fb_regs) == 22 * 8);
FB_STATIC_ASSERT(sizeof(struct fb_frame_record) == 16);
FB_STATIC_ASSERT(__builtin_offsetof(struct fb_cb, save) == 0x100);
FB_STATIC_ASSERT(sizeof(struct fb_cb) <= 4096);
FB_STATIC_ASSERT(sizeof(struct fb_record) <= 4096);
FB_STATIC_ASSERT(sizeof(struct fb_domain_record) <= 4096);
FB_STATIC_ASSERT(sizeof(struct fb_domain_record) - 64 -
                     FB_TAKEN_MAX * sizeof(struct fb_taken) ==
                 FB_CPUS_MAX * sizeof(struct fb_domain_counts));
FB_STATIC_ASSERT(sizeof(struct fb_domain_params) <= 4096);

#endif
