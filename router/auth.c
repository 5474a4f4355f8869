/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to its sender. Tokens are compared with each one there is, each time all of them, in constant time:
 * there are few. Signatures are the affair of auth_sigv4.c; this file only hands it the request as it came.
 *
 * Refusals are counted by route and reason. They are not logged one by one: an address that anybody can reach would
 * fill the disk.
 */
#include "router/auth.h"

#include <netdb.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "matcher/json.h"
#include "router/api/api.h"
#include "router/http.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/xalloc.h"

enum need { NEED_NOTHING, NEED_SIGNATURE, NEED_SIGNATURE_IF_ANY, NEED_TOKEN };

/* By route name; any other needs a token for v1. */
static const struct {
    const char *route;
    enum need need;
    enum access_route access;
    bool inherent;
} needs[] = {
    {"aws", NEED_SIGNATURE, ACCESS_ROUTE_COUNT, false},
    {"lambda", NEED_SIGNATURE, ACCESS_ROUTE_COUNT, false},
    {"events", NEED_TOKEN, ACCESS_EVENTS, false},
    {"s3", NEED_TOKEN, ACCESS_S3, true},
    {"cloudtrail", NEED_TOKEN, ACCESS_CLOUDTRAIL, true},
    {"metrics", NEED_TOKEN, ACCESS_METRICS, false},
    {"root", NEED_SIGNATURE_IF_ANY, ACCESS_ROUTE_COUNT, false}, /* links of the AWS protocols come by it, too */
    {"healthz", NEED_NOTHING, ACCESS_ROUTE_COUNT, false},
    {"certificate", NEED_NOTHING, ACCESS_ROUTE_COUNT, false}, /* of SNS: whoever gets a message verifies it */
    {"readyz", NEED_NOTHING, ACCESS_ROUTE_COUNT, false},
};

static void count_refusal(const struct http_request *r, const char *reason)
{
    series_add(metric(METRIC_AUTH_REFUSED, http_route_name(r), reason), 1);
}

/* ---- tokens ---- */

struct single { /* a header that may be there once at most */
    const char *name, *value;
    unsigned count;
};

static void find_cb(void *context, const char *name, const char *value)
{
    struct single *s = context;
    if (strcasecmp(name, s->name) != 0)
        return;
    s->value = value;
    s->count++;
}

/* What stands behind Bearer; {NULL,0}: no such thing. */
static struct str bearer_of(const char *header)
{
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return (struct str){NULL, 0};
    header += 7;
    header += strspn(header, " ");
    size_t size = strlen(header);
    while (size && header[size - 1] == ' ')
        size--;
    return (struct str){header, size};
}

static const struct access_holder *find_token(const struct access *access, struct str token)
{
    const struct access_holder *found = NULL;

    for (size_t i = 0; i < access->token_count; i++) {
        const struct access_holder *one = &access->tokens[i];
        if (one->secret.size == token.size && CRYPTO_memcmp(one->secret.ptr, token.ptr, token.size) == 0)
            found = one;
    }
    return found;
}

static bool refuse(struct http_request *r, int status, const char *reason, const char *challenge, const char *message)
{
    count_refusal(r, reason);
    if (challenge)
        http_add_header(r, "WWW-Authenticate", challenge);
    http_reply_error(r, status, "%s", message);
    return false;
}

static bool refuse_route(struct http_request *r, const struct access_holder *holder, enum access_route route)
{
    count_refusal(r, "not_allowed");
    http_reply_error(r, 403, "token '%.*s' is not for this; it has no route '%s'", STR_ARG(holder->id),
                     access_routes[route]);
    return false;
}

static bool take_token(struct http_request *r, struct auth *auth, const struct access *access, enum access_route route)
{
    struct single header = {.name = "Authorization"};

    http_each_header(r, find_cb, &header);
    if (header.count > 1)
        return refuse(r, 400, "malformed", NULL, "the header Authorization is there more than once");
    struct str token = bearer_of(header.value);
    if (!token.size)
        return refuse(r, 401, "missing", "Bearer realm=\"weir\"", "this asks for a token: Authorization: Bearer TOKEN");
    auth->holder = find_token(access, token);
    if (!auth->holder)
        return refuse(r, 401, "unknown_token", "Bearer realm=\"weir\", error=\"invalid_token\"",
                      "the token in Authorization is not known here");
    if (!(auth->holder->routes & 1u << route))
        return refuse_route(r, auth->holder, route);
    return true;
}

/* ---- signatures ---- */

struct head { /* grows as the headers are told */
    struct sigv4_header *list;
    size_t count, capacity;
};

static void add_header_cb(void *context, const char *name, const char *value)
{
    struct head *h = context;
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? h->capacity * 2 : 32;
        h->list = xrealloc(h->list, h->capacity * sizeof *h->list);
    }
    h->list[h->count++] = (struct sigv4_header){str_from(name), str_from(value)};
}

static const char *reason_of(enum sigv4_fault fault)
{
    switch (fault) {
    case SIGV4_MISSING: return "missing";
    case SIGV4_INCOMPLETE: return "malformed";
    case SIGV4_UNKNOWN_KEY: return "unknown_key";
    case SIGV4_EXPIRED: return "expired";
    default: return "signature";
    }
}

static bool take_signature(struct http_request *r, struct auth *auth, const struct access *access, bool must)
{
    struct head head = {0};
    struct sigv4_result result;

    http_each_header(r, add_header_cb, &head);
    struct sigv4_request request = {.method = str_from(http_method(r)),
                                    .path = http_path_text(r),
                                    .query = http_query_text(r),
                                    .headers = head.list,
                                    .header_count = head.count,
                                    .body = http_body(r),
                                    .tls = http_is_tls(r)};
    bool ok = sigv4_verify(&request, access, clock_now(&http_router(r)->clock).wall_ms, &result);
    free(head.list);
    if (result.fault == SIGV4_MISSING && !must)
        return true;
    if (!ok) {
        count_refusal(r, reason_of(result.fault));
        buf_fini(&result.body);
        aws_refuse_signature(r, &result);
        return false;
    }
    auth->holder = result.key;
    memcpy(auth->service, result.service, sizeof auth->service);
    auth->body = result.body;
    if (result.decoded)
        http_set_body(r, buf_view(&auth->body));
    return true;
}

/* ---- a request ---- */

bool auth_take(struct http_request *r, struct auth *auth)
{
    const struct access *access = http_set(r)->access;
    const char *route = http_route_name(r);
    size_t i = 0;

    if (!access)
        return true;
    while (i < sizeof needs / sizeof needs[0] && strcmp(needs[i].route, route) != 0)
        i++;
    if (i == sizeof needs / sizeof needs[0])
        return take_token(r, auth, access, ACCESS_V1);
    auth->inherent = needs[i].inherent;
    if (needs[i].need == NEED_NOTHING || (needs[i].access == ACCESS_METRICS && access->public_metrics))
        return true;
    if (needs[i].need == NEED_TOKEN)
        return take_token(r, auth, access, needs[i].access);
    return take_signature(r, auth, access, needs[i].need == NEED_SIGNATURE);
}

void auth_fini(struct auth *auth)
{
    buf_fini(&auth->body);
}

/* ---- what a holder may ---- */

const struct access_holder *auth_holder(const struct http_request *r)
{
    return http_auth(r)->holder;
}

bool auth_may_use_bus(const struct http_request *r, struct str bus)
{
    const struct access_holder *holder = auth_holder(r);
    return holder ? access_may_use_bus(holder, bus) : !http_set(r)->access;
}

bool auth_may_send(const struct http_request *r, struct str source)
{
    const struct auth *auth = http_auth(r);
    struct buf decoded = BUF_INIT;

    if (!auth->holder)
        return !http_set(r)->access;
    if (source.size && source.ptr[0] == '"') {
        json_decode(&decoded, source);
        xbuf(&decoded);
        source = buf_view(&decoded);
    }
    bool may = access_may_send(auth->holder, source, auth->inherent);
    buf_fini(&decoded);
    return may;
}

/* ---- listening ---- */

/* Are all addresses of this name loopback? It is looked up just as for listening, where "*" is every address; a name
   that cannot be looked up cannot be listened on either. */
static bool resolves_to_loopback(const char *name)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    char host[NI_MAXHOST];
    bool all = true;

    if (getaddrinfo(name, "0", &hints, &found) != 0)
        return true;
    for (const struct addrinfo *a = found; a && all; a = a->ai_next)
        all = getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0 &&
              access_is_loopback(str_from(host));
    freeaddrinfo(found);
    return all;
}

bool auth_check_listen(const struct ruleset *set, struct buf *out)
{
    if (set->access || access_is_loopback(set->listen_host) || resolves_to_loopback(set->listen_host.ptr))
        return true;
    buf_printf(out,
               "listen '%.*s' can be reached from other machines, and nobody is asked who he is; say who may in by "
               "'auth: {access_keys: keys.yaml, tokens: tokens.yaml}', or listen on 127.0.0.1",
               STR_ARG(set->listen_host));
    return false;
}
