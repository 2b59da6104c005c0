/* SPDX-License-Identifier: MIT */
/*
 * hvm_start_info, as a PVH loader leaves it (Xen, public/arch-x86/hvm/start_info.h,
 * version 1), and the command line.
 *
 * V1. All is read before boot_frames gives out any memory: it may lie in free memory.
 * V2. Addresses and counts are checked: nothing beyond the early tables is read.
 */
#include "base/panic.h"
#include "boot/boot.h"
#include "boot/pvh.h"
#include "hal/hal_boot.h"

#define PVH_MAGIC 0x336ec578u
#define MAP_ENTRIES_MAX 256u
#define MAP_RAM 1u

struct pvh_info {
    u32 magic, version, flags, modules;
    u64 modlist, cmdline, rsdp;
    u64 memmap;
    u32 memmap_entries, reserved;
};
struct pvh_module {
    u64 address, bytes, cmdline, reserved;
};
struct pvh_memory {
    u64 address, bytes;
    u32 type, reserved;
};

static const void *
early(u64 address, u64 bytes)
{
    if (address == 0 || bytes > HAL_EARLY_LIMIT || address > HAL_EARLY_LIMIT - bytes)
        panic("the boot loader names 0x%lx, which is beyond the first 4 GiB", address);
    return (const void *)(PHYSMAP_BASE + address);
}

static void
read_map(const struct pvh_memory *map, u32 n, struct range_set *ram)
{
    for (u32 i = 0; i < n; i++) {
        u64 lo = map[i].address, hi = lo + map[i].bytes;
        u64 top = (u64)PHYSMAP_SLOTS << 39;
        if (map[i].type != MAP_RAM || hi <= lo || lo >= top)
            continue;
        if (hi > top) {
            kerror("error: memory from 0x%lx on is beyond the physical map: not used\n",
                   top);
            hi = top;
        }
        range_add(ram, (lo + PAGE_SIZE - 1) >> PAGE_SHIFT, hi >> PAGE_SHIFT);
    }
    /* What another entry claims is not RAM, even in part. */
    for (u32 i = 0; i < n; i++)
        if (map[i].type != MAP_RAM && map[i].bytes != 0 &&
            map[i].address + map[i].bytes > map[i].address)
            range_remove(ram, map[i].address >> PAGE_SHIFT,
                         (map[i].address + map[i].bytes + PAGE_SIZE - 1) >> PAGE_SHIFT);
}

static void
read_cmdline(u64 address)
{
    u64 n = 0;
    if (address == 0)
        return;
    const char *line = early(address, FB_CMDLINE_MAX);
    while (n < FB_CMDLINE_MAX && line[n] != '\0')
        n++;
    bool whole = n < FB_CMDLINE_MAX;
    __builtin_memcpy(boot_info->cmdline, line, whole ? n : FB_CMDLINE_MAX - 1);
    cmdline_parse(boot_info->cmdline); /* even of a part: panic= may be in it */
    if (!whole)
        panic("the command line is longer than %u characters", FB_CMDLINE_MAX - 1);
}

void
pvh_read(u64 start_info, struct boot_source *out)
{
    const struct pvh_info *info = early(start_info, sizeof(*info));
    if (info->magic != PVH_MAGIC)
        panic("this is no PVH boot: magic 0x%x at 0x%lx", info->magic, start_info);
    read_cmdline(info->cmdline);
    if (info->version < 1 || info->memmap_entries == 0 ||
        info->memmap_entries > MAP_ENTRIES_MAX)
        panic("the boot loader gives no usable memory map");
    read_map(early(info->memmap, info->memmap_entries * sizeof(struct pvh_memory)),
             info->memmap_entries, &out->ram);
    out->rsdp = info->rsdp;
    if (info->modules != 0) {
        const struct pvh_module *module = early(info->modlist, sizeof(*module));
        if (module->bytes != 0) {
            (void)early(module->address, module->bytes);
            out->initrd =
                (struct fb_range){module->address, module->address + module->bytes};
        }
    }
}

/* ---- command line ---- */

static bool
is_word(const char *at, u64 n, const char *word)
{
    u64 i = 0;
    while (i < n && word[i] != '\0' && word[i] == at[i])
        i++;
    return i == n && word[i] == '\0';
}

static long
number(const char *at, u64 n)
{
    long v = 0;
    bool minus = n != 0 && *at == '-';
    for (u64 i = minus; i < n && at[i] >= '0' && at[i] <= '9' && v < 1000000; i++)
        v = v * 10 + (at[i] - '0');
    return minus ? -v : v;
}

/* quiet, panic=N; console= is accepted for what there is, the serial line.  Other words
 * are the steward's. */
void
cmdline_parse(const char *line)
{
    while (*line != '\0') {
        u64 n = 0;
        while (*line == ' ')
            line++;
        while (line[n] != '\0' && line[n] != ' ')
            n++;
        if (is_word(line, n, "quiet"))
            print_quiet = true;
        else if (n > 6 && is_word(line, 6, "panic="))
            panic_timeout = number(line + 6, n - 6);
        line += n;
    }
}
