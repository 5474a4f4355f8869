/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_JSON_INT_H
#define MATCHER_JSON_INT_H

/*
 * Private to matcher/: which fault a reader stands on (json_reader.fault), and a string token's decoded text, piece by
 * piece, without memory of its own.
 *
 *     char space[4];
 *     for (struct str rest = json_text_start(raw); rest.size;) {
 *         struct str piece = json_text_piece(&rest, space);   // in raw or in space: gone at the next call
 *         …
 *     }
 */

#include "matcher/json.h"

enum json_fault {
    JSON_FAULT_NONE,
    JSON_FAULT_DEPTH,
    JSON_FAULT_UTF8,
    JSON_FAULT_NOTHING,
    JSON_FAULT_VALUE,
    JSON_FAULT_VALUE_END,
    JSON_FAULT_KEY,
    JSON_FAULT_COLON,
    JSON_FAULT_OBJECT_COMMA,
    JSON_FAULT_ARRAY_COMMA,
    JSON_FAULT_OBJECT_END,
    JSON_FAULT_ARRAY_END,
    JSON_FAULT_MORE,
    JSON_FAULT_STRING_END,
    JSON_FAULT_ESCAPE_END,
    JSON_FAULT_ESCAPE,
    JSON_FAULT_HEX,
    JSON_FAULT_CONTROL,
    JSON_FAULT_MINUS,
    JSON_FAULT_ZERO,
    JSON_FAULT_POINT,
    JSON_FAULT_EXPONENT,
};

bool json_reader_in_object(const struct json_reader *r); /* the innermost level; depth must not be 0 */

struct str json_text_start(struct str raw);
struct str json_text_piece(struct str *rest, char space[4]); /* rest must not be empty; a piece never is */

#endif
