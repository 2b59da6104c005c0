# SPDX-License-Identifier: MIT
"""Write test data for inflate (name, packed and plain bytes for each case), and seeds for the fuzzers.

usage: vectors.py VECTORS SEEDS_DIRECTORY
"""
import gzip
import io
import os
import random
import struct
import sys
import zlib


def raw(data, level, strategy, window=15):
    c = zlib.compressobj(level, zlib.DEFLATED, -window, 9, strategy)
    return c.compress(data) + c.flush()


def member(data, body, flags=0, extra=b""):
    return (b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + extra + body
            + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))


def cases():
    r = random.Random(1)
    text = b"".join(b"%d bottles of beer on the wall, " % (i % 97) for i in range(9000))
    noise = bytes(r.randrange(256) for _ in range(70000))
    skewed = bytes(min(int(r.expovariate(0.03)), 255) for _ in range(200000))
    far = noise[:32768] + noise[:32768] + b"x" + noise[:32767]
    big = (noise + text) * 9
    yield "empty", member(b"", raw(b"", 9, 0)), b""
    yield "one", member(b"a", raw(b"a", 9, 0)), b"a"
    yield "text", member(text, raw(text, 9, 0)), text
    yield "stored", member(noise, raw(noise, 0, 0)), noise
    yield "noise", member(noise, raw(noise, 9, 0)), noise
    yield "fixed", member(text, raw(text, 9, zlib.Z_FIXED)), text
    yield "huffman", member(skewed, raw(skewed, 9, zlib.Z_HUFFMAN_ONLY)), skewed
    yield "rle", member(b"\0" * 300000, raw(b"\0" * 300000, 9, zlib.Z_RLE)), b"\0" * 300000
    yield "far", member(far, raw(far, 9, 0)), far
    yield "big", member(big, raw(big, 6, 0)), big
    out = io.BytesIO()
    with gzip.GzipFile("a name", "wb", 9, out, 5) as f:
        f.write(text)
    yield "named", out.getvalue(), text
    extra = struct.pack("<H", 5) + b"extra" + b"name\0" + b"comment\0" + b"\x12\x34"
    yield "flags", member(text, raw(text, 1, 0), 4 | 8 | 16 | 2, extra), text
    chunk = bytes(1 << 20)
    yield "chunk", member(chunk, raw(chunk, 9, 0)), chunk
    edge = noise[:65535] * 16 + noise[:20]
    yield "edge", member(edge, raw(edge, 9, 0)), edge


def entry(name, mode, body=b"", magic=b"070701", links=1, check=0):
    fields = (7, mode, 0, 0, links, 1, len(body), 0, 0, 5, 1, len(name) + 1, check)
    head = magic + b"".join(b"%08X" % v for v in fields) + name + b"\0"
    head += bytes(-len(head) % 4)
    return head + body + bytes(-len(body) % 4)


def archive():
    return (entry(b"d", 0o40755) + entry(b"d/f", 0o100644, b"hello") + entry(b"l", 0o120777, b"d/f")
            + entry(b"c", 0o20600) + entry(b"s", 0o100644, b"sum", b"070702", 1, sum(b"sum"))
            + entry(b"h1", 0o100644, b"", b"070701", 2) + entry(b"h2", 0o100644, b"two", b"070701", 2)
            + entry(b"TRAILER!!!", 0))


def elf(kind):
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", kind, 62, 1, 0x401000, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    loads = (struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0, 0x1800, 0x1800, 4096)
             + struct.pack("<IIQQQQQQ", 1, 6, 0x1800, 0x402800, 0, 0x100, 0x5000, 4096))
    return head + loads + struct.pack("<IIQQQQQQ", 3, 4, 232, 0, 0, 4, 4, 1) + b"/ld\0"


def seeds():
    cpio = archive()
    yield "fuzz_cpio/plain", cpio
    yield "fuzz_cpio/packed", gzip.compress(cpio) + bytes(6) + cpio
    yield "fuzz_cpio/twice", cpio + bytes(512 - len(cpio) % 512) + cpio
    yield "fuzz_elf/exec", elf(2)
    yield "fuzz_elf/dyn", elf(3)
    for name, packed, plain in cases():
        if len(packed) < 4000:
            yield "fuzz_inflate/" + name, packed
    yield "fuzz_inflate/fixed", b"\x1f\x8b\x08" + bytes(7) + raw(b"abcabcabcd" * 9, 9, zlib.Z_FIXED) + bytes(8)
    yield "fuzz_inflate/dynamic", raw(bytes(range(99)) * 3 + b"the the the", 9, 0) + bytes(8)


def main():
    with open(sys.argv[1] + ".new", "wb") as f:
        for name, packed, plain in cases():
            f.write(struct.pack("<16sII", name.encode(), len(packed), len(plain)) + packed + plain)
    for name, seed in seeds():
        path = os.path.join(sys.argv[2], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(seed)
    os.rename(sys.argv[1] + ".new", sys.argv[1])


main()
