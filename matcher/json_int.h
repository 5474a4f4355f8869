/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_JSON_INT_H
#define MATCHER_JSON_INT_H

/*
 * Private to matcher/: a string token's decoded text, piece by piece, without memory of its own.
 *
 *     char space[4];
 *     for (struct str rest = json_text_start(raw); rest.size;) {
 *         struct str piece = json_text_piece(&rest, space);   // in raw or in space: gone at the next call
 *         …
 *     }
 */

#include "matcher/json.h"

struct str json_text_start(struct str raw);
struct str json_text_piece(struct str *rest, char space[4]); /* rest must not be empty; a piece never is */

#endif
