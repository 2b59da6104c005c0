/* SPDX-License-Identifier: MIT */
/* The root archive of an instance: found in the bundle that the machine was started with,
 * and copied where more than one start needs it. */
#include "steward/archive.h"
#include "steward/steward.h"

/* The frames of the root archive that the manifest names, if it names one. */
static bool
find_root(const struct instance *i, struct fb_range *out)
{
    const struct manifest_instance *what = i->what;
    struct archive_member m;

    *out = (struct fb_range){ 0, 0 };
    if (what->initrd || strcmp(what->root, "initrd") == 0) {
        *out = archive_initrd();
        return true; /* a machine may be started without one */
    }
    if (!what->root[0])
        return true;
    if (!archive_find("root", what->root, &m)) {
        say("instance %s: there is no root `%s` in the initrd", what->name, what->root);
        return false;
    }
    *out = m.bytes;
    return true;
}

static bool
is_shared(const struct instance *i, const struct fb_range *root)
{
    struct fb_range other;

    for (u32 k = 0; k < instance_count; k++) {
        const struct manifest_instance *what = instances[k].what;
        if (&instances[k] == i || (!what->initrd && !what->root[0]))
            continue;
        if (find_root(&instances[k], &other) && other.lo == root->lo)
            return true;
    }
    return false;
}

static void
copy_frames(u64 to, u64 from, u64 frames)
{
    for (u64 n; frames > 0; frames -= n, to += n, from += n) {
        n = frames < 256 ? frames : 256;
        void *t = own_map(1, BOOT->cap_memory, to, n, true);
        memcpy(t, own_map(3, BOOT->cap_memory, from, n, false), n * PAGE);
        own_unmap(1, n);
        own_unmap(3, n);
    }
}

/* A LibOS takes the frames of its root over, and writes to them.  So each start gets a
 * copy, but where there is only one start and one user: then it gets the archive. */
bool
root_take(struct instance *i)
{
    struct fb_range whole, copy;

    if (!find_root(i, &whole))
        return false;
    i->root = whole;
    i->root_copied = false;
    if (whole.lo >= whole.hi)
        return true;
    if (i->what->on_end == ON_END_POWER && i->what->restart == RESTART_NEVER &&
        !i->root_moved && !is_shared(i, &whole)) {
        i->root_moved = true;
        return true;
    }
    if (i->root_moved) {
        say("instance %s: its root was given to it at its first start", i->what->name);
        return false;
    }
    u64 frames = (whole.hi - whole.lo + PAGE - 1) / PAGE;
    if (!memory_take_piece((frames + 511) & ~511ull, &copy)) {
        say("instance %s: no memory is left for a copy of its root (%lu KiB)",
            i->what->name, frames * 4);
        return false;
    }
    copy_frames(copy.lo, whole.lo / PAGE, frames);
    i->root = (struct fb_range){ copy.lo * PAGE, copy.lo * PAGE + (whole.hi - whole.lo) };
    i->root_copied = true;
    return true;
}

void
root_give_back(struct instance *i)
{
    u64 lo = i->root.lo / PAGE, frames = (i->root.hi - i->root.lo + PAGE - 1) / PAGE;
    struct ranges r = { 1, { { lo, lo + ((frames + 511) & ~511ull) } } };

    if (i->root_copied)
        memory_give_back(&r);
    i->root_copied = false;
    i->root = (struct fb_range){ 0, 0 };
}
