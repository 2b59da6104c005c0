/* SPDX-License-Identifier: MIT */
/* The manifest's parser: what it accepts, and that each mistake is named with its line.
 */
#include "steward/manifest.h"

#include <stdio.h>
#include <stdlib.h>

static struct manifest m;
static char error[128];
static int failures;

static bool
parse(const char *text)
{
    error[0] = '\0';
    return manifest_parse(text, strlen(text), &m, error, sizeof(error));
}

static void
check(bool good, const char *name)
{
    printf("%s - %s\n", good ? "ok" : "not ok", name);
    if (!good)
        printf("# %s\n", error);
    failures += !good;
}

/* Verify that a mistake is refused, with its line and a word of the reason. */
static void
refuses(const char *text, const char *line, const char *reason, const char *name)
{
    bool good = !parse(text) && __builtin_strstr(error, line) != NULL &&
                __builtin_strstr(error, reason) != NULL;
    check(good, name);
}

static void
test_whole(void)
{
    bool good = parse("# two instances\ninstance a\n  memory 64M\n  cpus 0,2\n gate "
                      "direct # fast\n devices com1 power\n"
                      "  args x=1 y\n  initrd yes\n  on-end power\ninstance b\n "
                      "personality fuzz\n slots 64\n slice 500\n");
    good = good && m.count == 2 && m.instance[0].memory == 64u << 20 &&
           m.instance[0].cpus == 5 && m.instance[0].gate == FB_GATE_DIRECT &&
           m.instance[0].devices == (DEVICE_COM1 | DEVICE_POWER) &&
           strcmp(m.instance[0].args, "x=1 y") == 0 && m.instance[0].initrd &&
           m.instance[0].on_end == ON_END_POWER && m.instance[1].memory == MEMORY_ALL &&
           strcmp(m.instance[1].personality, "fuzz") == 0 && m.instance[1].slots == 64 &&
           m.instance[1].slice_us == 500;
    check(good, "test_parse_when_all_settings_then_read");
}

/* Verify that a share names two instances, wherever they stand, and that mistakes are
 * told. */
static void
test_shares(void)
{
    bool good = parse("instance a\n memory 4M\n share x 16 with b\n share y 2 with b\n"
                      "instance b\n memory 4M\n share z 4 with a\n");
    good = good && m.nshares == 3 && strcmp(m.share[0].name, "x") == 0 &&
           m.share[0].pages == 16 && m.share[0].side[0] == 0 && m.share[0].side[1] == 1 &&
           m.share[2].side[0] == 1 && m.share[2].side[1] == 0;
    check(good, "test_share_when_other_stands_below_then_found");
    refuses("instance a\n share x 16 with b\n", "line 2", "not there",
            "test_share_when_other_is_missing_then_refused");
    refuses("instance a\n share x 16 with a\n", "line 2", "itself",
            "test_share_when_with_itself_then_refused");
    refuses("instance a\n share x 16 b\n", "line 2", "PAGES with",
            "test_share_when_with_is_missing_then_refused");
    refuses("instance a\n share x 3 with b\n", "line 2", "even",
            "test_share_when_pages_are_odd_then_refused");
    refuses("instance a\n share x 450 with b\n", "line 2", "even",
            "test_share_when_large_then_refused");
    refuses(
        "instance a\n memory 4M\n share x 400 with b\n share y 50 with b\ninstance b\n",
        "line", "448", "test_share_when_all_are_large_then_refused");
    refuses("instance a\n memory 4M\n share x 2 with b\n share x 2 with b\ninstance b\n",
            "line", "this name", "test_share_when_name_twice_then_refused");
    refuses("share x 2 with b\n", "line 1", "before the first",
            "test_share_when_no_instance_then_refused");
}

/* Verify that no text, however damaged, is read beyond its end (the sanitizers watch). */
static void
test_noise(void)
{
    static const char *const words[] = { "instance",
                                         "a",
                                         "share",
                                         "with",
                                         "memory",
                                         "64M",
                                         "cpus",
                                         "all",
                                         "1,2",
                                         "\n",
                                         "\n",
                                         "#",
                                         "gate",
                                         "views",
                                         "devices",
                                         "com1",
                                         "args",
                                         "\t",
                                         "18446744073709551616",
                                         "slots",
                                         "-" };
    srand(1);
    for (int i = 0; i < 20000; i++) {
        char text[256];
        size_t n = 0;
        while (n < 200) {
            const char *w = words[(size_t)rand() % (sizeof(words) / sizeof(words[0]))];
            size_t length = strlen(w);
            memcpy(text + n, w, length);
            n += length;
            text[n++] = rand() % 9 ? ' ' : (char)rand();
        }
        char *exact = malloc(n);
        memcpy(exact, text, n);
        manifest_parse(exact, n, &m, error, sizeof(error));
        free(exact);
    }
    check(true, "test_parse_when_noise_then_returns");
}

int
main(void)
{
    test_whole();
    test_shares();
    test_noise();
    refuses("", "line 0", "no instance", "test_parse_when_empty_then_refused");
    refuses("memory 4M\n", "line 1", "before the first",
            "test_parse_when_no_instance_then_refused");
    refuses("instance a\n\n memory 1M\n", "line 3", "at least 4M",
            "test_parse_when_memory_small_then_refused");
    refuses("instance a\n memory 64M\n chunk 3M\n chunks 2\n", "line 3", "multiple of 2M",
            "test_parse_when_chunk_odd_then_refused");
    refuses("instance a\n memory 64M\n chunk 2M\n", "line", "go together",
            "test_parse_when_chunk_without_count_then_refused");
    refuses("instance a\n memory 16M\n chunk 2M\n chunks 7\n", "line", "in no chunk",
            "test_parse_when_all_in_chunks_then_refused");
    refuses("instance a\n memory 16M\n chunk 2M\n chunks 65\n", "line 4", "at most 64",
            "test_parse_when_many_chunks_then_refused");
    refuses("instance a\n memory 99999999999999999999G\n", "line 2", "memory",
            "test_parse_when_memory_wraps_then_refused");
    refuses("instance a\n cpus 32\n", "line 2", "below 32",
            "test_parse_when_cpu_large_then_refused");
    refuses("instance a\n cpus 1,\n", "line 2", "commas",
            "test_parse_when_cpu_list_open_then_refused");
    refuses("instance a\n gate ajar\n", "line 2", "ajar",
            "test_parse_when_gate_unknown_then_refused");
    refuses("instance a\n gate\n", "line 2", "missing",
            "test_parse_when_value_missing_then_refused");
    refuses("instance a\n gate views direct\n", "line 2", "enough",
            "test_parse_when_two_values_then_refused");
    refuses("instance a\n devices com3\n", "line 2", "com3",
            "test_parse_when_device_unknown_then_refused");
    refuses("instance a\ninstance a\n", "line 2", "already",
            "test_parse_when_name_twice_then_refused");
    refuses("instance abcdefghijklmnop\n", "line 1", "15",
            "test_parse_when_name_long_then_refused");
    refuses("instance a\n slots 63\n", "line 2", "slots",
            "test_parse_when_slots_few_then_refused");
    refuses("instance a\n slice 9\n", "line 2", "slice",
            "test_parse_when_slice_short_then_refused");
    refuses("instance a\n colour red\n", "line 2", "colour",
            "test_parse_when_setting_unknown_then_refused");
    refuses("instance a\ninstance b\n", "line 2", "memory all",
            "test_parse_when_two_take_all_then_refused");
    refuses("instance a\n initrd yes\ninstance b\n memory 8M\n initrd yes\n", "line 5",
            "initrd", "test_parse_when_two_initrds_then_refused");
    refuses("instance a\n restart sometimes\n", "line 2", "sometimes",
            "test_parse_when_policy_unknown_then_refused");
    refuses("instance a\n restart never 3\n", "line 2", "nothing behind",
            "test_parse_when_never_has_limit_then_refused");
    refuses("instance a\n restart always many\n", "line 2", "how often",
            "test_parse_when_limit_no_number_then_refused");
    refuses("instance a\n restart always 3 9999999\n", "line 2", "delay",
            "test_parse_when_delay_large_then_refused");
    refuses("instance a\n root x\n initrd yes\n", "line 3", "exclude",
            "test_parse_when_two_roots_then_refused");
    refuses("instance a\n devices com1\ninstance b\n memory 8M\n devices com1\n", "line 5",
            "com1", "test_parse_when_two_terminals_then_refused");
    refuses("instance steward\n", "line 1", "steward",
            "test_parse_when_named_steward_then_refused");
    refuses("instance a\n root "
            "0123456789012345678901234567890123456789012\n",
            "line 2", "42", "test_parse_when_root_long_then_refused");
    check(parse("instance a\n root shell\n restart on-failure 3 50\n on-end power\n") &&
              strcmp(m.instance[0].root, "shell") == 0 &&
              m.instance[0].restart == RESTART_ON_FAILURE &&
              m.instance[0].restart_limit == 3 && m.instance[0].restart_ms == 50 &&
              m.instance[0].on_end == ON_END_POWER,
          "test_parse_when_restart_then_limit_and_delay");
    check(parse("instance a\n on-end restart\n") &&
              m.instance[0].restart == RESTART_ALWAYS && m.instance[0].restart_ms == 0 &&
              m.instance[0].restart_limit == 0,
          "test_parse_when_on_end_restart_then_always_at_once");
    return failures != 0;
}
