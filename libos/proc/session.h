/* SPDX-License-Identifier: MIT */
/*
 * Process groups and sessions, and what a terminal needs of them.
 *
 * S1. A group exists while it has members (zombies too); a session while it has groups.
 *     All groups of a session list it.
 * S2. process->pgid == group->id and process->sid == session->id, under family_lock.
 * S3. process->tty is the controlling terminal: the same in all processes of a session,
 *     or NULL. The tty room holds the session's and the foreground group's numbers
 *     itself.
 */
#ifndef LIBOS_PROC_SESSION_H
#define LIBOS_PROC_SESSION_H

#include "core/lock.h"
#include "core/types.h"

struct process;
struct tty;
struct session {
    i32 id;                 /* [I] */
    struct process *leader; /* family_lock; NULL when it has gone */
    struct list groups;     /* family_lock */
    /* family_lock; the foreground group when the terminal was hung up, its number held;
     * it hears of the leader's end.  0: none */
    i32 foreground_left;
};
struct pgroup {
    i32 id;                  /* [I] */
    struct session *session; /* [I] */
    struct list members;     /* family_lock */
    struct list session_link;
    /* family_lock; it was the last one of its session (pgroup_leave_locked) */
    bool ends_session;
};
extern struct spinlock family_lock;

/* ---- for the tty room ---- */
/* The current process takes `tty` as its session's controlling terminal; others of the
 * session that are there already go on without one, as on Linux. -E_PERM: no
 * session leader, or it has one already. The caller has checked that the terminal belongs
 * to no other session. */
int session_tty_set(struct tty *tty) MUST_CHECK;
/* The session loses its controlling terminal, in all its processes (TIOCNOTTY of the
 * leader, hangup). */
void session_tty_clear(i32 sid);
/* Only the current process loses it (TIOCNOTTY of another process). */
void session_tty_drop(void);
bool session_is_leader(void);       /* the current process */
i32 session_of_group(i32 pgid);     /* -E_SRCH */
/* no member has a parent outside the group within the session; true if there is none */
bool session_group_orphaned(i32 pgid);
/* The same for a hangup: the leader gets SIG_HUP and SIG_CONT, and the foreground group
 * (0: none) gets them when the leader ends. */
void session_hung_up(i32 sid, i32 foreground);
/* The current process's terminal, with a reference by `hold` (under family_lock, so no
 * hangup comes in between); NULL: none */
struct tty *session_tty_get(void (*hold)(struct tty *tty));
/* One use more of the number of a group of the current session.  -E_SRCH -E_PERM */
int session_hold_group(i32 pgid) MUST_CHECK;
/* The current process, leader of a session, ends (no locks held; set by tty; may be
 * NULL): the terminal forgets the session. */
extern void (*session_ended_hook)(void);
/* Called by exit: if the current process leads a session, that loses its terminal. */
void session_leader_ends(void);

/* ---- for proc; family_lock is held ---- */
/* allocates: without locks; the number must be in use */
struct pgroup *pgroup_new(i32 id, struct session *s);
void pgroup_enter_locked(struct process *p, struct pgroup *g);
/* Leave the group; returns what has become empty and is to be freed after the lock with
 * pgroup_free. */
struct pgroup *pgroup_leave_locked(struct process *p);
void pgroup_free(struct pgroup *g); /* without locks; NULL is fine */
struct pgroup *pgroup_find_locked(i32 id);
bool pgroup_orphaned_locked(struct pgroup *g, const struct process *without);
/* POSIX: a group that becomes orphaned by the end of p and has stopped members gets
 * SIG_HUP and SIG_CONT. */
void pgroup_orphans_locked(struct process *p);
extern u32 proc_stopped_count; /* family_lock; processes in PROC_STOPPED */

#endif
