/* SPDX-License-Identifier: MIT */
/* The steward: reads the manifest, makes the instances, and then waits for their ends. */
#include "steward/archive.h"
#include "steward/steward.h"

#include <sdk/stubs.h>

#define AREA_BYTES  16384u
#define PLACES_FROM 16u /* of DEVICE_DOMAINS in each slice vector */
#define PLACES_TO   56u

static struct manifest manifest;
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
    line[n - 2] = '\n';
    log_append(MANIFEST_INSTANCES, line, n - 1);
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

u64
ticks_of_ms(u64 ms)
{
    return ((const struct fb_record *)WINDOW_RECORD)->tsc_hz / 1000 * ms;
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

/* Positions that the owner of DEVICE_DOMAINS may use are nobody else's. */
static void
place_all(void)
{
    u32 place = 0;
    bool domains = false;

    instance_count = manifest.count;
    for (u32 i = 0; i < manifest.count; i++)
        domains |= (manifest.instance[i].devices & DEVICE_DOMAINS) != 0;
    for (u32 i = 0; i < manifest.count; i++) {
        if (domains && place == PLACES_FROM)
            place = PLACES_TO;
        instances[i] = (struct instance){
            .what = &manifest.instance[i], .index = i, .place = place++
        };
    }
}

/* One turn: whoever rang, then what is due.  Returns when to take the next one. */
static u64
turn(u64 events)
{
    static u64 again; /* instances that had more to say than one turn takes */
    u64 set = events | again;

    again = 0;
    while (set) {
        u32 k = (u32)__builtin_ctzll(set);
        set &= set - 1;
        if (k >= instance_count)
            continue;
        if (port_drain(&instances[k]))
            again |= INSTANCE_EVENT(k);
        life_look(&instances[k]);
    }
    u64 next = reclaim_poll(instances, instance_count), when = life_poll();
    next = when < next ? when : next;
    when = usage_poll(instances, instance_count);
    next = when < next ? when : next;
    when = terminal_poll();
    next = when < next ? when : next;
    return again ? 0 : next;
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
    place_all();
    life_start_all();
    for (u64 events = 0;;) {
        u64 next = turn(events);
        events = 0;
        fb_wait(next, &events);
    }
}

__attribute__((naked)) static void
steward_upcall_entry(void)
{
    __asm__("jmp steward_upcall");
}
