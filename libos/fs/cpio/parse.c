/* SPDX-License-Identifier: MIT */
/*
 * The parser of one newc archive.  An entry begins at an offset that is a multiple of 4:
 *
 *     0  magic "070701" or "070702"
 *     6  13 fields of 8 hexadecimal digits
 *   110  the name with its NUL, padded with zeros to a multiple of 4 of the archive
 *    ..  the body, padded in the same way
 *
 * Every length is compared with what is left before it is used.  Like Linux, entries with
 * an impossible name, and bodies of what is neither a file nor a link, are passed over.
 */
#include "core/error.h"
#include "core/string.h"
#include "fs/cpio/private.h"

#define HEADER_BYTES 110u
#define FIELDS 13u
#define ALIGN4(x) (((x) + 3) & ~3ull)

static int
bad(struct cpio_parser *p, const char *why)
{
    p->why = why;
    return -E_INVAL;
}

/*
 * Eight hexadecimal digits at once, a byte of the word for each.  A letter has bit 6 set;
 * what the value would be written as in capitals must be what is there, so all else is
 * refused.
 */
static bool
parse_field(const char *digits, u32 *value)
{
    const u64 ones = 0x0101010101010101ull;
    u64 x;
    memcpy(&x, digits, 8);
    u64 letter = x >> 6 & ones;
    u64 v = (x & 0x0f * ones) + 9 * letter;
    u64 written = v + 0x30 * ones + 7 * ((v + 6 * ones) >> 4 & ones);
    if ((v & 0xf0 * ones) || written != (x & ~(letter << 5)))
        return false;
    v = __builtin_bswap64(v);
    v = (v | v >> 4) & 0x00ff00ff00ff00ffull;
    v = (v | v >> 8) & 0x0000ffff0000ffffull;
    *value = (u32)(v | v >> 16);
    return true;
}

static int
parse_header(struct cpio_parser *p, const char *header, struct cpio_entry *e)
{
    u32 *field[FIELDS] = { &e->ino,     &e->mode,       &e->uid,        &e->gid,
                           &e->nlink,   &e->mtime,      &e->body_bytes, &e->major,
                           &e->minor,   &e->rdev_major, &e->rdev_minor, &e->name_bytes,
                           &e->checksum };
    *e = (struct cpio_entry){ .ino = 0 };
    if (memcmp(header, "070707", 6) == 0)
        return bad(p, "the old cpio format: use -H newc");
    if (memcmp(header, "070701", 6) != 0 && memcmp(header, "070702", 6) != 0)
        return bad(p, "no cpio magic");
    e->checked = header[5] == '2';
    for (u32 i = 0; i < FIELDS; i++)
        if (!parse_field(header + 6 + 8 * i, field[i]))
            return bad(p, "a header with other than hexadecimal digits");
    return 0;
}

static u32
sum_bytes(const struct source *s, u64 at, u64 bytes)
{
    u32 sum = 0;
    while (bytes) {
        u64 n;
        const u8 *data = source_at(s, at, &n);
        n = MIN(n, bytes);
        for (u64 i = 0; i < n; i++)
            sum += data[i];
        at += n;
        bytes -= n;
    }
    return sum;
}

/* 1: the trailer; 0: go on with the next entry. */
static int
parse_entry(struct cpio_parser *p, u64 *at)
{
    char header[HEADER_BYTES];
    struct cpio_entry e;
    struct source *s = p->source;
    u64 left = s->bytes - *at;
    if (left < HEADER_BYTES)
        return bad(p, "the archive ends within a header");
    source_copy(s, *at, header, HEADER_BYTES);
    int rc = parse_header(p, header, &e);
    if (rc != 0)
        return rc;
    u64 name = *at + HEADER_BYTES, name_end = name + e.name_bytes;
    e.body = ALIGN4(name_end);
    u64 end = e.body + e.body_bytes;
    if (name_end > s->bytes || (e.body_bytes && end > s->bytes))
        return bad(p, "the archive ends within an entry");
    *at = MIN(ALIGN4(end), s->bytes);
    p->counts.entries++;
    if (e.name_bytes == 0 || e.name_bytes > CPIO_NAME_MAX)
        return 0;
    source_copy(s, name, p->name, e.name_bytes);
    if (p->name[e.name_bytes - 1] != '\0')
        return bad(p, "a name without its end");
    e.name = p->name;
    if (strcmp(e.name, "TRAILER!!!") == 0)
        return 1;
    u32 type = CPIO_TYPE(e.mode);
    if (type == CPIO_LINK) {
        if (e.body_bytes == 0 || e.body_bytes > CPIO_LINK_MAX)
            return 0;
        source_copy(s, e.body, p->link, e.body_bytes);
        p->link[e.body_bytes] = '\0';
        e.target = p->link;
    } else if (type != CPIO_FILE && e.body_bytes) {
        return 0;
    }
    if (e.checked && type == CPIO_FILE &&
        sum_bytes(s, e.body, e.body_bytes) != e.checksum)
        return bad(p, "a wrong checksum");
    rc = p->put(p->target, s, &e);
    if (rc == 0 && type == CPIO_FILE) {
        p->counts.files++;
        p->counts.file_bytes += e.body_bytes;
    }
    return rc;
}

int
cpio_parse(struct cpio_parser *p, u64 *at)
{
    int rc = 0;
    while (rc == 0 && *at < p->source->bytes) {
        u64 n;
        if (p->source->bytes - *at < HEADER_BYTES && *source_at(p->source, *at, &n) == 0)
            return 0; /* no trailer, only padding: Linux takes it */
        rc = parse_entry(p, at);
    }
    return rc < 0 ? rc : 0;
}
