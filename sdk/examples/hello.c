/* SPDX-License-Identifier: MIT */
/*
 * The smallest LibOS: it says what it was given, runs one process with two system calls
 * of its own invention, and ends.  docs/writing-a-libos.md walks through it.
 */
#include <sdk/libos.h>
#include <sdk/stubs.h>

#define CODE  0x400000ul /* where the process finds its page of code */
#define STACK 0x500000ul

/* The system calls of this LibOS. */
enum { CALL_WRITE = 1, CALL_EXIT = 2 };

/*
 * The process: a few instructions, which are copied into a page of its own.  A system
 * call has its number in rax, and arguments in rdi and rsi; rcx and r11 are lost in it.
 */
__asm__(".pushsection .rodata\n"
        "program:\n"
        "    lea text(%rip), %rdi\n"
        "    mov $text_end - text, %esi\n"
        "    mov $1, %eax\n" /* CALL_WRITE */
        "    syscall\n"
        "    mov %rax, %rdi\n"
        "    mov $2, %eax\n" /* CALL_EXIT */
        "    syscall\n"
        "    ud2\n"
        "text: .ascii \"hello from a process\"\n"
        "text_end:\n"
        "program_end:\n"
        ".popsection\n");
extern const u8 program[] __attribute__((visibility("hidden")));
extern const u8 program_end[] __attribute__((visibility("hidden")));

static u64 code_page; /* its frame */

/* Write: the process says where, in its own addresses, and may say anything. */
static u64
call_write(u64 address, u64 bytes)
{
    char line[64];

    if (address < CODE || address >= CODE + PAGE || bytes > CODE + PAGE - address ||
        bytes >= sizeof(line))
        return ~0ul;
    memcpy(line, (u8 *)libos_at(code_page) + (address - CODE), bytes);
    line[bytes] = '\0';
    libos_print("the process writes: %s", line);
    return bytes;
}

void
libos_syscall(u64 vcpu, struct libos_regs *regs)
{
    (void)vcpu;
    switch (regs->rax) {
    case CALL_WRITE: regs->rax = call_write(regs->rdi, regs->rsi); break;
    case CALL_EXIT: libos_print("the process ends with %lu", regs->rdi); libos_exit(0);
    default: regs->rax = ~0ul;
    }
}

/* A page of code and a page of stack in the space that the steward made. */
static long
make_process(void)
{
    u64 space = LIBOS_INFO->cap_space, stack = libos_page();

    code_page = libos_page();
    if (code_page == 0 || stack == 0)
        return -FB_E_FULL;
    memcpy(libos_at(code_page), program, (size_t)(program_end - program));
    long error = libos_map(space, CODE, code_page, FB_MAP_READ | FB_MAP_EXEC);
    if (!error)
        error = libos_map(space, STACK, stack, FB_MAP_READ | FB_MAP_WRITE);
    return error;
}

void
libos_main(u64 vcpu)
{
    const struct instance_info *info = LIBOS_INFO;
    u64 frames = 0;

    if (vcpu != 0) {
        libos_print("vCPU %lu is here too, on CPU %u", vcpu, info->cpu[vcpu]);
        return;
    }
    for (u32 i = 0; i < info->nmemory; i++)
        frames += info->memory[i].hi - info->memory[i].lo;
    libos_print("ABI %u, %u vCPUs, %lu KiB, gate %s", info->abi_version, info->ncpus,
                frames * 4, info->gate == FB_GATE_DIRECT ? "direct" : "views");
    long error = make_process();
    if (error) {
        libos_print("no process: %s", fb_error_name(error));
        libos_exit(11);
    }
    libos_enter(CODE, STACK + PAGE, 0);
}
