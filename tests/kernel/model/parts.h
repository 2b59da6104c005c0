/* SPDX-License-Identifier: MIT */
/* What the parts of the model have in common: model.c (capabilities, frames, domains),
 * model_space.c (spaces) and model_ipc.c (endpoints). */
#ifndef TESTS_MODEL_PARTS_H
#define TESTS_MODEL_PARTS_H

#include "model.h"

#define X_RIGHTS   (FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC)
#define KINDS(k)   ((fb_u64)(k) << 8)
#define RIGHTS(r)  ((fb_u64)(r) << 32)
#define MAPPER_ANY (~0ull)

int m_top(int tree);
bool m_givable(const struct world *w, fb_u64 frame, bool table);
struct mframe m_frame(const struct world *w, fb_u64 frame);
void m_kill(struct world *w, int f);
void m_note_serial(struct mtree *t, fb_u64 serial);
void m_note(struct world *w, int tree, int actor);
fb_u64 m_used(const struct world *w, int dom);
long m_typed(const struct world *w, int dom, fb_u64 name, fb_u32 type, fb_u64 need);
void m_space_end(struct world *w, int tree);
int m_window(int dom);
long m_find_memory(const struct world *w, int dom, fb_u64 name, fb_u64 rights);
bool m_inside(const struct mcap *m, fb_u64 frame, fb_u64 n);
long m_call_space_create(struct world *w, const struct call *c, int *out);
long m_call_space_destroy(struct world *w, const struct call *c);
long m_call_space_table(struct world *w, const struct call *c);
long m_call_space_map(struct world *w, const struct call *c);
long m_call_space_protect(struct world *w, const struct call *c);
long m_call_space_copy(struct world *w, const struct call *c);
long m_call_space_unmap(struct world *w, const struct call *c);
long m_call_endpoint_create(struct world *w, const struct call *c, int *out);
long m_call_endpoint_destroy(struct world *w, const struct call *c);
long m_call_ipc_call(struct world *w, const struct call *c, int *out);
long m_call_ipc_receive(struct world *w, const struct call *c);
long m_call_ipc_reply(struct world *w, const struct call *c, int *out);
/* c->a[0] of the actor's, derived for domain `to`; the same moved there. */
long m_derive(struct world *w, const struct call *c, int to, fb_u64 auth, fb_u64 lo,
              fb_u64 hi, fb_u64 need, fb_u64 clearance, int *out);
long m_move(struct world *w, const struct call *c, int to, int *out);

#endif
