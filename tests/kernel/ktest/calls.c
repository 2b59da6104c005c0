/* SPDX-License-Identifier: MIT */
/* Each call with each of its errors: capabilities, spaces, control, domains, devices. */
#include "tests/kernel/ktest/ktest.h"

#define RW             (FB_MAP_READ | FB_MAP_WRITE)
#define SPARE          (WINDOW_FREE + 0x300000000ull)
#define ALL_BUT(right) (FB_AUTH_ALL & ~FB_AUTH(0, 0, FB_RIGHT_##right))
#define NONAME         0x1234567ull
static u64 v;

void
test_caps(void)
{
    const struct instance_memory *m = &INFO->memory[0];
    const struct fb_cap_info *info = (const void *)BUFFER;
    u64 a = derive(MEM, FB_AUTH_ALL, m->lo + 8, m->lo + 16),
        b = derive(a, ALL_BUT(DERIVE), 0, ~0ull);

    OK(fb_cap_inspect(b, 0, NULL));
    CHECK(info->lo == m->lo + 8 && info->hi == m->lo + 16 &&
          info->type == FB_TYPE_MEMORY && !info->children);
    OK(fb_cap_inspect(a, 0, NULL));
    CHECK(info->children == 1);
    ERR(CAP_DERIVE, NAME, fb_cap_derive(NONAME, FB_AUTH_ALL, 0, ~0ull, &v));
    ERR(CAP_DERIVE, NAME, fb_cap_derive(a ^ (1ull << 30), FB_AUTH_ALL, 0, ~0ull, &v));
    ERR(CAP_DERIVE, AUTHORITY, fb_cap_derive(b, FB_AUTH_ALL, 0, ~0ull, &v));
    ERR(CAP_DERIVE, EMPTY, fb_cap_derive(a, FB_AUTH_ALL, m->lo + 16, m->lo + 17, &v));
    ERR(CAP_DERIVE, EMPTY,
        fb_cap_derive(a, FB_AUTH(FB_CLASS_ROOT, FB_KIND_IOPORT, 0xffff), 0, ~0ull, &v));
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(NONAME, 0, NULL));
    ERR(CAP_INSPECT, FAULT, fb_cap_inspect(a, FB_BUFFER_BYTES - 8, NULL));
    ERR(CAP_DELETE, NAME, fb_cap_delete(NONAME, NULL));
    ERR(CAP_REVOKE, NAME, fb_cap_revoke(NONAME, NULL));
    u64 c = derive(a, ALL_BUT(REVOKE), 0, ~0ull);
    ERR(CAP_REVOKE, AUTHORITY, fb_cap_revoke(c, NULL));
    /* Revoking takes what was derived, and the names with it; another use of the slot has
     * another name. */
    OK(AGAIN(fb_cap_revoke(a, NULL)));
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(b, 0, NULL));
    u64 b2 = derive(a, FB_AUTH_ALL, 0, ~0ull);
    CHECK(b2 != b && b2 != c);
    OK(AGAIN(fb_cap_delete(b2, NULL)));
    OK(AGAIN(fb_cap_delete(a, NULL)));
    /* Never more than the source. */
    a = derive(MEM,
               FB_AUTH(FB_ATOM_APP, FB_KIND_MEMORY_PHYS, FB_RIGHT_READ | FB_RIGHT_DERIVE),
               0, ~0ull);
    b = derive(a, FB_AUTH_ALL, 0, ~0ull);
    OK(fb_cap_inspect(b, 0, NULL));
    CHECK(info->auth ==
          FB_AUTH(FB_ATOM_APP, FB_KIND_MEMORY_PHYS, FB_RIGHT_READ | FB_RIGHT_DERIVE));
    OK(AGAIN(fb_cap_delete(a, NULL))); /* b becomes MEM's */
    OK(AGAIN(fb_cap_delete(b, NULL)));
    /* More than a step. */
    a = derive(MEM, FB_AUTH_ALL, 0, ~0ull);
    for (int i = 0; i < 600; i++)
        v = derive(a, FB_AUTH_ALL, 0, ~0ull);
    ERR(CAP_DELETE, RESUME, AGAIN_BUSY(fb_cap_delete(a, NULL)));
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(a, 0, NULL)); /* it goes on all the same */
    OK(AGAIN(fb_cap_delete(a, NULL)));
    a = derive(MEM, FB_AUTH_ALL, 0, ~0ull);
    for (int i = 0; i < 600; i++)
        v = derive(a, FB_AUTH_ALL, 0, ~0ull);
    ERR(CAP_REVOKE, RESUME, AGAIN_BUSY(fb_cap_revoke(a, NULL)));
    OK(AGAIN(fb_cap_revoke(MEM, NULL)));
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(v, 0, NULL));
    /* The table is full at some time, and not before. */
    static u64 all[8192];
    u32 n = 0;
    long e;
    while ((e = AGAIN(fb_cap_derive(MEM, FB_AUTH_ALL, 0, ~0ull, &v))) == 0 && n < 8192)
        all[n++] = v;
    ERR(CAP_DERIVE, FULL, e);
    while (n > 0)
        OK(AGAIN(fb_cap_delete(all[--n], NULL)));
}

void
test_spaces(void)
{
    struct kspace s, t;
    u64 none =
        derive(MEM, FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS, FB_RIGHT_READ), 0, ~0ull);
    u64 f = frames(4, 2), port = INFO->cap_com[1].ports;

    kspace_make(&s);
    kspace_make(&t);
    u64 weak = derive(s.cap, FB_AUTH_ALL & ~FB_AUTH(0, 0, FB_RIGHT_MAP | FB_RIGHT_SWITCH),
                      0, ~0ull);
    ERR(SPACE_CREATE, NAME, fb_space_create(0, NONAME, f, &v));
    ERR(SPACE_CREATE, TYPE, fb_space_create(0, port, f, &v));
    ERR(SPACE_CREATE, AUTHORITY, fb_space_create(0, none, f, &v));
    ERR(SPACE_CREATE, RANGE, fb_space_create(0, MEM, 0, &v));
    ERR(SPACE_CREATE, ALIGN, fb_space_create(0, MEM, f + 1, &v));
    ERR(SPACE_CREATE, INUSE, AGAIN(fb_space_create(0, MEM, s.root, &v)));
    ERR(SPACE_TABLE, NAME, fb_space_table(NONAME, 0, 1, MEM, f, NULL));
    ERR(SPACE_TABLE, TYPE, fb_space_table(port, 0, 1, MEM, f, NULL));
    ERR(SPACE_TABLE, AUTHORITY, fb_space_table(s.cap, 0, 1, none, f, NULL));
    ERR(SPACE_TABLE, AUTHORITY, fb_space_table(weak, 0, 1, MEM, f, NULL));
    ERR(SPACE_TABLE, RANGE, fb_space_table(s.cap, 0, 1, MEM, 0, NULL));
    ERR(SPACE_TABLE, RANGE, fb_space_table(s.cap, FB_USER_TOP, 1, MEM, f, NULL));
    ERR(SPACE_TABLE, ARG, fb_space_table(s.cap, 0, 4, MEM, f, NULL));
    ERR(SPACE_TABLE, ARG, fb_space_table(0, FB_WINDOW_BASE, 3, MEM, f, NULL));
    ERR(SPACE_TABLE, NOTABLE, fb_space_table(s.cap, 1ull << 40, 1, MEM, f, NULL));
    ERR(SPACE_TABLE, MAPPED, fb_space_table(s.cap, USER_CODE, 1, MEM, f, NULL));
    ERR(SPACE_TABLE, INUSE, fb_space_table(s.cap, 1ull << 40, 3, MEM, s.root, NULL));
    ERR(SPACE_MAP, NAME, fb_space_map(NONAME, 0, MEM, f, RW, 1, &v));
    ERR(SPACE_MAP, TYPE, fb_space_map(port, 0, MEM, f, RW, 1, &v));
    ERR(SPACE_MAP, AUTHORITY, fb_space_map(s.cap, 0, none, f, RW, 1, &v));
    ERR(SPACE_MAP, RANGE, fb_space_map(s.cap, 0, MEM, ~0ull, RW, 1, &v));
    ERR(SPACE_MAP, RANGE, fb_space_map(s.cap, 0, MEM, f, RW, ~0ull, &v));
    ERR(SPACE_MAP, RANGE, fb_space_map(s.cap, FB_USER_TOP - PAGE, MEM, f, RW, 2, &v));
    ERR(SPACE_MAP, RANGE, fb_space_map(0, FB_WINDOW_END, MEM, f, RW, 1, &v));
    ERR(SPACE_MAP, RANGE, fb_space_map(0, 0xffffffff80000000, MEM, f, RW, 1, &v));
    ERR(SPACE_MAP, ALIGN, fb_space_map(s.cap, 1, MEM, f, RW, 1, &v));
    ERR(SPACE_MAP, ALIGN,
        fb_space_map(s.cap, 0x200000, MEM, f | 1, RW | FB_MAP_2M, 1, &v));
    ERR(SPACE_MAP, ARG, fb_space_map(s.cap, 0, MEM, f, FB_MAP_WRITE, 1, &v));
    ERR(SPACE_MAP, ARG, fb_space_map(s.cap, 0, MEM, f, RW | 0x800, 1, &v));
    ERR(SPACE_MAP, WX, fb_space_map(0, SPARE, MEM, f, RW | FB_MAP_EXEC, 1, &v));
    ERR(SPACE_MAP, NOTABLE, fb_space_map(s.cap, 1ull << 40, MEM, f, RW, 1, &v));
    CHECK(v >> 56 == 3);
    ERR(SPACE_MAP, MAPPED, fb_space_map(s.cap, USER_CODE, MEM, f, RW, 1, &v));
    ERR(SPACE_MAP, INUSE,
        fb_space_map(s.cap, USER_DATA + PAGE, MEM, s.root, FB_MAP_READ, 1, &v));
    ERR(SPACE_MAP, INUSE,
        fb_space_map(s.cap, USER_DATA + PAGE, MEM, INFO->window_frame, RW, 1, &v));
    ERR(SPACE_PROTECT, NAME, fb_space_protect(NONAME, 0, 1, 0, 0, &v));
    ERR(SPACE_PROTECT, NAME, fb_space_protect(s.cap, 0, 1, 0, NONAME, &v));
    ERR(SPACE_PROTECT, TYPE, fb_space_protect(port, 0, 1, 0, 0, &v));
    ERR(SPACE_PROTECT, AUTHORITY, fb_space_protect(weak, 0, 1, 0, 0, &v));
    ERR(SPACE_PROTECT, ALIGN, fb_space_protect(s.cap, 1, 1, 0, 0, &v));
    ERR(SPACE_PROTECT, RANGE, fb_space_protect(s.cap, 0, ~0ull, 0, 0, &v));
    ERR(SPACE_PROTECT, ARG, fb_space_protect(s.cap, 0, 1, 0x1000, 0, &v));
    ERR(SPACE_PROTECT, WX, fb_space_protect(0, SPARE, 1, RW | FB_MAP_EXEC, 0, &v));
    ERR(SPACE_UNMAP, NAME, fb_space_unmap(NONAME, 0, 1, 0, 0, 1, &v));
    ERR(SPACE_UNMAP, TYPE, fb_space_unmap(port, 0, 1, 0, 0, 1, &v));
    ERR(SPACE_UNMAP, AUTHORITY, fb_space_unmap(weak, 0, 1, 0, 0, 1, &v));
    ERR(SPACE_UNMAP, ALIGN, fb_space_unmap(s.cap, 1, 1, 0, 0, 1, &v));
    ERR(SPACE_UNMAP, RANGE, fb_space_unmap(s.cap, 0, 1ull << 52, 0, 0, 1, &v));
    ERR(SPACE_UNMAP, ARG, fb_space_unmap(s.cap, 0, 1, 2, 0, 1, &v));
    ERR(SPACE_UNMAP, FAULT, fb_space_unmap(s.cap, 0, 1, 0, FB_BUFFER_BYTES, 1, &v));
    ERR(SPACE_COPY, NAME, fb_space_copy(NONAME, s.cap, USER_DATA, 1, FB_COPY_COW, &v));
    ERR(SPACE_COPY, TYPE, fb_space_copy(t.cap, port, USER_DATA, 1, FB_COPY_COW, &v));
    ERR(SPACE_COPY, AUTHORITY, fb_space_copy(t.cap, weak, USER_DATA, 1, FB_COPY_COW, &v));
    ERR(SPACE_COPY, ALIGN,
        fb_space_copy(t.cap, s.cap, USER_DATA + 1, 1, FB_COPY_COW, &v));
    ERR(SPACE_COPY, RANGE,
        fb_space_copy(t.cap, s.cap, USER_DATA, ~0ull, FB_COPY_COW, &v));
    ERR(SPACE_COPY, ARG, fb_space_copy(t.cap, s.cap, USER_DATA, 1, 3, &v));
    ERR(SPACE_COPY, ARG, fb_space_copy(s.cap, s.cap, USER_DATA, 1, FB_COPY_COW, &v));
    ERR(SPACE_COPY, MAPPED,
        AGAIN(fb_space_copy(t.cap, s.cap, USER_DATA, 1, FB_COPY_COW, &v)));
    /* Counts, as the frame's record shows them; replace; copy on write and its nodes. */
    const struct fb_frame_record *r = FRAME_RECORD(f);
    u64 far = 1ull << 41;
    OK(map(s.cap, far, f, RW));
    CHECK(FB_FRAME_MAPS(r->word) == 1 && FB_FRAME_WMAPS(r->word) == 1);
    OK(AGAIN(fb_space_protect(s.cap, far, 1, FB_MAP_READ, 0, NULL)));
    CHECK(FB_FRAME_MAPS(r->word) == 1 && FB_FRAME_WMAPS(r->word) == 0);
    OK(AGAIN(fb_space_protect(s.cap, far, 1, RW, MEM, NULL)));
    CHECK(FB_FRAME_WMAPS(r->word) == 1);
    ERR(SPACE_COPY, NOTABLE, AGAIN(fb_space_copy(t.cap, s.cap, far, 1, FB_COPY_COW, &v)));
    OK(map(t.cap, far + PAGE, f + 1, RW));
    OK(AGAIN(fb_space_copy(t.cap, s.cap, far, 1, FB_COPY_COW, &v)));
    CHECK(FB_FRAME_MAPS(r->word) == 2 && FB_FRAME_WMAPS(r->word) == 0);
    OK(AGAIN(fb_space_map(t.cap, far, MEM, f + 2, RW | FB_MAP_REPLACE, 1, &v)));
    CHECK(FB_MAP_REPLACED(v) == 1 && (v & 1) == 0 && FB_FRAME_MAPS(r->word) == 1);
    OK(AGAIN(fb_space_map(s.cap, far, MEM, f + 3, RW | FB_MAP_REPLACE, 1, &v)));
    CHECK(FB_MAP_REPLACED(v) == 1 && (v & 1) == 1 && FB_FRAME_MAPS(r->word) == 0);
    /* A list of frames. */
    u64 *list = (void *)BUFFER;
    list[0] = list[1] = f + 2;
    list[2] = ~0ull;
    u64 at = far + 4 * PAGE;
    ERR(SPACE_MAP, FAULT,
        fb_space_map(s.cap, at, MEM, FB_BUFFER_BYTES - 8, RW | FB_MAP_LIST, 2, &v));
    ERR(SPACE_MAP, ARG,
        fb_space_map(s.cap, at, MEM, 0, RW | FB_MAP_LIST, FB_RANGE_STEP + 1, &v));
    ERR(SPACE_MAP, RANGE,
        AGAIN(fb_space_map(s.cap, at, MEM, 0, FB_MAP_READ | FB_MAP_LIST, 3, &v)));
    CHECK(v == 2 && FB_FRAME_MAPS(FRAME_RECORD(f + 2)->word) == 3);
    unmap(s.cap, at, 2);
    /* A mapped frame is nobody's table; a table is nobody's page. */
    ERR(SPACE_TABLE, INUSE, fb_space_table(s.cap, 1ull << 42, 3, MEM, f + 3, NULL));
    OK(AGAIN(fb_space_map(s.cap, far + PAGE, MEM, f, RW, 1, NULL)));
    OK(AGAIN(fb_space_map(s.cap, far + 2 * PAGE, MEM, f, FB_MAP_READ, 1, NULL)));
    /* Revoking the memory takes the mappings, in the window and in spaces. */
    u64 part = derive(MEM, FB_AUTH_ALL, f, f + 1);
    OK(map(0, SPARE, f, RW));
    ERR(SPACE_DESTROY, INUSE, AGAIN(fb_space_destroy(s.cap, NULL)));
    unmap(0, SPARE, 1);
    OK(AGAIN(fb_cap_delete(part, NULL)));
    /* More than a step at once. */
    ERR(SPACE_UNMAP, RESUME, fb_space_unmap(s.cap, far, 3, 0, 0, 1, &v));
    u64 run = frames(520, 1);
    OK(map(s.cap, far + 0x200000, f + 1, FB_MAP_READ));
    OK(map(s.cap, far + 0x500000, f + 1, FB_MAP_READ));
    ERR(SPACE_MAP, RESUME,
        fb_space_map(s.cap, far + 0x201000, MEM, run, FB_MAP_READ, 520, &v));
    OK(AGAIN_BUSY(fb_space_map(s.cap, far + 0x401000, MEM, run, FB_MAP_READ, 8, &v)));
    ERR(SPACE_PROTECT, RESUME, fb_space_protect(s.cap, far + 0x201000, 520, 0, 0, &v));
    OK(map(t.cap, far + 0x200000, f + 1, FB_MAP_READ));
    OK(map(t.cap, far + 0x600000 - PAGE, f + 1, FB_MAP_READ));
    ERR(SPACE_COPY, RESUME,
        AGAIN_BUSY(fb_space_copy(t.cap, s.cap, far + 0x201000, 1024, FB_COPY_SHARE, &v)));
    unmap(s.cap, far, 1024 + 512);
    unmap(t.cap, far, 1024 + 512);
    frames_back(run, 520);
    ERR(SPACE_DESTROY, NAME, fb_space_destroy(NONAME, NULL));
    ERR(SPACE_DESTROY, TYPE, fb_space_destroy(port, NULL));
    ERR(SPACE_DESTROY, AUTHORITY, fb_space_destroy(weak, NULL));
    ERR(SWITCH, NAME, fb_switch(NONAME, NULL));
    ERR(SWITCH, TYPE, fb_switch(MEM, NULL));
    ERR(SWITCH, AUTHORITY, fb_switch(weak, NULL));
    OK(fb_switch(t.cap, NULL));
    ERR(SPACE_DESTROY, INUSE, AGAIN(fb_space_destroy(t.cap, NULL)));
    OK(fb_switch(INFO->cap_space, NULL));
    u64 gone = s.cap;
    ERR(CAP_DELETE, INUSE, fb_cap_delete(s.cap, NULL));
    kspace_end(&s);
    kspace_end(&t);
    ERR(SWITCH, NAME, fb_switch(gone, NULL));
    OK(AGAIN(fb_cap_delete(none, NULL)));
    frames_back(f, 4);
}

/* A page table that two spaces have, and what each may do with it. */
void
test_shared_tables(void)
{
    struct kspace s, t;
    const u64 far = 1ull << 41, all = 512;
    u64 f = frames(2, 1), table = frames(1, 1), own = frames(1, 1), other = frames(1, 1);
    const volatile struct fb_frame_record *r = FRAME_RECORD(f),
                                          *node = FRAME_RECORD(table);

    kspace_make(&s);
    kspace_make(&t);
    OK(map(s.cap, far + 0x200000, f + 1, FB_MAP_READ)); /* the nodes above */
    OK(map(t.cap, far + 0x200000, f + 1, FB_MAP_READ));
    OK(AGAIN(fb_space_table(s.cap, far, 1, MEM, table, NULL)));
    OK(map(s.cap, far, f, RW));
    OK(AGAIN(fb_space_copy(t.cap, s.cap, far, all, FB_COPY_COW | FB_COPY_TABLES, NULL)));
    CHECK(FB_FRAME_MAPS(r->word) == 1 && FB_FRAME_WMAPS(r->word) == 1);
    CHECK(FB_FRAME_PARENTS(node->word) == 2);
    ERR(SPACE_COPY, ARG, fb_space_copy(t.cap, s.cap, far, all, FB_COPY_TABLES, &v));
    ERR(SPACE_MAP, NOTABLE,
        fb_space_map(t.cap, far + PAGE, MEM, f, FB_MAP_READ, 1, &v));
    CHECK(v == 1ull << 56);
    ERR(SPACE_PROTECT, NOTABLE, fb_space_protect(t.cap, far, 1, 0, 0, &v));
    ERR(SPACE_UNMAP, NOTABLE, fb_space_unmap(t.cap, far, 1, 0, 0, 1, &v));
    ERR(SPACE_TABLE, INUSE, fb_space_table(t.cap, far, 1, MEM, table, NULL));
    OK(AGAIN(fb_space_table(t.cap, far, 1, MEM, own, NULL)));
    CHECK(FB_FRAME_MAPS(r->word) == 2 && FB_FRAME_WMAPS(r->word) == 0);
    CHECK(FB_FRAME_PARENTS(node->word) == 1);
    ERR(SPACE_TABLE, MAPPED, fb_space_table(s.cap, far, 1, MEM, other, NULL));
    ERR(SPACE_PROTECT, NOTABLE, fb_space_protect(s.cap, far, 1, RW, MEM, &v));
    OK(AGAIN(fb_space_table(s.cap, far, 1, MEM, table, NULL)));
    OK(AGAIN(fb_space_protect(s.cap, far, 1, RW, MEM, &v)));
    unmap(t.cap, far, all);
    /* The last one that has it lists what is in it. */
    OK(AGAIN(fb_space_copy(t.cap, s.cap, far, all, FB_COPY_COW | FB_COPY_TABLES, NULL)));
    OK(AGAIN(fb_space_unmap(s.cap, far, all, FB_UNMAP_TABLES, 0, 8, &v)));
    CHECK(v == all && FB_FRAME_PARENTS(node->word) == 1);
    OK(AGAIN(fb_space_unmap(t.cap, far, all, FB_UNMAP_TABLES, 0, 8, &v)));
    CHECK(v == (2ull << 40 | all) && FB_FRAME_PARENTS(node->word) == 0);
    frames_back(table, 1);
    frames_back(other, 1);
    unmap(s.cap, far, 1024);
    unmap(t.cap, far, 1024);
    kspace_end(&s);
    kspace_end(&t);
    frames_back(f, 2);
}

void
test_control(void)
{
    u64 own = INFO->cap_vcpu[0],
        weak =
            derive(own, FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_SEND, FB_RIGHT_SIGNAL), 0, 8);
    struct fb_batch_entry *b = (void *)BUFFER;

    ERR(RESUME, ARG, fb_resume(3, NULL));
    ERR(YIELD, NAME, fb_yield(NONAME, NULL));
    ERR(YIELD, TYPE, fb_yield(MEM, NULL));
    ERR(YIELD, STATE, fb_yield(own, NULL));
    ERR(SIGNAL, NAME, fb_signal(NONAME, 1, NULL));
    ERR(SIGNAL, TYPE, fb_signal(MEM, 1, NULL));
    ERR(SIGNAL, RANGE, fb_signal(weak, 0x100, NULL));
    ERR(SIGNAL, RANGE, fb_signal(own, 0, NULL));
    u64 mute =
        derive(own, FB_AUTH(FB_CLASS_ROOT, FB_KIND_HARDWARE, FB_RIGHT_CONTROL), 0, 64);
    ERR(SIGNAL, AUTHORITY, fb_signal(mute, 1, NULL));
    ERR(YIELD, AUTHORITY, fb_yield(mute, NULL));
    ERR(VCPU_START, AUTHORITY, fb_vcpu_start(weak, 0, 0, 0, 0, 0, NULL));
    OK(AGAIN(fb_cap_delete(mute, NULL)));
    OK(fb_signal(weak, 0x80, NULL));
    OK(wait_for(0, &v));
    CHECK(v == 0x80);
    OK(fb_yield(0, NULL));
    ERR(SET_BASE, ARG, fb_set_base(2, 0, NULL));
    ERR(SET_BASE, ARG, fb_set_base(0, 1ull << 47, NULL));
    OK(fb_set_base(0, 0x1234, NULL));
    /* A deadline; the timer. */
    u64 until = __builtin_ia32_rdtsc() + RECORD->tsc_hz / 200;
    OK(wait_for(until, &v));
    CHECK(v == 0 && __builtin_ia32_rdtsc() >= until);
    OK(fb_timer(__builtin_ia32_rdtsc() + RECORD->tsc_hz / 200, NULL));
    OK(wait_for(FB_FOREVER, &v));
    CHECK(v == 1ull << FB_EVENT_TIMER);
    /* Batches. */
    ERR(BATCH, ARG, fb_batch(0, 0, NULL));
    ERR(BATCH, ARG, fb_batch(0, FB_BATCH_MAX + 1, NULL));
    ERR(BATCH, FAULT, fb_batch(FB_BUFFER_BYTES - 8, 1, NULL));
    memset(b, 0, 3 * sizeof(*b));
    b[0].call = FB_CALL_ENTROPY;
    b[1].call = FB_CALL_CAP_DELETE;
    b[2].call = FB_CALL_WAIT;
    CHECK(fb_batch(0, 3, &v) == -FB_E_NAME && v == 1 && b[1].result == (u64)-FB_E_NAME);
    b[1].call = FB_CALL_ENTROPY;
    ERR(BATCH, CALL, fb_batch(0, 3, &v));
    CHECK(v == 2 && b[0].value != b[1].value);
    u64 x, y;
    OK(fb_entropy(&x));
    OK(fb_entropy(&y));
    CHECK(x != y);
    OK(AGAIN(fb_cap_delete(weak, NULL)));
}

void
test_devices(void)
{
    u64 port = INFO->cap_com[1].ports, irq = INFO->cap_com[1].irq,
        own = INFO->cap_vcpu[0], f = frames(1, 1);
    u64 mute =
        derive(own, FB_AUTH(FB_CLASS_ROOT, FB_KIND_HARDWARE, FB_RIGHT_CONTROL), 0, 64);

    ERR(PORT_IN, NAME, fb_port_in(NONAME, 0x2f8, 1, &v));
    ERR(PORT_IN, TYPE, fb_port_in(MEM, 0x2f8, 1, &v));
    ERR(PORT_IN, RANGE, fb_port_in(port, 0x3f8, 1, &v));
    ERR(PORT_IN, RANGE, fb_port_in(port, 0x2ff, 2, &v));
    ERR(PORT_IN, ARG, fb_port_in(port, 0x2f8, 3, &v));
    ERR(PORT_OUT, NAME, fb_port_out(NONAME, 0x2ff, 1, 0, NULL));
    ERR(PORT_OUT, TYPE, fb_port_out(MEM, 0x2ff, 1, 0, NULL));
    ERR(PORT_OUT, RANGE, fb_port_out(port, 0x64, 1, 0xfe, NULL));
    ERR(PORT_OUT, ARG, fb_port_out(port, 0x2ff, 0, 0, NULL));
    OK(fb_port_out(port, 0x2ff, 1, 0x5a, NULL));
    OK(fb_port_in(port, 0x2ff, 1, &v));
    ERR(PORT_WRITE, NAME, fb_port_write(port, 0x2ff, NONAME, f * PAGE, 1, NULL));
    ERR(PORT_WRITE, TYPE, fb_port_write(port, 0x2ff, port, f * PAGE, 1, NULL));
    ERR(PORT_WRITE, RANGE, fb_port_write(port, 0x2ff, MEM, 0, 1, NULL));
    ERR(PORT_WRITE, ARG, fb_port_write(port, 0x2ff, MEM, f * PAGE + 1, PAGE, NULL));
    ERR(PORT_WRITE, INUSE,
        fb_port_write(port, 0x2ff, MEM, INFO->space_root_frame * PAGE, 1, NULL));
    OK(fb_port_write(port, 0x2ff, MEM, f * PAGE, 4, NULL));
    ERR(IRQ_BIND, NAME, fb_irq_bind(NONAME, 3, own, 5, 0, NULL));
    ERR(IRQ_BIND, TYPE, fb_irq_bind(port, 3, own, 5, 0, NULL));
    ERR(IRQ_BIND, RANGE, fb_irq_bind(irq, 4, own, 5, 0, NULL));
    ERR(IRQ_BIND, RANGE, fb_irq_bind(irq, 3, own, 64, 0, NULL));
    ERR(IRQ_BIND, AUTHORITY, fb_irq_bind(irq, 3, mute, 5, 0, NULL));
    ERR(IRQ_ACK, NAME, fb_irq_ack(NONAME, 3, NULL));
    ERR(IRQ_ACK, TYPE, fb_irq_ack(port, 3, NULL));
    ERR(IRQ_ACK, RANGE, fb_irq_ack(irq, 4, NULL));
    ERR(IRQ_ACK, STATE, fb_irq_ack(irq, 3, NULL));
    OK(AGAIN(fb_irq_bind(irq, 3, own, 5, 0, NULL)));
    OK(fb_irq_ack(irq, 3, NULL));
    OK(AGAIN(fb_irq_bind(irq, 3, 0, 0, 0, NULL)));
    ERR(CONSOLE_WRITE, NAME, fb_console_write(NONAME, 0, 1, NULL));
    ERR(CONSOLE_WRITE, TYPE, fb_console_write(MEM, 0, 1, NULL));
    ERR(CONSOLE_WRITE, FAULT,
        fb_console_write(INFO->cap_machine, FB_BUFFER_BYTES, 1, NULL));
    ERR(CONSOLE_WRITE, FAULT, fb_console_write(INFO->cap_machine, 0, 4097, NULL));
    ERR(POWER, NAME, fb_power(NONAME, 0, NULL));
    ERR(POWER, TYPE, fb_power(MEM, 0, NULL));
    u64 less =
        derive(port, FB_AUTH(FB_CLASS_ROOT, FB_KIND_IOPORT, FB_RIGHT_DERIVE), 0, ~0ull);
    ERR(PORT_IN, AUTHORITY, fb_port_in(less, 0x2f8, 1, &v));
    ERR(PORT_OUT, AUTHORITY, fb_port_out(less, 0x2ff, 1, 0, NULL));
    ERR(PORT_WRITE, AUTHORITY, fb_port_write(less, 0x2ff, MEM, f * PAGE, 1, NULL));
    OK(AGAIN(fb_cap_delete(less, NULL)));
    less =
        derive(irq, FB_AUTH(FB_CLASS_ROOT, FB_KIND_INTERRUPT, FB_RIGHT_DERIVE), 0, ~0ull);
    ERR(IRQ_ACK, AUTHORITY, fb_irq_ack(less, 3, NULL));
    OK(AGAIN(fb_cap_delete(less, NULL)));
    less = derive(INFO->cap_machine,
                  FB_AUTH(FB_CLASS_ROOT, FB_KIND_HARDWARE, FB_RIGHT_DERIVE), 0, ~0ull);
    ERR(POWER, AUTHORITY, fb_power(less, 0, NULL));
    ERR(CONSOLE_WRITE, AUTHORITY, fb_console_write(less, 0, 1, NULL));
    OK(AGAIN(fb_cap_delete(less, NULL)));
    ERR(POWER, ARG, fb_power(INFO->cap_machine, 9, NULL));
    OK(AGAIN(fb_cap_delete(mute, NULL)));
    frames_back(f, 1);
}

/* Verify that domain_caps shows each capability once, and says of it what cap_inspect
 * does. */
static void
caps_are_listed(void)
{
    const struct fb_cap_entry *list = (const void *)BUFFER;
    unsigned long value = 0, slots = 0;
    u64 seen = 0, machine = 0, before = 0;

    OK(fb_domain_status(0, 0, NULL));
    slots = ((const struct fb_domain_status *)(const void *)BUFFER)->slots_used;
    for (u64 slot = 0, n = 1; n > 0; slot = (u32)value) {
        OK(fb_domain_caps(0, slot, 0, &value));
        n = value >> 32;
        for (u64 k = 0; k < n; k++) {
            CHECK(seen == 0 || list[k].slot > before);
            before = list[k].slot;
            seen++;
            if (list[k].slot == (INFO->cap_machine & ((1u << FB_NAME_SLOT_BITS) - 1)))
                machine = list[k].info.type;
        }
        if (n == 0 && (u32)value != slot)
            n = 1; /* a stretch without any */
    }
    CHECK(seen == slots && machine == FB_TYPE_MACHINE);
    OK(fb_domain_caps(0, ~0ul, 0, &value));
    CHECK(value >> 32 == 0);
}

static void
child_errors(struct kchild *c, u64 none)
{
    u64 own = INFO->cap_vcpu[0], f = frames(8, 2), root = c->domain;
    u64 plain =
        derive(root, FB_AUTH(FB_CLASS_ROOT, FB_KIND_HARDWARE, FB_RIGHT_SIGNAL), 0, ~0ull);
    u64 mute =
        derive(own, FB_AUTH(FB_CLASS_ROOT, FB_KIND_HARDWARE, FB_RIGHT_CONTROL), 0, 64);

    ERR(CAP_GRANT, NAME, fb_cap_grant(NONAME, root, FB_AUTH_ALL, 0, ~0ull, &v));
    ERR(CAP_GRANT, TYPE, fb_cap_grant(MEM, MEM, FB_AUTH_ALL, 0, ~0ull, &v));
    ERR(CAP_GRANT, AUTHORITY, fb_cap_grant(none, root, FB_AUTH_ALL, 0, ~0ull, &v));
    ERR(CAP_GRANT, EMPTY, fb_cap_grant(MEM, root, FB_AUTH_ALL, 0, 0, &v));
    OK(AGAIN(fb_cap_grant(MEM, root, FB_AUTH_ALL, f, f + 1, &v)));
    ERR(DOMAIN_DESTROY, NAME, fb_domain_destroy(NONAME, NULL));
    ERR(DOMAIN_DESTROY, TYPE, fb_domain_destroy(MEM, NULL));
    ERR(DOMAIN_DESTROY, AUTHORITY, fb_domain_destroy(plain, NULL));
    ERR(DOMAIN_DESTROY, AUTHORITY, fb_domain_destroy(INFO->cap_domain, NULL));
    ERR(DOMAIN_WATCH, NAME, fb_domain_watch(NONAME, own, 7, NULL));
    ERR(DOMAIN_WATCH, TYPE, fb_domain_watch(MEM, own, 7, NULL));
    ERR(DOMAIN_WATCH, AUTHORITY, fb_domain_watch(root, mute, 7, NULL));
    ERR(DOMAIN_WATCH, RANGE, fb_domain_watch(root, own, 64, NULL));
    ERR(DOMAIN_STATUS, NAME, fb_domain_status(NONAME, 0, NULL));
    ERR(DOMAIN_CAPS, NAME, fb_domain_caps(NONAME, 0, 0, NULL));
    ERR(DOMAIN_CAPS, TYPE, fb_domain_caps(MEM, 0, 0, NULL));
    ERR(DOMAIN_CAPS, AUTHORITY, fb_domain_caps(plain, 0, 0, NULL));
    ERR(DOMAIN_CAPS, FAULT, fb_domain_caps(0, 0, FB_BUFFER_BYTES, NULL));
    caps_are_listed();
    ERR(DOMAIN_STATUS, TYPE, fb_domain_status(MEM, 0, NULL));
    ERR(DOMAIN_STATUS, AUTHORITY, fb_domain_status(plain, 0, NULL));
    ERR(DOMAIN_STATUS, FAULT, fb_domain_status(0, FB_BUFFER_BYTES, NULL));
    ERR(VCPU_CREATE, NAME, fb_vcpu_create(NONAME, 0, MEM, f, f + 2, &v));
    ERR(VCPU_CREATE, TYPE, fb_vcpu_create(MEM, 0, MEM, f, f + 2, &v));
    ERR(VCPU_CREATE, AUTHORITY, fb_vcpu_create(plain, 0, MEM, f, f + 2, &v));
    ERR(VCPU_CREATE, RANGE, fb_vcpu_create(root, 0, MEM, 0, f + 2, &v));
    ERR(VCPU_CREATE, ARG, fb_vcpu_create(root, 99, MEM, f, f + 2, &v));
    ERR(VCPU_CREATE, INUSE,
        AGAIN(fb_vcpu_create(root, 0, MEM, INFO->space_root_frame, f + 2, &v)));
    ERR(VCPU_START, NAME, fb_vcpu_start(NONAME, 0, 0, 0, 0, 0, NULL));
    ERR(VCPU_START, TYPE, fb_vcpu_start(MEM, 0, 0, 0, 0, 0, NULL));
    ERR(VCPU_START, ARG, fb_vcpu_start(c->vcpu[0], 0, 0, 0x1000, 0, 0, NULL));
    ERR(VCPU_START, ARG, fb_vcpu_start(c->vcpu[0], 1, 0, FB_WINDOW_BASE, 0, 0, NULL));
    ERR(VCPU_START, STATE, fb_vcpu_start(own, 0, 0, (u64)upcall_entry, 0, 0, NULL));
    ERR(SLICE_SET, NAME, fb_slice_set(NONAME, 50, 0, 0, NULL));
    ERR(SLICE_SET, TYPE, fb_slice_set(MEM, 50, 0, 0, NULL));
    ERR(SLICE_SET, RANGE, fb_slice_set(INFO->cap_slices[0], 64 * 32, 0, 0, NULL));
    ERR(SLICE_SET, ARG, fb_slice_set(INFO->cap_slices[0], 50, c->vcpu[0], 1, NULL));
    u64 part = derive(INFO->cap_slices[0],
                      FB_AUTH(FB_ATOM_APP, FB_KIND_SCHEDULER, FB_RIGHT_DERIVE), 0, 64);
    ERR(SLICE_SET, AUTHORITY, fb_slice_set(part, 50, 0, 0, NULL));
    OK(AGAIN(fb_cap_delete(part, NULL)));
    struct fb_domain_params *p = (void *)BUFFER,
                            good = { f + 6, f + 1, 1, f + 2, FB_CLASS_ROOT, 0, "x" };
    *p = good;
    ERR(DOMAIN_CREATE, NAME, fb_domain_create(NONAME, MEM, 0, &v));
    ERR(DOMAIN_CREATE, TYPE, fb_domain_create(MEM, MEM, 0, &v));
    ERR(DOMAIN_CREATE, AUTHORITY, fb_domain_create(INFO->cap_machine, none, 0, &v));
    ERR(DOMAIN_CREATE, FAULT,
        fb_domain_create(INFO->cap_machine, MEM, FB_BUFFER_BYTES, &v));
    p->gate = 7;
    ERR(DOMAIN_CREATE, ARG, fb_domain_create(INFO->cap_machine, MEM, 0, &v));
    *p = good, p->table_frame = 0;
    ERR(DOMAIN_CREATE, RANGE, fb_domain_create(INFO->cap_machine, MEM, 0, &v));
    *p = good, p->window_frame = f + 6;
    ERR(DOMAIN_CREATE, INUSE, AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &v)));
    /* A table that is too large for one step. */
    u64 many = frames(300, 1), big;
    *p = good, p->table_frame = many, p->table_frames = 300;
    OK(AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &big)));
    long e;
    while ((e = fb_domain_destroy(big, NULL)) == -FB_E_BUSY)
        ;
    ERR(DOMAIN_DESTROY, RESUME, e);
    struct kchild k = { .domain = big };
    OK(kchild_destroy_domain(&k));
    frames_back(many, 300);
    /* A domain of a lesser clearance: no grant above it, no maker below it. */
    *p = good, p->clearance = FB_CLASS_USER;
    u64 low;
    OK(AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &low)));
    ERR(CAP_GRANT, CLEARANCE, fb_cap_grant(MEM, low, FB_AUTH_ALL, f, f + 1, &v));
    ERR(VCPU_CREATE, STATE, AGAIN(fb_vcpu_create(low, 0, MEM, f + 3, f + 4, &v)));
    for (int i = 0; i < 32; i++)
        if ((e = AGAIN(fb_cap_grant(MEM, low, FB_AUTH(FB_CLASS_USER, 0xffff, 0xffff), f,
                                    f + 1, &v))))
            break;
    ERR(CAP_GRANT, FULL,
        AGAIN(fb_cap_grant(MEM, low, FB_AUTH(FB_CLASS_USER, 0xffff, 0xffff), f, f + 1,
                           &v)));
    k.domain = low;
    OK(kchild_destroy_domain(&k));
    OK(AGAIN(fb_cap_delete(plain, NULL)));
    OK(AGAIN(fb_cap_delete(mute, NULL)));
    frames_back(f, 8);
}

static u32
wait_end(struct kchild *c, u64 *code)
{
    const struct fb_domain_status *s = (const void *)BUFFER;

    for (u32 i = 0; i < 2000; i++) {
        OK(fb_domain_status(c->domain, 0, NULL));
        if (s->state != FB_DOMAIN_ALIVE)
            break;
        fb_wait(__builtin_ia32_rdtsc() + RECORD->tsc_hz / 1000, NULL);
    }
    *code = s->code;
    return s->cause;
}

void
test_domains(void)
{
    static const u64 cpu0[] = { 0, 0 };
    u64 none = derive(MEM, FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS, FB_RIGHT_READ), 0,
                      ~0ull),
        code;
    struct kchild c;

    OK(kchild_make(&c, 1, cpu0));
    child_errors(&c, none);
    OK(AGAIN(fb_domain_watch(c.domain, INFO->cap_vcpu[0], 9, NULL)));
    fb_wait(0, NULL);
    OK(kchild_start(&c, 0, child_exit, NULL));
    CHECK(wait_end(&c, &code) == FB_END_EXIT && code == 42);
    /* Ended, not yet destroyed. */
    ERR(CAP_GRANT, DEAD, AGAIN(fb_cap_grant(MEM, c.domain, FB_AUTH_ALL, 0, ~0ull, &v)));
    ERR(DOMAIN_WATCH, DEAD, AGAIN(fb_domain_watch(c.domain, INFO->cap_vcpu[0], 9, NULL)));
    ERR(SIGNAL, DEAD, fb_signal(c.vcpu[0], 1, NULL));
    ERR(YIELD, DEAD, fb_yield(c.vcpu[0], NULL));
    ERR(VCPU_CREATE, DEAD,
        AGAIN(fb_vcpu_create(c.domain, 0, MEM, c.frames + 20, c.frames + 22, &v)));
    ERR(VCPU_START, DEAD,
        AGAIN(fb_vcpu_start(c.vcpu[0], 0, 0, FB_WINDOW_BASE, 0, 0, NULL)));
    ERR(SLICE_SET, DEAD,
        AGAIN(fb_slice_set(INFO->cap_slices[0], 50, c.vcpu[0], RECORD->tsc_hz / 1000,
                           NULL)));
    ERR(SPACE_CREATE, DEAD, AGAIN(fb_space_create(c.domain, MEM, c.frames + 20, &v)));
    ERR(SPACE_MAP, DEAD,
        AGAIN(fb_space_map(c.domain, FB_WINDOW_BASE, MEM, c.frames + 20, RW, 1, &v)));
    ERR(SPACE_TABLE, DEAD,
        AGAIN(fb_space_table(c.domain, FB_WINDOW_BASE, 2, MEM, c.frames + 20, &v)));
    ERR(IRQ_BIND, DEAD,
        AGAIN(fb_irq_bind(INFO->cap_com[1].irq, 3, c.vcpu[0], 5, 0, NULL)));
    OK(kchild_destroy(&c));
    ERR(DOMAIN_STATUS, NAME, fb_domain_status(c.domain, 0, NULL));
    ERR(SIGNAL, NAME, fb_signal(c.vcpu[0], 1, NULL));
    /* Ends by faults. */
    OK(kchild_make(&c, 1, cpu0));
    OK(kchild_start(&c, 0, child_fault, NULL));
    CHECK(wait_end(&c, &code) == FB_END_NO_ENTRY && code == 6);
    OK(kchild_destroy(&c));
    OK(kchild_make(&c, 1, cpu0));
    OK(kchild_start(&c, 0, child_fault, child_upcall_bad));
    CHECK(wait_end(&c, &code) == FB_END_DOUBLE_FAULT && code == 6);
    OK(kchild_destroy(&c));
    /* Never started; started twice; waiting; revocation above an object's memory is
     * refused. */
    OK(kchild_make(&c, 2, cpu0));
    ERR(CAP_REVOKE, INUSE,
        AGAIN(fb_cap_revoke(c.domain, NULL))); /* vCPUs were made through it */
    CHECK(fb_cap_delete(c.domain, NULL) == -FB_E_INUSE &&
          fb_cap_delete(c.vcpu[0], NULL) == -FB_E_INUSE);
    OK(kchild_start(&c, 0, child_wait, NULL));
    ERR(VCPU_START, STATE, kchild_start(&c, 0, child_wait, NULL));
    fb_wait(__builtin_ia32_rdtsc() + RECORD->tsc_hz / 100, NULL);
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_delete(none, NULL)));
}
