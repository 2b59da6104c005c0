/* SPDX-License-Identifier: MIT */
/* The checks of ELF headers. */
#include <string.h>

#include "core/error.h"
#include "core/test/check.h"
#include "vm/elf.h"
#include "vm/test/fake.h"

struct image {
    struct elf_header header;
    struct elf_segment segment[20];
};

static int
read_image(void *arg, u64 offset, void *to, size_t bytes)
{
    if (offset > sizeof(struct image) || bytes > sizeof(struct image) - offset)
        return -E_IO;
    memcpy(to, (const u8 *)arg + offset, bytes);
    return 0;
}

static struct image
good_image(void)
{
    struct image g = { .header = { .ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
                                   .type = ELF_TYPE_EXEC,
                                   .machine = 62,
                                   .version = 1,
                                   .entry = 0x401000,
                                   .phoff = 64,
                                   .ehsize = 64,
                                   .phentsize = 56,
                                   .phnum = 3 } };
    g.segment[0] = (struct elf_segment){ ELF_LOAD, ELF_R | ELF_X, 0,      0x400000,
                                         0x400000, 0x1800,        0x1800, 4096 };
    g.segment[1] = (struct elf_segment){ ELF_LOAD, ELF_R | ELF_W, 0x1800, 0x402800,
                                         0x402800, 0x100,         0x5000, 4096 };
    g.segment[2] = (struct elf_segment){ .type = ELF_STACK, .flags = ELF_R | ELF_W };
    return g;
}

static int
read_it(struct image *g)
{
    struct elf e;
    int rc = elf_read(&e, read_image, g);
    if (rc == 0)
        elf_free(&e);
    CHECK(fake_objects == 0);
    return rc;
}

/* Verify that a valid program is described as it is. */
static void
test_read_when_valid_then_bounds_and_headers(void)
{
    struct image g = good_image();
    struct elf e;
    CHECK(elf_read(&e, read_image, &g) == 0);
    CHECK(e.low == 0x400000 && e.high == 0x408000 && e.phdr == 0x400040 && !e.interp &&
          !e.stack_exec);
    elf_free(&e);
}

/* Verify that each wrong field of the header is refused. */
static void
test_read_when_header_wrong_then_noexec(void)
{
    struct image g = good_image();
    g.header.ident[1] = 'F';
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.ident[4] = 1;
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.machine = 3;
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.type = 1;
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.phentsize = 32;
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.phnum = 0;
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.phnum = 65535;
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.phoff = ~0ull - 8;
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.phoff = 1 << 20;
    CHECK(read_it(&g) == -E_NOEXEC);
}

/* Verify that impossible segments are refused. */
static void
test_read_when_segment_wrong_then_inval(void)
{
    struct image g = good_image();
    g.segment[0].filesz = g.segment[0].memsz + 1;
    CHECK(read_it(&g) == -E_INVAL);
    g = good_image(), g.segment[1].memsz = ~0ull;
    CHECK(read_it(&g) == -E_INVAL);
    g = good_image(), g.segment[1].vaddr = ~0ull - 0x100;
    CHECK(read_it(&g) == -E_INVAL);
    g = good_image(), g.segment[1].vaddr = USER_TOP - 0x1000;
    CHECK(read_it(&g) == -E_INVAL);
    g = good_image(), g.segment[1].offset += 8;
    CHECK(read_it(&g) == -E_INVAL);
    g = good_image(), g.segment[1].offset = ~0ull & ~0xfffull & ~0x800ull;
    CHECK(read_it(&g) == -E_INVAL);
    g = good_image(), g.segment[0].memsz = g.segment[0].filesz = g.segment[1].memsz =
                          g.segment[1].filesz = 0;
    CHECK(read_it(&g) == -E_INVAL);
    g = good_image(),
    g.segment[2] = (struct elf_segment){ .type = ELF_INTERP, .filesz = 1 << 20 };
    CHECK(read_it(&g) == -E_NOEXEC);
    g = good_image(), g.header.phnum = 20; /* from the heap: and all of them zero */
    CHECK(read_it(&g) == 0);
}

int
main(void)
{
    RUN(test_read_when_valid_then_bounds_and_headers);
    RUN(test_read_when_header_wrong_then_noexec);
    RUN(test_read_when_segment_wrong_then_inval);
    DONE();
}
