/* SPDX-License-Identifier: MIT */
/*
 * Basic types of the LibOS.  A user address is an integer (uaddr): nothing but
 * core/usercopy.h dereferences it.
 */
#ifndef LIBOS_CORE_TYPES_H
#define LIBOS_CORE_TYPES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef int16_t i16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;
typedef int32_t i32;
typedef u64 uaddr;   /* address in a process's lower half */
typedef u64 frame_t; /* physical frame number */

#define FRAME_NONE (~0ull)
#define PAGE_SIZE 4096ull
#define PAGE_SHIFT 12
#define PAGE_DOWN(x) ((u64)(x) & ~(PAGE_SIZE - 1))
#define PAGE_UP(x) (((u64)(x) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define USER_TOP 0x00007ffffffff000ull
#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member)                                                  \
    ((type *)(void *)((char *)(p)-offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Doubly linked list; an empty head points at itself. */
struct list {
    struct list *next, *prev;
};
#define LIST_INIT(head) { &(head), &(head) }
static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void
list_add_before(struct list *pos, struct list *item)
{
    item->prev = pos->prev;
    item->next = pos;
    pos->prev->next = item;
    pos->prev = item;
}
#define list_push_back(head, item) list_add_before((head), (item))
#define list_push_front(head, item) list_add_before((head)->next, (item))
static inline void
list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    item->next = item->prev = item;
}
/* All of `from` to the end of another list. */
static inline void
list_move_all(struct list *head, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = head->prev;
    from->prev->next = head;
    head->prev->next = from->next;
    head->prev = from->prev;
    list_init(from);
}
#define list_for_each(it, head)                                                        \
    for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_for_each_safe(it, head)                                                    \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);           \
         it = it##_next, it##_next = it->next)

#endif
