/* SPDX-License-Identifier: MIT */
/* Private to procfs: what the files of /proc say (struct entry: show, store, open). */
#ifndef LIBOS_PROCFS_SHOWS_H
#define LIBOS_PROCFS_SHOWS_H

#include "procfs/private.h"

/* memory.c, maps.c */
int cmdline_show(struct view *v, struct text *t);
int environ_show(struct view *v, struct text *t);
int auxv_show(struct view *v, struct text *t);
extern const struct file_ops mem_file_ops, pagemap_file_ops;
int pagemap_open(struct view *v);
int maps_show(struct view *v, struct text *t);
int smaps_show(struct view *v, struct text *t);
int rollup_show(struct view *v, struct text *t);
/* task.c */
int inspect_open(struct view *v); /* for who may look into the process */
int personality_show(struct view *v, struct text *t);
int limits_show(struct view *v, struct text *t);
int syscall_show(struct view *v, struct text *t);
int wchan_show(struct view *v, struct text *t);
int cgroup_show(struct view *v, struct text *t);
int oom_score_show(struct view *v, struct text *t);
int oom_adjust_show(struct view *v, struct text *t);
int oom_adjust_store(const struct node *n, char *text, size_t bytes);
/* sched_class.c */
int sched_class_show(struct view *v, struct text *t);
int sched_class_store(const struct node *n, char *text, size_t bytes);
int id_map_show(struct view *v, struct text *t);
int setgroups_show(struct view *v, struct text *t);
int children_show(struct view *v, struct text *t);
/* sysvipc.c */
#define SYSVIPC_ENTRIES 3u
extern const struct entry sysvipc_entries[SYSVIPC_ENTRIES];
int sem_limits_show(struct view *v, struct text *t);
/* mounts.c */
int mounts_open(struct view *v);
int mounts_show(struct view *v, struct text *t);
int mountinfo_show(struct view *v, struct text *t);
extern const struct file_ops mounts_file_ops;
/* system.c */
int meminfo_show(struct view *v, struct text *t);
int cpu_stat_show(struct view *v, struct text *t);
int uptime_show(struct view *v, struct text *t);
int loadavg_show(struct view *v, struct text *t);
int version_show(struct view *v, struct text *t);
int kernel_cmdline_show(struct view *v, struct text *t);
int filesystems_show(struct view *v, struct text *t);
int interrupts_show(struct view *v, struct text *t);
int vmstat_show(struct view *v, struct text *t);
int text_show(struct view *v, struct text *t); /* the entry's own */
/* net.c */
#define NET_ENTRIES 1u
extern const struct entry net_entries[NET_ENTRIES];
/* cpuinfo.c */
int cpuinfo_show(struct view *v, struct text *t);

#endif
