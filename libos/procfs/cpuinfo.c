/* SPDX-License-Identifier: MIT */
/* /proc/cpuinfo: what CPUID says, with Linux's names of its bits. */
#include <cpuid.h>

#include <abi/layout.h>

#include "core/log.h"
#include "core/machine.h"
#include "core/string.h"
#include "core/thread.h"
#include "procfs/cpu.h"
#include "procfs/shows.h"

#define CACHE_BIGGEST 16u

/* The names of the bits of one register, from bit 0 on; "" has none. */
struct bit_names {
    u32 leaf, sub;
    char reg; /* a b c d */
    const char *names[32];
};
static const struct bit_names bit_names[] = {
    { 1, 0, 'd',
      { "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", "", "sep",
        "mtrr", "pge", "mca", "cmov", "pat", "pse36", "pn", "clflush", "", "dts", "acpi",
        "mmx", "fxsr", "sse", "sse2", "ss", "ht", "tm", "ia64", "pbe" } },
    { 0x80000001u, 0, 'd',
      { [11] = "syscall", [19] = "mp", [20] = "nx", [22] = "mmxext", [25] = "fxsr_opt",
        [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm", [30] = "3dnowext",
        [31] = "3dnow" } },
    { 1, 0, 'c',
      { "pni", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2",
        "ssse3", "cid", "sdbg", "fma", "cx16", "xtpr", "pdcm", "", "pcid", "dca", "sse4_1",
        "sse4_2", "x2apic", "movbe", "popcnt", "tsc_deadline_timer", "aes", "xsave", "",
        "avx", "f16c", "rdrand", "hypervisor" } },
    { 0x80000001u, 0, 'c',
      { "lahf_lm", "cmp_legacy", "svm", "extapic", "cr8_legacy", "abm", "sse4a",
        "misalignsse", "3dnowprefetch", "osvw", "ibs", "xop", "skinit", "wdt", "", "lwp",
        "fma4", "tce", "", "nodeid_msr", "", "tbm", "topoext", "perfctr_core",
        "perfctr_nb", "", "bpext", "ptsc", "perfctr_llc", "mwaitx", "", "" } },
    { 7, 0, 'b',
      { "fsgsbase", "tsc_adjust", "sgx", "bmi1", "hle", "avx2", "", "smep", "bmi2", "erms",
        "invpcid", "rtm", "cqm", "", "mpx", "rdt_a", "avx512f", "avx512dq", "rdseed", "adx",
        "smap", "avx512ifma", "", "clflushopt", "clwb", "intel_pt", "avx512pf", "avx512er",
        "avx512cd", "sha_ni", "avx512bw", "avx512vl" } },
    { 0xd, 1, 'a', { "xsaveopt", "xsavec", "xgetbv1", "xsaves" } },
    { 6, 0, 'a', { [2] = "arat" } },
    { 7, 0, 'c',
      { [1] = "avx512vbmi", [2] = "umip", [3] = "pku", [5] = "waitpkg",
        [6] = "avx512_vbmi2", [8] = "gfni", [9] = "vaes", [10] = "vpclmulqdq",
        [11] = "avx512_vnni", [12] = "avx512_bitalg", [14] = "avx512_vpopcntdq",
        [16] = "la57", [22] = "rdpid", [25] = "cldemote", [27] = "movdiri",
        [28] = "movdir64b" } },
    { 7, 0, 'd',
      { [2] = "avx512_4vnniw", [3] = "avx512_4fmaps", [4] = "fsrm",
        [8] = "avx512_vp2intersect", [14] = "serialize", [16] = "tsxldtrk",
        [22] = "amx_bf16", [24] = "amx_tile", [25] = "amx_int8" } },
};

static bool
register_of(const struct bit_names *n, u32 *value)
{
    u32 a, b, c, d, most, x, y, z;
    __cpuid(n->leaf & 0x80000000u, most, x, y, z);
    if (most < n->leaf)
        return false;
    __cpuid_count(n->leaf, n->sub, a, b, c, d);
    *value = n->reg == 'a' ? a : n->reg == 'b' ? b : n->reg == 'c' ? c : d;
    return true;
}

static void
flags_line(struct text *t)
{
    text_add(t, "flags\t\t:");
    for (u32 i = 0; i < ARRAY_SIZE(bit_names); i++) {
        u32 value;
        if (!register_of(&bit_names[i], &value))
            continue;
        for (u32 bit = 0; bit < 32; bit++) {
            const char *name = bit_names[i].names[bit];
            if ((value >> bit & 1) != 0 && name != NULL && name[0] != '\0')
                text_add(t, " %s", name);
        }
    }
    text_add(t, "\n");
}

static void
identity(struct text *t)
{
    u32 a, b, c, d, most;
    char vendor[13] = { 0 }, model[49] = { 0 };
    __cpuid(0, most, b, c, d);
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    __cpuid(0x80000000u, a, b, c, d);
    for (u32 i = 0; i < 3 && a >= 0x80000004u; i++) {
        u32 word[4];
        __cpuid(0x80000002u + i, word[0], word[1], word[2], word[3]);
        memcpy(model + 16 * i, word, 16);
    }
    const char *name = model;
    while (*name == ' ')
        name++;
    __cpuid(1, a, b, c, d);
    u32 family = a >> 8 & 15, number = a >> 4 & 15;
    if (family == 15 || family == 6)
        number |= a >> 12 & 0xf0;
    if (family == 15)
        family += a >> 20 & 0xff;
    text_add(t, "vendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\n", vendor,
             family, number, name[0] != '\0' ? name : "unknown");
    text_add(t, "stepping\t: %u\n", a & 15);
}

static u64
biggest_cache(void)
{
    struct cpu_cache c;
    u64 bytes = 0;
    for (u32 i = 0; i < CACHE_BIGGEST && cpu_cache(i, &c); i++)
        bytes = MAX(bytes, c.bytes);
    return bytes;
}

static void
sizes(struct text *t)
{
    u32 a, b, c, d, most;
    __cpuid(1, a, b, c, d);
    u32 line = (b >> 8 & 0xff) * 8;
    u64 khz = machine_record->tsc_hz / 1000;
    text_add(t, "bogomips\t: %lu.%02lu\n", khz * 2 / 1000, khz * 2 / 10 % 100);
    text_add(t, "clflush size\t: %u\ncache_alignment\t: %u\n", line, line);
    __cpuid(0x80000000u, most, b, c, d);
    if (most >= 0x80000008u) {
        __cpuid(0x80000008u, a, b, c, d);
        text_add(t, "address sizes\t: %u bits physical, %u bits virtual\n", a & 0xff,
                 a >> 8 & 0xff);
    }
    text_add(t, "power management:\n\n");
}

int
cpuinfo_show(struct view *v, struct text *t)
{
    struct cpu_place p;
    u32 cpu = (u32)v->cursor++, most, b, c, d;
    v->ended = v->cursor >= lcpu_count;
    cpu_place(cpu, &p);
    u64 package = cpu_package_siblings(cpu), core = cpu_core_siblings(cpu);
    u32 threads = (u32)__builtin_popcountll(package);
    u32 per_core = (u32)MAX(__builtin_popcountll(core), 1);
    u64 khz = machine_record->tsc_hz / 1000;
    text_add(t, "processor\t: %u\n", cpu);
    identity(t);
    text_add(t, "cpu MHz\t\t: %lu.%03lu\n", khz / 1000, khz % 1000);
    if (biggest_cache() != 0)
        text_add(t, "cache size\t: %lu KB\n", biggest_cache() / 1024);
    text_add(t, "physical id\t: %u\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n",
             p.package, threads, p.core, threads / per_core);
    text_add(t, "apicid\t\t: %u\ninitial apicid\t: %u\n", p.apic_id, p.apic_id);
    __cpuid(0, most, b, c, d);
    text_add(t, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n", most);
    flags_line(t);
    sizes(t);
    return 0;
}
