/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory: segments, each a file without a name (an inode of tmpfs).
 *
 * H1. An attachment is an open file of the segment, which the areas that map it hold, those
 *     of processes that were forked too: so the memory's own bookkeeping ends it.
 * H2. A segment that is to be removed has no key, and goes with its last attachment.
 * H3. `areas` (nattch) is how many areas map the inode: what fork, exec, exit and munmap do
 *     counts without a word from them.
 * Locks: the segment's lock, then inode.mappings_lock.
 */
#ifndef LIBOS_IPC_SHM_H
#define LIBOS_IPC_SHM_H

#include "ipc/ipc.h"

struct file;
extern _Atomic u32 shm_segments_max;
#define SHM_BYTES_MAX (~0ull - (1ull << 24)) /* of one segment, and pages of all */

#define SHM_REMOVED_MODE 01000u /* in perm.mode: H2 */
#define SHM_LOCKED_MODE 02000u
/* -E_INVAL -E_EXIST -E_NOENT -E_ACCES -E_NOSPC -E_NOMEM */
i64 shm_get(const struct cred *c, const struct ipc_wanted *wanted);
/* For an attachment: an open file, of which *bytes are to be mapped. `want`: mode bits,
 * 0111 for code. -E_INVAL -E_ACCES -E_IDRM -E_NOMEM */
int shm_attach(const struct cred *c, i32 id, u32 want, bool writes, struct file **out,
               u64 *bytes) MUST_CHECK;
/* Is it such a file? Its id and key, and the bytes; false: it is another. */
bool shm_file(const struct file *f, i32 *id, i32 *key, u64 *bytes);
int shm_remove(const struct cred *c, i32 id) MUST_CHECK;
struct shm_facts {
    struct ipc_facts ipc;
    u64 bytes, areas, resident; /* the last in pages */
    u64 attached_ns, detached_ns, changed_ns;
    i32 creator, last;
};
int shm_stat(const struct cred *c, struct ipc_which which, struct shm_facts *out) MUST_CHECK;
int shm_change(const struct cred *c, i32 id, u32 uid, u32 gid, u32 mode) MUST_CHECK;
/* Memory is never swapped: it is a mark. may_lock: the limit allows it. -E_PERM */
int shm_set_locked(const struct cred *c, i32 id, bool locked, bool may_lock) MUST_CHECK;
struct shm_counts {
    u32 segments, highest;
    u64 pages, resident;
};
void shm_count(struct shm_counts *out);
i64 shm_next(u32 from);
/* The process that makes, attaches or detaches; set by posix. */
extern i32 (*ipc_current_pid)(void);

#endif
