/* SPDX-License-Identifier: MIT */
/*
 * Memory calls: mmap(2) and its relatives.  Linux's numbers and the order of its checks
 * are here; what the calls do is vm's. What is not there (docs/missing.md): MADV_REMOVE,
 * MADV_DONTFORK, MADV_WIPEONFORK, huge pages, protection keys, mremap of size 0.
 */
#include "core/usercopy.h"
#include "posix/posix.h"
#include "proc/proc.h"
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

static u32
prot_of(u64 prot)
{
    return (prot & LINUX_PROT_READ ? PROT_R : 0) |
           (prot & LINUX_PROT_WRITE ? PROT_W : 0) | (prot & LINUX_PROT_EXEC ? PROT_X : 0);
}

static int
map_flags(u64 flags, u32 *out)
{
    u32 f = 0;
    switch (flags & LINUX_MAP_TYPE) {
    case LINUX_MAP_SHARED:
        f |= AREA_SHARED;
        break;
    case LINUX_MAP_SHARED_VALIDATE:
        if (flags & ~(u64)LINUX_MAP_KNOWN)
            return -E_NOTSUP;
        f |= AREA_SHARED;
        break;
    case LINUX_MAP_PRIVATE:
        break;
    default:
        return -E_INVAL;
    }
    if (flags & LINUX_MAP_HUGETLB)
        return -E_NOMEM; /* what Linux says when it has no huge pages */
    if (flags & LINUX_MAP_FIXED_NOREPLACE)
        f |= MAP_AT_FIXED_NOREPLACE;
    else if (flags & LINUX_MAP_FIXED)
        f |= MAP_AT_FIXED;
    if (flags & LINUX_MAP_GROWSDOWN) {
        if (f & AREA_SHARED)
            return -E_INVAL;
        f |= AREA_GROWSDOWN;
    }
    if (flags & LINUX_MAP_NORESERVE)
        f |= AREA_NORESERVE;
    if (flags & (LINUX_MAP_POPULATE | LINUX_MAP_LOCKED))
        f |= MAP_AT_POPULATE;
    *out = f;
    return 0;
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
        file = fd_get(proc_current()->files, (int)SYS_ARG4(f));
        if (!file)
            return -E_BADF;
        if ((file->flags & OPEN_PATH) != 0) {
            file_release(file);
            return -E_BADF;
        }
    }
    int rc = bytes == 0 ? -E_INVAL : map_flags(flags, &how);
    if (rc == 0)
        rc = mm_map(current_mm(), SYS_ARG0(f), bytes, prot_of(SYS_ARG2(f)), how, file,
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
    return mm_protect(current_mm(), at, bytes, prot_of(prot));
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

/* madvise(2)'s numbers; -1: not known or not there. */
static int
advice_of(int advice)
{
    switch (advice) {
    case 4:
        return MM_ADVISE_DONTNEED;
    case 8:
        return MM_ADVISE_FREE;
    case 22:
        return MM_ADVISE_POPULATE_READ;
    case 23:
        return MM_ADVISE_POPULATE_WRITE;
    case 0:
    case 1:
    case 2:
    case 3: /* NORMAL RANDOM SEQUENTIAL WILLNEED */
    case 11:
    case 12:
    case 13: /* DOFORK MERGEABLE UNMERGEABLE */
    case 14:
    case 15:
    case 16:
    case 17: /* HUGEPAGE NOHUGEPAGE DONTDUMP DODUMP */
    case 19:
    case 20:
    case 21: /* KEEPONFORK COLD PAGEOUT */
        return MM_ADVISE_NOTHING;
    default:
        return -1;
    }
}

long
sys_madvise(struct user_frame *f)
{
    uaddr at = SYS_ARG0(f);
    u64 bytes = SYS_ARG1(f);
    int advice = advice_of((int)SYS_ARG2(f));
    if (advice < 0 || at % PAGE_SIZE != 0 || PAGE_UP(bytes) < bytes ||
        at + PAGE_UP(bytes) < at)
        return -E_INVAL;
    return bytes == 0 ? 0 : mm_advise(current_mm(), at, bytes, advice);
}

long
sys_msync(struct user_frame *f)
{
    u64 flags = SYS_ARG2(f), bytes = SYS_ARG1(f);
    if ((flags & ~(u64)(LINUX_MS_ASYNC | LINUX_MS_INVALIDATE | LINUX_MS_SYNC)) ||
        SYS_ARG0(f) % PAGE_SIZE != 0 ||
        (flags & (LINUX_MS_ASYNC | LINUX_MS_SYNC)) == (LINUX_MS_ASYNC | LINUX_MS_SYNC))
        return -E_INVAL;
    if (PAGE_UP(bytes) < bytes)
        return -E_NOMEM;
    return bytes == 0 ? 0
                      : mm_sync(current_mm(), SYS_ARG0(f), PAGE_UP(bytes), (u32)flags);
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

/* Memory is never paged out, so to lock it is to bring it in. */
static long
lock_range(uaddr at, u64 bytes, bool populate)
{
    u64 span = PAGE_UP(bytes + at % PAGE_SIZE);
    at = PAGE_DOWN(at);
    if (at + span < at || span < bytes)
        return -E_INVAL;
    if (span == 0)
        return 0;
    int rc = mm_check_range(current_mm(), at, span);
    if (rc == 0 && populate &&
        mm_advise(current_mm(), at, span, MM_ADVISE_POPULATE_READ) != 0)
        rc = -E_NOMEM;
    return rc;
}

long
sys_mlock(struct user_frame *f)
{
    return lock_range(SYS_ARG0(f), SYS_ARG1(f), true);
}

long
sys_mlock2(struct user_frame *f)
{
    if (SYS_ARG2(f) & ~1ull)
        return -E_INVAL;
    return lock_range(SYS_ARG0(f), SYS_ARG1(f), !(SYS_ARG2(f) & 1)); /* MLOCK_ONFAULT */
}

long
sys_munlock(struct user_frame *f)
{
    return lock_range(SYS_ARG0(f), SYS_ARG1(f), false);
}

long
sys_mlockall(struct user_frame *f)
{
    u64 flags = SYS_ARG0(f);
    if (flags == 0 || flags == LINUX_MCL_ONFAULT ||
        (flags & ~(u64)(LINUX_MCL_CURRENT | LINUX_MCL_FUTURE | LINUX_MCL_ONFAULT)))
        return -E_INVAL;
    return 0;
}

long
sys_munlockall(struct user_frame *f)
{
    (void)f;
    return 0;
}
