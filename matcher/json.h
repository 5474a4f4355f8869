/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_JSON_H
#define MATCHER_JSON_H

/*
 * The one JSON reader and the one JSON writer. RFC 8259, UTF-8 only (no BOM, no overlong forms, no encoded
 * surrogates); number spellings, duplicate keys and positions are kept. A lone \uD800–\uDFFF escape is legal
 * JSON: it decodes to its three-byte generalised UTF-8 form, so that it equals only itself.
 *
 * The reader is a pull reader over memory that outlives it; it allocates nothing.
 *
 *     struct json_reader r;
 *     struct json_token t;
 *     json_reader_init(&r, text);
 *     if (json_next(&r, &t) != JSON_OBJECT) …
 *     while (json_next(&r, &t) == JSON_KEY) {
 *         bool is_bus = json_raw_is(t.raw, "bus");      // t.raw: the token with its quotes
 *         json_next(&r, &t);                            // the value's first token
 *         json_skip(&r, &t);                            // t.raw: now the whole value, if it was { or [
 *     }                                                 // ends with JSON_OBJECT_END or JSON_ERROR
 *
 * After JSON_ERROR the reader stays there, r.error says why ("expected ':' after a key"), r.offset where.
 * After the top-level value, json_next() gives JSON_END, or JSON_ERROR where more text follows.
 */

#include <stdint.h>

#include "matcher/buf.h"
#include "matcher/limits.h"
#include "matcher/weir.h"

enum json_type {
    JSON_END,
    JSON_ERROR,
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

struct json_token {
    enum json_type type;
    struct str raw; /* the token as it stands in the text; strings and keys with their quotes */
    bool escaped;   /* strings and keys: has a backslash, so raw must be decoded before comparing */
};

struct json_reader {
    const char *text;
    size_t size;
    size_t offset; /* of the next byte to read; of the fault after JSON_ERROR */
    const char *error;
    int depth;
    bool trusted;                              /* private */
    uint8_t state;                             /* what may come next: private */
    uint8_t fault;                             /* which fault error names: private */
    uint8_t stack[(LIMIT_JSON_DEPTH + 7) / 8]; /* bit per level: object or array: private */
};

void json_reader_init(struct json_reader *r, struct str text);
/* For a text that was checked: strings are not looked into, and json_skip() only counts brackets. Of a text that was
   not, some faults are not seen. */
void json_reader_init_trusted(struct json_reader *r, struct str text);
enum json_type json_next(struct json_reader *r, struct json_token *token);
/* token is the first of a value: reads to that value's end and widens token->raw to all of it. False on a fault. */
bool json_skip(struct json_reader *r, struct json_token *token);
/* 1-based line and column (in characters) of a byte offset. */
void json_place(struct str text, size_t offset, int *line, int *column);
/* Fills diag from a reader that stands on JSON_ERROR: WEIR_E_JSON or WEIR_E_LIMIT, line, column, offset. */
void json_diag(const struct json_reader *r, struct weir_diag *diag);

struct json_info {
    bool repeated_keys;  /* some object of the text holds a key twice (as decoded) */
    enum json_type type; /* of the top-level value */
    int depth;           /* of its deepest object or array: [] has 1 */
};
/* Whole-text check: one value, nothing behind it. info and diag may be NULL. Allocates nothing unless info is given. */
bool json_check(struct str text, struct json_info *info, struct weir_diag *diag);

/* What the check of a text can tell besides. */
#define JSON_PARTS_MAX 32
struct json_parts {
    struct json_info info;
    bool compact; /* no white space outside strings */
    bool more;    /* the object has more members than these */
    size_t count; /* of the members of the outermost object, in order; 0 where the text is something else */
    struct json_part {
        struct str key, value; /* as they stand in the text */
    } members[JSON_PARTS_MAX];
};
/* json_check() that cuts an object up on the way. */
bool json_check_parts(struct str text, struct json_parts *parts, struct weir_diag *diag);

/* raw: a string token with quotes. Appends its decoded bytes. The token must have come from a reader. */
void json_decode(struct buf *out, struct str raw);
/* Does the string token raw (with quotes) decode to this text? No allocation. */
bool json_raw_is(struct str raw, const char *text);
/* A string token decoded into an arena; {NULL,0} when out of memory. */
struct arena;
struct str json_decode_in(struct arena *a, struct str raw);

/*
 * The first member `key` of the object whose whole text is `object`: its value's whole text, or {NULL,0}.
 * object must have been checked.
 */
struct str json_member(struct str object, const char *key);
/* Several of them in one reading: values[i] is that of keys[i], which ends with NULL; of repeated ones the first. */
void json_members(struct str object, const char *const *keys, struct str *values);
/* Type of a value's text by its first byte (checked text). */
enum json_type json_type_of(struct str value);

/* ---- writer: appends to a buf; see buf.h for failure ---- */
void json_write_string(struct buf *out, struct str text); /* with quotes; controls as \n or \u00XX, lone surrogates as
                                                             \uDXXX; invalid UTF-8 becomes U+FFFD */
void json_write_int(struct buf *out, int64_t value);
void json_write_key(struct buf *out,
                    const char *key); /* "key": , with a comma first unless after { [ , newline or at start */
void json_write_member(struct buf *out, const char *key, struct str text); /* key and string */
/* Copies checked JSON without white space between its tokens: one line, spellings kept. */
void json_minify(struct buf *out, struct str json);

#endif
