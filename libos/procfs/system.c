/* SPDX-License-Identifier: MIT */
/* Files of /proc about the machine as a whole: time, load, memory. */
#include "core/account.h"
#include "core/clock.h"
#include "core/heap.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/mmu.h"
#include "core/page.h"
#include "core/string.h"
#include "core/thread.h"
#include "fs/tmpfs/tmpfs.h"
#include "posix/posix.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "procfs/shows.h"

#define NS_PER_TICK ((u64)10000000)
#define NS_PER_SECOND ((u64)1000000000)

static void
seconds(struct text *t, u64 ns)
{
    text_add(t, "%lu.%02lu", ns / NS_PER_SECOND, ns / NS_PER_TICK % 100);
}

/* ---- time ---- */

static u64
centiseconds(u64 ticks)
{
    return clock_ticks_to_ns(ticks) / NS_PER_TICK;
}

int
uptime_show(struct view *v, struct text *t)
{
    u64 idle = 0;
    struct account_cpu c;
    for (u32 i = 0; i < lcpu_count; i++) {
        account_cpu(i, &c);
        idle += c.idle;
    }
    seconds(t, clock_mono_ns());
    text_put(t, " ", 1);
    seconds(t, clock_ticks_to_ns(idle));
    text_put(t, "\n", 1);
    v->ended = true;
    return 0;
}

static void
cpu_line(struct text *t, const struct account_cpu *c)
{
    text_add(t, " %lu %lu %lu %lu 0 0 0 0 0 0\n", centiseconds(c->user),
             centiseconds(c->nice), centiseconds(c->system), centiseconds(c->idle));
}

int
cpu_stat_show(struct view *v, struct text *t)
{
    struct account_cpu sum = { 0 }, c;
    for (u32 i = 0; i < lcpu_count; i++) {
        account_cpu(i, &c);
        sum.user += c.user;
        sum.nice += c.nice;
        sum.system += c.system;
        sum.idle += c.idle;
        sum.switches += c.switches;
    }
    text_add(t, "cpu ");
    cpu_line(t, &sum);
    for (u32 i = 0; i < lcpu_count; i++) {
        account_cpu(i, &c);
        text_add(t, "cpu%u", i);
        cpu_line(t, &c);
    }
    text_add(t, "intr 0\nctxt %lu\nbtime %lu\nprocesses %lu\nprocs_running %u\n"
                "procs_blocked 0\n",
             sum.switches, clock_real_offset_ns() / NS_PER_SECOND, proc_forks(),
             account_running());
    v->ended = true;
    return 0;
}

int
loadavg_show(struct view *v, struct text *t)
{
    u64 load[3];
    account_load(load);
    for (u32 i = 0; i < 3; i++) {
        /* to the nearest hundredth */
        u64 hundredths = (load[i] * 100 + (1ull << (ACCOUNT_LOAD_SHIFT - 1))) >>
                         ACCOUNT_LOAD_SHIFT;
        text_add(t, "%lu.%02lu ", hundredths / 100, hundredths % 100);
    }
    text_add(t, "%u/%lu %d\n", account_running(), proc_threads(), pid_last());
    v->ended = true;
    return 0;
}

/* ---- memory ---- */

int
meminfo_show(struct view *v, struct text *t)
{
    struct page_counts pages;
    struct heap_counts heap;
    struct tmpfs_counts files;
    page_count(&pages);
    heap_count(&heap);
    tmpfs_count(&files);
    u64 cached = files.pages << PAGE_SHIFT;
    text_kilobytes(t, "MemTotal", pages.total << PAGE_SHIFT);
    text_kilobytes(t, "MemFree", pages.free << PAGE_SHIFT);
    text_kilobytes(t, "MemAvailable", pages.free << PAGE_SHIFT);
    text_kilobytes(t, "Buffers", 0);
    /* All files are in memory: what is cached cannot be dropped, and counts as shared. */
    text_kilobytes(t, "Cached", cached);
    text_kilobytes(t, "SwapCached", 0);
    text_kilobytes(t, "SwapTotal", 0);
    text_kilobytes(t, "SwapFree", 0);
    text_kilobytes(t, "Dirty", 0);
    text_kilobytes(t, "Writeback", 0);
    text_kilobytes(t, "Shmem", cached);
    text_kilobytes(t, "Slab", heap.bytes);
    text_kilobytes(t, "SReclaimable", 0);
    text_kilobytes(t, "SUnreclaim", heap.bytes);
    text_kilobytes(t, "PageTables", (pages.tables - pages.tables_free) << PAGE_SHIFT);
    text_add(t, "HugePages_Total:       0\nHugePages_Free:        0\n"
                "HugePages_Rsvd:        0\nHugePages_Surp:        0\n");
    text_kilobytes(t, "AnonHugePages", mmu_large_pages() * MMU_TABLE_BYTES);
    text_kilobytes(t, "Hugepagesize", 2ull << 20);
    v->ended = true;
    return 0;
}

/* ---- names ---- */

int
kernel_cmdline_show(struct view *v, struct text *t)
{
    text_add(t, "%s\n", hw_cmdline());
    v->ended = true;
    return 0;
}

int
version_show(struct view *v, struct text *t)
{
    char release[POSIX_NAME_BYTES], version[POSIX_NAME_BYTES];
    posix_name_get(POSIX_NAME_RELEASE, release);
    posix_name_get(POSIX_NAME_VERSION, version);
    text_add(t, "Linux version %s (FeuerBird's POSIX LibOS) %s\n", release, version);
    v->ended = true;
    return 0;
}

/* ---- tables that are empty, or nearly so, without devices of blocks ---- */

int
text_show(struct view *v, struct text *t)
{
    text_add(t, "%s", (const char *)v->node->entry->data);
    v->ended = true;
    return 0;
}

/* A column for each processor; no interrupt is this LibOS's, but its serial line's. */
int
interrupts_show(struct view *v, struct text *t)
{
    text_add(t, "   ");
    for (u32 i = 0; i < lcpu_count; i++)
        text_add(t, "        CPU%-2u", i);
    text_add(t, "\n");
    v->ended = true;
    return 0;
}

int
vmstat_show(struct view *v, struct text *t)
{
    struct page_counts pages;
    struct tmpfs_counts files;
    page_count(&pages);
    tmpfs_count(&files);
    text_add(t, "nr_free_pages %lu\nnr_file_pages %lu\nnr_shmem %lu\nnr_dirty 0\n",
             pages.free, files.pages, files.pages);
    text_add(t, "nr_writeback 0\nnr_page_table_pages %lu\n",
             pages.tables - pages.tables_free);
    text_add(t, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n");
    v->ended = true;
    return 0;
}
