/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ROUTER_RAW_REQUEST_H
#define TESTS_ROUTER_RAW_REQUEST_H

/*
 * A request as text, for tests of signatures and their fuzzer: the lines "METHOD TARGET", "Name: value" …, an empty
 * one, the body. Everything points into the text.
 */

#include "router/auth_sigv4.h"

#define RAW_HEADERS_MAX 100 /* with room for what a test adds */

struct raw_request {
    struct sigv4_request request;
    struct sigv4_header headers[RAW_HEADERS_MAX];
};

static inline struct str raw_take(struct str *rest, char mark)
{
    const char *end = rest->size ? memchr(rest->ptr, mark, rest->size) : NULL;
    struct str part = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->size};

    *rest = end ? (struct str){end + 1, rest->size - part.size - 1} : (struct str){rest->ptr, 0};
    return part;
}

static inline void raw_read(struct raw_request *raw, struct str text)
{
    struct sigv4_request *r = &raw->request;
    struct str line = raw_take(&text, '\n'), target;

    *r = (struct sigv4_request){.method = raw_take(&line, ' '), .headers = raw->headers};
    target = line;
    r->path = raw_take(&target, '?');
    r->query = target;
    while ((line = raw_take(&text, '\n')).size && r->header_count < RAW_HEADERS_MAX - 3) {
        struct sigv4_header *header = &raw->headers[r->header_count++];
        header->name = raw_take(&line, ':');
        header->value = line.size && line.ptr[0] == ' ' ? (struct str){line.ptr + 1, line.size - 1} : line;
    }
    r->body = text;
}

#endif
