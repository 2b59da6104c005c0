/* SPDX-License-Identifier: MIT */
/* The handlers of all system calls: each file of this room has its prototypes in its own block. */
#ifndef LIBOS_POSIX_CALLS_H
#define LIBOS_POSIX_CALLS_H

#include "core/thread.h"

/* ---- files: file.c fs.c poll.c pipe ---- */

/* ---- memory: mm.c ---- */
long sys_mmap(struct user_frame *f);
long sys_munmap(struct user_frame *f);
long sys_mprotect(struct user_frame *f);
long sys_pkey_mprotect(struct user_frame *f);
long sys_mremap(struct user_frame *f);
long sys_madvise(struct user_frame *f);
long sys_msync(struct user_frame *f);
long sys_brk(struct user_frame *f);
long sys_mincore(struct user_frame *f);
long sys_mlock(struct user_frame *f);
long sys_mlock2(struct user_frame *f);
long sys_munlock(struct user_frame *f);
long sys_mlockall(struct user_frame *f);
long sys_munlockall(struct user_frame *f);

/* ---- processes: proc.c ids.c misc.c ---- */
long sys_clone(struct user_frame *f);
long sys_clone3(struct user_frame *f);
long sys_fork(struct user_frame *f);
long sys_vfork(struct user_frame *f);
long sys_execve(struct user_frame *f);
long sys_execveat(struct user_frame *f);
long sys_exit(struct user_frame *f);
long sys_exit_group(struct user_frame *f);
long sys_wait4(struct user_frame *f);
long sys_waitid(struct user_frame *f);
long sys_getpid(struct user_frame *f);
long sys_getppid(struct user_frame *f);
long sys_gettid(struct user_frame *f);
long sys_set_tid_address(struct user_frame *f);
long sys_setpgid(struct user_frame *f);
long sys_getpgid(struct user_frame *f);
long sys_getpgrp(struct user_frame *f);
long sys_getsid(struct user_frame *f);
long sys_setsid(struct user_frame *f);
long sys_getuid(struct user_frame *f);
long sys_geteuid(struct user_frame *f);
long sys_getgid(struct user_frame *f);
long sys_getegid(struct user_frame *f);
long sys_setuid(struct user_frame *f);
long sys_setgid(struct user_frame *f);
long sys_setreuid(struct user_frame *f);
long sys_setregid(struct user_frame *f);
long sys_setresuid(struct user_frame *f);
long sys_setresgid(struct user_frame *f);
long sys_getresuid(struct user_frame *f);
long sys_getresgid(struct user_frame *f);
long sys_setfsuid(struct user_frame *f);
long sys_setfsgid(struct user_frame *f);
long sys_getgroups(struct user_frame *f);
long sys_setgroups(struct user_frame *f);
long sys_getrlimit(struct user_frame *f);
long sys_setrlimit(struct user_frame *f);
long sys_prlimit64(struct user_frame *f);
long sys_getrusage(struct user_frame *f);
long sys_prctl(struct user_frame *f);
long sys_umask(struct user_frame *f);
long sys_getpriority(struct user_frame *f);
long sys_setpriority(struct user_frame *f);
long sys_sched_yield(struct user_frame *f);
long sys_sched_getaffinity(struct user_frame *f);
long sys_sched_setaffinity(struct user_frame *f);
long sys_sched_getscheduler(struct user_frame *f);
long sys_sched_setscheduler(struct user_frame *f);
long sys_sched_getparam(struct user_frame *f);
long sys_sched_setparam(struct user_frame *f);
long sys_sched_get_priority_max(struct user_frame *f);
long sys_sched_get_priority_min(struct user_frame *f);
long sys_arch_prctl(struct user_frame *f);
long sys_uname(struct user_frame *f);
long sys_sethostname(struct user_frame *f);
long sys_setdomainname(struct user_frame *f);
long sys_sysinfo(struct user_frame *f);
long sys_getrandom(struct user_frame *f);
long sys_getcpu(struct user_frame *f);
long sys_reboot(struct user_frame *f);
long sys_set_robust_list(struct user_frame *f);
long sys_get_robust_list(struct user_frame *f);
long sys_restart_syscall(struct user_frame *f);
long sys_capget(struct user_frame *f);
long sys_capset(struct user_frame *f);
long sys_personality(struct user_frame *f);

/* ---- signals: signal.c sigframe.c ---- */
long sys_rt_sigaction(struct user_frame *f);
long sys_rt_sigprocmask(struct user_frame *f);
long sys_rt_sigpending(struct user_frame *f);
long sys_rt_sigsuspend(struct user_frame *f);
long sys_rt_sigtimedwait(struct user_frame *f);
long sys_rt_sigqueueinfo(struct user_frame *f);
long sys_rt_tgsigqueueinfo(struct user_frame *f);
long sys_rt_sigreturn(struct user_frame *f);
long sys_kill(struct user_frame *f);
long sys_tkill(struct user_frame *f);
long sys_tgkill(struct user_frame *f);
long sys_sigaltstack(struct user_frame *f);
long sys_pause(struct user_frame *f);

/* ---- time: time.c futex.c ---- */
long sys_nanosleep(struct user_frame *f);
long sys_clock_nanosleep(struct user_frame *f);
long sys_clock_gettime(struct user_frame *f);
long sys_clock_settime(struct user_frame *f);
long sys_clock_getres(struct user_frame *f);
long sys_gettimeofday(struct user_frame *f);
long sys_settimeofday(struct user_frame *f);
long sys_time(struct user_frame *f);
long sys_times(struct user_frame *f);
long sys_getitimer(struct user_frame *f);
long sys_setitimer(struct user_frame *f);
long sys_alarm(struct user_frame *f);
long sys_futex(struct user_frame *f);

#endif
