/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON in one spelling, one value after the other, an object's members sorted by their decoded names. Recursion
 * is as deep as the JSON reader lets a text be. Costs a sort an object.
 */
#include "router/cli/canonical.h"

#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "matcher/number.h"
#include "router/xalloc.h"

static void write_string(struct buf *out, struct str raw)
{
    struct buf text = BUF_INIT;
    json_decode(&text, raw);
    json_write_string(out, buf_view(&text));
    buf_fini(&text);
}

static void write_number(struct buf *out, struct str literal)
{
    char text[40];
    double value;
    if (!number_parse(literal, &value)) {
        buf_str(out, literal);
        return;
    }
    snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, sizeof text, "%.17g", value);
    buf_text(out, text);
}

static void write_array(struct buf *out, struct str array)
{
    struct json_reader r;
    struct json_token t;
    json_reader_init(&r, array);
    json_next(&r, &t);
    for (bool first = true; json_next(&r, &t) != JSON_ARRAY_END; first = false) {
        json_skip(&r, &t);
        if (!first)
            buf_char(out, ',');
        canonical_write(out, t.raw);
    }
}

struct member {
    struct str key; /* as canonical_write() spells it; allocated */
    struct str value;
    size_t number; /* members of the same name stay in their order */
};

static int member_cmp(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = str_cmp(x->key, y->key);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static size_t read_members(struct str object, struct member **list_out)
{
    struct member *list = NULL;
    struct json_reader r;
    struct json_token t;
    size_t count = 0, capacity = 0;
    json_reader_init(&r, object);
    json_next(&r, &t);
    while (json_next(&r, &t) == JSON_KEY) {
        struct buf key = BUF_INIT;
        write_string(&key, t.raw);
        xbuf(&key);
        json_next(&r, &t);
        json_skip(&r, &t);
        if (count == capacity)
            list = xrealloc(list, (capacity = capacity ? 2 * capacity : 16) * sizeof *list);
        list[count] = (struct member){buf_view(&key), t.raw, count};
        count++;
    }
    *list_out = list;
    return count;
}

static void write_object(struct buf *out, struct str object)
{
    struct member *list;
    size_t count = read_members(object, &list);
    if (count)
        qsort(list, count, sizeof *list, member_cmp);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(out, ',');
        buf_str(out, list[i].key);
        buf_char(out, ':');
        canonical_write(out, list[i].value);
        free((char *)list[i].key.ptr);
    }
    free(list);
}

void canonical_write(struct buf *out, struct str json)
{
    switch (json_type_of(json)) {
    case JSON_OBJECT:
        buf_char(out, '{');
        write_object(out, json);
        buf_char(out, '}');
        return;
    case JSON_ARRAY:
        buf_char(out, '[');
        write_array(out, json);
        buf_char(out, ']');
        return;
    case JSON_STRING: write_string(out, json); return;
    case JSON_NUMBER: write_number(out, json); return;
    default: buf_str(out, json);
    }
}

bool canonical_equal(struct str a, struct str b)
{
    struct buf left = BUF_INIT, right = BUF_INIT;
    canonical_write(&left, a);
    canonical_write(&right, b);
    xbuf(&left);
    xbuf(&right);
    bool equal = str_eq(buf_view(&left), buf_view(&right));
    buf_fini(&left);
    buf_fini(&right);
    return equal;
}
