/* SPDX-License-Identifier: MIT */
/* Unit tests of watches and their queues: that nothing is lost or left, whatever ends
 * first, and that no memory is an overflow and not a fault. */
#include "vfs/notify.h"

#include "core/heap.h"
#include "vfs/test/setup.h"

static struct inode *
inode_of(const char *path)
{
    struct walk w = from_here(0);
    CHECK(path_walk(&w, path) == 0);
    struct inode *i = w.found.inode;
    inode_hold(i);
    path_release(&w.found);
    return i;
}

static i64
watch(struct notify_group *g, const char *path, u32 mask)
{
    struct inode *i = inode_of(path);
    i64 wd = notify_watch_add(g, i, mask, 0);
    inode_release(i);
    return wd;
}

static u64
fixed_bytes(const struct notify_event *e)
{
    return 16 + e->name_bytes;
}

/* The next event must be this. */
static void
expect(struct notify_group *g, i64 wd, u32 mask, const char *name)
{
    struct notify_event *e;
    CHECK(notify_event_take(g, 1000, fixed_bytes, &e) == 0);
    CHECK(e->wd == wd && e->mask == mask && e->name_bytes == strlen(name) &&
          memcmp(e->name, name, e->name_bytes) == 0);
    heap_free(e);
}

static void
expect_none(struct notify_group *g)
{
    struct notify_event *e;
    CHECK(notify_event_take(g, 1000, fixed_bytes, &e) == -E_AGAIN);
}

/* Verify that watches end with their inode, with their group, and by themselves, and that
 * all memory comes back. */
static void
test_watch_when_any_side_ends_then_nothing_is_left(void)
{
    struct host_counts before = host_count();
    struct notify_group *g, *h;
    CHECK(notify_group_new(0, &g) == 0 && notify_group_new(0, &h) == 0);
    CHECK(try_open("/f", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    i64 wf = watch(g, "/f", NOTIFY_ALL), wd = watch(g, "/", NOTIFY_DELETE);
    CHECK(wf == 1 && wd == 2 && watch(h, "/f", NOTIFY_ALL) == 1);
    notify_group_free(h);
    CHECK(do_unlink("/f", false) == 0);
    expect(g, wf, NOTIFY_ATTRIB, "");
    expect(g, wd, NOTIFY_DELETE, "f");
    expect(g, wf, NOTIFY_DELETE_SELF, "");
    expect(g, wf, NOTIFY_IGNORED, "");
    expect_none(g);
    CHECK(notify_watch_remove(g, (i32)wf) == -E_INVAL);
    CHECK(notify_watch_remove(g, (i32)wd) == 0);
    expect(g, wd, NOTIFY_IGNORED, "");
    CHECK(watch(g, "/", NOTIFY_CREATE) == 3);
    CHECK(try_open("/left", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    notify_group_free(g); /* with a watch and an event in its queue */
    CHECK(do_unlink("/left", false) == 0);
    CHECK(host_count().objects <= before.objects + 2); /* a directory's own tables */
}

/* Verify that an event for which there is no memory makes an overflow, once. */
static void
test_event_when_no_memory_then_overflow(void)
{
    struct notify_group *g;
    CHECK(notify_group_new(0, &g) == 0);
    CHECK(try_open("/f", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    i64 wf = watch(g, "/f", NOTIFY_ATTRIB | NOTIFY_MODIFY);
    struct inode *i = inode_of("/f");
    host_fail_heap_after(0);
    notify_name(i, NOTIFY_ATTRIB, 0, "", 0);
    notify_name(i, NOTIFY_MODIFY, 0, "", 0);
    host_fail_heap_after(~0ull);
    notify_name(i, NOTIFY_ATTRIB, 0, "", 0);
    expect(g, -1, NOTIFY_OVERFLOW, "");
    expect(g, wf, NOTIFY_ATTRIB, "");
    expect_none(g);
    inode_release(i);
    for (u64 n = 0; n < 3; n++) {
        struct notify_group *h;
        host_fail_heap_after(n);
        int r = notify_group_new(7, &h);
        host_fail_heap_after(~0ull);
        CHECK(r == -E_NOMEM);
    }
    notify_group_free(g);
    CHECK(do_unlink("/f", false) == 0);
}

/* Verify that a full queue keeps its oldest events and one overflow. */
static void
test_queue_when_full_then_one_overflow(void)
{
    struct notify_group *g;
    struct notify_event *e;
    u64 events = 0, overflows = 0;
    CHECK(notify_group_new(0, &g) == 0);
    CHECK(try_open("/f", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    CHECK(watch(g, "/f", NOTIFY_ATTRIB | NOTIFY_MODIFY) == 1);
    struct inode *i = inode_of("/f");
    for (u32 k = 0; k < NOTIFY_EVENTS_MAX + 100; k++)
        notify_name(i, k % 2 ? NOTIFY_ATTRIB : NOTIFY_MODIFY, 0, "", 0);
    CHECK(notify_events_bytes(g, fixed_bytes) == (NOTIFY_EVENTS_MAX + 1) * 16u);
    CHECK(notify_event_take(g, 15, fixed_bytes, &e) == -E_INVAL);
    while (notify_event_take(g, 16, fixed_bytes, &e) == 0) {
        events++;
        overflows += e->mask == NOTIFY_OVERFLOW;
        heap_free(e);
    }
    CHECK(events == NOTIFY_EVENTS_MAX + 1 && overflows == 1);
    inode_release(i);
    notify_group_free(g);
    CHECK(do_unlink("/f", false) == 0);
}

/* Verify that a user has so many groups and no more, and another user its own. */
static void
test_groups_when_limit_reached_then_emfile(void)
{
    static struct notify_group *g[NOTIFY_GROUPS_MAX];
    struct notify_group *more;
    struct host_counts before = host_count();
    for (u32 k = 0; k < NOTIFY_GROUPS_MAX; k++)
        CHECK(notify_group_new(5, &g[k]) == 0);
    CHECK(notify_group_new(5, &more) == -E_MFILE);
    CHECK(notify_group_new(6, &more) == 0);
    notify_group_free(more);
    for (u32 k = 0; k < NOTIFY_GROUPS_MAX; k++)
        notify_group_free(g[k]);
    CHECK(host_count().objects == before.objects);
}

/* Verify that a file that nobody watches is known not to be, until somebody does. */
static void
test_dentry_when_not_watched_then_marked_until_a_watch(void)
{
    struct notify_group *g;
    struct file *f;
    CHECK(notify_group_new(0, &g) == 0);
    CHECK(do_mkdir("/d", 0755) == 0);
    CHECK(do_open("/d/f", OPEN_CREATE | OPEN_WRITE, 0600, &f) == 0);
    struct dentry *d = f->path.dentry;
    i64 other = watch(g, "/", NOTIFY_DELETE);
    CHECK(d->notify_seen != atomic_load(&notify_epoch));
    notify_dentry(d, NOTIFY_MODIFY);
    CHECK(d->notify_seen == atomic_load(&notify_epoch));
    i64 wd = watch(g, "/d", NOTIFY_MODIFY);
    CHECK(d->notify_seen != atomic_load(&notify_epoch));
    notify_dentry(d, NOTIFY_MODIFY);
    expect(g, wd, NOTIFY_MODIFY, "f");
    CHECK(notify_watch_remove(g, (i32)wd) == 0);
    expect(g, wd, NOTIFY_IGNORED, "");
    notify_dentry(d, NOTIFY_MODIFY);
    CHECK(d->notify_seen == atomic_load(&notify_epoch));
    CHECK(do_rename("/d/f", "/g", 0) == 0 && d->notify_seen == 0);
    file_release(f);
    CHECK(do_unlink("/g", false) == 0 && do_unlink("/d", true) == 0);
    expect(g, other, NOTIFY_DELETE, "g");
    notify_group_free(g);
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setup_root();
    RUN(test_watch_when_any_side_ends_then_nothing_is_left);
    RUN(test_event_when_no_memory_then_overflow);
    RUN(test_queue_when_full_then_one_overflow);
    RUN(test_groups_when_limit_reached_then_emfile);
    RUN(test_dentry_when_not_watched_then_marked_until_a_watch);
    fs_context_release(context);
    DONE();
}
