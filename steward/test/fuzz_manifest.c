/* SPDX-License-Identifier: MIT */
/*
 * The manifest's parser on damaged manifests: whatever it accepts must be within the
 * limits that the steward relies on, and what it refuses has a reason with a line number.
 *
 * usage: fuzz_manifest [ROUNDS [SEED]]
 */
#include "steward/manifest.h"

#include <stdio.h>
#include <stdlib.h>

static struct manifest m;
static char error[128];
static const char *const lines[] = {
    "instance a\n", "instance b\n", "instance c\n", " memory 8M\n", " memory all\n",
    " memory 64M\n", " cpus 0,1\n", " cpus all\n", " gate direct\n", " slots 64\n",
    " slice 500\n", " devices com1 control\n", " devices com2 domains\n", " initrd yes\n",
    " root shell\n", " root initrd\n", " args init=/bin/sh -- -c x\n", " restart never\n",
    " restart always 3 50\n", " restart on-failure 0\n", " on-end power\n",
    " on-end restart\n", " on-end keep\n", " chunk 2M\n", " chunks 2\n", "# note\n",
    " share x 2 with b\n"
};

static void
within_limits(void)
{
    bool good = m.count >= 1 && m.count <= MANIFEST_INSTANCES;

    for (u32 k = 0; good && k < m.count; k++) {
        const struct manifest_instance *i = &m.instance[k];
        good = i->name[0] && i->name[15] == '\0' && i->personality[31] == '\0' &&
               i->args[255] == '\0' && i->root[ROOT_NAME_MAX] == '\0' &&
               (i->memory == MEMORY_ALL || i->memory >= 4u << 20) && i->cpus != 0 &&
               i->gate <= FB_GATE_DIRECT && i->slice_us >= 10 && i->slice_us <= 1000000 &&
               i->restart_ms <= 3600000 && i->chunks <= RECLAIM_CHUNKS;
    }
    if (!good) {
        printf("not ok - fuzz_manifest: accepted what is beyond the limits\n");
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 30000;
    u32 taken = 0;

    srand(argc > 2 ? (unsigned)atoi(argv[2]) : 1);
    for (int n = 0; n < rounds; n++) {
        char text[600];
        size_t length = 0;
        for (int k = rand() % 12; k >= 0; k--) {
            const char *line = lines[(size_t)rand() % (sizeof(lines) / sizeof(lines[0]))];
            size_t bytes = __builtin_strlen(line);
            __builtin_memcpy(text + length, line, bytes);
            length += bytes;
        }
        for (int k = rand() % 4; k > 0; k--)
            text[(size_t)rand() % length] = (char)rand();
        char *exact = malloc(length); /* so that a read beyond its end is seen */
        __builtin_memcpy(exact, text, length);
        error[0] = '\0';
        if (manifest_parse(exact, length, &m, error, sizeof(error))) {
            taken++;
            within_limits();
        } else if (!__builtin_strstr(error, "manifest, line ")) {
            printf("not ok - fuzz_manifest: refused without a line: %s\n", error);
            return 1;
        }
        free(exact);
    }
    printf("%s - fuzz_manifest: %d rounds, %u accepted\n", taken ? "ok" : "not ok", rounds,
           taken);
    return taken == 0;
}
