/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2).  What it means is proc/trace.h's; here are Linux's numbers and layouts.
 * Registers that a tracer writes are made harmless as those of a signal frame are
 * (sigframe.c, X2).
 */
#include "core/fpu.h"
#include "core/heap.h"
#include "core/string.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "posix/table.h"
#include "proc/trace.h"
#include "vm/info.h"

enum {
    TRACEME, PEEKTEXT, PEEKDATA, PEEKUSER, POKETEXT, POKEDATA, POKEUSER, CONT, KILL_TRACEE,
    SINGLESTEP, GETREGS = 12, SETREGS, GETFPREGS, SETFPREGS, ATTACH, DETACH,
    OLD_SETOPTIONS = 21, SYSCALL_STOPS = 24, SYSEMU = 31, SYSEMU_SINGLESTEP,
    SETOPTIONS = 0x4200, GETEVENTMSG, GETSIGINFO, SETSIGINFO, GETREGSET, SETREGSET, SEIZE,
    INTERRUPT, LISTEN, PEEKSIGINFO, GETSIGMASK, SETSIGMASK, GET_SYSCALL_INFO = 0x420e,
    GET_RSEQ_CONFIGURATION,
};
/* Not there: PTRACE_O_TRACESECCOMP, PTRACE_O_SUSPEND_SECCOMP. */
#define OPTIONS (TRACE_CALLS_MARKED | TRACE_EVENTS_ALL | TRACE_EXIT_KILL)
#define NT_PRSTATUS 1u
#define NT_PRFPREG 2u
#define NT_X86_XSTATE 0x202u
#define FPREGS_BYTES 512u

/* struct user_regs_struct */
struct linux_regs {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax,
        rip, cs, rflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};
_Static_assert(sizeof(struct linux_regs) == 216, "struct user_regs_struct");
#define USER_BYTES 928u         /* struct user */
#define USER_DEBUG_AT 848u
#define RFLAGS_SETTABLE 0x40dd5u /* CF PF AF ZF SF TF DF OF AC */

static void
regs_get(const struct trace *tr, struct linux_regs *out)
{
    const struct user_frame *f = &tr->regs;
    *out = (struct linux_regs){
        f->r15, f->r14, f->r13, f->r12, f->rbp, f->rbx, f->r11, f->r10, f->r9, f->r8,
        f->rax, f->rcx, f->rdx, f->rsi, f->rdi, f->orig_rax, f->rip, f->cs, f->rflags,
        f->rsp, f->ss, tr->fs_base, tr->gs_base, 0, 0, 0, 0,
    };
}

/* -E_IO: no user program has such registers. */
static int
regs_set(struct trace *tr, const struct linux_regs *r)
{
    struct user_frame *f = &tr->regs;
    if (r->rip >= USER_TOP || r->fs_base >= USER_TOP || r->gs_base >= USER_TOP ||
        (r->cs & 0xffff) != f->cs || (r->ss & 0xffff) != f->ss)
        return -E_IO;
    *f = (struct user_frame){
        .r15 = r->r15, .r14 = r->r14, .r13 = r->r13, .r12 = r->r12, .rbp = r->rbp,
        .rbx = r->rbx, .r11 = r->r11, .r10 = r->r10, .r9 = r->r9, .r8 = r->r8,
        .rax = r->rax, .rcx = r->rcx, .rdx = r->rdx, .rsi = r->rsi, .rdi = r->rdi,
        .orig_rax = r->orig_rax, /* what it means: take_registers of trace_stop.c */
        .error = f->error, .rip = r->rip, .cs = f->cs,
        .rflags = (f->rflags & ~(u64)RFLAGS_SETTABLE) | (r->rflags & RFLAGS_SETTABLE),
        .rsp = r->rsp, .ss = f->ss,
    };
    tr->fs_base = r->fs_base;
    tr->gs_base = r->gs_base;
    tr->changed = true;
    return 0;
}

/* ---- register sets: a copy goes between the thread and the user ---- */

struct set_copy {
    u32 bytes; /* of the whole set */
    union {
        struct linux_regs regs;
        u8 area[4096];
    } *data;
};

/* -E_INVAL: no such set; -E_NOMEM. */
static int
set_open(struct set_copy *c, u64 type)
{
    c->bytes = type == NT_PRSTATUS     ? (u32)sizeof(struct linux_regs)
               : type == NT_PRFPREG    ? FPREGS_BYTES
               : type == NT_X86_XSTATE ? fpu_bytes()
                                       : 0;
    c->data = c->bytes != 0 ? heap_alloc(sizeof *c->data) : NULL;
    return c->bytes == 0 ? -E_INVAL : c->data == NULL ? -E_NOMEM : 0;
}

static void
set_read(struct set_copy *c, u64 type, const struct trace *tr)
{
    if (type == NT_PRSTATUS)
        regs_get(tr, &c->data->regs);
    else
        memcpy(c->data->area, tr->fpu, c->bytes);
}

static int
set_write(struct set_copy *c, u64 type, struct trace *tr)
{
    if (type == NT_PRSTATUS)
        return regs_set(tr, &c->data->regs);
    u8 *before = heap_alloc(PAGE_SIZE);
    if (before == NULL)
        return -E_NOMEM;
    memcpy(before, tr->fpu, PAGE_SIZE);
    memcpy(tr->fpu, c->data->area, c->bytes);
    bool good = fpu_valid(tr->fpu); /* who is killed meanwhile takes nothing (Y8) */
    if (!good)
        memcpy(tr->fpu, before, PAGE_SIZE);
    tr->fpu_changed |= good;
    heap_free(before);
    return good ? 0 : -E_INVAL;
}

/* *bytes: how many the user has room for; how many it was. */
static int
move_set(struct trace *tr, u64 type, uaddr at, u64 *bytes, bool write)
{
    struct set_copy c;
    int r = set_open(&c, type);
    if (r != 0)
        return r;
    *bytes = MIN(*bytes, c.bytes);
    set_read(&c, type, tr);
    r = write ? copy_from_user(c.data->area, at, *bytes)
              : copy_to_user(at, c.data->area, *bytes);
    if (r == 0 && write)
        r = set_write(&c, type, tr);
    heap_free(c.data);
    return r;
}

static int
move_iov_set(struct trace *tr, u64 type, uaddr iov_at, bool write)
{
    u64 iov[2];
    int r = copy_from_user(iov, iov_at, sizeof iov);
    if (r == 0)
        r = iov[1] % sizeof(u64) != 0 ? -E_INVAL
                                      : move_set(tr, type, iov[0], &iov[1], write);
    return r != 0 ? r : copy_to_user(iov_at + sizeof(u64), &iov[1], sizeof iov[1]);
}

/* One word of struct user: registers, and debug registers, which stay zero. */
static int
move_user_word(struct trace *tr, u64 at, uaddr user, u64 value, bool write)
{
    struct linux_regs regs;
    u64 word = 0;
    if (at % sizeof(u64) != 0 || at >= USER_BYTES)
        return -E_IO;
    bool is_reg = at < sizeof regs;
    if (is_reg) {
        regs_get(tr, &regs);
        memcpy(&word, (u8 *)&regs + at, sizeof word);
    }
    if (!write)
        return copy_to_user(user, &word, sizeof word);
    if (!is_reg)
        return at >= USER_DEBUG_AT && value == 0 ? 0 : -E_IO;
    memcpy((u8 *)&regs + at, &value, sizeof value);
    return regs_set(tr, &regs);
}

/* ---- memory ---- */

static int
move_word(struct trace *tr, uaddr at, uaddr user, u64 value, bool write)
{
    struct mm *m = mm_of(tr->process);
    u64 word;
    if (m == NULL)
        return -E_IO;
    i64 n = write ? mm_poke(m, at, &value, sizeof value, true)
                  : mm_peek(m, at, &word, sizeof word, true);
    mm_drop(m);
    if (n != (i64)sizeof word)
        return -E_IO;
    return write ? 0 : copy_to_user(user, &word, sizeof word);
}

/* ---- requests ---- */

static int
move_info(struct trace *tr, uaddr at, bool write)
{
    struct linux_siginfo info;
    if (!tr->has_info)
        return -E_INVAL; /* a stop of its process */
    if (!write) {
        siginfo_to_linux(&info, &tr->info);
        return copy_to_user(at, &info, sizeof info);
    }
    int r = copy_from_user(&info, at, sizeof info);
    if (r == 0)
        siginfo_from_linux(&tr->info, &info);
    return r;
}

static int
move_mask(struct trace *tr, u64 bytes, uaddr at, bool write)
{
    u64 mask = tr->mask;
    if (bytes != sizeof mask)
        return -E_INVAL;
    if (!write)
        return copy_to_user(at, &mask, sizeof mask);
    int r = copy_from_user(&mask, at, sizeof mask);
    if (r == 0)
        tr->mask = mask & ~(SIG_BIT(SIG_KILL) | SIG_BIT(SIG_STOP));
    tr->mask_changed |= r == 0;
    return r;
}

/* struct ptrace_syscall_info */
struct linux_call_info {
    u8 op, zero[3];
    u32 machine;
    u64 rip, rsp;
    union {
        struct {
            u64 number, argument[6];
        } entry;
        struct {
            i64 result;
            u8 is_error;
        } end;
    } u;
};
#define MACHINE_X86_64 0xc000003eu

/* How many bytes there are, of which the user has room for `room`. */
static long
call_info(struct trace *tr, u64 room, uaddr at)
{
    const struct user_frame *f = &tr->regs;
    struct linux_call_info info = { .machine = MACHINE_X86_64, .rip = f->rip, .rsp = f->rsp };
    u64 bytes = offsetof(struct linux_call_info, u);
    if (tr->has_info && tr->info.code == (SIG_TRAP | 0x80)) {
        if (tr->at == TRACE_AT_CALL) {
            info.op = 1;
            info.u.entry.number = f->orig_rax;
            u64 arguments[6] = { f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9 };
            memcpy(info.u.entry.argument, arguments, sizeof arguments);
            bytes += sizeof info.u.entry;
        } else {
            info.op = 2;
            info.u.end.result = (i64)f->rax;
            info.u.end.is_error = f->rax >= (u64)-4095ll;
            bytes += offsetof(struct linux_call_info, u.end.is_error) + 1 -
                     offsetof(struct linux_call_info, u);
        }
    }
    int r = copy_to_user(at, &info, MIN(room, bytes));
    return r != 0 ? r : (long)bytes;
}

struct linux_peek {
    u64 from;
    u32 flags;
    i32 count;
};
#define PEEK_SHARED 1u

static long
peek_signals(struct trace *tr, uaddr from, uaddr at)
{
    struct linux_peek peek;
    struct signal_info info = { 0 };
    struct linux_siginfo out;
    if (copy_from_user(&peek, from, sizeof peek) != 0)
        return -E_FAULT;
    if ((peek.flags & ~PEEK_SHARED) != 0 || peek.count < 0)
        return -E_INVAL;
    for (i32 i = 0; i < peek.count; i++) {
        u64 index = peek.from + (u64)i;
        if (index < peek.from ||
            trace_peek_signal(tr, (peek.flags & PEEK_SHARED) != 0, index, &info) == 0)
            return i;
        siginfo_to_linux(&out, &info);
        if (copy_to_user(at + (u64)i * sizeof out, &out, sizeof out) != 0)
            return i != 0 ? i : -E_FAULT;
    }
    return peek.count;
}

#define RSEQ_BYTES 32u

static long
rseq_configuration(const struct trace *tr, u64 room, uaddr at)
{
    struct {
        u64 at;
        u32 bytes, signature, flags, zero;
    } out = { tr->rseq, tr->rseq != 0 ? RSEQ_BYTES : 0, tr->rseq_signature, 0, 0 };
    int r = copy_to_user(at, &out, MIN(room, sizeof out));
    return r != 0 ? r : (long)sizeof out;
}

static int
set_options(struct trace *tr, u64 options)
{
    if ((options & ~(u64)OPTIONS) != 0)
        return -E_INVAL;
    trace_set_options(tr, (u32)options);
    return 0;
}

static int
go_on(struct trace *tr, u64 request, u64 number)
{
    if (number > SIG_MAX)
        return -E_IO;
    if (request == DETACH)
        trace_detach(tr, (i32)number);
    else
        trace_resume(tr, (i32)number, request == SINGLESTEP          ? TRACE_STEP
                                      : request == SYSCALL_STOPS     ? TRACE_TO_CALL
                                      : request == SYSEMU            ? TRACE_EMULATE
                                      : request == SYSEMU_SINGLESTEP ? TRACE_EMULATE_STEP
                                                                     : TRACE_ON);
    return 0;
}

/* The tracee is stopped. */
static long
request_of_stopped(struct trace *tr, u64 request, uaddr at, u64 data)
{
    u64 bytes = FPREGS_BYTES;
    switch (request) {
    case PEEKTEXT:
    case PEEKDATA:
        return move_word(tr, at, data, 0, false);
    case POKETEXT:
    case POKEDATA:
        return move_word(tr, at, 0, data, true);
    case PEEKUSER:
        return move_user_word(tr, at, data, 0, false);
    case POKEUSER:
        return move_user_word(tr, at, 0, data, true);
    case GETREGS:
    case SETREGS:
        bytes = sizeof(struct linux_regs);
        return move_set(tr, NT_PRSTATUS, data, &bytes, request == SETREGS);
    case GETFPREGS:
    case SETFPREGS:
        return move_set(tr, NT_PRFPREG, data, &bytes, request == SETFPREGS);
    case GETREGSET:
    case SETREGSET:
        return move_iov_set(tr, at, data, request == SETREGSET);
    case GETSIGINFO:
    case SETSIGINFO:
        return move_info(tr, data, request == SETSIGINFO);
    case GETSIGMASK:
    case SETSIGMASK:
        return move_mask(tr, at, data, request == SETSIGMASK);
    case GETEVENTMSG:
        return copy_to_user(data, &tr->message, sizeof tr->message);
    case SETOPTIONS:
    case OLD_SETOPTIONS:
        return set_options(tr, data);
    case LISTEN:
        return trace_listen(tr);
    case PEEKSIGINFO:
        return peek_signals(tr, at, data);
    case GET_SYSCALL_INFO:
        return call_info(tr, at, data);
    case GET_RSEQ_CONFIGURATION:
        return rseq_configuration(tr, at, data);
    case CONT:
    case SINGLESTEP:
    case SYSCALL_STOPS:
    case SYSEMU:
    case SYSEMU_SINGLESTEP:
    case DETACH:
        return go_on(tr, request, data);
    default:
        return -E_IO;
    }
}

/* Requests for tracees that need not be stopped. */
static int
request_of_any(i32 tid, u64 request)
{
    struct trace *tr;
    int r = trace_get(tid, false, &tr);
    if (r != 0)
        return r;
    if (request == KILL_TRACEE)
        signal_send_process(tr->process, SIG_KILL, NULL);
    else if (tr->seized)
        trace_interrupt(tr);
    else
        r = -E_IO;
    trace_drop(tr);
    return r;
}

long
sys_ptrace(struct user_frame *f)
{
    u64 request = SYS_ARG0(f), at = SYS_ARG2(f), data = SYS_ARG3(f);
    i32 tid = (i32)SYS_ARG1(f);
    struct trace *tr;
    switch (request) {
    case TRACEME:
        return trace_me();
    case ATTACH:
        return trace_attach(tid, false, 0);
    case SEIZE:
        return at != 0 || (data & ~(u64)OPTIONS) != 0 ? -E_IO
                                                      : trace_attach(tid, true, (u32)data);
    case INTERRUPT:
    case KILL_TRACEE:
        return request_of_any(tid, request);
    default:
        break;
    }
    long r = trace_get(tid, true, &tr);
    if (r != 0)
        return r;
    mutex_lock(&tr->asking);
    /* Another thread may have let it go on meanwhile. */
    r = __atomic_load_n(&tr->stopped, __ATOMIC_ACQUIRE) &&
                !__atomic_load_n(&tr->listening, __ATOMIC_ACQUIRE)
            ? request_of_stopped(tr, request, at, data)
            : -E_SRCH;
    mutex_unlock(&tr->asking);
    trace_drop(tr);
    return r;
}
