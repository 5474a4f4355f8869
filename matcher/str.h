/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_STR_H
#define MATCHER_STR_H

/*
 * A slice of bytes somebody else owns: pointer and size, no terminating NUL, may hold NULs.
 * Passed by value. The empty slice may have a NULL pointer.
 *
 *     struct str bus = STR("default");
 *     fprintf(stderr, "bus '%.*s'\n", STR_ARG(bus));
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t size;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_ARG(s)   (int)(s).size, ((s).ptr ? (s).ptr : "")

static inline struct str str_from(const char *text) /* text: NUL-terminated or NULL */
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.ptr, b.ptr, a.size) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_from(text));
}

static inline bool str_starts(struct str a, struct str prefix)
{
    return a.size >= prefix.size && (prefix.size == 0 || memcmp(a.ptr, prefix.ptr, prefix.size) == 0);
}

/* Byte order, shorter first where one is a prefix of the other: <0, 0, >0. */
static inline int str_cmp(struct str a, struct str b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.ptr, b.ptr, shared) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

#endif
