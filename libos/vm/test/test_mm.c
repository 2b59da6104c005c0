/* SPDX-License-Identifier: MIT */
/*
 * Address spaces against a plain model: for each page of a window what is mapped, with
 * which rights, and the byte that it must hold; through mmap, munmap, mprotect, mremap,
 * madvise, fork, exit and truncation, in random order.
 */
#include <string.h>

#include "core/error.h"
#include "core/host/host.h"
#include "core/page.h"
#include "core/random.h"
#include "core/test/check.h"
#include "core/usercopy.h"
#include "fs/tmpfs/tmpfs.h"
#include "proc/proc.h"
#include "time/vdso.h"
#include "vfs/vfs.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"
#include "vm/pager.h"

#define BASE 0x100000000ull
#define PAGES 96u
#define MMS 4u
#define OBJECTS 64u
#define OBJECT_PAGES 32u

struct page {
    bool mapped, shared, own; /* own: a private page that was written since */
    bool given;               /* MADV_FREE, and not written since: it may be zeros */
    u8 prot, value;
    u8 object; /* 0: anonymous and private */
    u8 object_page;
    u8 forks; /* FORK_*: what madvise has said */
};
enum { FORKS, NOT_FORKED, WIPED };
struct space {
    struct mm *mm;
    struct page page[PAGES];
};
static u8 object_value[OBJECTS][OBJECT_PAGES];
static u64 object_pages[OBJECTS]; /* beyond: no access */
static u8 objects_used;
static struct space spaces[MMS];
static struct process self;
static u32 duplicates; /* made by mremap of size 0 */
static struct file *the_file;

static u64
rnd(u64 n)
{
    return random_u64() % n;
}

static void
enter(struct mm *m)
{
    self.mm = m;
    for (unsigned i = 0; i < PROC_RLIMITS; i++)
        self.limits[i] = (struct rlimit_pair){ ~0ull, ~0ull };
    thread_current()->process = &self;
    mm_switch(m);
}

static u8
model_value(const struct page *p)
{
    return p->object && !p->own ? object_value[p->object][p->object_page] : p->value;
}

static void
check_page(struct space *s, u64 i)
{
    struct page *p = &s->page[i];
    u8 got = 0;
    int rc = copy_from_user(&got, BASE + i * PAGE_SIZE + 5, 1);
    if (!p->mapped || p->prot == 0 ||
        (p->object && p->object_page >= object_pages[p->object]))
        CHECK(rc == -E_FAULT);
    else if (p->given && rc == 0 && got == 0)
        p->value = 0; /* and stays so */
    else
        CHECK(rc == 0 && got == model_value(p));
}

static void
write_page(struct space *s, u64 i)
{
    struct page *p = &s->page[i];
    u8 v = (u8)rnd(256);
    int rc = copy_to_user(BASE + i * PAGE_SIZE + 5, &v, 1);
    if (!p->mapped || !(p->prot & PROT_W) ||
        (p->object && p->object_page >= object_pages[p->object])) {
        CHECK(rc == -E_FAULT);
        return;
    }
    CHECK(rc == 0);
    p->given = false;
    if (p->shared) {
        object_value[p->object][p->object_page] = v;
    } else {
        p->own = true;
        p->value = v;
    }
}

static u32
random_prot(void)
{
    static const u32 some[] = { 0, PROT_R, PROT_R | PROT_W, PROT_R | PROT_W,
                                PROT_R | PROT_X };
    return some[rnd(5)];
}

static void
map_pages(struct space *s, u64 i, u64 n)
{
    u32 prot = random_prot(), kind = (u32)rnd(4);
    uaddr at;
    if (kind == 1 && objects_used + 1u == OBJECTS)
        kind = 0;
    u64 first = kind >= 2 ? rnd(OBJECT_PAGES - 1) : 0;
    n = kind ? MIN(n, OBJECT_PAGES - first) : n;
    u8 object = kind == 1 ? ++objects_used : kind ? 1 : 0;
    u32 flags = MAP_AT_FIXED | (kind == 1 || kind == 2 ? AREA_SHARED : 0) |
                (rnd(8) ? 0 : MAP_AT_POPULATE);
    CHECK(mm_map(s->mm, BASE + i * PAGE_SIZE, n * PAGE_SIZE - rnd(4000), prot, flags,
                 kind >= 2 ? the_file : NULL, first * PAGE_SIZE, &at) == 0);
    CHECK(at == BASE + i * PAGE_SIZE);
    if (kind == 1) {
        object_pages[object] = n;
        memset(object_value[object], 0, OBJECT_PAGES);
    }
    for (u64 k = 0; k < n; k++) {
        s->page[i + k] = (struct page){ .mapped = true,
                                        .shared = kind == 1 || kind == 2,
                                        .prot = (u8)prot,
                                        .object = object,
                                        .object_page = (u8)(first + k) };
        if ((flags & MAP_AT_POPULATE) && (prot & PROT_W) && kind == 3 &&
            first + k < object_pages[1]) {
            s->page[i + k].own =
                true; /* populating a private mapping for writing copies at once */
            s->page[i + k].value = object_value[1][first + k];
        }
    }
}

static void
protect_pages(struct space *s, u64 i, u64 n)
{
    u32 prot = random_prot();
    u64 end = i; /* what comes before a hole is changed */
    while (end < i + n && s->page[end].mapped)
        end++;
    int rc = mm_protect(s->mm, BASE + i * PAGE_SIZE, n * PAGE_SIZE, prot);
    CHECK(rc == (end == i + n ? 0 : -E_NOMEM));
    for (u64 k = i; k < end; k++)
        s->page[k].prot = (u8)prot;
}

/* MADV_FREE, and sometimes what happens when memory is short. */
static void
give_up_pages(struct space *s, u64 i, u64 n)
{
    for (u64 k = i; k < i + n; k++)
        if (!s->page[k].mapped || s->page[k].object)
            return;
    CHECK(mm_advise(s->mm, BASE + i * PAGE_SIZE, n * PAGE_SIZE, MM_ADVISE_FREE, 0, 0) == 0);
    for (u64 k = i; k < i + n; k++)
        s->page[k].given = true;
    if (rnd(4) == 0) {
        mutex_lock(&s->mm->lock);
        lazy_settle(s->mm, 0, USER_TOP);
        mutex_unlock(&s->mm->lock);
    }
}

/* What a paging policy takes changes nothing that shows. */
static void
take_pages(struct space *s, u64 i, u64 n)
{
    CHECK(mm_set_pager(s->mm, (u32)rnd(PAGERS)) == 0);
    (void)!mm_advise(s->mm, BASE + i * PAGE_SIZE, n * PAGE_SIZE,
                     rnd(2) ? MM_ADVISE_COLD : MM_ADVISE_PAGEOUT, 0, 0);
    (void)mm_take(s->mm, 1 + rnd(20));
}

static void
advise_pages(struct space *s, u64 i, u64 n)
{
    bool whole = true;
    for (u64 k = i; k < i + n; k++) {
        struct page *p = &s->page[k];
        whole = whole && p->mapped;
        p->own = false;
        if (!p->object)
            p->value = 0;
    }
    CHECK(mm_advise(s->mm, BASE + i * PAGE_SIZE, n * PAGE_SIZE, MM_ADVISE_DONTNEED, 0, 0) ==
          (whole ? 0 : -E_NOMEM));
}

/* MADV_DONTFORK, WIPEONFORK, or neither any more. */
static void
advise_fork(struct space *s, u64 i, u64 n)
{
    static const u32 flag[] = { 0, AREA_DONTFORK, AREA_WIPEONFORK };
    u8 how = (u8)rnd(3);
    for (u64 k = i; k < i + n; k++)
        if (!s->page[k].mapped || (how == WIPED && s->page[k].object))
            return;
    CHECK(mm_advise(s->mm, BASE + i * PAGE_SIZE, n * PAGE_SIZE, MM_ADVISE_FLAGS, flag[how],
                    (AREA_DONTFORK | AREA_WIPEONFORK) & ~flag[how]) == 0);
    for (u64 k = i; k < i + n; k++)
        s->page[k].forks = how;
}

/* mremap of size 0: a second mapping of shared pages. */
static void
duplicate_pages(struct space *s, u64 i, u64 n, u64 to)
{
    uaddr at;
    bool overlap = to <= i && i < to + n; /* Linux's rule: of a range of no bytes */
    int rc = mm_remap(s->mm, BASE + i * PAGE_SIZE, 0, n * PAGE_SIZE,
                      MM_REMAP_MAYMOVE | MM_REMAP_FIXED, BASE + to * PAGE_SIZE, &at);
    if (!s->page[i].shared || (overlap && to < i)) {
        CHECK(rc == -E_INVAL);
        return;
    }
    if (rc != 0)
        return; /* to its own start: what is there goes first */
    struct page first = s->page[i];
    duplicates++;
    for (u64 k = 0; k < n; k++) {
        s->page[to + k] = first;
        s->page[to + k].object_page += (u8)k;
    }
}

static bool
one_area(struct space *s, u64 i, u64 n)
{
    struct area *a = area_find(&s->mm->areas, BASE + i * PAGE_SIZE);
    return a && a->start <= BASE + i * PAGE_SIZE && a->end >= BASE + (i + n) * PAGE_SIZE;
}

static void
move_pages_to(struct space *s, u64 i, u64 n, u64 to)
{
    uaddr at;
    bool overlap = to < i + n && i < to + n;
    int rc = mm_remap(s->mm, BASE + i * PAGE_SIZE, n * PAGE_SIZE, n * PAGE_SIZE,
                      MM_REMAP_MAYMOVE | MM_REMAP_FIXED, BASE + to * PAGE_SIZE, &at);
    if (overlap || rc != 0) {
        CHECK(overlap ? rc == -E_INVAL : rc == -E_FAULT);
        return;
    }
    for (u64 k = 0; k < n; k++) {
        s->page[to + k] = s->page[i + k];
        s->page[i + k] = (struct page){ .mapped = false };
    }
}

static void
fork_space(struct space *s)
{
    struct space *child = &spaces[rnd(MMS)];
    if (child->mm)
        return;
    CHECK(mm_fork(s->mm, &child->mm) == 0);
    memcpy(child->page, s->page, sizeof(s->page));
    for (u64 k = 0; k < PAGES; k++) {
        struct page *p = &child->page[k];
        if (p->forks == NOT_FORKED)
            *p = (struct page){ .mapped = false };
        else if (p->forks == WIPED)
            p->value = 0;
    }
}

static void
truncate_file(void)
{
    u64 pages = rnd(OBJECT_PAGES + 1), old = object_pages[1];
    CHECK(vfs_truncate(the_file->inode, pages * PAGE_SIZE) == 0);
    object_pages[1] = pages;
    if (pages < old)
        memset(object_value[1] + pages, 0, OBJECT_PAGES - pages);
    for (u32 m = 0; pages < old && m < MMS; m++)
        for (u64 k = 0; k < PAGES; k++)
            if (spaces[m].page[k].object == 1 && spaces[m].page[k].object_page >= pages)
                spaces[m].page[k].own = false;
}

struct recount {
    const struct area *area;
    u64 rss[RSS_KINDS];
};

static void
recount_page(void *arg, uaddr va, const struct mmu_page *page)
{
    struct recount *r = arg;
    unsigned kind = rss_kind(r->area, page->frame);
    (void)va;
    if (kind != RSS_NONE)
        r->rss[kind]++;
}

/* The counts are what a walk of all areas and pages counts (I1). */
static void
check_counts(struct mm *m)
{
    struct recount r = { 0 };
    u64 data = 0, text = 0, pages = 0;
    for (struct area *a = m->areas.first; a; a = a->next) {
        r.area = a;
        mmu_each(&m->space, a->start, a->end, recount_page, &r);
        pages += area_pages(a);
        if ((a->prot & PROT_W) && !(a->flags & AREA_SHARED))
            data += area_pages(a);
        if ((a->prot & (PROT_W | PROT_X)) == PROT_X)
            text += area_pages(a);
    }
    struct mm_counts c;
    mm_count(m, &c);
    CHECK(c.pages_anonymous == r.rss[RSS_ANONYMOUS]);
    CHECK(c.pages_file == r.rss[RSS_FILE] && c.pages_shared == r.rss[RSS_SHARED]);
    CHECK(c.pages_data == data && c.pages_text == text && c.pages_stack == 0);
    CHECK(c.bytes_virtual == pages * PAGE_SIZE && c.peak_virtual >= c.bytes_virtual);
    CHECK(c.pages_peak >= c.pages_mapped);
}

/* Locked pages are counted, and not given up on advice; then unlocked again. */
static void
check_lock(struct space *s, u64 i, u64 n)
{
    struct mm_counts c;
    uaddr at = BASE + i * PAGE_SIZE;
    for (u64 k = i; k < i + n; k++)
        if (!s->page[k].mapped || !(s->page[k].prot & PROT_R) || s->page[k].object)
            return;
    CHECK(mm_lock(s->mm, at, n * PAGE_SIZE, AREA_LOCKED) == 0);
    mm_count(s->mm, &c);
    CHECK(c.pages_locked == n);
    CHECK(mm_advise(s->mm, at, n * PAGE_SIZE, MM_ADVISE_DONTNEED, 0, 0) == -E_INVAL);
    CHECK(mm_lock(s->mm, at, n * PAGE_SIZE, 0) == 0);
    mm_count(s->mm, &c);
    CHECK(c.pages_locked == 0);
    check_counts(s->mm);
}

static void
step(void)
{
    struct space *s = &spaces[rnd(MMS)];
    u64 i = rnd(PAGES), n = 1 + rnd(MIN(PAGES - i, 12ull));
    if (!s->mm)
        return;
    enter(s->mm);
    switch (rnd(19)) {
    case 0:
    case 1:
        map_pages(s, i, n);
        break;
    case 2:
        CHECK(mm_unmap(s->mm, BASE + i * PAGE_SIZE, n * PAGE_SIZE) == 0);
        memset(&s->page[i], 0, n * sizeof(struct page));
        break;
    case 3:
    case 4:
        protect_pages(s, i, n);
        break;
    case 5:
        advise_pages(s, i, n);
        break;
    case 6:
        if (one_area(s, i, n))
            move_pages_to(s, i, n, rnd(PAGES - n + 1));
        break;
    case 7:
        fork_space(s);
        break;
    case 8:
        if (s != &spaces[0] && rnd(3) == 0) {
            enter(spaces[0].mm);
            mm_release(s->mm);
            memset(s, 0, sizeof(*s));
        }
        break;
    case 9:
        if (rnd(4) == 0)
            truncate_file();
        break;
    case 10:
        advise_fork(s, i, n);
        break;
    case 11:
        i = rnd(PAGES - n + 1);
        if (one_area(s, i, n) && s->page[i].object_page + n <= OBJECT_PAGES)
            duplicate_pages(s, i, n, (i + n + rnd(PAGES - 2 * n)) % (PAGES - n + 1));
        break;
    case 12:
        check_lock(s, i, n);
        break;
    case 13:
        give_up_pages(s, i, n);
        break;
    case 14:
        take_pages(s, i, n);
        break;
    default:
        write_page(s, i);
        check_page(s, rnd(PAGES));
    }
}

static struct file *
new_file(u64 bytes)
{
    struct inode *inode;
    CHECK(tmpfs_shared_memory(bytes, &inode) == 0);
    struct file *f = file_new(inode->file_ops, inode, OPEN_READ | OPEN_WRITE);
    CHECK(f);
    inode_release(inode);
    return f;
}

/* Verify that 60,000 random steps in up to four forked spaces show what the model says,
 * and lose no frame and no object. */
static void
test_mm_when_changed_at_random_then_as_the_model(void)
{
    struct mm *first;
    CHECK(mm_create(&first) == 0); /* the first one brings a chunk of tables, which stays */
    mm_release(first);
    struct host_counts before = host_count();
    u32 spares_before = mm_spares();
    the_file = new_file(OBJECT_PAGES * PAGE_SIZE);
    object_pages[1] = OBJECT_PAGES;
    objects_used = 1;
    for (int round = 0; round < 12; round++) {
        CHECK(mm_create(&spaces[0].mm) == 0);
        for (int k = 0; k < 5000; k++) {
            step();
            for (u32 m = 0; k % 16 == 0 && m < MMS; m++)
                if (spaces[m].mm)
                    check_counts(spaces[m].mm);
        }
        for (u32 m = 0; m < MMS; m++) {
            if (!spaces[m].mm)
                continue;
            CHECK(area_map_valid(&spaces[m].mm->areas));
            enter(spaces[m].mm);
            for (u64 k = 0; k < PAGES; k++)
                check_page(&spaces[m], k);
        }
        for (u32 m = 0; m < MMS; m++) {
            mm_release(spaces[m].mm);
            memset(&spaces[m], 0, sizeof(spaces[m]));
        }
        objects_used = 1;
    }
    CHECK(duplicates > 100);
    file_release(the_file);
    thread_current()->process = NULL;
    struct host_counts after = host_count();
    CHECK(after.mapped == before.mapped);
    CHECK(after.objects - mm_spares() == before.objects - spares_before);
    CHECK(after.frames <= before.frames + 1); /* a leaf of owner bits stays */
}

int
main(void)
{
    host_init(64);
    vdso_init();
    vm_init();
    static struct filesystem *fs; /* stays */
    CHECK(tmpfs_create(&fs) == 0);
    RUN(test_mm_when_changed_at_random_then_as_the_model);
    DONE();
}
