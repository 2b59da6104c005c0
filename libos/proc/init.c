/* SPDX-License-Identifier: MIT */
/* The start of the room, and of the first process. */
#include "core/fpu.h"
#include "core/heap.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/string.h"
#include "proc/internal.h"
#include "proc/parts.h"
#include "signal/signal.h"
#include "vm/mm.h"

void
proc_init(void)
{
    libos_hooks.exit_work = proc_exit_work;
    usage_init();
}

/* Append the strings of a list to `text`; how many. */
static u32
add_strings(char **list, char *text, size_t room, u64 *used)
{
    u32 n = 0;
    for (; list[n] != NULL; n++) {
        size_t bytes = strlen(list[n]) + 1;
        if (bytes > room - *used)
            break;
        memcpy(text + *used, list[n], bytes);
        *used += bytes;
    }
    return n;
}

/* Descriptors 0, 1 and 2 on the console. Without one the program runs without, as on
 * Linux. */
static void
open_console(struct process *p)
{
    struct walk w = { .context = place_own(), .cred = p->cred, .flags = WALK_FOLLOW };
    struct file *f;
    int error = vfs_open(&w, "/dev/console", OPEN_READ | OPEN_WRITE | OPEN_NOCTTY, 0, &f);
    if (error != 0) {
        log_error("warning: unable to open an initial console (%d)", error);
        return;
    }
    for (int i = 0; i < 3; i++) {
        file_hold(f);
        if (fd_install(files_own(), f, 0, false) < 0)
            file_release(f);
    }
    file_release(f);
}

static int
init_resources(struct process *p)
{
    p->cred = cred_new();
    struct thread *t = thread_current(); /* the first thread gets them from this one */
    t->fs = fs_context_new();
    p->actions = signal_actions_new();
    if (p->cred == NULL || t->fs == NULL || p->actions == NULL)
        return -E_NOMEM;
    return fdtable_new(&t->files);
}

/* A process without resources that did not start: tried again with the next path, so that
 * it stays number 1. */
static void
drop_resources(struct process *p)
{
    parts_end(thread_current(), false);
    parts_drop(thread_current());
    if (p->actions != NULL)
        signal_actions_release(p->actions);
    if (p->cred != NULL)
        cred_release(p->cred);
    p->actions = NULL;
    p->cred = NULL;
}

static void
start_first(struct process *p, struct thread *t, struct pgroup *g)
{
    proc_init_process = p;
    proc_hold(p); /* the thread's own */
    spin_lock(&family_lock);
    process_publish_locked(p, NULL, g);
    g->session->leader = p;
    p->execed = true;
    spin_unlock(&family_lock);
    int error = process_add_thread(p, t);
    ASSERT(error == 0);
    thread_start(t);
}

int
proc_start_init(const char *path, char **argv, char **envp)
{
    static struct process *p;
    struct thread *t = NULL;
    int error = 0;
    if (p == NULL)
        p = process_new(0, &error);
    if (p == NULL)
        return error;
    ASSERT(p->pid == 1 && proc_init_process == NULL);
    process_limits_default(p);
    p->exit_signal = SIG_CHLD;
    struct pgroup *g = pgroup_new(p->pid, NULL);
    error = g == NULL ? -E_NOMEM : init_resources(p);
    if (error == 0) {
        open_console(p);
        static char text[16u << 10]; /* more than a command line has */
        struct exec_args args = { .text = text, .filename = path };
        args.argc = add_strings(argv, text, sizeof text, &args.bytes);
        args.envc = add_strings(envp, text, sizeof text, &args.bytes);
        error = process_first_program(p, path, &args, &t);
    }
    if (error != 0) {
        drop_resources(p);
        heap_free(g);
        return error;
    }
    start_first(p, t, g);
    return 0;
}
