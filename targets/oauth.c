/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access tokens, see oauth.h. The client says who it is by HTTP Basic, which every server must understand, unless the
 * connection's own body parameters have a client_secret; grant_type=client_credentials goes along unless they have one.
 * The parameters go as a form, as JSON where the connection's headers say so, and in the query with GET.
 *
 * Whatever the endpoint answers, the deliveries that wait for a token are tried again later: a wrong secret is mended
 * on this side. Of its answer nothing is told but the status and the error code that OAuth defines.
 */
#include "targets/oauth.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "matcher/json.h"
#include "targets/api_destination_int.h"
#include "targets/http_text.h"

#define ANSWER_BYTES   (64 << 10)
#define TOKEN_BYTES    (16 << 10) /* it goes into one header */
#define EARLY_MS       30000      /* a token is renewed so long before its end, or after nine tenths of its life */
#define ERROR_CODE_MAX 40

/* ---- the present token ---- */

struct str oauth_token(const struct oauth *a, struct weir_time now)
{
    return a->token.size && now.age_ms < a->expires_age_ms ? buf_view(&a->token) : (struct str){NULL, 0};
}

static void drop(struct oauth *a)
{
    if (a->token.data)
        OPENSSL_cleanse(a->token.data, a->token.capacity);
    buf_fini(&a->token);
}

void oauth_forget(struct oauth *a, uint64_t number)
{
    if (a->number == number)
        drop(a);
}

/* ---- the answer ---- */

/* A number, or, as some servers write it, a text that is one. */
static int64_t seconds_of(struct str value)
{
    char text[20] = "";
    size_t quoted = value.size && value.ptr[0] == '"';

    if (value.size > 2 * quoted && value.size - 2 * quoted < sizeof text)
        memcpy(text, value.ptr + quoted, value.size - 2 * quoted);
    return strtoll(text, NULL, 10);
}

static bool read_token(struct oauth *a, struct str answer)
{
    struct json_info info;

    if (!json_check(answer, &info, NULL) || info.type != JSON_OBJECT)
        return false;
    struct str token = json_member(answer, "access_token"), life = json_member(answer, "expires_in");
    if (!token.ptr || json_type_of(token) != JSON_STRING || token.size > TOKEN_BYTES)
        return false;
    drop(a);
    json_decode(&a->token, token);
    int64_t ms = life.ptr ? seconds_of(life) * 1000 : 0, early = ms / 10 < EARLY_MS ? ms / 10 : EARLY_MS;
    a->expires_age_ms = ms > 0 ? a->host->now(a->host).age_ms + ms - early : INT64_MAX;
    a->number++;
    bool good = a->token.size && !a->token.failed && http_is_header_value(buf_view(&a->token));
    if (!good)
        drop(a);
    return good;
}

/* OAuth's own word for what is wrong, where there is one: "invalid_client". */
static void error_code(struct str answer, char out[ERROR_CODE_MAX + 3])
{
    struct json_info info;
    struct str code = {NULL, 0};

    out[0] = '\0';
    if (json_check(answer, &info, NULL) && info.type == JSON_OBJECT)
        code = json_member(answer, "error");
    if (!code.ptr || json_type_of(code) != JSON_STRING || code.size - 2 > ERROR_CODE_MAX)
        return;
    for (size_t i = 1; i < code.size - 1; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz_", code.ptr[i]))
            return;
    snprintf(out, ERROR_CODE_MAX + 3, ": %.*s", (int)code.size - 2, code.ptr + 1);
}

static void judge(struct oauth *a, struct verdict *v)
{
    static const int again[] = {0};
    char code[ERROR_CODE_MAX + 3], reason[sizeof v->message];

    http_call_judge(&a->call, again, false, v);
    if (v->kind == VERDICT_SETTLED) {
        verdict_set(v, VERDICT_RETRY, "TOKEN", "the authorization endpoint answered %d without an access token",
                    a->call.status);
        return;
    }
    error_code(buf_view(&a->answer), code);
    snprintf(reason, sizeof reason, "%s", v->message);
    v->kind = VERDICT_RETRY;
    snprintf(v->message, sizeof v->message, "no access token: the authorization endpoint: %.150s%s", reason, code);
}

static void wipe(struct buf *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->capacity);
    buf_fini(b);
}

static void answered(struct http_call *call)
{
    struct oauth *a = (struct oauth *)call;
    struct verdict v;
    bool ok = call->failure == HTTP_ANSWERED && call->status / 100 == 2 && read_token(a, buf_view(&a->answer));

    if (!ok)
        judge(a, &v);
    http_call_fini(call);
    wipe(&a->answer);
    wipe(&a->url);
    wipe(&a->body);
    a->asking = false;
    a->ready(a, ok ? NULL : &v);
}

/* ---- the question ---- */

static const struct option_header *parameter(const struct option_list *list, const char *name)
{
    const struct option_header *items = list->items;

    for (size_t i = 0; i < list->count; i++)
        if (strcasecmp(items[i].name.ptr, name) == 0)
            return &items[i];
    return NULL;
}

typedef void write_fn(struct buf *out, struct str name, struct str value);

static void write_form(struct buf *out, struct str name, struct str value)
{
    if (out->size)
        buf_char(out, '&');
    http_write_encoded(out, name);
    buf_char(out, '=');
    http_write_encoded(out, value);
}

static void write_json(struct buf *out, struct str name, struct str value)
{
    json_write_member(out, name.ptr, value);
}

static void write_grant(const struct option_list *bodies, write_fn *write, struct buf *out)
{
    const struct option_header *items = bodies->items;

    if (!parameter(bodies, "grant_type"))
        write(out, STR("grant_type"), STR("client_credentials"));
    for (size_t i = 0; i < bodies->count; i++)
        write(out, items[i].name, items[i].value);
}

static bool is_json(const struct option_list *headers)
{
    const struct option_header *type = parameter(headers, "Content-Type");
    return type && strncasecmp(type->value.ptr, "application/json", strlen("application/json")) == 0;
}

static void write_question(struct oauth *a, bool in_query)
{
    const struct connection_options *c = a->connection;
    const struct http_parameters *p = &c->oauth.parameters;
    const struct option_header *queries = p->queries.items;

    buf_str(&a->url, c->oauth.endpoint);
    for (size_t i = 0; i < p->queries.count; i++)
        http_write_query(&a->url, queries[i].name, queries[i].value);
    if (in_query) {
        write_grant(&p->bodies, http_write_query, &a->url);
    } else if (is_json(&p->headers)) {
        buf_char(&a->body, '{');
        write_grant(&p->bodies, write_json, &a->body);
        buf_char(&a->body, '}');
    } else {
        write_grant(&p->bodies, write_form, &a->body);
    }
}

static bool add_headers(struct oauth *a, bool in_query)
{
    const struct connection_options *c = a->connection;
    const struct option_list *own = &c->oauth.parameters.headers;
    const struct option_header *items = own->items;
    struct buf basic = BUF_INIT;
    bool ok = true;

    if (!parameter(own, "Authorization") && !parameter(&c->oauth.parameters.bodies, "client_secret")) {
        http_write_basic(&basic, c->oauth.client_id, c->oauth.client_secret.value, true);
        ok = !basic.failed && http_call_header(&a->call, "Authorization", buf_view(&basic));
    }
    wipe(&basic);
    if (ok && !in_query && !parameter(own, "Content-Type"))
        ok = http_call_header(&a->call, "Content-Type", STR("application/x-www-form-urlencoded"));
    if (ok && !parameter(own, "Accept"))
        ok = http_call_header(&a->call, "Accept", STR("application/json"));
    for (size_t i = 0; ok && i < own->count; i++)
        ok = http_call_header(&a->call, items[i].name.ptr, items[i].value);
    return ok;
}

bool oauth_ask(struct oauth *a)
{
    const char *method = oauth_methods[a->connection->oauth.method];
    bool in_query = strcmp(method, "GET") == 0;

    if (a->asking)
        return true;
    a->answer.max = ANSWER_BYTES;
    a->call.done = answered;
    a->call.whole_answer = &a->answer;
    http_call_init(&a->call);
    write_question(a, in_query);
    struct http_request_line line = {.url = buf_cstr(&a->url),
                                     .method = method,
                                     .user_agent = "Amazon/EventBridge/ApiDestinations",
                                     .timeout = a->timeout,
                                     .connect_timeout = a->timeout,
                                     .body = buf_view(&a->body),
                                     .bodiless = in_query};
    a->asking =
        !a->url.failed && !a->body.failed && add_headers(a, in_query) && http_call_start(a->client, &a->call, &line);
    if (!a->asking) {
        http_call_fini(&a->call);
        wipe(&a->url);
        wipe(&a->body);
    }
    return a->asking;
}

void oauth_fini(struct oauth *a)
{
    http_call_fini(&a->call);
    drop(a);
    wipe(&a->url);
    wipe(&a->body);
    wipe(&a->answer);
}
