/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of texts, as SNS's attributes are: read member by member, and written anew with one changed. They have some
 * ten members, so nothing here is indexed.
 */
#include "router/api/aws_change.h"
#include "router/api/sns_document.h"
#include "router/xalloc.h"

static struct str decode(struct arena *arena, struct str raw)
{
    struct str text = json_decode_in(arena, raw);
    if (!text.ptr)
        xfail("out of memory");
    return text;
}

void sns_map_start(struct sns_map *m, struct str object, struct arena *arena)
{
    struct json_token token;

    json_reader_init(&m->reader, object.size ? object : STR("{}"));
    json_next(&m->reader, &token);
    m->arena = arena;
}

bool sns_map_next(struct sns_map *m, struct str *key, struct str *value)
{
    struct json_token token;

    if (json_next(&m->reader, &token) != JSON_KEY)
        return false;
    *key = decode(m->arena, token.raw);
    json_next(&m->reader, &token);
    *value = token.type == JSON_STRING ? decode(m->arena, token.raw) : STR("");
    json_skip(&m->reader, &token);
    return true;
}

struct str sns_map_get(struct str object, const char *key, struct arena *arena)
{
    struct str value = object.size ? json_member(object, key) : object;
    return value.size && json_type_of(value) == JSON_STRING ? decode(arena, value) : (struct str){NULL, 0};
}

static void add(struct buf *out, struct str key, struct str value)
{
    if (out->size > 1)
        buf_char(out, ',');
    json_write_string(out, key);
    buf_char(out, ':');
    json_write_string(out, value);
}

struct str sns_map_with(struct str object, struct str key, struct str value, struct arena *arena)
{
    struct buf out = BUF_INIT;
    struct str other, text;
    struct sns_map m;

    buf_char(&out, '{');
    sns_map_start(&m, object, arena);
    while (sns_map_next(&m, &other, &text))
        if (!str_eq(other, key))
            add(&out, other, text);
    if (value.ptr)
        add(&out, key, value);
    buf_char(&out, '}');
    return aws_keep(arena, &out);
}

static bool is_within(struct str a, struct str b, struct arena *arena)
{
    struct str key, value;
    struct sns_map m;

    sns_map_start(&m, a, arena);
    while (sns_map_next(&m, &key, &value)) {
        struct str other = sns_map_get(b, key.ptr, arena);
        if (!other.ptr || !str_eq(other, value))
            return false;
    }
    return true;
}

bool sns_map_equal(struct str a, struct str b, struct arena *arena)
{
    return is_within(a, b, arena) && is_within(b, a, arena);
}
