/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says about its own signature, from the header Authorization or from X-Amz-… parameters of the query;
 * never from both. Everything that decides is refused where it is there twice: two parsers, two meanings.
 */
#include <stdio.h>
#include <strings.h>

#include "router/auth_sigv4_int.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

struct str sigv4_header(const struct sigv4_request *r, const char *name, bool *twice_out)
{
    struct str found = {NULL, 0};
    size_t size = strlen(name);

    *twice_out = false;
    for (size_t i = 0; i < r->header_count; i++)
        if (r->headers[i].name.size == size && strncasecmp(r->headers[i].name.ptr, name, size) == 0) {
            *twice_out |= found.ptr != NULL;
            found = r->headers[i].value;
        }
    return found;
}

/* False: it is there twice. */
static bool take_header(const struct sigv4_request *r, const char *name, struct str *value, struct sigv4_result *out)
{
    bool twice;

    *value = sigv4_header(r, name, &twice);
    if (!twice)
        return true;
    *value = (struct str){NULL, 0};
    return sigv4_fail(out, SIGV4_INCOMPLETE, "The header %s is there more than once.", name);
}

/* ---- credential and date ---- */

static struct str take_until(struct str *rest, char mark)
{
    const char *end = rest->size ? memchr(rest->ptr, mark, rest->size) : NULL;
    struct str part = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->size};

    *rest = end ? (struct str){end + 1, rest->size - part.size - 1} : (struct str){NULL, 0};
    return part;
}

static bool is_digits(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.size > 0;
}

/* ID/DATE/REGION/SERVICE/aws4_request */
static bool take_credential(struct str text, struct sigv4_credential *c, struct sigv4_result *out)
{
    struct str rest = text;

    c->id = take_until(&rest, '/');
    c->scope = rest;
    c->date = take_until(&rest, '/');
    c->region = take_until(&rest, '/');
    c->service = take_until(&rest, '/');
    if (!rest.ptr || memchr(rest.ptr, '/', rest.size) || !c->id.size || !c->region.size || !c->service.size)
        return sigv4_fail(out, SIGV4_INCOMPLETE,
                          "Credential must have exactly 5 slash-delimited elements, e.g. "
                          "keyid/date/region/service/term, got '%.*s'",
                          text.size > 100 ? 100 : (int)text.size, text.ptr);
    if (!str_is(rest, "aws4_request"))
        return sigv4_fail(out, SIGV4_MISMATCH, "Credential should be scoped with a valid terminator: 'aws4_request'.");
    if (c->date.size != 8 || !is_digits(c->date) || c->region.size > 64)
        return sigv4_fail(out, SIGV4_MISMATCH, "Credential should be scoped to a valid date and region.");
    return true;
}

static bool check_time(const struct sigv4_credential *c, struct sigv4_result *out)
{
    if (c->time.size != 16 || c->time.ptr[8] != 'T' || c->time.ptr[15] != 'Z' ||
        !is_digits((struct str){c->time.ptr, 8}) || !is_digits((struct str){c->time.ptr + 9, 6}))
        return sigv4_fail(out, SIGV4_INCOMPLETE,
                          "Date must be in ISO-8601 'basic format'. Got '%.*s'. See "
                          "http://en.wikipedia.org/wiki/ISO_8601",
                          c->time.size > 60 ? 60 : (int)c->time.size, c->time.ptr);
    if (memcmp(c->time.ptr, c->date.ptr, 8) != 0)
        return sigv4_fail(out, SIGV4_MISMATCH,
                          "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                          "'%.*s' != '%.8s', from '%.*s'.",
                          STR_ARG(c->date), c->time.ptr, STR_ARG(c->time));
    return true;
}

/* ---- the header form ---- */

static struct str trim(struct str text)
{
    while (text.size && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = (struct str){text.ptr + 1, text.size - 1};
    while (text.size && (text.ptr[text.size - 1] == ' ' || text.ptr[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* Credential=…, SignedHeaders=…, Signature=… in any order, each once. */
static bool split_authorization(struct str rest, struct str parts[3], struct sigv4_result *out)
{
    static const char *const names[] = {"Credential=", "SignedHeaders=", "Signature="};

    while (rest.ptr) {
        struct str part = trim(take_until(&rest, ','));
        size_t k = 0;
        while (k < 3 && !str_starts(part, str_from(names[k])))
            k++;
        if (k == 3 || parts[k].ptr)
            return sigv4_fail(out, SIGV4_INCOMPLETE, "'%.*s' is not a valid key=value pair in Authorization header.",
                              part.size > 60 ? 60 : (int)part.size, part.ptr);
        size_t name = strlen(names[k]);
        parts[k] = (struct str){part.ptr + name, part.size - name};
    }
    return true;
}

static bool parse_header_form(const struct sigv4_request *r, struct str authorization, struct sigv4_credential *c,
                              struct sigv4_result *out)
{
    struct str rest = authorization, parts[3] = {{NULL, 0}};

    if (!str_is(take_until(&rest, ' '), ALGORITHM))
        return sigv4_fail(out, SIGV4_INCOMPLETE, "Unsupported AWS 'algorithm': only '" ALGORITHM "' is served.");
    if (!split_authorization(rest, parts, out))
        return false;
    if (!take_header(r, "X-Amz-Date", &c->time, out) || !take_header(r, "X-Amz-Content-Sha256", &c->payload_hash, out))
        return false;
    if (!parts[0].size || !parts[1].size || !parts[2].size || !c->time.size)
        return sigv4_fail(out, SIGV4_INCOMPLETE, "%s%s%s%s",
                          parts[0].size ? "" : "Authorization header requires 'Credential' parameter. ",
                          parts[2].size ? "" : "Authorization header requires 'Signature' parameter. ",
                          parts[1].size ? "" : "Authorization header requires 'SignedHeaders' parameter. ",
                          c->time.size ? "" : "Authorization header requires existence of a 'X-Amz-Date' header. ");
    c->signed_headers = parts[1];
    c->signature = parts[2];
    return take_credential(parts[0], c, out) && check_time(c, out);
}

/* ---- the query form ---- */

enum { ALGORITHM_NAME, CREDENTIAL, DATE, EXPIRES, SIGNED_HEADERS, SIGNATURE, TOKEN, PAYLOAD, PARAMETERS };
static const char *const parameter_names[PARAMETERS] = {
    "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",           "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Signature",  "X-Amz-Security-Token", "X-Amz-Content-Sha256",
};

/* False: one of them is there twice. Offsets first: strings moves while it grows. */
static bool take_parameters(struct str query, struct str values[PARAMETERS], struct buf *strings,
                            struct sigv4_result *out)
{
    size_t starts[PARAMETERS], ends[PARAMETERS];
    struct str name, value;

    while (sigv4_next_parameter(&query, &name, &value))
        for (size_t k = 0; k < PARAMETERS; k++) {
            if (!str_is(name, parameter_names[k]))
                continue;
            if (values[k].ptr)
                return sigv4_fail(out, SIGV4_INCOMPLETE, "The parameter %s is there more than once.",
                                  parameter_names[k]);
            values[k] = value;
            starts[k] = strings->size;
            sigv4_decode(strings, value, true);
            ends[k] = strings->size;
        }
    for (size_t k = 0; k < PARAMETERS; k++)
        if (values[k].size) /* an empty one stays as it is: there may be no strings at all */
            values[k] =
                strings->failed ? (struct str){NULL, 0} : (struct str){strings->data + starts[k], ends[k] - starts[k]};
    return true;
}

static bool take_expires(struct str text, struct sigv4_credential *c, struct sigv4_result *out)
{
    bool ok = is_digits(text) && text.size <= 6;

    for (size_t i = 0; ok && i < text.size; i++)
        c->expires = c->expires * 10 + (text.ptr[i] - '0');
    if (!ok || c->expires < 1 || c->expires > SIGV4_EXPIRES_MAX)
        return sigv4_fail(out, SIGV4_INCOMPLETE, "X-Amz-Expires must be a number of seconds, 1..%d", SIGV4_EXPIRES_MAX);
    return true;
}

static bool parse_query_form(const struct sigv4_request *r, struct sigv4_credential *c, struct buf *strings,
                             struct sigv4_result *out)
{
    struct str values[PARAMETERS] = {{NULL, 0}};

    c->presigned = true;
    if (!take_parameters(r->query, values, strings, out) ||
        !take_header(r, "X-Amz-Content-Sha256", &c->payload_hash, out))
        return false;
    for (size_t k = ALGORITHM_NAME; k <= SIGNATURE; k++)
        if (!values[k].size)
            return sigv4_fail(out, SIGV4_INCOMPLETE,
                              "AWS query-string parameters must include '%s'. Re-examine the query-string parameters.",
                              parameter_names[k]);
    if (!str_is(values[ALGORITHM_NAME], ALGORITHM))
        return sigv4_fail(out, SIGV4_INCOMPLETE, "Unsupported AWS 'algorithm': only '" ALGORITHM "' is served.");
    if (values[TOKEN].ptr)
        return sigv4_fail(out, SIGV4_UNKNOWN_KEY, "The security token included in the request is invalid.");
    if (values[PAYLOAD].size && !c->payload_hash.ptr)
        c->payload_hash = values[PAYLOAD];
    c->time = values[DATE];
    c->signed_headers = values[SIGNED_HEADERS];
    c->signature = values[SIGNATURE];
    return take_credential(values[CREDENTIAL], c, out) && check_time(c, out) && take_expires(values[EXPIRES], c, out);
}

/* ---- which form ---- */

static bool has_query_form(struct str query)
{
    struct str name, value;

    while (sigv4_next_parameter(&query, &name, &value))
        if (str_is(name, parameter_names[ALGORITHM_NAME]) || str_is(name, parameter_names[SIGNATURE]))
            return true;
    return false;
}

bool sigv4_parse(const struct sigv4_request *r, struct sigv4_credential *c, struct buf *strings,
                 struct sigv4_result *out)
{
    struct str authorization, token;
    bool query_form = has_query_form(r->query);

    *c = (struct sigv4_credential){0};
    if (!take_header(r, "Authorization", &authorization, out) || !take_header(r, "X-Amz-Security-Token", &token, out))
        return false;
    if (authorization.ptr && query_form)
        return sigv4_fail(out, SIGV4_INCOMPLETE,
                          "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the "
                          "Authorization header should be specified");
    if (!query_form && !str_starts(authorization, STR("AWS4-")))
        return sigv4_fail(out, SIGV4_MISSING, "Missing Authentication Token");
    if (token.ptr)
        return sigv4_fail(out, SIGV4_UNKNOWN_KEY, "The security token included in the request is invalid.");
    return query_form ? parse_query_form(r, c, strings, out) : parse_header_form(r, authorization, c, out);
}
