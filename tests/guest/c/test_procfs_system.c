/* SPDX-License-Identifier: MIT */
/* The files of /proc and /sys about the machine. */
#define _GNU_SOURCE
#include "proc_help.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

/* Verify that meminfo agrees with sysinfo and counts what is taken. */
static void
test_meminfo_agrees_with_sysinfo(void)
{
    struct sysinfo info;
    unsigned long long total, available;

    CHECK(sysinfo(&info) == 0);
    proc_read("/proc/meminfo");
    total = proc_value("MemTotal", 10);
    available = proc_value("MemAvailable", 10);
    CHECK(total == info.totalram * info.mem_unit / 1024);
    CHECK(proc_value("MemFree", 10) <= total && available <= total && available > 0);
    CHECK(proc_value("SwapTotal", 10) == 0);
    proc_value("Buffers", 10);
    proc_value("Cached", 10);
    proc_value("Shmem", 10);
    proc_value("Slab", 10);
    proc_value("SReclaimable", 10);
    CHECK(strstr(proc_text, " kB\n") != NULL);
}

/* Verify that stat has the sum and a line for each processor, and that the sum grows; and
 * that reading again from the start shows new values. */
static void
test_stat_counts_cpu_time(void)
{
    unsigned long long user[2], nice, system, idle;
    int fd = open("/proc/stat", O_RDONLY), cpus = 0;
    char key[16];

    CHECK(fd >= 0);
    for (int i = 0; i < 2; i++) {
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
        proc_read_fd(fd);
        CHECK(sscanf(proc_text, "cpu  %llu %llu %llu %llu", &user[i], &nice, &system,
                     &idle) == 4);
        for (clock_t from = clock(); i == 0 && clock() - from < CLOCKS_PER_SEC / 4;)
            continue;
    }
    CHECK(user[1] + system > user[0]);
    for (;; cpus++) {
        snprintf(key, sizeof key, "\ncpu%d ", cpus);
        if (strstr(proc_text, key) == NULL)
            break;
    }
    CHECK(cpus == sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(strstr(proc_text, "\nintr ") && strstr(proc_text, "\nctxt ") &&
          strstr(proc_text, "\nbtime ") && strstr(proc_text, "\nprocesses ") &&
          strstr(proc_text, "\nprocs_running ") && strstr(proc_text, "\nprocs_blocked "));
}

/* Verify that uptime is the clock's, and loadavg has five fields. */
static void
test_uptime_and_loadavg(void)
{
    struct timespec now;
    double up, idle, load[3];
    int running, all, last;

    proc_read("/proc/uptime");
    CHECK(sscanf(proc_text, "%lf %lf\n", &up, &idle) == 2);
    CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    CHECK(up <= now.tv_sec + now.tv_nsec / 1e9 + 0.01 && up > now.tv_sec - 2.0);
    proc_read("/proc/loadavg");
    CHECK(sscanf(proc_text, "%lf %lf %lf %d/%d %d\n", &load[0], &load[1], &load[2],
                 &running, &all, &last) == 6);
    CHECK(running >= 1 && all >= running && last >= getpid());
}

/* Verify that cpuinfo has a block for each processor. */
static void
test_cpuinfo_has_each_processor(void)
{
    int count = 0;

    proc_read("/proc/cpuinfo");
    for (char *at = proc_text; (at = strstr(at, "processor\t: ")) != NULL; at++)
        CHECK(atoi(at + 12) == count++);
    CHECK(count == sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(strstr(proc_text, "\nvendor_id\t: ") && strstr(proc_text, "\nmodel name\t: ") &&
          strstr(proc_text, "\nflags\t\t: fpu "));
}

static char *
line_with(const char *what)
{
    char *at = strstr(proc_text, what);

    while (at != NULL && at > proc_text && at[-1] != '\n')
        at--;
    return at;
}

/* Verify that a mount is seen in mounts and mountinfo, quoted, and that poll tells of it. */
static void
test_mounts_show_a_mount_and_poll_tells(void)
{
    struct pollfd p = { .fd = open("/proc/self/mounts", O_RDONLY), .events = POLLPRI };
    int id, parent, major, minor;
    char root[64], place[64];
    char *line;

    CHECK(p.fd >= 0);
    proc_read_fd(p.fd);
    CHECK(poll(&p, 1, 0) == 0);
    CHECK(mkdir("/tmp/a b", 0755) == 0);
    CHECK(mount("my source", "/tmp/a b", "tmpfs", MS_NOSUID | MS_NODEV, "mode=711") == 0);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLPRI | POLLERR));
    CHECK(poll(&p, 1, 0) == 0);
    proc_read("/proc/mounts");
    line = line_with(" /tmp/a\\040b ");
    CHECK(line != NULL && strncmp(line, "my\\040source /tmp/a\\040b tmpfs rw,nosuid,nodev,",
                                  46) == 0);
    proc_read("/proc/self/mountinfo");
    line = line_with(" /tmp/a\\040b ");
    CHECK(line != NULL);
    CHECK(sscanf(line, "%d %d %d:%d %63s %63s rw,nosuid,nodev", &id, &parent, &major, &minor,
                 root, place) == 6);
    CHECK(id != parent && strcmp(root, "/") == 0 && strcmp(place, "/tmp/a\\040b") == 0);
    CHECK(strstr(line, " - tmpfs my\\040source rw") != NULL);
    CHECK(umount("/tmp/a b") == 0);
    CHECK(poll(&p, 1, 0) == 1);
    proc_read("/proc/self/mounts");
    CHECK(line_with(" /tmp/a\\040b ") == NULL);
}

/* Verify that another mount of proc shows the same, and what statfs says of it. */
static void
test_proc_mounted_twice_is_the_same(void)
{
    struct stat one, two;
    struct statfs fs;

    CHECK(mkdir("/tmp/proc", 0755) == 0 && mount("proc", "/tmp/proc", "proc", 0, NULL) == 0);
    CHECK(stat("/proc/1", &one) == 0 && stat("/tmp/proc/1", &two) == 0);
    CHECK(one.st_uid == two.st_uid && one.st_mode == two.st_mode);
    CHECK(access("/tmp/proc/self/stat", R_OK) == 0);
    CHECK(statfs("/tmp/proc", &fs) == 0 && fs.f_type == 0x9fa0);
    CHECK(umount("/tmp/proc") == 0);
    CHECK_ERROR(mount("proc", "/tmp/proc", "proc", 0, "nonsense=1"), EINVAL);
}

/* Verify that settings are what the calls say, and that the host's name can be set. */
static void
test_settings_say_what_calls_say(void)
{
    struct utsname names;
    char before[65], uuid[2][40];
    int fd = open("/proc/sys/kernel/hostname", O_RDWR);

    CHECK(uname(&names) == 0 && fd >= 0);
    strcpy(before, names.nodename);
    CHECK(write(fd, "a-host\n", 7) == 7 && uname(&names) == 0);
    CHECK(strcmp(names.nodename, "a-host") == 0);
    CHECK(sethostname(before, strlen(before)) == 0);
    proc_read("/proc/sys/kernel/osrelease");
    CHECK(strncmp(proc_text, names.release, strlen(names.release)) == 0);
    proc_read("/proc/sys/kernel/pid_max");
    CHECK(atoi(proc_text) >= getpid());
    for (int i = 0; i < 2; i++) {
        CHECK(proc_read("/proc/sys/kernel/random/uuid") == 37);
        strcpy(uuid[i], proc_text);
    }
    CHECK(strcmp(uuid[0], uuid[1]) != 0 && uuid[0][14] == '4');
    proc_read("/proc/sys/kernel/random/boot_id");
    strcpy(uuid[0], proc_text);
    proc_read("/proc/sys/kernel/random/boot_id");
    CHECK(strcmp(uuid[0], proc_text) == 0);
    CHECK_ERROR(open("/proc/sys/kernel/nonsense", O_RDONLY), ENOENT);
    proc_read("/proc/filesystems");
    CHECK(strstr(proc_text, "nodev\tproc\n") && strstr(proc_text, "nodev\ttmpfs\n"));
}

/* Verify that a setting takes a number in its range, and only that. */
static void
test_setting_refuses_nonsense(void)
{
    int fd = open("/proc/sys/fs/protected_symlinks", O_RDWR);
    char before[8] = { 0 };

    CHECK(fd >= 0 && read(fd, before, sizeof before) == 2);
    CHECK_ERROR(pwrite(fd, "7\n", 2, 0), EINVAL);
    CHECK_ERROR(pwrite(fd, "x\n", 2, 0), EINVAL);
    CHECK(pwrite(fd, "0\n", 2, 0) == 2);
    proc_read("/proc/sys/fs/protected_symlinks");
    CHECK(strcmp(proc_text, "0\n") == 0);
    CHECK(pwrite(fd, before, 2, 0) == 2);
}

/* Verify what programs read in /sys to count processors. */
static void
test_sys_tells_processors(void)
{
    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), found = 0;
    char want[32], path[128];
    struct statfs fs;
    struct dirent *d;
    DIR *dir = opendir("/sys/devices/system/cpu");

    CHECK(statfs("/sys", &fs) == 0 && fs.f_type == 0x62656572 && dir != NULL);
    snprintf(want, sizeof want, cpus > 1 ? "0-%d\n" : "0\n", cpus - 1);
    proc_read("/sys/devices/system/cpu/online");
    CHECK(strcmp(proc_text, want) == 0);
    while ((d = readdir(dir)) != NULL) {
        if (strncmp(d->d_name, "cpu", 3) != 0 || d->d_name[3] < '0' || d->d_name[3] > '9')
            continue;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/%.16s/topology/core_id", d->d_name);
        CHECK(access(path, R_OK) == 0);
        found++;
    }
    CHECK(found == cpus);
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d", cpus + 100);
    CHECK_ERROR(access(path, F_OK), ENOENT);
    CHECK(access("/sys/class/net", X_OK) == 0 && access("/sys/block", X_OK) == 0);
    CHECK_ERROR(open("/sys/devices/system/cpu/online", O_WRONLY | O_TRUNC), EACCES);
}

/* Verify that what is counted is shown, and the limits of what users hold. */
static void
test_counts_of_files_and_limits(void)
{
    unsigned long files, unused, most, level;
    int fd[50], set[2];

    proc_read("/proc/sys/fs/file-nr");
    CHECK(sscanf(proc_text, "%lu\t%lu\t%lu\n", &files, &unused, &most) == 3);
    for (int i = 0; i < 50; i++)
        CHECK((fd[i] = open("/dev/null", O_RDONLY)) >= 0);
    proc_read("/proc/sys/fs/file-nr");
    CHECK(strtoul(proc_text, NULL, 10) + 20 >= files && files <= most);
    proc_read("/proc/sys/fs/file-max");
    CHECK(strtoul(proc_text, NULL, 10) == most);
    for (int i = 0; i < 50; i++)
        CHECK(close(fd[i]) == 0);
    proc_read("/proc/sys/fs/pipe-max-size");
    CHECK(pipe(set) == 0);
    CHECK(fcntl(set[0], F_SETPIPE_SZ, atoi(proc_text)) == atoi(proc_text));
    proc_read("/proc/sys/fs/inotify/max_user_instances");
    CHECK(atoi(proc_text) > 0);
    proc_read("/proc/sys/kernel/printk");
    CHECK(sscanf(proc_text, "%lu\t4\t1\t7\n", &level) == 1 && level <= 15);
}

/* Verify that root opens what cannot be written, and is told so when he writes. */
static void
test_write_where_nothing_is_kept_is_refused(void)
{
    int fd = open("/proc/version", O_WRONLY | O_TRUNC);

    CHECK(fd >= 0);
    CHECK_ERROR(write(fd, "x", 1), EIO);
    CHECK(close(fd) == 0 && (fd = open("/proc/self/stat", O_WRONLY)) >= 0);
    CHECK_ERROR(write(fd, "x", 1), EINVAL);
}

/* Verify that who asks to be ended first when memory runs out is likely to be. */
static void
test_oom_score_follows_the_adjustment(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY), before;

    proc_read("/proc/self/oom_score");
    before = atoi(proc_text);
    CHECK(before >= 600 && before <= 1333);
    CHECK(fd >= 0 && write(fd, "500", 3) == 3);
    proc_read("/proc/self/oom_score");
    CHECK(atoi(proc_text) >= before + 300 && atoi(proc_text) <= 2000);
}

int
main(void)
{
    CHECK(mkdir("/tmp", 01777) == 0 || errno == EEXIST);
    RUN(test_meminfo_agrees_with_sysinfo, sysinfo);
    RUN(test_stat_counts_cpu_time, lseek, read);
    RUN(test_uptime_and_loadavg, clock_gettime);
    RUN(test_cpuinfo_has_each_processor, open);
    RUN(test_mounts_show_a_mount_and_poll_tells, poll, mount, umount2);
    RUN(test_proc_mounted_twice_is_the_same, mount, statfs);
    RUN(test_settings_say_what_calls_say, uname, sethostname);
    RUN(test_setting_refuses_nonsense, pwrite64);
    RUN(test_sys_tells_processors, statfs, access);
    RUN(test_counts_of_files_and_limits, fcntl);
    RUN(test_write_where_nothing_is_kept_is_refused, write);
    RUN(test_oom_score_follows_the_adjustment, write);
    return check_failures != 0;
}
