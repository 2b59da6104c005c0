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
 * X1. The frame is written and read in place, word by word, and the vector state goes
 *     straight between it and the CPU. Where a page is not there it is brought in, and all
 *     is done again (ATTEMPTS).
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

/* How often a frame is begun anew whose pages go while it is written or read. */
#define ATTEMPTS 8

/* Bytes on the stack for the vector state. */
static u32
state_bytes(void)
{
    return fpu_features() != 0 ? fpu_bytes() + 4 : FX_BYTES;
}

/* The software's bytes for all frames, but for their end, which is zero. */
static struct fx_software state_words;

void
sigframe_init(void)
{
    u32 bytes = fpu_bytes();
    state_words = (struct fx_software){ .magic1 = FP_MAGIC1,
                                        .extended_size = bytes + 4,
                                        .features = fpu_features(),
                                        .state_size = bytes };
}

/* `to` is 64-byte aligned. What XSAVE leaves as it is are the software's bytes and,
 * behind them, the header, which must have been cleared. */
static bool
put_state(uaddr to)
{
    u64 word[3];
    __builtin_memcpy(word, &state_words, sizeof word); /* inlined */
    uaddr at = to + FX_SOFTWARE;
    if (!user_put64(at, word[0]) || !user_put64(at + 8, word[1]) ||
        !user_put64(at + 16, word[2]) || !user_put64(at + 24, 0) ||
        !user_put64(at + 32, 0) || !user_put64(at + 40, 0) || !user_put64(at + 48, 0) ||
        !user_put64(at + 56, 0) || !user_put64(at + 64, 0) || !user_put64(at + 72, 0) ||
        !user_put64(at + 80, 0) || !user_put64(at + 88, 0) || !user_put64(at + 96, 0) ||
        !user_put64(at + 104, 0))
        return false;
    return fpu_save_user(to) == 0 && user_put32(to + fpu_bytes(), FP_MAGIC2);
}

/* Without XSAVE: by way of thread->fpu, whose last bytes are the software's. */
static int
save_legacy_state(struct thread *t, uaddr to)
{
    const struct fx_software none = { 0 };
    fpu_save(t);
    memcpy((char *)t->fpu + FX_SOFTWARE, &none, sizeof none);
    return copy_to_user(to, t->fpu, FX_BYTES);
}

/* How much of the area at `from` is there: by its software bytes, as Linux believes them
 * only if both magics fit. */
static int
area_size(uaddr from, u32 *bytes)
{
    union {
        u64 word[3];
        struct fx_software sw;
    } u;
    u32 magic2 = 0;
    *bytes = FX_BYTES;
    if (copy_from_user(u.word, from + FX_SOFTWARE, sizeof u.word) != 0)
        return -E_FAULT;
    if (fpu_features() == 0 || u.sw.magic1 != FP_MAGIC1 ||
        u.sw.state_size != fpu_bytes() || u.sw.extended_size < u.sw.state_size + 4)
        return 0;
    uaddr end = from + u.sw.state_size;
    if (!user_range(end, sizeof magic2) ||
        (!user_get32(end, &magic2) && user_load32(end, &magic2) != 0))
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
static int
load_state(struct thread *t, uaddr from)
{
    u32 bytes;
    if ((from & 15) != 0 || !user_range(from, FX_BYTES) || area_size(from, &bytes) != 0)
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

/* Registers of sigcontext and of the frame, in sigcontext's order. */
#define EACH_REGISTER(DO)                                                                \
    DO(r8) DO(r9) DO(r10) DO(r11) DO(r12) DO(r13) DO(r14) DO(r15)                        \
    DO(rdi) DO(rsi) DO(rbp) DO(rbx) DO(rdx) DO(rax) DO(rcx) DO(rsp) DO(rip)

#define PUT(field, value)                                                                \
    if (!user_put64((uaddr)&to->field, (value)))                                         \
    return false

static bool
put_context(struct linux_ucontext *to, const struct thread *t, const struct user_frame *f,
            const struct signal_info *info, u64 mask, uaddr state)
{
    u32 stack = t->altstack_size == 0 ? SS_DISABLE : t->altstack_flags;
    PUT(flags, (fpu_features() != 0 ? UC_FP_XSTATE : 0) | UC_SIGCONTEXT_SS |
                   UC_STRICT_RESTORE_SS);
    PUT(link, 0);
    PUT(stack.base, t->altstack_base);
    PUT(stack.flags, stack);
    PUT(stack.size, t->altstack_size);
#define PUT_REGISTER(name) PUT(mc.name, f->name);
    EACH_REGISTER(PUT_REGISTER)
#undef PUT_REGISTER
    PUT(mc.rflags, f->rflags);
    PUT(mc.cs, USER_CS | (u64)USER_SS << 48);
    PUT(mc.oldmask, mask);
    PUT(mc.fpstate, state);
    PUT(mask, mask);
    if (siginfo_layout(info) == SIGINFO_FAULT) {
        bool page = info->trap == 0 && info->number != SIG_FPE;
        PUT(mc.error, page ? f->error : info->error_code);
        PUT(mc.trap, page ? TRAP_PAGE_FAULT : info->trap);
        PUT(mc.cr2, page ? info->addr : 0);
    } else {
        PUT(mc.error, 0);
        PUT(mc.trap, 0);
        PUT(mc.cr2, 0);
    }
    return true;
}
#undef PUT

/* All of it but the reserved words, which stay as they were, as on Linux. */
static inline bool
put_frame(uaddr at, const struct thread *t, const struct user_frame *f,
          const struct signal_action *action, const struct signal_info *info, u64 mask,
          uaddr state)
{
    struct linux_rt_sigframe *to = (struct linux_rt_sigframe *)at;
    if (!user_put64(at, action->restorer) ||
        !put_context(&to->uc, t, f, info, mask, state))
        return false;
    /* Only who asked for it gets the siginfo, as on Linux. */
    if ((action->flags & SA_F_SIGINFO) != 0 && !siginfo_put((uaddr)&to->info, info))
        return false;
    return fpu_features() == 0 || put_state(state);
}

int
sigframe_push(struct thread *t, struct user_frame *f, int number,
              const struct signal_action *action, const struct signal_info *info,
              u64 mask)
{
    uaddr at, state;
    if (t->rseq != 0)
        rseq_work(t, f); /* the handler returns to where the sequence ends */
    if (!(action->flags & SA_F_RESTORER) || place_frame(t, f, action, &at, &state) != 0)
        return -E_FAULT; /* without a restorer there is no way back, as on Linux */
    for (int i = 0; !put_frame(at, t, f, action, info, mask, state); i++)
        if (i == ATTEMPTS || zero_user(at, state - at + state_bytes()) != 0)
            return -E_FAULT;
    if (fpu_features() == 0 && save_legacy_state(t, state) != 0)
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

/* What of the context is no register. */
struct context_head {
    u64 flags;
    struct linux_stack stack;
    u64 rip, segments, rflags, fpstate, mask;
};

#define GET(field, value)                                                                \
    if (!user_get64((uaddr)&from->field, (value)))                                       \
    return false

static bool
get_head(const struct linux_ucontext *from, struct context_head *to)
{
    u64 stack_flags;
    GET(flags, &to->flags);
    GET(stack.base, &to->stack.base);
    GET(stack.flags, &stack_flags);
    GET(stack.size, &to->stack.size);
    to->stack.flags = (i32)stack_flags;
    GET(mc.rip, &to->rip);
    GET(mc.cs, &to->segments);
    GET(mc.rflags, &to->rflags);
    GET(mc.fpstate, &to->fpstate);
    GET(mask, &to->mask);
    return true;
}

static bool
get_registers(const struct linux_ucontext *from, struct user_frame *f)
{
#define GET_REGISTER(name) GET(mc.name, &f->name);
    EACH_REGISTER(GET_REGISTER)
#undef GET_REGISTER
    return true;
}
#undef GET

/* What a program may set of rflags (the kernel clamps again); the rest is fixed. */
#define RFLAGS_SET 0x250dd5u

/* All of the frame at `at`, but rip (it is another one when somebody writes there
 * meanwhile). */
static int
get_frame(uaddr at, struct user_frame *f, struct context_head *head)
{
    const struct linux_ucontext *from = (const struct linux_ucontext *)at;
    if (!user_range(at, sizeof *from))
        return -E_FAULT;
    for (int i = 0; !get_head(from, head) || !get_registers(from, f); i++) {
        struct linux_ucontext pages;
        if (i == ATTEMPTS || copy_from_user(&pages, at, sizeof pages) != 0)
            return -E_FAULT;
    }
    f->rip = head->rip;
    f->rflags = (head->rflags & RFLAGS_SET) | RFLAGS_FIXED;
    f->cs = USER_CS;
    f->ss = USER_SS;
    return 0;
}

/* There is one code and one stack segment; what another kernel would load and fault on
 * is refused here. The two lowest bits do not count. */
static bool
segments_fit(const struct context_head *head)
{
    return ((head->segments & 0xffff) | 3u) == USER_CS &&
           (!(head->flags & UC_STRICT_RESTORE_SS) ||
            (head->segments >> 48 | 3u) == USER_SS);
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

static inline bool
is_altstack(const struct thread *t, const struct linux_stack *s)
{
    return s->base == t->altstack_base && s->size == t->altstack_size &&
           (t->altstack_size == 0 ? s->flags == (i32)SS_DISABLE
                                  : (u32)s->flags == t->altstack_flags);
}

static int
return_state(struct thread *t, uaddr from)
{
    if (from != 0)
        return load_state(t, from);
    fpu_save(t); /* for the bases, which stay */
    fpu_init_state(t->fpu);
    fpu_load(t);
    return 0;
}

long
sys_rt_sigreturn(struct user_frame *f)
{
    struct thread *t = thread_current();
    struct context_head head;
    /* The handler's `ret` took the restorer's address off. */
    uaddr at = machine_user_rsp(t) - sizeof(u64) + offsetof(struct linux_rt_sigframe, uc);
    t->restart_kind = 0;
    int error = get_frame(at, f, &head);
    if (error == 0)
        f->orig_rax = ~0ull; /* the frame is the interrupted program's, whatever comes */
    if (error == 0 && (!segments_fit(&head) || head.rip >= USER_TOP))
        error = -E_FAULT;
    if (error == 0)
        error = return_state(t, head.fpstate);
    if (error != 0) {
        struct signal_info info = { .number = SIG_SEGV, .code = SIGNAL_CODE_KERNEL };
        signal_fault(SIG_SEGV, &info);
        return 0;
    }
    /* A stack that does not fit any more is not an error, as on Linux. */
    if (!on_altstack(t, f->rsp) && !is_altstack(t, &head.stack))
        (void)set_altstack(t, &head.stack);
    signal_mask_set(head.mask);
    machine_enter_user(t);
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
