/* SPDX-License-Identifier: MIT */
/* System calls of names and the machine. */
#include "core/account.h"
#include "core/clock.h"
#include "core/fpu.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/page.h"
#include "core/random.h"
#include "core/string.h"
#include "fs/tmpfs/tmpfs.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "signal/signal.h"
#include "vm/mm.h"

long
sys_umask(struct user_frame *f)
{
    struct fs_context *c = place_own();
    spin_lock(&c->lock);
    u32 old = c->umask;
    c->umask = (u32)SYS_ARG0(f) & 0777;
    spin_unlock(&c->lock);
    return old;
}

/* ---- names ---- */
#define NAME_BYTES POSIX_NAME_BYTES
struct linux_utsname {
    char sysname[NAME_BYTES], nodename[NAME_BYTES], release[NAME_BYTES];
    char version[NAME_BYTES], machine[NAME_BYTES], domainname[NAME_BYTES];
};
/* Programs parse the first two fields to learn what they may use: so they are Linux's. */
static struct linux_utsname names = {
    "Linux", "(none)", "6.1.0-feuerbird", "#1 SMP FeuerBird", "x86_64", "(none)",
};
static struct spinlock names_lock = SPINLOCK_INIT;

static char *
name_at(enum posix_name which)
{
    switch (which) {
    case POSIX_NAME_SYSTEM:
        return names.sysname;
    case POSIX_NAME_NODE:
        return names.nodename;
    case POSIX_NAME_RELEASE:
        return names.release;
    case POSIX_NAME_VERSION:
        return names.version;
    case POSIX_NAME_DOMAIN:
        return names.domainname;
    }
    return names.machine;
}

void
posix_name_get(enum posix_name which, char to[POSIX_NAME_BYTES])
{
    spin_lock(&names_lock);
    memcpy(to, name_at(which), POSIX_NAME_BYTES);
    spin_unlock(&names_lock);
}

void
posix_name_set(enum posix_name which, const char *name)
{
    char fresh[POSIX_NAME_BYTES] = { 0 };
    string_copy(fresh, name, sizeof fresh);
    spin_lock(&names_lock);
    memcpy(name_at(which), fresh, sizeof fresh);
    spin_unlock(&names_lock);
}

long
sys_uname(struct user_frame *f)
{
    struct linux_utsname copy;
    spin_lock(&names_lock);
    copy = names;
    spin_unlock(&names_lock);
    return copy_to_user(SYS_ARG0(f), &copy, sizeof copy);
}

static long
change_name(char *name, uaddr from, u64 length)
{
    char fresh[NAME_BYTES] = { 0 };
    if (!cred_can(cred_own(), CAP_SYS_ADMIN))
        return -E_PERM;
    if (length >= NAME_BYTES)
        return -E_INVAL;
    if (copy_from_user(fresh, from, length) != 0)
        return -E_FAULT;
    spin_lock(&names_lock);
    memcpy(name, fresh, sizeof fresh);
    spin_unlock(&names_lock);
    return 0;
}

long
sys_sethostname(struct user_frame *f)
{
    return change_name(names.nodename, SYS_ARG0(f), SYS_ARG1(f));
}

long
sys_setdomainname(struct user_frame *f)
{
    return change_name(names.domainname, SYS_ARG0(f), SYS_ARG1(f));
}

/* PER_LINUX is the only one; asking is allowed. */
long
sys_personality(struct user_frame *f)
{
    struct process *p = proc_current();
    u32 asked = (u32)SYS_ARG0(f), was = p->personality;
    if (asked == 0xffffffff)
        return was;
    if (asked & ~(PERSONALITY_FIXED | PERSONALITY_READ_EXEC))
        return -E_INVAL; /* Linux keeps any: docs/missing.md */
    p->personality = asked;
    return was;
}

/* ---- the machine ---- */
struct linux_sysinfo {
    i64 uptime;
    u64 loads[3], total, free, shared, buffers, swap, swap_free;
    u16 processes, pad;
    u64 high, high_free;
    u32 unit;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "struct sysinfo");

long
sys_sysinfo(struct user_frame *f)
{
    struct page_counts pages;
    struct tmpfs_counts files;
    struct linux_sysinfo s;
    page_count(&pages);
    tmpfs_count(&files);
    memset(&s, 0, sizeof s); /* its padding goes to the user as well */
    account_load(s.loads);
    s.uptime = (i64)((clock_mono_ns() + 999999999) / 1000000000);
    s.total = pages.total * PAGE_SIZE;
    s.free = pages.free * PAGE_SIZE;
    s.shared = files.pages * PAGE_SIZE;
    s.processes = (u16)proc_threads(); /* as on Linux, each thread is one */
    s.unit = 1;
    return copy_to_user(SYS_ARG0(f), &s, sizeof s);
}

#define GRND_KNOWN 7u
#define RANDOM_MAX 0x1ffffffull

long
sys_getrandom(struct user_frame *f)
{
    uaddr at = SYS_ARG0(f);
    u64 left = MIN(SYS_ARG1(f), RANDOM_MAX), done = 0;
    if ((SYS_ARG2(f) & ~(u64)GRND_KNOWN) || (SYS_ARG2(f) & 6) == 6)
        return -E_INVAL;
    while (left > 0) {
        u8 block[256];
        u64 n = MIN(left, sizeof block);
        random_bytes(block, n);
        if (copy_to_user(at + done, block, n) != 0)
            return done != 0 ? (long)done : -E_FAULT;
        done += n;
        left -= n;
        if ((done & 0xffff) == 0) {
            if (signal_pending(thread_current()))
                return (long)done;
            thread_breathe();
        }
    }
    return (long)done;
}

#define REBOOT_MAGIC 0xfee1deadu
enum {
    REBOOT_RESTART = 0x01234567,
    REBOOT_HALT = (int)0xcdef0123,
    REBOOT_CAD_ON = (int)0x89abcdef,
    REBOOT_CAD_OFF = 0,
    REBOOT_POWER_OFF = 0x4321fedc,
    REBOOT_RESTART2 = (int)0xa1b2c3d4
};

/* Nothing is cached that a disk would lack: there are no disks yet. */
static NORETURN void
power(enum hw_power op, const char *what)
{
    log_info("reboot: %s", what);
    hw_power(op);
}

long
sys_reboot(struct user_frame *f)
{
    u32 magic2 = (u32)SYS_ARG1(f);
    if (!cred_can(cred_own(), CAP_SYS_BOOT))
        return -E_PERM;
    if ((u32)SYS_ARG0(f) != REBOOT_MAGIC || (magic2 != 672274793 && magic2 != 85072278 &&
                                             magic2 != 369367448 && magic2 != 537993216))
        return -E_INVAL;
    switch ((int)SYS_ARG2(f)) {
    case REBOOT_RESTART:
    case REBOOT_RESTART2:
        power(HW_POWER_RESET, "Restarting system");
    case REBOOT_HALT:
        power(HW_POWER_HALT, "System halted");
    case REBOOT_POWER_OFF:
        power(HW_POWER_OFF, "Power down");
    case REBOOT_CAD_ON:
    case REBOOT_CAD_OFF:
        return 0; /* no key combination reaches us either way */
    default:
        return -E_INVAL;
    }
}
