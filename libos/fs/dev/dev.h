/* SPDX-License-Identifier: MIT */
/*
 * Character devices: a registry by device number, so that a node in any file system leads
 * to its driver, and the nodes of /dev.
 *
 * C1. A device is registered once, before the first process, and never leaves: the list
 *     is read without a lock.
 * C2. Opening a node puts the device's operations into the file; the device's `open` may
 *     then refuse or put others.
 */
#ifndef LIBOS_FS_DEV_DEV_H
#define LIBOS_FS_DEV_DEV_H

#include "vfs/vfs.h"

struct device {
    u64 rdev;                   /* vfs_rdev(major, minor) */
    const char *name;           /* the node's name in /dev; NULL: none */
    u32 mode, gid;              /* of the node */
    const struct file_ops *ops;
    /* f->ops is set already; NULL: nothing to do */
    int (*open)(struct device *d, struct inode *i, struct file *f);
    void *priv;
    struct device *next;        /* the registry's */
};

/* d stays the registry's for ever; panics if the number is taken */
void dev_register(struct device *d);
struct device *dev_find(u64 rdev);
/* -E_NXIO: no such device.  Called by vfs_open. */
int dev_open(struct inode *i, struct file *f) MUST_CHECK;
/* Make the missing nodes of all registered devices in a directory. */
int dev_fill(struct inode *dir) MUST_CHECK;
/* The same in /dev of the root, which is made if it is missing.  Call after all
 * devices are registered. */
int dev_populate(void) MUST_CHECK;
/* registers the kind devtmpfs, and null zero full random urandom; called by vfs_init */
void dev_init(void);
/* May the current process do what only root may?  Set by a room that knows processes. */
extern bool (*dev_caller_is_root)(void);

#endif
