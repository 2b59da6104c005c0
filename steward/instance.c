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
#include "steward/making.h"

#include <sdk/stubs.h>

bool
making_check(const struct making *m, long error, const char *what)
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
                 m->ncpus * (FB_VCPU_FRAMES + FB_CB_FRAMES) + INFO_PAGES + 1 + STEWARD_PAGES +
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
    m->port_frame = take(m, STEWARD_PAGES);
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
    if (!making_check(m,
               AGAIN(fb_domain_create(BOOT->cap_machine, BOOT->cap_memory, 0,
                                      &m->i->domain)),
               "making the domain"))
        return false;
    m->i->alive = true;
    return making_check(m,
                 AGAIN(fb_space_create(m->i->domain, BOOT->cap_memory, m->root_frame,
                                       &m->i->space)),
                 "making the first space");
}

/* ---- its window ---- */

static bool
map(struct making *m, u64 va, u64 cap, u64 frame, u64 pages, u32 flags, const char *what)
{
    return making_check(m, window_map(m->i->domain, va, cap, frame, pages, flags, &m->nodes),
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
            u64 n = s->pages - done < 256 ? s->pages - done : 256;
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

    /* What RAM or a former instance left there would be this one's state. */
    if (!memory_clear(m->cb_frame, m->ncpus * FB_CB_FRAMES))
        return making_check(m, -FB_E_INUSE, "clearing the control blocks");
    m->i->nvcpus = m->ncpus;
    for (u32 i = 0; i < m->ncpus; i++) {
        m->i->cpus[i] = m->cpus[i];
        m->i->reclaim.ticks[i] = ticks;
        u64 cb = m->cb_frame + i * FB_CB_FRAMES;
        long error =
            AGAIN(fb_vcpu_create(m->i->domain, m->cpus[i], BOOT->cap_memory,
                                 m->vcpu_frame + i * FB_VCPU_FRAMES, cb, &names[i]));
        if (!making_check(m, error, "making a vCPU"))
            return false;
        if (!map(m, WINDOW_CB + i * WINDOW_CB_STRIDE, BOOT->cap_memory, cb, FB_CB_FRAMES,
                 FB_MAP_READ | FB_MAP_WRITE, "a control block"))
            return false;
        error = AGAIN(
            fb_cap_grant(names[i], m->i->domain, FB_AUTH_ALL, 0, 64, &info->cap_vcpu[i]));
        if (!making_check(m, error, "granting a vCPU"))
            return false;
        info->cpu[i] = (u32)m->cpus[i];
        error = AGAIN(fb_slice_set(BOOT->cap_slices, m->cpus[i] * 64 + m->i->place,
                                   names[i], ticks, NULL));
        if (!making_check(m, error, "placing a vCPU in the slice vector"))
            return false;
    }
    return true;
}

static bool
start_vcpus(struct making *m)
{
    for (u32 i = 0; i < m->ncpus; i++) {
        long error = AGAIN(fb_vcpu_start(m->i->vcpus[i], 0, 0, m->image.entry, 0, i, NULL));
        if (error == -FB_E_DEAD)
            return true; /* those that run have ended the domain already: its event says
                            so */
        if (!making_check(m, error, "starting a vCPU"))
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

/* What trace.c needs of the image. */
static void
note_image(struct making *m)
{
    m->i->data_frame = m->data_frame;
    for (u32 k = m->image.count; k-- > 0;) {
        const struct elf_segment *s = &m->image.segment[k];
        struct fb_range at = { s->va, s->va + (s->writable ? s->pages * PAGE
                                                           : s->file_bytes) };
        if (s->executable)
            m->i->text = at;
        else if (s->writable)
            m->i->data = at; /* the first one, whose frames come first */
    }
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
        make_vcpus(m) && making_grant(m) &&
        making_check(m, AGAIN(fb_domain_watch(m->i->domain, BOOT->cap_vcpu, m->i->index, NULL)),
              "watching the domain") &&
        making_check(m, share_begin(m->i, &m->nodes, &m->info->shares), "sharing memory");
    own_unmap(0, INFO_PAGES);
    m->i->nodes = m->nodes;
    m->i->cb_frame = m->cb_frame;
    note_image(m);
    return ok &&
           making_check(m, reclaim_begin(m->i, m->domain_frame + 1, m->reclaim_frame),
                 "granting chunks") &&
           making_check(m, port_begin(m->i, m->port_frame), "making its port") &&
           start_vcpus(m);
}

static bool
take_memory(struct instance *i)
{
    u64 frames = i->what->memory == MEMORY_ALL ? MEMORY_ALL : i->what->memory / PAGE;

    if (!root_take(i))
        return false;
    if (!memory_take(frames, &i->memory)) {
        say("instance %s: not enough memory is left", i->what->name);
        root_give_back(i);
        return false;
    }
    if (!reclaim_carve(i)) {
        memory_give_back(&i->memory);
        i->memory.count = 0;
        root_give_back(i);
        return false;
    }
    return true;
}

bool
instance_start(struct instance *i)
{
    struct making m = { .i = i };
    char error[96];

    i->step = 0;
    i->cleared = 0;
    i->whole = true;
    if (!elf_find(i->what->personality, &m.image, error, sizeof(error))) {
        say("instance %s: %s", i->what->name, error);
        return false;
    }
    choose_cpus(&m);
    if (m.ncpus == 0) {
        say("instance %s: the machine has none of its CPUs", i->what->name);
        return false;
    }
    if (!take_memory(i))
        return false;
    m.memory = i->memory;
    if (i->root.lo < i->root.hi)
        m.memory.r[m.memory.count++] =
            (struct fb_range){ i->root.lo / PAGE, (i->root.hi + PAGE - 1) / PAGE };
    i->starts++;
    return build(&m);
}

#define STEPS 64u /* of a long call in one turn of the steward's loop */
/* Some steps of a call that works in steps.  -FB_E_RESUME: it is not done yet. */
static long
some_steps(long (*call)(unsigned long, unsigned long *), u64 name)
{
    long error = -FB_E_RESUME;

    for (u32 n = 0; n < STEPS && (error == -FB_E_RESUME || error == -FB_E_BUSY); n++)
        error = call(name, NULL);
    return error == -FB_E_BUSY ? -FB_E_RESUME : error;
}

long
finish(long (*call)(unsigned long, unsigned long *), u64 name)
{
    long error;

    do {
        error = some_steps(call, name);
        if (error == -FB_E_RESUME)
            __asm__ volatile("pause");
    } while (error == -FB_E_RESUME);
    return error;
}

/* Step 0 is the domain; then two for each of its memory capabilities. */
static long
remove_one(struct instance *i)
{
    long error = 0;
    const char *what = "destroying it";

    if (i->step == 0) {
        error = i->alive ? some_steps(fb_domain_destroy, i->domain) : 0;
    } else {
        u64 cap = i->memory_caps[(i->step - 1) / 2];
        what = "taking its memory back";
        error = some_steps(i->step % 2 ? fb_cap_revoke : fb_cap_delete, cap);
    }
    if (error == -FB_E_RESUME)
        return error;
    if (error)
        say("instance %s: %s: %s", i->what->name, what, fb_error_name(error));
    i->whole = i->whole && error == 0;
    i->step++;
    return 0;
}

#define CLEAR_FRAMES 2048u /* in one step */
/* Clear what is left of its memory and its root's copy, from i->cleared on; true: done. */
static bool
clear_step(struct instance *i)
{
    u64 skip = i->cleared, room = CLEAR_FRAMES;

    for (u32 k = 0; k <= i->memory.count && i->whole; k++) {
        struct fb_range r = { i->root.lo / PAGE, (i->root.hi + PAGE - 1) / PAGE };
        if (k < i->memory.count)
            r = i->memory.r[k];
        else if (!i->root_copied)
            break;
        u64 size = r.hi - r.lo, n = size > skip ? size - skip : 0;
        n = n < room ? n : room;
        if (n > 0 && !memory_clear(r.lo + skip, n)) {
            say("instance %s: its memory cannot be cleared, and is lost", i->what->name);
            i->whole = false;
        }
        i->cleared += n;
        room -= n;
        skip = skip > size ? skip - size : 0;
        if (room == 0)
            return false;
    }
    return true;
}

bool
instance_remove_step(struct instance *i)
{
    if (i->step == 0) {
        report_end(i);
        port_end(i); /* nothing that it says now counts */
        share_end(i);
    }
    while (i->step <= 2 * i->nmemory)
        if (remove_one(i) != 0)
            return false;
    if (!reclaim_end_step(i))
        return false;
    reclaim_end(i);
    i->alive = false;
    if (!clear_step(i))
        return false;
    /* Memory that is still in use is lost rather than given to somebody else. */
    if (i->whole) {
        memory_give_back(&i->memory);
        root_give_back(i);
    }
    i->nmemory = i->step = 0;
    i->memory.count = 0;
    return true;
}
