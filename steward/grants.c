/* SPDX-License-Identifier: MIT */
/* What an instance is told and granted when it is made: its info pages, its memory, its
 * devices.  docs/operating.md lists what each word of the manifest gives. */
#include "steward/making.h"

#include <sdk/stubs.h>

#define MEMORY_GRANT                                                                     \
    FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS,                                          \
            FB_RIGHT_READ | FB_RIGHT_WRITE | FB_RIGHT_EXEC | FB_RIGHT_GIVE |             \
                FB_RIGHT_DERIVE | FB_RIGHT_REVOKE)

static bool
grant(struct making *m, u64 from, u64 auth, u64 lo, u64 hi, u64 *out, const char *what)
{
    return making_check(m, AGAIN(fb_cap_grant(from, m->i->domain, auth, lo, hi, out)),
                        what);
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
        if (!making_check(
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
    u32 derive = devices & DEVICE_DOMAINS /* there is somebody to give it to */
                     ? FB_RIGHT_DERIVE | FB_RIGHT_GRANT | FB_RIGHT_REVOKE
                     : 0;
    u64 port =
        FB_AUTH(FB_CLASS_ROOT, FB_KIND_IOPORT, FB_RIGHT_READ | FB_RIGHT_WRITE | derive);
    u64 irq = FB_AUTH(FB_CLASS_ROOT, FB_KIND_INTERRUPT, FB_RIGHT_CONTROL | derive);

    if (devices & DEVICE_COM2 &&
        (!grant(m, BOOT->cap_ports, port, 0x2f8, 0x300, &info->cap_com[1].ports,
                "granting com2") ||
         !grant(m, BOOT->cap_irqs, irq, 3, 4, &info->cap_com[1].irq, "granting com2")))
        return false;
    if (devices & DEVICE_HOST && !grant(m, BOOT->cap_ports, port, 0x402, 0x405,
                                        &info->cap_host_ports, "granting host ports"))
        return false;
    u64 slices =
        FB_AUTH(FB_CLASS_ROOT, FB_KIND_SCHEDULER, FB_RIGHT_CONTROL | derive);
    for (u64 cpu = 0; devices & DEVICE_DOMAINS && cpu < ncpus(); cpu++)
        if (!grant(m, BOOT->cap_slices, slices, cpu * 64 + 16, cpu * 64 + 56,
                   &info->cap_slices[cpu], "granting slices"))
            return false;
    u32 rights = FB_RIGHT_READ | (devices & DEVICE_POWER ? FB_RIGHT_CONTROL : 0) |
                 (devices & DEVICE_CONSOLE ? FB_RIGHT_WRITE : 0) |
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
    if (m->i->root.lo < m->i->root.hi) {
        info->initrd = m->i->root;
        info->used[info->nused++] = m->memory.r[m->memory.count - 1];
    }
    info->space_root_frame = m->root_frame;
    info->window_frame = m->window_frame;
    memcpy(info->name, what->name, sizeof(info->name));
    memcpy(info->personality, what->personality, sizeof(info->personality));
    sdk_print_to(info->console, sizeof(info->console), "%s",
                 what->devices & DEVICE_COM1 ? "ttyS0" : "none");
    /* The machine's command line speaks of the machine's own root. */
    bool own = what->root[0] && !what->initrd;
    sdk_print_to(info->cmdline, sizeof(info->cmdline), "%s%s%s", own ? "" : BOOT->cmdline,
                 what->args[0] && !own ? " " : "", what->args);
}

bool
making_grant(struct making *m)
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
