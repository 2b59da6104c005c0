/* SPDX-License-Identifier: MIT */
/*
 * The first program of the roots that tools/feuer makes: file systems, host name and
 * environment, an interactive shell on the console, and an orderly end when it is left.
 * It runs on FeuerBird and on Linux alike; what cannot be mounted is done without.
 * Called as poweroff, halt or reboot by another process it tells process 1 to do that.
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

static void
set_host_name(void)
{
    char name[65] = "feuerbird";
    int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        char text[65] = "";
        ssize_t got = read(fd, text, sizeof text - 1);

        text[strcspn(text, "\n")] = '\0';
        if (got > 0 && text[0] != '\0')
            strcpy(name, text);
        close(fd);
    }
    if (sethostname(name, strlen(name)) < 0)
        dprintf(2, "init: cannot set the host name: %s\n", strerror(errno));
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

/* Does the root know this terminal? */
static int
terminal_is_known(const char *name)
{
    static const char *const places[] = { "/etc/terminfo", "/lib/terminfo",
                                          "/usr/share/terminfo" };
    char path[256];

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%s/%c/%s", places[i], name[0], name);
        if (access(path, R_OK) == 0)
            return 1;
    }
    return 0;
}

static void
set_environment(void)
{
    const char *terminal = getenv("TERM");

    /* Linux says "linux" where the command line says nothing; this is a serial line.  Of
     * a terminal that the root does not know it is guessed that it is like xterm. */
    if (terminal == NULL || strcmp(terminal, "linux") == 0)
        setenv("TERM", "vt100", 1);
    else if (!terminal_is_known(terminal) && terminal_is_known("xterm-256color"))
        setenv("TERM", "xterm-256color", 1);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 0);
    setenv("HOME", "/root", 1);
    setenv("USER", "root", 1);
    setenv("LOGNAME", "root", 1);
    setenv("LANG", "C.UTF-8", 0);
}

/* In the child: never returns. */
static void
run_shell(void)
{
    const char *shell = getenv("FEUER_SHELL");
    const char *const shells[] = { shell != NULL ? shell : "/bin/bash", "/bin/sh" };
    /* Through /dev/console nobody is stopped who reads in the background. */
    int terminal = open("/dev/ttyS0", O_RDWR | O_NOCTTY);

    if (terminal < 0)
        terminal = open("/dev/console", O_RDWR | O_NOCTTY);
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
        const char *slash = strrchr(shells[i], '/');
        char name[64];

        /* A dash before its name makes a login shell. */
        snprintf(name, sizeof name, "-%s", slash ? slash + 1 : shells[i]);
        setenv("SHELL", shells[i], 1);
        execl(shells[i], name, (char *)NULL);
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

/* Called as poweroff, halt or reboot: ask process 1 for it (I2). */
static int
ask_init(const char *name)
{
    int number = strcmp(name, "reboot") == 0 ? SIGTERM
                 : strcmp(name, "halt") == 0 ? SIGUSR1 : SIGUSR2;

    if (kill(1, number) == 0) {
        /* The machine ends meanwhile; no prompt should come back before. */
        sleep(5);
        return 0;
    }
    dprintf(2, "%s: %s\n", name, strerror(errno));
    return 1;
}

int
main(int argc, char **argv)
{
    sigset_t handled, before;
    char missing[256];
    pid_t shell;

    if (getpid() != 1) {
        const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;

        return ask_init(slash ? slash + 1 : argc > 0 ? argv[0] : "poweroff");
    }
    umask(022);
    if (mounts_make(missing, sizeof missing) > 0)
        dprintf(2, "init: not mounted: %s\n", missing);
    set_host_name();
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
