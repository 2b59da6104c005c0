/* SPDX-License-Identifier: MIT */
/* Unit tests of core/format.c, string.c, cmdline.c, uio.c, random.c. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cmdline.h"
#include "core/digits.h"
#include "core/error.h"
#include "core/host/host.h"
#include "core/log.h"
#include "core/random.h"
#include "core/string.h"
#include "core/test/check.h"
#include "core/usercopy.h"

#define SHOWS(text, ...)                                                    \
    (format_text(buffer, sizeof(buffer), __VA_ARGS__) == strlen(text) &&    \
     strcmp(buffer, text) == 0)

/* Verify that each conversion gives what the C library would. */
static void
test_format_conversions(void)
{
    char buffer[128];
    const char *volatile none = NULL;
    CHECK(SHOWS("a 5 -7 x", "a %d %d %c", 5, -7, 'x'));
    CHECK(SHOWS("0000beef beef", "%08x %x", 0xbeef, 0xbeef));
    CHECK(SHOWS("  42|42  |-0042", "%4d|%-4d|%05d", 42, 42, -42));
    CHECK(SHOWS("18446744073709551615 -9223372036854775808", "%lu %ld", ~0ul,
                (long)(1ull << 63)));
    CHECK(SHOWS("hel|(null)|  abc|%", "%.3s|%s|%5s|%%", "hello", (const char *)none,
                "abc"));
    CHECK(SHOWS("0x1000 77 12", "%p %o %zu", (void *)4096, 63, (size_t)12));
}

/* Verify that a text that does not fit is cut, ended, and its whole length returned. */
static void
test_format_small_buffer_is_cut(void)
{
    char buffer[8] = "zzzzzzz";
    CHECK(format_text(buffer, 5, "%s", "abcdefgh") == 8 && strcmp(buffer, "abcd") == 0 &&
          buffer[5] == 'z');
    CHECK(format_text(NULL, 0, "%d", 123) == 3);
}

/* Verify that digits are the C library's, on both sides of each power, and that what is
 * written stays within what the header says. */
static void
test_digits_are_those_of_the_c_library(void)
{
    char wanted[32], all[DIGITS_DECIMAL_MAX], hex[DIGITS_HEX_ROOM + 1];
    for (u32 shift = 0; shift < 64; shift++) {
        for (u64 step = 0; step < 3; step++) {
            u64 v = (1ull << shift) - 1 + step;
            char *end = all + sizeof all, *at = digits_decimal(end, v);
            size_t length = (size_t)snprintf(wanted, sizeof wanted, "%lu", v);
            CHECK((size_t)(end - at) == length && memcmp(at, wanted, length) == 0);
            for (unsigned least = 1; least <= 16; least++) {
                hex[DIGITS_HEX_ROOM] = '!';
                end = digits_hex(hex, v, least);
                length = (size_t)snprintf(wanted, sizeof wanted, "%0*lx", (int)least, v);
                CHECK((size_t)(end - hex) == length && hex[DIGITS_HEX_ROOM] == '!' &&
                      memcmp(hex, wanted, length) == 0);
            }
        }
    }
    for (u64 v = 9; v < 1ull << 60; v = v * 10 + 9) {
        for (u64 n = v; n <= v + 1; n++) {
            char put[DIGITS_PUT_ROOM], *at = digits_decimal(all + sizeof all, n);
            CHECK((size_t)(digits_put(put, n) - put) == (size_t)(all + sizeof all - at) &&
                  memcmp(put, at, (size_t)(all + sizeof all - at)) == 0);
            int length = snprintf(wanted, sizeof wanted, "%lu", n);
            CHECK(memcmp(at, wanted, (size_t)length) == 0);
        }
    }
    CHECK(digits_decimal(all + sizeof all, ~0ull) == all); /* all of its room */
    for (u64 v = 0, n = 0; n < 400000; n++, v = n < 200000 ? n : v * 6364136223846793005ull + 1) {
        char put[DIGITS_PUT_ROOM];
        u64 small = n < 200000 ? v : v >> n % 64;
        *digits_put(put, small) = 0;
        snprintf(wanted, sizeof wanted, "%lu", small);
        CHECK(strcmp(put, wanted) == 0);
    }
}

/* Verify that numbers are parsed in each base, and overflow and rubbish are refused. */
static void
test_string_number_checks(void)
{
    u64 v;
    const char *end;
    CHECK(string_number("0x1f", 0, &v, NULL) && v == 31);
    CHECK(string_number("017", 0, &v, NULL) && v == 15);
    CHECK(string_number("18446744073709551615", 10, &v, NULL) && v == ~0ull);
    CHECK(!string_number("18446744073709551616", 10, &v, NULL));
    CHECK(!string_number("", 10, &v, NULL) && !string_number("12x", 10, &v, NULL));
    CHECK(string_number("12x", 10, &v, &end) && v == 12 && *end == 'x');
}

/* Verify that options are found whole, the last one wins, quotes hold blanks, and "--"
 * ends them. */
static void
test_cmdline_options(void)
{
    char value[16];
    i64 n;
    host_cmdline("  quiet panic=-1 a=1 a=\"two words\" init=/bin/sh -- panic=7");
    CHECK(cmdline_has("quiet") && !cmdline_has("quie") && !cmdline_has("ini"));
    CHECK(cmdline_number("panic", &n) && n == -1);
    CHECK(cmdline_value("a", value, sizeof(value)) == 9 && strcmp(value,
                                                                  "two words") == 0);
    CHECK(cmdline_value("init", value, 4) == 3 && strcmp(value, "/bi") == 0);
    CHECK(cmdline_value("none", value, sizeof(value)) == -E_NOENT);
    host_cmdline("feuer.seed=1");
}

/* Verify for each short length that any one byte that differs is seen, and none beyond. */
static void
test_bytes_equal_sees_each_byte(void)
{
    char a[40], b[40];
    for (size_t n = 0; n < sizeof(a); n++) {
        memset(a, 'a', sizeof(a));
        memset(b, 'a', sizeof(b));
        a[n] = 'x';
        CHECK(bytes_equal(a, b, n) && !bytes_equal(a, b, n + 1));
        for (size_t i = 0; i < n; i++) {
            b[i] = 'b';
            CHECK(!bytes_equal(a, b, n));
            b[i] = 'a';
        }
    }
}

/* Verify that bytes go through segments in order, stop at the end, and a fault is
 * reported. */
static void
test_uio_moves_through_segments(void)
{
    char a[4], b[1], c[8], out[16] = { 0 };
    struct uio_segment s[] = { { (u64)a, 4 }, { 0, 0 }, { (u64)b, 1 }, { (u64)c, 8 } };
    struct uio u = { .segment = s, .count = 4, .libos = true, .left = 13 };
    CHECK(uio_put(&u, "hello", 5) == 0 && u.left == 8);
    CHECK(uio_put(&u, " world", 6) == 0 && uio_put_zero(&u, 99) == 0 && u.left == 0);
    CHECK(memcmp(a, "hell", 4) == 0 && b[0] == 'o' && memcmp(c, " world\0\0", 8) == 0);
    struct uio_segment r[] = { { (u64)a, 4 }, { (u64)b, 1 } };
    u = (struct uio){ .segment = r, .count = 2, .libos = true, .left = 5 };
    CHECK(uio_get(&u, out, 16) == 0 && strcmp(out, "hello") == 0);
    static char memory[8192];
    host_user_memory(memory, sizeof(memory));
    uio_user(&u, (uaddr)memory + 100, 50);
    CHECK(uio_put(&u, "abc", 3) == 0 && memcmp(memory + 100, "abc", 3) == 0 &&
          u.left == 47);
    uio_user(&u, 16, 50);
    CHECK(uio_put(&u, "abc", 3) == -E_FAULT && u.left == 50);
    CHECK(copy_to_user(~0ull - 1, "abc", 3) == -E_FAULT);
}

/* Verify RFC 8439's stream properties that can be seen from outside: no repetition, the
 * same for a fixed seed. */
static void
test_random_repeats_only_with_the_seed(void)
{
    u8 a[200], b[200];
    random_init();
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    unsigned ones = 0;
    for (size_t i = 0; i < sizeof(a); i++)
        ones += (unsigned)__builtin_popcount(a[i]);
    CHECK(ones > 650 && ones < 950);
    CHECK(random_u64() != random_u64());
}

/* Verify that a name is found with its end and its hash wherever it lies, up to the last
 * byte before memory that is not there; that each byte counts in the hash, and that a copy
 * has each of them. */
static void
test_name_scan_at_each_place_then_as_name_hash(void)
{
    char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(two != MAP_FAILED && mprotect(two + 4096, 4096, PROT_NONE) == 0);
    for (size_t length = 0; length <= 255; length++) {
        for (size_t slack = 0; slack < 24; slack++) {
            char *name = two + 4096 - slack - 1 - length, copy[256];
            u64 hash, other;
            memset(two, '/', 4096);
            for (size_t i = 0; i < length; i++)
                name[i] = (char)(0x30 + (i * 7 + length) % 0xd0);
            name[length] = slack % 2 == 0 ? '\0' : '/';
            two[4095] = '\0';
            CHECK(name_scan(name, &hash) == name + length);
            CHECK(hash == name_hash(name, length));
            memset(copy, 1, sizeof copy);
            bytes_copy(copy, name, length);
            CHECK(memcmp(copy, name, length) == 0 && copy[length] == 1);
            for (size_t i = 0; i < length; i++) {
                copy[i] ^= 1;
                other = name_hash(copy, length);
                copy[i] ^= 1;
                CHECK(other != hash);
            }
        }
    }
    munmap(two, 8192);
}

/* How many of 65536 buckets do these hashes fall into? */
static unsigned
buckets_of(const u64 *hash, unsigned n)
{
    static u8 seen[65536];
    unsigned found = 0;
    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < n; i++) {
        u8 *s = &seen[hash[i] & 0xffff];
        found += *s == 0;
        *s = 1;
    }
    return found;
}

/* What x was multiplied by an odd number to. */
static u64
divide(u64 x, u64 factor)
{
    u64 inverse = factor;
    for (int i = 0; i < 6; i++)
        inverse *= 2 - factor * inverse;
    return x * inverse;
}

/* Verify that names which fall together with factors that are known, because they were
 * computed back from one bucket, do not with others; and that changes of a word that the
 * next word takes back do not cancel. */
static void
test_name_hash_when_factors_are_secret_then_names_cannot_be_chosen(void)
{
    static u64 word[4096], hash[4096];
    const u64 known[2] = { name_hash_factor[0], name_hash_factor[1] };
    for (unsigned i = 0; i < 4096; i++) {
        u64 h = (u64)i << 40 | 0x1234;
        h = divide(h ^ h >> 32, known[1]);
        word[i] = divide(h ^ h >> 32, known[0]);
        hash[i] = name_hash((const char *)&word[i], 8);
    }
    CHECK(buckets_of(hash, 4096) == 1);
    for (int round = 0; round < 20; round++) {
        name_hash_init();
        for (unsigned i = 0; i < 4096; i++)
            hash[i] = name_hash((const char *)&word[i], 8);
        CHECK(buckets_of(hash, 4096) > 3600);
        for (unsigned i = 0; i < 4096; i++) {
            u64 name[24];
            for (unsigned k = 0; k < 24; k++)
                name[k] = 0x6161616161616161ull;
            for (unsigned k = 0; k < 12; k++) {
                name[2 * k] ^= (u64)(i >> k & 1) << 63;
                name[2 * k + 1] ^= (i >> k & 1) != 0 ? 1ull << 63 | 1u << 31 : 0;
            }
            hash[i] = name_hash((const char *)name, sizeof name);
        }
        CHECK(buckets_of(hash, 4096) > 3600);
    }
    name_hash_factor[0] = known[0];
    name_hash_factor[1] = known[1];
}

int
main(void)
{
    host_init(8);
    RUN(test_format_conversions);
    RUN(test_format_small_buffer_is_cut);
    RUN(test_digits_are_those_of_the_c_library);
    RUN(test_string_number_checks);
    RUN(test_cmdline_options);
    RUN(test_bytes_equal_sees_each_byte);
    RUN(test_name_scan_at_each_place_then_as_name_hash);
    RUN(test_name_hash_when_factors_are_secret_then_names_cannot_be_chosen);
    RUN(test_uio_moves_through_segments);
    RUN(test_random_repeats_only_with_the_seed);
    DONE();
}
