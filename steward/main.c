/* SPDX-License-Identifier: MIT */
/* The steward: reads the manifest, makes the instances, and then waits for their ends. */
#include "steward/archive.h"
#include "steward/steward.h"

#include <sdk/stubs.h>

#define AREA_BYTES 16384u

static struct manifest manifest;
static struct instance instances[MANIFEST_INSTANCES];
static struct fb_cb *cb = (struct fb_cb *)WINDOW_CB;
static u64 fault_stack[256] __attribute__((aligned(16)));

__attribute__((noreturn)) void steward_main(void);
__attribute__((noreturn)) void steward_upcall(u64 area, u64 vector);

static void
write_console(const char *text, size_t bytes)
{
    u8 *to = STEWARD_BUFFER + 8192;

    for (size_t done = 0, n; done < bytes; done += n) {
        n = bytes - done < FB_CONSOLE_MAX ? bytes - done : FB_CONSOLE_MAX;
        memcpy(to, text + done, n);
        fb_console_write(BOOT->cap_machine, 8192, n, NULL);
    }
}

static void
say_list(const char *format, va_list args)
{
    char line[512];
    size_t n = sdk_print_to(line, sizeof(line), "steward: ");

    n += sdk_format(line + n, sizeof(line) - n - 2, format, args);
    n = n > sizeof(line) - 3 ? sizeof(line) - 3 : n;
    line[n++] = '\r';
    line[n++] = '\n';
    write_console(line, n);
}

void
say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_list(format, args);
    va_end(args);
}

/* How `panic=` says: negative resets at once, 0 or absent halts, else wait and reset. */
static void
end_machine(void)
{
    char value[16];
    u64 op = FB_POWER_HALT;

    if (sdk_option(BOOT->cmdline, "panic=", value, sizeof(value)) &&
        strcmp(value, "0") != 0) {
        u64 seconds = 0;
        for (const char *c = value; *c >= '0' && *c <= '9' && seconds < 3600; c++)
            seconds = seconds * 10 + (u64)(*c - '0');
        u64 hz = ((const struct fb_record *)WINDOW_RECORD)->tsc_hz,
            until = __builtin_ia32_rdtsc() + seconds * hz;
        while (__builtin_ia32_rdtsc() < until)
            fb_wait(until, NULL);
        op = FB_POWER_RESET;
    }
    fb_power(BOOT->cap_machine, op, NULL);
}

void
give_up(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_list(format, args);
    va_end(args);
    say("panic: the machine cannot go on");
    for (;;)
        end_machine();
}

u64
ncpus(void)
{
    return ((const struct fb_record *)WINDOW_RECORD)->ncpus;
}

/* The steward never takes upcalls in normal life: what comes here is a fault of its own.
 */
void
steward_upcall(u64 area, u64 vector)
{
    const struct fb_save_area *s = &cb->save[area % FB_SAVES];
    give_up("fault %lu at %lx, address %lx, error %lx", vector, s->regs.rip, s->cr2,
            s->regs.error);
}

static void
read_manifest(void)
{
    char error[128], value[32];
    u64 pages = (BOOT->manifest.hi - BOOT->manifest.lo) / PAGE;
    const char *area =
        own_map(2, BOOT->cap_memory, BOOT->manifest.lo / PAGE, pages, false);

    /* In two pieces, so that the mark stands in the kernel file once: tools look for it
     * there. */
    if (pages * PAGE != AREA_BYTES || memcmp(area, "FBMANIFEST", 10) != 0 ||
        memcmp(area + 10, "-AREA", 6) != 0)
        give_up("the manifest area is damaged");
    if (!manifest_parse(area + 16, AREA_BYTES - 16, &manifest, error, sizeof(error)))
        give_up("%s", error);
    if (sdk_option(BOOT->cmdline, "feuer.gate=", value, sizeof(value))) {
        bool direct = strcmp(value, "direct") == 0;
        if (!direct && strcmp(value, "views") != 0)
            give_up("feuer.gate=%s: it is views or direct", value);
        for (u32 i = 0; i < manifest.count; i++)
            if (strcmp(manifest.instance[i].personality, "posix") == 0)
                manifest.instance[i].gate = direct ? FB_GATE_DIRECT : FB_GATE_VIEWS;
    }
}

static const char *
cause_name(u32 cause)
{
    switch ((enum fb_end_cause)cause) {
    case FB_END_NONE: return "no cause";
    case FB_END_EXIT: return "exit";
    case FB_END_DOUBLE_FAULT: return "a fault in its fault handler";
    case FB_END_DESTROYED: return "destroyed";
    case FB_END_NO_ENTRY: return "a fault before it could handle one";
    }
    return "?";
}

/* Report the end of an instance, and do what its manifest says. */
static void
instance_ended(struct instance *i)
{
    const struct fb_domain_status *s = (const void *)STEWARD_BUFFER;
    long error = fb_domain_status(i->domain, 0, NULL);

    if (error || s->state == FB_DOMAIN_ALIVE)
        return;
    bool clean = s->cause == FB_END_EXIT;
    if (!clean || !BOOT->quiet)
        say("instance %s ended: %s, code %lu", i->what->name, cause_name(s->cause),
            s->code);
    if (!clean)
        say("  at %lx, stack %lx, address %lx, error %lx", s->regs.rip, s->regs.rsp,
            s->cr2, s->regs.error);
    bool power = i->what->on_end == ON_END_POWER;
    if (power && !clean)
        give_up("instance %s, which the machine is for, has failed", i->what->name);
    if (power)
        fb_power(BOOT->cap_machine, FB_POWER_OFF, NULL);
    instance_remove(i);
    if (i->what->on_end == ON_END_RESTART && !instance_start(i))
        say("instance %s: could not be started again", i->what->name);
}

/* Instances with a size first, so that `memory all` gets what they leave. */
static void
start_all(void)
{
    for (int round = 0; round < 2; round++)
        for (u32 i = 0; i < manifest.count; i++) {
            struct instance *in = &instances[i];
            in->what = &manifest.instance[i];
            in->index = i;
            if ((in->what->memory == MEMORY_ALL) != (round == 1))
                continue;
            if (!instance_start(in) && in->what->on_end == ON_END_POWER)
                give_up("instance %s, which the machine is for, cannot be made",
                        in->what->name);
        }
}

static void steward_upcall_entry(void);

void
steward_main(void)
{
    cb->fault_rsp = (u64)&fault_stack[255];
    cb->entry_rsp = cb->event_rsp = cb->fault_rsp;
    fb_vcpu_start(BOOT->cap_vcpu, 0, (u64)steward_upcall_entry, 0, 0, 0, NULL);
    memory_init();
    window_map(0, WINDOW_RECORD, BOOT->cap_kernel_read, BOOT->record_frame, 1,
               FB_MAP_READ, NULL);
    if (!BOOT->quiet)
        say("%lu MiB, %lu CPUs", memory_total() / 256, ncpus());
    archive_init();
    read_manifest();
    share_init(&manifest);
    start_all();
    for (;;) {
        u64 events = 0;
        u64 reclaim = reclaim_poll(instances, manifest.count),
            usage = usage_poll(instances, manifest.count);
        fb_wait(reclaim < usage ? reclaim : usage, &events);
        for (u32 i = 0; i < manifest.count; i++)
            if (instances[i].alive && events & 1ull << i)
                instance_ended(&instances[i]);
    }
}

__attribute__((naked)) static void
steward_upcall_entry(void)
{
    __asm__("jmp steward_upcall");
}
