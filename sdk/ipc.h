/* SPDX-License-Identifier: MIT */
/*
 * Calls between domains: messages of four words, and one capability with each.
 *
 *      client                               server
 *      m.word[0] = 42;                      error = ipc_receive(endpoint, FB_FOREVER, &m);
 *      error = ipc_call(e, deadline, &m);   while (error == 0) {
 *                                               m.word[0]++;        m.badge says who calls
 *                                               error = ipc_reply_receive(endpoint, FB_FOREVER, &m);
 *                                           }
 *
 * What the other side says is not to be trusted more than any other input.  The errors are
 * those of docs/calls/ipc_*.md.  A server without a slice of its own runs in its callers'
 * time alone: one that does not trust them gets a slice, so that it can finish what a caller
 * gave up.
 */
#ifndef SDK_IPC_H
#define SDK_IPC_H

#include <abi/calls.h>
#include <abi/layout.h>

struct ipc_message {
    unsigned long word[4]; /* in: what is sent; out: what came */
    unsigned long badge;   /* of the capability that the caller used */
};

/* The call that all others are: registers as abi/feuerbird.toml says. */
static inline long
ipc_enter(unsigned long call, unsigned long endpoint, unsigned long deadline,
          struct ipc_message *m)
{
    register unsigned long m1 __asm__("r10") = m->word[1];
    register unsigned long m2 __asm__("r8") = m->word[2];
    register unsigned long m3 __asm__("r9") = m->word[3];
    __asm__ volatile("syscall"
                     : "+a"(call), "+D"(endpoint), "+S"(deadline), "+d"(m->word[0]),
                       "+r"(m1), "+r"(m2), "+r"(m3)
                     :
                     : "rcx", "r11", "memory", "cc");
    m->word[1] = m1;
    m->word[2] = m2;
    m->word[3] = m3;
    m->badge = endpoint;
    return (long)call;
}

/* 0: *m is the reply.  Else m->word is not to be relied on; -FB_E_BUSY: ipc_notify. */
static inline long
ipc_call(unsigned long endpoint, unsigned long deadline, struct ipc_message *m)
{
    return ipc_enter(FB_CALL_IPC_CALL, endpoint, deadline, m);
}
/* 0: *m is a call.  -FB_E_EVENT: word[0] has the bits of events. */
static inline long
ipc_receive(unsigned long endpoint, unsigned long deadline, struct ipc_message *m)
{
    return ipc_enter(FB_CALL_IPC_RECEIVE, endpoint, deadline, m);
}
static inline long
ipc_reply(struct ipc_message *m)
{
    return ipc_enter(FB_CALL_IPC_REPLY, 0, 0, m);
}
/* Both in one.  -FB_E_STATE: the caller is gone; receive then. */
static inline long
ipc_reply_receive(unsigned long endpoint, unsigned long deadline, struct ipc_message *m)
{
    return ipc_enter(FB_CALL_IPC_REPLY, endpoint, deadline, m);
}

/* The next call or reply of this vCPU (cb: its control block) passes a capability: derived
 * with these bits and interval, or (auth = 0) moved. */
static inline void
ipc_pass(struct fb_cb *cb, unsigned long name, unsigned long auth, unsigned long lo,
         unsigned long hi)
{
    cb->ipc.auth = auth;
    cb->ipc.lo = lo;
    cb->ipc.hi = hi;
    cb->ipc.pass = name;
}
/* Before a call or receive: what comes may bring a capability. */
static inline void
ipc_take(struct fb_cb *cb)
{
    cb->ipc.got = 0;
    cb->ipc.take = 1;
}
/* After it: the name of what came, or 0; nothing is taken any more. */
static inline unsigned long
ipc_got(struct fb_cb *cb)
{
    cb->ipc.take = 0;
    return cb->ipc.got;
}
/* Before a call: if it is BUSY, set this event bit once when it is worth another try. */
static inline void
ipc_notify(struct fb_cb *cb, unsigned bit)
{
    cb->ipc.notify = 1ul + bit;
}

#endif
