/* SPDX-License-Identifier: MIT */
/* The control port: requests and replies over the rings, as an instance sees them. */
#include "steward/test/standin.h"

#include <stdio.h>

static int failures;
static char reply[65536];
static size_t bytes;

static void
check(bool good, const char *name)
{
    printf("%s - %s\n", good ? "ok" : "not ok", name);
    if (!good)
        printf("# %.200s\n", reply);
    failures += !good;
}

/* Send a line with a tag, and take the reply, of which the ring holds only a part. */
static bool
ask(const char *line, u32 tag)
{
    size_t length = __builtin_strlen(line);
    char piece[PACKET_BYTES];
    u64 count, word = 0;

    bytes = 0;
    for (size_t at = 0; at < length; at += PACKET_BYTES)
        if (!packet_send(&standin_requests, line + at, length - at,
                         at + PACKET_BYTES >= length ? PACKET_END : 0, tag))
            return false;
    for (u32 turn = 0; turn < 10000; turn++) {
        control_drain(&instances[0]);
        while ((word = packet_receive(&standin_replies, piece, &count)) != 0) {
            if (PACKET_TAG(word) != tag)
                return false;
            __builtin_memcpy(reply + bytes, piece, count);
            bytes += count;
            reply[bytes] = '\0';
            if (word & PACKET_END)
                return true;
        }
    }
    return false;
}

static bool
says(const char *line, const char *text)
{
    return ask(line, 7) && __builtin_strstr(reply, text) != NULL;
}

int
main(void)
{
    standin_start();
    check(ask("list", 1) && __builtin_strcmp(reply, "ok\na\tup\nb\tup\n") == 0,
          "test_request_when_list_then_answered");
    check(ask("top", 0x7fffffff) && bytes > 8192 && bytes <= 32768,
          "test_reply_when_longer_than_the_ring_then_all_of_it_or_cut");
    check(ask("log steward", 2) && bytes == 3 + LOG_BYTES && reply[3] == 'a',
          "test_log_when_steward_then_whole");
    check(says("log nobody", "error: there is no instance: nobody"),
          "test_request_when_name_unknown_then_error");
    check(says("dance", "error: no such request"), "test_request_when_unknown_then_error");
    check(says("stop", "error: the wrong number"), "test_request_when_short_then_error");
    check(says("list a", "error: no such request"), "test_list_when_word_behind_then_error");
    check(says("stop b 9999999999", "error: the time to stop"),
          "test_stop_when_time_large_then_error");
    check(says("start b", "error: b is up"), "test_start_when_refused_then_reason");
    check(says("reclaim b 5", "error: how much"), "test_reclaim_when_no_unit_then_error");
    check(says("reclaim b 5M 10 nobody", "error: there is no instance: nobody"),
          "test_reclaim_when_receiver_unknown_then_error");
    check(says("reclaim b 50% 10 a", "ok\n"), "test_reclaim_when_right_then_asked");
    check(says("caps b 77", "b\t77"), "test_caps_when_slot_given_then_from_there");
    char longest[400];
    __builtin_memset(longest, 'x', sizeof(longest));
    longest[300] = '\0';
    check(says(longest, "error: a request has at most"), "test_request_when_long_then_error");
    check(says("stop a\001b", "error: there is no instance: a?b"),
          "test_request_when_unprintable_then_shown_as_marks");
    return failures != 0;
}
