/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structure AuthParameters of CreateConnection and UpdateConnection, by the service model's tables, into a
 * document's words. Each secret is sealed as it is met, and messages never have one. A parameter that is there twice
 * counts by its last value, since a document names each once.
 */
#include <openssl/crypto.h>
#include <stdio.h>

#include "router/api/events_connections.h"
#include "router/router.h"
#include "router/xalloc.h"
#include "targets/secret.h"

#define PARAMETERS_MAX 100
#define TEXT_MAX       512

struct reading {
    struct aws_request *r;
    struct str name; /* of the connection */
    struct secret_key key;
    bool has_key, failed; /* failed: answered */
};

struct parameters {
    struct str basic, oauth, api_key, invocation;
    struct str username, password, key_name, key_value;
    struct str client, endpoint, method, oauth_parameters, client_id, client_secret;
    struct str headers, queries, bodies;
    struct str key, value;
    bool is_secret;
};

static struct aws_regex auth_regex = {.text = "^[ \\t]*[^\\x00-\\x1F:\\x7F]+([ \\t]+[^\\x00-\\x1F:\\x7F]+)*[ \\t]*$",
                                      .linear = "\\t*[^\\x00-\\x1F:\\x7F][^\\x00-\\x08\\x0A-\\x1F:\\x7F]*"};
static struct aws_regex endpoint_regex =
    AWS_REGEX("^((%[0-9A-Fa-f]{2}|[-()_.!~*';/?:@\\x26=+$,A-Za-z0-9])+)([).!';/?:,])?$");
static struct aws_regex header_key_regex = AWS_REGEX("^[!#$%&'*+-.^_`|~0-9a-zA-Z]+$");
static struct aws_regex header_value_regex = {.text = "^[ \\t]*[\\x20-\\x7E]+([ \\t]+[\\x20-\\x7E]+)*[ \\t]*$",
                                              .linear = "\\t*[\\x20-\\x7E][\\t\\x20-\\x7E]*"};
static struct aws_regex query_key_regex = AWS_REGEX("[^\\x00-\\x1F\\x7F]+");
static struct aws_regex query_value_regex = AWS_REGEX("[^\\x00-\\x09\\x0B\\x0C\\x0E-\\x1F\\x7F]+");

#define MEMBER(name, type, field, ...) AWS_MEMBER(struct parameters, name, type, field, ##__VA_ARGS__)
#define STRUCTURE(name, field, ...)    MEMBER(name, AWS_STRUCTURE, field, ##__VA_ARGS__)
#define AUTH(name, field, ...)                                                                                         \
    MEMBER(name, AWS_STRING, field, .min = 1, .max = TEXT_MAX, .regex = &auth_regex, ##__VA_ARGS__)
/* Two tables: what CreateConnection requires, UpdateConnection may leave out. */
#define TABLES(name, rows) static const struct aws_member name[2][6] = {rows(false), rows(true)}

static const struct aws_member auth_members[] = {
    STRUCTURE("BasicAuthParameters", basic),
    STRUCTURE("OAuthParameters", oauth),
    STRUCTURE("ApiKeyAuthParameters", api_key),
    STRUCTURE("InvocationHttpParameters", invocation),
    {0},
};
#define BASIC_ROWS(needed)                                                                                             \
    {                                                                                                                  \
        AUTH("Username", username, .required = needed), AUTH("Password", password, .required = needed, .hidden = true) \
    }
#define KEY_ROWS(needed)                                                                                               \
    {                                                                                                                  \
        AUTH("ApiKeyName", key_name, .required = needed),                                                              \
            AUTH("ApiKeyValue", key_value, .required = needed, .hidden = true)                                         \
    }
#define CLIENT_ROWS(needed)                                                                                            \
    {                                                                                                                  \
        AUTH("ClientID", client_id, .required = needed),                                                               \
            AUTH("ClientSecret", client_secret, .required = needed, .hidden = true)                                    \
    }
#define OAUTH_ROWS(needed)                                                                                             \
    {                                                                                                                  \
        STRUCTURE("ClientParameters", client, .required = needed),                                                     \
            MEMBER("AuthorizationEndpoint", AWS_STRING, endpoint, .required = needed, .min = 1, .max = 2048,           \
                   .regex = &endpoint_regex),                                                                          \
            MEMBER("HttpMethod", AWS_STRING, method, .required = needed, .values = oauth_methods),                     \
            STRUCTURE("OAuthHttpParameters", oauth_parameters)                                                         \
    }
TABLES(basic_members, BASIC_ROWS);
TABLES(key_members, KEY_ROWS);
TABLES(client_members, CLIENT_ROWS);
TABLES(oauth_members, OAUTH_ROWS);

#define LIST(name, field, structure)                                                                                   \
    MEMBER(name, AWS_LIST, field, .max = PARAMETERS_MAX, .element = AWS_STRUCTURE, .shape = structure)
static const struct aws_member http_members[] = {
    LIST("HeaderParameters", headers, "ConnectionHeaderParameter"),
    LIST("QueryStringParameters", queries, "ConnectionQueryStringParameter"),
    LIST("BodyParameters", bodies, "ConnectionBodyParameter"),
    {0},
};
#define SECRECY MEMBER("IsValueSecret", AWS_BOOLEAN, is_secret)
static const struct aws_member header_members[] = {
    MEMBER("Key", AWS_STRING, key, .max = TEXT_MAX, .regex = &header_key_regex),
    MEMBER("Value", AWS_STRING, value, .max = TEXT_MAX, .regex = &header_value_regex, .hidden = true),
    SECRECY,
    {0},
};
static const struct aws_member query_members[] = {
    MEMBER("Key", AWS_STRING, key, .max = TEXT_MAX, .regex = &query_key_regex),
    MEMBER("Value", AWS_STRING, value, .max = TEXT_MAX, .regex = &query_value_regex, .hidden = true),
    SECRECY,
    {0},
};
static const struct aws_member body_members[] = {
    MEMBER("Key", AWS_STRING, key),
    MEMBER("Value", AWS_STRING, value, .hidden = true),
    SECRECY,
    {0},
};

/* ---- values ---- */

struct str events_quoted(struct arena *a, struct str text)
{
    struct buf json = BUF_INIT;

    if (!text.ptr)
        return text;
    json_write_string(&json, text);
    return aws_keep(a, &json);
}

static bool take_key(struct reading *x)
{
    struct weir_diag diag;

    x->has_key = x->has_key || secret_key_read(http_router(x->r->http)->data, true, &x->key, &diag);
    if (!x->has_key && !x->failed)
        aws_fail(x->r, 500, "InternalException", "%s", diag.message);
    x->failed |= !x->has_key;
    return x->has_key;
}

static struct str sealed(struct reading *x, struct str text)
{
    struct buf json = BUF_INIT, secret = BUF_INIT;

    if (!text.ptr || !take_key(x))
        return (struct str){NULL, 0};
    if (!secret_seal(&x->key, x->name, text, &secret))
        xfail("out of memory");
    buf_char(&json, '{');
    json_write_member(&json, "encrypted", buf_view(&secret));
    buf_char(&json, '}');
    buf_fini(&secret);
    return aws_keep(&x->r->arena, &json);
}

/* ---- HTTP parameters ---- */

static bool is_later(struct aws_list list, struct str key)
{
    struct str one;

    while (aws_list_next(&list, &one)) {
        struct str other = json_member(one, "Key");
        if (other.ptr && json_type_of(other) == JSON_STRING && str_eq(other, key))
            return true;
    }
    return false;
}

static void write_list(struct reading *x, struct buf *json, const char *key, const char *path, const char *member,
                       const struct aws_member *members, struct str text)
{
    struct aws_list list;
    struct str one;

    if (!text.ptr)
        return;
    json_write_key(json, key);
    buf_char(json, '{');
    for (aws_list_start(&list, text); aws_list_next(&list, &one) && list.index <= PARAMETERS_MAX;) {
        struct parameters p = {.value = STR("")};
        char where[128];
        snprintf(where, sizeof where, "%s%s.%u.member.", path, member, list.index);
        if (!aws_read(x->r, one, where, members, &p)) {
            x->failed = true;
            return;
        }
        if (!p.key.ptr || x->r->fault_count || is_later(list, json_member(one, "Key")))
            continue;
        if (json->data[json->size - 1] != '{')
            buf_char(json, ',');
        json_write_string(json, p.key);
        buf_char(json, ':');
        buf_str(json, p.is_secret ? sealed(x, p.value) : events_quoted(&x->r->arena, p.value));
    }
    buf_char(json, '}');
}

static struct str read_http(struct reading *x, const char *path, struct str structure)
{
    struct parameters p = {0};
    struct buf json = BUF_INIT;

    if (!structure.ptr || x->failed)
        return (struct str){NULL, 0};
    if (!aws_read(x->r, structure, path, http_members, &p)) {
        x->failed = true;
        return (struct str){NULL, 0};
    }
    buf_char(&json, '{');
    write_list(x, &json, "header_parameters", path, "headerParameters", header_members, p.headers);
    if (!x->failed)
        write_list(x, &json, "query_string_parameters", path, "queryStringParameters", query_members, p.queries);
    if (!x->failed)
        write_list(x, &json, "body_parameters", path, "bodyParameters", body_members, p.bodies);
    buf_char(&json, '}');
    struct str text = x->failed ? (struct str){NULL, 0} : aws_keep(&x->r->arena, &json);
    buf_fini(&json);
    return text;
}

/* ---- the whole ---- */

static bool read_part(struct reading *x, struct str structure, const char *path, const struct aws_member *members,
                      struct parameters *p)
{
    if (structure.ptr && !x->failed && !aws_read(x->r, structure, path, members, p))
        x->failed = true;
    return !x->failed;
}

static bool read_parts(struct reading *x, struct str parameters, bool create, struct parameters *p)
{
    return read_part(x, parameters, "authParameters.", auth_members, p) &&
           read_part(x, p->basic, "authParameters.basicAuthParameters.", basic_members[create], p) &&
           read_part(x, p->api_key, "authParameters.apiKeyAuthParameters.", key_members[create], p) &&
           read_part(x, p->oauth, "authParameters.oAuthParameters.", oauth_members[create], p) &&
           read_part(x, p->client, "authParameters.oAuthParameters.clientParameters.", client_members[create], p);
}

static void fill(struct reading *x, const struct parameters *p, struct connection_says *says)
{
    says->username = events_quoted(&x->r->arena, p->username);
    says->key_name = events_quoted(&x->r->arena, p->key_name);
    says->client_id = events_quoted(&x->r->arena, p->client_id);
    says->endpoint = events_quoted(&x->r->arena, p->endpoint);
    says->method = events_quoted(&x->r->arena, p->method);
    says->oauth_parameters = read_http(x, "authParameters.oAuthParameters.oAuthHttpParameters.", p->oauth_parameters);
    says->invocation = read_http(x, "authParameters.invocationHttpParameters.", p->invocation);
    if (x->failed || x->r->fault_count) /* then it is refused, and nothing is to be sealed */
        return;
    says->password = sealed(x, p->password);
    says->key_value = sealed(x, p->key_value);
    says->client_secret = sealed(x, p->client_secret);
}

bool events_connection_read(struct aws_request *r, struct str name, struct str parameters, bool create,
                            struct connection_says *says)
{
    struct reading x = {.r = r, .name = name};
    struct parameters p = {0};

    if (!parameters.ptr)
        return true;
    if (read_parts(&x, parameters, create, &p))
        x.failed = !events_check_endpoint(r, "AuthParameters.OAuthParameters.AuthorizationEndpoint", p.endpoint);
    if (!x.failed)
        fill(&x, &p, says);
    OPENSSL_cleanse(&x.key, sizeof x.key);
    return !x.failed;
}
