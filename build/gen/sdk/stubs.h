/* SPDX-License-Identifier: MIT */
/* Made by abi/gen.py from abi/feuerbird.toml. */

#ifndef SDK_STUBS_H
#define SDK_STUBS_H

/*
 * One function for each exokernel call: returns 0 or -FB_E_X; *out (may be NULL) gets the value.
 */

/* Load a complete register frame from a save area and go on there. */
static inline long
fb_resume(unsigned long area, unsigned long *out)
{
    unsigned long rax = 1;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = area;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Make a space of this domain current on this vCPU; execution goes on in it, since the window is the same. */
static inline long
fb_switch(unsigned long space, unsigned long *out)
{
    unsigned long rax = 2;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = space;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Fetch and clear the pending event bits; if there are none, give the CPU away until there are or the deadline comes. */
static inline long
fb_wait(unsigned long deadline, unsigned long *out)
{
    unsigned long rax = 3;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = deadline;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Give the rest of this slice to a vCPU on the same CPU, or to the next in the slice vector. */
static inline long
fb_yield(unsigned long vcpu, unsigned long *out)
{
    unsigned long rax = 4;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = vcpu;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Arm this vCPU's timer: at the deadline the event bit FB_EVENT_TIMER is set. */
static inline long
fb_timer(unsigned long deadline, unsigned long *out)
{
    unsigned long rax = 5;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = deadline;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Set event bits of a vCPU; if it runs unmasked or waits it gets them at once. */
static inline long
fb_signal(unsigned long vcpu, unsigned long bits, unsigned long *out)
{
    unsigned long rax = 6;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = vcpu;
    register unsigned long a1 __asm__("rsi") = bits;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Set the FS or GS base on CPUs without FSGSBASE. */
static inline long
fb_set_base(unsigned long which, unsigned long value, unsigned long *out)
{
    unsigned long rax = 7;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = which;
    register unsigned long a1 __asm__("rsi") = value;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Carry out a sequence of calls from the vCPU's buffer, each copied in once, until one fails. */
static inline long
fb_batch(unsigned long offset, unsigned long count, unsigned long *out)
{
    unsigned long rax = 8;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = offset;
    register unsigned long a1 __asm__("rsi") = count;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Make a capability in this domain that allows the meet of what the source allows and what is asked. */
static inline long
fb_cap_derive(unsigned long source, unsigned long auth, unsigned long lo, unsigned long hi, unsigned long *out)
{
    unsigned long rax = 9;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = source;
    register unsigned long a1 __asm__("rsi") = auth;
    register unsigned long a2 __asm__("rdx") = lo;
    register unsigned long a3 __asm__("r10") = hi;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Derive into another domain's capability table. */
static inline long
fb_cap_grant(unsigned long source, unsigned long domain, unsigned long auth, unsigned long lo, unsigned long hi, unsigned long *out)
{
    unsigned long rax = 10;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = source;
    register unsigned long a1 __asm__("rsi") = domain;
    register unsigned long a2 __asm__("rdx") = auth;
    register unsigned long a3 __asm__("r10") = lo;
    register unsigned long a4 __asm__("r8") = hi;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Write struct fb_cap_info of a capability into the buffer. */
static inline long
fb_cap_inspect(unsigned long source, unsigned long offset, unsigned long *out)
{
    unsigned long rax = 11;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = source;
    register unsigned long a1 __asm__("rsi") = offset;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Delete one capability; what was derived from it becomes its parent's. */
static inline long
fb_cap_delete(unsigned long source, unsigned long *out)
{
    unsigned long rax = 12;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = source;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Revoke everything derived from a capability, with the mappings and bindings made through it. */
static inline long
fb_cap_revoke(unsigned long source, unsigned long *out)
{
    unsigned long rax = 13;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = source;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Make a space out of an 8 KiB-aligned pair of frames. */
static inline long
fb_space_create(unsigned long domain, unsigned long memory, unsigned long frame, unsigned long *out)
{
    unsigned long rax = 14;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = domain;
    register unsigned long a1 __asm__("rsi") = memory;
    register unsigned long a2 __asm__("rdx") = frame;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Destroy an empty space that is current on no vCPU; its frames become free memory. */
static inline long
fb_space_destroy(unsigned long space, unsigned long *out)
{
    unsigned long rax = 15;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = space;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Link a frame as a page-table node.  A frame that is not known to be clean is cleared. */
static inline long
fb_space_table(unsigned long space, unsigned long va, unsigned long level, unsigned long memory, unsigned long frame, unsigned long *out)
{
    unsigned long rax = 16;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = space;
    register unsigned long a1 __asm__("rsi") = va;
    register unsigned long a2 __asm__("rdx") = level;
    register unsigned long a3 __asm__("r10") = memory;
    register unsigned long a4 __asm__("r8") = frame;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Map a run of frames. */
static inline long
fb_space_map(unsigned long space, unsigned long va, unsigned long memory, unsigned long frame, unsigned long flags, unsigned long count, unsigned long *out)
{
    unsigned long rax = 17;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = space;
    register unsigned long a1 __asm__("rsi") = va;
    register unsigned long a2 __asm__("rdx") = memory;
    register unsigned long a3 __asm__("r10") = frame;
    register unsigned long a4 __asm__("r8") = flags;
    register unsigned long a5 __asm__("r9") = count;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Change the protection of the present pages of a range.  Absent pages are passed over. */
static inline long
fb_space_protect(unsigned long space, unsigned long va, unsigned long pages, unsigned long flags, unsigned long memory, unsigned long *out)
{
    unsigned long rax = 18;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = space;
    register unsigned long a1 __asm__("rsi") = va;
    register unsigned long a2 __asm__("rdx") = pages;
    register unsigned long a3 __asm__("r10") = flags;
    register unsigned long a4 __asm__("r8") = memory;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Remove the present pages of a range; list frames that this was the last 4 KiB mapping of, and emptied nodes. */
static inline long
fb_space_unmap(unsigned long space, unsigned long va, unsigned long pages, unsigned long flags, unsigned long offset, unsigned long max, unsigned long *out)
{
    unsigned long rax = 19;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = space;
    register unsigned long a1 __asm__("rsi") = va;
    register unsigned long a2 __asm__("rdx") = pages;
    register unsigned long a3 __asm__("r10") = flags;
    register unsigned long a4 __asm__("r8") = offset;
    register unsigned long a5 __asm__("r9") = max;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Map the present pages of a range of one space at the same addresses of another; copy-on-write or shared. */
static inline long
fb_space_copy(unsigned long to, unsigned long from, unsigned long va, unsigned long pages, unsigned long flags, unsigned long *out)
{
    unsigned long rax = 20;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = to;
    register unsigned long a1 __asm__("rsi") = from;
    register unsigned long a2 __asm__("rdx") = va;
    register unsigned long a3 __asm__("r10") = pages;
    register unsigned long a4 __asm__("r8") = flags;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Flush this CPU's TLB now and ask other CPUs to; do not wait for them. */
static inline long
fb_tlb_flush(unsigned long cpus, unsigned long va, unsigned long *out)
{
    unsigned long rax = 21;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = cpus;
    register unsigned long a1 __asm__("rsi") = va;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Make a domain out of memory that the caller gives; parameters (struct fb_domain_params) in the buffer. */
static inline long
fb_domain_create(unsigned long machine, unsigned long memory, unsigned long offset, unsigned long *out)
{
    unsigned long rax = 22;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = machine;
    register unsigned long a1 __asm__("rsi") = memory;
    register unsigned long a2 __asm__("rdx") = offset;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* End a domain: stop its vCPUs, delete its capabilities, unlink its tables, give its object memory back. */
static inline long
fb_domain_destroy(unsigned long domain, unsigned long *out)
{
    unsigned long rax = 23;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = domain;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Choose the event bit of one of the caller's vCPUs that is set when the domain ends by itself or by a fault. */
static inline long
fb_domain_watch(unsigned long domain, unsigned long vcpu, unsigned long bit, unsigned long *out)
{
    unsigned long rax = 24;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = domain;
    register unsigned long a1 __asm__("rsi") = vcpu;
    register unsigned long a2 __asm__("rdx") = bit;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Write struct fb_domain_status into the buffer: state, cause of its end, registers, counts. */
static inline long
fb_domain_status(unsigned long domain, unsigned long offset, unsigned long *out)
{
    unsigned long rax = 25;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = domain;
    register unsigned long a1 __asm__("rsi") = offset;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* End the calling domain, with a code for its maker. */
static inline long
fb_domain_exit(unsigned long code, unsigned long *out)
{
    unsigned long rax = 26;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = code;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Make a vCPU of a domain, bound to a CPU. */
static inline long
fb_vcpu_create(unsigned long domain, unsigned long cpu, unsigned long memory, unsigned long frame, unsigned long cb, unsigned long *out)
{
    unsigned long rax = 27;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = domain;
    register unsigned long a1 __asm__("rsi") = cpu;
    register unsigned long a2 __asm__("rdx") = memory;
    register unsigned long a3 __asm__("r10") = frame;
    register unsigned long a4 __asm__("r8") = cb;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Register a vCPU's entry points and, if it has never run, make it runnable at `start`. */
static inline long
fb_vcpu_start(unsigned long vcpu, unsigned long gate, unsigned long upcall, unsigned long start, unsigned long stack, unsigned long arg, unsigned long *out)
{
    unsigned long rax = 28;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = vcpu;
    register unsigned long a1 __asm__("rsi") = gate;
    register unsigned long a2 __asm__("rdx") = upcall;
    register unsigned long a3 __asm__("r10") = start;
    register unsigned long a4 __asm__("r8") = stack;
    register unsigned long a5 __asm__("r9") = arg;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Say which vCPU gets a position of a CPU's slice vector, and for how long. */
static inline long
fb_slice_set(unsigned long slices, unsigned long position, unsigned long vcpu, unsigned long ticks, unsigned long *out)
{
    unsigned long rax = 29;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = slices;
    register unsigned long a1 __asm__("rsi") = position;
    register unsigned long a2 __asm__("rdx") = vcpu;
    register unsigned long a3 __asm__("r10") = ticks;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Bind an interrupt line to an event bit; the line is masked when it fires until acknowledged. */
static inline long
fb_irq_bind(unsigned long irq, unsigned long line, unsigned long vcpu, unsigned long bit, unsigned long flags, unsigned long *out)
{
    unsigned long rax = 30;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = irq;
    register unsigned long a1 __asm__("rsi") = line;
    register unsigned long a2 __asm__("rdx") = vcpu;
    register unsigned long a3 __asm__("r10") = bit;
    register unsigned long a4 __asm__("r8") = flags;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Let a bound interrupt line fire again. */
static inline long
fb_irq_ack(unsigned long irq, unsigned long line, unsigned long *out)
{
    unsigned long rax = 31;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = irq;
    register unsigned long a1 __asm__("rsi") = line;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Read an I/O port. */
static inline long
fb_port_in(unsigned long port, unsigned long number, unsigned long width, unsigned long *out)
{
    unsigned long rax = 32;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = port;
    register unsigned long a1 __asm__("rsi") = number;
    register unsigned long a2 __asm__("rdx") = width;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Write an I/O port. */
static inline long
fb_port_out(unsigned long port, unsigned long number, unsigned long width, unsigned long value, unsigned long *out)
{
    unsigned long rax = 33;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = port;
    register unsigned long a1 __asm__("rsi") = number;
    register unsigned long a2 __asm__("rdx") = width;
    register unsigned long a3 __asm__("r10") = value;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Write bytes of memory to an 8-bit port, straight from the frame (no copy). */
static inline long
fb_port_write(unsigned long port, unsigned long number, unsigned long memory, unsigned long address, unsigned long bytes, unsigned long *out)
{
    unsigned long rax = 34;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = port;
    register unsigned long a1 __asm__("rsi") = number;
    register unsigned long a2 __asm__("rdx") = memory;
    register unsigned long a3 __asm__("r10") = address;
    register unsigned long a4 __asm__("r8") = bytes;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Write bytes of the buffer to the kernel's console. */
static inline long
fb_console_write(unsigned long machine, unsigned long offset, unsigned long bytes, unsigned long *out)
{
    unsigned long rax = 35;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = machine;
    register unsigned long a1 __asm__("rsi") = offset;
    register unsigned long a2 __asm__("rdx") = bytes;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* Power off, reset or halt the machine. */
static inline long
fb_power(unsigned long machine, unsigned long op, unsigned long *out)
{
    unsigned long rax = 36;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = machine;
    register unsigned long a1 __asm__("rsi") = op;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

/* 64 bits from RDRAND, where present, mixed with jitter of the counters. */
static inline long
fb_entropy(unsigned long *out)
{
    unsigned long rax = 37;
    unsigned long v;
    register unsigned long a0 __asm__("rdi") = 0;
    register unsigned long a1 __asm__("rsi") = 0;
    register unsigned long a2 __asm__("rdx") = 0;
    register unsigned long a3 __asm__("r10") = 0;
    register unsigned long a4 __asm__("r8") = 0;
    register unsigned long a5 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    v = a2;
    if (out)
        *out = v;
    return (long)rax;
}

#endif
