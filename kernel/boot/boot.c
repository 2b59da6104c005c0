/* SPDX-License-Identifier: MIT */
/*
 * Start-up, from the early tables to the first domain.
 *
 *   start.S -> boot_main: console, features, command line and memory map, firmware
 *              tables, final page tables
 *           -> boot_on_stack (CPU 0's own stack): clocks, record, frame records, CPUs
 *           -> kernel_start (first.c)
 */
#include "base/cpu.h"
#include "base/panic.h"
#include "boot/boot.h"
#include "boot/pvh.h"
#include "hal/hal.h"
#include "hal/hal_boot.h"

#define KERNEL_BASE 0xffffffff80000000ull
#define TRAMPOLINE_TOP 160u /* frame of 640 KiB */

extern const u8 blob_steward[], blob_steward_end[], blob_libos[], blob_libos_end[],
    blob_manifest[], blob_manifest_end[];
extern const u32 ksyms_lines;

void boot_main(u64 start_info);

/* Whole frames each: a domain may map them for reading, and must find nothing else there.
 * All use is by their address in the physical map, so that ptr_frame works on them. */
static union {
    struct fb_boot info;
    u8 pages[2 * PAGE_SIZE];
} info_pages __attribute__((aligned(4096)));
static union {
    struct fb_record record;
    u8 page[PAGE_SIZE];
} record_page __attribute__((aligned(4096)));
_Static_assert(sizeof(info_pages) == 2 * PAGE_SIZE, "boot.h says two frames");
_Static_assert(sizeof(record_page) == PAGE_SIZE, "one frame");

struct fb_boot *boot_info;
struct fb_range boot_steward;
static struct boot_source source;

/* The address at which an object of the image is in the physical map. */
static void *
in_physmap(void *p)
{
    return (void *)((u64)p - KERNEL_BASE + PHYSMAP_BASE);
}

static struct fb_range
blob(const u8 *from, const u8 *to)
{
    return (struct fb_range){(u64)from - KERNEL_BASE, (u64)to - KERNEL_BASE};
}

static void
info_setup(void)
{
    boot_info->magic = FB_BOOT_MAGIC;
    boot_info->abi_version = FB_ABI_VERSION;
    boot_info->libos = blob(blob_libos, blob_libos_end);
    boot_info->manifest = blob(blob_manifest, blob_manifest_end);
    boot_info->initrd = source.initrd;
    boot_info->kernel_lines = ksyms_lines;
    boot_info->quiet = print_quiet;
    boot_steward = blob(blob_steward, blob_steward_end);
}

/* A page below 640 KiB, which no one is given, for the other CPUs to start in. */
static frame_t
low_frame(void)
{
    for (unsigned i = 0; i < source.ram.n; i++) {
        struct fb_range r = source.ram.range[i];
        frame_t hi = r.hi < TRAMPOLINE_TOP ? r.hi : TRAMPOLINE_TOP;
        if (r.lo < hi && hi > 1)
            return hi - 1;
    }
    return 0;
}

static void
report(u32 online)
{
    u64 frames = 0;
    for (unsigned i = 0; i < boot_info->nfree; i++)
        frames += boot_info->free[i].hi - boot_info->free[i].lo;
    kprintf("feuerbird: kernel of %u lines, %u CPU%s, %lu KiB free, TSC %lu kHz, "
            "features 0x%lx\n",
            ksyms_lines, online, online == 1 ? "" : "s", frames * 4,
            record->tsc_hz / 1000, record->features);
    if (record->features & FB_FEATURE_NOT_ISOLATING)
        kerror("feuerbird: warning: this CPU is open to Meltdown or L1TF: instances are "
               "not isolated on it\n");
}

/* On the final tables. */
static void
boot_on_stack(void)
{
    memory_all_mapped();
    hal_boot_clocks();
    u64 wall = hal_boot_wall_ns();
    u64 since = hal_tsc() - record->tsc_base;
    unsigned __int128 seconds = (unsigned __int128)since * record->tsc_mult >> 32;
    record->boot_unix_ns = wall != 0 ? wall - (u64)(seconds * 1000000000 >> 32) : 0;
    record->ncpus = cpu_count;
    memory_records(&source);
    u32 online = hal_boot_cpus(low_frame());
    report(online);
    kernel_start();
}

void
boot_main(u64 start_info)
{
    boot_info = in_physmap(&info_pages);
    record = in_physmap(&record_page);
    record->magic = FB_RECORD_MAGIC;
    record->abi_version = FB_ABI_VERSION;
    record->epoch = 1;
    record->tsc_base = hal_tsc();
    hal_boot_console();
    hal_boot_cpu_features();
    pvh_read(start_info, &source);
    info_setup();
    memory_setup(&source);
    hal_boot_firmware(source.rsdp);
    hal_boot_paging(source.ram.range, source.ram.n);
    hal_boot_switch(boot_on_stack);
}
