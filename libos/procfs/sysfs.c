/* SPDX-License-Identifier: MIT */
/*
 * /sys, in part: processors, their topology and caches, one memory node, and the empty
 * directories where programs look for devices that there are none of.
 *
 * A processor's directory has its number; a cache's has number = CPU + index << 16.
 */
#include "core/hw.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "core/thread.h"
#include "proc/proc.h"
#include "procfs/cpu.h"
#include "procfs/private.h"
#include "procfs/sysfs.h"
#include "vfs/mount.h"
#include "vm/mm.h"

#define STATFS_TYPE 0x62656572u /* what statfs(2) reports for sysfs */
#define CACHES_MAX 16u
#define CPUS_SHOWN 64u

/* ---- values ---- */

static int
ends(struct view *v)
{
    v->ended = true;
    return 0;
}

static int
range_line(struct view *v, struct text *t, u64 bits)
{
    text_ranges(t, &bits, CPUS_SHOWN);
    text_put(t, "\n", 1);
    return ends(v);
}

/* As many digits as there are processors, four to a digit. */
static int
mask_line(struct view *v, struct text *t, u64 bits)
{
    u32 digits = (MIN(lcpu_count, CPUS_SHOWN) + 3) / 4;
    if (digits > 8)
        text_add(t, "%0*lx,%08lx\n", (int)(digits - 8), bits >> 32, bits & 0xffffffff);
    else
        text_add(t, "%0*lx\n", (int)digits, bits);
    return ends(v);
}

static int
fixed_show(struct view *v, struct text *t)
{
    text_add(t, "%s\n", (const char *)v->node->entry->data);
    return ends(v);
}

static int
all_cpus_show(struct view *v, struct text *t)
{
    return range_line(v, t, cpu_all());
}

static int
all_cpus_mask_show(struct view *v, struct text *t)
{
    return mask_line(v, t, cpu_all());
}

static int
kernel_max_show(struct view *v, struct text *t)
{
    text_add(t, "%u\n", CPUS_SHOWN - 1);
    return ends(v);
}

enum topology { PACKAGE, CORE, CORE_MASK, CORE_LIST, PACKAGE_MASK, PACKAGE_LIST };

static int
topology_show(struct view *v, struct text *t)
{
    struct cpu_place p;
    u32 cpu = (u32)v->node->number & 0xffff;
    cpu_place(cpu, &p);
    switch ((enum topology)v->node->entry->value) {
    case PACKAGE:
        text_add(t, "%u\n", p.package);
        break;
    case CORE:
        text_add(t, "%u\n", p.core);
        break;
    case CORE_MASK:
        return mask_line(v, t, cpu_core_siblings(cpu));
    case CORE_LIST:
        return range_line(v, t, cpu_core_siblings(cpu));
    case PACKAGE_MASK:
        return mask_line(v, t, cpu_package_siblings(cpu));
    case PACKAGE_LIST:
        return range_line(v, t, cpu_package_siblings(cpu));
    }
    return ends(v);
}

enum cache_value { LEVEL, TYPE, SIZE, LINE, WAYS, SETS, PARTITIONS, SHARED, SHARED_LIST };

static int
cache_show(struct view *v, struct text *t)
{
    struct cpu_cache c;
    u32 cpu = (u32)v->node->number & 0xffff, index = (u32)(v->node->number >> 16);
    if (!cpu_cache(index, &c))
        return -E_NODEV;
    switch ((enum cache_value)v->node->entry->value) {
    case LEVEL:
        text_add(t, "%u\n", c.level);
        break;
    case TYPE:
        text_add(t, "%s\n", c.type);
        break;
    case SIZE:
        text_add(t, "%luK\n", c.bytes / 1024);
        break;
    case LINE:
        text_add(t, "%u\n", c.line_bytes);
        break;
    case WAYS:
        text_add(t, "%u\n", c.ways);
        break;
    case SETS:
        text_add(t, "%u\n", c.sets);
        break;
    case PARTITIONS:
        text_add(t, "%u\n", c.partitions);
        break;
    case SHARED:
        return mask_line(v, t, cpu_cache_siblings(cpu, &c));
    case SHARED_LIST:
        return range_line(v, t, cpu_cache_siblings(cpu, &c));
    }
    return ends(v);
}

static int
node_memory_show(struct view *v, struct text *t)
{
    struct page_counts p;
    page_count(&p);
    text_add(t, "Node 0 MemTotal:       %8lu kB\nNode 0 MemFree:        %8lu kB\n"
                "Node 0 MemUsed:        %8lu kB\n",
             p.total * 4, p.free * 4, (p.total - p.free) * 4);
    return ends(v);
}

static int
console_show(struct view *v, struct text *t)
{
    text_add(t, "%s\n", hw_console_name());
    return ends(v);
}

/* ---- numbered directories ---- */

static int numbered_lookup(struct inode *dir, const char *name, u32 length,
                           struct inode **out);
static int numbered_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg);

static const struct inode_ops numbered_ops = {
    .lookup = numbered_lookup,
    .list = numbered_list,
    .create = node_create,
    .getattr = node_getattr,
    .setattr = node_setattr,
    .release = node_release,
};

#define TOPOLOGY(n, which) ENTRY_FILE(n, 0444, .strict = true, .show = topology_show, .value = (which))
#define CACHE(n, which) ENTRY_FILE(n, 0444, .strict = true, .show = cache_show, .value = (which))
static const struct entry topology_entries[] = {
    TOPOLOGY("core_cpus", CORE_MASK),
    TOPOLOGY("core_cpus_list", CORE_LIST),
    TOPOLOGY("core_id", CORE),
    TOPOLOGY("core_siblings", PACKAGE_MASK),
    TOPOLOGY("core_siblings_list", PACKAGE_LIST),
    TOPOLOGY("package_cpus", PACKAGE_MASK),
    TOPOLOGY("package_cpus_list", PACKAGE_LIST),
    TOPOLOGY("physical_package_id", PACKAGE),
    TOPOLOGY("thread_siblings", CORE_MASK),
    TOPOLOGY("thread_siblings_list", CORE_LIST),
};
static const struct entry index_entries[] = {
    CACHE("coherency_line_size", LINE),
    CACHE("level", LEVEL),
    CACHE("number_of_sets", SETS),
    CACHE("physical_line_partition", PARTITIONS),
    CACHE("shared_cpu_list", SHARED_LIST),
    CACHE("shared_cpu_map", SHARED),
    CACHE("size", SIZE),
    CACHE("type", TYPE),
    CACHE("ways_of_associativity", WAYS),
};
static const struct entry index_entry = {
    .name = "index", .type = IT_DIR, .mode = 0555, .group = 6, .children = index_entries,
    .count = ARRAY_SIZE(index_entries),
};
static const struct entry per_cpu_entries[] = {
    { .name = "cache", .type = IT_DIR, .mode = 0555, .ops = &numbered_ops,
      .data = &index_entry },
    ENTRY_DIR("topology", topology_entries),
};
static const struct entry cpu_entry = {
    .name = "cpu", .type = IT_DIR, .mode = 0555, .group = 5, .children = per_cpu_entries,
    .count = ARRAY_SIZE(per_cpu_entries),
};

static u32
caches(void)
{
    struct cpu_cache c;
    u32 n = 0;
    while (n < CACHES_MAX && cpu_cache(n, &c))
        n++;
    return n;
}

/* How many there are in a directory of numbered ones, and the first's number. */
static u32
numbered_count(const struct node *n, u64 *step, u64 *first)
{
    if (n->entry->data == &cpu_entry) {
        *step = 1;
        *first = 0;
        return MIN(lcpu_count, CPUS_SHOWN);
    }
    *step = 1u << 16;
    *first = n->number;
    return caches();
}

static int
numbered_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    const struct node *n = node_of(dir);
    const struct entry *each = n->entry->data;
    u32 prefix = (u32)strlen(each->name);
    u64 number, step, first;
    if (length > prefix && strncmp(name, each->name, prefix) == 0 &&
        node_name_number(name + prefix, length - prefix, &number)) {
        if (number >= numbered_count(n, &step, &first))
            return -E_NOENT;
        return node_make(dir->fs, each, NULL, first + number * step, out);
    }
    return node_find(dir, n->entry->children, n->entry->count, name, length, NULL,
                     n->number, out);
}

static int
numbered_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    const struct node *n = node_of(dir);
    const struct entry *each = n->entry->data;
    u64 step, first, fixed = n->entry->count;
    u32 count = numbered_count(n, &step, &first);
    if (!node_list(dir, n->entry->children, n->entry->count, 0, offset, fn, arg))
        return 0;
    for (u64 i = offset > fixed ? offset - fixed : 0; i < count; i++) {
        char name[32];
        u32 length = (u32)format_text(name, sizeof name, "%s%lu", each->name, i);
        if (!fn(arg, name, length, node_ino(each, NULL, first + i * step), IT_DIR,
                fixed + i + 1))
            return 0;
    }
    return 0;
}

/* ---- the tree ---- */

#define FIXED(n, text) ENTRY_FILE(n, 0444, .strict = true, .show = fixed_show, .data = (text))
#define CPU_LIST(n) ENTRY_FILE(n, 0444, .strict = true, .show = all_cpus_show)
static const struct entry cpu_entries[] = {
    ENTRY_FILE("kernel_max", 0444, .strict = true, .show = kernel_max_show),
    FIXED("offline", ""),
    CPU_LIST("online"),
    CPU_LIST("possible"),
    CPU_LIST("present"),
};
static const struct entry node0_entries[] = {
    CPU_LIST("cpulist"),
    ENTRY_FILE("cpumap", 0444, .strict = true, .show = all_cpus_mask_show),
    FIXED("distance", "10"),
    ENTRY_FILE("meminfo", 0444, .strict = true, .show = node_memory_show),
};
static const struct entry node_entries[] = {
    FIXED("has_cpu", "0"), FIXED("has_memory", "0"),      FIXED("has_normal_memory", "0"),
    FIXED("online", "0"),  ENTRY_DIR("node0", node0_entries), FIXED("possible", "0"),
};
static const struct entry system_entries[] = {
    { .name = "cpu", .type = IT_DIR, .mode = 0555, .ops = &numbered_ops,
      .children = cpu_entries, .count = ARRAY_SIZE(cpu_entries), .data = &cpu_entry },
    ENTRY_DIR("node", node_entries),
};
static const struct entry devices_entries[] = { ENTRY_DIR("system", system_entries) };
#define EMPTY_DIR(n) { .name = (n), .type = IT_DIR, .mode = 0555 }
static const struct entry console_entries[] = {
    ENTRY_FILE("active", 0444, .strict = true, .show = console_show),
};
static const struct entry tty_entries[] = { ENTRY_DIR("console", console_entries) };
static const struct entry class_entries[] = {
    EMPTY_DIR("block"), EMPTY_DIR("net"), ENTRY_DIR("tty", tty_entries),
};
static const struct entry dev_entries[] = { EMPTY_DIR("block"), EMPTY_DIR("char") };
static const struct entry fs_entries[] = { EMPTY_DIR("cgroup") };
/* Who gets pages of 2 MiB: the names in the order of VM_LARGE_*, the reverse of Linux's. */
static const char *const large_names[] = { "never", "madvise", "always" };

static int
large_show(struct view *v, struct text *t)
{
    u32 now = atomic_load_explicit(&vm_large_policy, memory_order_relaxed);
    for (u32 i = ARRAY_SIZE(large_names); i-- > 0;)
        text_add(t, i == now ? "[%s]%s" : "%s%s", large_names[i], i == 0 ? "\n" : " ");
    v->ended = true;
    return 0;
}

static int
large_store(const struct node *n, char *text, size_t bytes)
{
    (void)n;
    if (cred_own()->euid != 0)
        return -E_PERM; /* the file may have been opened by another */
    if (bytes != 0 && text[bytes - 1] == '\n')
        text[bytes - 1] = '\0';
    for (u32 i = 0; i < ARRAY_SIZE(large_names); i++) {
        if (strcmp(text, large_names[i]) == 0) {
            atomic_store_explicit(&vm_large_policy, i, memory_order_relaxed);
            return 0;
        }
    }
    return -E_INVAL;
}

static const struct entry thp_entries[] = {
    ENTRY_FILE("enabled", 0644, .show = large_show, .store = large_store),
    FIXED("hpage_pmd_size", "2097152"),
};
static const struct entry kernel_mm_entries[] = {
    ENTRY_DIR("transparent_hugepage", thp_entries),
};
static const struct entry kernel_entries[] = { ENTRY_DIR("mm", kernel_mm_entries) };
static const struct entry root_entries[] = {
    EMPTY_DIR("block"),
    EMPTY_DIR("bus"),
    ENTRY_DIR("class", class_entries),
    ENTRY_DIR("dev", dev_entries),
    ENTRY_DIR("devices", devices_entries),
    ENTRY_DIR("fs", fs_entries),
    ENTRY_DIR("kernel", kernel_entries),
};
static const struct entry root_entry = ENTRY_DIR("", root_entries);
static struct filesystem *the_sys;

static int
make_sys(const struct fs_type *t, const char *data, struct filesystem **out)
{
    (void)t;
    (void)data; /* Linux's sysfs takes no notice of options either */
    *out = the_sys;
    return 0;
}

static struct fs_type sys_type = { .name = "sysfs", .make = make_sys };

void
sysfs_init(void)
{
    int r = tree_create("sysfs", STATFS_TYPE, &root_entry, &the_sys);
    if (r != 0)
        libos_panic("no memory for /sys");
    fs_type_register(&sys_type);
}
