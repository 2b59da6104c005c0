/* SPDX-License-Identifier: MIT */
/*
 * Inflate (inflate.h), with the tables of huffman.h.
 *
 * Bits come from a 64-bit reservoir that is refilled eight bytes at a time; behind the
 * end of the input it is filled with zeros, which are counted, so that the use of one is
 * seen (input_overrun).
 */
#include "fs/cpio/inflate.h"

#include "core/error.h"
#include "core/heap.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/cpio/huffman.h"

#define DISTANCES 32u
#define ROOT_LITERAL 10u
#define ROOT_DISTANCE 8u
/* root and sub-tables: at most 1,334 for 286 codes of 15 bits (zlib's enough.c) */
#define TABLE_LITERAL 2048u
#define TABLE_DISTANCE 1024u

struct inflate {
    const u8 *in, *in_end;
    u64 bits;
    unsigned count; /* valid bits */
    u64 padding;    /* bytes of zeros that were put in behind the end */
    struct inflated *out;
    u8 *at, *end; /* in the current chunk */
    u64 start;    /* where this member's output begins */
    const char *why;
    u32 literal[TABLE_LITERAL];
    u32 distance[TABLE_DISTANCE];
};

/* Eight bytes at any address.  (The builtin: a call of memcpy would cost more than the
 * rest of a step.) */
static inline u64
load64(const void *at)
{
    u64 word;
    __builtin_memcpy(&word, at, 8);
    return word;
}

static inline void
store64(void *at, u64 word)
{
    __builtin_memcpy(at, &word, 8);
}

/* ---- input ---- */

static inline void
refill(struct inflate *s)
{
    if (s->in_end - s->in >= 8) {
        s->bits |= load64(s->in) << s->count;
        s->in += (63 - s->count) >> 3;
        s->count |= 56;
        return;
    }
    while (s->count <= 56) {
        if (s->in < s->in_end)
            s->bits |= (u64)*s->in++ << s->count;
        else
            s->padding++;
        s->count += 8;
    }
}

static inline bool
input_overrun(const struct inflate *s)
{
    return s->padding * 8 > s->count;
}

static inline u32
take(struct inflate *s, unsigned n)
{
    u32 v = (u32)(s->bits & ((1ull << n) - 1));
    s->bits >>= n;
    s->count -= n;
    return v;
}

static int
bad(struct inflate *s, const char *why)
{
    s->why = why;
    return -E_INVAL;
}

/* ---- output ---- */

static int
next_chunk(struct inflate *s)
{
    struct inflated *o = s->out;
    if (o->limit && o->chunks * INFLATE_CHUNK >= o->limit)
        return -E_FBIG;
    if (o->chunks == o->chunks_max) {
        u64 max = o->chunks_max ? o->chunks_max * 2 : 64;
        u8 **chunk = heap_alloc(max * sizeof(*chunk));
        if (!chunk)
            return -E_NOMEM;
        if (o->chunks)
            memcpy(chunk, o->chunk, o->chunks * sizeof(*chunk));
        heap_free(o->chunk);
        o->chunk = chunk;
        o->chunks_max = max;
    }
    frame_t f = page_alloc_run(INFLATE_ORDER);
    if (f == FRAME_NONE)
        return -E_NOMEM;
    o->chunk[o->chunks++] = page_ptr(f);
    s->at = page_ptr(f);
    s->end = s->at + INFLATE_CHUNK;
    return 0;
}

/* Bytes of output so far. */
static u64
position(const struct inflate *s)
{
    return s->out->chunks * INFLATE_CHUNK - (u64)(s->end - s->at);
}

/* A copy that crosses a chunk's end, at its source or where it goes, or that overlaps
 * closely: byte by byte. */
static int
copy_slow(struct inflate *s, u64 distance, u32 length)
{
    u64 from = position(s) - distance;
    while (length--) {
        if (s->at == s->end) {
            int rc = next_chunk(s);
            if (rc != 0)
                return rc;
        }
        *s->at++ = s->out->chunk[from / INFLATE_CHUNK][from % INFLATE_CHUNK];
        from++;
    }
    return 0;
}

static int
copy_match(struct inflate *s, u64 distance, u32 length)
{
    if (distance > position(s) - s->start)
        return bad(s, "a distance that reaches before the start");
    u64 in_chunk = INFLATE_CHUNK - (u64)(s->end - s->at);
    if (distance > in_chunk || (u64)(s->end - s->at) < length + 8u)
        return copy_slow(s, distance, length);
    const u8 *from = s->at - distance;
    u8 *to = s->at;
    s->at += length;
    if (distance < 8) {
        while (length--)
            *to++ = *from++;
        return 0;
    }
    for (u8 *end = to + length; to < end;
         to += 8, from += 8) { /* up to 7 bytes too many, within the chunk */
        store64(to, load64(from));
    }
    return 0;
}

/* ---- blocks ---- */

/* Next symbol's entry; at least 15 bits are in the reservoir. */
static inline u32
decode(struct inflate *s, const u32 *table, unsigned root)
{
    u32 e = table[s->bits & ((1u << root) - 1)];
    if (ENTRY_KIND(e) == KIND_TABLE) {
        (void)take(s, root);
        e = table[ENTRY_VALUE(e) + (s->bits & ((1u << ENTRY_EXTRA(e)) - 1))];
    }
    (void)take(s, ENTRY_LENGTH(e));
    return e;
}

/*
 * As long as there is room on both sides: the state is in registers, up to three literals
 * are decoded for each refill, and nothing has to be checked but distances.  Stops before
 * what needs the slow way, which then goes on at the same place.
 */
#define FAST_INPUT 16
#define FAST_OUTPUT (258 + 8)
static void
block_fast(struct inflate *s)
{
    const u8 *in = s->in, *in_last = s->in_end - FAST_INPUT;
    u8 *at = s->at, *start = s->end - INFLATE_CHUNK, *at_last = s->end - FAST_OUTPUT;
    u64 bits = s->bits;
    unsigned count = s->count;
    while (in <= in_last && at <= at_last) {
        bits |= load64(in) << count;
        in += (63 - count) >> 3;
        count |= 56;
        u32 e = s->literal[bits & ((1u << ROOT_LITERAL) - 1)];
        if (ENTRY_KIND(e) == KIND_LITERAL) {
            bits >>= ENTRY_LENGTH(e);
            count -= ENTRY_LENGTH(e);
            *at++ = (u8)ENTRY_VALUE(e);
            e = s->literal[bits & ((1u << ROOT_LITERAL) - 1)];
            if (ENTRY_KIND(e) ==
                KIND_LITERAL) { /* two of them: 20 bits, so that 36 stay for one more */
                bits >>= ENTRY_LENGTH(e);
                count -= ENTRY_LENGTH(e);
                *at++ = (u8)ENTRY_VALUE(e);
                continue;
            }
        }
        /* With at most 10 bits gone, 46 are there; a length and a distance need 20 + 28
         * at most: refill between them. */
        u64 b = bits;
        unsigned n = 0;
        if (ENTRY_KIND(e) == KIND_TABLE) {
            n = ENTRY_LENGTH(e);
            b >>= n;
            e = s->literal[ENTRY_VALUE(e) + (b & ((1u << ENTRY_EXTRA(e)) - 1))];
        }
        if (ENTRY_KIND(e) != KIND_COPY) {
            if (ENTRY_KIND(e) != KIND_LITERAL)
                break;
            n += ENTRY_LENGTH(e);
            bits >>= n;
            count -= n;
            *at++ = (u8)ENTRY_VALUE(e);
            continue;
        }
        b >>= ENTRY_LENGTH(e);
        n += ENTRY_LENGTH(e) + ENTRY_EXTRA(e);
        u32 length = ENTRY_VALUE(e) + (u32)(b & ((1u << ENTRY_EXTRA(e)) - 1));
        u64 bits2 = bits >> n;
        unsigned count2 = count - n;
        const u8 *in2 = in;
        bits2 |= load64(in2) << count2;
        in2 += (63 - count2) >> 3;
        count2 |= 56;
        e = s->distance[bits2 & ((1u << ROOT_DISTANCE) - 1)];
        if (ENTRY_KIND(e) == KIND_TABLE) {
            bits2 >>= ENTRY_LENGTH(e);
            count2 -= ENTRY_LENGTH(e);
            e = s->distance[ENTRY_VALUE(e) + (bits2 & ((1u << ENTRY_EXTRA(e)) - 1))];
        }
        if (ENTRY_KIND(e) != KIND_COPY)
            break;
        bits2 >>= ENTRY_LENGTH(e);
        u32 distance = ENTRY_VALUE(e) + (u32)(bits2 & ((1u << ENTRY_EXTRA(e)) - 1));
        if (distance > (u64)(at - start))
            break; /* from an earlier chunk, or an error */
        bits = bits2 >> ENTRY_EXTRA(e);
        count = count2 - ENTRY_LENGTH(e) - ENTRY_EXTRA(e);
        in = in2;
        const u8 *from = at - distance;
        u8 *end = at + length;
        if (distance >= 8) {
            for (; at < end; at += 8, from += 8)
                store64(at, load64(from));
        } else {
            while (at < end)
                *at++ = *from++;
        }
        at = end;
    }
    s->in = in;
    s->at = at;
    s->bits = bits;
    s->count = count;
}

static int
block_codes(struct inflate *s)
{
    for (;;) {
        if (s->in_end - s->in >= FAST_INPUT && s->end - s->at >= FAST_OUTPUT)
            block_fast(s);
        refill(s);
        u32 e = decode(s, s->literal, ROOT_LITERAL);
        if (ENTRY_KIND(e) == KIND_LITERAL) {
            if (s->at == s->end) {
                int rc = next_chunk(s);
                if (rc != 0)
                    return rc;
            }
            *s->at++ = (u8)ENTRY_VALUE(e);
            if (input_overrun(s))
                return bad(s, "the data end too early");
            continue;
        }
        if (ENTRY_KIND(e) == KIND_END)
            return input_overrun(s) ? bad(s, "the data end too early") : 0;
        if (ENTRY_KIND(e) != KIND_COPY)
            return bad(s, "an invalid code");
        u32 length =
            ENTRY_VALUE(e) +
            take(s, ENTRY_EXTRA(
                        e)); /* 20 bits so far, at most; 28 more come: 56 are there */
        e = decode(s, s->distance, ROOT_DISTANCE);
        if (ENTRY_KIND(e) != KIND_COPY)
            return bad(s, "an invalid distance");
        u32 distance = ENTRY_VALUE(e) + take(s, ENTRY_EXTRA(e));
        if (input_overrun(s))
            return bad(s, "the data end too early");
        int rc = copy_match(s, distance, length);
        if (rc != 0)
            return rc;
    }
}

static int
block_stored(struct inflate *s)
{
    (void)take(s, s->count % 8);
    refill(s);
    u32 length = take(s, 16), check = take(s, 16);
    if (input_overrun(s) || length != (~check & 0xffffu))
        return bad(s, "a stored block with a wrong length");
    u64 whole = s->count / 8; /* bytes still in the reservoir go back */
    s->in -= whole - MIN(whole, s->padding);
    s->bits = 0;
    s->count = 0;
    s->padding = 0;
    if ((u64)(s->in_end - s->in) < length)
        return bad(s, "the data end too early");
    while (length) {
        if (s->at == s->end) {
            int rc = next_chunk(s);
            if (rc != 0)
                return rc;
        }
        u32 n = (u32)MIN((u64)(s->end - s->at), length);
        memcpy(s->at, s->in, n);
        s->at += n;
        s->in += n;
        length -= n;
    }
    return 0;
}

static int
build_codes(struct inflate *s, const u8 *lengths, u32 literals, u32 distances)
{
    struct code c = { s->literal, TABLE_LITERAL, ROOT_LITERAL, literal_entry };
    if (lengths[256] == 0)
        return bad(s, "a code without an end of block");
    int rc = code_build(&c, lengths, literals, &s->why);
    if (rc != 0)
        return rc;
    c = (struct code){ s->distance, TABLE_DISTANCE, ROOT_DISTANCE, distance_entry };
    return code_build(&c, lengths + literals, distances, &s->why);
}

static int
block_fixed(struct inflate *s)
{
    u8 lengths[LITERALS + DISTANCES];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    memset(lengths + LITERALS, 5, DISTANCES);
    int rc = build_codes(s, lengths, LITERALS, DISTANCES);
    return rc != 0 ? rc : block_codes(s);
}

/* The lengths of both codes, themselves coded (RFC 1951, 3.2.7). */
static int
read_lengths(struct inflate *s, u8 *lengths, u32 n)
{
    for (u32 i = 0; i < n;) {
        refill(s);
        u32 e = decode(s, s->distance,
                       7); /* not in use yet: it serves for the code of lengths */
        u32 v = ENTRY_VALUE(e), repeat, what = 0;
        if (ENTRY_KIND(e) != KIND_LITERAL || input_overrun(s))
            return bad(s, "an invalid code of lengths");
        if (v < 16) {
            lengths[i++] = (u8)v;
            continue;
        }
        if (v == 16) {
            if (i == 0)
                return bad(s, "a repeated length without one before it");
            what = lengths[i - 1];
            repeat = 3 + take(s, 2);
        } else {
            repeat = v == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
        }
        if (repeat > n - i)
            return bad(s, "too many lengths");
        memset(lengths + i, (int)what, repeat);
        i += repeat;
    }
    return 0;
}

static int
block_dynamic(struct inflate *s)
{
    static const u8 order[19] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                  11, 4,  12, 3, 13, 2, 14, 1, 15 };
    u8 lengths[LITERALS + DISTANCES], first[19] = { 0 };
    refill(s);
    u32 literals = 257 + take(s, 5), distances = 1 + take(s, 5), n = 4 + take(s, 4);
    if (literals > 286 || distances > 30)
        return bad(s, "too many codes");
    for (u32 i = 0; i < n; i++) {
        refill(s);
        first[order[i]] = (u8)take(s, 3);
    }
    struct code c = { s->distance, TABLE_DISTANCE, 7, plain_entry };
    int rc = code_build(&c, first, 19, &s->why);
    if (rc == 0)
        rc = read_lengths(s, lengths, literals + distances);
    if (rc == 0)
        rc = build_codes(s, lengths, literals, distances);
    return rc != 0 ? rc : block_codes(s);
}

static int
inflate_blocks(struct inflate *s)
{
    for (;;) {
        refill(s);
        u32 last = take(s, 1), type = take(s, 2);
        int rc = type == 0   ? block_stored(s)
                 : type == 1 ? block_fixed(s)
                 : type == 2 ? block_dynamic(s)
                             : bad(s, "a block of an unknown type");
        if (rc != 0 || last)
            return rc;
    }
}

/* ---- gzip ---- */

#define GZIP_CRC 2u
#define GZIP_EXTRA 4u
#define GZIP_NAME 8u
#define GZIP_COMMENT 16u

/* The length of the header; 0: not valid. */
static u64
header_bytes(const u8 *in, u64 bytes)
{
    if (bytes < 18 || in[0] != 0x1f || in[1] != 0x8b || in[2] != 8 || (in[3] & 0xe0))
        return 0;
    u64 at = 10;
    if (in[3] & GZIP_EXTRA)
        at += 2 + (in[10] | (u64)in[11] << 8);
    for (u32 flag = GZIP_NAME; flag <= GZIP_COMMENT; flag <<= 1) {
        if (!(in[3] & flag))
            continue;
        while (at < bytes && in[at])
            at++;
        at++;
    }
    if (in[3] & GZIP_CRC)
        at += 2;
    return at + 8 <= bytes ? at : 0;
}

static u32
output_crc(const struct inflated *o)
{
    u32 crc = 0;
    for (u64 i = 0; i < o->chunks; i++)
        crc = crc32_update(crc, o->chunk[i],
                           MIN(INFLATE_CHUNK, o->bytes - i * INFLATE_CHUNK));
    return crc;
}

static u32
little32(const u8 *p)
{
    return (u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
}

/* I1: the frames at the end that have no bytes. */
static void
trim(struct inflated *o)
{
    for (u64 at = PAGE_UP(o->bytes); at < o->chunks * INFLATE_CHUNK; at += PAGE_SIZE)
        page_free(page_frame(o->chunk[at / INFLATE_CHUNK] + at % INFLATE_CHUNK));
    o->chunks = (o->bytes + INFLATE_CHUNK - 1) / INFLATE_CHUNK;
}

int
inflate_gzip(const u8 *in, u64 bytes, u64 *used, struct inflated *out, const char **why)
{
    u64 header = header_bytes(in, bytes);
    struct inflate *s;
    *why = "a header that is not gzip's";
    *out = (struct inflated){ .limit = out->limit };
    if (header == 0)
        return -E_INVAL;
    s = heap_alloc_zeroed(sizeof(*s));
    if (!s)
        return -E_NOMEM;
    s->in = in + header;
    s->in_end = in + bytes;
    s->out = out;
    int rc = inflate_blocks(s);
    out->bytes = out->chunks ? position(s) : 0;
    trim(out);
    u64 whole = s->count / 8;
    const u8 *tail = s->in - (whole - MIN(whole, s->padding));
    if (rc == 0 && in + bytes - tail < 8)
        rc = bad(s, "no checksum at the end");
    if (rc == 0 &&
        (little32(tail) != output_crc(out) || little32(tail + 4) != (u32)out->bytes))
        rc = bad(s, "a wrong checksum");
    *used = (u64)(tail - in) + 8;
    *why = s->why ? s->why : rc == -E_FBIG ? "more data than there may be" : "no memory";
    heap_free(s);
    return rc;
}

void
inflate_free(struct inflated *o)
{
    for (u64 at = 0; at < o->bytes; at += PAGE_SIZE)
        page_free(page_frame(o->chunk[at / INFLATE_CHUNK] + at % INFLATE_CHUNK));
    heap_free(o->chunk);
    *o = (struct inflated){ .bytes = 0 };
}
