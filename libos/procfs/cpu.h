/* SPDX-License-Identifier: MIT */
/* What CPUID says of the processors, for /proc/cpuinfo and /sys/devices/system/cpu. */
#ifndef LIBOS_PROCFS_CPU_H
#define LIBOS_PROCFS_CPU_H

#include "core/types.h"

struct cpu_place {
    u32 apic_id, package, core; /* core: its number in the package */
};
/* cpu < lcpu_count */
void cpu_place(u32 cpu, struct cpu_place *out);
/* CPUs of the same core, and of the same package, as bits (64 at most). */
u64 cpu_core_siblings(u32 cpu);
u64 cpu_package_siblings(u32 cpu);
u64 cpu_all(void);

struct cpu_cache {
    u32 level, line_bytes, ways, sets, partitions, shared_by;
    u64 bytes;
    const char *type; /* "Data", "Instruction", "Unified" */
};
/* The index-th cache of a CPU: false, there is none. */
bool cpu_cache(u32 index, struct cpu_cache *out);
/* CPUs that share it with `cpu`, as bits. */
u64 cpu_cache_siblings(u32 cpu, const struct cpu_cache *c);

#endif
