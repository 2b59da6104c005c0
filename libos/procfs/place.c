/* SPDX-License-Identifier: MIT */
/* Links: /proc/PID/exe, cwd and root, which are places themselves; /proc/self and
 * thread-self, whose text is the reader's; links with a fixed text. */
#include "core/log.h"
#include "core/string.h"
#include "proc/proc.h"
#include "procfs/private.h"
#include "vm/info.h"

int
place_text(const char *text, char *to, u32 size)
{
    u32 n = MIN((u32)strlen(text), size);
    memcpy(to, text, n);
    return (int)n;
}

int
place_name(const struct path *p, char *to, u32 size)
{
    static const char deleted[] = " (deleted)";
    struct process *self = proc_current();
    if (size < sizeof deleted)
        return -E_RANGE;
    u32 state = 0;
    int n = path_describe(self != NULL ? place_own() : NULL, p, to,
                          size - (u32)sizeof deleted, &state);
    if (n >= 0 && (state & PATH_REMOVED) != 0) {
        memcpy(to + n, deleted, sizeof deleted);
        n += (int)sizeof deleted - 1;
    }
    return n;
}

/* The place that a link of a process is: with references. */
static int
place_of(struct inode *link, struct path *(*which)(struct fs_context *), struct path *out)
{
    struct process *p = subject_get(&node_of(link)->who);
    if (p == NULL)
        return -E_NOENT;
    int r = subject_may_inspect(p);
    struct fs_context *c = r == 0 ? proc_place(p, node_of(link)->who.tid) : NULL;
    if (c != NULL) {
        spin_lock(&c->lock);
        *out = *which(c);
        path_hold(out);
        spin_unlock(&c->lock);
        fs_context_drop(c);
        /* Once more: a set-id program that it executed meanwhile may have gone there. */
        r = subject_may_inspect(p);
        if (r != 0)
            path_release(out);
    }
    proc_release(p);
    return r == 0 && c == NULL ? -E_NOENT : r;
}

static int
read_place(struct path *p, char *to, u32 size)
{
    int n = place_name(p, to, size);
    path_release(p);
    return n;
}

static struct path *
cwd_of(struct fs_context *c)
{
    return &c->cwd;
}

static struct path *
root_of(struct fs_context *c)
{
    return &c->root;
}

static int
cwd_follow(struct inode *link, struct path *out)
{
    return place_of(link, cwd_of, out);
}

static int
cwd_read(struct inode *link, char *to, u32 size)
{
    struct path p;
    int r = place_of(link, cwd_of, &p);
    return r != 0 ? r : read_place(&p, to, size);
}

static int
root_follow(struct inode *link, struct path *out)
{
    return place_of(link, root_of, out);
}

static int
root_read(struct inode *link, char *to, u32 size)
{
    struct path p;
    int r = place_of(link, root_of, &p);
    return r != 0 ? r : read_place(&p, to, size);
}

static int
exe_follow(struct inode *link, struct path *out)
{
    struct process *p = subject_get(&node_of(link)->who);
    if (p == NULL)
        return -E_NOENT;
    struct mm *m;
    int r = mm_of_inspected(p, false, &m);
    proc_release(p);
    if (r != 0)
        return r;
    struct file *f = m != NULL ? mm_program(m) : NULL;
    if (m != NULL)
        mm_drop(m);
    if (f == NULL)
        return -E_NOENT;
    *out = f->path;
    if (out->dentry == NULL)
        *out = (struct path){ NULL, f->inode, NULL };
    path_hold(out);
    file_release(f);
    return 0;
}

static int
exe_read(struct inode *link, char *to, u32 size)
{
    struct path p;
    int r = exe_follow(link, &p);
    if (r != 0)
        return r;
    if (p.dentry != NULL)
        return read_place(&p, to, size);
    path_release(&p);
    return place_text("/memfd: (deleted)", to, size);
}

/* ---- the reader itself ---- */

static int
self_read(struct inode *link, char *to, u32 size)
{
    char text[24];
    (void)link;
    struct process *self = proc_current();
    if (self == NULL)
        return -E_NOENT;
    node_number_name(text, (u64)self->pid);
    return place_text(text, to, size);
}

static int
thread_self_read(struct inode *link, char *to, u32 size)
{
    char text[48];
    (void)link;
    struct process *self = proc_current();
    if (self == NULL)
        return -E_NOENT;
    format_text(text, sizeof text, "%d/task/%d", self->pid, thread_current()->tid);
    return place_text(text, to, size);
}

static int
text_read(struct inode *link, char *to, u32 size)
{
    return place_text(node_of(link)->entry->data, to, size);
}

#define LINK_OPS(name, ...)                                                        \
    const struct inode_ops name = { .getattr = node_getattr, .setattr = node_setattr, \
                                    .release = node_release, \
                                    __VA_ARGS__ }
LINK_OPS(cwd_link_ops, .readlink = cwd_read, .follow = cwd_follow);
LINK_OPS(root_link_ops, .readlink = root_read, .follow = root_follow);
LINK_OPS(exe_link_ops, .readlink = exe_read, .follow = exe_follow);
LINK_OPS(self_link_ops, .readlink = self_read);
LINK_OPS(thread_self_link_ops, .readlink = thread_self_read);
LINK_OPS(text_link_ops, .readlink = text_read);
