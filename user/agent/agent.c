/* SPDX-License-Identifier: MIT */
/*
 * The guest agent: process 1 of a machine that `feuer exec` (or `feuer run -- CMD`)
 * started.  It runs one command, tells the host how it ended, and turns the machine off.
 *
 * The same binary runs on FeuerBird and on Linux, so that what is tested with it on the
 * one can be compared with the other.  On FeuerBird the host's channels are files,
 * /dev/host/{stdin,stdout,stderr,ctl}, and the command gets the first three as its
 * descriptors 0, 1 and 2 with nothing in between.  On Linux, linux.c relays.
 *
 * /.feuer/exec is a sequence of strings, each ended by a NUL:
 *     "feuer-exec 1"  "pipes" | "console"  cwd  argc (decimal)  argv...  environment...
 *
 * Lines to the host on ctl: "start" when the channels are ready, "exit N" or
 * "signal N" at the end; linux.c adds "window N" and "credit N".  The command's output on
 * stdout begins after OUTPUT_BEGINS.
 *
 *   A1  Exactly one of "exit" and "signal" is sent, after all that the command wrote.
 *   A2  Orphans are reaped while the command runs; they end with the machine.
 */
#define _GNU_SOURCE
#include "agent.h"

#include "../common/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_FILE "/.feuer/exec"
#define INPUT_FILE "/.feuer/stdin"
#define INPUT_PIPE "/.feuer/pipe"
#define REQUEST_VERSION "feuer-exec 1"
#define STDOUT_PORT 0x402
#define CTL_PORT 0x404
#define OUTPUT_BEGINS "\1feuer: output begins\1\n"

static int ctl_fd = -1;     /* -1 on Linux, where ctl is a port. */

static void
power_off(void)
{
    sync();
    reboot(RB_POWER_OFF);
    reboot(RB_AUTOBOOT);
    for (;;)
        pause();
}

_Noreturn void
agent_die(const char *text)
{
    int console = open("/dev/console", O_WRONLY | O_NOCTTY);

    dprintf(console < 0 ? 2 : console, "feuer agent: %s (%s)\n", text, strerror(errno));
    power_off();
    for (;;)
        pause();
}

void
agent_ctl(const char *line)
{
    size_t left = strlen(line);

    if (ctl_fd < 0) {
        linux_port_write(CTL_PORT, line, left);
        return;
    }
    while (left > 0) {
        ssize_t done = write(ctl_fd, line, left);

        if (done < 0 && errno != EINTR)
            agent_die("cannot write to /dev/host/ctl");
        if (done > 0) {
            line += done;
            left -= (size_t)done;
        }
    }
}

/* The whole of the request file, with a NUL after its end; its length to *LENGTH. */
static char *
read_request_file(size_t *length)
{
    int fd = open(REQUEST_FILE, O_RDONLY | O_CLOEXEC);
    struct stat info;
    char *text;
    size_t have = 0;

    if (fd < 0 || fstat(fd, &info) < 0)
        agent_die("cannot open " REQUEST_FILE);
    text = malloc((size_t)info.st_size + 1);
    if (text == NULL)
        agent_die("no memory for the request");
    while (have < (size_t)info.st_size) {
        ssize_t got = read(fd, text + have, (size_t)info.st_size - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            agent_die("cannot read " REQUEST_FILE);
        have += (size_t)got;
    }
    close(fd);
    text[have] = '\0';
    *length = have;
    return text;
}

static void
read_request(struct request *request)
{
    size_t length;
    char *text = read_request_file(&length);
    char *end = text + length;
    char **strings;
    size_t count = 0;
    long argc;

    for (char *at = text; at < end; at += strlen(at) + 1)
        count++;
    /* Two null pointers: one ends argv, one the environment. */
    strings = calloc(count + 2, sizeof *strings);
    if (strings == NULL)
        agent_die("no memory for the request");
    count = 0;
    for (char *at = text; at < end; at += strlen(at) + 1)
        strings[count++] = at;
    errno = EINVAL;
    if (count < 5 || strcmp(strings[0], REQUEST_VERSION) != 0)
        agent_die(REQUEST_FILE " is of another version than this agent");
    argc = strtol(strings[3], NULL, 10);
    if (argc < 1 || (size_t)argc > count - 4)
        agent_die(REQUEST_FILE " is damaged");
    request->console = strcmp(strings[1], "console") == 0;
    request->cwd = strings[2];
    request->argv = &strings[4];
    request->envp = &strings[4 + argc + 1];
    memmove(request->envp, &strings[4 + argc],
            (count - 4 - (size_t)argc) * sizeof *strings);
    strings[4 + argc] = NULL;
}

/* In the child: never returns. */
static void
run_command(const struct request *request, const struct channels *ends)
{
    extern char **environ;
    int status;

    setsid();
    if (request->console)
        ioctl(ends->in, TIOCSCTTY, 0);
    if (dup2(ends->in, 0) < 0 || dup2(ends->out, 1) < 0 || dup2(ends->err, 2) < 0)
        agent_die("cannot give the command its descriptors");
    /* All others go: the command sees just these three. */
    for (int fd = 3; fd < 32; fd++)
        close(fd);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    environ = request->envp;
    if (chdir(request->cwd) < 0) {
        dprintf(2, "feuer: cannot enter %s: %s\n", request->cwd, strerror(errno));
        _exit(126);
    }
    execvp(request->argv[0], request->argv);
    status = errno == ENOENT || errno == ENOTDIR ? 127 : 126;
    dprintf(2, "feuer: %s: %s\n", request->argv[0],
            errno == ENOENT ? "not found" : strerror(errno));
    _exit(status);
}

/* The channels of FeuerBird.  Returns 0, or -1 with errno. */
static int
host_channels(struct channels *ends)
{
    ends->in = open("/dev/host/stdin", O_RDONLY);
    ends->out = open("/dev/host/stdout", O_WRONLY);
    ends->err = open("/dev/host/stderr", O_WRONLY);
    return ends->in < 0 || ends->out < 0 || ends->err < 0 ? -1 : 0;
}

static int
console_channels(struct channels *ends)
{
    /* Through /dev/console nobody is stopped who reads in the background. */
    ends->in = open("/dev/ttyS0", O_RDWR);
    if (ends->in < 0)
        ends->in = open("/dev/console", O_RDWR);
    ends->out = ends->in;
    ends->err = ends->in;
    return ends->in;
}

/* In a child: write what is in FILE to PIPE, and end.  Never returns. */
static void
feed(int file, int pipe_end)
{
    static char data[65536];
    ssize_t got;

    signal(SIGPIPE, SIG_DFL);
    while ((got = read(file, data, sizeof data)) > 0)
        for (ssize_t done = 0, now; done < got; done += now)
            if ((now = write(pipe_end, data + done, (size_t)(got - done))) < 0)
                _exit(1);
    _exit(0);
}

/* Standard input that the host had at once came with the archive: a regular file, which
 * the command gets as it is, or what a pipe held, which goes through a pipe here too. */
static void
take_input_file(struct channels *ends)
{
    int fd = open(INPUT_FILE, O_RDONLY | O_CLOEXEC);
    int ring[2];

    unlink(INPUT_FILE);
    if (fd < 0) {
        fd = open(INPUT_PIPE, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        unlink(INPUT_PIPE);
        if (pipe2(ring, O_CLOEXEC) < 0)
            agent_die("cannot make a pipe");
        if (fork() == 0) {
            close(ring[0]);
            feed(fd, ring[1]);
        }
        close(ring[1]);
        close(fd);
        fd = ring[0];
    }
    close(ends->in);
    ends->in = fd;
}

/* SeaBIOS may have written to the port of stdout: tell the host where output begins. */
static void
mark_output(const struct channels *ends, int on_linux)
{
    static const char mark[] = OUTPUT_BEGINS;

    if (on_linux)
        linux_port_write(STDOUT_PORT, mark, sizeof mark - 1);
    else if (write(ends->out, mark, sizeof mark - 1) != sizeof mark - 1)
        agent_die("cannot write to /dev/host/stdout");
}

/* Wait for CHILD, and reap whatever else ends (A2). */
static int
wait_for(pid_t child)
{
    for (;;) {
        int status;
        pid_t who = wait(&status);

        if (who == child)
            return status;
        if (who < 0 && errno != EINTR)
            agent_die("cannot wait for the command");
    }
}

int
main(void)
{
    struct request request;
    struct channels ends;
    char line[32], missing[256];
    int on_linux, status;
    pid_t child;

    /* Descriptors 0 to 2 may be missing; channels must not get these numbers. */
    while ((status = open("/dev/console", O_RDWR | O_NOCTTY)) >= 0 && status < 3)
        ;
    if (status >= 3)
        close(status);
    ctl_fd = open("/dev/host/ctl", O_WRONLY | O_CLOEXEC);
    on_linux = ctl_fd < 0;
    if (on_linux)
        linux_prepare();
    mounts_make(missing, sizeof missing);
    mkdir("/tmp", 01777);
    read_request(&request);
    if (request.console)
        status = console_channels(&ends);
    else
        status = on_linux ? linux_channels(&ends) : host_channels(&ends);
    if (status < 0)
        agent_die("cannot open the channels to the host");
    signal(SIGPIPE, SIG_IGN);
    if (!request.console) {
        take_input_file(&ends);
        mark_output(&ends, on_linux);
    }
    agent_ctl("start\n");
    child = fork();
    if (child == 0)
        run_command(&request, &ends);
    if (child < 0)
        agent_die("cannot fork");
    close(ends.in);
    close(ends.out);
    close(ends.err);
    status = on_linux && !request.console ? linux_relay(child) : wait_for(child);
    if (WIFSIGNALED(status))
        snprintf(line, sizeof line, "signal %d\n", WTERMSIG(status));
    else
        snprintf(line, sizeof line, "exit %d\n", WEXITSTATUS(status));
    agent_ctl(line);
    power_off();
}
