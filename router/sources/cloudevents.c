/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source "cloudevents": CloudEvents 1.0 in the three modes of its HTTP binding, on the same path as events.
 *
 *   structured  application/cloudevents+json        the body is one event
 *   batched     application/cloudevents-batch+json  the body is an array of events
 *   binary      ce-specversion and other ce- headers (percent-encoded); the body is the data
 *
 * A file (weir send --format cloudevents) holds structured events: one, an array, or NDJSON.
 *
 *   type ─► detail-type    source ─► source    id ─► id    time ─► time
 *   data ─► detail: an object as it is, any other value as {"data": value}, data_base64 as {"data_base64": text},
 *           none as {}
 *   specversion, subject, dataschema, datacontenttype and extensions ─► "cloudevent", a member of the envelope beside
 *           detail, so that a pattern can ask: {"cloudevent": {"subject": [{"prefix": "users/"}]}}
 */
#include <openssl/evp.h>
#include <strings.h>

#include "matcher/json.h"
#include "matcher/utf8.h"
#include "router/sources/envelope.h"
#include "router/sources/percent.h"

static const char family[] = "application/cloudevents", structured[] = "application/cloudevents+json",
                  batched[] = "application/cloudevents-batch+json";

struct attributes { /* JSON texts */
    struct str id, source, type, specversion, time, data, data_base64;
    struct buf others; /* members of "cloudevent" */
};

/* ---- content types ---- */

static bool is_type(const char *content_type, const char *wanted)
{
    size_t size = strlen(wanted);
    return content_type && strncasecmp(content_type, wanted, size) == 0 &&
           (content_type[size] == '\0' || content_type[size] == ';' || content_type[size] == ' ');
}

/* application/json and whatever ends in +json. */
static bool is_json_type(const char *content_type)
{
    size_t size = strcspn(content_type, "; ");
    return is_type(content_type, "application/json") || is_type(content_type, "text/json") ||
           (size > 5 && strncasecmp(content_type + size - 5, "+json", 5) == 0);
}

/* application/cloudevents and whatever follows: an event whole, in some format. */
static bool is_whole(const char *content_type)
{
    return content_type && strncasecmp(content_type, family, sizeof family - 1) == 0;
}

/* Any of the attributes that must be there: what is missing can be named then. */
static bool is_binary(const struct source_context *c, const char *content_type)
{
    static const char *const required[] = {"ce-specversion", "ce-id", "ce-source", "ce-type"};

    for (size_t i = 0; c->header && !is_whole(content_type) && i < sizeof required / sizeof required[0]; i++)
        if (c->header(c->request, required[i]))
            return true;
    return false;
}

static bool claims(const struct source_context *c, const char *content_type)
{
    return is_whole(content_type) || is_binary(c, content_type);
}

/* ---- attributes ---- */

/* Names are lower-case letters and digits. */
static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!((name.ptr[i] >= 'a' && name.ptr[i] <= 'z') || (name.ptr[i] >= '0' && name.ptr[i] <= '9')))
            return false;
    return name.size;
}

static struct str *own_attribute(struct attributes *a, struct str name)
{
    const struct {
        const char *name;
        struct str *text;
    } own[] = {{"id", &a->id},
               {"source", &a->source},
               {"type", &a->type},
               {"specversion", &a->specversion},
               {"time", &a->time},
               {"data", &a->data},
               {"data_base64", &a->data_base64}};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (str_is(name, own[i].name))
            return own[i].text;
    return NULL;
}

static bool take(struct source_context *c, const struct body_record *record, struct attributes *a, struct str name,
                 struct str value)
{
    struct str *own = own_attribute(a, name);
    enum json_type type = json_type_of(value);

    if (own && own->ptr)
        return body_error(c, record, "'%.*s' is there twice", STR_ARG(name));
    if (type == JSON_NULL && !str_is(name, "data"))
        return true; /* as good as absent, says the JSON format */
    if (own) {
        *own = value;
        return true;
    }
    if (!is_name(name))
        return body_error(c, record, "'%.*s' is no attribute's name: those have lower-case letters and digits",
                          name.size > 80 ? 80 : (int)name.size, name.ptr);
    if (type == JSON_OBJECT || type == JSON_ARRAY)
        return body_error(c, record, "attribute '%.*s' must be text, a number or a boolean", STR_ARG(name));
    buf_char(&a->others, ',');
    json_write_string(&a->others, name);
    buf_char(&a->others, ':');
    buf_str(&a->others, value);
    return true;
}

static bool is_text(struct str value)
{
    return json_type_of(value) == JSON_STRING && value.size > 2;
}

static bool is_base64(struct str value)
{
    size_t size = value.size - 2, filling = 0;

    if (json_type_of(value) != JSON_STRING || size % 4)
        return false;
    while (filling < 2 && filling < size && value.ptr[size - filling] == '=')
        filling++;
    for (size_t i = 1; i <= size - filling; i++) {
        char c = value.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/'))
            return false;
    }
    return true;
}

static bool check(struct source_context *c, const struct body_record *record, const struct attributes *a)
{
    const struct {
        const char *name;
        struct str value;
    } required[] = {{"specversion", a->specversion}, {"id", a->id}, {"source", a->source}, {"type", a->type}};

    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        if (!required[i].value.ptr)
            return body_error(c, record, "missing '%s', which every CloudEvent has", required[i].name);
        if (!is_text(required[i].value))
            return body_error(c, record, "'%s' must be text, and not empty", required[i].name);
    }
    if (!json_raw_is(a->specversion, "1.0"))
        return body_error(c, record, "specversion %.*s is not served; \"1.0\" is", STR_ARG(a->specversion));
    if (a->time.ptr && !(is_text(a->time) && envelope_is_time(a->time)))
        return body_error(c, record, "'time' must be RFC 3339 text such as \"2026-11-21T04:00:00Z\"");
    if (a->data.ptr && a->data_base64.ptr)
        return body_error(c, record, "'data' and 'data_base64' exclude each other");
    return !a->data_base64.ptr || is_base64(a->data_base64) ||
           body_error(c, record, "'data_base64' must be text in base64");
}

/* ---- the envelope ---- */

static struct str keep(struct source_context *c, struct buf *text)
{
    struct str kept = text->failed ? (struct str){0} : arena_str(c->arena, buf_view(text));
    c->diags->out_of_memory |= !kept.ptr;
    buf_fini(text);
    return kept;
}

static struct str make_detail(struct source_context *c, const struct attributes *a)
{
    struct buf out = BUF_INIT;

    if (a->data.ptr && json_type_of(a->data) == JSON_OBJECT)
        return a->data;
    buf_char(&out, '{');
    if (a->data.ptr || a->data_base64.ptr) {
        json_write_key(&out, a->data.ptr ? "data" : "data_base64");
        buf_str(&out, a->data.ptr ? a->data : a->data_base64);
    }
    buf_char(&out, '}');
    return keep(c, &out);
}

static struct str make_others(struct source_context *c, const struct attributes *a)
{
    struct buf out = BUF_INIT;

    buf_text(&out, "{\"cloudevent\":{\"specversion\":");
    buf_str(&out, a->specversion);
    buf_str(&out, buf_view(&a->others));
    buf_text(&out, "}}");
    out.failed |= a->others.failed;
    return keep(c, &out);
}

static bool add(struct source_context *c, const struct body_record *record, const struct attributes *a,
                struct source_events *out)
{
    if (!check(c, record, a))
        return false;
    struct envelope e = {.id = a->id,
                         .source = a->source,
                         .detail_type = a->type,
                         .time = a->time,
                         .detail = make_detail(c, a),
                         .others = make_others(c, a)};
    struct json_info info;
    if (!e.detail.ptr || !e.others.ptr)
        return body_error(c, record, "out of memory");
    if (!json_check(e.others, &info, NULL) || info.repeated_keys)
        return body_error(c, record, "an attribute is there twice");
    return envelope_add(c, &e, record, out);
}

/* ---- structured and batched ---- */

static bool add_structured(struct source_context *c, const struct body_record *record, struct source_events *out)
{
    struct attributes a = {0};
    struct json_reader r;
    struct json_token t;
    bool ok = true;

    json_reader_init_trusted(&r, record->text);
    json_next(&r, &t);
    while (ok && json_next(&r, &t) == JSON_KEY) {
        struct str name = json_decode_in(c->arena, t.raw);
        json_next(&r, &t);
        json_skip(&r, &t);
        ok = name.ptr ? take(c, record, &a, name, t.raw) : body_error(c, record, "out of memory");
    }
    ok = ok && add(c, record, &a, out);
    buf_fini(&a.others);
    return ok;
}

/* ---- binary ---- */

struct headers {
    struct source_context *context;
    const struct body_record *record;
    struct attributes *attributes;
    bool ok;
};

/* Within quotes a backslash takes the next byte as it is. */
static void unquote(struct buf *out, struct str text)
{
    for (size_t i = 1; i + 1 < text.size; i++) {
        i += text.ptr[i] == '\\' && i + 2 < text.size;
        buf_char(out, text.ptr[i]);
    }
}

/* What a header means, as a JSON string: out of its quotes, then %-encoded bytes stand for themselves; what is no
   encoding stays as it is, as the binding says. {NULL,0}: no UTF-8. */
static struct str decode_value(struct source_context *c, struct str value)
{
    struct buf bare = BUF_INIT, out = BUF_INIT, quoted = BUF_INIT;
    struct str text = {0};

    if (value.size >= 2 && value.ptr[0] == '"' && value.ptr[value.size - 1] == '"') {
        unquote(&bare, value);
        value = buf_view(&bare);
    }
    percent_decode(&out, value, false);
    if (utf8_is_text(buf_view(&out))) {
        json_write_string(&quoted, buf_view(&out));
        quoted.failed |= out.failed || bare.failed;
        text = keep(c, &quoted);
    }
    buf_fini(&bare);
    buf_fini(&out);
    return text;
}

static void take_header(void *context, const char *name, const char *value)
{
    struct headers *h = context;
    char lower[64];
    size_t size = strlen(name);

    if (!h->ok || size < 4 || strncasecmp(name, "ce-", 3) != 0)
        return;
    if (size - 3 >= sizeof lower) {
        h->ok = body_error(h->context, h->record, "the name of the header '%.80s' is too long for an attribute", name);
        return;
    }
    for (size_t i = 0; i < size - 3; i++)
        lower[i] = (char)(name[i + 3] >= 'A' && name[i + 3] <= 'Z' ? name[i + 3] | 0x20 : name[i + 3]);
    struct str own = {lower, size - 3}, text = decode_value(h->context, str_from(value));
    if (!text.ptr)
        h->ok = body_error(h->context, h->record, "the header '%s' is not UTF-8", name);
    else if (str_is(own, "data") || str_is(own, "data_base64"))
        h->ok = body_error(h->context, h->record, "the data of a binary event is its body, not the header '%s'", name);
    else
        h->ok = take(h->context, h->record, h->attributes, own, text);
}

static struct str base64(struct source_context *c, struct str bytes)
{
    size_t size = (bytes.size + 2) / 3 * 4;
    char *text = arena_alloc(c->arena, size + 3);

    if (!text) {
        c->diags->out_of_memory = true;
        return (struct str){0};
    }
    text[0] = '"';
    EVP_EncodeBlock((unsigned char *)text + 1, (const unsigned char *)bytes.ptr, (int)bytes.size);
    text[size + 1] = '"';
    return (struct str){text, size + 2};
}

/* The body as the data: JSON where the content type says so, else text, else bytes. */
static bool take_body(struct source_context *c, struct body_record *record, struct str body, const char *content_type,
                      struct attributes *a)
{
    struct json_info info;
    struct weir_diag diag;

    if (!body.size)
        return true;
    if (!content_type || is_json_type(content_type)) {
        if (!json_check(body, &info, &diag))
            return diag_add(c->diags, NULL, &diag);
        record->repeated_keys = info.repeated_keys;
        a->data = body;
        while (a->data.size && strchr(" \t\r\n", a->data.ptr[0])) /* json_type_of() looks at the first byte */
            a->data = (struct str){a->data.ptr + 1, a->data.size - 1};
    } else if (strncasecmp(content_type, "text/", 5) == 0 && utf8_is_text(body)) {
        a->data = envelope_quote(c, body);
    } else {
        a->data_base64 = base64(c, body);
    }
    return a->data.ptr || a->data_base64.ptr || body_error(c, record, "out of memory");
}

static bool add_binary(struct source_context *c, struct str body, const char *content_type, struct source_events *out)
{
    struct body_record record = {.number = 0};
    struct attributes a = {0};
    struct headers h = {.context = c, .record = &record, .attributes = &a, .ok = true};

    c->unit = "line"; /* of the data, where it is JSON */
    c->each_header(c->request, take_header, &h);
    if (h.ok && content_type)
        h.ok = take(c, &record, &a, STR("datacontenttype"), envelope_quote(c, str_from(content_type)));
    bool ok = h.ok && take_body(c, &record, body, content_type, &a) && add(c, &record, &a, out);
    buf_fini(&a.others);
    return ok;
}

/* ---- the source ---- */

static bool parse(struct source_context *c, struct str body, const char *content_type, struct source_events *out)
{
    if (is_binary(c, content_type))
        return add_binary(c, body, content_type, out);
    if (is_whole(content_type) && !is_type(content_type, structured) && !is_type(content_type, batched))
        return diag_error(c->diags, (struct diag_pos){0}, "content type '%.100s' is not served; %s and %s are",
                          content_type, structured, batched);
    return body_each(c, body, NULL, add_structured, out);
}

static bool recognise(struct str body)
{
    struct str first = body_first(body, NULL);
    return first.ptr && json_member(first, "specversion").ptr && json_member(first, "type").ptr;
}

extern const struct source source_cloudevents;
const struct source source_cloudevents = {
    .name = "cloudevents",
    .route = "events",
    .summary = "CloudEvents 1.0: structured, batched or binary",
    .claims = claims,
    .parse = parse,
    .recognise = recognise,
};
