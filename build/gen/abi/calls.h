/* SPDX-License-Identifier: MIT */
/* Made by abi/gen.py from abi/feuerbird.toml. */

#ifndef ABI_CALLS_H
#define ABI_CALLS_H


/* Errors: a call returns 0 or minus one of these. */
enum fb_error {
    FB_E_CALL = 1, /* There is no such call. */
    FB_E_NAME = 2, /* The name does not denote a live capability of this domain. */
    FB_E_TYPE = 3, /* The capability denotes an object of another type. */
    FB_E_AUTHORITY = 4, /* The capability lacks a class, kind or right that the call needs. */
    FB_E_RANGE = 5, /* The interval is empty, wraps, or is not within the capability's interval. */
    FB_E_ARG = 6, /* An argument has a value that no call of this kind can use. */
    FB_E_ALIGN = 7, /* An address, frame or length is not aligned as required. */
    FB_E_BUSY = 8, /* Another CPU is working on the same object; repeat the call. */
    FB_E_RESUME = 9, /* The bound on one call's time was reached; repeat the call (value: progress) to go on. */
    FB_E_FLUSH = 10, /* A frame may still be in some CPU's TLB; ask for a flush (tlb_flush), wait for the epoch, repeat. */
    FB_E_INUSE = 11, /* The frame or object is in a use that excludes this one. */
    FB_E_NOTABLE = 12, /* A page-table node is missing; value: (level << 56) | pages done before it. */
    FB_E_MAPPED = 13, /* Something is mapped there already. */
    FB_E_UNMAPPED = 14, /* Nothing is mapped there. */
    FB_E_FULL = 15, /* The domain's capability table, or another table of fixed size, has no free entry. */
    FB_E_DEAD = 16, /* The object is being destroyed or revoked. */
    FB_E_WX = 17, /* Writable and executable at once is refused in the window. */
    FB_E_STATE = 18, /* The object is not in a state in which this can be done. */
    FB_E_COUNT = 19, /* A count of mappings, pins or children would overflow. */
    FB_E_EMPTY = 20, /* The meet is the bottom element: nothing would be allowed. */
    FB_E_CLEARANCE = 21, /* The capability's class is not within the receiving domain's clearance. */
    FB_E_NODEV = 22, /* The machine has no such device, line or port. */
    FB_E_FAULT = 23, /* The buffer's offset and length are not within the vCPU's buffer pages. */
};

#define FB_TYPE_NONE 0 /* free slot */
#define FB_TYPE_MEMORY 1 /* interval: physical frame numbers */
#define FB_TYPE_SPACE 2 /* one space; interval [0,1) */
#define FB_TYPE_DOMAIN 3 /* one domain; interval [0,1) */
#define FB_TYPE_VCPU 4 /* one vCPU; interval: event bits 0..63 */
#define FB_TYPE_SLICE 5 /* interval: cpu * 64 + position */
#define FB_TYPE_IRQ 6 /* interval: interrupt lines (GSI) */
#define FB_TYPE_PORT 7 /* interval: I/O ports */
#define FB_TYPE_MACHINE 8 /* power, console, creation of domains; interval [0,1) */
#define FB_TYPE_ENDPOINT 9 /* reserved: protected control transfer */
#define FB_TYPE_BLOCK 10 /* reserved: interval of disk blocks */
#define FB_TYPE_NET 11 /* reserved: net port */

#define FB_ATOM_KERNEL (1u << 0) /* part of SYSTEM */
#define FB_ATOM_IPC (1u << 1) /* part of SYSTEM */
#define FB_ATOM_FILE (1u << 2) /* part of LIBOS */
#define FB_ATOM_NET (1u << 3) /* part of LIBOS */
#define FB_ATOM_APP (1u << 4) /* part of USER */
#define FB_ATOM_DATA (1u << 5) /* part of USER */

#define FB_KIND_MEMORY_PHYS (1u << 0) /* memory extents */
#define FB_KIND_MEMORY_VIRT (1u << 1) /* spaces */
#define FB_KIND_HARDWARE (1u << 2) /* creation of domains and vCPUs, machine control, devices */
#define FB_KIND_SCHEDULER (1u << 3) /* slice vectors */
#define FB_KIND_IPC_SEND (1u << 4) /* signal, call */
#define FB_KIND_IPC_RECV (1u << 5) /* bind, receive */
#define FB_KIND_INTERRUPT (1u << 6) /* interrupt lines, timers */
#define FB_KIND_IOPORT (1u << 7) /* I/O ports */
#define FB_KIND_FILESYSTEM (1u << 8) /* block extents */
#define FB_KIND_NETWORK (1u << 9) /* net ports */
#define FB_KIND_FILE_READ (1u << 10) /* opaque to the kernel */
#define FB_KIND_FILE_WRITE (1u << 11) /* opaque to the kernel */
#define FB_KIND_PROCESS_CREATE (1u << 12) /* opaque to the kernel */
#define FB_KIND_SOCKET (1u << 13) /* opaque to the kernel */

#define FB_RIGHT_READ (1u << 0) /* map for reading; port in; inspect */
#define FB_RIGHT_WRITE (1u << 1) /* map for writing; port out; console write */
#define FB_RIGHT_EXEC (1u << 2) /* map for execution */
#define FB_RIGHT_GIVE (1u << 3) /* give frames to the kernel as table or object memory */
#define FB_RIGHT_DERIVE (1u << 4) /* derive within the same domain */
#define FB_RIGHT_GRANT (1u << 5) /* grant to another domain (on the capability granted and on the domain) */
#define FB_RIGHT_REVOKE (1u << 6) /* revoke what was derived from it */
#define FB_RIGHT_MAP (1u << 7) /* change a space's or a window's mappings */
#define FB_RIGHT_SWITCH (1u << 8) /* make a space current */
#define FB_RIGHT_CREATE (1u << 9) /* create domains, vCPUs, spaces */
#define FB_RIGHT_CONTROL (1u << 10) /* start, stop, destroy, watch; set slices; acknowledge interrupts; power */
#define FB_RIGHT_SIGNAL (1u << 11) /* set event bits of a vCPU */

#define FB_CALL_GATE_RETURN 0
#define FB_CALL_RESUME 1
#define FB_CALL_SWITCH 2
#define FB_CALL_WAIT 3
#define FB_CALL_YIELD 4
#define FB_CALL_TIMER 5
#define FB_CALL_SIGNAL 6
#define FB_CALL_SET_BASE 7
#define FB_CALL_BATCH 8
#define FB_CALL_CAP_DERIVE 9
#define FB_CALL_CAP_GRANT 10
#define FB_CALL_CAP_INSPECT 11
#define FB_CALL_CAP_DELETE 12
#define FB_CALL_CAP_REVOKE 13
#define FB_CALL_SPACE_CREATE 14
#define FB_CALL_SPACE_DESTROY 15
#define FB_CALL_SPACE_TABLE 16
#define FB_CALL_SPACE_MAP 17
#define FB_CALL_SPACE_PROTECT 18
#define FB_CALL_SPACE_UNMAP 19
#define FB_CALL_SPACE_COPY 20
#define FB_CALL_TLB_FLUSH 21
#define FB_CALL_DOMAIN_CREATE 22
#define FB_CALL_DOMAIN_DESTROY 23
#define FB_CALL_DOMAIN_WATCH 24
#define FB_CALL_DOMAIN_STATUS 25
#define FB_CALL_DOMAIN_EXIT 26
#define FB_CALL_VCPU_CREATE 27
#define FB_CALL_VCPU_START 28
#define FB_CALL_SLICE_SET 29
#define FB_CALL_IRQ_BIND 30
#define FB_CALL_IRQ_ACK 31
#define FB_CALL_PORT_IN 32
#define FB_CALL_PORT_OUT 33
#define FB_CALL_PORT_WRITE 34
#define FB_CALL_CONSOLE_WRITE 35
#define FB_CALL_POWER 36
#define FB_CALL_ENTROPY 37
#define FB_CALLS 38

static inline const char *
fb_error_name(long error)
{
    switch (error < 0 ? -error : error) {
    case 0: return "OK";
    case 1: return "CALL";
    case 2: return "NAME";
    case 3: return "TYPE";
    case 4: return "AUTHORITY";
    case 5: return "RANGE";
    case 6: return "ARG";
    case 7: return "ALIGN";
    case 8: return "BUSY";
    case 9: return "RESUME";
    case 10: return "FLUSH";
    case 11: return "INUSE";
    case 12: return "NOTABLE";
    case 13: return "MAPPED";
    case 14: return "UNMAPPED";
    case 15: return "FULL";
    case 16: return "DEAD";
    case 17: return "WX";
    case 18: return "STATE";
    case 19: return "COUNT";
    case 20: return "EMPTY";
    case 21: return "CLEARANCE";
    case 22: return "NODEV";
    case 23: return "FAULT";
    default: return "?";
    }
}

#endif
