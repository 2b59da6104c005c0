/* SPDX-License-Identifier: MIT */
/*
 * Random bytes. ChaCha20's block function is RFC 8439, 2.3; after each request the first
 * 32 bytes of the
 * stream become the next key, so that a key that leaks later tells nothing about what was
 * given out before.
 */
#include "core/random.h"

#include "core/cmdline.h"
#include "core/hw.h"
#include "core/lock.h"
#include "core/machine.h"
#include "core/string.h"

static struct spinlock lock = SPINLOCK_INIT;
static u32 key[8];    /* [lock] */
static u64 requests;  /* [lock] nonce */
/* What small requests are served from: a key is made for many of them at once. */
#define SPARE_BLOCKS 4u
static u8 spare[32 + SPARE_BLOCKS * 64]; /* [lock] the first spare_left bytes are unused */
static u32 spare_left;
static bool fixed_seed;

static inline u32
rotl(u32 x, int n)
{
    return (x << n) | (x >> (32 - n));
}

/* The columns, then the diagonals: the sixteen words stay in registers as far as they go. */
#define QUARTER(a, b, c, d)                                             \
    (x[a] += x[b], x[d] = rotl(x[d] ^ x[a], 16), x[c] += x[d],           \
     x[b] = rotl(x[b] ^ x[c], 12), x[a] += x[b], x[d] = rotl(x[d] ^ x[a], 8), \
     x[c] += x[d], x[b] = rotl(x[b] ^ x[c], 7))

static void
chacha_block(const u32 k[8], u64 nonce, u32 counter, u32 out[16])
{
    u32 in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    memcpy(in + 4, k, 32);
    in[12] = counter;
    in[13] = 0;
    in[14] = (u32)nonce;
    in[15] = (u32)(nonce >> 32);
    u32 x[16];
    memcpy(x, in, sizeof(in));
    for (int i = 0; i < 10; i++) {
        QUARTER(0, 4, 8, 12);
        QUARTER(1, 5, 9, 13);
        QUARTER(2, 6, 10, 14);
        QUARTER(3, 7, 11, 15);
        QUARTER(0, 5, 10, 15);
        QUARTER(1, 6, 11, 12);
        QUARTER(2, 7, 8, 13);
        QUARTER(3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++)
        out[i] = x[i] + in[i];
}

/* Small requests come out of what the new key's making left. */
static bool
take_spare(u8 *to, size_t bytes)
{
    if (bytes > spare_left)
        return false;
    memcpy(to, spare + spare_left - bytes, bytes);
    memset(spare + spare_left - bytes, 0, bytes);
    spare_left -= (u32)bytes;
    return true;
}

void
random_bytes(void *to, size_t bytes)
{
    u8 *p = to;
    u32 block[16];
    spin_lock(&lock);
    if (take_spare(p, bytes)) {
        spin_unlock(&lock);
        return;
    }
    u32 k[8];
    memcpy(k, key, 32);
    u64 nonce = requests++;
    chacha_block(k, nonce, 0, block);
    memcpy(key, block, 32);
    memcpy(spare, block + 8, 32);
    spare_left = 32;
    u32 counter = 1;
    for (; bytes <= sizeof(spare) / 4 && counter <= SPARE_BLOCKS; counter++) {
        chacha_block(k, nonce, counter, block);
        memcpy(spare + spare_left, block, sizeof(block));
        spare_left += sizeof(block);
    }
    bool done = take_spare(p, bytes);
    spin_unlock(&lock);
    for (; !done && bytes; counter++) {
        size_t n = MIN(bytes, sizeof(block));
        chacha_block(k, nonce, counter, block);
        memcpy(p, block, n);
        p += n;
        bytes -= n;
        if (counter == ~0u)
            /* 256 GiB in one request: another part of the stream */
            nonce = (u64)1 << 63 | nonce;
    }
    memset(block, 0, sizeof(block));
    memset(k, 0, sizeof(k));
    __asm__ volatile("" : : "r"(block), "r"(k) : "memory");
}

u64
random_u64(void)
{
    u64 v;
    random_bytes(&v, sizeof(v));
    return v;
}

static void
mix_locked(const void *data, size_t bytes)
{
    const u8 *p = data;
    u32 block[16];
    while (bytes) {
        u8 part[32] = { 0 };
        size_t n = MIN(bytes, sizeof(part));
        memcpy(part, p, n);
        for (unsigned i = 0; i < 32; i++)
            ((u8 *)key)[i] ^= part[i];
        chacha_block(key, requests++, (u32)n, block);
        memcpy(key, block, 32);
        p += n;
        bytes -= n;
    }
    spare_left = 0;
}

void
random_mix(const void *data, size_t bytes)
{
    if (fixed_seed)
        return;
    spin_lock(&lock);
    mix_locked(data, bytes);
    spin_unlock(&lock);
}

void
random_init(void)
{
    i64 seed;
    u64 words[6];
    memset(words, 0, sizeof(words));
    if (cmdline_number("feuer.seed", &seed)) {
        words[0] = (u64)seed;
        mix_locked(words, sizeof(words));
        fixed_seed = true;
        return;
    }
    for (unsigned i = 0; i < 5; i++)
        words[i] = hw_entropy();
    words[5] = machine_tsc();
    mix_locked(words, sizeof(words));
}
