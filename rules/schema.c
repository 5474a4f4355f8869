/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over the tables of weir.yaml; each kind of value has its piece of schema in value_schemas[]. An object is
 * closed (additionalProperties: false), as the loader refuses unknown keys; an empty value is null to a schema, and
 * is allowed where the loader takes it for an empty mapping or list.
 *
 *     {"type": "object", "properties": {KEY: {…}, …}, "required": […], "additionalProperties": false}
 *
 * Bounds of durations and sizes stand in the description: a schema cannot compare texts.
 */
#include "rules/schema.h"

#include <assert.h>

#include "matcher/json.h"
#include "rules/tables.h"
#include "targets/policy.h"

typedef bool row_fn(const void *context, size_t index, struct option *out);

/* ---- objects ---- */

static void write_option(struct buf *out, const struct option *o);

static bool table_row(const void *table, size_t index, struct option *out)
{
    *out = ((const struct option *)table)[index];
    return out->key;
}

static bool target_row(const void *adapter, size_t index, struct option *out)
{
    return policy_row(adapter, index, out);
}

static bool has_required(const struct option *table)
{
    for (; table && table->key; table++)
        if (table->required)
            return true;
    return false;
}

static void write_required(struct buf *out, row_fn *next, const void *context)
{
    struct option row;
    bool open = false;
    for (size_t i = 0; next(context, i, &row); i++) {
        if (!row.required || row.instead)
            continue;
        if (open)
            buf_char(out, ',');
        else {
            json_write_key(out, "required");
            buf_char(out, '[');
        }
        open = true;
        json_write_string(out, str_from(row.key));
    }
    if (open)
        buf_char(out, ']');
}

/* A key that another one may stand for: "anyOf": [{"required": [KEY]}, {"required": [INSTEAD]}]. */
static void write_instead(struct buf *out, row_fn *next, const void *context)
{
    struct option row;
    for (size_t i = 0; next(context, i, &row); i++)
        if (row.required && row.instead)
            buf_printf(out, ",\"anyOf\":[{\"required\":[\"%s\"]},{\"required\":[\"%s\"]}]", row.key, row.instead);
}

/* Rows that exclude each other: no two of them. */
static void write_groups(struct buf *out, row_fn *next, const void *context)
{
    struct option one, other;
    bool open = false;
    for (size_t i = 0; next(context, i, &one); i++)
        for (size_t k = i + 1; one.group && next(context, k, &other); k++) {
            if (!other.group || strcmp(one.group, other.group) != 0)
                continue;
            buf_printf(out, "%s{\"required\":[\"%s\",\"%s\"]}", open ? "," : ",\"not\":{\"anyOf\":[", one.key,
                       other.key);
            open = true;
        }
    buf_text(out, open ? "]}" : "");
}

/* The members of an object's schema behind its type. */
static void write_rows(struct buf *out, row_fn *next, const void *context, const char *first)
{
    struct option row;
    json_write_key(out, "properties");
    buf_char(out, '{');
    if (first)
        buf_text(out, first);
    for (size_t i = 0; next(context, i, &row); i++) {
        json_write_key(out, row.key);
        write_option(out, &row);
    }
    buf_char(out, '}');
    write_required(out, next, context);
    write_instead(out, next, context);
    write_groups(out, next, context);
    json_write_key(out, "additionalProperties");
    buf_text(out, "false");
}

static void write_type(struct buf *out, const struct option *table)
{
    json_write_key(out, "type");
    buf_text(out, has_required(table) ? "\"object\"" : "[\"object\",\"null\"]");
}

static void write_object(struct buf *out, const struct option *o)
{
    write_type(out, o->members);
    write_rows(out, table_row, o->members, NULL);
}

/* ---- scalars ---- */

static void write_member_int(struct buf *out, const char *key, int64_t value)
{
    json_write_key(out, key);
    json_write_int(out, value);
}

static void write_pattern(struct buf *out, const char *pattern)
{
    json_write_member(out, "pattern", str_from(pattern));
}

static void write_string(struct buf *out)
{
    json_write_member(out, "type", STR("string"));
}

static void write_text(struct buf *out, const struct option *o)
{
    write_string(out);
    if (o->min)
        write_member_int(out, "minLength", o->min);
    if (o->max)
        write_member_int(out, "maxLength", o->max);
    if (o->form)
        write_pattern(out, o->form);
}

static void write_bounds(struct buf *out, const struct option *o)
{
    if (!o->min && !o->max)
        return;
    write_member_int(out, "minimum", o->min);
    if (o->max != INT64_MAX)
        write_member_int(out, "maximum", o->max);
}

static void write_int(struct buf *out, const struct option *o)
{
    json_write_member(out, "type", STR("integer"));
    write_bounds(out, o);
}

static void write_bool(struct buf *out, const struct option *o)
{
    json_write_member(out, "type", STR("boolean"));
}

static void write_duration(struct buf *out, const struct option *o)
{
    write_string(out);
    write_pattern(out, "^[0-9]+(ms|s|m|h|d)$");
}

static void write_size(struct buf *out, const struct option *o)
{
    buf_text(out, "\"type\":[\"string\",\"integer\"]");
    write_pattern(out, "^[0-9]+(KiB|MiB|GiB|TiB)?$");
    write_bounds(out, o);
}

static void write_rate(struct buf *out, const struct option *o)
{
    write_string(out);
    write_pattern(out, "^[0-9]+/[smh]$");
}

static void write_enum(struct buf *out, const struct option *o)
{
    buf_text(out, "\"enum\":[");
    for (size_t i = 0; o->names[i]; i++) {
        if (i)
            buf_char(out, ',');
        json_write_string(out, str_from(o->names[i]));
    }
    buf_char(out, ']');
}

static void write_url(struct buf *out, const struct option *o)
{
    write_string(out);
    write_pattern(out, "^https?://[^\\u0000-\\u0020\\u007f/][^\\u0000-\\u0020\\u007f]*$");
}

/* Paths and names of things. */
static void write_some_text(struct buf *out, const struct option *o)
{
    write_string(out);
    write_member_int(out, "minLength", 1);
}

/* ---- lists and mappings ---- */

static void write_command(struct buf *out, const struct option *o)
{
    buf_text(out, "\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1");
}

static void write_headers(struct buf *out, const struct option *o)
{
    buf_text(out, "\"type\":\"object\",\"propertyNames\":{");
    write_pattern(out, "^[^\\u0000-\\u0020\\u007f()<>@,;:\\\\\"/\\[\\]?={}]+$");
    buf_text(out, "},\"additionalProperties\":{\"anyOf\":[{\"type\":\"string\"");
    write_pattern(out, "^[^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*$");
    buf_text(out, "},{\"type\":\"object\",\"properties\":{\"env\":{\"type\":\"string\"}},\"required\":[\"env\"],"
                  "\"additionalProperties\":false}]}");
}

#define VALUE_OR_SEALED                                                                                                \
    "\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"env\":{\"type\":\"string\"}},"            \
    "\"required\":[\"env\"],\"additionalProperties\":false},{\"type\":\"object\","                                     \
    "\"properties\":{\"encrypted\":{\"type\":\"string\"}},\"required\":[\"encrypted\"],\"additionalProperties\":"      \
    "false}]"

static void write_secret(struct buf *out, const struct option *o)
{
    buf_text(out, VALUE_OR_SEALED);
}

static void write_parameters(struct buf *out, const struct option *o)
{
    buf_text(out, "\"type\":\"object\",\"additionalProperties\":{" VALUE_OR_SEALED "}");
}

static void write_pattern_ref(struct buf *out, const struct option *o)
{
    buf_text(out, "\"allOf\":[{\"$ref\":\"#/definitions/pattern\"}]");
}

static void write_list(struct buf *out, const struct option *o)
{
    const struct option *scalar = o->members;
    while (scalar->key && !scalar->scalar)
        scalar++;
    buf_printf(out, "\"type\":%s", o->own ? "[\"array\",\"null\"]" : "\"array\"");
    if (o->max)
        write_member_int(out, "maxItems", o->max);
    json_write_key(out, "items");
    if (scalar->key) {
        buf_text(out, "{\"anyOf\":[");
        write_option(out, scalar);
        buf_char(out, ',');
    }
    buf_text(out, "{\"type\":\"object\"");
    write_rows(out, table_row, o->members, NULL);
    buf_text(out, scalar->key ? "}]}" : "}");
}

static void write_value(struct buf *out, const struct option *o) {}

static void write_event(struct buf *out, const struct option *o)
{
    buf_text(out, "\"type\":[\"object\",\"string\"]");
}

static void write_texts(struct buf *out, const struct option *o)
{
    buf_text(out, "\"type\":[\"object\",\"null\"],\"additionalProperties\":{");
    write_text(out, o);
    buf_char(out, '}');
}

static void write_files(struct buf *out, const struct option *o)
{
    buf_text(out, "\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\",\"minLength\":1}");
}

/* ---- sections ---- */

/* An entry of `targets:`: which keys it has depends on its type, so each type has a definition of its own. */
static void write_typed(struct buf *out)
{
    bool first = true;
    buf_text(out, "\"type\":\"object\",\"properties\":{\"type\":{\"enum\":[");
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (!(*a)->section) {
            buf_printf(out, "%s\"%s\"", first ? "" : ",", (*a)->type);
            first = false;
        }
    buf_text(out, "]}},\"required\":[\"type\"],\"allOf\":[");
    first = true;
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (!(*a)->section) {
            buf_printf(out,
                       "%s{\"if\":{\"properties\":{\"type\":{\"const\":\"%s\"}},\"required\":[\"type\"]},"
                       "\"then\":{\"$ref\":\"#/definitions/target-%s\"}}",
                       first ? "" : ",", (*a)->type, (*a)->type);
            first = false;
        }
    buf_char(out, ']');
}

static void write_section(struct buf *out, const struct option *o)
{
    buf_text(out, "\"type\":[\"object\",\"null\"]");
    if (o->max)
        buf_printf(out, ",\"propertyNames\":{\"pattern\":\"^[A-Za-z0-9._-]{1,%lld}$\"}", (long long)o->max);
    json_write_key(out, "additionalProperties");
    buf_char(out, '{');
    const struct adapter *adapter = tables_section(o->key);
    if (o->members)
        write_type(out, o->members);
    if (adapter)
        write_rows(out, target_row, adapter, NULL);
    else if (o->members)
        write_rows(out, table_row, o->members, NULL);
    else
        write_typed(out);
    buf_char(out, '}');
}

/* ---- one option ---- */

static void write_description(struct buf *out, const struct option *o)
{
    struct buf text = BUF_INIT;
    tables_write_meaning(&text, o);
    if (o->type == OPTION_DURATION || o->type == OPTION_SIZE) {
        buf_text(&text, o->min || o->max ? " (" : "");
        tables_write_bounds(&text, o);
        buf_text(&text, o->min || o->max ? ")" : "");
    }
    json_write_member(out, "description", str_from(buf_cstr(&text)));
    out->failed |= text.failed;
    buf_fini(&text);
}

static void write_default(struct buf *out, const struct option *o)
{
    if (!o->value)
        return;
    json_write_key(out, "default");
    if (o->type == OPTION_INT || o->type == OPTION_BOOL)
        buf_text(out, o->value);
    else
        json_write_string(out, str_from(o->value));
}

static void write_option(struct buf *out, const struct option *o)
{
    static void (*const value_schemas[])(struct buf *, const struct option *) = {
        [OPTION_TEXT] = write_text,
        [OPTION_INT] = write_int,
        [OPTION_BOOL] = write_bool,
        [OPTION_DURATION] = write_duration,
        [OPTION_SIZE] = write_size,
        [OPTION_ENUM] = write_enum,
        [OPTION_URL] = write_url,
        [OPTION_PATH] = write_some_text,
        [OPTION_COMMAND] = write_command,
        [OPTION_HEADERS] = write_headers,
        [OPTION_QUEUE] = write_some_text,
        [OPTION_TARGET] = write_some_text,
        [OPTION_BUS] = write_some_text,
        [OPTION_PATTERN] = write_pattern_ref,
        [OPTION_OBJECT] = write_object,
        [OPTION_LIST] = write_list,
        [OPTION_VALUE] = write_value,
        [OPTION_EVENT] = write_event,
        [OPTION_TEXTS] = write_texts,
        [OPTION_FILES] = write_files,
        [OPTION_SECTION] = write_section,
        [OPTION_RATE] = write_rate,
        [OPTION_SECRET] = write_secret,
        [OPTION_PARAMETERS] = write_parameters,
        [OPTION_CONNECTION] = write_some_text,
    };
    assert((size_t)o->type < sizeof(value_schemas) / sizeof(value_schemas[0]) && value_schemas[o->type]);
    buf_char(out, '{');
    write_description(out, o);
    buf_char(out, ',');
    size_t before = out->size;
    value_schemas[o->type](out, o);
    if (out->size == before && out->size)
        out->size--; /* any value: no comma either */
    write_default(out, o);
    buf_char(out, '}');
}

/* ---- the whole ---- */

static bool root_row(const void *context, size_t index, struct option *out)
{
    return tables_root_row(index, out);
}

static void write_target_definitions(struct buf *out)
{
    for (const struct adapter *const *a = target_adapters; *a; a++) {
        if ((*a)->section)
            continue;
        buf_printf(out, ",\"target-%s\":{", (*a)->type);
        json_write_member(out, "description", str_from((*a)->summary));
        write_rows(out, target_row, *a, "\"type\":{}");
        buf_char(out, '}');
    }
}

void schema_write(struct buf *out)
{
    buf_text(out, "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":\"weir.yaml\","
                  "\"description\":\"The configuration of weir, an event router; see weir.yaml(5).\","
                  "\"type\":\"object\",\"patternProperties\":{\"^x-\":{}}");
    write_rows(out, root_row, NULL, NULL);
    buf_text(out, ",\"definitions\":{");
    schema_write_patterns(out);
    write_target_definitions(out);
    buf_text(out, "}}");
}
