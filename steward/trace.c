/* SPDX-License-Identifier: MIT */
/*
 * Where a LibOS was when it ended: from its registers and its stack, or, where it ended
 * itself, from what it left in its port.
 *
 * The images have no frame pointers, so a return address is any word of the stack that
 * lies in the image's text behind a call instruction; one that an earlier call left there
 * may be shown too.  Names come from the member symbols:NAME that the build puts beside a
 * personality (tools/symbols.py): u64 count, count times { u64 address, u64 offset of the
 * name in the member }, by address, and the names.
 */
#include "steward/archive.h"
#include "steward/elf.h"
#include "steward/steward.h"

#define SHOWN 16u
#define WORDS 1024u /* of the stack that are looked at */

struct symbols {
    const u8 *at;
    u64 bytes, count;
};

static u64
word_at(const u8 *at)
{
    u64 v;
    memcpy(&v, at, 8);
    return v;
}

static void
open_symbols(const struct instance *i, struct symbols *s)
{
    struct archive_member m;

    *s = (struct symbols){ 0 };
    if (!archive_find("symbols", i->what->personality, &m) || !m.at ||
        m.bytes.hi - m.bytes.lo < 8)
        return;
    u64 bytes = m.bytes.hi - m.bytes.lo, count = word_at(m.at);
    if (count <= (bytes - 8) / 16)
        *s = (struct symbols){ m.at, bytes, count };
}

/* The last symbol at or before the address. */
static void
say_place(const struct symbols *s, u64 address)
{
    u64 lo = 0, hi = s->count;

    while (lo < hi) {
        u64 mid = lo + (hi - lo) / 2;
        if (word_at(s->at + 8 + mid * 16) <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo > 0) {
        u64 start = word_at(s->at + 8 + (lo - 1) * 16);
        u64 name = word_at(s->at + 16 + (lo - 1) * 16);
        char text[64] = "";
        for (u32 n = 0; n < 63 && name + n < s->bytes && s->at[name + n]; n++)
            text[n] = (char)s->at[name + n];
        say("  %lx %s+%lx", address, text, address - start);
    } else {
        say("  %lx", address);
    }
}

static bool
in_text(const struct instance *i, u64 address)
{
    return address >= i->text.lo + 8 && address < i->text.hi;
}

/* Does a call instruction end at this address of the image?  `text`: its bytes. */
static bool
after_call(const struct instance *i, const u8 *text, u64 address)
{
    const u8 *end = text + (address - i->text.lo);

    if (end[-5] == 0xe8)
        return true;
    for (int length = 2; length <= 7; length++)
        if (end[-length] == 0xff && (end[1 - length] & 0x38) == 0x10)
            return true;
    return false;
}

/* The frame of an address in the instance's direct map, if it is the instance's. */
static bool
frame_of(const struct instance *i, u64 va, u64 *frame)
{
    *frame = (va - WINDOW_DMAP) / PAGE;
    if (va < WINDOW_DMAP || *frame >= WINDOW_DMAP_FRAMES) {
        if (va < i->data.lo || va >= i->data.hi)
            return false;
        *frame = i->data_frame + (va - i->data.lo) / PAGE;
        return true;
    }
    for (u32 k = 0; k < i->memory.count; k++)
        if (*frame >= i->memory.r[k].lo && *frame < i->memory.r[k].hi)
            return true;
    return false;
}

static void
say_stack(const struct instance *i, const struct symbols *s, const u8 *text, u64 rsp)
{
    const u64 *page = NULL;
    u32 shown = 0;

    rsp = (rsp + 7) & ~7ull;
    for (u32 n = 0; n < WORDS && shown < SHOWN; n++, rsp += 8) {
        u64 frame;
        if (!page || rsp % PAGE == 0) {
            if (page)
                own_unmap(4, 1);
            page = NULL;
            if (!frame_of(i, rsp, &frame))
                return;
            page = own_look(4, frame); /* rsp is what the instance made of it */
            if (!page)
                return;
        }
        u64 word = page[rsp % PAGE / 8];
        if (in_text(i, word) && after_call(i, text, word)) {
            say_place(s, word);
            shown++;
        }
    }
    if (page)
        own_unmap(4, 1);
}

static const u8 *
text_bytes(const struct instance *i)
{
    struct elf_image image;
    char error[96];

    if (!elf_find(i->what->personality, &image, error, sizeof(error)))
        return NULL;
    for (u32 k = 0; k < image.count; k++)
        if (image.segment[k].executable)
            return image.segment[k].bytes;
    return NULL;
}

void
trace_say(struct instance *i, const struct fb_regs *regs)
{
    struct symbols s;
    const u8 *text = text_bytes(i);

    open_symbols(i, &s);
    if (regs) {
        if (in_text(i, regs->rip))
            say_place(&s, regs->rip);
        if (text)
            say_stack(i, &s, text, regs->rsp);
        return;
    }
    const struct steward_page *p = i->port.page;
    u64 count = p ? *(const volatile fb_u64 *)&p->backtrace_count : 0;
    for (u64 n = 0; n < count && n < SHOWN; n++) {
        u64 address = *(const volatile fb_u64 *)&p->backtrace[n];
        if (in_text(i, address))
            say_place(&s, address);
    }
}
