/* SPDX-License-Identifier: MIT */
/* See libos.h. */
#pragma GCC visibility push(hidden)
#include <sdk/libos.h>
#include <sdk/steward.h>
#include <sdk/stubs.h>

extern u8 libos_stacks[FB_CPUS_MAX][LIBOS_STACK];
void libos_gate_entry(void), libos_upcall_entry(void);
__attribute__((noreturn)) void libos_start(u64 vcpu);
__attribute__((noreturn)) void libos_upcall_enter(u64 area, u64 vector);
void libos_gate(struct libos_regs *regs);

/* Repeat a call while another CPU works on the same thing, or has stale translations. */
#define AGAIN(call)                                                                      \
    ({                                                                                   \
        long again_;                                                                     \
        while ((again_ = (call)) == -FB_E_BUSY || again_ == -FB_E_FLUSH)                 \
            fb_tlb_flush(~0ul, 0, NULL);                                                 \
        again_;                                                                          \
    })

/* ---- where one is ---- */

u64
libos_self(void)
{
    return ((u64)__builtin_frame_address(0) - (u64)libos_stacks) / LIBOS_STACK;
}

struct fb_cb *
libos_cb(u64 vcpu)
{
    return (struct fb_cb *)(WINDOW_CB + vcpu * WINDOW_CB_STRIDE);
}

u8 *
libos_buffer(u64 vcpu)
{
    return (u8 *)libos_cb(vcpu) + PAGE;
}

/* ---- start, system calls, upcalls ---- */

void
libos_start(u64 vcpu)
{
    const struct instance_info *info = LIBOS_INFO;

    /* The steward has compared the image's note with its own version; this is the other
     * direction, before the first structure is believed. */
    if (info->magic != INSTANCE_MAGIC || info->abi_version != FB_ABI_VERSION ||
        vcpu >= info->ncpus)
        libos_exit(LIBOS_EXIT_ABI);
    u64 base = (u64)libos_stacks[vcpu];
    struct fb_cb *cb = libos_cb(vcpu);
    cb->fault_rsp = base + LIBOS_STACK / 4;
    cb->event_rsp = base + LIBOS_STACK / 2;
    cb->entry_rsp = base + LIBOS_STACK;
    AGAIN(fb_vcpu_start(info->cap_vcpu[vcpu], (u64)libos_gate_entry,
                        (u64)libos_upcall_entry, 0, 0, 0, NULL));
    libos_main(vcpu);
    if (vcpu == 0)
        libos_exit(0);
    for (;;)
        libos_wait(FB_FOREVER);
}

void
libos_gate(struct libos_regs *regs)
{
    libos_syscall(libos_self(), regs);
}

/* Were these events of the current vCPU the steward's, and is there its order to end? */
static void
obey(u64 vcpu, u64 events)
{
    if (vcpu == 0 && events & 1ull << STEWARD_EVENT && libos_stopping())
        libos_stop(vcpu);
}

void
libos_upcall_enter(u64 area, u64 vector)
{
    u64 vcpu = libos_self();

    if (vector == FB_VECTOR_EVENT)
        obey(vcpu, libos_cb(vcpu)->save[area % FB_SAVES].events);
    libos_upcall(vcpu, area, vector);
    fb_resume(area, NULL);
    libos_exit(LIBOS_EXIT_UPCALL + vector); /* resume comes back only if it is refused */
}

__attribute__((weak)) void
libos_syscall(u64 vcpu, struct libos_regs *regs)
{
    libos_print("system call %lu on vCPU %lu, and nobody to handle it", regs->rax, vcpu);
    libos_exit(LIBOS_EXIT_CALL);
}

__attribute__((weak)) void
libos_upcall(u64 vcpu, u64 area, u64 vector)
{
    const struct fb_save_area *s = &libos_cb(vcpu)->save[area % FB_SAVES];

    if (vector == FB_VECTOR_EVENT)
        return;
    libos_print("vCPU %lu: fault %lu in the %s at %lx, address %lx, error %lx", vcpu,
                vector, area == FB_SAVE_USER ? "process" : "LibOS", s->regs.rip, s->cr2,
                s->regs.error);
    libos_exit(LIBOS_EXIT_UPCALL + vector);
}

__attribute__((weak)) void
libos_stop(u64 vcpu)
{
    (void)vcpu;
    libos_exit(STEWARD_EXIT_OFF);
}

u64
libos_stop_by(void)
{
    return __atomic_load_n(&STEWARD_PAGE->stop, __ATOMIC_ACQUIRE);
}

bool
libos_stopping(void)
{
    return libos_stop_by() != 0;
}

u64
libos_wait(u64 until)
{
    u64 bits = 0;

    fb_wait(until, &bits);
    obey(libos_self(), bits);
    return bits;
}

void
libos_exit(u64 code)
{
    for (;;)
        fb_domain_exit(code, NULL);
}

void
libos_print(const char *format, ...)
{
    u64 vcpu = libos_self(), offset = FB_BUFFER_BYTES - FB_CONSOLE_MAX;
    char *line = (char *)libos_buffer(vcpu) + offset;
    size_t n = sdk_print_to(line, FB_CONSOLE_MAX, "%s: ", LIBOS_INFO->name);
    va_list args;

    va_start(args, format);
    n += sdk_format(line + n, FB_CONSOLE_MAX - n - 2, format, args);
    va_end(args);
    n = n < FB_CONSOLE_MAX - 3 ? n : FB_CONSOLE_MAX - 3;
    line[n++] = '\r';
    line[n++] = '\n';
    if (fb_console_write(LIBOS_INFO->cap_machine, offset, n, NULL) != 0)
        libos_log(line, n);
}

/* ---- memory ---- */

static u64 next_page, end_page;   /* not handed out yet, in the direct map */
static u64 next_frame, end_frame; /* the same, mapped nowhere */
static u64 free_page;             /* came back; linked through their first words */

/* The first interval's upper end, below what is used already, leaves the direct map: its
 * last 2 MiB, since what is mapped by a large page leaves as a whole. */
static bool
memory_init(void)
{
    const struct instance_info *info = LIBOS_INFO;
    u64 lo = info->memory[0].lo, end = info->memory[0].hi;

    for (u32 i = 0; i < info->nused; i++)
        if (info->used[i].lo < end && info->used[i].hi > lo)
            end = info->used[i].lo;
    if (end <= lo)
        return false;
    u64 from = (end - 1) & ~511ull;
    if (end - from < 64)
        from -= 512;
    from = from < lo ? lo : from;
    for (u64 at = from; at < end;) {
        u64 value = 0;
        long error = AGAIN(
            fb_space_unmap(0, WINDOW_DMAP + at * PAGE, end - at, 0, 0, 512, &value));
        if (error && error != -FB_E_RESUME)
            return false;
        at += value & ((1ull << 40) - 1);
    }
    next_page = lo;
    next_frame = end_page = from;
    end_frame = end;
    return true;
}

u64
libos_frame(void)
{
    if (end_frame == 0 && !memory_init())
        return 0;
    return next_frame < end_frame ? next_frame++ : 0;
}

u64
libos_page(void)
{
    u64 frame = free_page;

    if (end_frame == 0 && !memory_init())
        return 0;
    if (frame != 0)
        free_page = *(u64 *)libos_at(frame);
    else if (next_page < end_page)
        frame = next_page++;
    if (frame != 0)
        memset(libos_at(frame), 0, PAGE);
    return frame;
}

void
libos_page_back(u64 frame)
{
    *(u64 *)libos_at(frame) = free_page;
    free_page = frame;
}

static void *
heap_page(void *unused)
{
    u64 frame = libos_page();

    (void)unused;
    return frame ? libos_at(frame) : NULL;
}

static void
heap_page_back(void *unused, void *page)
{
    (void)unused;
    libos_page_back(((u64)page - WINDOW_DMAP) / PAGE);
}

void
libos_heap_init(struct heap *h)
{
    sdk_heap_init(h, heap_page, heap_page_back, NULL);
}

void *
libos_at(u64 frame)
{
    return (void *)(WINDOW_DMAP + frame * PAGE);
}

long
libos_map(u64 space, u64 va, u64 frame, u32 flags)
{
    u64 memory = LIBOS_INFO->memory[0].cap, value = 0;

    for (;;) {
        long error = AGAIN(fb_space_map(space, va, memory, frame, flags, 1, &value));
        if (error != -FB_E_NOTABLE)
            return error;
        u64 node = libos_frame();
        if (node == 0)
            return -FB_E_FULL;
        error = AGAIN(fb_space_table(space, va, value >> 56, memory, node, NULL));
        if (error)
            return error;
    }
}

void
libos_enter(u64 rip, u64 rsp, u64 rdi)
{
    struct fb_save_area *s = &libos_cb(libos_self())->save[FB_SAVE_USER];

    memset(&s->regs, 0, sizeof(s->regs));
    s->regs.rip = rip;
    s->regs.rsp = rsp;
    s->regs.rdi = rdi;
    s->regs.rflags = 0x202; /* interrupts on */
    fb_resume(FB_SAVE_USER, NULL);
    libos_exit(LIBOS_EXIT_UPCALL);
}
