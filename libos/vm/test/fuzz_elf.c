/* SPDX-License-Identifier: MIT */
/* Fuzzer: whatever the bytes, elf_read ends, reads within them, and what it accepts has
 * the properties E1 and E2. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "vm/elf.h"
#include "vm/test/fake.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

struct input {
    const u8 *data;
    size_t bytes;
};

static int
read_input(void *arg, u64 offset, void *to, size_t bytes)
{
    const struct input *in = arg;
    if (offset > in->bytes || bytes > in->bytes - offset)
        return -E_IO;
    memcpy(to, in->data + offset, bytes);
    return 0;
}

static void
must(bool c)
{
    if (!c)
        abort();
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
    struct input in = { data, bytes };
    struct elf e;
    u8 patched[4096];
    if (bytes >= 64 &&
        bytes <= sizeof(patched)) { /* make the first checks easy to pass */
        static const u8 magic[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
        memcpy(patched, data, bytes);
        memcpy(patched, magic, sizeof(magic));
        patched[16] = 2 + (data[16] & 1), patched[17] = 0;
        patched[18] = 62, patched[19] = 0;
        patched[54] = 56, patched[55] = 0;
        if (data[17] & 1 && bytes >= 64 + 2 * 56) { /* a segment and an interpreter */
            memset(patched + 32, 0, 8), patched[32] = 64;
            patched[56] = 2, patched[57] = 0;
            memset(patched + 64, 0, 4), patched[64] = ELF_LOAD;
            memset(patched + 120, 0, 4), patched[120] = ELF_INTERP;
            memset(patched + 64 + 8, 0, 8);  /* offset, place and size that can be */
            memset(patched + 64 + 16, 0, 5);
            memset(patched + 64 + 32, 0, 7);
            memset(patched + 120 + 34, 0, 6);
        }
        in.data = patched;
    }
    int rc = elf_read(&e, read_input, &in);
    if (rc == 0) {
        must(e.low < e.high && e.low % PAGE_SIZE == 0 && e.high % PAGE_SIZE == 0 &&
             e.high <= USER_TOP + PAGE_SIZE);
        for (u32 i = 0; i < e.header.phnum; i++) {
            const struct elf_segment *s = &e.segments[i];
            if (s->type != ELF_LOAD || s->memsz == 0)
                continue;
            must(s->filesz <= s->memsz && s->vaddr + s->memsz >= s->vaddr &&
                 s->vaddr + s->memsz <= USER_TOP);
            must(s->filesz == 0 || s->offset % PAGE_SIZE == s->vaddr % PAGE_SIZE);
        }
        must(!e.interp || e.interp->filesz <= ELF_INTERP_MAX);
        if (e.interp) { /* as open_interp reads its name */
            char name[ELF_INTERP_MAX];
            int got = read_input(&in, e.interp->offset, name, e.interp->filesz);
            must(got == 0 || got == -E_IO);
        }
        must(!e.interp || (e.interp->filesz >= 2 && e.interp->filesz <= ELF_INTERP_MAX));
        elf_free(&e);
    }
    must(fake_objects == 0);
    return 0;
}
