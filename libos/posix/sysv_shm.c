/* SPDX-License-Identifier: MIT */
/* shmget(2), shmop(2), shmctl(2). */
#include "ipc/shm.h"
#include "posix/sysv.h"
#include "vfs/vfs.h"
#include "vm/mm.h"

#define SHM_HUGETLB 04000u
#define SHM_RDONLY 010000u
#define SHM_RND 020000u
#define SHM_REMAP 040000u
#define SHM_EXEC 0100000u
#define SHM_LOCK_COMMAND 11
#define SHM_UNLOCK_COMMAND 12
#define SHM_STAT_COMMAND 13
#define SHM_INFO_COMMAND 14
#define SHM_STAT_ANY 15

struct linux_shmid {
    struct linux_ipc_perm perm;
    u64 bytes;
    i64 attached, detached, changed;
    i32 creator, last;
    u64 areas, unused[2];
};
_Static_assert(sizeof(struct linux_shmid) == 112, "struct shmid64_ds");
struct linux_shminfo {
    u64 max, min, segments, per_process, all, unused[4];
};
struct linux_shm_info {
    i32 used, pad;
    u64 total, resident, swapped, attempts, successes;
};

static i32
current_pid(void)
{
    const struct process *p = proc_current();
    return p != NULL ? p->pid : 0;
}

void
sysv_init(void)
{
    ipc_current_pid = current_pid;
}

long
sys_shmget(struct user_frame *f)
{
    u32 flags = (u32)SYS_ARG2(f);
    if (flags & SHM_HUGETLB)
        return -E_NOMEM; /* as Linux when no huge pages were set aside */
    struct ipc_wanted wanted = sysv_wanted(SYS_ARG0(f), SYS_ARG1(f), flags);
    return shm_get(vfs_current_cred(), &wanted);
}

/* Where: flags for mm_map. -E_INVAL */
static int
place_of(uaddr *at, u32 flags, u32 *how)
{
    *how = AREA_SHARED;
    if (*at == 0)
        return flags & SHM_REMAP ? -E_INVAL : 0;
    if (*at % PAGE_SIZE != 0) {
        if (!(flags & SHM_RND))
            return -E_INVAL;
        *at = PAGE_DOWN(*at);
        if (*at == 0 && (flags & SHM_REMAP))
            return -E_INVAL;
    }
    *how |= flags & SHM_REMAP ? MAP_AT_FIXED : MAP_AT_FIXED_NOREPLACE;
    return 0;
}

long
sys_shmat(struct user_frame *f)
{
    uaddr at = SYS_ARG1(f);
    u32 flags = (u32)SYS_ARG2(f), how;
    bool writes = (flags & SHM_RDONLY) == 0, runs = (flags & SHM_EXEC) != 0;
    u32 want = IPC_READ | (writes ? IPC_WRITE : 0) | (runs ? 0111u : 0);
    struct file *file;
    u64 bytes;
    if ((i32)SYS_ARG0(f) < 0)
        return -E_INVAL;
    int r = place_of(&at, flags, &how);
    if (r == 0)
        r = shm_attach(vfs_current_cred(), (i32)SYS_ARG0(f), want, writes, &file, &bytes);
    if (r != 0)
        return r;
    r = mm_map(proc_current()->mm, at, bytes,
               PROT_R | (writes ? PROT_W : 0) | (runs ? PROT_X : 0), how, file, 0, &at);
    file_release(file); /* the area has it */
    if (r == -E_EXIST)
        r = -E_INVAL;
    return r != 0 ? r : (long)at;
}

/* An area of the attachment that would begin at `start`, at or after *at; false: none. */
static bool
next_piece(struct mm *m, uaddr start, uaddr *at, uaddr *end, u64 *bytes)
{
    struct mm_area_info a;
    while (mm_next_area(m, *at, &a) && a.start < start + *bytes) {
        i32 id, key;
        u64 all;
        bool found = a.file != NULL && a.start - a.offset == start &&
                     shm_file(a.file, &id, &key, &all);
        mm_area_info_drop(&a);
        *at = a.start;
        *end = a.end;
        if (found) {
            *bytes = PAGE_UP(all);
            return true;
        }
        *at = a.end;
    }
    return false;
}

/* Linux looks for the whole of memory above, since the first pieces may be gone. */
long
sys_shmdt(struct user_frame *f)
{
    struct mm *m = proc_current()->mm;
    uaddr start = SYS_ARG0(f), at = start, end;
    u64 bytes = USER_TOP - MIN(start, USER_TOP);
    long r = -E_INVAL;
    if (start % PAGE_SIZE != 0)
        return -E_INVAL;
    while (next_piece(m, start, &at, &end, &bytes)) {
        r = mm_unmap(m, at, end - at);
        if (r != 0)
            return r;
        at = end;
    }
    return r;
}

static i64
stat_segment(struct ipc_which which, bool anybody, uaddr to)
{
    struct shm_facts s;
    int r = shm_stat(anybody ? NULL : vfs_current_cred(), which, &s);
    if (r != 0)
        return r;
    struct linux_shmid out = { .perm = sysv_perm(&s.ipc),
                               .bytes = s.bytes,
                               .attached = sysv_seconds(s.attached_ns),
                               .detached = sysv_seconds(s.detached_ns),
                               .changed = sysv_seconds(s.changed_ns),
                               .creator = s.creator,
                               .last = s.last,
                               .areas = s.areas };
    return copy_to_user(to, &out, sizeof out) != 0 ? -E_FAULT
                                                   : sysv_stat_result(which, &s.ipc);
}

static i64
tell_limits(uaddr to)
{
    struct linux_shminfo out = { .max = SHM_BYTES_MAX, .min = 1,
                                 .segments = shm_segments_max,
                                 .per_process = shm_segments_max, .all = SHM_BYTES_MAX };
    struct shm_counts c;
    shm_count(&c);
    return copy_to_user(to, &out, sizeof out) != 0 ? -E_FAULT : (i64)c.highest;
}

static i64
tell_use(uaddr to)
{
    struct shm_counts c;
    shm_count(&c);
    struct linux_shm_info out = { .used = (i32)c.segments, .total = c.pages,
                                  .resident = c.resident };
    return copy_to_user(to, &out, sizeof out) != 0 ? -E_FAULT : (i64)c.highest;
}

static i64
change_segment(i32 id, uaddr at)
{
    struct linux_shmid in;
    if (copy_from_user(&in, at, sizeof in) != 0)
        return -E_FAULT;
    int r = sysv_check_owner(&in.perm);
    return r != 0 ? r
                  : shm_change(vfs_current_cred(), id, in.perm.uid, in.perm.gid,
                               in.perm.mode);
}

long
sys_shmctl(struct user_frame *f)
{
    i32 id = (i32)SYS_ARG0(f), command = (i32)SYS_ARG1(f);
    uaddr arg = SYS_ARG2(f);
    const struct process *p = proc_current();
    if (id < 0 || command < 0)
        return -E_INVAL;
    switch (command) {
    case LINUX_IPC_RMID:
        return shm_remove(vfs_current_cred(), id);
    case LINUX_IPC_SET:
        return change_segment(id, arg);
    case LINUX_IPC_STAT:
        return stat_segment((struct ipc_which){ false, id }, false, arg);
    case SHM_STAT_COMMAND:
    case SHM_STAT_ANY:
        return stat_segment((struct ipc_which){ true, id }, command == SHM_STAT_ANY, arg);
    case LINUX_IPC_INFO:
        return tell_limits(arg);
    case SHM_INFO_COMMAND:
        return tell_use(arg);
    case SHM_LOCK_COMMAND:
    case SHM_UNLOCK_COMMAND:
        return shm_set_locked(vfs_current_cred(), id, command == SHM_LOCK_COMMAND,
                              p->limits[MM_LIMIT_LOCKED].soft != 0);
    default:
        return -E_INVAL;
    }
}
