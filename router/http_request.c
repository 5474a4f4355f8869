/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: taken from evhttp, guarded, matched to its route, handed to the handler, answered.
 *
 * While a handler has a request, reading from its connection is off: a client that sends on, or goes away, is noticed
 * when the answer has been written, so the request cannot vanish under the handler.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "matcher/json.h"
#include "matcher/utf8.h"
#include "router/auth.h"
#include "router/http_guard.h"
#include "router/http_int.h"
#include <event2/http_struct.h> /* the request's HTTP version has no getter; needs http.h before it */
#include "router/metrics.h"
#include "router/router.h"
#include "router/xalloc.h"

struct http_request {
    struct http_thread *thread;
    struct evhttp_request *ev;
    struct ruleset *set;            /* a reference */
    const struct http_route *route; /* NULL: none */
    struct str path;                /* decoded; owned */
    size_t rest;                    /* where in path the part of a "*" starts */
    struct evkeyvalq query;
    struct str raw_path; /* in the request line */
    struct str body;
    struct auth auth;
    struct event *closing; /* NULL: nobody asked to be told */
    void (*gone)(void *context);
    void *gone_context;
};

struct router *http_router(struct http_request *r)
{
    return r->thread->server->router;
}

const struct ruleset *http_set(const struct http_request *r)
{
    struct http_request *dropped = (struct http_request *)r;

    if (!r->set)
        dropped->set = router_set(http_router(dropped));
    return r->set;
}

void http_drop_set(struct http_request *r)
{
    r->auth.holder = NULL; /* of the set: who asks again may nothing */
    ruleset_unref(r->set);
    r->set = NULL;
}

struct event_base *http_base(struct http_request *r)
{
    return r->thread->base;
}

struct mailbox *http_mailbox(struct http_request *r)
{
    return r->thread->mailbox;
}

const char *http_route_name(const struct http_request *r)
{
    return r->route->name;
}

struct str http_path(const struct http_request *r)
{
    return r->path;
}

struct str http_path_rest(const struct http_request *r)
{
    return (struct str){r->path.ptr + r->rest, r->path.size - r->rest};
}

struct str http_path_text(const struct http_request *r)
{
    return r->raw_path;
}

bool http_is_tls(const struct http_request *r)
{
    return r->thread->server->tls;
}

const struct auth *http_auth(const struct http_request *r)
{
    return &r->auth;
}

struct str http_body(const struct http_request *r)
{
    return r->body;
}

void http_set_body(struct http_request *r, struct str body)
{
    r->body = body;
}

void http_drop_body(struct http_request *r)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(r->ev);

    evbuffer_drain(input, evbuffer_get_length(input));
    r->body = STR("");
}

const char *http_header(const struct http_request *r, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(r->ev), name);
}

void http_each_header(const struct http_request *r, void (*each)(void *context, const char *name, const char *value),
                      void *context)
{
    struct evkeyval *h;
    TAILQ_FOREACH (h, evhttp_request_get_input_headers(r->ev), next)
        each(context, h->key, h->value);
}

bool http_query(const struct http_request *r, const char *name, struct str *out)
{
    const char *value = evhttp_find_header(&r->query, name);
    *out = str_from(value);
    return value != NULL;
}

struct str http_query_text(const struct http_request *r)
{
    const char *mark = strchr(evhttp_request_get_uri(r->ev), '?');
    return mark ? str_from(mark + 1) : STR("");
}

static const struct {
    enum evhttp_cmd_type type;
    const char *name;
} methods[] = {
    {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_POST, "POST"},       {EVHTTP_REQ_HEAD, "HEAD"},
    {EVHTTP_REQ_PUT, "PUT"},     {EVHTTP_REQ_DELETE, "DELETE"},   {EVHTTP_REQ_OPTIONS, "OPTIONS"},
    {EVHTTP_REQ_TRACE, "TRACE"}, {EVHTTP_REQ_CONNECT, "CONNECT"}, {EVHTTP_REQ_PATCH, "PATCH"},
};

const char *http_method(const struct http_request *r)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].type == evhttp_request_get_command(r->ev))
            return methods[i].name;
    return "?";
}

/* ---- a client that goes away ---- */

static void closed_cb(evutil_socket_t fd, short what, void *context)
{
    struct http_request *r = context;
    r->gone(r->gone_context);
}

/* Reading is off meanwhile, so only this event sees the end; epoll has one for it. */
void http_on_close(struct http_request *r, void (*gone)(void *context), void *context)
{
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(r->ev)));

    r->gone = gone;
    r->gone_context = context;
    r->closing = event_new(r->thread->base, fd, EV_CLOSED, closed_cb, r);
    if (!r->closing || event_add(r->closing, NULL) != 0)
        xfail("out of memory");
}

/* ---- answering ---- */

void http_add_header(struct http_request *r, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(r->ev), name, value);
}

static void count_answer(const struct http_request *r, int status)
{
    char code[12];
    snprintf(code, sizeof code, "%d", status);
    series_add(metric(METRIC_HTTP_REQUESTS, r->route ? r->route->name : "none", code), 1);
}

static const char *phrase(int status)
{
    switch (status) {
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    default: return NULL; /* evhttp knows it */
    }
}

void http_reply(struct http_request *r, int status, const char *content_type, struct str body)
{
    struct evbuffer *out = evbuffer_new();
    char length[24];

    if (!out || evbuffer_add(out, body.ptr, body.size) != 0)
        xfail("out of memory");
    if (content_type)
        http_add_header(r, "Content-Type", content_type);
    if (evhttp_request_get_command(r->ev) == EVHTTP_REQ_HEAD) { /* evhttp would send the body */
        snprintf(length, sizeof length, "%zu", body.size);
        http_add_header(r, "Content-Length", length);
        evbuffer_drain(out, body.size);
    }
    if (r->thread->closing)
        http_add_header(r, "Connection", "close");
    count_answer(r, status);
    r->thread->under_way--;
    if (r->closing)
        event_free(r->closing);
    evhttp_send_reply(r->ev, status, phrase(status), out);
    evbuffer_free(out);
    evhttp_clear_headers(&r->query);
    auth_fini(&r->auth);
    free((char *)r->path.ptr);
    ruleset_unref(r->set);
    free(r);
}

void http_reply_json(struct http_request *r, int status, const struct buf *json)
{
    xbuf(json);
    http_reply(r, status, "application/json", buf_view(json));
}

void http_reply_error(struct http_request *r, int status, const char *format, ...)
{
    struct buf message = BUF_INIT, json = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    buf_char(&json, '{');
    json_write_member(&json, "message", buf_view(&message));
    buf_char(&json, '}');
    xbuf(&message);
    if (status == 503)
        http_add_header(r, "Retry-After", "1");
    http_reply_json(r, status, &json);
    buf_fini(&json);
    buf_fini(&message);
}

/* ---- routing ---- */

static bool path_starts(struct str path, struct str wanted)
{
    if (path.size < wanted.size)
        return false;
    for (size_t i = 0; i < wanted.size; i++)
        if (wanted.ptr[i] == '#' ? path.ptr[i] < '0' || path.ptr[i] > '9' : path.ptr[i] != wanted.ptr[i])
            return false;
    return true;
}

static bool route_matches(const struct http_route *route, struct str path, size_t *rest)
{
    struct str wanted = str_from(route->path);

    *rest = path.size;
    if (wanted.size < 2 || wanted.ptr[wanted.size - 1] != '*')
        return str_eq(wanted, path);
    wanted.size--;
    *rest = wanted.size;
    return path_starts(path, wanted);
}

static bool has_method(const char *list, const char *method)
{
    size_t size = strlen(method);
    for (const char *at = list; (at = strstr(at, method)); at += size)
        if ((at == list || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

static void add_methods(struct buf *allow, const char *list)
{
    for (; *list; list++)
        if (*list == ' ')
            buf_text(allow, ", ");
        else
            buf_char(allow, *list);
}

static void route(struct http_request *r)
{
    struct buf allow = BUF_INIT;
    size_t rest;

    for (const struct http_route *one = http_routes; one->path; one++) {
        if (!route_matches(one, r->path, &rest))
            continue;
        if (has_method(one->methods, http_method(r))) {
            buf_fini(&allow);
            r->route = one;
            r->rest = rest;
            if (auth_take(r, &r->auth))
                one->handle(r);
            return;
        }
        if (allow.size)
            buf_text(&allow, ", ");
        add_methods(&allow, one->methods);
    }
    if (allow.size) {
        http_add_header(r, "Allow", buf_cstr(&allow));
        http_reply_error(r, 405, "%s is not allowed here; allowed: %s", http_method(r), buf_cstr(&allow));
    } else {
        http_reply_error(r, 404, "no such path '%.*s'", r->path.size > 200 ? 200 : (int)r->path.size, r->path.ptr);
    }
    buf_fini(&allow);
}

/* ---- taking ---- */

/* A path is shown in messages, and its names are compared as C strings: it is UTF-8 without control characters. */
static bool is_path(struct str path)
{
    uint32_t code;
    for (size_t at = 0, n; at < path.size; at += n) {
        n = utf8_decode(path.ptr + at, path.size - at, &code);
        if (!n || code < ' ' || code == 0x7f || utf8_is_surrogate(code))
            return false;
    }
    return true;
}

static void take_target(struct http_request *r, const char *target)
{
    size_t size;

    if (*target != '/' && *target != '*') { /* http://HOST/PATH */
        target = strstr(target, "://") + 3;
        target += strcspn(target, "/?");
    }
    const char *mark = strchr(target, '?');
    r->raw_path = *target == '/' ? (struct str){target, mark ? (size_t)(mark - target) : strlen(target)} : STR("/");
    char *raw = xtext(r->raw_path);
    char *path = evhttp_uridecode(raw, 0, &size);
    free(raw);
    if (!path)
        xfail("out of memory");
    r->path = (struct str){path, size};
    r->rest = size;
    if (mark)
        evhttp_parse_query_str(mark + 1, &r->query); /* false: what it has read so far counts */
}

static bool guard(struct http_request *r)
{
    struct http_guard g = {r->set->listen_host, r->set->allowed_hosts, r->set->allowed_host_count};
    struct http_refusal refusal;
    enum evhttp_cmd_type type = evhttp_request_get_command(r->ev);
    struct http_head head = {
        .major = r->ev->major,
        .minor = r->ev->minor,
        .may_have_body = type == EVHTTP_REQ_POST || type == EVHTTP_REQ_PUT || type == EVHTTP_REQ_PATCH,
        .target = evhttp_request_get_uri(r->ev),
        .headers = evhttp_request_get_input_headers(r->ev),
    };

    if (http_guard_check(&g, &head, &refusal))
        return true;
    http_add_header(r, "Connection", "close");
    http_reply_error(r, refusal.status, "%s", refusal.message);
    return false;
}

void http_request_cb(struct evhttp_request *ev, void *thread)
{
    struct http_request *r = xalloc(sizeof *r);
    struct evbuffer *input = evhttp_request_get_input_buffer(ev);
    size_t size = evbuffer_get_length(input);

    r->thread = thread;
    r->ev = ev;
    r->set = router_set(http_router(r));
    TAILQ_INIT(&r->query);
    r->thread->under_way++;
    bufferevent_disable(evhttp_connection_get_bufferevent(evhttp_request_get_connection(ev)), EV_READ);
    if (!guard(r))
        return;
    take_target(r, evhttp_request_get_uri(ev));
    if (!is_path(r->path)) {
        http_reply_error(r, 400, "the path holds a control character, or is not UTF-8");
        return;
    }
    if (size > HTTP_BODY_BYTES_MAX) {
        http_reply_error(r, 413, "the body has %zu bytes; the limit is %d (HTTP_BODY_BYTES_MAX)", size,
                         HTTP_BODY_BYTES_MAX);
        return;
    }
    r->body = (struct str){size ? (const char *)evbuffer_pullup(input, -1) : "", size};
    if (!r->body.ptr)
        xfail("out of memory");
    route(r);
}
