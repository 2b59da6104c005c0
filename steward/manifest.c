/* SPDX-License-Identifier: MIT */
/* The manifest's parser: see manifest.h for the language.  No state but the parameters;
 * builds on the host too. */
#include "steward/manifest.h"

#define WORD 64

struct parser {
    const char *at, *end;
    u32 line;
    struct manifest *out;
    struct manifest_instance *now;
    char *error;
    size_t error_size;
};

static bool
fail(struct parser *p, const char *what, const char *word)
{
    sdk_print_to(p->error, p->error_size, "manifest, line %u: %s%s%s", p->line, what,
                 *word ? ": " : "", word);
    return false;
}

static void
skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

/* The next word of the line; false at its end (or a comment). A longer word than WORD is
 * cut, and so not recognised. */
static bool
next_word(struct parser *p, char word[WORD])
{
    size_t n = 0;

    skip_blanks(p);
    while (p->at < p->end && *p->at != ' ' && *p->at != '\t' && *p->at != '\n' &&
           *p->at != '\r' && *p->at != '#') {
        if (n + 1 < WORD)
            word[n++] = *p->at;
        p->at++;
    }
    word[n] = '\0';
    return n > 0;
}

static bool
number(const char *s, const char **rest, u64 *out)
{
    u64 n = 0;

    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (n > (1ull << 56))
            return false;
        n = n * 10 + (u64)(*s - '0');
    }
    *rest = s;
    *out = n;
    return true;
}

static bool
whole_number(const char *s, u64 lo, u64 hi, u64 *out)
{
    const char *rest;
    return number(s, &rest, out) && *rest == '\0' && *out >= lo && *out <= hi;
}

static bool
parse_size(const char *word, u64 *out)
{
    const char *rest;
    u64 n;

    if (!number(word, &rest, &n))
        return false;
    if (*rest == 'K')
        n <<= 10, rest++;
    else if (*rest == 'M')
        n <<= 20, rest++;
    else if (*rest == 'G')
        n = n < 1 << 20 ? n << 30 : ~0ull >> 1, rest++;
    *out = n;
    return *rest == '\0' && n <= 1ull << 46;
}

static bool
parse_memory(struct parser *p, const char *word)
{
    if (strcmp(word, "all") == 0) {
        p->now->memory = MEMORY_ALL;
        return true;
    }
    if (!parse_size(word, &p->now->memory) || p->now->memory < 4 << 20)
        return fail(p, "memory is `all`, or at least 4M, with K, M or G behind it", word);
    return true;
}

static bool
parse_chunk(struct parser *p, const char *word)
{
    if (!parse_size(word, &p->now->chunk) || p->now->chunk == 0 ||
        p->now->chunk % (2 << 20) != 0)
        return fail(p, "a chunk is a multiple of 2M", word);
    return true;
}

static bool
parse_cpus(struct parser *p, const char *word)
{
    u64 set = 0, n;

    if (strcmp(word, "all") == 0) {
        p->now->cpus = ~0ull;
        return true;
    }
    for (;;) {
        if (!number(word, &word, &n) || n >= FB_CPUS_MAX)
            return fail(p, "cpus wants numbers below 32, with commas, or `all`", word);
        set |= 1ull << n;
        if (*word == '\0')
            break;
        if (*word++ != ',')
            return fail(p, "cpus wants numbers below 32, with commas, or `all`", word);
    }
    p->now->cpus = set;
    return true;
}

static bool
parse_devices(struct parser *p, char word[WORD])
{
    static const struct {
        const char *name;
        u32 bit;
    } devices[] = { { "com1", DEVICE_COM1 },       { "com2", DEVICE_COM2 },
                    { "host", DEVICE_HOST },       { "power", DEVICE_POWER },
                    { "console", DEVICE_CONSOLE }, { "domains", DEVICE_DOMAINS },
                    { "control", DEVICE_CONTROL } };

    do {
        u32 bit = 0;
        for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
            if (strcmp(word, devices[i].name) == 0)
                bit = devices[i].bit;
        if (bit == 0)
            return fail(p, "unknown device", word);
        p->now->devices |= bit;
    } while (next_word(p, word));
    return true;
}

static bool
start_instance(struct parser *p, const char *name)
{
    if (p->out->count == MANIFEST_INSTANCES)
        return fail(p, "more than 60 instances", "");
    if (strlen(name) > 15)
        return fail(p, "a name has at most 15 characters", name);
    if (strcmp(name, "steward") == 0)
        return fail(p, "this is the name of the steward itself", name);
    for (u32 i = 0; i < p->out->count; i++)
        if (strcmp(p->out->instance[i].name, name) == 0)
            return fail(p, "there is an instance of this name already", name);
    p->now = &p->out->instance[p->out->count++];
    *p->now = (struct manifest_instance){
        .memory = MEMORY_ALL,
        .cpus = ~0ull,
        .gate = FB_GATE_VIEWS,
        .slice_us = 10000,
        .restart_ms = 100,
        .on_end = ON_END_KEEP,
        .personality = "posix",
    };
    memcpy(p->now->name, name, strlen(name) + 1);
    return true;
}

static bool
choose(struct parser *p, const char *word, const char *const names[], u32 count, u32 *out)
{
    for (u32 i = 0; i < count; i++)
        if (strcmp(word, names[i]) == 0) {
            *out = i;
            return true;
        }
    return fail(p, "not one of the words that stand there", word);
}

/* POLICY [LIMIT [MILLISECONDS]] */
static bool
parse_restart(struct parser *p, const char *word)
{
    static const char *const policies[] = { "never", "always", "on-failure" };
    char more[WORD];
    u32 choice;
    u64 n;

    if (!choose(p, word, policies, 3, &choice))
        return false;
    p->now->restart = (enum restart)choice;
    if (!next_word(p, more))
        return true;
    if (choice == RESTART_NEVER)
        return fail(p, "`restart never` has nothing behind it", more);
    if (!whole_number(more, 0, 1000000, &n))
        return fail(p, "how often to restart is 0 (no limit) to 1000000", more);
    p->now->restart_limit = (u32)n;
    if (!next_word(p, more))
        return true;
    if (!whole_number(more, 0, 3600000, &n))
        return fail(p, "the delay before a restart is 0 to 3600000 milliseconds", more);
    p->now->restart_ms = (u32)n;
    return true;
}

static bool
parse_args(struct parser *p)
{
    size_t n = 0;

    skip_blanks(p);
    for (; p->at < p->end && *p->at != '\n'; p->at++) {
        if (n + 1 == sizeof(p->now->args))
            return fail(p, "args are longer than 255 characters", "");
        p->now->args[n++] = *p->at;
    }
    p->now->args[n] = '\0';
    return true;
}

static bool
parse_setting(struct parser *p, const char *key, char word[WORD])
{
    static const char *const gates[] = { "views", "direct" };
    static const char *const ends[] = { "power", "restart", "keep" };
    static const char *const answers[] = { "no", "yes" };
    struct manifest_instance *i = p->now;
    u32 choice;
    u64 n;

    if (strcmp(key, "personality") == 0) {
        if (strlen(word) > 31)
            return fail(p, "a personality's name has at most 31 characters", word);
        memcpy(i->personality, word, strlen(word) + 1);
    } else if (strcmp(key, "memory") == 0) {
        return parse_memory(p, word);
    } else if (strcmp(key, "chunk") == 0) {
        return parse_chunk(p, word);
    } else if (strcmp(key, "chunks") == 0) {
        if (!whole_number(word, 0, RECLAIM_CHUNKS, &n))
            return fail(p, "chunks are at most 64", word);
        i->chunks = (u32)n;
    } else if (strcmp(key, "cpus") == 0) {
        return parse_cpus(p, word);
    } else if (strcmp(key, "devices") == 0) {
        return parse_devices(p, word);
    } else if (strcmp(key, "gate") == 0) {
        if (!choose(p, word, gates, 2, &i->gate))
            return false;
    } else if (strcmp(key, "on-end") == 0) {
        if (!choose(p, word, ends, 3, &choice))
            return false;
        i->on_end = choice == ON_END_POWER ? ON_END_POWER : ON_END_KEEP;
        if (choice == 1) { /* `restart`: at once, as often as it ends */
            i->restart = RESTART_ALWAYS;
            i->restart_ms = 0;
        }
    } else if (strcmp(key, "restart") == 0) {
        return parse_restart(p, word);
    } else if (strcmp(key, "root") == 0) {
        if (strlen(word) > ROOT_NAME_MAX)
            return fail(p, "the name of a root has at most 42 characters", word);
        memcpy(i->root, word, strlen(word) + 1);
    } else if (strcmp(key, "initrd") == 0) {
        if (!choose(p, word, answers, 2, &choice))
            return false;
        i->initrd = choice != 0;
    } else if (strcmp(key, "slots") == 0) {
        if (!whole_number(word, 64, 131072, &n))
            return fail(p, "slots are 64 to 131072", word);
        i->slots = (u32)n;
    } else if (strcmp(key, "slice") == 0) {
        if (!whole_number(word, 10, 1000000, &n))
            return fail(p, "slice is 10 to 1000000 microseconds", word);
        i->slice_us = (u32)n;
    } else {
        return fail(p, "unknown setting", key);
    }
    return true;
}

/* share NAME PAGES with OTHER; OTHER may stand further below. */
static bool
parse_share(struct parser *p, char word[WORD])
{
    struct manifest *m = p->out;
    struct manifest_share *s = &m->share[m->nshares];
    char pages[WORD], with[WORD], other[WORD];
    u64 n;

    if (m->nshares == MANIFEST_SHARES)
        return fail(p, "at most 8 shares", word);
    if (!next_word(p, pages) || !next_word(p, with) || !next_word(p, other) ||
        strcmp(with, "with") != 0)
        return fail(p, "it is `share NAME PAGES with OTHER`", word);
    if (strlen(word) > 15 || strlen(other) > 15)
        return fail(p, "names have at most 15 characters", word);
    if (!whole_number(pages, 2, MANIFEST_SHARE_PAGES, &n) || n % 2 != 0)
        return fail(p, "a share has an even number of pages, 2 to 448", pages);
    memcpy(s->name, word, strlen(word) + 1);
    memcpy(s->with, other, strlen(other) + 1);
    s->pages = (u32)n;
    s->side[0] = (u32)(p->now - m->instance);
    m->nshares++;
    return true;
}

static bool
check_shares(struct parser *p)
{
    struct manifest *m = p->out;
    u64 pages = 0;

    for (u32 k = 0; k < m->nshares; k++) {
        struct manifest_share *s = &m->share[k];
        s->side[1] = m->count;
        for (u32 i = 0; i < m->count; i++)
            if (strcmp(m->instance[i].name, s->with) == 0)
                s->side[1] = i;
        if (s->side[1] == m->count)
            return fail(p, "a share with an instance that is not there", s->with);
        if (s->side[1] == s->side[0])
            return fail(p, "a share with itself", s->with);
        for (u32 i = 0; i < k; i++)
            if (strcmp(m->share[i].name, s->name) == 0)
                return fail(p, "two shares have this name", s->name);
        pages += s->pages;
    }
    return pages <= MANIFEST_SHARE_PAGES || fail(p, "all shares have at most 448 pages", "");
}

static bool
parse_line(struct parser *p)
{
    char key[WORD], word[WORD];

    if (!next_word(p, key))
        return true;
    if (strcmp(key, "args") == 0)
        return p->now ? parse_args(p)
                      : fail(p, "a setting before the first `instance`", key);
    if (!next_word(p, word))
        return fail(p, "a value is missing after", key);
    if (strcmp(key, "instance") == 0) {
        if (!start_instance(p, word))
            return false;
    } else {
        if (!p->now)
            return fail(p, "a setting before the first `instance`", key);
        if (!(strcmp(key, "share") == 0 ? parse_share(p, word)
                                        : parse_setting(p, key, word)))
            return false;
    }
    return !next_word(p, word) || fail(p, "one value is enough", word);
}

static bool
check_whole(struct parser *p)
{
    u32 initrds = 0, alls = 0, controls = 0, domains = 0, terminals = 0;

    if (p->out->count == 0)
        return fail(p, "there is no instance", "");
    for (u32 i = 0; i < p->out->count; i++) {
        const struct manifest_instance *in = &p->out->instance[i];
        if (in->initrd && in->root[0] && strcmp(in->root, "initrd") != 0)
            return fail(p, "`initrd yes` and another `root` exclude each other", in->name);
        initrds += in->initrd;
        controls += (in->devices & DEVICE_CONTROL) != 0;
        domains += (in->devices & DEVICE_DOMAINS) != 0;
        terminals += (in->devices & DEVICE_COM1) != 0;
        if ((in->chunk == 0) != (in->chunks == 0))
            return fail(p, "`chunk` and `chunks` go together", in->name);
        if (in->memory != MEMORY_ALL && in->chunk * in->chunks + (4 << 20) > in->memory)
            return fail(p, "4M of its memory must be in no chunk", in->name);
        alls += p->out->instance[i].memory == MEMORY_ALL;
    }
    if (initrds > 1)
        return fail(p, "only one instance can have the initrd", "");
    if (terminals > 1)
        return fail(p, "only one instance can have com1, the terminal, at the start", "");
    if (controls > MANIFEST_CONTROLS)
        return fail(p, "at most 8 instances can have `devices control`", "");
    if (domains > 0 && p->out->count > MANIFEST_BESIDE_DOMAINS)
        return fail(p, "beside `devices domains` there is room for 23 instances", "");
    if (alls > 1)
        return fail(p, "only one instance can have `memory all`", "");
    return check_shares(p);
}

bool
manifest_parse(const char *text, size_t bytes, struct manifest *out, char *error,
               size_t size)
{
    struct parser p = {
        .at = text, .end = text + bytes, .out = out, .error = error, .error_size = size
    };

    memset(out, 0, sizeof(*out));
    for (const char *c = text; c < text + bytes; c++)
        if (*c == '\0') { /* padding begins */
            p.end = c;
            break;
        }
    while (p.at < p.end) {
        p.line++;
        if (!parse_line(&p))
            return false;
        while (p.at < p.end && *p.at != '\n')
            p.at++;
        p.at += p.at < p.end;
    }
    return check_whole(&p);
}
