/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the members of AWS requests by table, in one walk over the object, and the two ways in which they are wrong:
 * of another type (the request ends there, as it does at AWS, where the reader fails) or against a constraint (all of
 * them are gathered and answered together, in AWS's words).
 *
 *     2 validation errors detected: Value null at 'rule' failed to satisfy constraint: Member must not be null; Value
 *     'é' at 'targets.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern: …
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "matcher/utf8.h"
#include "router/api/aws.h"
#include "router/xalloc.h"

#define TIME_SECONDS_MAX 253402300799.0 /* 9999-12-31T23:59:59Z: what RFC 3339 can write */
#define VALUE_SHOWN_MAX  (16u << 10)    /* bytes of a value in a message */

size_t aws_length(struct str text)
{
    size_t units = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        units += (c & 0xC0) != 0x80;
        units += c >= 0xF0;
    }
    return units;
}

/* ---- constraints ---- */

/* Names in messages are written in lower camel case: 'eventBusName'. */
static void write_name(struct buf *out, const char *path, const char *member)
{
    buf_printf(out, "%s%c%s", path, tolower((unsigned char)member[0]), member + 1);
}

static struct str shown(struct str value)
{
    size_t size = value.size < VALUE_SHOWN_MAX ? value.size : VALUE_SHOWN_MAX;
    while (size < value.size && size && ((unsigned char)value.ptr[size] & 0xC0) == 0x80)
        size--;
    return (struct str){value.ptr, size};
}

void aws_fault(struct aws_request *r, const char *path, const char *member, struct str value, const char *format, ...)
{
    struct buf *out = &r->faults;
    va_list args;

    if (r->fault_count++)
        buf_text(out, "; ");
    buf_text(out, "Value ");
    if (value.ptr)
        buf_printf(out, "'%.*s%s'", STR_ARG(shown(value)), shown(value).size < value.size ? "..." : "");
    else
        buf_text(out, "null");
    buf_text(out, " at '");
    write_name(out, path, member);
    buf_text(out, "' failed to satisfy constraint: ");
    va_start(args, format);
    buf_vprintf(out, format, args);
    va_end(args);
}

bool aws_valid(struct aws_request *r)
{
    if (!r->fault_count)
        return true;
    xbuf(&r->faults);
    aws_fail(r, 400, "ValidationException", "%u validation error%s detected: %.*s", r->fault_count,
             r->fault_count == 1 ? "" : "s", STR_ARG(buf_view(&r->faults)));
    return false;
}

/* The value as messages may show it. */
static struct str told(const struct aws_member *m, struct str value)
{
    return m->hidden ? STR("***Sensitive Data Redacted***") : value;
}

static void check_bounds(struct aws_request *r, const char *path, const struct aws_member *m, struct str value,
                         int64_t size)
{
    const char *what = m->type == AWS_INTEGER ? "value" : "length";

    if (!m->max)
        return;
    if (size < m->min)
        aws_fault(r, path, m->name, told(m, value), "Member must have %s greater than or equal to %lld", what,
                  (long long)m->min);
    if (size > m->max)
        aws_fault(r, path, m->name, told(m, value), "Member must have %s less than or equal to %lld", what,
                  (long long)m->max);
}

static pcre2_code *compiled(struct aws_regex *regex)
{
    const char *text = regex->linear ? regex->linear : regex->text;
    pcre2_code *code = atomic_load(&regex->code);
    void *none = NULL;
    int error;
    PCRE2_SIZE offset;

    if (code)
        return code;
    code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &offset,
                         NULL);
    if (!code)
        xfail("a regular expression of the service model cannot be compiled");
    if (atomic_compare_exchange_strong(&regex->code, &none, code))
        return code;
    pcre2_code_free(code); /* another thread was first */
    return none;
}

static void check_regex(struct aws_request *r, const char *path, const struct aws_member *m, struct str value)
{
    pcre2_code *code = compiled(m->regex);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);

    if (!data)
        xfail("out of memory");
    if (pcre2_match(code, (PCRE2_SPTR)value.ptr, value.size, 0, 0, data, NULL) < 0)
        aws_fault(r, path, m->name, told(m, value), "Member must satisfy regular expression pattern: %s",
                  m->regex->text);
    pcre2_match_data_free(data);
}

static void check_values(struct aws_request *r, const char *path, const struct aws_member *m, struct str value)
{
    struct buf set = BUF_INIT;

    for (const char *const *one = m->values; *one; one++) {
        if (str_is(value, *one)) {
            buf_fini(&set);
            return;
        }
        buf_printf(&set, "%s%s", set.size ? ", " : "", *one);
    }
    xbuf(&set);
    aws_fault(r, path, m->name, value, "Member must satisfy enum value set: [%.*s]", STR_ARG(buf_view(&set)));
    buf_fini(&set);
}

/* ---- types ---- */

static const char *kind(enum json_type type)
{
    switch (type) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_NUMBER: return "a number";
    case JSON_NULL: return "null";
    default: return "a boolean";
    }
}

static const struct {
    enum json_type json;
    const char *name;
} types[] = {
    [AWS_STRING] = {JSON_STRING, "a string"}, [AWS_INTEGER] = {JSON_NUMBER, "a whole number"},
    [AWS_BOOLEAN] = {JSON_TRUE, "a boolean"}, [AWS_TIMESTAMP] = {JSON_NUMBER, "a number of seconds since 1970"},
    [AWS_LIST] = {JSON_ARRAY, "a list"},      [AWS_STRUCTURE] = {JSON_OBJECT, "an object"},
};

static bool fail_type(struct aws_request *r, const char *path, const char *member, unsigned index, enum aws_type wanted,
                      struct str value)
{
    struct buf name = BUF_INIT;

    write_name(&name, path, member);
    if (index)
        buf_printf(&name, ".%u", index);
    aws_fail(r, 400, "SerializationException", "'%s' must be %s, not %s", buf_cstr(&name), types[wanted].name,
             types[wanted].json == JSON_NUMBER && json_type_of(value) == JSON_NUMBER ? "this number"
                                                                                     : kind(json_type_of(value)));
    buf_fini(&name);
    return false;
}

static bool is_type(struct str value, enum aws_type type)
{
    enum json_type json = json_type_of(value);
    return json == types[type].json || (type == AWS_BOOLEAN && json == JSON_FALSE);
}

/* The query protocol's texts, where something else is meant by them: without their quotes. */
static struct str bare(const struct aws_request *r, struct str value, enum aws_type type)
{
    if (r->protocol != AWS_QUERY || json_type_of(value) != JSON_STRING ||
        (type != AWS_INTEGER && type != AWS_BOOLEAN && type != AWS_TIMESTAMP))
        return value;
    struct str inner = {value.ptr + 1, value.size - 2};
    bool is = type == AWS_BOOLEAN ? str_is(inner, "true") || str_is(inner, "false") : is_type(inner, type);
    return is ? inner : value;
}

/* A number as text that C can read; false: longer than any that means something. */
static bool number_text(struct str value, char out[64])
{
    if (value.size >= 64)
        return false;
    memcpy(out, value.ptr, value.size);
    out[value.size] = '\0';
    return true;
}

static bool read_integer(struct str value, int64_t *out)
{
    char text[64], *end;
    if (!number_text(value, text) || value.size > 18)
        return false;
    *out = strtoll(text, &end, 10);
    return !*end;
}

static bool read_timestamp(struct str value, int64_t *out)
{
    char text[64];
    if (!number_text(value, text))
        return false;
    double seconds = strtod(text, NULL);
    if (!(seconds >= 0 && seconds <= TIME_SECONDS_MAX))
        return false;
    *out = (int64_t)floor(seconds * 1000);
    return true;
}

/* A list as AWS's messages show it: structures by name only. */
static void list_fault(struct aws_request *r, const char *path, const struct aws_member *m, struct str value,
                       unsigned count)
{
    struct buf text = BUF_INIT;

    if (m->shape && count)
        buf_printf(&text, "[%s(...)%s]", m->shape, count > 1 ? "..." : "");
    else
        json_minify(&text, value);
    xbuf(&text);
    check_bounds(r, path, m, buf_view(&text), count);
    buf_fini(&text);
}

static bool read_list(struct aws_request *r, const char *path, const struct aws_member *m, struct str value)
{
    struct aws_list list;
    struct str element;

    for (aws_list_start(&list, value); aws_list_next(&list, &element);)
        if (!is_type(element, m->element))
            return fail_type(r, path, m->name, list.index, m->element, element);
    if (m->max && (list.index < m->min || list.index > m->max))
        list_fault(r, path, m, value, list.index);
    return true;
}

static struct str read_string(struct aws_request *r, const char *path, const struct aws_member *m, struct str raw)
{
    struct str value = {raw.ptr + 1, raw.size - 2};

    if (memchr(value.ptr, '\\', value.size)) {
        value = json_decode_in(&r->arena, raw);
        if (!value.ptr)
            xfail("out of memory");
    }
    if (m->max)
        check_bounds(r, path, m, value, (int64_t)aws_length(value));
    if (m->regex)
        check_regex(r, path, m, value);
    if (m->values)
        check_values(r, path, m, value);
    return value;
}

static bool read_member(struct aws_request *r, const char *path, const struct aws_member *m, struct str value, void *to)
{
    value = bare(r, value, m->type);
    bool ok = is_type(value, m->type);

    if (!ok)
        return fail_type(r, path, m->name, 0, m->type, value);
    switch (m->type) {
    case AWS_STRING: *(struct str *)to = read_string(r, path, m, value); break;
    case AWS_INTEGER:
        ok = read_integer(value, to);
        if (ok)
            check_bounds(r, path, m, value, *(int64_t *)to);
        break;
    case AWS_BOOLEAN: *(bool *)to = value.ptr[0] == 't'; break;
    case AWS_TIMESTAMP: ok = read_timestamp(value, to); break;
    case AWS_LIST:
        if (!read_list(r, path, m, value))
            return false;
        *(struct str *)to = value;
        break;
    case AWS_STRUCTURE: *(struct str *)to = value; break;
    }
    return ok || fail_type(r, path, m->name, 0, m->type, value);
}

/* ---- objects and lists ---- */

#define MEMBERS_MAX 64 /* of one structure of the service models: the largest has 16 */

bool aws_read(struct aws_request *r, struct str object, const char *path, const struct aws_member *members, void *out)
{
    struct str values[MEMBERS_MAX] = {0};
    struct json_reader reader;
    struct json_token t;
    size_t count = 0;

    while (members[count].name)
        count++;
    assert(count <= MEMBERS_MAX);
    json_reader_init_trusted(&reader, object);
    json_next(&reader, &t);
    while (json_next(&reader, &t) == JSON_KEY) {
        struct str key = t.raw, value = {0};
        json_next(&reader, &t);
        json_skip(&reader, &t);
        if (t.type != JSON_NULL)
            value = t.raw;
        for (size_t i = 0; i < count; i++)
            if (json_raw_is(key, members[i].name))
                values[i] = value; /* of equal names the last counts */
    }
    for (size_t i = 0; i < count; i++) {
        const struct aws_member *m = &members[i];
        if (values[i].ptr && !read_member(r, path, m, values[i], (char *)out + m->offset))
            return false;
        if (!values[i].ptr && m->required)
            aws_fault(r, path, m->name, (struct str){0}, "Member must not be null");
    }
    return true;
}

void aws_list_start(struct aws_list *list, struct str text)
{
    struct json_token t;

    json_reader_init_trusted(&list->reader, text);
    json_next(&list->reader, &t);
    list->index = 0;
}

bool aws_list_next(struct aws_list *list, struct str *element)
{
    struct json_token t;

    if (json_next(&list->reader, &t) == JSON_ARRAY_END)
        return false;
    json_skip(&list->reader, &t);
    list->index++;
    *element = t.raw;
    return true;
}
