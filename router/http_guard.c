/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evhttp 2.1 takes the first of two Content-Lengths, reads a body only for POST, PUT and PATCH (what follows another
 * request is then taken for the next one), knows no transfer coding but exactly "chunked" and ignores all others, and
 * asks for no Host. Each of these lets somebody behind a proxy smuggle a request in; all are refused here.
 *
 * A browser that visits a hostile page can send requests to loopback. It cannot hide where they come from: a page's
 * own name stands in Host when the name was rebound to 127.0.0.1, and in Origin otherwise. So Host must be an address,
 * localhost, or a name that somebody wrote down; and an Origin must be the very host asked, or such a name.
 */
#include "router/http_guard.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

static bool refuse(struct http_refusal *refusal, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct http_refusal *refusal, int status, const char *format, ...)
{
    va_list args;

    refusal->status = status;
    va_start(args, format);
    vsnprintf(refusal->message, sizeof refusal->message, format, args);
    va_end(args);
    return false;
}

static bool is_token(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if (*name <= ' ' || *name >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *name))
            return false;
    return true;
}

static bool is_plain_value(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value < ' ' ? *value != '\t' : *value == 0x7f)
            return false;
    return true;
}

static bool is_digits(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= 18 && strspn(text, "0123456789") == size;
}

static bool same(struct str a, struct str b)
{
    return a.size == b.size && strncasecmp(a.ptr, b.ptr, a.size) == 0;
}

/* Splits HOST[:PORT]; the host of [::1]:80 is "::1". False: not of that form. */
static bool split_authority(struct str authority, struct str *host, struct str *port)
{
    const char *colon;

    *port = (struct str){"", 0};
    if (authority.size && authority.ptr[0] == '[') {
        const char *close = memchr(authority.ptr, ']', authority.size);
        if (!close)
            return false;
        *host = (struct str){authority.ptr + 1, (size_t)(close - authority.ptr - 1)};
        colon = close + 1 < authority.ptr + authority.size ? close + 1 : NULL;
        if (colon && *colon != ':')
            return false;
    } else {
        colon = memchr(authority.ptr, ':', authority.size);
        *host = (struct str){authority.ptr, colon ? (size_t)(colon - authority.ptr) : authority.size};
    }
    if (colon)
        *port = (struct str){colon + 1, (size_t)(authority.ptr + authority.size - colon - 1)};
    for (size_t i = 0; i < port->size; i++)
        if (port->ptr[i] < '0' || port->ptr[i] > '9')
            return false;
    return host->size > 0 && port->size <= 5;
}

static bool is_address(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];

    if (host.size >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.size);
    text[host.size] = '\0';
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_named(const struct http_guard *g, struct str host)
{
    for (uint32_t i = 0; i < g->allowed_host_count; i++)
        if (same(host, g->allowed_hosts[i]))
            return true;
    return false;
}

static bool check_host(const struct http_guard *g, struct str authority, struct http_refusal *refusal)
{
    struct str host, port;

    if (!split_authority(authority, &host, &port))
        return refuse(refusal, 400, "Host is not HOST or HOST:PORT");
    if (is_address(host) || same(host, STR("localhost")) || same(host, g->listen_host) || is_named(g, host))
        return true;
    return refuse(refusal, 403, "Host '%.*s' is neither an address nor localhost; allow it with allowed_hosts",
                  host.size > 100 ? 100 : (int)host.size, host.ptr);
}

/* origin: scheme://HOST[:PORT] */
static bool check_origin(const struct http_guard *g, struct str origin, struct str authority,
                         struct http_refusal *refusal)
{
    struct str scheme[] = {STR("http://"), STR("https://")}, host, port;

    for (size_t i = 0; i < 2; i++) {
        if (!str_starts(origin, scheme[i]))
            continue;
        struct str from = {origin.ptr + scheme[i].size, origin.size - scheme[i].size};
        if (same(from, authority) || (split_authority(from, &host, &port) && is_named(g, host)))
            return true;
    }
    return refuse(refusal, 403, "requests of web pages are refused (Origin '%.*s'); allow its host with allowed_hosts",
                  origin.size > 100 ? 100 : (int)origin.size, origin.ptr);
}

/* The target is a path, or (as to a proxy) a URL whose authority is the Host. */
static bool check_target(const char *target, struct str authority, struct http_refusal *refusal)
{
    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '#')
            return refuse(refusal, 400, "the request target holds a byte that must be escaped");
    if (*target == '/' || strcmp(target, "*") == 0)
        return true;
    if (strncasecmp(target, "http://", 7) != 0)
        return refuse(refusal, 400, "the request target must be a path");
    struct str from = {target + 7, strcspn(target + 7, "/?")};
    if (!same(from, authority))
        return refuse(refusal, 400, "the request target names another host than Host does");
    return true;
}

struct framing { /* headers that may be there once at most */
    const char *host, *origin, *length, *transfer;
};

static bool take_header(struct framing *f, const struct evkeyval *header, struct http_refusal *refusal)
{
    const struct {
        const char *name;
        const char **value;
    } singles[] = {{"Host", &f->host},
                   {"Origin", &f->origin},
                   {"Content-Length", &f->length},
                   {"Transfer-Encoding", &f->transfer}};

    if (!is_token(header->key))
        return refuse(refusal, 400, "a header name holds a byte it must not hold");
    if (!is_plain_value(header->value))
        return refuse(refusal, 400, "header %.100s holds a control character", header->key);
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        if (strcasecmp(header->key, singles[i].name) != 0)
            continue;
        if (*singles[i].value)
            return refuse(refusal, 400, "header %s is there twice", singles[i].name);
        *singles[i].value = header->value;
    }
    return true;
}

static bool check_framing(const struct framing *f, const struct http_head *head, struct http_refusal *refusal)
{
    if (f->length && f->transfer)
        return refuse(refusal, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (f->length && !is_digits(f->length))
        return refuse(refusal, 400, "Content-Length is not a number");
    if (f->transfer && strcasecmp(f->transfer, "chunked") != 0)
        return refuse(refusal, 501, "the only Transfer-Encoding taken is chunked");
    if (f->transfer && head->major == 1 && head->minor == 0)
        return refuse(refusal, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (!head->may_have_body && (f->transfer || (f->length && strspn(f->length, "0") != strlen(f->length))))
        return refuse(refusal, 400, "this method takes no body");
    return true;
}

bool http_guard_check(const struct http_guard *g, const struct http_head *head, struct http_refusal *refusal)
{
    struct framing f = {0};
    const struct evkeyval *header;

    for (header = head->headers->tqh_first; header; header = header->next.tqe_next)
        if (!take_header(&f, header, refusal))
            return false;
    if (!check_framing(&f, head, refusal))
        return false;
    bool is_new = head->major > 1 || (head->major == 1 && head->minor >= 1);
    if (!f.host && is_new)
        return refuse(refusal, 400, "missing header Host");
    if (f.host && !check_host(g, str_from(f.host), refusal))
        return false;
    if (f.origin && !check_origin(g, str_from(f.origin), str_from(f.host), refusal))
        return false;
    return check_target(head->target, str_from(f.host), refusal);
}
