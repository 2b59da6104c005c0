/* SPDX-License-Identifier: MIT */
/*
 * The control port against an instance that writes anything, anywhere in the shared pages,
 * at any time between the steward's steps.  The sanitizers watch that nothing outside is
 * touched; a turn of the steward's must be bounded.
 *
 * usage: fuzz_control [ROUNDS [SEED]]
 */
#include "steward/test/standin.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const words[] = { "list", "top",    "log",     "stop", "kill",  "start",
                                     "caps", "reclaim", "console", "a",    "b",     "steward",
                                     "50%",  "16M",    "1000",    "",     "\001~", "x" };

static void
send_some(void)
{
    char line[300];
    size_t n = 0;

    for (int k = rand() % 8, first = k; k >= 0 && n < 250; k--) {
        size_t at = (size_t)rand() % (sizeof(words) / sizeof(words[0]));
        /* Most lines begin with a verb, and a name behind it. */
        at = rand() % 4 ? k == first ? at % 9 : k == first - 1 ? 9 + at % 3 : at : at;
        const char *w = words[at];
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%s ", w);
    }
    for (size_t at = 0; at < n; at += PACKET_BYTES)
        if (!packet_send(&standin_requests, line + at, n - at,
                         rand() % 32 && at + PACKET_BYTES < n ? 0 : PACKET_END,
                         (u32)rand()))
            break;
}

static void
scribble(void)
{
    for (int k = rand() % 64; k > 0; k--) {
        size_t at = (size_t)rand() % (PORT_BYTES / 8);
        u64 value = rand() % 3 ? (u64)rand() << 33 ^ (u64)rand() : rand() % 2 ? ~0ull : 0;
        ((u64 *)(void *)standin_port)[at] = value;
    }
}

int
main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    u64 packets = 0, count;
    char piece[PACKET_BYTES];

    srand(argc > 2 ? (unsigned)atoi(argv[2]) : 1);
    standin_start();
    for (int n = 0; n < rounds; n++) {
        switch (rand() % 4) {
        case 0: scribble(); break;
        case 1: send_some(); break;
        case 2:
            for (int k = rand() % 200; k > 0; k--)
                packets += packet_receive(&standin_replies, piece, &count) != 0;
            break;
        default: control_drain(&instances[0]); break;
        }
        if (n % 100 == 99)
            standin_start(); /* a new instance: whatever was broken is whole */
    }
    bool good = standin_calls > 0 && packets > 0;
    printf("%s - fuzz_control: %d rounds, %u calls, %lu packets\n", good ? "ok" : "not ok",
           rounds, standin_calls, (unsigned long)packets);
    return !good;
}
