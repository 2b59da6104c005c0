/* SPDX-License-Identifier: MIT */
/*
 * The control port: a request line of an instance that has `devices control`, and the
 * text that answers it.
 *
 * O1. A request is answered from memory in one go, and never waited for: what takes time
 *     (an end, a reclaim) is only begun, and `list` shows how it goes on.
 * O2. The reply is made whole in a buffer of the steward's and goes into the ring as the
 *     ring has room; until then the instance's next request is not read.
 * O3. The line is untrusted text: words of at most WORD bytes, and nothing of it is used
 *     but by comparison, as a bounded number, or printed without what is not printable.
 */
#include "steward/words.h"
#include "steward/steward.h"

#include <sdk/stubs.h>

#define REPLY_BYTES 32768u
#ifndef REPLIES_VA /* the host has another window */
#define REPLIES_VA (FB_WINDOW_BASE + 0x7d00000000ull)
#endif
#define STOP_MS 10000u
#define MS_MAX  3600000u

static struct control {
    bool used;
    char line[STEWARD_LINE + 1];
    u32 length;
    bool too_long;
    u32 tag;
    char *reply;
    size_t bytes, sent;
    bool replying;
} controls[MANIFEST_CONTROLS];
static u32 control_of[MANIFEST_INSTANCES]; /* index in controls, plus 1; kept for ever */
static u32 control_count;

void
text_add(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    size_t n = sdk_format(t->to + t->length, t->size - t->length, format, args);
    va_end(args);
    t->length = n < t->size - t->length ? t->length + n : t->size - 1;
}

void
control_begin(struct instance *i)
{
    if (control_of[i->index] == 0) {
        u32 n = control_count++; /* the manifest has at most MANIFEST_CONTROLS */
        u64 va = REPLIES_VA + n * REPLY_BYTES;
        for (u64 at = 0; at < REPLY_BYTES; at += PAGE)
            if (window_map(0, va + at, BOOT->cap_memory, pool_frame(), 1,
                           FB_MAP_READ | FB_MAP_WRITE, NULL) != 0)
                give_up("cannot map a buffer for replies");
        controls[n].reply = (char *)va;
        control_of[i->index] = n + 1;
    }
    struct control *c = &controls[control_of[i->index] - 1];
    *c = (struct control){ .used = true, .reply = c->reply };
    if (!ring_consumer_sleeps(&i->port.requests))
        give_up("a ring that was just cleared is not empty");
}

/* ---- the requests ---- */

static bool
refuse(struct text *t, const char *what, const char *word)
{
    t->length = 0;
    text_add(t, "error: %s%s%s\n", what, word[0] ? ": " : "", word);
    return false;
}

static void
answer(struct text *t, bool good, const char *why)
{
    if (!good)
        refuse(t, why, "");
}

static void
do_log(struct words *w, struct text *t, struct instance *i)
{
    (void)w;
    t->length += log_copy(i ? i->index : MANIFEST_INSTANCES, t->to + t->length,
                          t->size - t->length - 1);
}

static void
do_start(struct words *w, struct text *t, struct instance *i)
{
    char why[96];
    (void)w;
    answer(t, life_start(i, why, sizeof(why)), why);
}

static void
do_stop(struct words *w, struct text *t, struct instance *i)
{
    char why[96];
    u64 ms = STOP_MS;
    if (w->count > 2 && !words_number(w->word[2], MS_MAX, &ms))
        refuse(t, "the time to stop is 0 to 3600000 milliseconds", w->word[2]);
    else
        answer(t, life_stop(i, ms, why, sizeof(why)), why);
}

static void
do_kill(struct words *w, struct text *t, struct instance *i)
{
    char why[96];
    (void)w;
    answer(t, life_kill(i, why, sizeof(why)), why);
}

static void
do_caps(struct words *w, struct text *t, struct instance *i)
{
    u64 slot = 0;
    if (w->count > 2 && !words_number(w->word[2], 1u << 24, &slot))
        refuse(t, "a slot is a number", w->word[2]);
    else if (!i->alive)
        refuse(t, "it is down", i->what->name);
    else
        report_caps(t, i, slot);
}

/* reclaim NAME SIZE|PERCENT% [MS [TO]] */
static void
do_reclaim(struct words *w, struct text *t, struct instance *i)
{
    u64 amount = 0, ms = 1000;
    bool percent = false;
    struct instance *to = NULL;

    if (w->count < 3 || !words_amount(w->word[2], &amount, &percent)) {
        refuse(t, "how much: a size with K, M or G, or a part of its time like 50%", "");
        return;
    }
    if (w->count > 3 && !words_number(w->word[3], MS_MAX, &ms)) {
        refuse(t, "the deadline is 0 to 3600000 milliseconds", w->word[3]);
        return;
    }
    if (w->count > 4 && !(to = instance_named(w->word[4]))) {
        refuse(t, "there is no instance", w->word[4]);
        return;
    }
    u32 kind = percent ? RECLAIM_TIME : RECLAIM_MEMORY;
    u64 of = 0;
    for (u32 v = 0; percent && v < i->nvcpus; v++)
        of += i->reclaim.ticks[v];
    amount = percent ? of / 100 * amount : (amount + PAGE - 1) / PAGE;
    if (i->state != STATE_UP || !reclaim_ask(i, kind, amount, ms, to))
        refuse(t,
               i->reclaim.open ? "it is being asked already"
                               : "it has nothing that can be asked back",
               i->what->name);
}

static void
do_console(struct words *w, struct text *t, struct instance *i)
{
    char why[96];
    (void)w;
    answer(t, terminal_move(i, why, sizeof(why)), why);
}

static const struct {
    const char *name;
    u32 least, most; /* words behind it */
    void (*fn)(struct words *w, struct text *t, struct instance *i);
    bool steward; /* `steward` will do for the name */
} verbs[] = {
    { "start", 1, 1, do_start, false },     { "stop", 1, 2, do_stop, false },
    { "kill", 1, 1, do_kill, false },       { "log", 1, 1, do_log, true },
    { "caps", 1, 2, do_caps, false },       { "reclaim", 2, 4, do_reclaim, false },
    { "console", 1, 1, do_console, false },
};

static bool
carry_out(struct words *w, struct text *t)
{
    for (u32 n = 0; n < sizeof(verbs) / sizeof(verbs[0]); n++) {
        if (strcmp(w->word[0], verbs[n].name) != 0)
            continue;
        if (w->count - 1 < verbs[n].least || w->count - 1 > verbs[n].most)
            return refuse(t, "the wrong number of words behind", w->word[0]);
        struct instance *i = instance_named(w->word[1]);
        if (!i && !(verbs[n].steward && strcmp(w->word[1], "steward") == 0))
            return refuse(t, "there is no instance", w->word[1]);
        verbs[n].fn(w, t, i);
        return true;
    }
    if (w->count == 1 && strcmp(w->word[0], "list") == 0)
        report_list(t);
    else if (w->count == 1 && strcmp(w->word[0], "top") == 0)
        report_top(t);
    else
        return refuse(t, "no such request", w->word[0]);
    return true;
}

/* ---- in and out ---- */

static void
execute(struct control *c)
{
    struct words w;
    struct text t = { c->reply, REPLY_BYTES, 0 };

    c->line[c->length] = '\0';
    text_add(&t, "ok\n");
    if (c->too_long)
        refuse(&t, "a request has at most 255 characters", "");
    else if (!words_split(&w, c->line))
        refuse(&t, "a request has 1 to 6 words of at most 63 characters", "");
    else
        carry_out(&w, &t);
    c->bytes = t.length;
    c->sent = 0;
    c->replying = true;
    c->length = 0;
    c->too_long = false;
}

/* Everything that the ring has room for; true: the reply is out. */
static bool
send_reply(struct instance *i, struct control *c)
{
    bool some = false;

    /* Who empties and fills slots behind the ring's back gets no more turns than that. */
    for (u32 turn = 0; c->replying && turn < 3 * REPLY_BYTES / PACKET_BYTES; turn++) {
        size_t n = c->bytes - c->sent;
        bool last = n <= PACKET_BYTES;
        if (!packet_send(&i->port.replies, c->reply + c->sent, n, last ? PACKET_END : 0,
                         c->tag)) {
            if (ring_producer_sleeps(&i->port.replies))
                break; /* who takes a packet rings */
            continue;
        }
        some = true;
        c->sent += last ? n : PACKET_BYTES;
        c->replying = !last;
    }
    if (some && ring_bell_consumer(&i->port.replies))
        fb_signal(i->vcpus[0], 1ull << STEWARD_EVENT, NULL);
    return !c->replying;
}

/* One packet of a request; true: the line is whole. */
static bool
take_packet(struct control *c, u64 word, const char *bytes, u64 count)
{
    for (u64 n = 0; n < count; n++)
        if (c->length < STEWARD_LINE)
            c->line[c->length++] = bytes[n];
        else
            c->too_long = true;
    c->tag = PACKET_TAG(word);
    return word & PACKET_END;
}

bool
control_drain(struct instance *i)
{
    struct control *c = &controls[control_of[i->index] - 1];
    char bytes[PACKET_BYTES];
    u64 count;

    if (!send_reply(i, c))
        return false;
    for (u32 n = 0; n < STEWARD_LINE; n++) {
        u64 word = packet_receive(&i->port.requests, bytes, &count);
        if (word == 0)
            return !ring_consumer_sleeps(&i->port.requests);
        if (!take_packet(c, word, bytes, count))
            continue;
        execute(c);
        if (i->state != STATE_UP || !send_reply(i, c))
            return false;
        return true; /* one request in a turn; others get theirs */
    }
    return true;
}
