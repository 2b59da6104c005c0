/* SPDX-License-Identifier: MIT */
/*
 * Host test of acpi.c.  A set of tables is laid out right before an inaccessible page, so
 * that a read beyond them is a fault; then every byte of every table is damaged in turn,
 * with and without repairing the checksum. (Contained means: within the memory that the
 * tables' own lengths and addresses name.)
 */
#include "base/panic.h"
#include "hal/x86_64/x86.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

u64 physmap_base;
u32 cpu_count;
static int failures;
static unsigned errors;
static u8 *memory; /* physical 0 */

#define CHECK(c)                                                                         \
    ((c) ? (void)0 : (void)(failures++, printf("# %s:%d: %s\n", __FILE__, __LINE__, #c)))
#define TOP        0x100000u /* what lies from here on is not accessible */
#define MADT_BYTES (44u + 3 * 8 + 12 + 10)
#define FADT_BYTES 268u
#define DSDT_BYTES 64u
#define XSDT_BYTES (36u + 2 * 8)
#define DSDT_AT    (TOP - DSDT_BYTES)
#define FADT_AT    (DSDT_AT - FADT_BYTES)
#define MADT_AT    (FADT_AT - MADT_BYTES)
#define XSDT_AT    (MADT_AT - XSDT_BYTES)
#define RSDP_AT    0xf0000u

void
kerror(const char *format, ...)
{
    (void)format;
    errors++;
}

void
kprintf(const char *format, ...)
{
    (void)format;
}

static void
put(u32 at, u64 value, unsigned bytes)
{
    memcpy(memory + at, &value, bytes);
}

static void
repair(u32 at, u32 bytes, u32 sum_at)
{
    u8 sum = 0;
    memory[at + sum_at] = 0;
    for (u32 i = 0; i < bytes; i++)
        sum = (u8)(sum + memory[at + i]);
    memory[at + sum_at] = (u8)-sum;
}

static void
head(u32 at, const char *signature, u32 bytes)
{
    memset(memory + at, 0, bytes);
    memcpy(memory + at, signature, 4);
    put(at + 4, bytes, 4);
}

static void
lay_out(u32 own)
{
    memset(memory + RSDP_AT, 0, 36);
    memcpy(memory + RSDP_AT, "RSD PTR ", 8);
    memory[RSDP_AT + 15] = 2;
    put(RSDP_AT + 20, 36, 4);
    put(RSDP_AT + 24, XSDT_AT, 8);
    repair(RSDP_AT, 20, 8);
    repair(RSDP_AT, 36, 32);

    head(XSDT_AT, "XSDT", XSDT_BYTES);
    put(XSDT_AT + 36, FADT_AT, 8);
    put(XSDT_AT + 44, MADT_AT, 8);
    repair(XSDT_AT, XSDT_BYTES, 9);

    head(MADT_AT, "APIC", MADT_BYTES);
    put(MADT_AT + 36, 0xfee00000, 4);
    u32 at = MADT_AT + 44;
    for (u32 i = 0; i < 3; i++, at += 8) {
        put(at, 0x0800, 2);
        memory[at + 3] = (u8)(own + i);
        memory[at + 4] = i < 2; /* the third is disabled */
    }
    put(at, 0x0c01, 2);
    put(at + 4, 0xfec00000, 4);
    at += 12;
    put(at, 0x0a02, 2);
    put(at + 4, 9, 4);
    put(at + 8, 0xf, 2); /* low, level */
    repair(MADT_AT, MADT_BYTES, 9);

    head(FADT_AT, "FACP", FADT_BYTES);
    put(FADT_AT + 40, DSDT_AT, 4);
    put(FADT_AT + 64, 0x604, 4);
    put(FADT_AT + 112, 1u << 10, 4);
    memory[FADT_AT + 116] = 1;
    put(FADT_AT + 120, 0xcf9, 8);
    memory[FADT_AT + 128] = 0xf;
    repair(FADT_AT, FADT_BYTES, 9);

    head(DSDT_AT, "DSDT", DSDT_BYTES);
    memcpy(memory + DSDT_AT + 50, "\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05\x00\x00", 14);
    repair(DSDT_AT, DSDT_BYTES, 9);
}

/* Is the page behind the tables accessible?  A damaged length or address may lead there
 * by right. */
static void
guard(bool on)
{
    CHECK(mprotect(memory + TOP, 65536, on ? PROT_NONE : PROT_READ) == 0);
}

static void
read_again(void)
{
    memset(&machine, 0, sizeof(machine));
    errors = 0;
    hal_boot_firmware(RSDP_AT);
    CHECK(cpu_count >= 1 && cpu_count <= FB_CPUS_MAX);
    CHECK(machine.ioapics <= 8);
}

/* Verify that correct tables are read. */
static void
test_acpi_when_correct_then_read(u32 own)
{
    lay_out(own);
    read_again();
    CHECK(errors == 0);
    CHECK(cpu_count == 2 && machine.apic_id[0] == own &&
          machine.apic_id[1] == (u8)(own + 1));
    CHECK(machine.ioapics == 1 && machine.ioapic[0].base == 0xfec00000 &&
          machine.apic_base == 0xfee00000);
    CHECK(machine.line[9] == (FB_IRQ_LOW | FB_IRQ_LEVEL) && machine.line[4] == 0);
    CHECK(machine.pm1a == 0x604 && machine.sleep_valid && machine.sleep_a == 5 &&
          machine.sleep_b == 5);
    CHECK(machine.reset_valid && machine.reset.address == 0xcf9 &&
          machine.reset_value == 0xf);
}

/* Verify that no damaged byte makes the reader leave the tables, and that a wrong
 * checksum is noticed. */
static void
test_acpi_when_damaged_then_contained(u32 own)
{
    static const u8 flips[] = { 0x01, 0x80, 0xff, 0x10 };
    static const struct {
        u32 at, bytes;
    } tables[] = { { XSDT_AT, XSDT_BYTES },
                   { MADT_AT, MADT_BYTES },
                   { FADT_AT, FADT_BYTES },
                   { DSDT_AT, DSDT_BYTES } };
    for (unsigned t = 0; t < 4; t++)
        for (u32 i = 0; i < tables[t].bytes; i++)
            for (unsigned f = 0; f < sizeof(flips); f++) {
                lay_out(own);
                memory[tables[t].at + i] ^= flips[f];
                guard(i >= 8);
                read_again();
                /* A damaged signature or length may hide the table; else the sum is
                 * wrong. */
                CHECK(errors != 0 || i < 8);
                guard(i >= 8 && (t == 1 || t == 3));
                repair(tables[t].at, tables[t].bytes, 9);
                read_again();
            }
}

/* Verify that a machine without tables has one CPU. */
static void
test_acpi_when_absent_then_one_cpu(u32 own)
{
    guard(true);
    lay_out(own);
    memory[RSDP_AT] = 'X';
    read_again();
    CHECK(cpu_count == 1 && errors == 1 && machine.ioapics == 1);
}

int
main(void)
{
    u32 own = cpuid(1, 0).b >> 24;
    /* The whole range below 4 GiB is reserved; a table's address may lead anywhere in it.
     */
    memory = mmap(NULL, HAL_EARLY_LIMIT, PROT_READ,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, TOP, PROT_READ | PROT_WRITE) != 0) {
        perror("mmap");
        return 1;
    }
    physmap_base = (u64)memory;
    guard(true);
    own = own > 200 ? 200 : own;
    if (own == cpuid(1, 0).b >> 24)
        test_acpi_when_correct_then_read(own);
    test_acpi_when_damaged_then_contained(own);
    test_acpi_when_absent_then_one_cpu(own);
    printf("%s test_acpi\n", failures == 0 ? "ok" : "FAILED");
    return failures != 0;
}
