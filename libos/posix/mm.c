/* SPDX-License-Identifier: MIT */
/*
 * Memory calls: mmap(2) and its relatives.  Linux's numbers and the order of its checks
 * are here; what the calls do is vm's. What is not there (docs/missing.md): huge pages,
 * protection keys.
 */
#include "core/usercopy.h"
#include "posix/files.h"
#include "posix/pidfd.h"
#include "posix/posix.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "vfs/mount.h"
#include "vfs/vfs.h"
#include "vm/mm.h"

#define LINUX_PROT_READ 0x1u
#define LINUX_PROT_WRITE 0x2u
#define LINUX_PROT_EXEC 0x4u
#define LINUX_PROT_SEM 0x8u
#define LINUX_PROT_GROWSDOWN 0x01000000u
#define LINUX_PROT_GROWSUP 0x02000000u

#define LINUX_MAP_TYPE 0x0fu
#define LINUX_MAP_SHARED 0x01u
#define LINUX_MAP_PRIVATE 0x02u
#define LINUX_MAP_SHARED_VALIDATE 0x03u
#define LINUX_MAP_FIXED 0x10u
#define LINUX_MAP_ANONYMOUS 0x20u
#define LINUX_MAP_32BIT 0x40u
#define LINUX_MAP_GROWSDOWN 0x100u
#define LINUX_MAP_DENYWRITE 0x800u
#define LINUX_MAP_EXECUTABLE 0x1000u
#define LINUX_MAP_LOCKED 0x2000u
#define LINUX_MAP_NORESERVE 0x4000u
#define LINUX_MAP_POPULATE 0x8000u
#define LINUX_MAP_NONBLOCK 0x10000u
#define LINUX_MAP_STACK 0x20000u
#define LINUX_MAP_HUGETLB 0x40000u
#define LINUX_MAP_FIXED_NOREPLACE 0x100000u
#define LINUX_MAP_KNOWN                                                                 \
    (LINUX_MAP_TYPE | LINUX_MAP_FIXED | LINUX_MAP_ANONYMOUS | LINUX_MAP_32BIT |         \
     LINUX_MAP_GROWSDOWN | LINUX_MAP_DENYWRITE | LINUX_MAP_EXECUTABLE |                 \
     LINUX_MAP_LOCKED | LINUX_MAP_NORESERVE | LINUX_MAP_POPULATE | LINUX_MAP_NONBLOCK | \
     LINUX_MAP_STACK | LINUX_MAP_HUGETLB | LINUX_MAP_FIXED_NOREPLACE)

#define LINUX_MREMAP_MAYMOVE 1u
#define LINUX_MREMAP_FIXED 2u
#define LINUX_MREMAP_DONTUNMAP 4u
#define LINUX_MS_ASYNC 1u
#define LINUX_MS_INVALIDATE 2u
#define LINUX_MS_SYNC 4u
#define LINUX_MCL_CURRENT 1u
#define LINUX_MCL_FUTURE 2u
#define LINUX_MCL_ONFAULT 4u

static struct mm *
current_mm(void)
{
    return proc_current()->mm;
}

/* What can be read can be executed, if the process wants it so; but not a file (NULL:
 * none) that is where no programs are. */
static u32
prot_of(u64 prot, const struct file *file)
{
    bool none = file && file->path.mount && mount_has(file->path.mount, MOUNT_NO_EXEC);
    if ((prot & LINUX_PROT_READ) && !none &&
        (proc_current()->personality & PERSONALITY_READ_EXEC))
        prot |= LINUX_PROT_EXEC;
    return (prot & LINUX_PROT_READ ? PROT_R : 0) |
           (prot & LINUX_PROT_WRITE ? PROT_W : 0) | (prot & LINUX_PROT_EXEC ? PROT_X : 0);
}

/* The kind of mapping, and what goes with it: of a file, or of nothing. */
static int
map_kind(u64 flags, bool has_file, u32 *out)
{
    bool grows = flags & LINUX_MAP_GROWSDOWN;
    switch (flags & LINUX_MAP_TYPE) {
    case LINUX_MAP_SHARED_VALIDATE:
        if (!has_file)
            return -E_INVAL;
        if (flags & ~(u64)LINUX_MAP_KNOWN)
            return -E_NOTSUP;
        *out = AREA_SHARED;
        break;
    case LINUX_MAP_SHARED:
        *out = AREA_SHARED;
        break;
    case LINUX_MAP_PRIVATE:
        *out = grows ? AREA_GROWSDOWN : 0;
        grows = grows && has_file;
        break;
    default:
        return -E_INVAL;
    }
    return grows ? -E_INVAL : 0; /* only private memory of nothing grows */
}

static int
map_flags(u64 flags, bool has_file, u32 *out)
{
    if (flags & LINUX_MAP_HUGETLB) /* what Linux says when it has no huge pages */
        return has_file ? -E_INVAL : -E_NOMEM;
    u32 f = 0;
    int rc = map_kind(flags, has_file, &f);
    if (flags & LINUX_MAP_FIXED_NOREPLACE)
        f |= MAP_AT_FIXED_NOREPLACE;
    else if (flags & LINUX_MAP_FIXED)
        f |= MAP_AT_FIXED;
    if (flags & LINUX_MAP_NORESERVE)
        f |= AREA_NORESERVE;
    if ((flags & (LINUX_MAP_POPULATE | LINUX_MAP_NONBLOCK)) == LINUX_MAP_POPULATE)
        f |= MAP_AT_POPULATE;
    if (flags & LINUX_MAP_LOCKED)
        f |= AREA_LOCKED;
    if (flags & LINUX_MAP_32BIT)
        f |= MAP_AT_LOW;
    *out = f;
    return rc;
}

long
sys_mmap(struct user_frame *f)
{
    u64 bytes = SYS_ARG1(f), flags = SYS_ARG3(f), offset = SYS_ARG5(f);
    struct file *file = NULL;
    uaddr at;
    u32 how;
    if (offset % PAGE_SIZE != 0)
        return -E_INVAL;
    if (!(flags & LINUX_MAP_ANONYMOUS)) {
        file = fd_get(files_own(), (int)SYS_ARG4(f));
        if (!file)
            return -E_BADF;
        if ((file->flags & OPEN_PATH) != 0) {
            file_release(file);
            return -E_BADF;
        }
    }
    int rc = bytes == 0 ? -E_INVAL : map_flags(flags, file != NULL, &how);
    if (rc == 0)
        rc = mm_map(current_mm(), SYS_ARG0(f), bytes, prot_of(SYS_ARG2(f), file), how, file,
                    offset, &at);
    if (file)
        file_release(file);
    return rc != 0 ? rc : (long)at;
}

long
sys_munmap(struct user_frame *f)
{
    return mm_unmap(current_mm(), SYS_ARG0(f), SYS_ARG1(f));
}

/* PROT_GROWSDOWN: from the start of the stack that the address is in. */
static int
grow_range(uaddr *at, u64 *bytes)
{
    struct mm_area_info a;
    if (!mm_next_area(current_mm(), *at, &a))
        return -E_NOMEM;
    mm_area_info_drop(&a);
    if (a.start >= *at + *bytes)
        return -E_NOMEM;
    if (!(a.flags & AREA_GROWSDOWN))
        return -E_INVAL;
    *bytes += *at - a.start;
    *at = a.start;
    return 0;
}

static long
protect(uaddr at, u64 bytes, u64 prot)
{
    u64 grows = prot & (LINUX_PROT_GROWSDOWN | LINUX_PROT_GROWSUP);
    prot &= ~grows;
    if (grows == (LINUX_PROT_GROWSDOWN | LINUX_PROT_GROWSUP) || at % PAGE_SIZE != 0)
        return -E_INVAL;
    if (bytes == 0)
        return 0;
    if (PAGE_UP(bytes) < bytes || at + PAGE_UP(bytes) <= at)
        return -E_NOMEM;
    if (prot &
        ~(u64)(LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC | LINUX_PROT_SEM))
        return -E_INVAL;
    if (grows & LINUX_PROT_GROWSUP)
        return -E_INVAL; /* nothing grows up here */
    if (grows) {
        int rc = grow_range(&at, &bytes);
        if (rc != 0)
            return rc;
    }
    return mm_protect(current_mm(), at, bytes, prot_of(prot, NULL));
}

long
sys_mprotect(struct user_frame *f)
{
    return protect(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f));
}

long
sys_pkey_mprotect(struct user_frame *f)
{
    if ((i32)SYS_ARG3(f) != -1)
        return -E_INVAL; /* no key was ever given out */
    return protect(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f));
}

long
sys_mremap(struct user_frame *f)
{
    u64 flags = SYS_ARG3(f);
    uaddr at;
    if (flags &
        ~(u64)(LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP))
        return -E_INVAL;
    u32 how = (flags & LINUX_MREMAP_MAYMOVE ? MM_REMAP_MAYMOVE : 0) |
              (flags & LINUX_MREMAP_FIXED ? MM_REMAP_FIXED : 0) |
              (flags & LINUX_MREMAP_DONTUNMAP ? MM_REMAP_DONTUNMAP : 0);
    int rc = mm_remap(current_mm(), SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), how,
                      SYS_ARG4(f), &at);
    return rc != 0 ? rc : (long)at;
}

/* Obsolete since Linux 4.0, which makes a mapping of its own of it, as here. */
long
sys_remap_file_pages(struct user_frame *f)
{
    u64 start = PAGE_DOWN(SYS_ARG0(f)), bytes = PAGE_DOWN(SYS_ARG1(f));
    u64 page = SYS_ARG3(f), pages = bytes >> PAGE_SHIFT;
    if (SYS_ARG2(f) != 0 || page + pages < page || (page + pages) >> (63 - PAGE_SHIFT))
        return -E_INVAL;
    return mm_remap_file(current_mm(), start, bytes, page,
                         !(SYS_ARG4(f) & LINUX_MAP_NONBLOCK));
}

/* madvise(2): what each number does to areas. */
struct advice {
    u8 number, kind;
    u32 set, clear;
};
static const struct advice advices[] = {
    { 0, MM_ADVISE_FLAGS, 0, AREA_RANDOM | AREA_SEQUENTIAL },               /* NORMAL */
    { 1, MM_ADVISE_FLAGS, AREA_RANDOM, AREA_SEQUENTIAL },
    { 2, MM_ADVISE_FLAGS, AREA_SEQUENTIAL, AREA_RANDOM },
    { 3, MM_ADVISE_NOTHING, 0, 0 },                                         /* WILLNEED */
    { 4, MM_ADVISE_DONTNEED, 0, 0 },
    { 8, MM_ADVISE_FREE, 0, 0 },
    { 9, MM_ADVISE_REMOVE, 0, 0 },
    { 10, MM_ADVISE_FLAGS, AREA_DONTFORK, 0 },
    { 11, MM_ADVISE_FLAGS, 0, AREA_DONTFORK },
    { 12, MM_ADVISE_FLAGS, AREA_MERGEABLE, 0 },
    { 13, MM_ADVISE_FLAGS, 0, AREA_MERGEABLE },
    { 14, MM_ADVISE_FLAGS, AREA_HUGEPAGE, AREA_NOHUGEPAGE },
    { 15, MM_ADVISE_FLAGS, AREA_NOHUGEPAGE, AREA_HUGEPAGE },
    { 16, MM_ADVISE_FLAGS, AREA_DONTDUMP, 0 },
    { 17, MM_ADVISE_FLAGS, 0, AREA_DONTDUMP },
    { 18, MM_ADVISE_FLAGS, AREA_WIPEONFORK, 0 },
    { 19, MM_ADVISE_FLAGS, 0, AREA_WIPEONFORK },
    { 20, MM_ADVISE_COLD, 0, 0 },
    { 21, MM_ADVISE_PAGEOUT, 0, 0 },
    { 22, MM_ADVISE_POPULATE_READ, 0, 0 },
    { 23, MM_ADVISE_POPULATE_WRITE, 0, 0 },
    { 24, MM_ADVISE_DONTNEED_LOCKED, 0, 0 },
    { 25, MM_ADVISE_COLLAPSE, 0, 0 },
};

static int
advise(struct mm *m, uaddr at, u64 bytes, u32 number)
{
    const struct advice *a = NULL;
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (advices[i].number == number)
            a = &advices[i];
    if (!a || at % PAGE_SIZE != 0 || PAGE_UP(bytes) < bytes || at + PAGE_UP(bytes) < at)
        return -E_INVAL;
    return bytes == 0 ? 0 : mm_advise(m, at, bytes, a->kind, a->set, a->clear);
}

long
sys_madvise(struct user_frame *f)
{
    return advise(current_mm(), SYS_ARG0(f), SYS_ARG1(f), (u32)SYS_ARG2(f));
}

/* Advice that another process may give: WILLNEED, COLD, PAGEOUT, COLLAPSE. */
#define OTHERS_ADVICE (1u << 3 | 1u << 20 | 1u << 21 | 1u << 25)

/* The memory that a pidfd leads to. -E_BADF -E_SRCH -E_ACCES -E_PERM */
static int
memory_of_pidfd(int fd, struct mm **out)
{
    struct process *p;
    bool nonblocking;
    int r = pidfd_process(fd, &p, &nonblocking);
    if (r != 0)
        return r;
    bool nice = p == proc_current() || cred_can(cred_own(), CAP_SYS_NICE);
    r = mm_of_inspected(p, false, out);
    proc_release(p);
    if (r != 0 || *out == NULL)
        return r != 0 ? r : -E_SRCH;
    if (nice)
        return 0;
    mm_drop(*out);
    return -E_PERM;
}

long
sys_process_madvise(struct user_frame *f)
{
    struct iov_arg v;
    struct mm *m;
    u32 number = (u32)SYS_ARG3(f);
    u64 done = 0;
    if (SYS_ARG4(f) != 0)
        return -E_INVAL;
    int r = iov_arg_get(&v, SYS_ARG1(f), SYS_ARG2(f));
    if (r != 0)
        return r;
    if (number > 31 || !(OTHERS_ADVICE >> number & 1))
        r = -E_INVAL;
    if (r == 0)
        r = memory_of_pidfd((int)SYS_ARG0(f), &m);
    if (r == 0) {
        for (u32 i = 0; r == 0 && i < v.uio.count; i++) {
            r = advise(m, v.segments[i].base, v.segments[i].bytes, number);
            done += r == 0 ? v.segments[i].bytes : 0;
        }
        mm_drop(m);
    }
    iov_arg_done(&v);
    return done ? (long)done : r;
}

long
sys_msync(struct user_frame *f)
{
    u64 flags = SYS_ARG2(f), bytes = SYS_ARG1(f);
    if ((flags & ~(u64)(LINUX_MS_ASYNC | LINUX_MS_INVALIDATE | LINUX_MS_SYNC)) ||
        SYS_ARG0(f) % PAGE_SIZE != 0 ||
        (flags & (LINUX_MS_ASYNC | LINUX_MS_SYNC)) == (LINUX_MS_ASYNC | LINUX_MS_SYNC))
        return -E_INVAL;
    if (PAGE_UP(bytes) < bytes || SYS_ARG0(f) + PAGE_UP(bytes) < SYS_ARG0(f))
        return -E_NOMEM;
    return bytes == 0 ? 0
                      : mm_sync(current_mm(), SYS_ARG0(f), PAGE_UP(bytes),
                                flags & LINUX_MS_INVALIDATE);
}

long
sys_brk(struct user_frame *f)
{
    return (long)mm_brk(current_mm(), SYS_ARG0(f));
}

long
sys_mincore(struct user_frame *f)
{
    u8 present[256];
    uaddr at = SYS_ARG0(f), to = SYS_ARG2(f);
    u64 bytes = SYS_ARG1(f);
    if (at % PAGE_SIZE != 0)
        return -E_INVAL;
    if (at > USER_TOP || bytes > USER_TOP - at)
        return -E_NOMEM;
    for (u64 left = PAGE_UP(bytes) >> PAGE_SHIFT; left;) {
        u64 n = MIN(left, sizeof(present));
        int rc = mm_resident(current_mm(), at, n, present);
        if (rc == 0)
            rc = copy_to_user(to, present, n);
        if (rc != 0)
            return rc;
        at += n << PAGE_SHIFT;
        to += n;
        left -= n;
        thread_breathe();
    }
    return 0;
}

long
sys_mlock(struct user_frame *f)
{
    return mm_lock(current_mm(), SYS_ARG0(f), SYS_ARG1(f), AREA_LOCKED);
}

#define LINUX_MLOCK_ONFAULT 1u

long
sys_mlock2(struct user_frame *f)
{
    u32 flags = (u32)SYS_ARG2(f);
    if (flags & ~LINUX_MLOCK_ONFAULT)
        return -E_INVAL;
    return mm_lock(current_mm(), SYS_ARG0(f), SYS_ARG1(f),
                   AREA_LOCKED | (flags ? AREA_LOCK_ON_FAULT : 0));
}

long
sys_munlock(struct user_frame *f)
{
    return mm_lock(current_mm(), SYS_ARG0(f), SYS_ARG1(f), 0);
}

long
sys_mlockall(struct user_frame *f)
{
    u32 flags = (u32)SYS_ARG0(f);
    if (flags == 0 || flags == LINUX_MCL_ONFAULT ||
        (flags & ~(LINUX_MCL_CURRENT | LINUX_MCL_FUTURE | LINUX_MCL_ONFAULT)))
        return -E_INVAL;
    u32 how = AREA_LOCKED | (flags & LINUX_MCL_ONFAULT ? AREA_LOCK_ON_FAULT : 0);
    return mm_lock_all(current_mm(), flags & LINUX_MCL_CURRENT, how,
                       flags & LINUX_MCL_FUTURE ? how : 0);
}

long
sys_munlockall(struct user_frame *f)
{
    (void)f;
    return mm_lock_all(current_mm(), true, 0, 0);
}
