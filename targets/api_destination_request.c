/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a request to an API destination. Where the connection and the rule's target name the same header,
 * parameter or member, the connection's counts, and what authorizes counts most: as EventBridge has it, so that no
 * event talks itself into somebody else's name. Values are percent-encoded in path and query; the body's members
 * replace those of the input.
 */
#include <strings.h>

#include "matcher/json.h"
#include "targets/api_destination_int.h"
#include "targets/fail.h"
#include "targets/http_text.h"
#include "targets/secret.h"

/* What EventBridge takes off: it is the sender's to say, or means nothing between the two ends. */
static const char *const removed[] = {
    "A-IM",
    "Accept-Charset",
    "Accept-Datetime",
    "Accept-Encoding",
    "Cache-Control",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-MD5",
    "Date",
    "Expect",
    "Forwarded",
    "From",
    "Host",
    "HTTP2-Settings",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Max-Forwards",
    "Origin",
    "Pragma",
    "Proxy-Authorization",
    "Range",
    "Referer",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "User-Agent",
    "Upgrade",
    "Via",
    "Warning",
    NULL,
};

static const struct option_header *find(const struct option_list *list, struct str name, bool any_case)
{
    const struct option_header *items = list->items;

    for (size_t i = 0; i < list->count; i++)
        if (items[i].name.size == name.size &&
            (any_case ? strncasecmp(items[i].name.ptr, name.ptr, name.size) == 0 : str_eq(items[i].name, name)))
            return &items[i];
    return NULL;
}

/* ---- the URL ---- */

void http_write_query(struct buf *url, struct str name, struct str value)
{
    buf_char(url, memchr(url->data ? url->data : "", '?', url->size) ? '&' : '?');
    http_write_encoded(url, name);
    buf_char(url, '=');
    http_write_encoded(url, value);
}

/* The path value that stands for the index-th *. */
static const struct delivery_parameter *path_value(const struct delivery *d, size_t index)
{
    for (size_t i = 0; i < d->parameter_count; i++)
        if (d->parameters[i].place == PARAMETER_PATH && index-- == 0)
            return &d->parameters[i];
    return NULL;
}

static bool write_path(const struct api_destination_options *o, const struct delivery *d, struct buf *out,
                       struct weir_diag *diag)
{
    size_t stars = 0;

    for (size_t i = 0; i < o->endpoint.size; i++) {
        if (o->endpoint.ptr[i] != '*') {
            buf_char(out, o->endpoint.ptr[i]);
            continue;
        }
        const struct delivery_parameter *value = path_value(d, stars++);
        if (!value)
            return fail_with(diag, WEIR_E_JSON, "the endpoint has more * than the rule's target has path values, %zu",
                             stars - 1);
        http_write_encoded(out, value->value);
    }
    return true;
}

bool api_destination_url(const struct api_destination_options *o, const struct connection_options *c,
                         const struct delivery *d, struct buf *out, struct weir_diag *diag)
{
    const struct option_header *own = c->invocation.queries.items;

    if (!write_path(o, d, out, diag))
        return false;
    for (size_t i = 0; i < d->parameter_count; i++)
        if (d->parameters[i].place == PARAMETER_QUERY && !find(&c->invocation.queries, d->parameters[i].name, false))
            http_write_query(out, d->parameters[i].name, d->parameters[i].value);
    for (size_t i = 0; i < c->invocation.queries.count; i++)
        http_write_query(out, own[i].name, own[i].value);
    return !out->failed || fail_memory(diag);
}

/* ---- the body ---- */

bool api_destination_is_bodiless(const struct api_destination_options *o)
{
    const char *method = api_destination_methods[o->method];
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

static bool is_replaced(const struct option_list *bodies, struct str raw_key)
{
    const struct option_header *items = bodies->items;

    for (size_t i = 0; i < bodies->count; i++)
        if (json_raw_is(raw_key, items[i].name.ptr))
            return true;
    return false;
}

/* The members that no parameter replaces; the object stays open. */
static void copy_members(struct str object, const struct option_list *bodies, struct buf *out)
{
    struct json_reader r;
    struct json_token t;

    json_reader_init(&r, object);
    json_next(&r, &t);
    buf_char(out, '{');
    while (json_next(&r, &t) == JSON_KEY) {
        struct str key = t.raw;
        json_next(&r, &t);
        json_skip(&r, &t);
        if (is_replaced(bodies, key))
            continue;
        if (out->size && out->data[out->size - 1] != '{')
            buf_char(out, ',');
        buf_str(out, key);
        buf_char(out, ':');
        buf_str(out, t.raw);
    }
}

bool api_destination_body(const struct api_destination_options *o, const struct connection_options *c,
                          const struct delivery *d, struct buf *out, struct str *body_out, struct weir_diag *diag)
{
    const struct option_list *bodies = &c->invocation.bodies;
    const struct option_header *items = bodies->items;
    struct json_info info;

    *body_out = d->input;
    if (!bodies->count || api_destination_is_bodiless(o))
        return true;
    if (!json_check(d->input, &info, NULL) || info.type != JSON_OBJECT)
        return fail_with(diag, WEIR_E_JSON,
                         "the connection has body parameters, and the input is no JSON object to add them to");
    copy_members(d->input, bodies, out);
    for (size_t i = 0; i < bodies->count; i++)
        json_write_member(out, items[i].name.ptr, items[i].value);
    buf_char(out, '}');
    *body_out = buf_view(out);
    return !out->failed || fail_memory(diag);
}

/* ---- headers ---- */

void http_write_basic(struct buf *out, struct str user, struct str password, bool encoded)
{
    struct buf both = BUF_INIT;

    if (encoded) {
        http_write_encoded(&both, user);
        buf_char(&both, ':');
        http_write_encoded(&both, password);
    } else {
        buf_printf(&both, "%.*s:%.*s", STR_ARG(user), STR_ARG(password));
    }
    buf_text(out, "Basic ");
    secret_base64(out, buf_view(&both));
    out->failed |= both.failed;
    buf_fini(&both);
}

static const char *authorizing_header(const struct connection_options *c)
{
    return c->authorization_type == AUTHORIZATION_API_KEY ? c->api_key.name.ptr : "Authorization";
}

static bool add_authorization(const struct connection_options *c, struct str token, header_fn *each, void *context)
{
    struct buf value = BUF_INIT;

    if (c->authorization_type == AUTHORIZATION_BASIC)
        http_write_basic(&value, c->basic.username, c->basic.password.value, false);
    else if (c->authorization_type == AUTHORIZATION_OAUTH)
        buf_printf(&value, "Bearer %.*s", STR_ARG(token));
    else
        buf_str(&value, c->api_key.value.value);
    bool ok = !value.failed && each(context, authorizing_header(c), buf_view(&value));
    buf_fini(&value);
    return ok;
}

static bool is_kept(const struct connection_options *c, struct str name)
{
    const char *authorizing = authorizing_header(c);

    for (const char *const *one = removed; *one; one++)
        if (strlen(*one) == name.size && strncasecmp(*one, name.ptr, name.size) == 0)
            return false;
    return strlen(authorizing) != name.size || strncasecmp(authorizing, name.ptr, name.size) != 0;
}

bool api_destination_headers(const struct connection_options *c, const struct delivery *d, struct str token,
                             header_fn *each, void *context)
{
    const struct option_header *own = c->invocation.headers.items;
    bool ok = add_authorization(c, token, each, context);
    bool typed = find(&c->invocation.headers, STR("Content-Type"), true);

    for (size_t i = 0; ok && i < c->invocation.headers.count; i++)
        ok = !is_kept(c, own[i].name) || each(context, own[i].name.ptr, own[i].value);
    for (size_t i = 0; ok && i < d->parameter_count; i++) {
        const struct delivery_parameter *p = &d->parameters[i];
        if (p->place != PARAMETER_HEADER || find(&c->invocation.headers, p->name, true) || !is_kept(c, p->name))
            continue;
        typed |= strcasecmp(p->name.ptr, "Content-Type") == 0;
        ok = each(context, p->name.ptr, p->value);
    }
    return ok && (typed || each(context, "Content-Type", STR("application/json; charset=utf-8")));
}
