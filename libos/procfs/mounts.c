/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/mounts and mountinfo (proc_pid_mountinfo(5)), as seen from the process's root;
 * /proc/filesystems.  A reader stays where it was, whatever is mounted or taken off: the
 * cursor is the order of mounts.  poll tells of changes (POLL_PRI and POLL_ERR) since the
 * file was opened or told of one last, as Linux does.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "proc/proc.h"
#include "procfs/shows.h"
#include "vfs/mount.h"

#define PIECE_BYTES 3072u
#define SPECIAL " \t\n#"

/* What of a mount's flags is shown, in Linux's order. */
static void
mount_flags(struct text *t, u32 flags)
{
    static const struct {
        u32 flag;
        const char *text;
    } names[] = {
        { MOUNT_NO_SET_IDS, ",nosuid" },      { MOUNT_NO_DEVICES, ",nodev" },
        { MOUNT_NO_EXEC, ",noexec" },         { MOUNT_NO_ATIME, ",noatime" },
        { MOUNT_NO_DIR_ATIME, ",nodiratime" }, { MOUNT_RELATIME, ",relatime" },
        { MOUNT_NO_SYMLINKS, ",nosymfollow" },
    };
    for (u32 i = 0; i < ARRAY_SIZE(names); i++)
        if ((flags & names[i].flag) != 0)
            text_add(t, "%s", names[i].text);
}

/* What of the file system's own is shown, before the mount's. */
static void
fs_flags(struct text *t, u32 wishes)
{
    text_add(t, "%s%s%s", (wishes & FS_SYNC) != 0 ? ",sync" : "",
             (wishes & FS_DIR_SYNC) != 0 ? ",dirsync" : "",
             (wishes & FS_LAZY_TIMES) != 0 ? ",lazytime" : "");
}

static const char *
access_word(bool read_only)
{
    return read_only ? "ro" : "rw";
}

static void
mounts_line(struct text *t, const struct mount_info *m)
{
    text_quote(t, m->source[0] != '\0' ? m->source : "none", SPECIAL);
    text_add(t, " ");
    text_quote(t, m->point, SPECIAL);
    text_add(t, " %s %s", m->type,
             access_word(m->fs_read_only || (m->flags & MOUNT_READ_ONLY) != 0));
    fs_flags(t, m->fs_wishes);
    mount_flags(t, m->flags);
    text_quote(t, m->options, SPECIAL);
    text_add(t, " 0 0\n");
}

static void
mountinfo_line(struct text *t, const struct mount_info *m)
{
    u32 major = (u32)(m->dev >> 8 & 0xfff) | (u32)(m->dev >> 32 & ~0xfffull);
    u32 minor = (u32)(m->dev & 0xff) | (u32)(m->dev >> 12 & ~0xffull);
    text_add(t, "%u %u %u:%u ", m->id, m->parent, major, minor);
    text_quote(t, m->root, SPECIAL);
    text_add(t, " ");
    text_quote(t, m->point, SPECIAL);
    text_add(t, " %s", access_word((m->flags & MOUNT_READ_ONLY) != 0));
    mount_flags(t, m->flags);
    text_add(t, "%s - %s ", (m->flags & MOUNT_UNBINDABLE) != 0 ? " unbindable" : "",
             m->type);
    text_quote(t, m->source[0] != '\0' ? m->source : "none", SPECIAL);
    text_add(t, " %s", access_word(m->fs_read_only));
    fs_flags(t, m->fs_wishes);
    text_quote(t, m->options, SPECIAL);
    text_add(t, "\n");
}

static int
show_mounts(struct view *v, struct text *t,
            void (*line)(struct text *t, const struct mount_info *m))
{
    const struct subject *who = view_who(v);
    struct process *p = subject_get(who);
    struct fs_context *c = p != NULL ? proc_place(p, who->tid) : NULL;
    if (p != NULL)
        proc_release(p);
    if (c == NULL) {
        v->ended = true; /* it has ended: nothing is seen from there */
        return p == NULL ? -E_SRCH : 0;
    }
    struct mount_info *m = heap_alloc(sizeof *m);
    int r = m == NULL ? -E_NOMEM : 0;
    while (r == 0 && t->length < PIECE_BYTES) {
        r = vfs_mount_next(c, &v->cursor, m);
        if (r == 0)
            line(t, m);
    }
    if (r == -E_NOENT) {
        v->ended = true;
        r = 0;
    }
    heap_free(m);
    fs_context_drop(c);
    return r;
}

int
mounts_show(struct view *v, struct text *t)
{
    return show_mounts(v, t, mounts_line);
}

int
mountinfo_show(struct view *v, struct text *t)
{
    return show_mounts(v, t, mountinfo_line);
}

/* EINVAL, as Linux says of a process that has ended: it is in no namespace. */
int
mounts_open(struct view *v)
{
    const struct subject *who = view_who(v);
    struct process *p = subject_get(who);
    struct fs_context *c = p != NULL ? proc_place(p, who->tid) : NULL;
    if (p != NULL)
        proc_release(p);
    if (c == NULL)
        return -E_INVAL;
    fs_context_drop(c);
    v->seen = atomic_load(&vfs_mount_changes);
    return 0;
}

static u32
mounts_poll(struct file *f, struct poll_table *t)
{
    struct view *v = f->priv;
    if (t != NULL)
        t->add(t, &vfs_mount_changed);
    u64 now = atomic_load(&vfs_mount_changes);
    if (atomic_exchange(&v->seen, now) == now)
        return POLL_IN | POLL_OUT;
    return POLL_IN | POLL_OUT | POLL_PRI | POLL_ERR;
}

const struct file_ops mounts_file_ops = {
    .read = view_read,
    .poll = mounts_poll,
    .seek = view_seek,
    .release = view_release,
};

/* ---- kinds ---- */

int
filesystems_show(struct view *v, struct text *t)
{
    for (const struct fs_type *k = fs_type_next(NULL); k != NULL; k = fs_type_next(k))
        text_add(t, "%s\t%s\n", k->needs_device ? "" : "nodev", k->name);
    v->ended = true;
    return 0;
}
