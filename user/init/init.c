/* SPDX-License-Identifier: MIT */
/*
 * The first program of the default root: an interactive shell on the console, and an
 * orderly end when it is left.  It runs on FeuerBird and on Linux alike; FeuerBird
 * brings its own /dev, and what cannot be mounted is done without.
 *
 * From the environment, which the kernel makes of its command line:
 *     FEUER_WINSIZE=ROWSxCOLUMNS  the size of the user's terminal
 *     FEUER_SHELL=PATH            another shell than /bin/bash
 *
 *   I1  The shell leads its own session, whose terminal is the console, and gets every
 *       signal as a new process would: a shell in the background of a script would not.
 *   I2  busybox's poweroff, halt and reboot send process 1 SIGUSR2, SIGUSR1 and SIGTERM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t wanted;    /* How the machine is to end, as a signal. */

static void
on_signal(int number)
{
    wanted = number;
}

static void
end_machine(int how)
{
    sync();
    reboot(how);
    dprintf(2, "init: cannot end the machine: %s\n", strerror(errno));
    for (;;)
        pause();
}

/* The machine may have all this already; what is missing is missed by who needs it. */
static void
mount_what_is_missing(void)
{
    struct stat info;

    if (stat("/dev/host", &info) < 0) {
        mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
        mount("proc", "/proc", "proc", 0, NULL);
        mount("sysfs", "/sys", "sysfs", 0, NULL);
    }
}

static void
set_window_size(int terminal)
{
    const char *text = getenv("FEUER_WINSIZE");
    struct winsize size = { 0 };

    if (text != NULL && sscanf(text, "%hux%hu", &size.ws_row, &size.ws_col) == 2)
        ioctl(terminal, TIOCSWINSZ, &size);
    unsetenv("FEUER_WINSIZE");
}

static void
set_environment(void)
{
    const char *terminal = getenv("TERM");

    /* Linux says "linux" where the command line says nothing; this is a serial line. */
    if (terminal == NULL || strcmp(terminal, "linux") == 0)
        setenv("TERM", "vt100", 1);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 0);
    setenv("HOME", "/root", 1);
    setenv("USER", "root", 1);
    setenv("LOGNAME", "root", 1);
}

/* In the child: never returns. */
static void
run_shell(void)
{
    const char *shell = getenv("FEUER_SHELL");
    const char *const shells[] = { shell != NULL ? shell : "/bin/bash", "/bin/sh" };
    int terminal = open("/dev/console", O_RDWR | O_NOCTTY);

    setsid();
    if (terminal < 0) {
        dprintf(2, "init: cannot open /dev/console: %s\n", strerror(errno));
        _exit(1);
    }
    ioctl(terminal, TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; fd++)
        dup2(terminal, fd);
    if (terminal > 2)
        close(terminal);
    set_window_size(0);
    if (chdir("/root") < 0 && chdir("/") < 0)
        dprintf(2, "init: no directory to start in: %s\n", strerror(errno));
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        execl(shells[i], shells[i], "-l", (char *)NULL);
        dprintf(2, "init: cannot run %s: %s\n", shells[i], strerror(errno));
    }
    _exit(127);
}

static void
on_child(int number)
{
    (void)number;
}

/* Handle NUMBER, but only inside sigsuspend, so that none comes unseen. */
static void
catch(int number, void (*handler)(int), sigset_t *set)
{
    struct sigaction action = { .sa_handler = handler };

    sigaddset(set, number);
    sigaction(number, &action, NULL);
}

/* Reap what has ended.  Returns 1 when SHELL is among it, or nobody is left. */
static int
reap(pid_t shell)
{
    pid_t who;

    while ((who = waitpid(-1, NULL, WNOHANG)) > 0)
        if (who == shell)
            return 1;
    return who < 0 && errno == ECHILD;
}

int
main(void)
{
    sigset_t handled, before;
    pid_t shell;

    mount_what_is_missing();
    set_environment();
    shell = fork();
    if (shell == 0)
        run_shell();
    if (shell < 0) {
        dprintf(2, "init: cannot fork: %s\n", strerror(errno));
        end_machine(RB_POWER_OFF);
    }
    sigemptyset(&handled);
    catch(SIGUSR1, on_signal, &handled);
    catch(SIGUSR2, on_signal, &handled);
    catch(SIGTERM, on_signal, &handled);
    catch(SIGCHLD, on_child, &handled);
    sigprocmask(SIG_BLOCK, &handled, &before);
    while (wanted == 0 && !reap(shell))
        sigsuspend(&before);
    end_machine(wanted == SIGTERM ? RB_AUTOBOOT
                : wanted == SIGUSR1 ? RB_HALT_SYSTEM : RB_POWER_OFF);
}
