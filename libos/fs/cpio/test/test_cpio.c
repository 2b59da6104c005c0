/* SPDX-License-Identifier: MIT */
/* Archives into a real tmpfs: every kind of entry, sequences of archives, and hostile
 * ones. */
#include <stdarg.h>
#include <string.h>

#include "core/error.h"
#include "core/host/host.h"
#include "core/page.h"
#include "core/test/check.h"
#include "core/usercopy.h"
#include "fs/cpio/cpio.h"
#include "fs/tmpfs/tmpfs.h"
#include "time/vdso.h"
#include "vfs/mount.h"
#include "vm/mm.h"

static u8 buffer[1 << 20];
static u64 used;
static struct fs_context *context;
static u64 done_calls;
static char log_text[4096];

static void
keep_log(const char *text, size_t bytes)
{
    size_t have = strlen(log_text);
    bytes = MIN(bytes, sizeof(log_text) - 1 - have);
    memcpy(log_text + have, text, bytes);
    log_text[have + bytes] = '\0';
}

static void
pad4(void)
{
    while (used % 4)
        buffer[used++] = 0;
}

struct extra {
    u32 ino, nlink, rdev_major, rdev_minor, check;
    const char *magic;
};

static void
add_with(const char *name, u32 mode, const void *body, u32 bytes, struct extra x)
{
    char header[120];
    u32 name_bytes = (u32)strlen(name) + 1;
    snprintf(header, sizeof(header),
             "%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
             x.magic ? x.magic : "070701", x.ino, mode, 3, 4, x.nlink ? x.nlink : 1, 1000,
             bytes, 8, 1, x.rdev_major, x.rdev_minor, name_bytes, x.check);
    memcpy(buffer + used, header, 110);
    used += 110;
    memcpy(buffer + used, name, name_bytes);
    used += name_bytes;
    pad4();
    memcpy(buffer + used, body, bytes);
    used += bytes;
    pad4();
}

static void
add(const char *name, u32 mode, const char *body)
{
    add_with(name, mode, body, (u32)strlen(body), (struct extra){ .ino = 1 });
}

static void
trailer(void)
{
    add("TRAILER!!!", 0, "");
}

struct kept {
    struct source source;
    u8 *chunk;
};

static void
done(struct source *s)
{
    struct kept *k = container_of(s, struct kept, source);
    done_calls++;
    free(k->chunk);
    free(k);
}

static int
unpack(void)
{
    /* An exact copy, which the sanitizer guards; files refer to it, so it stays. */
    struct kept *k = malloc(sizeof(*k));
    k->chunk = malloc(used + !used);
    memcpy(k->chunk, buffer, used);
    k->source = (struct source){
        .bytes = used, .chunk = &k->chunk, .shift = 63, .users = 1, .done = done
    };
    log_text[0] = '\0';
    int rc = cpio_unpack(&k->source, NULL);
    source_release(&k->source);
    used = 0;
    return rc;
}

static struct inode *
at(const char *path)
{
    struct walk w = { .context = context };
    if (path_walk(&w, path) != 0)
        return NULL;
    struct inode *i = w.found.inode; /* stays: the tree holds it */
    path_release(&w.found);
    return i;
}

static bool
holds(const char *path, const char *text)
{
    struct walk w = { .context = context };
    struct file *f;
    struct uio u;
    char got[256] = { 0 };
    u64 pos = 0;
    if (vfs_open(&w, path, OPEN_READ, 0, &f) != 0)
        return false;
    uio_libos(&u, got, sizeof(got) - 1);
    i64 n = file_read(f, &u, &pos);
    file_release(f);
    return n == (i64)strlen(text) && strcmp(got, text) == 0;
}

static void
remove_path(const char *path)
{
    struct walk w = { .context = context };
    struct inode *i = at(path);
    CHECK(i);
    CHECK(vfs_unlink(&w, path, i->type == IT_DIR) == 0);
}

/* Verify that each kind of entry becomes what it says, with mode, owner and time. */
static void
test_unpack_when_each_kind_then_made(void)
{
    add("d", 0042755, "");
    add("d/file", 0104711, "contents");
    add("d/link", 0120777, "file");
    add_with("d/null", 0020666, "", 0,
             (struct extra){ .rdev_major = 1, .rdev_minor = 3 });
    add("d/fifo", 0010600, "");
    add("d/socket", 0140600, "");
    add("/absolute", 0100600, "a");
    add("../../up", 0100600, "u");
    add("d/link2/x", 0100600, "no");
    add("missing/parent", 0100600, "no");
    add("d/empty", 0100600, "");
    trailer();
    CHECK(unpack() == 0);
    struct inode *d = at("/d"), *f = at("/d/file"), *n = at("/d/null");
    CHECK(d && d->type == IT_DIR && d->mode == 02755 && d->uid == 3 && d->gid == 4 &&
          d->mtime.seconds == 1000);
    CHECK(f && f->mode == 04711 && f->mtime.seconds == 1000 &&
          holds("/d/file", "contents"));
    CHECK(holds("/d/link", "contents") && at("/d/link")->type == IT_LINK);
    CHECK(n && n->type == IT_CHAR && n->rdev == vfs_rdev(1, 3) && n->mode == 0666);
    CHECK(at("/d/fifo")->type == IT_FIFO && at("/d/socket")->type == IT_SOCKET);
    CHECK(holds("/absolute", "a") && holds("/up", "u") && !at("/missing") &&
          holds("/d/empty", ""));
}

/* Verify that hard links share an inode, whichever of them has the data. */
static void
test_unpack_when_hard_links_then_one_inode(void)
{
    struct extra x = { .ino = 77, .nlink = 3 };
    add_with("h1", 0100600, "", 0, x);
    add_with("h2", 0100600, "", 0, x);
    add_with("h3", 0100600, "data", 4, x);
    trailer();
    add_with("other", 0100600, "mine", 4, x); /* another archive: another inode */
    trailer();
    CHECK(unpack() == 0);
    CHECK(at("/h1") == at("/h2") && at("/h2") == at("/h3") && at("/h1")->nlink == 3);
    CHECK(holds("/h1", "data") && at("/other") != at("/h1") && holds("/other", "mine"));
}

/* Verify that what is there gives way. */
static void
test_unpack_when_entry_again_then_replaced(void)
{
    add("r", 0100600, "a long first version");
    add("r", 0100644, "second");
    add("t", 0100600, "file");
    add("t", 0040700, "");
    add("t", 0040711, "");
    add("v", 0040700, "");
    add("v", 0120777, "r");
    add("w", 0120777, "r");
    add("w", 0100600, "own");
    trailer();
    CHECK(unpack() == 0);
    CHECK(holds("/r", "second") && at("/r")->mode == 0644 && at("/t")->type == IT_DIR &&
          at("/t")->mode == 0711);
    CHECK(at("/v")->type == IT_LINK && at("/w")->type == IT_FILE && holds("/w", "own") &&
          holds("/r", "second"));
}

/* Verify that links in paths are followed, as on Linux. */
static void
test_unpack_when_link_in_path_then_followed(void)
{
    add("usr", 0040755, "");
    add("usr/lib", 0040755, "");
    add("lib", 0120777, "usr/lib");
    add("lib/x", 0100600, "through");
    trailer();
    CHECK(unpack() == 0 && holds("/usr/lib/x", "through"));
}

/* Verify that archives may follow each other with zeros between, and that a checksum is
 * looked at. */
static void
test_unpack_when_sequence_then_all(void)
{
    add("s1", 0100600, "1");
    trailer();
    memset(buffer + used, 0, 1000);
    used += 1000;
    add_with("s2", 0100600, "ab", 2,
             (struct extra){ .magic = "070702", .check = 'a' + 'b' });
    trailer();
    memset(buffer + used, 0, 333);
    used += 333;
    CHECK(unpack() == 0 && holds("/s1", "1") && holds("/s2", "ab"));
    add_with("s3", 0100600, "ab", 2, (struct extra){ .magic = "070702", .check = 'a' });
    CHECK(unpack() == -E_INVAL && !at("/s3") && strstr(log_text, "checksum"));
}

/* Verify that each fault of an archive is an error with its reason, and that what came
 * before it stays. */
static void
test_unpack_when_damaged_then_error(void)
{
    static const char junk[] = "this is not an archive at all";
    memcpy(buffer, junk, sizeof(junk));
    used = sizeof(junk);
    CHECK(unpack() == -E_INVAL);
    add("good", 0100600, "g");
    u64 whole = used;
    add("cut", 0100600, "0123456789");
    for (u64 cut = whole + 1; cut < whole + 110 + 4 + 10; cut++) {
        used = cut;
        buffer[cut] = 0;
        u8 keep[200];
        memcpy(keep, buffer + whole, sizeof(keep));
        CHECK(unpack() == -E_INVAL && holds("/good", "g"));
        memcpy(buffer + whole, keep, sizeof(keep));
    }
    used = 0;
    add_with("x", 0100600, "", 0, (struct extra){ .magic = "070707" });
    CHECK(unpack() == -E_INVAL && strstr(log_text, "-H newc"));
    for (int c = 0; c < 256; c++) {
        bool hex =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        add("bad", 0100600, "b");
        trailer();
        buffer[6 + c % 8] = (u8)c; /* in the inode's number */
        CHECK(unpack() == (hex ? 0 : -E_INVAL) &&
              (hex || strstr(log_text, "hexadecimal")));
    }
    add("numbers", 0100600, "");
    memcpy(buffer + 46, "89aBcDeF", 8); /* the time */
    trailer();
    CHECK(unpack() == 0 && at("/numbers")->mtime.seconds == 0x89abcdefu);
    add("huge", 0100600, "b");
    memcpy(buffer + 54, "FFFFFFFF", 8);
    CHECK(unpack() == -E_INVAL && strstr(log_text, "ends within an entry"));
    add("huge", 0100600, "b");
    memcpy(buffer + 94, "FFFFFFFF", 8);
    CHECK(unpack() == -E_INVAL);
    add("name", 0100600, "b");
    memcpy(buffer + 94, "00000000", 8);
    used = 116;
    CHECK(unpack() == 0); /* no name: passed over */
    CHECK(used == 0 && unpack() == 0);
}

/* Verify that other compressions are named. */
static void
test_unpack_when_other_compression_then_named(void)
{
    static const struct {
        const char *name, *magic;
        u64 bytes;
    } all[] = { { "xz",
                  "\xfd"
                  "7zXZ\0",
                  6 },
                { "bzip2", "BZh9", 4 },
                { "zstd", "\x28\xb5\x2f\xfd", 4 },
                { "lz4", "\x02\x21\x4c\x18", 4 },
                { "lzo", "\x89LZO", 4 },
                { "lzma", "\x5d\0\0", 3 } };
    for (u32 i = 0; i < ARRAY_SIZE(all); i++) {
        memcpy(buffer, all[i].magic, all[i].bytes);
        memset(buffer + all[i].bytes, 7, 100);
        used = 100;
        CHECK(unpack() == -E_NOTSUP && strstr(log_text, all[i].name));
    }
}

/* A gzip member of stored blocks. */
static u32
crc_of(const u8 *p, u64 n)
{
    u32 c = ~0u;
    while (n--) {
        c ^= *p++;
        for (int k = 0; k < 8; k++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

static void
wrap_gzip(u64 from)
{
    static u8 plain[1 << 19];
    u64 bytes = used - from;
    CHECK(bytes <= 65535);
    memcpy(plain, buffer + from, bytes);
    u32 crc = crc_of(plain, bytes), size = (u32)bytes;
    u8 head[] = { 0x1f,
                  0x8b,
                  8,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  1,
                  (u8)bytes,
                  (u8)(bytes >> 8),
                  (u8)~bytes,
                  (u8)(~bytes >> 8) };
    memcpy(buffer + from, head, sizeof(head));
    memcpy(buffer + from + sizeof(head), plain, bytes);
    used = from + sizeof(head) + bytes;
    memcpy(buffer + used, &crc, 4);
    memcpy(buffer + used + 4, &size, 4);
    used += 8;
}

/* Verify that a plain archive and a packed one after it are both unpacked, and that a
 * damaged member is refused. */
static void
test_unpack_when_gzip_then_unpacked(void)
{
    add("g0", 0100600, "plain");
    trailer();
    u64 from = used;
    add("g1", 0100600, "packed");
    add_with("g2", 0100600, buffer + sizeof(buffer) / 2, 40000,
             (struct extra){ .ino = 9 });
    trailer();
    wrap_gzip(from);
    buffer[used++] = 0;
    CHECK(unpack() == 0 && holds("/g0", "plain") && holds("/g1", "packed") &&
          at("/g2")->size == 40000);
    add("g3", 0100600, "never");
    trailer();
    wrap_gzip(0);
    buffer[used - 7] ^= 1;
    CHECK(unpack() == -E_INVAL && !at("/g3") && strstr(log_text, "checksum"));
    remove_path("/g1");
    remove_path("/g2"); /* the last that referred to the member's frames */
}

int
main(void)
{
    host_init(64);
    vdso_init();
    vm_init();
    vfs_init();
    static struct filesystem *fs;
    CHECK(tmpfs_create(&fs) == 0 && vfs_mount_root(fs) == 0);
    context = fs_context_new();
    CHECK(context);
    context->umask = 0;
    host_console = keep_log;
    struct host_counts before = host_count();
    RUN(test_unpack_when_gzip_then_unpacked);
    remove_path("/g0");
    CHECK(host_count().frames <= before.frames + 2);
    RUN(test_unpack_when_each_kind_then_made);
    RUN(test_unpack_when_hard_links_then_one_inode);
    RUN(test_unpack_when_entry_again_then_replaced);
    RUN(test_unpack_when_link_in_path_then_followed);
    RUN(test_unpack_when_sequence_then_all);
    RUN(test_unpack_when_damaged_then_error);
    RUN(test_unpack_when_other_compression_then_named);
    DONE();
}
