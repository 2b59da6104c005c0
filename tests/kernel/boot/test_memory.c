/* SPDX-License-Identifier: MIT */
/* Host test of boot/memory.c and of the command line in boot/pvh.c: sets of ranges
 * against a bitmap, and boot_frames. */
#include "base/cpu.h"
#include "base/panic.h"
#include "boot/boot.h"
#include "boot/pvh.h"
#include "frame/frame.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 1024u

static struct fb_boot info;
struct fb_boot *boot_info = &info;
static struct fb_record page;
struct fb_record *record = &page;
u64 physmap_base;
bool print_quiet;
long panic_timeout;
const u8 image_start[1], data_end[1], image_end[1];
static jmp_buf panicked;
static int failures;

#define CHECK(c)                                                                         \
    ((c) ? (void)0 : (void)(failures++, printf("# %s:%d: %s\n", __FILE__, __LINE__, #c)))

NORETURN void
panic(const char *format, ...)
{
    (void)format;
    longjmp(panicked, 1);
}

void
kerror(const char *format, ...)
{
    (void)format;
}

u64
frame_records_bytes(u64 frames)
{
    return frames * 16;
}

void
frame_init(void *memory, u64 frames)
{
    (void)memory, (void)frames;
}

void
frame_boot_type(frame_t lo, frame_t hi, enum fb_frame_type type)
{
    (void)lo, (void)hi, (void)type;
}

static void
compare(const struct range_set *set, const bool *bits)
{
    bool seen[FRAMES] = { false };
    for (unsigned i = 0; i < set->n; i++) {
        CHECK(set->range[i].lo < set->range[i].hi);
        CHECK(i == 0 || set->range[i - 1].hi < set->range[i].lo ||
              !bits[set->range[i].lo - 1] || set->range[i - 1].hi <= set->range[i].lo);
        for (u64 f = set->range[i].lo; f < set->range[i].hi; f++)
            seen[f] = true;
    }
    CHECK(memcmp(seen, bits, sizeof(seen)) == 0);
}

/* Verify that a set of ranges equals a bitmap after any sequence of adding and removing.
 */
static void
test_ranges_when_added_and_removed_then_like_bitmap(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        struct range_set set = { 0 };
        bool bits[FRAMES] = { false };
        for (unsigned step = 0; step < 24; step++) {
            u64 lo = (u64)rand() % FRAMES, hi = lo + (u64)rand() % 100;
            bool add = rand() % 3 != 0;
            hi = hi > FRAMES ? FRAMES : hi;
            for (u64 f = lo; f < hi; f++)
                bits[f] = add;
            if (add)
                range_add(&set, lo, hi);
            else
                range_remove(&set, lo, hi);
            compare(&set, bits);
        }
    }
}

/* Verify that the set stays sound when it is full: what does not fit is lost, nothing is
 * invented. */
static void
test_ranges_when_full_then_sound(void)
{
    struct range_set set = { 0 };
    for (u64 i = 0; i < 2 * FB_BOOT_RANGES; i++)
        range_add(&set, i * 4, i * 4 + 2);
    CHECK(set.n == FB_BOOT_RANGES);
    range_remove(&set, 1, 2);
    range_remove(&set, 0, 4 * FRAMES);
    CHECK(set.n == 0);
}

/* Verify that boot_frames gives distinct, aligned, zeroed frames of the free ranges, and
 * panics when there are none. */
static void
test_boot_frames_when_called_then_distinct(void)
{
    static u8 memory[64 * PAGE_SIZE] __attribute__((aligned(65536)));
    static bool used[64];
    static unsigned got;
    physmap_base = (u64)memory;
    memset(memory, 0xaa, sizeof(memory));
    info.nfree = 2;
    info.free[0] = (struct fb_range){ 3, 20 };
    info.free[1] = (struct fb_range){ 33, 61 };
    if (setjmp(panicked) == 0)
        for (;; got++) {
            u64 align = got % 3 == 0 ? 2 : 1, n = got % 3 == 0 ? 2 : 1;
            frame_t f = boot_frames(n, align);
            CHECK(f % align == 0);
            for (u64 i = f; i < f + n; i++) {
                CHECK(((i >= 3 && i < 20) || (i >= 33 && i < 61)) && !used[i]);
                CHECK(memory[i * PAGE_SIZE] == 0 &&
                      memory[i * PAGE_SIZE + PAGE_SIZE - 1] == 0);
                used[i] = true;
            }
        }
    CHECK(got > 28);
    CHECK(memory[2 * PAGE_SIZE] == 0xaa && memory[20 * PAGE_SIZE] == 0xaa &&
          memory[61 * PAGE_SIZE] == 0xaa);
}

/* Verify that the words that the kernel obeys are found as whole words, and others are
 * not. */
static void
test_cmdline_when_parsed_then_words(void)
{
    cmdline_parse("quietly xquiet a=quiet panic=x");
    CHECK(!print_quiet && panic_timeout == 0);
    cmdline_parse("  panic=-1   quiet");
    CHECK(print_quiet && panic_timeout == -1);
    cmdline_parse("panic=99999999999999999999");
    CHECK(panic_timeout > 0);
    cmdline_parse("");
    cmdline_parse("panic=");
}

int
main(void)
{
    test_ranges_when_added_and_removed_then_like_bitmap();
    test_ranges_when_full_then_sound();
    test_boot_frames_when_called_then_distinct();
    test_cmdline_when_parsed_then_words();
    printf("%s test_memory\n", failures == 0 ? "ok" : "FAILED");
    return failures != 0;
}
