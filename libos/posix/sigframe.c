/* SPDX-License-Identifier: MIT */
/*
 * The frame of a signal handler on the user's stack, exactly as Linux x86-64 lays it out,
 * and the way back from it (rt_sigreturn).
 *
 *   higher   | ... the program's stack ...
 *            | 128 bytes below its rsp stay as they are (System V ABI, 3.2.2)
 *   64-al.   | vector state: FXSAVE or XSAVE area, then the second magic number
 *   16n + 8  | restorer's address | ucontext | siginfo      <- rsp at the handler's entry
 *
 * X1. The user's vector state is live in the CPU and goes through thread->fpu, which is
 *     overwritten with it when the thread sleeps.
 * X2. What comes back from the user is made harmless: fpu_valid checks the vector state,
 *     the kernel clamps rip and rflags on the way out, segments are constants, SIG_KILL
 *     and SIG_STOP never get blocked.
 */
#include "core/fpu.h"
#include "core/machine.h"
#include "core/string.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/proc.h"
#include "signal/signal.h"

#define RED_ZONE 128u
#define SS_ONSTACK 1u
#define SS_DISABLE 2u
#define SS_AUTODISARM 0x80000000u
#define ALTSTACK_MIN 2048u
#define TRAP_PAGE_FAULT 14u
#define RFLAGS_FIXED 0x202u /* interrupts are on */

struct linux_stack {
    u64 base;
    i32 flags, pad;
    u64 size;
};
struct linux_sigcontext {
    u64 r8, r9, r10, r11, r12, r13, r14, r15;
    u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    u16 cs, gs, fs, ss;
    u64 error, trap, oldmask, cr2, fpstate;
    u64 reserved[8];
};
struct linux_ucontext {
    u64 flags, link;
    struct linux_stack stack;
    struct linux_sigcontext mc;
    u64 mask;
};
struct linux_rt_sigframe {
    u64 restorer;
    struct linux_ucontext uc;
    struct linux_siginfo info;
};
_Static_assert(sizeof(struct linux_sigcontext) == 256, "sigcontext");
_Static_assert(offsetof(struct linux_rt_sigframe, uc.mc) == 48, "rt_sigframe: mcontext");
_Static_assert(offsetof(struct linux_rt_sigframe, info) == 312, "rt_sigframe: siginfo");
_Static_assert(sizeof(struct linux_rt_sigframe) == 440, "rt_sigframe");

#define UC_FP_XSTATE 1ull
#define UC_SIGCONTEXT_SS 2ull
#define UC_STRICT_RESTORE_SS 4ull

/* The last 48 bytes of the FXSAVE area say what follows it. */
#define FX_BYTES 512u
#define FX_SOFTWARE 464u
#define XSAVE_HEADER 64u
#define FP_MAGIC1 0x46505853u
#define FP_MAGIC2 0x46505845u
struct fx_software {
    u32 magic1, extended_size;
    u64 features;
    u32 state_size;
    u32 pad[7];
};
_Static_assert(sizeof(struct fx_software) == 48, "_fpx_sw_bytes");

static inline bool
user_range(uaddr at, u64 bytes)
{
    return at < USER_TOP && bytes <= USER_TOP - at;
}

/* Bytes on the stack for the vector state. */
static u32
state_bytes(void)
{
    return fpu_features() != 0 ? fpu_bytes() + 4 : FX_BYTES;
}

/* What the processor leaves as it is in the user's area: the software's bytes and, behind
 * them, the header, which must have been cleared. The same for all frames. */
static struct {
    struct fx_software sw;
    u8 header[XSAVE_HEADER];
} state_words;

void
sigframe_init(void)
{
    u32 bytes = fpu_bytes();
    state_words.sw = (struct fx_software){ .magic1 = FP_MAGIC1,
                                           .extended_size = bytes + 4,
                                           .features = fpu_features(),
                                           .state_size = bytes };
}

/* The short way: straight to the user's stack, when its pages are there. */
static bool
save_state_directly(uaddr to)
{
    u32 bytes = fpu_bytes(), magic2 = FP_MAGIC2;
    return copy_to_user(to + FX_SOFTWARE, &state_words, sizeof state_words) == 0 &&
           fpu_save_user(to) == 0 &&
           copy_to_user(to + bytes, &magic2, sizeof magic2) == 0;
}

static int
save_state(struct thread *t, uaddr to)
{
    if (fpu_features() != 0 && user_range(to, fpu_bytes()) && save_state_directly(to))
        return 0;
    u32 bytes = fpu_bytes();
    bool extended = fpu_features() != 0;
    const struct fx_software none = { 0 };
    u32 magic2 = FP_MAGIC2;
    /* Those bytes of the area are software's: the processor neither reads nor writes
     * them. Should the copy sleep, the state that is saved meanwhile is the same (X1). */
    fpu_save(t);
    memcpy((char *)t->fpu + FX_SOFTWARE, extended ? &state_words.sw : &none, sizeof none);
    int error = copy_to_user(to, t->fpu, bytes);
    if (error == 0 && extended)
        error = copy_to_user(to + bytes, &magic2, sizeof magic2);
    return error;
}

/* How much of the area at `from` is there: by its software bytes, as Linux believes them
 * only if both magics fit. */
static int
area_size(uaddr from, u32 *bytes)
{
    struct fx_software sw;
    u32 magic2 = 0;
    *bytes = FX_BYTES;
    if (copy_from_user(&sw, from + FX_SOFTWARE, sizeof sw) != 0)
        return -E_FAULT;
    if (fpu_features() == 0 || sw.magic1 != FP_MAGIC1 || sw.state_size != fpu_bytes() ||
        sw.extended_size < sw.state_size + 4)
        return 0;
    if (user_load32(from + sw.state_size, &magic2) != 0)
        return -E_FAULT;
    if (magic2 == FP_MAGIC2)
        *bytes = fpu_bytes();
    return 0;
}

/* The state that a bad one leaves behind. */
static int
load_fresh(struct thread *t, int error)
{
    fpu_init_state(t->fpu);
    fpu_load(t);
    return error;
}

/*
 * A copy that sleeps is overwritten by what is live when the thread leaves the CPU, so it
 * is made again: the second time its pages are there, and only somebody who takes them
 * away on purpose can go on like that.
 */
#define ATTEMPTS 8

static int
load_state(struct thread *t, uaddr from)
{
    u32 bytes;
    if (from >= USER_TOP || (from & 15) != 0 || area_size(from, &bytes) != 0)
        return -E_FAULT;
    if (bytes != FX_BYTES && (from & 63) == 0 && user_range(from, bytes) &&
        fpu_load_user(from) == 0)
        return 0; /* the short way: the processor checks what it loads */
    (void)fpu_get_fs(t); /* the bases stay as they are: now they are in t as well */
    for (int i = 0; i < ATTEMPTS; i++) {
        u64 since = t->sched.started;
        if (bytes != fpu_bytes())
            fpu_init_state(t->fpu);
        if (copy_from_user(t->fpu, from, bytes) != 0)
            return load_fresh(t, -E_FAULT);
        if (t->sched.started != since)
            continue;
        if (bytes == FX_BYTES && fpu_features() != 0) {
            /* Only x87 and SSE came: the header says so (SDM vol. 1, 13.4.2). */
            u64 present = 3;
            memcpy((char *)t->fpu + FX_BYTES, &present, sizeof present);
        }
        if (!fpu_valid(t->fpu))
            return load_fresh(t, -E_INVAL);
        fpu_load(t);
        return 0;
    }
    return load_fresh(t, -E_FAULT);
}

static bool
on_altstack(const struct thread *t, u64 rsp)
{
    return t->altstack_size != 0 && !(t->altstack_flags & SS_AUTODISARM) &&
           rsp > t->altstack_base && rsp - t->altstack_base <= t->altstack_size;
}

/* Where the frame goes: its address, and that of the vector state. -E_FAULT: an alternate
 * stack that is too small. */
static int
place_frame(struct thread *t, const struct user_frame *f,
            const struct signal_action *action, uaddr *frame, uaddr *state)
{
    u64 sp = f->rsp - RED_ZONE;
    bool nested = on_altstack(t, f->rsp), entering = false;
    if ((action->flags & SA_F_ONSTACK) && t->altstack_size != 0 && !nested) {
        sp = t->altstack_base + t->altstack_size;
        entering = true;
    }
    *state = (sp - state_bytes()) & ~63ull;
    *frame = ((*state - sizeof(struct linux_rt_sigframe)) & ~15ull) - 8;
    if ((nested || entering) && (*frame < t->altstack_base || *frame > sp))
        return -E_FAULT;
    return *frame < sp && sp < USER_TOP ? 0 : -E_FAULT;
}

static void
fill_context(struct linux_ucontext *uc, struct thread *t, const struct user_frame *f,
             u64 mask, uaddr state)
{
    uc->flags = (fpu_features() != 0 ? UC_FP_XSTATE : 0) | UC_SIGCONTEXT_SS |
                UC_STRICT_RESTORE_SS;
    uc->link = 0;
    uc->stack.pad = 0;
    uc->stack.base = t->altstack_base;
    uc->stack.size = t->altstack_size;
    uc->stack.flags = t->altstack_size == 0 ? (i32)SS_DISABLE
                                           : (i32)t->altstack_flags;
    struct linux_sigcontext *mc = &uc->mc;
    mc->r8 = f->r8;
    mc->r9 = f->r9;
    mc->r10 = f->r10;
    mc->r11 = f->r11;
    mc->r12 = f->r12;
    mc->r13 = f->r13;
    mc->r14 = f->r14;
    mc->r15 = f->r15;
    mc->rdi = f->rdi;
    mc->rsi = f->rsi;
    mc->rbp = f->rbp;
    mc->rbx = f->rbx;
    mc->rdx = f->rdx;
    mc->rax = f->rax;
    mc->rcx = f->rcx;
    mc->rsp = f->rsp;
    mc->rip = f->rip;
    mc->rflags = f->rflags;
    mc->cs = (u16)f->cs;
    mc->ss = (u16)f->ss;
    mc->gs = mc->fs = 0;
    mc->error = mc->trap = mc->cr2 = 0;
    mc->oldmask = mask;
    mc->fpstate = state;
    __builtin_memset(mc->reserved, 0, sizeof mc->reserved);
    uc->mask = mask;
}

int
sigframe_push(struct thread *t, struct user_frame *f, int number,
              const struct signal_action *action, const struct signal_info *info,
              u64 mask)
{
    uaddr at, state;
    struct linux_rt_sigframe frame;
    frame.restorer = action->restorer;
    if (!(action->flags & SA_F_RESTORER) || place_frame(t, f, action, &at, &state) != 0)
        return -E_FAULT; /* without a restorer there is no way back, as on Linux */
    fill_context(&frame.uc, t, f, mask, state);
    if (siginfo_layout(info) == SIGINFO_FAULT) {
        bool page = info->trap == 0 && info->number != SIG_FPE;
        frame.uc.mc.error = page ? f->error : info->error_code;
        frame.uc.mc.trap = page ? TRAP_PAGE_FAULT : info->trap;
        frame.uc.mc.cr2 = page ? info->addr : 0;
    }
    /* Only who asked for it gets the siginfo, as on Linux. */
    bool asked = (action->flags & SA_F_SIGINFO) != 0;
    if (asked)
        siginfo_to_linux(&frame.info, info);
    if (save_state(t, state) != 0 ||
        copy_to_user(at, &frame, asked ? sizeof frame : offsetof(struct linux_rt_sigframe,
                                                                 info)) != 0)
        return -E_FAULT;
    if (t->altstack_flags & SS_AUTODISARM) {
        t->altstack_base = t->altstack_size = 0;
        t->altstack_flags = 0;
    }
    f->rdi = (u64)number;
    f->rsi = at + offsetof(struct linux_rt_sigframe, info);
    f->rdx = at + offsetof(struct linux_rt_sigframe, uc);
    f->rax = 0;
    f->rip = action->handler;
    f->rsp = at;
    f->rflags &= ~0x10500ull; /* direction, trap, resume */
    if (f->orig_rax != ~0ull)
        machine_user_moved(t, f); /* the gate's return does the rest */
    else
        thread_set_work(t, WORK_FULL);
    f->orig_rax = ~0ull;
    return 0;
}

static void
take_context(struct user_frame *f, const struct linux_sigcontext *mc)
{
    /* What a program may set (the kernel clamps again). */
    const u64 flags = 0x50dd5;
    f->r8 = mc->r8;
    f->r9 = mc->r9;
    f->r10 = mc->r10;
    f->r11 = mc->r11;
    f->r12 = mc->r12;
    f->r13 = mc->r13;
    f->r14 = mc->r14;
    f->r15 = mc->r15;
    f->rdi = mc->rdi;
    f->rsi = mc->rsi;
    f->rbp = mc->rbp;
    f->rbx = mc->rbx;
    f->rdx = mc->rdx;
    f->rax = mc->rax;
    f->rcx = mc->rcx;
    f->rsp = mc->rsp;
    f->rip = mc->rip;
    f->rflags = (mc->rflags & flags) | RFLAGS_FIXED;
    f->orig_rax = ~0ull;
}

/* There is one code and one stack segment; what another kernel would load and fault on
 * is refused here. The two lowest bits do not count. */
static bool
segments_fit(const struct linux_ucontext *uc)
{
    return (uc->mc.cs | 3u) == USER_CS &&
           (!(uc->flags & UC_STRICT_RESTORE_SS) || (uc->mc.ss | 3u) == USER_SS);
}

static int
set_altstack(struct thread *t, const struct linux_stack *s)
{
    u32 mode = (u32)s->flags & ~SS_AUTODISARM;
    if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK)
        return -E_INVAL;
    if (mode == SS_DISABLE) {
        t->altstack_base = t->altstack_size = 0;
        t->altstack_flags = 0;
        return 0;
    }
    if (s->size < ALTSTACK_MIN)
        return -E_NOMEM;
    t->altstack_base = s->base;
    t->altstack_size = s->size;
    t->altstack_flags = (u32)s->flags & SS_AUTODISARM;
    return 0;
}

long
sys_rt_sigreturn(struct user_frame *f)
{
    struct thread *t = thread_current();
    struct linux_ucontext uc;
    /* The handler's `ret` took the restorer's address off. */
    uaddr at = machine_user_rsp(t) - sizeof(u64) + offsetof(struct linux_rt_sigframe, uc);
    THREAD_RESTART_KIND(t) = 0;
    int error = copy_from_user(&uc, at, sizeof uc);
    if (error == 0 && !segments_fit(&uc))
        error = -E_FAULT;
    if (error == 0 && uc.mc.rip >= USER_TOP)
        error = -E_FAULT;
    if (error == 0 && uc.mc.fpstate != 0) {
        error = load_state(t, uc.mc.fpstate);
    } else if (error == 0) {
        fpu_save(t); /* for the bases, which stay */
        fpu_init_state(t->fpu);
        fpu_load(t);
    }
    if (error != 0) {
        struct signal_info info = { .number = SIG_SEGV, .code = SIGNAL_CODE_KERNEL };
        signal_fault(SIG_SEGV, &info);
        return 0;
    }
    take_context(f, &uc.mc);
    /* A stack that does not fit any more is not an error, as on Linux. */
    if (!on_altstack(t, uc.mc.rsp))
        error = set_altstack(t, &uc.stack);
    signal_mask_set(uc.mask);
    thread_set_work(t, WORK_FULL);
    return (long)f->rax;
}

long
sys_sigaltstack(struct user_frame *f)
{
    struct thread *t = thread_current();
    struct linux_stack set, old = { .base = t->altstack_base, .size = t->altstack_size };
    bool on = on_altstack(t, machine_user_rsp(t));
    old.flags = t->altstack_size == 0 ? (i32)SS_DISABLE
                                      : (i32)(t->altstack_flags | (on ? SS_ONSTACK : 0));
    if (SYS_ARG0(f) != 0) {
        if (copy_from_user(&set, SYS_ARG0(f), sizeof set) != 0)
            return -E_FAULT;
        if (on)
            return -E_PERM;
        int error = set_altstack(t, &set);
        if (error != 0)
            return error;
    }
    return SYS_ARG1(f) != 0 ? copy_to_user(SYS_ARG1(f), &old, sizeof old) : 0;
}

/* FPE_FLTDIV 3, FLTOVF 4, FLTUND 5 (denormal operands as well), FLTRES 6, FLTINV 7: the
 * first unmasked exception in this order (SDM vol. 1, 8.5 and 11.5). */
int
sigframe_float_code(struct thread *t, unsigned vector)
{
    fpu_save(t);
    u16 control, status;
    u32 mxcsr;
    memcpy(&control, t->fpu, sizeof control);
    memcpy(&status, (char *)t->fpu + 2, sizeof status);
    memcpy(&mxcsr, (char *)t->fpu + 24, sizeof mxcsr);
    u32 raised =
        vector == 16 ? status & ~(u32)control & 0x3f : mxcsr & ~(mxcsr >> 7) & 0x3f;
    static const struct {
        u8 bits, code;
    } order[] = { { 0x01, 7 }, { 0x04, 3 }, { 0x08, 4 }, { 0x12, 5 }, { 0x20, 6 } };
    for (u32 i = 0; i < ARRAY_SIZE(order); i++)
        if ((raised & order[i].bits) != 0)
            return order[i].code;
    return 0;
}
