/* SPDX-License-Identifier: MIT */
/*
 * Processors: topology and caches from CPUID (Intel SDM vol. 2A, CPUID, leaves 4 and 0BH;
 * AMD APM vol. 3, 8000001DH), by the numbers of the local APICs that the kernel's record
 * gives.  All processors of a machine are taken to be alike.
 */
#include "procfs/cpu.h"

#include <cpuid.h>

#include <abi/layout.h>

#include "core/log.h"
#include "core/machine.h"
#include "core/thread.h"

#define LEAF_CACHES 4u
#define LEAF_TOPOLOGY 0xbu
#define LEAF_CACHES_AMD 0x8000001du
#define LEVEL_SMT 1u
#define LEVEL_CORE 2u
#define CPUS_SHOWN 64u

u64
cpu_all(void)
{
    return lcpu_count >= CPUS_SHOWN ? ~0ull : (1ull << lcpu_count) - 1;
}

/* How many low bits of an APIC number tell threads of a core, and CPUs of a package,
 * apart. */
static void
topology_bits(u32 *thread_bits, u32 *package_bits)
{
    u32 a, b, c, d;
    *thread_bits = *package_bits = 0;
    if (__get_cpuid_max(0, NULL) >= LEAF_TOPOLOGY) {
        for (u32 i = 0; i < 8; i++) {
            __cpuid_count(LEAF_TOPOLOGY, i, a, b, c, d);
            u32 level = c >> 8 & 0xff;
            if (level == 0 || b == 0)
                break;
            if (level == LEVEL_SMT)
                *thread_bits = a & 0x1f;
            if (level == LEVEL_CORE)
                *package_bits = a & 0x1f;
        }
        if (*package_bits != 0 || *thread_bits != 0) {
            *package_bits = MAX(*package_bits, *thread_bits);
            return;
        }
    }
    __cpuid(1, a, b, c, d);
    u32 logical = d >> 28 & 1 ? b >> 16 & 0xff : 1;
    while ((1u << *package_bits) < logical)
        ++*package_bits;
}

void
cpu_place(u32 cpu, struct cpu_place *out)
{
    u32 thread_bits, package_bits;
    u32 where = lcpus[cpu].cpu;
    topology_bits(&thread_bits, &package_bits);
    out->apic_id = where < FB_CPUS_MAX ? (u32)machine_record->cpu[where].apic_id : where;
    out->package = out->apic_id >> package_bits;
    out->core = (out->apic_id & ((1u << package_bits) - 1)) >> thread_bits;
}

static u64
siblings(u32 cpu, bool same_core)
{
    struct cpu_place mine, other;
    u64 bits = 0;
    cpu_place(cpu, &mine);
    for (u32 i = 0; i < lcpu_count && i < CPUS_SHOWN; i++) {
        cpu_place(i, &other);
        if (other.package == mine.package && (!same_core || other.core == mine.core))
            bits |= 1ull << i;
    }
    return bits;
}

u64
cpu_core_siblings(u32 cpu)
{
    return siblings(cpu, true);
}

u64
cpu_package_siblings(u32 cpu)
{
    return siblings(cpu, false);
}

bool
cpu_cache(u32 index, struct cpu_cache *out)
{
    static const char *const types[] = { "", "Data", "Instruction", "Unified" };
    u32 a, b, c, d, leaf = LEAF_CACHES;
    u32 extended, low, high, other;
    __cpuid(0x80000000u, extended, low, high, other);
    /* Which one is told is the vendor's choice: the other has no entries. */
    if (__get_cpuid_max(0, NULL) < LEAF_CACHES)
        leaf = LEAF_CACHES_AMD;
    __cpuid_count(leaf, 0, a, b, c, d);
    if ((a & 0x1f) == 0)
        leaf = LEAF_CACHES_AMD;
    if (leaf == LEAF_CACHES_AMD && extended < LEAF_CACHES_AMD)
        return false;
    __cpuid_count(leaf, index, a, b, c, d);
    u32 type = a & 0x1f;
    if (type == 0 || type > 3)
        return false;
    *out = (struct cpu_cache){
        .level = a >> 5 & 7,
        .line_bytes = (b & 0xfff) + 1,
        .partitions = (b >> 12 & 0x3ff) + 1,
        .ways = (b >> 22) + 1,
        .sets = c + 1,
        .shared_by = (a >> 14 & 0xfff) + 1,
        .type = types[type],
    };
    out->bytes = (u64)out->line_bytes * out->partitions * out->ways * out->sets;
    return true;
}

u64
cpu_cache_siblings(u32 cpu, const struct cpu_cache *cache)
{
    u32 bits = 0;
    u64 all = 0;
    struct cpu_place mine, other;
    while ((1u << bits) < cache->shared_by)
        bits++;
    cpu_place(cpu, &mine);
    for (u32 i = 0; i < lcpu_count && i < CPUS_SHOWN; i++) {
        cpu_place(i, &other);
        if (other.apic_id >> bits == mine.apic_id >> bits)
            all |= 1ull << i;
    }
    return all;
}
