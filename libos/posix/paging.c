/* SPDX-License-Identifier: MIT */
/*
 * prctl's options about memory: Linux's of pages of 2 MiB, and one pair that Linux does not
 * have, by which a program chooses who decides which of its pages go first when memory is
 * short (vm/pager.h).
 */
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/proc.h"
#include "vm/mm.h"
#include "vm/pager.h"

enum {
    PR_SET_THP_DISABLE = 41,
    PR_GET_THP_DISABLE = 42,
    PR_FEUER_SET_PAGER = 0x46425001, /* 0 clock, 1 sweep, 2 own; the rest is 0 */
    PR_FEUER_GET_PAGER = 0x46425002
};

bool
memory_option(struct user_frame *f, long *result)
{
    struct mm *m = proc_current()->mm;
    u64 arg = SYS_ARG1(f), rest = SYS_ARG2(f) | SYS_ARG3(f) | SYS_ARG4(f);
    switch (SYS_ARG0(f)) {
    case PR_SET_THP_DISABLE:
        *result = rest != 0 ? -E_INVAL : 0;
        if (rest == 0)
            mm_set_large(m, arg == 0);
        return true;
    case PR_GET_THP_DISABLE:
        *result = arg != 0 || rest != 0 ? -E_INVAL : !mm_may_be_large(m);
        return true;
    case PR_FEUER_SET_PAGER:
        *result = rest != 0 || arg >= PAGERS ? -E_INVAL : mm_set_pager(m, (u32)arg);
        return true;
    case PR_FEUER_GET_PAGER:
        *result = arg != 0 || rest != 0 ? -E_INVAL : (long)mm_pager(m);
        return true;
    default:
        return false;
    }
}
