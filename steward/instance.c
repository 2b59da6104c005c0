/* SPDX-License-Identifier: MIT */
/*
 * Making an instance: its domain out of its own memory, its window, its vCPUs, its
 * capabilities.
 *
 * The upper end of its last interval holds what the kernel and the image need
 * ("overhead"), in this order: object, capability table, root pair, vCPU objects, control
 * blocks, info pages, data of the image, window nodes.  It is not in the direct map; all
 * the rest is.
 */
#include "steward/archive.h"
#include "steward/elf.h"
#include "steward/steward.h"

#include <sdk/stubs.h>

#define INFO_PAGES ((sizeof(struct instance_info) + PAGE - 1) / PAGE)
#define READ_GRANT                                                                       \
    FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS, FB_RIGHT_READ | FB_RIGHT_DERIVE)
#define MEMORY_GRANT                                                                     \
    FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS,                                          \
            FB_RIGHT_READ | FB_RIGHT_WRITE | FB_RIGHT_EXEC | FB_RIGHT_GIVE |             \
                FB_RIGHT_DERIVE | FB_RIGHT_REVOKE)

/* What is being made. */
struct making {
    struct instance *i;
    struct elf_image image;
    struct ranges memory; /* as in instance, and the initrd's interval last */
    struct fb_range overhead;
    u64 next; /* in overhead */
    struct node_source nodes;
    u64 domain_frame, table_frame, table_frames, window_frame, root_frame;
    u64 vcpu_frame, cb_frame, info_frame, reclaim_frame, data_frame;
    u64 cpus[FB_CPUS_MAX];
    u32 ncpus;
    struct instance_info *info;
};

static bool
check(const struct making *m, long error, const char *what)
{
    if (error)
        say("instance %s: %s: %s", m->i->what->name, what, fb_error_name(error));
    return error == 0;
}

static u64
take(struct making *m, u64 frames)
{
    u64 at = m->next;
    m->next += frames;
    return at;
}

static u64
table_frames(const struct making *m)
{
    u64 slots = m->i->what->slots;

    if (slots == 0) {
        u64 frames = 0;
        for (u32 i = 0; i < m->i->memory.count; i++)
            frames += m->i->memory.r[i].hi - m->i->memory.r[i].lo;
        slots = frames / 16;
        slots = slots < 1024 ? 1024 : slots > 131072 ? 131072 : slots;
    }
    return (slots + 31) / 32;
}

/* Window nodes: a directory for each 1 GiB and a table for each piece of 2 MiB that is
 * not one large page. */
static u64
count_nodes(const struct making *m)
{
    u64 n = 16 + 2 * m->ncpus;

    for (u32 i = 0; i < m->memory.count; i++) {
        const struct fb_range *r = &m->memory.r[i];
        n += ((r->hi - 1) >> 18) - (r->lo >> 18) + 3;
        n += (r->hi - r->lo) / (512 * 256) + 3; /* tables of the records' mapping */
    }
    return n;
}

static bool
plan(struct making *m)
{
    struct fb_range *last = &m->i->memory.r[m->i->memory.count - 1];

    for (u32 i = 0; i < m->i->memory.count; i++)
        if (m->i->memory.r[i].hi - m->i->memory.r[i].lo > last->hi - last->lo)
            last = &m->i->memory.r[i];
    m->table_frames = table_frames(m);
    u64 frames = FB_DOMAIN_FRAMES + m->table_frames + 1 + 3 +
                 m->ncpus * (FB_VCPU_FRAMES + FB_CB_FRAMES) + INFO_PAGES + 1 +
                 m->image.data_pages + count_nodes(m) + reclaim_nodes() + share_nodes();
    if (last->hi - last->lo < frames + 512) {
        say("instance %s: %lu KiB of memory are too little", m->i->what->name,
            (last->hi - last->lo) * 4);
        return false;
    }
    m->overhead = (struct fb_range){ last->hi - frames, last->hi };
    m->next = m->overhead.lo;
    m->domain_frame = take(m, FB_DOMAIN_FRAMES);
    m->table_frame = take(m, m->table_frames);
    m->window_frame = take(m, 1);
    m->next += m->next & 1;
    m->root_frame = take(m, 2);
    m->vcpu_frame = take(m, m->ncpus * FB_VCPU_FRAMES);
    m->cb_frame = take(m, m->ncpus * FB_CB_FRAMES);
    m->info_frame = take(m, INFO_PAGES);
    m->reclaim_frame = take(m, 1);
    m->data_frame = take(m, m->image.data_pages);
    m->nodes = (struct node_source){ m->next, m->overhead.hi };
    return true;
}

static bool
make_domain(struct making *m)
{
    struct fb_domain_params *p = (void *)STEWARD_BUFFER;

    memset(p, 0, sizeof(*p));
    p->object_frame = m->domain_frame;
    p->table_frame = m->table_frame;
    p->table_frames = m->table_frames;
    p->window_frame = m->window_frame;
    p->clearance = FB_CLASS_ROOT;
    p->gate = m->i->what->gate;
    memcpy(p->name, m->i->what->name, sizeof(p->name));
    if (!check(m,
               AGAIN(fb_domain_create(BOOT->cap_machine, BOOT->cap_memory, 0,
                                      &m->i->domain)),
               "making the domain"))
        return false;
    m->i->alive = true;
    return check(m,
                 AGAIN(fb_space_create(m->i->domain, BOOT->cap_memory, m->root_frame,
                                       &m->i->space)),
                 "making the first space");
}

/* ---- its window ---- */

static bool
map(struct making *m, u64 va, u64 cap, u64 frame, u64 pages, u32 flags, const char *what)
{
    return check(m, window_map(m->i->domain, va, cap, frame, pages, flags, &m->nodes),
                 what);
}

static bool
map_direct(struct making *m)
{
    for (u32 i = 0; i < m->memory.count; i++) {
        struct fb_range r = m->memory.r[i];
        if (r.hi > WINDOW_DMAP_FRAMES) {
            say("instance %s: memory above 256 GiB is not used", m->i->what->name);
            return false;
        }
        if (m->overhead.lo >= r.lo && m->overhead.hi <= r.hi)
            r.hi = m->overhead.lo;
        if (!map(m, WINDOW_DMAP + r.lo * PAGE, BOOT->cap_memory, r.lo, r.hi - r.lo,
                 FB_MAP_READ | FB_MAP_WRITE, "the direct map"))
            return false;
        u64 first = m->memory.r[i].lo / 256, end = (m->memory.r[i].hi + 255) / 256;
        /* Neighbouring intervals may share a page of records. */
        if (i > 0 && (m->memory.r[i - 1].hi + 255) / 256 > first &&
            m->memory.r[i - 1].hi <= m->memory.r[i].lo)
            first = (m->memory.r[i - 1].hi + 255) / 256;
        if (first < end && !map(m, WINDOW_RECORDS + first * PAGE, BOOT->cap_kernel_read,
                                BOOT->records_frame + first, end - first, FB_MAP_READ,
                                "the frame records"))
            return false;
    }
    return true;
}

static bool
map_image(struct making *m)
{
    u64 data = m->data_frame;

    for (u32 i = 0; i < m->image.count; i++) {
        const struct elf_segment *s = &m->image.segment[i];
        if (!s->writable) {
            u32 flags = FB_MAP_READ | (s->executable ? FB_MAP_EXEC : 0);
            if (!map(m, s->va, BOOT->cap_memory, s->file_frame, s->pages, flags,
                     "the image"))
                return false;
            continue;
        }
        for (u64 done = 0; done < s->pages;) {
            u64 n = s->pages - done < 512 ? s->pages - done : 512;
            u8 *to = own_map(1, BOOT->cap_memory, data + done, n, true);
            u64 from = done * PAGE,
                bytes = s->file_bytes > from ? s->file_bytes - from : 0;
            bytes = bytes > n * PAGE ? n * PAGE : bytes;
            memcpy(to, s->bytes + from, bytes);
            memset(to + bytes, 0, n * PAGE - bytes);
            own_unmap(1, n);
            done += n;
        }
        if (!map(m, s->va, BOOT->cap_memory, data, s->pages, FB_MAP_READ | FB_MAP_WRITE,
                 "the image's data"))
            return false;
        data += s->pages;
    }
    return true;
}

static bool
make_vcpus(struct making *m)
{
    u64 *names = m->i->vcpus;
    struct instance_info *info = m->info;
    u64 ticks = ((const struct fb_record *)WINDOW_RECORD)->tsc_hz / 1000000 *
                m->i->what->slice_us;

    m->i->nvcpus = m->ncpus;
    for (u32 i = 0; i < m->ncpus; i++) {
        m->i->cpus[i] = m->cpus[i];
        m->i->reclaim.ticks[i] = ticks;
        u64 cb = m->cb_frame + i * FB_CB_FRAMES;
        long error =
            AGAIN(fb_vcpu_create(m->i->domain, m->cpus[i], BOOT->cap_memory,
                                 m->vcpu_frame + i * FB_VCPU_FRAMES, cb, &names[i]));
        if (!check(m, error, "making a vCPU"))
            return false;
        if (!map(m, WINDOW_CB + i * WINDOW_CB_STRIDE, BOOT->cap_memory, cb, FB_CB_FRAMES,
                 FB_MAP_READ | FB_MAP_WRITE, "a control block"))
            return false;
        error = AGAIN(
            fb_cap_grant(names[i], m->i->domain, FB_AUTH_ALL, 0, 64, &info->cap_vcpu[i]));
        if (!check(m, error, "granting a vCPU"))
            return false;
        info->cpu[i] = (u32)m->cpus[i];
        error = AGAIN(fb_slice_set(BOOT->cap_slices, m->cpus[i] * 64 + m->i->index,
                                   names[i], ticks, NULL));
        if (!check(m, error, "placing a vCPU in the slice vector"))
            return false;
    }
    return true;
}

/* ---- its capabilities ---- */

static bool
grant(struct making *m, u64 from, u64 auth, u64 lo, u64 hi, u64 *out, const char *what)
{
    return check(m, AGAIN(fb_cap_grant(from, m->i->domain, auth, lo, hi, out)), what);
}

/* Memory is derived first, so that one revoke of the steward's own capability takes the
 * interval back. */
static bool
grant_memory(struct making *m)
{
    struct instance *i = m->i;

    for (u32 k = 0; k < m->memory.count; k++) {
        const struct fb_range *r = &m->memory.r[k];
        u64 own;
        if (!check(
                m,
                AGAIN(fb_cap_derive(BOOT->cap_memory, FB_AUTH_ALL, r->lo, r->hi, &own)),
                "deriving memory"))
            return false;
        i->memory_caps[i->nmemory++] = own;
        struct instance_memory *to = &m->info->memory[m->info->nmemory++];
        *to = (struct instance_memory){ .lo = r->lo, .hi = r->hi };
        u64 auth =
            MEMORY_GRANT |
            (i->what->devices & DEVICE_DOMAINS ? FB_AUTH(0, 0, FB_RIGHT_GRANT) : 0);
        if (!grant(m, own, auth, r->lo, r->hi, &to->cap, "granting memory"))
            return false;
    }
    return true;
}

static bool
grant_devices(struct making *m)
{
    struct instance_info *info = m->info;
    u32 devices = m->i->what->devices;
    u32 derive = devices & DEVICE_DOMAINS ? FB_RIGHT_DERIVE
                                          : 0; /* there is somebody to give less to */
    u64 port =
        FB_AUTH(FB_CLASS_ROOT, FB_KIND_IOPORT, FB_RIGHT_READ | FB_RIGHT_WRITE | derive);
    u64 irq = FB_AUTH(FB_CLASS_ROOT, FB_KIND_INTERRUPT, FB_RIGHT_CONTROL | derive);

    if (devices & DEVICE_COM1 &&
        (!grant(m, BOOT->cap_ports, port, 0x3f8, 0x400, &info->cap_com[0].ports,
                "granting com1") ||
         !grant(m, BOOT->cap_irqs, irq, 4, 5, &info->cap_com[0].irq, "granting com1")))
        return false;
    if (devices & DEVICE_COM2 &&
        (!grant(m, BOOT->cap_ports, port, 0x2f8, 0x300, &info->cap_com[1].ports,
                "granting com2") ||
         !grant(m, BOOT->cap_irqs, irq, 3, 4, &info->cap_com[1].irq, "granting com2")))
        return false;
    if (devices & DEVICE_HOST && !grant(m, BOOT->cap_ports, port, 0x402, 0x405,
                                        &info->cap_host_ports, "granting host ports"))
        return false;
    u64 slices =
        FB_AUTH(FB_CLASS_ROOT, FB_KIND_SCHEDULER, FB_RIGHT_CONTROL | FB_RIGHT_DERIVE);
    for (u64 cpu = 0; devices & DEVICE_DOMAINS && cpu < ncpus(); cpu++)
        if (!grant(m, BOOT->cap_slices, slices, cpu * 64 + 16, cpu * 64 + 56,
                   &info->cap_slices[cpu], "granting slices"))
            return false;
    u32 rights = FB_RIGHT_READ | (devices & DEVICE_POWER ? FB_RIGHT_CONTROL : 0) |
                 (devices & (DEVICE_COM1 | DEVICE_CONSOLE) ? FB_RIGHT_WRITE : 0) |
                 (devices & DEVICE_DOMAINS ? FB_RIGHT_CREATE : 0) | derive;
    return grant(m, BOOT->cap_machine, FB_AUTH(FB_CLASS_ROOT, FB_KIND_HARDWARE, rights),
                 0, 1, &info->cap_machine, "granting the machine");
}

static void
describe(struct making *m)
{
    const struct manifest_instance *what = m->i->what;
    struct instance_info *info = m->info;

    info->magic = INSTANCE_MAGIC;
    info->abi_version = FB_ABI_VERSION;
    info->ncpus = m->ncpus;
    info->gate = what->gate;
    info->quiet = BOOT->quiet;
    info->used[info->nused++] = m->overhead;
    struct fb_range initrd = archive_initrd();
    if (what->initrd && initrd.lo < initrd.hi) {
        info->initrd = initrd;
        info->used[info->nused++] = m->memory.r[m->memory.count - 1];
    }
    info->space_root_frame = m->root_frame;
    info->window_frame = m->window_frame;
    memcpy(info->name, what->name, sizeof(info->name));
    memcpy(info->personality, what->personality, sizeof(info->personality));
    sdk_print_to(info->console, sizeof(info->console), "%s",
                 what->devices & DEVICE_COM1 ? "ttyS0" : "none");
    sdk_print_to(info->cmdline, sizeof(info->cmdline), "%s%s%s", BOOT->cmdline,
                 what->args[0] ? " " : "", what->args);
}

static bool
grant_all(struct making *m)
{
    struct instance_info *info = m->info;
    u64 domain = FB_AUTH(FB_CLASS_ROOT, FB_KIND_HARDWARE,
                         FB_RIGHT_READ | FB_RIGHT_MAP | FB_RIGHT_CREATE);

    describe(m);
    return grant_memory(m) && grant_devices(m) &&
           grant(m, m->i->domain, domain, 0, 1, &info->cap_domain,
                 "granting the domain") &&
           grant(m, m->i->space, FB_AUTH_ALL, 0, 1, &info->cap_space,
                 "granting the first space");
}

static bool
start_vcpus(struct making *m)
{
    for (u32 i = 0; i < m->ncpus; i++) {
        long error = AGAIN(fb_vcpu_start(m->i->vcpus[i], 0, 0, m->image.entry, 0, i, NULL));
        if (error == -FB_E_DEAD)
            return true; /* those that run have ended the domain already: its event says
                            so */
        if (!check(m, error, "starting a vCPU"))
            return false;
    }
    return true;
}

static void
choose_cpus(struct making *m)
{
    for (u64 cpu = 0; cpu < ncpus(); cpu++)
        if (m->i->what->cpus & 1ull << cpu)
            m->cpus[m->ncpus++] = cpu;
}

static bool
build(struct making *m)
{
    if (!plan(m) || !make_domain(m))
        return false;
    m->info = own_map(0, BOOT->cap_memory, m->info_frame, INFO_PAGES, true);
    memset(m->info, 0, INFO_PAGES * PAGE);
    bool ok =
        map_direct(m) && map_image(m) &&
        map(m, INSTANCE_INFO_VA, BOOT->cap_memory, m->info_frame, INFO_PAGES, FB_MAP_READ,
            "the info pages") &&
        map(m, WINDOW_RECORD, BOOT->cap_kernel_read, BOOT->record_frame, 1, FB_MAP_READ,
            "the record") &&
        make_vcpus(m) && grant_all(m) &&
        check(m, AGAIN(fb_domain_watch(m->i->domain, BOOT->cap_vcpu, m->i->index, NULL)),
              "watching the domain") &&
        check(m, share_begin(m->i, &m->nodes, &m->info->shares), "sharing memory");
    own_unmap(0, INFO_PAGES);
    m->i->nodes = m->nodes;
    return ok &&
           check(m, reclaim_begin(m->i, m->domain_frame + 1, m->reclaim_frame),
                 "granting chunks") &&
           start_vcpus(m);
}

bool
instance_start(struct instance *i)
{
    struct making m = { .i = i };
    char error[96];

    if (!elf_find(i->what->personality, &m.image, error, sizeof(error))) {
        say("instance %s: %s", i->what->name, error);
        return false;
    }
    choose_cpus(&m);
    if (m.ncpus == 0) {
        say("instance %s: the machine has none of its CPUs", i->what->name);
        return false;
    }
    u64 frames = i->what->memory == MEMORY_ALL ? MEMORY_ALL : i->what->memory / PAGE;
    if (!memory_take(frames, &i->memory)) {
        say("instance %s: not enough memory is left", i->what->name);
        return false;
    }
    if (!reclaim_carve(i)) {
        memory_give_back(&i->memory);
        return false;
    }
    m.memory = i->memory;
    struct fb_range initrd = archive_initrd();
    if (i->what->initrd && initrd.lo < initrd.hi)
        m.memory.r[m.memory.count++] =
            (struct fb_range){ initrd.lo / PAGE, (initrd.hi + PAGE - 1) / PAGE };
    i->starts++;
    if (build(&m))
        return true;
    instance_remove(i);
    return false;
}

/* Repeat a call that works in steps until it is done. */
long
finish(long (*call)(unsigned long, unsigned long *), u64 name)
{
    long error;

    do {
        error = call(name, NULL);
        if (error == -FB_E_RESUME || error == -FB_E_BUSY)
            __asm__ volatile("pause");
    } while (error == -FB_E_RESUME || error == -FB_E_BUSY);
    return error;
}

void
instance_remove(struct instance *i)
{
    bool whole = true;

    share_end(i);
    if (i->alive) {
        long error = finish(fb_domain_destroy, i->domain);
        if (error)
            say("instance %s: destroying it: %s", i->what->name, fb_error_name(error));
        whole = error == 0;
    }
    for (u32 k = 0; k < i->nmemory; k++) {
        long error = finish(fb_cap_revoke, i->memory_caps[k]);
        if (!error)
            error = finish(fb_cap_delete, i->memory_caps[k]);
        if (error)
            say("instance %s: taking its memory back: %s", i->what->name,
                fb_error_name(error));
        whole = whole && error == 0;
    }
    reclaim_end(i);
    /* Memory that is still in use is lost rather than given to somebody else. */
    if (whole)
        memory_give_back(&i->memory);
    i->nmemory = 0;
    i->alive = false;
    i->memory.count = 0;
}
