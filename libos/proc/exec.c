/* SPDX-License-Identifier: MIT */
/*
 * execve: open, check, follow #! lines, load - all of which can fail and changes nothing
 * - then the commit, in which the process becomes another program. The commit begins when
 * the other threads have ended; from there on nothing can fail.
 */
#include "core/fpu.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "proc/internal.h"
#include "proc/parts.h"
#include "proc/trace.h"
#include "signal/signal.h"
#include "signal/timer.h"
#include "vfs/mount.h"
#include "vfs/xattr.h"
#include "vm/mm.h"

#define SECURE_STACK (8u << 20) /* RLIMIT_STACK of a program with more rights than its caller */
#define SCRIPT_LINE 256 /* what is looked at of a file: Linux's BINPRM_BUF_SIZE */

/* What a #! line adds; the strings live until the exec is over. */
struct script {
    char line[SCRIPT_LINE + 1];
    char *head; /* what stands before the strings of the call: see struct exec_args */
    struct script *next;
};
struct exec_state {
    const char *path;      /* of the program that is looked at */
    struct exec_args args; /* as they stand, with the scripts' additions */
    struct script *scripts;
    const struct walk *at; /* where `path` starts; NULL: as any path */
    bool unreachable;      /* the program's name is gone when it runs */
    struct file *program;  /* which refuses writers */
    struct cred *cred;     /* of the new program */
    bool bound;            /* no_new_privs when it was made */
    bool secure;           /* AT_SECURE: proc/cred.h */
    struct exec_image image;
};

/* A program of this name, from the place of `at` (NULL: as any path); nobody may have it
 * open for writing (E_TXTBSY), or open it so while it is looked at. */
static int
open_program(const char *path, const struct walk *at,
             struct file **out)
{
    struct walk w = { .context = place_own(), .cred = cred_own(), .flags = WALK_FOLLOW };
    if (at != NULL) {
        w.start = at->start;
        w.flags = at->flags;
    }
    int error = path_walk(&w, path);
    if (error != 0)
        return error;
    struct inode *inode = w.found.inode;
    if (inode->type == IT_LINK)
        error = -E_LOOP; /* only without WALK_FOLLOW */
    else if (inode->type != IT_FILE)
        error = -E_ACCES;
    else if ((inode->mode & 0111) == 0)
        error = -E_ACCES; /* not even root executes a file that is not executable */
    else
        error = path_access(&w.found, cred_own(), 1);
    if (error == 0)
        error = inode_refuse_writers(inode);
    if (error != 0) {
        path_release(&w.found);
        return error;
    }
    struct file *f = file_new(inode->file_ops, inode, OPEN_READ);
    if (f == NULL) {
        inode_admit_writers(inode);
        path_release(&w.found);
        return -E_NOMEM;
    }
    f->path = w.found; /* the walk's references become the file's */
    *out = f;
    return 0;
}

static void
close_program(struct file *f)
{
    inode_admit_writers(f->inode);
    file_release(f);
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The first character of [at, end] that is no space, or NULL. */
static char *
skip_spaces(char *at, const char *end)
{
    while (at <= end && is_space(*at))
        at++;
    return at <= end ? at : NULL;
}

/* The first space or NUL of [at, end], or NULL. */
static char *
find_end_of_word(char *at, const char *end)
{
    while (at <= end && *at != '\0' && !is_space(*at))
        at++;
    return at <= end ? at : NULL;
}

/* The two words of a #! line, as Linux reads it: interpreter, and everything after it as
 * one argument.  A line longer than what is looked at loses the end of its argument, but
 * the interpreter's name must be whole.  False: there is none. */
static bool
split_line(struct script *s, char **interpreter, char **argument)
{
    char *last = s->line + SCRIPT_LINE - 1, *end = strchr(s->line, '\n');
    if (end == NULL || end > last) {
        end = skip_spaces(s->line + 2, last);
        if (end == NULL || find_end_of_word(end, last) == NULL)
            return false;
        end = last;
    }
    while (is_space(end[-1]))
        end--;
    char *name = skip_spaces(s->line + 2, end);
    if (name == NULL || name == end)
        return false;
    char *separator = find_end_of_word(name, end);
    *argument = separator != NULL && *separator != '\0' ? skip_spaces(separator, end) : NULL;
    *end = '\0';
    if (*argument != NULL)
        *separator = '\0';
    *interpreter = name;
    return true;
}

static void
drop_argv0(struct exec_args *a)
{
    if (a->heads > 0) {
        size_t bytes = strlen(a->head) + 1;
        a->heads--;
        a->head += bytes;
        a->head_bytes -= bytes;
    } else if (a->argc > 0) {
        size_t bytes = strlen(a->text) + 1;
        a->argc--;
        a->text += bytes;
        a->bytes -= bytes;
    }
}

/* argv becomes: interpreter, its argument, the script's path, argv[1] ... */
static int
apply_script(struct exec_state *e, struct script *s)
{
    char *interpreter, *argument;
    if (!split_line(s, &interpreter, &argument))
        return -E_NOEXEC;
    drop_argv0(&e->args);
    const char *own = s->next == NULL ? e->args.filename : e->path;
    const char *before[] = { interpreter, argument, own };
    u64 bytes = e->args.head_bytes;
    for (u32 i = 0; i < ARRAY_SIZE(before); i++)
        bytes += before[i] != NULL ? strlen(before[i]) + 1 : 0;
    char *at = s->head = heap_alloc(bytes);
    if (at == NULL)
        return -E_NOMEM;
    for (u32 i = 0; i < ARRAY_SIZE(before); i++) {
        if (before[i] == NULL)
            continue;
        size_t n = strlen(before[i]) + 1;
        memcpy(at, before[i], n);
        at += n;
        e->args.heads++;
    }
    memcpy(at, e->args.head, e->args.head_bytes);
    e->args.head = s->head;
    e->args.head_bytes = bytes;
    e->path = interpreter;
    return 0;
}

/* Read the beginning of the file. 1: a script, applied; 0: something else. */
static int
try_script(struct exec_state *e, struct exec_head *h)
{
    int error = exec_head_read(h, e->program);
    if (error != 0)
        return error;
    if (h->got < 2 || h->bytes[0] != '#' || h->bytes[1] != '!')
        return 0;
    struct script *s = heap_alloc_zeroed(sizeof *s);
    if (s == NULL)
        return -E_NOMEM;
    s->next = e->scripts;
    e->scripts = s;
    memcpy(s->line, h->bytes, MIN(h->got, (u64)SCRIPT_LINE)); /* the rest is zero */
    error = apply_script(e, s);
    return error != 0 ? error : 1;
}

static void
drop_state(struct exec_state *e)
{
    while (e->scripts != NULL) {
        struct script *s = e->scripts;
        e->scripts = s->next;
        heap_free(s->head);
        heap_free(s);
    }
    if (e->program != NULL)
        close_program(e->program);
    if (e->cred != NULL)
        cred_release(e->cred);
    if (e->image.mm != NULL)
        mm_release(e->image.mm);
}

/* It gets no rights that its caller has not. */
static bool
is_bound(void)
{
    struct thread *t = thread_current();
    return t->no_new_privs || trace_restricts(t);
}

static bool
has_set_ids(const struct file_rights *r, const struct cred *by)
{
    return ((r->mode & 04000) != 0 && r->uid != by->uid) ||
           ((r->mode & 02010) == 02010 && r->gid != by->gid);
}

static int
ids_of_program(struct process *p, struct exec_state *e)
{
    const struct cred *by = cred_own();
    /* Who may move the program's working directory under it (CLONE_FS) gets it no rights
     * that its caller has not, as on Linux. */
    bool shared = proc_place_is_shared(p);
    bool bound = is_bound();
    bool honour = !bound && (!shared || cred_can(by, CAP_SETUID));
    struct file_rights rights = { .mode = 0 };
    e->bound = bound;
    if (!mount_has(e->program->path.mount, MOUNT_NO_SET_IDS))
        xattr_rights(e->program->inode, &rights);
    int error = cred_for_exec(by, &rights, honour, !bound && !shared, &e->cred, &e->secure);
    /* Whose bits a tracer or a sharer makes void is not shaped by its caller either. */
    e->secure |= has_set_ids(&rights, by) && !thread_current()->no_new_privs;
    return error;
}

static bool
gains(const struct cred *from, const struct cred *to)
{
    return from->euid != to->euid || from->egid != to->egid ||
           (to->permitted & ~from->permitted) != 0;
}

static void
set_elevates(struct process *p, bool on)
{
    spin_lock(&p->lock);
    p->elevates = on;
    spin_unlock(&p->lock);
}

/* The other threads have ended: did one of them change what the decision rests on?  From
 * here on nobody else comes who would. */
static bool
decision_holds(struct process *p, const struct exec_state *e)
{
    if (e->secure || gains(cred_own(), e->cred))
        set_elevates(p, true);
    if (is_bound() != e->bound)
        return false;
    return !gains(cred_own(), e->cred) || cred_can(cred_own(), CAP_SETUID) ||
           !proc_place_is_shared(p);
}

/* Whose real id changed while the new user was over the limit may not run another program
 * while he still is (as on Linux: programs do not look at what setuid returns). */
static int
may_run(struct process *p)
{
    struct thread *t = thread_current();
    if (!t->check_tasks)
        return 0;
    if (user_tasks(t->cred->uid) > p->limits[LIMIT_NPROC].soft &&
        !cred_can(t->cred, CAP_SYS_RESOURCE) && !cred_can(t->cred, CAP_SYS_ADMIN))
        return -E_AGAIN;
    t->check_tasks = false;
    return 0;
}

/* Everything that can fail. */
static int
prepare(struct process *p, struct exec_state *e)
{
    struct exec_head head;
    for (int depth = 0;; depth++) {
        int error = open_program(e->path, depth == 0 ? e->at : NULL, &e->program);
        if (error != 0)
            return error;
        int script = try_script(e, &head);
        if (script < 0)
            return script;
        if (script == 0)
            break;
        if (depth == 0 && e->unreachable)
            return -E_NOENT; /* its interpreter could not open it */
        if (*e->path == '\0')
            return -E_ACCES; /* "#!" alone: Linux takes it for the current directory */
        if (depth >= EXEC_SCRIPT_DEPTH)
            return -E_LOOP;
        close_program(e->program);
        e->program = NULL;
    }
    int error = ids_of_program(p, e);
    if (error != 0)
        return error;
    struct exec_ids ids = { e->cred->uid, e->cred->euid, e->cred->gid, e->cred->egid,
                            e->secure };
    return exec_load(&head, &e->args, &ids, &e->image);
}

static void
take_name(struct process *p, struct thread *t, const char *path)
{
    const char *base = strrchr(path, '/');
    string_copy(p->name, base != NULL ? base + 1 : path, sizeof p->name);
    memcpy(t->name, p->name, sizeof t->name);
}

static int
unshare_actions(struct process *p)
{
    struct signal_actions *fresh = signal_actions_copy(p->actions);
    if (fresh == NULL)
        return -E_NOMEM;
    spin_lock(&p->lock);
    struct signal_actions *old = p->actions;
    p->actions = fresh;
    spin_unlock(&p->lock);
    signal_actions_release(old);
    return 0;
}

static void
new_registers(struct thread *t, struct user_frame *f, const struct exec_image *image)
{
    u64 cs = f->cs, ss = f->ss;
    memset(f, 0, sizeof *f);
    f->rip = image->entry;
    f->rsp = image->stack;
    f->rflags = 0x202;
    f->cs = cs;
    f->ss = ss;
    f->orig_rax = ~0ull;
    fpu_reset(t);
    thread_set_work(t, WORK_FULL);
}

/* From here on nothing fails. */
static void
commit(struct process *p, struct thread *t, struct user_frame *f, struct exec_state *e,
       const char *name)
{
    /* Who cannot read the program's file shall not read it in the process. */
    bool hidden = vfs_access(e->program->inode, t->cred, 4) != 0;
    /* At once, so that nobody who may look into the old program sees the new one. */
    spin_lock(&p->lock);
    struct mm *old = p->mm;
    if (old != NULL)
        mm_inherit(e->image.mm, old);
    struct cred *cred = p->cred;
    bool secure = e->secure;
    bool elevated = gains(cred, e->cred);
    bool mixed = cred->uid != cred->euid || cred->gid != cred->egid;
    p->mm = e->image.mm;
    p->cred = t->cred = e->cred; /* it is the first one by now */
    cred_hold(p->cred);
    p->dumpable = elevated || mixed || hidden ? 0 : 1;
    if (secure || elevated)
        p->pdeath_signal = 0;
    if (secure) { /* its caller does not say how its memory is laid out */
        p->personality &= ~(PERSONALITY_FIXED | PERSONALITY_READ_EXEC);
        p->limits[MM_LIMIT_STACK].soft =
            MIN(p->limits[MM_LIMIT_STACK].soft, (u64)SECURE_STACK);
    }
    spin_unlock(&p->lock);
    cred_release(cred); /* the process's, and below the thread's */
    e->cred = cred;
    e->image.mm = NULL;
    if (old != NULL)
        usage_memory_goes(p, old);
    mm_switch(p->mm);
    if (old != NULL)
        mm_release(old);
    if (p->party != NULL)
        proc_set_party(p, NULL);
    p->mm_shared = false;
    p->barriers = 0;
    process_vfork_done(p);
    fdtable_close_exec(t->files);
    signal_actions_exec(p);
    posix_timers_end(p);
    signal_thread_exec(t);
    take_name(p, t, name);
    p->exit_signal = SIG_CHLD;
    p->stack_hint = e->image.stack;
    spin_lock(&family_lock);
    /* A child's end shall not give the new program a signal that the old one chose. */
    list_for_each(it, &p->children)
        container_of(it, struct process, sibling)->parent_execed = true;
    p->execed = true;
    p->programs++;
    spin_unlock(&family_lock);
    new_registers(t, f, &e->image);
    if (__builtin_expect(t->trace != NULL, 0))
        trace_exec(t);
}

int
process_first_program(struct process *p, const char *path, const struct exec_args *args,
                      struct thread **out)
{
    struct exec_state e = { .path = path, .args = *args };
    /* The loader asks for the current process's place and ids; nothing in between sleeps,
     * since there is nobody else yet. */
    struct thread *self = thread_current();
    self->process = p;
    self->cred = p->cred;
    int error = prepare(p, &e);
    self->process = NULL;
    self->cred = NULL;
    struct thread *t = NULL;
    if (error == 0) {
        p->mm = e.image.mm;
        t = thread_create_user(p, NULL);
        if (t == NULL) {
            p->mm = NULL;
            error = -E_NOMEM;
        }
    }
    if (error == 0) {
        e.image.mm = NULL;
        t->tid = p->pid;
        parts_move(self, t);
        take_name(p, t, path);
        p->stack_hint = e.image.stack;
        thread_frame(t)->rip = e.image.entry;
        thread_frame(t)->rsp = e.image.stack;
        thread_frame(t)->orig_rax = ~0ull;
        *out = t;
    }
    drop_state(&e);
    return error;
}

/* Everything that can fail, until what was decided holds: another thread, or a tracer, may
 * have changed meanwhile what it rests on. */
static int
become_ready(struct process *p, struct exec_state *e, const struct exec_state *asked)
{
    for (;;) {
        *e = *asked;
        int error = prepare(p, e);
        if (error == 0 && signal_actions_shared(p->actions))
            error = unshare_actions(p);
        if (error == 0)
            error = process_end_others(p);
        if (error != 0 || decision_holds(p, e))
            return error;
        drop_state(e);
        *e = (struct exec_state){ .path = NULL };
        if (p->group_exit)
            return -E_INTR;
    }
}

int
proc_exec(struct user_frame *frame, const char *path, const struct exec_args *args,
          const struct exec_place *place)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    struct exec_state e, asked = { .path = path, .args = *args };
    if (place != NULL) {
        asked.at = &place->walk;
        asked.path = place->path;
        asked.unreachable = place->unreachable;
    }
    int error = may_run(p);
    if (error != 0)
        return error;
    error = become_ready(p, &e, &asked);
    if (error == 0)
        error = proc_unshare(true, false);
    if (error == 0) {
        process_leave_memory(t, false);
        commit(p, t, frame, &e, path);
    }
    if (__builtin_expect(p->elevates, 0))
        set_elevates(p, false);
    drop_state(&e);
    return error;
}
