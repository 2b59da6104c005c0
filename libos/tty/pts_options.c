/* SPDX-License-Identifier: MIT */
/* The options of a devpts; pts_options.h. */
#include "tty/pts_options.h"

#include "core/error.h"
#include "core/log.h"
#include "core/string.h"

#define PTS_MINORS (1u << 20)
#define PTS_MODE   0600u

/* One option; false: not a known one, or not a number. */
static bool
set_option(struct pts_options *o, const char *name, u32 length, const char *value)
{
    const struct {
        const char *name;
        u32 base, mask;
        u32 *to;
        bool *has;
    } known[] = { { "uid", 10, ~0u, &o->uid, &o->has_uid },
                  { "gid", 10, ~0u, &o->gid, &o->has_gid },
                  { "mode", 8, 0777u, &o->mode, NULL },
                  { "ptmxmode", 8, 0777u, &o->ptmx_mode, NULL },
                  { "max", 10, ~0u, &o->max, NULL } };
    u32 k = 0;
    u64 n = 0;

    if (length == 11 && memcmp(name, "newinstance", 11) == 0)
        return value == NULL;
    while (k < ARRAY_SIZE(known) &&
           (strlen(known[k].name) != length || memcmp(known[k].name, name, length) != 0))
        k++;
    if (k == ARRAY_SIZE(known) || value == NULL || *value == '\0' || *value == ',')
        return false;
    for (; *value != '\0' && *value != ','; value++) {
        if (*value < '0' || (u32)(*value - '0') >= known[k].base)
            return false;
        n = n * known[k].base + (u32)(*value - '0');
        if (n > 0x7fffffffu)
            return false;
    }
    *known[k].to = (u32)n & known[k].mask;
    if (known[k].has != NULL)
        *known[k].has = true;
    return o->max <= PTS_MINORS;
}

int
pts_options_read(struct pts_options *o, const char *text)
{
    *o = (struct pts_options){ .mode = PTS_MODE, .max = PTS_MINORS };
    for (const char *at = text; *at != '\0';) {
        u32 length = 0;
        while (at[length] != '\0' && at[length] != ',' && at[length] != '=')
            length++;
        const char *value = at[length] == '=' ? at + length + 1 : NULL;
        if (length != 0 && !set_option(o, at, length, value))
            return -E_INVAL;
        at += length;
        while (*at != '\0' && *at++ != ',')
            ;
    }
    return 0;
}

void
pts_options_show(const struct pts_options *o, char *to, u32 size)
{
    char ids[40] = "", max[20] = "";

    if (o->has_uid && o->has_gid)
        format_text(ids, sizeof(ids), ",uid=%u,gid=%u", o->uid, o->gid);
    else if (o->has_uid || o->has_gid)
        format_text(ids, sizeof(ids), o->has_uid ? ",uid=%u" : ",gid=%u",
                    o->has_uid ? o->uid : o->gid);
    if (o->max < PTS_MINORS)
        format_text(max, sizeof(max), ",max=%u", o->max);
    format_text(to, size, "%s,mode=%u%u%u,ptmxmode=%u%u%u%s", ids, o->mode >> 6,
                o->mode >> 3 & 7, o->mode & 7, o->ptmx_mode >> 6, o->ptmx_mode >> 3 & 7,
                o->ptmx_mode & 7, max);
}
