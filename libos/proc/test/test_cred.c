/* SPDX-License-Identifier: MIT */
/* The rules of ids and capabilities as tables: setuid(2), setreuid(2), setresuid(2),
 * capabilities(7). */
#include <string.h>

#include "vfs/xattr.h"
#include "core/test/check.h"
#include "proc/test/world.h"

#define K CRED_KEEP
#define SUID CAP_BIT(CAP_SETUID)

/* The calling process gets exactly these. */
static void
become(u32 uid, u32 euid, u32 suid, u64 caps, u32 securebits)
{
    struct cred *c = cred_new();
    CHECK(c != NULL);
    c->uid = uid;
    c->euid = c->fsuid = euid;
    c->suid = suid;
    c->permitted = c->effective = caps;
    c->securebits = securebits;
    cred_install(c);
}

enum call { SETUID, SETREUID, SETRESUID };
struct rule {
    u32 from[3];
    u64 caps;
    enum call call;
    u32 args[3];
    int error;
    u32 to[3];
};
static const struct rule rules[] = {
    /* setuid: with the capability all three, else only the effective one. */
    { { 0, 0, 0 }, SUID, SETUID, { 5 }, 0, { 5, 5, 5 } },
    { { 1, 2, 3 }, SUID, SETUID, { 9 }, 0, { 9, 9, 9 } },
    { { 1, 2, 3 }, 0, SETUID, { 1 }, 0, { 1, 1, 3 } },
    { { 1, 2, 3 }, 0, SETUID, { 3 }, 0, { 1, 3, 3 } },
    { { 1, 2, 3 }, 0, SETUID, { 2 }, -E_PERM, { 1, 2, 3 } },
    { { 1, 2, 3 }, 0, SETUID, { K }, -E_INVAL, { 1, 2, 3 } },
    /* Uid 0 without the capability is nobody special. */
    { { 0, 0, 0 }, 0, SETUID, { 5 }, -E_PERM, { 0, 0, 0 } },
    /* setreuid: real from real or effective, effective from any; saved follows. */
    { { 1, 2, 3 }, 0, SETREUID, { 2, 1 }, 0, { 2, 1, 1 } },
    { { 1, 2, 3 }, 0, SETREUID, { 3, K }, -E_PERM, { 1, 2, 3 } },
    { { 1, 2, 3 }, 0, SETREUID, { K, 3 }, 0, { 1, 3, 3 } },
    { { 1, 2, 3 }, 0, SETREUID, { K, 1 }, 0, { 1, 1, 3 } },
    { { 1, 2, 3 }, 0, SETREUID, { K, 9 }, -E_PERM, { 1, 2, 3 } },
    { { 1, 2, 3 }, SUID, SETREUID, { 7, 8 }, 0, { 7, 8, 8 } },
    { { 1, 2, 3 }, 0, SETREUID, { K, K }, 0, { 1, 2, 3 } },
    /* setresuid: each from any of the three. */
    { { 1, 2, 3 }, 0, SETRESUID, { 3, 1, 2 }, 0, { 3, 1, 2 } },
    { { 1, 2, 3 }, 0, SETRESUID, { K, K, 1 }, 0, { 1, 2, 1 } },
    { { 1, 2, 3 }, 0, SETRESUID, { 1, 2, 9 }, -E_PERM, { 1, 2, 3 } },
    { { 1, 2, 3 }, SUID, SETRESUID, { 7, 8, 9 }, 0, { 7, 8, 9 } },
};

/* Verify the table above. */
static void
test_user_ids_follow_the_table(void)
{
    struct process *p = proc_current();
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct rule *r = &rules[i];
        become(r->from[0], r->from[1], r->from[2], r->caps, 0);
        int got = r->call == SETUID     ? cred_set_uid(r->args[0])
                  : r->call == SETREUID ? cred_set_reuid(r->args[0], r->args[1])
                                        : cred_set_resuid(r->args[0], r->args[1],
                                                          r->args[2]);
        const struct cred *c = p->cred;
        CHECK(got == r->error);
        CHECK(c->uid == r->to[0] && c->euid == r->to[1] && c->suid == r->to[2]);
        CHECK(c->fsuid == c->euid);
    }
}

struct fate {
    u32 from[3], to[3], securebits;
    u64 permitted, effective; /* afterwards; before it all */
};
static const struct fate fates[] = {
    { { 0, 0, 0 }, { 5, 5, 5 }, 0, 0, 0 },
    { { 0, 0, 0 }, { 5, 5, 5 }, SECURE_KEEP_CAPS, CAPS_ALL, 0 },
    { { 0, 0, 0 }, { 5, 5, 5 }, SECURE_NO_SETUID_FIXUP, CAPS_ALL, CAPS_ALL },
    { { 0, 0, 0 }, { 0, 5, 0 }, 0, CAPS_ALL, 0 },
    { { 0, 0, 0 }, { 5, 5, 0 }, 0, CAPS_ALL, 0 },
    { { 5, 5, 5 }, { 5, 0, 5 }, 0, CAPS_ALL, CAPS_ALL },
    { { 5, 5, 5 }, { 6, 6, 6 }, 0, CAPS_ALL, CAPS_ALL },
};

/* Verify what a change of user ids does to the capabilities. */
static void
test_capabilities_follow_user_ids(void)
{
    struct process *p = proc_current();
    for (size_t i = 0; i < ARRAY_SIZE(fates); i++) {
        const struct fate *f = &fates[i];
        become(f->from[0], f->from[1], f->from[2], CAPS_ALL, f->securebits);
        CHECK(cred_set_resuid(f->to[0], f->to[1], f->to[2]) == 0);
        CHECK(p->cred->permitted == f->permitted && p->cred->effective == f->effective);
    }
    /* setfsuid takes away only what is about files, and gives it back. */
    become(0, 0, 0, CAPS_ALL, 0);
    CHECK(cred_set_fsuid(5) == 0 && !cred_can(p->cred, CAP_DAC_OVERRIDE));
    CHECK(cred_can(p->cred, CAP_KILL));
    CHECK(cred_set_fsuid(0) == 5 && cred_can(p->cred, CAP_DAC_OVERRIDE));
}

struct program {
    u32 uid, euid, securebits, mode, owner;
    u64 permitted, inheritable, bounding, ambient;
    u32 euid_after;
    u64 permitted_after, effective_after;
};
#define A CAP_BIT(CAP_KILL)
#define B CAP_BIT(CAP_CHOWN)
static const struct program programs[] = {
    { 0, 0, 0, 0755, 0, CAPS_ALL, 0, CAPS_ALL, 0, 0, CAPS_ALL, CAPS_ALL },
    { 0, 0, 0, 0755, 0, CAPS_ALL, 0, A, 0, 0, A, A },
    { 0, 0, 0, 0755, 0, A, B, A, 0, 0, A | B, A | B },
    { 5, 5, 0, 0755, 0, A, A, CAPS_ALL, 0, 5, 0, 0 },
    { 5, 5, 0, 0755, 0, A, A, CAPS_ALL, A, 5, A, A },
    { 5, 5, 0, 04755, 0, A, A, CAPS_ALL, A, 0, CAPS_ALL, CAPS_ALL },
    { 5, 5, 0, 04755, 6, A, A, CAPS_ALL, A, 6, 0, 0 },
    { 0, 5, 0, 0755, 0, CAPS_ALL, 0, CAPS_ALL, 0, 5, CAPS_ALL, 0 },
    { 0, 0, SECURE_NOROOT, 0755, 0, CAPS_ALL, 0, CAPS_ALL, 0, 0, 0, 0 },
};

/* Verify what exec makes of the sets. */
static void
test_exec_transforms_capabilities(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        const struct program *x = &programs[i];
        struct cred from = { .refs = 1, .uid = x->uid, .euid = x->euid,
                             .securebits = x->securebits | SECURE_KEEP_CAPS,
                             .permitted = x->permitted, .inheritable = x->inheritable,
                             .bounding = x->bounding, .ambient = x->ambient };
        struct file_rights program = { .mode = x->mode, .uid = x->owner };
        struct cred *c;
        bool secure;
        CHECK(cred_for_exec(&from, &program, true, true, &c, &secure) == 0);
        CHECK(c->euid == x->euid_after && c->suid == c->euid);
        CHECK(c->permitted == x->permitted_after && c->effective == x->effective_after);
        CHECK(!(c->securebits & SECURE_KEEP_CAPS));
        cred_release(c);
        if (x->mode & 04000) {
            CHECK(cred_for_exec(&from, &program, false, true, &c, &secure) == 0);
            CHECK(c->euid == x->euid);
            cred_release(c);
        }
    }
}

/* A file with capabilities, run by uid 5 (or 0) whose own are `permitted`. */
struct gift {
    u32 uid, mode;
    u64 inheritable, bounding;
    struct file_caps file;
    bool may_gain;
    int error;
    u64 permitted_after, effective_after;
    bool secure;
};
static const struct gift gifts[] = {
    { 5, 0755, 0, CAPS_ALL, { true, true, A, 0 }, true, 0, A, A, true },
    { 5, 0755, 0, CAPS_ALL, { true, false, A, 0 }, true, 0, A, 0, true },
    { 5, 0755, B, CAPS_ALL, { true, true, A, B }, true, 0, A | B, A | B, true },
    { 5, 0755, 0, CAPS_ALL, { true, false, A, B }, true, 0, A, 0, true },
    { 5, 0755, 0, B, { true, false, A | B, 0 }, true, 0, B, 0, true },
    { 5, 0755, 0, B, { true, true, A | B, 0 }, true, -E_PERM, 0, 0, false },
    { 5, 0755, 0, CAPS_ALL, { true, true, A, 0 }, false, 0, 0, 0, true },
    { 5, 0755, 0, CAPS_ALL, { true, false, 0, 0 }, true, 0, 0, 0, false },
    { 5, 04755, 0, CAPS_ALL, { true, true, A, 0 }, true, 0, A, A, true },
    { 0, 0755, 0, CAPS_ALL, { true, false, A, 0 }, true, 0, CAPS_ALL, CAPS_ALL, false },
};

/* Verify what a file's capabilities give; root's program that is set-user-id gives only
 * these. */
static void
test_exec_takes_file_capabilities(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(gifts); i++) {
        const struct gift *g = &gifts[i];
        struct cred from = { .refs = 1, .uid = g->uid, .euid = g->uid,
                             .inheritable = g->inheritable, .bounding = g->bounding };
        struct file_rights program = { .mode = g->mode, .caps = g->file };
        struct cred *c;
        bool secure;
        CHECK(cred_for_exec(&from, &program, true, g->may_gain, &c, &secure) == g->error);
        if (g->error != 0)
            continue;
        CHECK(c->permitted == g->permitted_after && c->effective == g->effective_after);
        CHECK(secure == g->secure);
        cred_release(c);
    }
}

/* Verify capset, the bounding and ambient sets and locked bits. */
static void
test_sets_only_shrink(void)
{
    struct process *p = proc_current();
    become(5, 5, 5, A, 0);
    CHECK(cred_set_caps(A, A | B, 0) == -E_PERM);
    CHECK(cred_set_caps(A | B, A, 0) == -E_PERM);
    CHECK(cred_set_caps(0, A, B) == -E_PERM);
    CHECK(cred_raise_ambient(CAP_KILL) == -E_PERM);
    CHECK(cred_set_caps(0, A, A) == 0 && p->cred->effective == 0);
    CHECK(cred_raise_ambient(CAP_KILL) == 0 && p->cred->ambient == A);
    CHECK(cred_set_caps(0, 0, A) == 0 && p->cred->ambient == 0);
    CHECK(cred_drop_bounding(CAP_KILL) == -E_PERM);
    CHECK(cred_set_securebits(SECURE_NOROOT) == -E_PERM);
    become(5, 5, 5, CAP_BIT(CAP_SETPCAP), 0);
    CHECK(cred_drop_bounding(CAP_KILL) == 0 && !(p->cred->bounding & A));
    CHECK(cred_set_caps(0, CAP_BIT(CAP_SETPCAP), A) == -E_PERM);
    CHECK(cred_set_securebits(0x100) == -E_PERM);
    CHECK(cred_set_securebits(SECURE_KEEP_CAPS << 1) == 0);
    CHECK(cred_keep_caps(true) == -E_PERM);
    CHECK(cred_set_securebits(0) == -E_PERM);
}

/* Verify that groups are found however many and however ordered they come. */
static void
test_groups_are_found(void)
{
    struct process *p = proc_current();
    become(0, 0, 0, CAPS_ALL, 0);
    struct cred_groups *g = cred_groups_new(CRED_GROUPS_MAX);
    CHECK(g != NULL);
    for (u32 i = 0; i < CRED_GROUPS_MAX; i++)
        g->id[i] = (i * 40503u % CRED_GROUPS_MAX) * 2 + 10;
    CHECK(cred_set_groups(g) == 0);
    for (u32 i = 1; i < CRED_GROUPS_MAX; i++)
        CHECK(g->id[i - 1] < g->id[i]);
    CHECK(cred_in_group(p->cred, 10) && !cred_in_group(p->cred, 11));
    CHECK(cred_in_group(p->cred, 2 * CRED_GROUPS_MAX + 8));
    CHECK(!cred_in_group(p->cred, 2 * CRED_GROUPS_MAX + 10));
    CHECK(cred_in_group(p->cred, 0)); /* fsgid */
    CHECK(cred_set_groups(NULL) == 0 && !cred_in_group(p->cred, 10));
}

static void
all_tests(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    RUN(test_user_ids_follow_the_table);
    RUN(test_capabilities_follow_user_ids);
    RUN(test_exec_transforms_capabilities);
    RUN(test_exec_takes_file_capabilities);
    RUN(test_sets_only_shrink);
    RUN(test_groups_are_found);
    world_done();
}

int
main(void)
{
    world_start();
    world_run(all_tests);
    DONE();
}
