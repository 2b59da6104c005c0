/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the guest agent share.  The agent is process 1 of a machine that
 * `feuer exec` started; agent.c tells the whole story.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <sys/types.h>

/* What /.feuer/exec says. */
struct request {
    int console;        /* The command gets the console instead of the host's pipes. */
    const char *cwd;
    char **argv;        /* Ends with a null pointer, as does envp. */
    char **envp;
};

/* Descriptors that become the command's 0, 1 and 2. */
struct channels {
    int in;
    int out;
    int err;
};

/* Say TEXT on the console and turn the machine off: the host reports "no status". */
_Noreturn void
agent_die(const char *text);

/* One line to the host, newline included.  Works at once on both systems. */
void
agent_ctl(const char *line);

/* ---- linux.c: what FeuerBird's /dev/host does, done from Ring 3 on Linux ---- */

/* Mount /dev, /proc, /sys, and get at the ports.  Ends the machine on failure. */
void
linux_prepare(void);

/* Make the three channels.  Returns 0, or -1 with errno. */
int
linux_channels(struct channels *ends);

/* Move bytes between the pipes and the ports until process CHILD ends; reap orphans.
 * Returns CHILD's wait status when all that it wrote has been passed on. */
int
linux_relay(pid_t child);

/* Write bytes to one of the ports 0x402 to 0x404. */
void
linux_port_write(unsigned short port, const char *bytes, size_t length);

#endif
