/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes as they go to the journal: compact, members in one order whatever order they came in, values spelled as
 * they were. Nothing is allocated but the growth of the output.
 */
#include "router/sources/envelope.h"

#include <stdlib.h>

#include "matcher/json.h"
#include "matcher/plain.h"
#include "router/xalloc.h"
#include "rules/ruleset.h"
#include "targets/archive.h"
#include "targets/uuid.h"

#define MEMBER(text, field)                                                                                            \
    {                                                                                                                  \
        text, sizeof(text) - 1, offsetof(struct envelope, field)                                                       \
    }
const struct envelope_member envelope_members[ENVELOPE_MEMBERS] = {
    MEMBER("version", version),         MEMBER("id", id),
    MEMBER("detail-type", detail_type), MEMBER("source", source),
    MEMBER("account", account),         MEMBER("time", time),
    MEMBER("region", region),           MEMBER("resources", resources),
    MEMBER("detail", detail),
};

int envelope_member_find(struct str key)
{
    bool escaped = memchr(key.ptr, '\\', key.size) != NULL;

    for (int i = 0; i < ENVELOPE_MEMBERS; i++) {
        const struct envelope_member *m = &envelope_members[i];
        if (escaped ? json_raw_is(key, m->name)
                    : key.size == m->name_size + 2 && memcmp(key.ptr + 1, m->name, m->name_size) == 0)
            return i;
    }
    return -1;
}

static struct str quote_plain(struct arena *a, struct str text)
{
    char *to = arena_alloc(a, text.size + 2);

    if (!to)
        return (struct str){0};
    to[0] = to[text.size + 1] = '"';
    memcpy(to + 1, text.ptr, text.size);
    return (struct str){to, text.size + 2};
}

struct str envelope_quote(struct source_context *c, struct str text)
{
    struct buf quoted = BUF_INIT;

    if (text.size && plain_end(text.ptr, text.ptr + text.size) == text.ptr + text.size)
        return quote_plain(c->arena, text);
    json_write_string(&quoted, text);
    struct str kept = quoted.failed ? (struct str){0} : arena_str(c->arena, buf_view(&quoted));
    buf_fini(&quoted);
    return kept;
}

bool envelope_is_time(struct str value)
{
    int64_t ms;
    return value.size > 2 && value.ptr[0] == '"' &&
           time_parse_rfc3339((struct str){value.ptr + 1, value.size - 2}, &ms);
}

static void write_value(struct buf *b, struct str value, bool compact)
{
    if (compact)
        buf_str(b, value);
    else
        json_minify(b, value);
}

static void write_others(struct buf *b, struct str object)
{
    struct json_reader r;
    struct json_token t;

    json_reader_init_trusted(&r, object);
    json_next(&r, &t);
    while (json_next(&r, &t) == JSON_KEY) {
        struct str key = t.raw;
        json_next(&r, &t);
        json_skip(&r, &t);
        if (envelope_member_find(key) >= 0)
            continue;
        buf_char(b, ',');
        buf_str(b, key);
        buf_char(b, ':');
        json_minify(b, t.raw);
    }
}

/* What the configuration and the clock say, as JSON, once a context. */
static bool make_given(struct source_context *c)
{
    char now[21];

    time_format_rfc3339(c->now.wall_ms, now);
    c->given.account = envelope_quote(c, c->set->account);
    c->given.region = envelope_quote(c, c->set->region);
    c->given.time = envelope_quote(c, (struct str){now, 20});
    return c->given.account.ptr && c->given.region.ptr && c->given.time.ptr;
}

static struct str made_id(char quoted[UUID_SIZE + 3])
{
    if (!uuid_random(quoted + 1))
        xfail("the kernel gives no random bytes");
    quoted[0] = quoted[UUID_SIZE + 1] = '"';
    return (struct str){quoted, UUID_SIZE + 2};
}

#define WRITE(b, key, value, compact) (buf_str(b, STR(",\"" key "\":")), write_value(b, value, compact))

static void write_envelope(struct source_context *c, const struct envelope *e)
{
    struct buf *b = c->out;
    char id[UUID_SIZE + 3];

    buf_str(b, STR("{\"version\":"));
    buf_str(b, e->version.ptr ? e->version : STR("\"0\""));
    WRITE(b, "id", e->id.ptr ? e->id : made_id(id), true);
    WRITE(b, "detail-type", e->detail_type, true);
    WRITE(b, "source", e->source, true);
    WRITE(b, "account", e->account.ptr ? e->account : c->given.account, true);
    WRITE(b, "time", e->time.ptr ? e->time : c->given.time, true);
    WRITE(b, "region", e->region.ptr ? e->region : c->given.region, true);
    WRITE(b, "resources", e->resources.ptr ? e->resources : STR("[]"), e->compact || !e->resources.ptr);
    if (e->others.ptr)
        write_others(b, e->others);
    WRITE(b, "detail", e->detail, e->compact);
    buf_char(b, '}');
}

bool envelope_add(struct source_context *c, const struct envelope *e, const struct body_record *record,
                  struct source_events *out)
{
    size_t offset = c->out->size;

    if (c->may_send && !c->may_send(c->request, e->source)) {
        c->forbidden = true;
        return body_error(c, record, "events of the source %.*s may not be put with this token",
                          e->source.size > 100 ? 100 : (int)e->source.size, e->source.ptr);
    }
    if (!c->given.time.ptr && !make_given(c))
        c->out->failed = true;
    write_envelope(c, e);
    size_t size = c->out->size - offset;
    if (c->out->failed) {
        c->diags->out_of_memory = true;
        return body_error(c, record, "out of memory");
    }
    if (size > LIMIT_EVENT_BYTES)
        return body_error(c, record, "the event has %zu bytes; the limit is %u (LIMIT_EVENT_BYTES)", size,
                          LIMIT_EVENT_BYTES);
    if (out->count == out->capacity) {
        out->capacity = out->capacity ? out->capacity * 2 : 64;
        out->list = xrealloc(out->list, out->capacity * sizeof *out->list);
    }
    out->list[out->count++] = (struct source_span){offset, size, record->repeated_keys ? JOURNAL_REPEATED_KEYS : 0};
    return true;
}
