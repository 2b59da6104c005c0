/* SPDX-License-Identifier: MIT */
/*
 * The agent's stand-in for FeuerBird's /dev/host on Linux: three pipes to the command,
 * relayed to QEMU's debug ports 0x402 (stdout), 0x403 (stderr), 0x404 (ctl), and from
 * the second serial port (stdin).
 *
 * Standard input arrives in packets: two bytes of length, little-endian, 1 to 4096, then
 * so many bytes; length 0 is the end of the file.  Linux drops what its terminal layer
 * has no room for, so the host is told a window at the start, and gets credit back as
 * the command's pipe takes the bytes (R1).
 *
 *   R1  At most WINDOW bytes, packet heads not counted, are between the host and the
 *       command's pipe at any time.
 *   R2  No relay blocks another: every descriptor is non-blocking, and poll decides.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PORT_BASE 0x402
#define PORT_COUNT 3
#define WINDOW 32768
#define PACKET_MAX 4096

/* One direction out of the guest. */
struct outlet {
    int fd;             /* Read end of the command's pipe, or -1 after its end. */
    unsigned short port;
};

/* The direction into the guest. */
struct inlet {
    int tty;                    /* -1 when the command has no input. */
    int pipe;                   /* Write end, or -1 after the end of input. */
    size_t head;                /* How many of the two length bytes have come. */
    size_t need;                /* Bytes of the packet still to come. */
    size_t have;                /* Bytes in data that the pipe has not taken. */
    size_t taken;               /* Taken since the last credit line. */
    unsigned char length[2];
    char data[PACKET_MAX];
};

static struct outlet outlets[2] = { { -1, 0x402 }, { -1, 0x403 } };
static struct inlet inlet = { .tty = -1, .pipe = -1 };
static int wake[2];             /* SIGCHLD writes here. */

void
linux_port_write(unsigned short port, const char *bytes, size_t length)
{
    __asm__ volatile("rep outsb"
                     : "+S"(bytes), "+c"(length) : "d"(port) : "memory");
}

void
linux_prepare(void)
{
    mkdir("/dev", 0755);
    mkdir("/proc", 0555);
    mkdir("/sys", 0555);
    /* Any of these may be there already; what is really missing shows below. */
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    if (ioperm(PORT_BASE, PORT_COUNT, 1) < 0)
        agent_die("no access to the ports of the host's channels");
}

static int
input_is_none(void)
{
    static char text[4096];
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    if (got < 0)
        agent_die("cannot read /proc/cmdline");
    text[got] = '\0';
    return strstr(text, "feuer.stdin=none") != NULL;
}

static int
open_tty_raw(void)
{
    int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    struct termios mode;

    if (fd < 0 || tcgetattr(fd, &mode) < 0)
        return -1;
    cfmakeraw(&mode);
    mode.c_cflag |= CLOCAL | CREAD;
    mode.c_cflag &= ~(tcflag_t)CRTSCTS;
    cfsetspeed(&mode, B115200);
    if (tcsetattr(fd, TCSANOW, &mode) < 0)
        return -1;
    return fd;
}

int
linux_channels(struct channels *ends)
{
    int out[2], err[2], in[2];
    char line[32];

    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
        return -1;
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    outlets[0].fd = out[0];
    outlets[1].fd = err[0];
    ends->out = out[1];
    ends->err = err[1];
    if (input_is_none()) {
        ends->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return ends->in < 0 ? -1 : 0;
    }
    inlet.tty = open_tty_raw();
    if (inlet.tty < 0 || pipe2(in, O_CLOEXEC) < 0)
        return -1;
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    inlet.pipe = in[1];
    ends->in = in[0];
    snprintf(line, sizeof line, "window %d\n", WINDOW);
    agent_ctl(line);
    return 0;
}

/* Pass on what is there.  Returns how many bytes, 0 for none. */
static size_t
outlet_move(struct outlet *outlet)
{
    static char data[65536];
    ssize_t got = read(outlet->fd, data, sizeof data);

    if (got > 0) {
        linux_port_write(outlet->port, data, (size_t)got);
        return (size_t)got;
    }
    if (got == 0) {
        close(outlet->fd);
        outlet->fd = -1;
    }
    return 0;
}

/* Pass on what the pipe holds now (A1).  Not more: a process that the command left
 * behind may write without end. */
static void
outlet_drain(struct outlet *outlet)
{
    int left = 0;

    if (outlet->fd < 0 || ioctl(outlet->fd, FIONREAD, &left) < 0)
        return;
    while (left > 0 && outlet->fd >= 0) {
        size_t moved = outlet_move(outlet);

        if (moved == 0)
            return;
        left -= (int)moved;
    }
}

static void
inlet_end(void)
{
    if (inlet.pipe >= 0)
        close(inlet.pipe);
    inlet.pipe = -1;
    inlet.have = 0;
}

/* Offer the command what has come of the packet; a dead reader swallows it. */
static void
inlet_push(void)
{
    char line[32];
    ssize_t done = inlet.pipe < 0 ? (ssize_t)inlet.have
                                  : write(inlet.pipe, inlet.data, inlet.have);

    if (done < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return;
        done = (ssize_t)inlet.have;
        close(inlet.pipe);
        inlet.pipe = -1;
    }
    memmove(inlet.data, inlet.data + done, inlet.have - (size_t)done);
    inlet.have -= (size_t)done;
    inlet.taken += (size_t)done;
    if (inlet.taken >= PACKET_MAX) {
        snprintf(line, sizeof line, "credit %zu\n", inlet.taken);
        agent_ctl(line);
        inlet.taken = 0;
    }
}

/* Read from the serial port; only called when no bytes wait for the pipe. */
static void
inlet_pull(void)
{
    ssize_t got;

    if (inlet.need > 0) {
        got = read(inlet.tty, inlet.data, inlet.need);
        if (got > 0) {
            inlet.need -= (size_t)got;
            inlet.have = (size_t)got;
            inlet_push();
        }
        return;
    }
    got = read(inlet.tty, inlet.length + inlet.head, 2 - inlet.head);
    if (got <= 0)
        return;
    inlet.head += (size_t)got;
    if (inlet.head < 2)
        return;
    inlet.head = 0;
    inlet.need = (size_t)inlet.length[0] | (size_t)inlet.length[1] << 8;
    if (inlet.need > PACKET_MAX)
        agent_die("the host's input is out of step");
    if (inlet.need == 0)
        inlet_end();
}

static void
on_child(int number)
{
    int saved = errno;

    (void)number;
    (void)!write(wake[1], "", 1);
    errno = saved;
}

/* Reap all that has ended.  Returns 1 and sets *STATUS when CHILD is among them. */
static int
reap(pid_t child, int *status)
{
    char byte[16];
    int found = 0, one;
    pid_t who;

    while (read(wake[0], byte, sizeof byte) > 0)
        ;
    while ((who = waitpid(-1, &one, WNOHANG)) > 0) {
        if (who == child) {
            *status = one;
            found = 1;
        }
    }
    return found;
}

static void
relay_once(struct pollfd *polls)
{
    int blocked = inlet.have > 0;

    polls[0] = (struct pollfd){ .fd = wake[0], .events = POLLIN };
    polls[1] = (struct pollfd){ .fd = outlets[0].fd, .events = POLLIN };
    polls[2] = (struct pollfd){ .fd = outlets[1].fd, .events = POLLIN };
    polls[3] = (struct pollfd){ .fd = blocked ? inlet.pipe : inlet.tty,
                                .events = blocked ? POLLOUT : POLLIN };
    if (poll(polls, 4, -1) < 0)
        return;
    for (int i = 0; i < 2; i++)
        if (polls[1 + i].revents != 0)
            outlet_move(&outlets[i]);
    if (polls[3].revents != 0) {
        if (blocked)
            inlet_push();
        else
            inlet_pull();
    }
}

int
linux_relay(pid_t child)
{
    struct pollfd polls[4];
    int status = 0;

    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
        agent_die("cannot make a pipe");
    signal(SIGCHLD, on_child);
    /* The command may have ended before the handler was there: look first. */
    while (!reap(child, &status))
        relay_once(polls);
    for (int i = 0; i < 2; i++)
        outlet_drain(&outlets[i]);
    return status;
}
