/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of core/arch/x86_64/memory.S: what is copied and cleared, and that no vector
 * register is another one afterwards (W1), whatever the processor has of them.
 */
#include <string.h>

#include "core/test/check.h"
#include "core/types.h"

#define REGISTERS 16
#define BYTES_MAX 9000

/* wide.S */
extern u32 memory_wide;
void *wide_memcpy(void *to, const void *from, size_t bytes);
void wide_page_clear(void *page);
/* `memset` with the arguments in the order of the copies: the byte is the low one of `from` */
void wide_memset(void *to, const void *byte, size_t bytes);
size_t usercopy_exact(void *to, const void *from, size_t bytes);
typedef void call_fn(void *fn, void *to, const void *from, size_t bytes, void *regs);
call_fn call_ymm, call_zmm;

static u8 from[BYTES_MAX + 64], to[BYTES_MAX + 64];
static _Alignas(4096) u8 page[4096];
static const size_t sizes[] = { 0,   1,   2,   7,   8,   9,   15,   16,   17,   63,   64,  503,
                                504, 511, 512, 520, 767, 768, 1000, 4096, 4099, 8192, BYTES_MAX };

static void
fill(u8 *at, size_t bytes, u8 seed)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (u8)(i * 37 + seed);
}

/* Registers of `width` bytes, by the call that loads and stores them. */
static void
check_registers(call_fn *call, size_t width)
{
    u8 regs[REGISTERS * 64], before[sizeof regs];
    void *const copies[] = { (void *)wide_memcpy, (void *)usercopy_exact };
    fill(before, sizeof before, 11);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int f = 0; f < 2; f++) {
            memcpy(regs, before, sizeof regs);
            fill(from, sizeof from, (u8)i);
            memset(to, 0xee, sizeof to);
            call(copies[f], to + 3, from + 1, sizes[i], regs);
            CHECK(memcmp(to + 3, from + 1, sizes[i]) == 0);
            CHECK(to[2] == 0xee && to[3 + sizes[i]] == 0xee);
            CHECK(memcmp(regs, before, REGISTERS * width) == 0);
        }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uintptr_t byte = 0; byte < 2; byte++) {
            memcpy(regs, before, sizeof regs);
            memset(to, 0xee, sizeof to);
            call((void *)wide_memset, to + 3, (void *)(byte * 0x5a), sizes[i], regs);
            for (size_t k = 0; k < sizes[i]; k++)
                CHECK(to[3 + k] == byte * 0x5a);
            CHECK(to[2] == 0xee && to[3 + sizes[i]] == 0xee);
            CHECK(memcmp(regs, before, REGISTERS * width) == 0);
        }
    memset(page, 0xee, sizeof page);
    memcpy(regs, before, sizeof regs);
    call((void *)wide_page_clear, page, NULL, 0, regs);
    for (size_t i = 0; i < sizeof page; i++)
        CHECK(page[i] == 0);
    CHECK(memcmp(regs, before, REGISTERS * width) == 0);
}

/* Verify that copies keep all 256 bits of the registers. */
static void
test_copy_when_ymm_in_use_then_kept(void)
{
    if (!__builtin_cpu_supports("avx")) {
        printf("# no AVX here\n");
        return;
    }
    for (memory_wide = 0; memory_wide <= 2; memory_wide++)
        if (memory_wide != 2 || __builtin_cpu_supports("avx512f"))
            check_registers(call_ymm, 32); /* who has AVX-512 has XINUSE */
}

/* Verify that copies keep all 512 bits where the program has filled them. */
static void
test_copy_when_zmm_in_use_then_kept(void)
{
    if (!__builtin_cpu_supports("avx512f")) {
        printf("# no AVX-512 here\n");
        return;
    }
    memory_wide = 2;
    check_registers(call_zmm, 64);
}

int
main(void)
{
    RUN(test_copy_when_ymm_in_use_then_kept);
    RUN(test_copy_when_zmm_in_use_then_kept);
    DONE();
}
