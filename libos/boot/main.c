/* SPDX-License-Identifier: MIT */
/*
 * From the first instruction of the instance to its first process.
 *
 * The first vCPU makes core (memory, heap, clocks, queues), gives the others their stacks
 * and wakes them, and then runs the rest as an ordinary thread: each room's init in the
 * order of dependencies, the archive, the first process.
 */
#include "core/arch/x86_64/arch.h"
#include "core/account.h"
#include "core/clock.h"
#include "core/cmdline.h"
#include "core/error.h"
#include "core/event.h"
#include "core/heap.h"
#include "core/hooks.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/random.h"
#include "core/sched.h"
#include "core/string.h"
#include "boot/rooms.h"
#include "sdk/abi.h"
#include "sdk/instance.h"

ABI_NOTE;
extern u64 boot_stack_tops[FB_CPUS_MAX];

/* ---- the other vCPUs ---- */
static void
start_others(void)
{
    for (u32 i = 1; i < instance->ncpus; i++) {
        struct lcpu *c = &lcpus[i];
        frame_t stack = page_alloc_run(2), fault = page_alloc_run(2);
        if (stack == FRAME_NONE || fault == FRAME_NONE)
            libos_panic("no memory for vCPU %u", i);
        struct thread *t = page_ptr(stack);
        c->leaving = page_ptr(fault); /* handed over; boot_other takes it out again */
        page_init_lcpu(c);
        timers_init(c);
        sched_init_lcpu(c);
        thread_adopt_idle(c, t, "idle");
        __atomic_store_n(&boot_stack_tops[i], (u64)t + THREAD_STACK, __ATOMIC_RELEASE);
    }
    lcpu_count = instance->ncpus;
    for (u32 i = 1; i < instance->ncpus; i++)
        machine_signal(&lcpus[i], 1ull << EVENT_POKE);
}

void
boot_other(struct lcpu *c)
{
    struct thread *fault = c->leaving;
    c->leaving = NULL;
    machine_setup_lcpu(c, fault);
    thread_idle();
}

/* ---- the end ---- */
static void
end_machine(int seconds)
{
    if (seconds == 0)
        hw_power(HW_POWER_HALT);
    if (seconds > 0) {
        u64 until = clock_mono_ns() + (u64)seconds * 1000000000ull;
        while (clock_mono_ns() < until) {
            thread_prepare(false);
            thread_block(until);
        }
    }
    hw_power(HW_POWER_RESET);
}

static void
init_ended(int status)
{
    log_error("Kernel panic - not syncing: Attempted to kill init! exitcode=0x%08x",
              (unsigned)status);
    i64 seconds = 0;
    cmdline_number("panic", &seconds);
    end_machine((int)seconds);
}

/* ---- the first process ---- */
#define WORDS_MAX 64
static char words[FB_CMDLINE_MAX + 4 * WORDS_MAX];
static char *init_argv[WORDS_MAX + 2], *init_envp[WORDS_MAX + 3];

/* Options that are this LibOS's, not for the first program. */
static bool
is_own_option(const char *word)
{
    static const char *const names[] = {
        "init",  "rdinit",      "quiet",         "panic",       "console", "root",
        "ro",    "rw",          "debug",         "loglevel",    "acpi",    "reboot",
        "clock", "earlyprintk", "nokaslr",       "mitigations", "initrd",  "tsc",
        "pci",   "noapic",      "init_on_alloc", "maxcpus",     "nosmp"
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t n = strlen(names[i]);
        if (strncmp(word, names[i], n) == 0 && (word[n] == 0 || word[n] == '='))
            return true;
    }
    const char *dot = strchr(word, '.'); /* module parameters, feuer.* */
    const char *equals = strchr(word, '=');
    return dot && (!equals || dot < equals);
}

/* As Linux: unknown name=value goes to the environment, other unknown words and all after
 * "--" are arguments. */
static void
split_cmdline(const char *program)
{
    unsigned argc = 0, envc = 0;
    init_argv[argc++] = (char *)(uintptr_t)program;
    static char home[] = "HOME=/", term[] = "TERM=linux";
    init_envp[envc++] = home;
    init_envp[envc++] = term;
    const char *cursor = hw_cmdline();
    char *at = words;
    bool all = false;
    for (;;) {
        int n = cmdline_next(&cursor, at, sizeof(words) - (size_t)(at - words));
        if (n < 0)
            break;
        if (!all && strcmp(at, "--") == 0) {
            all = true;
            continue;
        }
        if (!all && is_own_option(at))
            continue;
        if (!all && strchr(at, '=')) {
            unsigned slot = strncmp(at, "HOME=", 5) == 0   ? 0
                            : strncmp(at, "TERM=", 5) == 0 ? 1
                                                           : envc;
            if (slot < WORDS_MAX + 2) {
                init_envp[slot] = at;
                envc += slot == envc;
            }
        } else if (argc <= WORDS_MAX) {
            init_argv[argc++] = at;
        }
        at += n + 1;
    }
    init_argv[argc] = NULL;
    init_envp[envc] = NULL;
}

static int
try_init(const char *path)
{
    split_cmdline(path);
    return boot_start_process(path, init_argv, init_envp);
}

static void
start_init(void)
{
    static char path[256];
    bool have_archive = boot_have_archive();
    int r;
    if (cmdline_value(have_archive ? "rdinit" : "init", path, sizeof(path)) > 0 ||
        cmdline_value("init", path, sizeof(path)) > 0) {
        r = try_init(path);
        if (r == 0)
            return;
        libos_panic("Requested init %s failed (error %d).", path, r);
    }
    static const char *const usual[] = { "/init", "/sbin/init", "/etc/init", "/bin/init",
                                         "/bin/sh" };
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
        r = try_init(usual[i]);
        if (r == 0)
            return;
        if (r != -E_NOENT)
            log_error("%s exists but cannot be started (error %d)", usual[i], r);
    }
    libos_panic("No working init found.  Try passing init= option to the kernel.");
}

static void
boot_thread(void *unused)
{
    (void)unused;
    libos_hooks.init_ended = init_ended;
    boot_rooms();
    struct page_counts pages;
    page_count(&pages);
    log_info("%lu MiB, %lu MiB free, %u vCPUs, up after %lu us", pages.total >> 8,
             pages.free >> 8, lcpu_count, clock_mono_ns() / 1000);
    start_init();
}

void
boot_first(void)
{
    struct lcpu *c = &lcpus[0];
    page_init_lcpu(c);
    page_init(instance->used, instance->nused);
    table_pool_init();
    clock_init();
    timers_init(c);
    account_init();
    sched_init();
    sched_init_lcpu(c);
    thread_adopt_idle(c, thread_current(), "idle");
    random_init();
    name_hash_init();
    struct thread *t = thread_create("boot", boot_thread, NULL);
    if (!t)
        libos_panic("no memory for the first thread");
    thread_start(t);
    start_others();
    thread_idle();
}
