/* SPDX-License-Identifier: MIT */
/*
 * The inside of /proc and /sys: entries, nodes, views.
 *
 * E1. An entry says what a name means; entries are constant tables.  A node is an inode
 *     of an entry, for a process and a number where the entry needs them; it is made by a
 *     look-up and lives while someone uses it.
 * E2. A node of a process refers to it by its number and the moment of its start, and
 *     holds nothing of it: so no file of /proc keeps a number or memory in use.  Who
 *     reads gets a reference for that moment (subject_get), or -E_SRCH.
 * E3. Nodes of processes are fleeting (vfs.h): the cache never answers for them.
 * E4. A view is an open file of text.  It makes its text piece by piece: a piece when it
 *     is first read, and all anew when it is read from position 0 again.  A piece stays
 *     as it is until the reader has passed it, so partial reads fit together.
 * E5. A file that shows memory has it from the moment it was opened, when the rights were
 *     checked: after exec or exit it shows nothing (view.mm).
 * Locking: view.mutex over its piece; under it what the entry's `show` takes: family_lock,
 * process->lock, an mm's mutex.  A copy to the user happens under view.mutex alone.
 */
#ifndef LIBOS_PROCFS_PRIVATE_H
#define LIBOS_PROCFS_PRIVATE_H

#include "core/error.h"
#include "core/lock.h"
#include "core/types.h"
#include "procfs/text.h"
#include "vfs/vfs.h"

struct process;
struct thread;
struct mm;
struct view;
struct node;

/* A process, or one of its threads (tid 0: the process as a whole). */
struct subject {
    i32 pid, tid;
    u64 start_ns;
};

/* The thread itself, or the process's first one. */
static inline i32
subject_tid(const struct subject *s)
{
    return s->tid != 0 ? s->tid : s->pid;
}

struct entry {
    const char *name;
    u8 type; /* enum inode_type */
    u8 group; /* of numbered entries: tells their inode numbers apart */
    u16 mode;
    /* Not even root opens it to write, if there is no store. */
    bool strict;
    /* Files: one more piece of text, for v->cursor, which it moves on; v->ended when it
     * was the last. */
    int (*show)(struct view *v, struct text *t);
    /* What a write brings, with a NUL at its end: 0 or an error. */
    int (*store)(const struct node *n, char *text, size_t bytes);
    int (*open)(struct view *v); /* NULL: whoever the mode allows */
    const struct file_ops *file_ops; /* NULL: those of a view */
    /* Directories of fixed contents. */
    const struct entry *children;
    u32 count;
    /* Other directories, and links; NULL: as the type says. */
    const struct inode_ops *ops;
    u64 value; /* the entry's own */
    u32 least;
    const void *data;
};
#define ENTRY_FILE(n, m, ...) \
    { .name = (n), .type = IT_FILE, .mode = (m), __VA_ARGS__ }
#define ENTRY_DIR(n, table)                                                  \
    {                                                                        \
        .name = (n), .type = IT_DIR, .mode = 0555, .children = (table),      \
        .count = ARRAY_SIZE(table)                                           \
    }

struct node {
    struct inode inode;
    const struct entry *entry;
    struct subject who; /* pid 0: nobody's */
    u64 number;         /* a descriptor, a CPU */
};
static inline struct node *
node_of(struct inode *i)
{
    return container_of(i, struct node, inode);
}

struct view {
    struct node *node; /* the file holds it */
    struct file *file;
    struct mutex mutex;
    struct mm *mm; /* E5; NULL: none */
    u64 cursor;    /* where the next piece begins, as its entry counts */
    u64 start;     /* of the piece in `text`, in the file */
    struct text text;
    bool ended;
    _Atomic u64 seen; /* changes of mounts that were told */
};

/* node.c */
extern const struct inode_ops node_file_ops, node_dir_ops, node_link_ops;
/* An inode with one reference.  who may be NULL.  -E_NOMEM */
int node_make(struct filesystem *fs, const struct entry *e, const struct subject *who,
              u64 number, struct inode **out) MUST_CHECK;
/* The same for entry `name` of a table: -E_NOENT */
int node_find(struct inode *dir, const struct entry *table, u32 count, const char *name,
              u32 length, const struct subject *who, u64 number,
              struct inode **out) MUST_CHECK;
/* List a table at positions first..first + count - 1; false: the reader is full. */
bool node_list(struct inode *dir, const struct entry *table, u32 count, u64 first,
               u64 offset, dirent_fn fn, void *arg);
u64 node_ino(const struct entry *e, const struct subject *who, u64 number);
void node_release(struct inode *i);
int node_getattr(struct inode *i, struct vattr *out);
int node_setattr(struct inode *i, const struct vattr *set, u32 which);
int node_create(struct inode *dir, const char *name, u32 length, enum inode_type type,
                u32 mode, u64 rdev, const struct cred *cred, struct inode **out);
/* A name that is a decimal number without leading zeros; false: it is none. */
bool node_name_number(const char *name, u32 length, u64 *number);
u32 node_number_name(char to[24], u64 number); /* its length */
int tree_create(const char *name, u64 magic, const struct entry *root,
                struct filesystem **out) MUST_CHECK;

/* view.c */
int view_open(struct inode *i, struct file *f);
void view_release(struct file *f);
i64 view_read(struct file *f, struct uio *u, u64 *pos);
i64 view_seek(struct file *f, i64 offset, int whence);
static inline const struct subject *
view_who(const struct view *v)
{
    return &v->node->who;
}
/* For entry.open: the memory of the process, if the caller may look at it. -E_SRCH
 * -E_ACCES -E_NOMEM */
int view_open_memory(struct view *v) MUST_CHECK;

/* subject.c */
/* A reference; NULL: it has gone, or the thread has. */
struct process *subject_get(const struct subject *s);
bool subject_is_current(const struct subject *s);
/* May the current process look into p: 0, or -E_ACCES.  Takes p->lock. */
int subject_may_inspect(struct process *p) MUST_CHECK;
/* Who owns the files of the process. */
void subject_owner(struct process *p, bool always, u32 *uid, u32 *gid);

struct facts {
    i32 pid, tid, ppid, pgid, sid, tpgid;
    i32 tracer; /* 0: none */
    u64 tty; /* device number; 0: none */
    char name[16];
    char state;
    u32 threads;
    i32 nice, exit_signal, exit_status;
    u32 cpu;
    u64 start_ns, user_ns, system_ns, children_user_ns, children_system_ns;
    u64 minor_faults, major_faults, children_minor_faults, children_major_faults;
    u64 voluntary, involuntary;
    u64 pending, shared_pending, blocked, ignored, caught, queued, queue_limit;
    u64 resident_limit;
    struct cred cred;
    u64 allowed;  /* vCPUs */
    i32 priority; /* as stat shows it */
    u32 policy, rt_priority;
    u32 umask, fd_slots;
    bool no_new_privs, asleep, exiting;
};
int facts_get(const struct subject *s, struct facts *out) MUST_CHECK; /* -E_SRCH */
void facts_drop(struct facts *f); /* after facts_get gave 0 */

/* pid.c */
extern const struct inode_ops root_dir_ops;
extern const struct entry proc_root;
/* fd.c */
extern const struct inode_ops fd_dir_ops, fdinfo_dir_ops;
/* place.c: links */
extern const struct inode_ops exe_link_ops, cwd_link_ops, root_link_ops, self_link_ops,
    thread_self_link_ops, text_link_ops;
/* The name of a place as the current process sees it: its length, or an error. */
int place_name(const struct path *p, char *to, u32 size);
/* A link's text: cut off at size. */
int place_text(const char *text, char *to, u32 size);
/* status.c, memory.c, tasks.c ...: shows */
int stat_show(struct view *v, struct text *t);
int statm_show(struct view *v, struct text *t);
int status_show(struct view *v, struct text *t);
int comm_show(struct view *v, struct text *t);
int comm_store(const struct node *n, char *text, size_t bytes);

#endif
