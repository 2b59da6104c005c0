/* SPDX-License-Identifier: MIT */
/*
 * What the firmware's ACPI tables say about CPUs, interrupt controllers and power
 * (ACPI 6.4, chapter 5).
 *
 * A1. Nothing of a table is used before its length and checksum are verified, and nothing
 *     outside that length.
 * A2. All is copied into `machine` while the early tables are in force; the firmware's
 *     memory is not looked at again.
 * A table that is wrong is reported and left out; without a usable MADT the machine has
 * one CPU.
 */
#include "base/panic.h"
#include "hal/x86_64/x86.h"

#define HEAD_BYTES 36u
#define TABLE_BYTES_MAX (1u << 20)
#define FADT_RESET (1u << 10)
#define FADT_REDUCED (1u << 20)

struct machine machine;
u8 smp_by_apic_id[256];
static u32 cpus_left_out;

static u16
get16(const u8 *p)
{
    u16 v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
}

static u32
get32(const u8 *p)
{
    u32 v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
}

static u64
get64(const u8 *p)
{
    u64 v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
}

static bool
sum_is_zero(const u8 *p, u32 bytes)
{
    u8 sum = 0;
    for (u32 i = 0; i < bytes; i++)
        sum = (u8)(sum + p[i]);
    return sum == 0;
}

/* The table at `address`, or NULL; an error line says why. */
static const u8 *
table_at(u64 address, const char *signature)
{
    if (address == 0 || address > HAL_EARLY_LIMIT - HEAD_BYTES)
        return NULL;
    const u8 *t = phys_ptr(address);
    if (signature != NULL && __builtin_memcmp(t, signature, 4) != 0)
        return NULL;
    u32 bytes = get32(t + 4);
    if (bytes < HEAD_BYTES || bytes > TABLE_BYTES_MAX ||
        address + bytes > HAL_EARLY_LIMIT) {
        kerror("error: ACPI table %c%c%c%c has length %u: ignored\n", t[0], t[1], t[2],
               t[3], bytes);
        return NULL;
    }
    if (!sum_is_zero(t, bytes)) {
        kerror("error: ACPI table %c%c%c%c has a wrong checksum: ignored\n", t[0], t[1],
               t[2], t[3]);
        return NULL;
    }
    return t;
}

static bool
rsdp_valid(const u8 *p)
{
    return __builtin_memcmp(p, "RSD PTR ", 8) == 0 && sum_is_zero(p, 20);
}

/* ACPI 6.4, 5.2.5.1: the first KiB of the EBDA, and 0xe0000..0xfffff. */
static const u8 *
rsdp_find(u64 given)
{
    if (given != 0 && given < HAL_EARLY_LIMIT - 36 && rsdp_valid(phys_ptr(given)))
        return phys_ptr(given);
    u64 ebda = (u64)get16(phys_ptr(0x40e)) << 4;
    for (u64 a = ebda; ebda >= 0x80000 && ebda < 0xa0000 && a < ebda + 1024; a += 16)
        if (rsdp_valid(phys_ptr(a)))
            return phys_ptr(a);
    for (u64 a = 0xe0000; a < 0x100000; a += 16)
        if (rsdp_valid(phys_ptr(a)))
            return phys_ptr(a);
    return NULL;
}

/* Find a table by its signature in the XSDT or RSDT. */
static const u8 *
table_find(const u8 *rsdp, const char *signature)
{
    bool wide = rsdp[15] >= 2 && get32(rsdp + 20) >= 36 && sum_is_zero(rsdp, 36);
    const u8 *root = wide ? table_at(get64(rsdp + 24), "XSDT") : NULL;
    if (root == NULL) {
        wide = false;
        root = table_at(get32(rsdp + 16), "RSDT");
    }
    u32 step = wide ? 8 : 4;
    for (u32 at = HEAD_BYTES; root != NULL && at + step <= get32(root + 4); at += step) {
        const u8 *t = table_at(wide ? get64(root + at) : get32(root + at), signature);
        if (t != NULL)
            return t;
    }
    return NULL;
}

/* ---- MADT: CPUs and interrupt controllers (5.2.12) ---- */

static void
madt_cpu(u32 apic_id, u32 flags, u32 own_id)
{
    if (!(flags & 1) || apic_id == own_id)
        return; /* not enabled; the bootstrap CPU has number 0 already */
    if (apic_id > 254 || cpu_count == FB_CPUS_MAX) {
        cpus_left_out++;
        return;
    }
    if (smp_by_apic_id[apic_id] != 0xff)
        return;
    machine.apic_id[cpu_count] = (u8)apic_id;
    smp_by_apic_id[apic_id] = (u8)cpu_count++;
}

static void
madt_entry(const u8 *e, u32 bytes, u32 own_id)
{
    if (e[0] == 0 && bytes >= 8) {
        madt_cpu(e[3], get32(e + 4), own_id);
    } else if (e[0] == 9 && bytes >= 16) {
        madt_cpu(get32(e + 4), get32(e + 8), own_id);
    } else if (e[0] == 1 && bytes >= 12 && machine.ioapics < 8) {
        machine.ioapic[machine.ioapics].base = get32(e + 4);
        machine.ioapic[machine.ioapics++].gsi = get32(e + 8);
    } else if (e[0] == 2 && bytes >= 10 && get32(e + 4) < HAL_IRQS) {
        /* 5.2.12.5: polarity 3 is low, trigger mode 3 is level. */
        u16 flags = get16(e + 8);
        machine.line[get32(e + 4)] = (u8)(((flags & 3) == 3 ? FB_IRQ_LOW : 0) |
                                          ((flags >> 2 & 3) == 3 ? FB_IRQ_LEVEL : 0));
    } else if (e[0] == 5 && bytes >= 12) {
        machine.apic_base = get64(e + 4);
    }
}

static void
madt_read(const u8 *madt, u32 own_id)
{
    u32 end = get32(madt + 4);
    if (end < 44)
        return;
    machine.apic_base = get32(madt + 36);
    for (u32 at = 44; at + 2 <= end; at += madt[at + 1]) {
        u32 bytes = madt[at + 1];
        if (bytes < 2 || at + bytes > end) {
            kerror("error: ACPI table APIC has an entry of %u bytes at %u: the rest is "
                   "ignored\n",
                   bytes, at);
            return;
        }
        madt_entry(madt + at, bytes, own_id);
    }
}

/* ---- FADT and DSDT: power (5.2.9, 16.1) ---- */

static struct register_at
get_register(const u8 *p)
{
    return (struct register_at){.space = p[0], .width = p[1], .address = get64(p + 4)};
}

static bool
aml_byte(const u8 **p, const u8 *end, u8 *out)
{
    if (*p >= end)
        return false;
    u8 op = *(*p)++;
    if (op == 0x00 || op == 0x01) { /* ZeroOp, OneOp */
        *out = op;
        return true;
    }
    if (op != 0x0a || *p >= end) /* BytePrefix */
        return false;
    *out = *(*p)++;
    return true;
}

/* Name(\_S5, Package(){ SLP_TYPa, SLP_TYPb, ... }) by its bytes: no interpreter
 * (ACPI 6.4, 20.2). */
static bool
dsdt_sleep(const u8 *dsdt)
{
    const u8 *end = dsdt + get32(dsdt + 4);
    for (const u8 *p = dsdt + HEAD_BYTES; p + 8 < end; p++) {
        if (p[0] != 0x08)
            continue;
        const u8 *q = p + 1 + (p[1] == '\\');
        if (__builtin_memcmp(q, "_S5_", 4) != 0 || q[4] != 0x12)
            continue;
        q += 5;
        q += 1 + (*q >> 6); /* PkgLength: 1 to 4 bytes */
        q += 1;             /* number of elements */
        if (aml_byte(&q, end, &machine.sleep_a)) {
            if (!aml_byte(&q, end, &machine.sleep_b))
                machine.sleep_b = machine.sleep_a;
            return true;
        }
    }
    return false;
}

static void
fadt_read(const u8 *fadt)
{
    u32 bytes = get32(fadt + 4);
    if (bytes < 116)
        return;
    u32 flags = get32(fadt + 112);
    machine.smi_port = (u16)get32(fadt + 48);
    machine.acpi_enable = fadt[52];
    machine.pm1a = (u16)get32(fadt + 64);
    machine.pm1b = (u16)get32(fadt + 68);
    machine.pm_timer = (u16)get32(fadt + 76);
    if ((flags & FADT_RESET) && bytes >= 129) {
        machine.reset = get_register(fadt + 116);
        machine.reset_value = fadt[128];
        machine.reset_valid = true;
    }
    if ((flags & FADT_REDUCED) && bytes >= 256) {
        machine.sleep = get_register(fadt + 244);
        machine.reduced = true;
        machine.pm_timer = 0;
    }
    u64 dsdt_at = bytes >= 148 ? get64(fadt + 140) : 0;
    const u8 *dsdt = table_at(dsdt_at != 0 ? dsdt_at : get32(fadt + 40), "DSDT");
    machine.sleep_valid = dsdt != NULL && dsdt_sleep(dsdt);
}

void
hal_boot_firmware(u64 rsdp_address)
{
    u32 own_id = cpuid(1, 0).b >> 24;
    cpu_count = 1;
    __builtin_memset(smp_by_apic_id, 0xff, sizeof(smp_by_apic_id));
    machine.apic_id[0] = (u8)own_id;
    smp_by_apic_id[own_id] = 0;
    for (u32 gsi = 16; gsi < HAL_IRQS; gsi++)
        machine.line[gsi] = FB_IRQ_LEVEL | FB_IRQ_LOW; /* ISA lines: edge, high */

    const u8 *rsdp = rsdp_find(rsdp_address);
    const u8 *madt = rsdp != NULL ? table_find(rsdp, "APIC") : NULL;
    const u8 *fadt = rsdp != NULL ? table_find(rsdp, "FACP") : NULL;
    if (fadt != NULL)
        fadt_read(fadt);
    if (madt != NULL) {
        madt_read(madt, own_id);
    } else {
        kerror("error: no usable ACPI table of CPUs: going on with one CPU\n");
        machine.ioapics = 1;
        machine.ioapic[0].base = 0xfec00000;
    }
    if (cpus_left_out != 0)
        kprintf("%u CPUs are left out: at most %u with APIC ids to 254 are used\n",
                cpus_left_out, FB_CPUS_MAX);
}
