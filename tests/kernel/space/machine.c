/* SPDX-License-Identifier: MIT */
/* The machine of machine.h. */
#include "machine.h"
#include "base/cpu.h"
#include "base/epoch.h"
#include "base/panic.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

u64 physmap_base;
u32 cpu_count = 2;
u32 machine_cpu;
u64 machine_records = MACHINE_FRAMES;
struct translation machine_tlb[2][MACHINE_TLB];
unsigned machine_flushes, machine_invlpgs, machine_kicks;
unsigned test_failures;
static struct cpu cpus[2];
static struct fb_record the_record;

struct cpu *
this_cpu(void)
{
    return &cpus[machine_cpu];
}
struct cpu *
cpu_by_id(u32 id)
{
    return &cpus[id];
}
u64
hal_cr3_read(void)
{
    return cpus[machine_cpu].libos_cr3;
}
void
hal_cr3_write(u64 value)
{
    (void)value;
    machine_flushes++;
    memset(machine_tlb[machine_cpu], 0, sizeof(machine_tlb[0]));
}
void
hal_invlpg(u64 va)
{
    machine_invlpgs++;
    for (unsigned i = 0; i < MACHINE_TLB; i++) {
        struct translation *t = &machine_tlb[machine_cpu][i];
        if (t->used && va >= t->va && va - t->va < t->pages * PAGE_SIZE)
            t->used = false;
    }
}
void
hal_kick(u32 cpu)
{
    (void)cpu;
    machine_kicks++;
}
/* A value that is no address and without bit 0 stands for the kernel's entries. */
void
hal_root_init(u64 *root)
{
    for (unsigned i = 384; i < 512; i++)
        root[i] = 0xfeedface000;
}

NORETURN void
panic(const char *format, ...)
{
    printf("# panic: %s\n", format);
    fflush(stdout);
    abort();
}

void
machine_init(void)
{
    static void *memory, *records;
    if (memory == NULL) {
        memory = mmap(NULL, MACHINE_FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        records = mmap(NULL, frame_records_bytes(1 << 19), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(memory != MAP_FAILED && records != MAP_FAILED);
    }
    physmap_base = (u64)memory;
    memset(records, 0, frame_records_bytes(machine_records));
    memset(&the_record, 0, sizeof(the_record));
    memset(machine_tlb, 0, sizeof(machine_tlb));
    machine_cpu = 0;
    the_record.epoch = 5;
    the_record.features = FB_FEATURE_PAGE1G;
    record = &the_record;
    frame_init(records, machine_records);
    frame_boot_type(64, machine_records, FB_FRAME_DATA);
    frame_boot_type(0, 64, FB_FRAME_KERNEL);
    for (u32 i = 0; i < 2; i++) {
        memset(&cpus[i], 0, sizeof(cpus[i]));
        cpus[i].id = i;
        cpus[i].online = 1;
        cpus[i].epoch = 5;
    }
}

void
machine_domain(struct domain *d, frame_t window)
{
    memset(d, 0, sizeof(*d));
    d->gate = FB_GATE_VIEWS;
    d->window_frame = window;
    CHECK(frame_link(window) == 0);
}

void
machine_other_flushes(void)
{
    machine_cpu ^= 1;
    epoch_kick();
    machine_cpu ^= 1;
}

void
machine_touch(u32 cpu, u64 va, frame_t frame, frame_t pages, bool write)
{
    static unsigned next;
    machine_tlb[cpu][next++ % MACHINE_TLB] = (struct translation){va, frame, pages, write,
                                                                  true};
}

bool
machine_stale(frame_t f)
{
    for (unsigned cpu = 0; cpu < 2; cpu++)
        for (unsigned i = 0; i < MACHINE_TLB; i++) {
            const struct translation *t = &machine_tlb[cpu][i];
            if (t->used && t->write && f >= t->frame && f - t->frame < t->pages)
                return true;
        }
    return false;
}

void
test_ok(bool good, const char *name)
{
    printf("%s - %s\n", good ? "ok" : "not ok", name);
    fflush(stdout);
    test_failures += !good;
}

/* Nothing evicts here but what the tests call themselves. */
int
evict_help(struct domain *d)
{
    (void)d;
    return -FB_E_BUSY;
}
