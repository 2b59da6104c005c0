/* SPDX-License-Identifier: MIT */
/*
 * exec: a new address space from a program file (mm.h: exec_load).  Segments are mapped
 * from the page cache, so that text is shared by frame; only the page in which data end
 * and bss begins is copied.
 *
 * Places, as on Linux: ET_EXEC where it says; a program with an interpreter at two thirds
 * of the address space; an interpreter and a static PIE among the mappings below the
 * stack.  Each moved by a random amount unless `norandmaps` or `feuer.seed` is on the
 * command line or the process's personality says so.
 */
#include <cpuid.h>

#include <abi/layout.h>

#include "core/cmdline.h"
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/random.h"
#include "core/string.h"
#include "core/usercopy.h"
#include "proc/proc.h"
#include "time/vdso.h"
#include "vfs/mount.h"
#include "vm/elf.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"
#include "vm/oom.h"
#include "vm/stack.h"

#define DYN_BASE 0x555555554000ull /* 2/3 of the lower half, page-aligned */
#define CLOCK_TICKS 100u
#define DATA_AT_ONCE (64ull << 10) /* bytes of data that are copied ahead of their writes */

struct load {
    struct mm *mm;
    struct file *program, *interp_file; /* NULL: no interpreter */
    struct elf program_elf, interp;
    u64 program_bias, interp_bias;
    uaddr vdso;
    bool secure; /* it gets rights that its caller has not, who shall not shape it */
};

/* A random number of pages below 2^bits, as bytes; 0 where places are fixed. */
static u64
random_pages(const struct load *l, unsigned bits)
{
    static int fixed = -1;
    if (fixed < 0)
        fixed = cmdline_has("norandmaps") || cmdline_has("feuer.seed");
    const struct process *p = thread_current()->process;
    bool wanted = p && (p->personality & PERSONALITY_FIXED) && !l->secure;
    return fixed || wanted ? 0 : (random_u64() & ((1ull << bits) - 1)) << PAGE_SHIFT;
}

int
exec_head_read(struct exec_head *h, struct file *file)
{
    struct uio u;
    u64 at = 0;
    uio_libos(&u, h->bytes, sizeof(h->bytes));
    i64 n = file_read(file, &u, &at);
    h->file = file;
    h->got = n < 0 ? 0 : (u64)n;
    return n < 0 ? (int)n : 0;
}

/* A part of a program: of its head, or from the file. */
static int
read_part(void *arg, u64 offset, void *to, size_t bytes)
{
    const struct exec_head *h = arg;
    if (offset <= h->got && bytes <= h->got - offset) {
        memcpy(to, h->bytes + offset, bytes);
        return 0;
    }
    struct uio u;
    uio_libos(&u, to, bytes);
    i64 n = file_read(h->file, &u, &offset);
    return n < 0 ? (int)n : (size_t)n == bytes ? 0 : -E_IO;
}

/* The rest of the page in which a segment's file data end is zero: make it a page of the
 * process's own. */
static int
clear_tail(struct mm *m, struct inode *inode, uaddr end, u64 file_page)
{
    struct area *a = area_find(&m->areas, end - 1);
    frame_t cached, frame = page_alloc();
    if (frame == FRAME_NONE)
        return -E_NOMEM;
    mutex_lock(&inode->mutex);
    int rc = file_page < PAGE_UP(inode->size) >> PAGE_SHIFT
                 ? inode->ops->page(inode, file_page, false, &cached)
                 : -E_IO;
    if (rc == 0)
        memcpy(page_ptr(frame), page_ptr(cached), end % PAGE_SIZE);
    memset((u8 *)page_ptr(frame) + end % PAGE_SIZE, 0, PAGE_SIZE - end % PAGE_SIZE);
    mutex_unlock(&inode->mutex);
    u32 flags = area_mmu_flags(a);
    if (rc == 0) /* no page is mapped without any right: those are taken away after it */
        rc = mmu_map(&m->space, PAGE_DOWN(end), frame, flags ? flags : MMU_READ, 1);
    if (rc == 0 && !flags)
        mmu_protect(&m->space, PAGE_DOWN(end), 1, 0);
    if (rc != 0)
        page_free(frame);
    else
        m->rss[RSS_ANONYMOUS]++;
    return rc == -E_IO ? 0
                       : rc; /* a file that is too short: the program will meet SIGBUS */
}

static int
map_segment(struct mm *m, struct file *file, const struct elf_segment *s, u64 bias)
{
    u32 prot = (s->flags & ELF_R ? PROT_R : 0) | (s->flags & ELF_W ? PROT_W : 0) |
               (s->flags & ELF_X ? PROT_X : 0);
    uaddr start = s->vaddr + bias, file_end = start + s->filesz, end = start + s->memsz,
          at;
    uaddr bss = s->filesz ? PAGE_UP(file_end) : PAGE_DOWN(start);
    int rc = 0;
    if (s->filesz)
        rc = mm_map_locked(m, PAGE_DOWN(start), bss - PAGE_DOWN(start), prot,
                           MAP_AT_FIXED, file, file->inode, s->offset >> PAGE_SHIFT, &at);
    if (rc == 0 && PAGE_UP(end) > bss)
        rc = mm_map_locked(m, bss, PAGE_UP(end) - bss, prot, MAP_AT_FIXED, NULL, NULL, 0,
                           &at);
    if (rc == 0 && s->filesz && s->memsz > s->filesz && file_end % PAGE_SIZE != 0)
        rc = clear_tail(m, file->inode, file_end, (s->offset + s->filesz) >> PAGE_SHIFT);
    return rc;
}

/* Make a page present that the program is about to touch: it saves the fault.  What fails
 * here fails again there. */
static void
bring_in(struct mm *m, uaddr at, u32 need)
{
    struct area *a = area_find(&m->areas, at);
    if (a && a->start <= at)
        (void)!mm_fault_locked(m, a, PAGE_DOWN(at), need, false);
}

/* Of each segment the pages around where it is entered or begins, as far as the file has
 * them in memory; and copies of its data, if it is a program that can be moved: its start
 * relocates the pointers in them. */
static void
bring_in_start(struct mm *m, const struct elf *e, u64 bias)
{
    for (u32 i = 0; i < e->header.phnum; i++) {
        const struct elf_segment *s = &e->segments[i];
        if (s->type != ELF_LOAD || s->filesz == 0 || !(s->flags & (ELF_R | ELF_X)))
            continue;
        if (e->header.type == ELF_TYPE_DYN && (s->flags & ELF_W)) {
            uaddr end = s->vaddr + MIN(s->filesz, DATA_AT_ONCE);
            for (uaddr at = PAGE_DOWN(s->vaddr); at < end; at += PAGE_SIZE)
                bring_in(m, at + bias, PROT_W);
            continue;
        }
        bool entered = e->header.entry - s->vaddr < s->filesz;
        bring_in(m, (entered ? e->header.entry : s->vaddr) + bias,
                 s->flags & ELF_R ? PROT_R : PROT_X);
    }
}

static int
map_program(struct mm *m, struct file *file, const struct elf *e, u64 bias)
{
    if (!mm_range_ok(e->low + bias, e->high - e->low))
        return -E_NOMEM;
    for (u32 i = 0; i < e->header.phnum; i++) {
        const struct elf_segment *s = &e->segments[i];
        if (s->type != ELF_LOAD || s->memsz == 0)
            continue;
        int rc = map_segment(m, file, s, bias);
        if (rc != 0)
            return rc;
    }
    bring_in_start(m, e, bias);
    return 0;
}

/* Where a position-independent program goes, and the bias that puts it there. */
static int
place_program(const struct load *l, const struct elf *e, bool has_interp, u64 *bias)
{
    struct mm *m = l->mm;
    u64 bytes = e->high - e->low;
    uaddr at;
    *bias = 0;
    if (e->header.type == ELF_TYPE_EXEC)
        return 0;
    if (has_interp) {
        at = DYN_BASE + random_pages(l, 28);
    } else {
        at = area_gap_down(&m->areas, bytes + e->align - PAGE_SIZE, MM_LOW, m->map_top);
        if (at == 0)
            return -E_NOMEM;
        at += e->align - 1;
    }
    at &= ~(e->align - 1);
    *bias = at - e->low; /* wraps if low is above; the sum is what counts */
    return 0;
}

/* The vDSO and its data, below the other mappings; *ehdr 0 if there is no room for them.
 */
static int
map_vdso(struct mm *m, uaddr *ehdr)
{
    u64 bytes = ((u64)vdso_image_pages() + 1) << PAGE_SHIFT;
    uaddr at = area_gap_down(&m->areas, bytes, MM_LOW, m->map_top);
    *ehdr = 0;
    if (vdso_image_pages() == 0 || at == 0)
        return 0;
    int rc = mm_map_locked(m, at, PAGE_SIZE, PROT_R, AREA_VDSO | MAP_AT_FIXED, NULL, NULL,
                           0, &at);
    if (rc == 0)
        rc = mm_map_locked(m, at + PAGE_SIZE, bytes - PAGE_SIZE, PROT_R | PROT_X,
                           AREA_VDSO | MAP_AT_FIXED, NULL, NULL, 1, ehdr);
    return rc;
}

/* A file to be executed, not read, and looked at before it is opened: to open a FIFO or a
 * terminal would wait, or do something. */
static int
open_by_name(const char *path, struct file **out)
{
    struct walk w = { .context = thread_current()->fs, .cred = thread_current()->cred, .flags = WALK_FOLLOW };
    int rc = path_walk(&w, path);
    if (rc != 0)
        return rc;
    struct inode *inode = w.found.inode;
    rc = inode->type == IT_FILE && inode->ops->page ? path_access(&w.found, thread_current()->cred, 1)
                                                    : -E_ACCES;
    *out = rc == 0 ? file_new(inode->file_ops, inode, OPEN_READ) : NULL;
    if (rc == 0 && !*out)
        rc = -E_NOMEM;
    if (rc == 0)
        (*out)->path = w.found; /* the walk's references become the file's */
    else
        path_release(&w.found);
    return rc;
}

static int
open_interp(const struct exec_head *program, const struct elf *e, struct file **out)
{
    char *path = heap_alloc(e->interp->filesz);
    if (!path)
        return -E_NOMEM;
    int rc = read_part((void *)(uintptr_t)program, e->interp->offset, path, e->interp->filesz);
    if (rc == 0 && path[e->interp->filesz - 1] != '\0')
        rc = -E_NOEXEC;
    if (rc == 0)
        rc = open_by_name(path, out);
    heap_free(path);
    if (rc != 0)
        return rc;
    rc = inode_refuse_writers((*out)->inode); /* until it is mapped */
    if (rc != 0)
        file_release(*out);
    return rc;
}

/* The first word of features: asked for once, since a hypervisor answers it. */
static u32
cpu_features(void)
{
    static u32 known;
    u32 eax, ebx, ecx, edx = 0;
    if (known == 0) {
        (void)__get_cpuid(1, &eax, &ebx, &ecx, &edx);
        known = edx; /* long mode has some of them: it is not zero */
    }
    return known;
}

static u32
make_aux(const struct load *l, const struct exec_ids *ids, struct aux aux[AUX_MAX])
{
    const struct elf *e = &l->program_elf;
    u32 n = 0;
    if (l->vdso)
        aux[n++] = (struct aux){ AUX_SYSINFO_EHDR, l->vdso };
    aux[n++] =
        (struct aux){ AUX_MINSIGSTKSZ, MAX(machine_record->xsave_bytes + 1024, 2048ull) };
    aux[n++] = (struct aux){ AUX_HWCAP, cpu_features() };
    aux[n++] = (struct aux){ AUX_PAGESZ, PAGE_SIZE };
    aux[n++] = (struct aux){ AUX_CLKTCK, CLOCK_TICKS };
    aux[n++] = (struct aux){ AUX_PHDR, e->phdr + l->program_bias };
    aux[n++] = (struct aux){ AUX_PHENT, sizeof(struct elf_segment) };
    aux[n++] = (struct aux){ AUX_PHNUM, e->header.phnum };
    aux[n++] = (struct aux){ AUX_BASE, l->interp_file ? l->interp_bias : 0 };
    aux[n++] = (struct aux){ AUX_FLAGS, 0 };
    aux[n++] = (struct aux){ AUX_ENTRY, e->header.entry + l->program_bias };
    aux[n++] = (struct aux){ AUX_UID, ids->uid };
    aux[n++] = (struct aux){ AUX_EUID, ids->euid };
    aux[n++] = (struct aux){ AUX_GID, ids->gid };
    aux[n++] = (struct aux){ AUX_EGID, ids->egid };
    aux[n++] = (struct aux){ AUX_SECURE, l->secure };
    aux[n++] = (struct aux){ AUX_RANDOM, 0 };
    aux[n++] = (struct aux){ AUX_HWCAP2,
                             machine_record->features & FB_FEATURE_FSGSBASE ? 2 : 0 };
    aux[n++] = (struct aux){ AUX_EXECFN, 0 };
    aux[n++] = (struct aux){ AUX_PLATFORM, 0 };
    ASSERT(n < AUX_MAX && aux[n - AUX_BACK_RANDOM].type == AUX_RANDOM);
    return n;
}

/* Linux keeps the break of a static PIE away from the mappings it stands among. */
static void
place_brk(struct load *l)
{
    const struct elf *e = &l->program_elf;
    uaddr at = e->high + l->program_bias;
    if (e->header.type == ELF_TYPE_DYN && !l->interp_file)
        at = DYN_BASE;
    at += random_pages(l, 13);
    l->mm->brk_start = l->mm->brk = at;
}

/* What /proc/PID/stat tells of the program: of its segments the bounds of those with code,
 * and the last one. */
static void
note_program(struct load *l)
{
    struct mm_layout *y = &l->mm->layout;
    const struct elf *e = &l->program_elf;
    u64 bias = l->program_bias;
    y->code_start = ~0ull;
    for (u32 i = 0; i < e->header.phnum; i++) {
        const struct elf_segment *s = &e->segments[i];
        if (s->type != ELF_LOAD)
            continue;
        if (s->flags & ELF_X) {
            y->code_start = MIN(y->code_start, s->vaddr + bias);
            y->code_end = MAX(y->code_end, s->vaddr + s->filesz + bias);
        }
        y->data_start = MAX(y->data_start, s->vaddr + bias);
        y->data_end = MAX(y->data_end, s->vaddr + s->filesz + bias);
    }
    mm_take_program(l->mm, l->program);
}

static int
load_locked(struct load *l, const struct exec_args *args, const struct exec_ids *ids,
            struct exec_image *out)
{
    struct mm *m = l->mm;
    const struct elf *e = &l->program_elf;
    struct aux aux[AUX_MAX];
    uaddr top = USER_TOP - random_pages(l, 22);
    u64 most = l->secure ? MM_STACK_MAX : USER_TOP / 6 * 5;
    u64 stack = PAGE_DOWN(MIN(mm_limit(MM_LIMIT_STACK), most));
    m->map_top = PAGE_DOWN(top - MAX(stack, MM_TOP_GAP) - 2 * MM_STACK_GUARD) -
                 random_pages(l, 28);
    int rc = place_program(l, e, l->interp_file != NULL, &l->program_bias);
    if (rc == 0)
        rc = map_program(m, l->program, e, l->program_bias);
    if (rc == 0 && l->interp_file) {
        rc = place_program(l, &l->interp, false, &l->interp_bias);
        if (rc == 0)
            rc = map_program(m, l->interp_file, &l->interp, l->interp_bias);
    }
    if (rc == 0)
        rc = map_vdso(m, &l->vdso);
    if (rc != 0)
        return rc;
    if (l->interp_file && l->vdso)
        bring_in(m, l->vdso, PROT_R); /* the interpreter looks into it */
    place_brk(l);
    note_program(l);
    u32 prot = PROT_R | PROT_W | (e->stack_exec ? PROT_X : 0);
    rc = stack_build(m, top, prot, random_pages(l, 13) >> PAGE_SHIFT, args, aux,
                     make_aux(l, ids, aux), &out->stack);
    out->mm = m;
    out->brk_start = m->brk_start;
    out->entry = l->interp_file ? l->interp.header.entry + l->interp_bias
                                : e->header.entry + l->program_bias;
    if (rc == 0 && out->entry >= USER_TOP)
        rc = -E_INVAL;
    return rc;
}

/* Into an address space of its own, of which nothing is left after a failure. */
static int
load_new(struct load *l, const struct exec_args *args, const struct exec_ids *ids,
         struct exec_image *out)
{
    int rc = mm_create(&l->mm);
    if (rc != 0)
        return rc;
    mutex_lock(&l->mm->lock);
    rc = load_locked(l, args, ids, out);
    mutex_unlock(&l->mm->lock);
    if (rc != 0)
        mm_release(l->mm);
    return rc;
}

static int
read_interp(struct load *l)
{
    struct exec_head head;
    int rc = exec_head_read(&head, l->interp_file);
    return rc == 0 ? elf_read(&l->interp, read_part, &head) : rc;
}

int
exec_load(const struct exec_head *program, const struct exec_args *args,
          const struct exec_ids *ids, struct exec_image *out)
{
    struct load l; /* not all of it is cleared: it is large */
    l.program = program->file;
    l.interp_file = NULL;
    l.program_bias = l.interp_bias = l.vdso = 0;
    l.secure = ids->secure;
    if (!l.program->inode->ops->page)
        return -E_ACCES;
    int rc = elf_read(&l.program_elf, read_part, (void *)(uintptr_t)program);
    if (rc != 0)
        return rc;
    if (l.program_elf.interp) {
        rc = open_interp(program, &l.program_elf, &l.interp_file);
        if (rc != 0)
            goto free_program;
        rc = read_interp(&l);
        if (rc != 0) {
            bool cut = l.interp_file->inode->size < sizeof(struct elf_header);
            rc = rc == -E_NOMEM ? rc : cut ? -E_IO : -E_LIBBAD;
            goto release_interp;
        }
    }
    do
        rc = load_new(&l, args, ids, out);
    while (rc == -E_NOMEM && oom_relieve());
    if (l.interp_file)
        elf_free(&l.interp);
release_interp:
    if (l.interp_file) {
        inode_admit_writers(l.interp_file->inode);
        file_release(l.interp_file);
    }
free_program:
    elf_free(&l.program_elf);
    return rc;
}
