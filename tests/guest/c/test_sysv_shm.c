/* SPDX-License-Identifier: MIT */
/* System V shared memory: shmget(2), shmop(2), shmctl(2). */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "check.h"

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#define NOBODY 65534
#define PAGE 4096ul

static int
make(size_t bytes)
{
    int id = shmget(IPC_PRIVATE, bytes, 0600);
    CHECK(id >= 0);
    return id;
}

static char *
attach(int id, const void *at, int flags)
{
    char *p = shmat(id, at, flags);
    CHECK(p != (void *)-1);
    return p;
}

static unsigned long
attached(int id)
{
    struct shmid_ds ds;
    CHECK(shmctl(id, IPC_STAT, &ds) == 0);
    return ds.shm_nattch;
}

static void
drop(int id)
{
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
}

static void
test_get(void)
{
    key_t key = 0x54a00000 | (getpid() & 0xffff);
    CHECK_ERROR(shmget(key, 100, 0), ENOENT);
    CHECK_ERROR(shmget(key, 0, IPC_CREAT | 0600), EINVAL);
    CHECK_ERROR(shmget(key, (size_t)-1, IPC_CREAT | 0600), EINVAL);
    int id = shmget(key, 100, IPC_CREAT | 0600);
    CHECK(id >= 0 && shmget(key, 0, 0) == id && shmget(key, 100, 0) == id);
    CHECK_ERROR(shmget(key, 101, 0), EINVAL);
    CHECK_ERROR(shmget(key, 100, IPC_CREAT | IPC_EXCL), EEXIST);
    drop(id);
    CHECK_ERROR(shmctl(id, IPC_RMID, NULL), EINVAL);
    CHECK_ERROR(shmat(id, NULL, 0), EINVAL);
}

static void
test_attach(void)
{
    int id = make(3 * PAGE);
    char *a = attach(id, NULL, 0), *b = attach(id, NULL, SHM_RDONLY);
    CHECK(a != b && a[0] == 0 && attached(id) == 2);
    strcpy(a + PAGE, "shared");
    CHECK(strcmp(b + PAGE, "shared") == 0);
    CHECK(mprotect(b, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
    CHECK(shmdt(b) == 0 && attached(id) == 1);
    CHECK_ERROR(shmdt(b), EINVAL);
    CHECK_ERROR(shmdt(a + 1), EINVAL);
    CHECK_ERROR(shmdt(a + PAGE), EINVAL);
    CHECK_ERROR(shmat(id, a + PAGE, 0), EINVAL);
    CHECK_ERROR(shmat(id, a + 100, SHM_REMAP), EINVAL);
    CHECK_ERROR(shmat(id, NULL, SHM_REMAP), EINVAL);
    CHECK(attach(id, a + 100, SHM_REMAP | SHM_RND) == a && attached(id) == 1);
    CHECK(strcmp(a + PAGE, "shared") == 0);
    CHECK(shmdt(a) == 0 && attached(id) == 0);
    a = attach(id, b, 0);
    CHECK(a == b && strcmp(a + PAGE, "shared") == 0);
    CHECK(shmdt(a) == 0);
    drop(id);
}

/* In pieces: each is counted, and shmdt takes them all. */
static void
test_pieces(void)
{
    int id = make(5 * PAGE);
    char *a = attach(id, NULL, 0);
    CHECK(munmap(a + 2 * PAGE, PAGE) == 0 && attached(id) == 2);
    CHECK(munmap(a, PAGE) == 0 && attached(id) == 2);
    a[PAGE] = a[3 * PAGE] = 1;
    CHECK(shmdt(a) == 0 && attached(id) == 0);
    CHECK(mincore(a + 3 * PAGE, PAGE, (unsigned char[1]){ 0 }) == -1 && errno == ENOMEM);
    drop(id);
}

static void
test_fork_and_exit(void)
{
    int id = make(PAGE), go[2];
    volatile char *a = attach(id, NULL, 0);
    char byte;
    CHECK(pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        a[0] = 7;
        CHECK(attached(id) == 2);
        CHECK(read(go[0], &byte, 1) == 1);
        _exit(0);
    }
    while (attached(id) != 2)
        sched_yield();
    CHECK(write(go[1], "", 1) == 1);
    CHECK_EXIT(child, 0);
    CHECK(a[0] == 7 && attached(id) == 1);
    if ((child = fork()) == 0) {
        execl("/proc/self/exe", "test", "attached", NULL);
        _exit(1);
    }
    CHECK_EXIT(child, 0);
    CHECK(attached(id) == 1);
    drop(id);
}

static void
test_removed_while_attached(void)
{
    key_t key = 0x54b00000 | (getpid() & 0xffff);
    int id = shmget(key, PAGE, IPC_CREAT | 0600);
    struct shmid_ds ds;
    char *a = attach(id, NULL, 0);
    strcpy(a, "still here");
    drop(id);
    CHECK_ERROR(shmget(key, 0, 0), ENOENT);
    CHECK(shmctl(id, IPC_STAT, &ds) == 0);
    CHECK((ds.shm_perm.mode & 01000) != 0 && ds.shm_perm.__key == IPC_PRIVATE);
    CHECK(strcmp(a, "still here") == 0);
    char *b = attach(id, NULL, 0); /* Linux allows that */
    CHECK(strcmp(b, "still here") == 0 && shmdt(a) == 0);
    CHECK(shmctl(id, IPC_STAT, &ds) == 0 && shmdt(b) == 0);
    CHECK_ERROR(shmctl(id, IPC_STAT, &ds), EINVAL);
    /* The end of the process is as good. */
    id = make(PAGE);
    pid_t child = fork();
    if (child == 0) {
        attach(id, NULL, 0)[5] = 1;
        drop(id);
        _exit(shmctl(id, IPC_STAT, &ds) == 0 ? 0 : 1);
    }
    CHECK_EXIT(child, 0);
    CHECK_ERROR(shmctl(id, IPC_STAT, &ds), EINVAL);
}

static void
test_stat(void)
{
    int id = make(5000), found = 0;
    struct shmid_ds ds;
    struct shminfo i;
    struct shm_info use;
    CHECK(shmctl(id, IPC_STAT, &ds) == 0);
    CHECK(ds.shm_segsz == 5000 && ds.shm_cpid == getpid() && ds.shm_lpid == 0);
    CHECK(ds.shm_atime == 0 && ds.shm_dtime == 0 && ds.shm_ctime > 0);
    char *a = attach(id, NULL, 0);
    a[5000] = 1; /* up to the page's end */
    CHECK(shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_atime > 0 && ds.shm_lpid == getpid());
    CHECK(shmdt(a) == 0 && shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_dtime > 0);
    ds.shm_perm.mode = 0640;
    CHECK(shmctl(id, IPC_SET, &ds) == 0 && shmctl(id, IPC_STAT, &ds) == 0);
    CHECK(ds.shm_perm.mode == 0640);
    CHECK(shmctl(0, IPC_INFO, (void *)&i) >= 0 && i.shmmin == 1 && i.shmmni == 4096);
    int highest = shmctl(0, SHM_INFO, (void *)&use);
    CHECK(highest >= 0 && use.used_ids >= 1 && use.shm_tot >= 2 && use.shm_rss >= 1);
    for (int at = 0; at <= highest; at++) {
        int by_index = shmctl(at, SHM_STAT, &ds);
        found |= by_index == id && ds.shm_segsz == 5000;
        CHECK(by_index < 0 || shmctl(at, SHM_STAT_ANY, &ds) == by_index);
    }
    CHECK(found);
    CHECK(shmctl(id, SHM_LOCK, NULL) == 0 && shmctl(id, IPC_STAT, &ds) == 0);
    CHECK((ds.shm_perm.mode & 02000) != 0);
    CHECK(shmctl(id, SHM_UNLOCK, NULL) == 0 && shmctl(id, IPC_STAT, &ds) == 0);
    CHECK((ds.shm_perm.mode & 02000) == 0);
    CHECK_ERROR(shmctl(id, 99, &ds), EINVAL);
    drop(id);
}

static void
test_names(void)
{
    int id = shmget(0x1234abcd, PAGE, IPC_CREAT | 0600), found = 0;
    char line[512], text[64];
    char *a = attach(id, NULL, 0);
    snprintf(text, sizeof text, "%lx-", (unsigned long)a);
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, text, strlen(text)) == 0)
            found = strstr(line, "/SYSV1234abcd (deleted)\n") != NULL &&
                    strstr(line, " rw-s 00000000 ") != NULL;
    fclose(f);
    CHECK(found);
    f = fopen("/proc/sysvipc/shm", "r");
    CHECK(f != NULL && fgets(line, sizeof line, f) != NULL);
    CHECK(strncmp(line, "       key      shmid perms                  size", 49) == 0);
    snprintf(text, sizeof text, "%10d %10d   600 %21lu", 0x1234abcd, id, PAGE);
    for (found = 0; fgets(line, sizeof line, f) != NULL;)
        found |= strncmp(line, text, strlen(text)) == 0;
    fclose(f);
    CHECK(found);
    drop(id);
}

static void
test_rights(void)
{
    int id = shmget(IPC_PRIVATE, PAGE, 0604);
    struct shmid_ds ds;
    if (geteuid() != 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0);
        CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
        CHECK_ERROR(shmat(id, NULL, 0), EACCES);
        CHECK_ERROR(shmat(id, NULL, SHM_RDONLY | SHM_EXEC), EACCES);
        CHECK(attach(id, NULL, SHM_RDONLY)[0] == 0);
        CHECK(shmctl(id, IPC_STAT, &ds) == 0);
        CHECK_ERROR(shmctl(id, IPC_SET, &ds), EPERM);
        CHECK_ERROR(shmctl(id, SHM_LOCK, NULL), EPERM);
        CHECK_ERROR(shmctl(id, IPC_RMID, NULL), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    drop(id);
}

static void
test_code(void)
{
    int id = shmget(IPC_PRIVATE, PAGE, 0700);
    unsigned char *w = (unsigned char *)attach(id, NULL, 0);
    static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov, ret */
    memcpy(w, code, sizeof code);
    int (*run)(void) = (int (*)(void))(void *)attach(id, NULL, SHM_EXEC | SHM_RDONLY);
    CHECK(run() == 42);
    drop(id);
}

#define SEGMENTS 1000

static void
test_many(void)
{
    static int id[SEGMENTS];
    static char *at[SEGMENTS];
    for (int i = 0; i < SEGMENTS; i++) {
        id[i] = make(PAGE);
        at[i] = attach(id[i], NULL, 0);
        at[i][1] = (char)i;
    }
    for (int i = 0; i < SEGMENTS; i++) {
        CHECK(at[i][1] == (char)i);
        drop(id[i]);
        CHECK(shmdt(at[i]) == 0);
    }
}

int
main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return 0;
    RUN(test_get, shmget);
    RUN(test_attach, shmat, shmdt);
    RUN(test_pieces, shmat, shmdt, munmap);
    RUN(test_fork_and_exit, shmat, shmctl);
    RUN(test_removed_while_attached, shmctl, shmat, shmdt);
    RUN(test_stat, shmctl);
    RUN(test_names, shmat);
    RUN(test_rights, shmat, shmctl);
    RUN(test_code, shmat);
    RUN(test_many, shmget, shmat, shmdt);
    return check_failures != 0;
}
