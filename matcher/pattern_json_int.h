/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_PATTERN_JSON_INT_H
#define MATCHER_PATTERN_JSON_INT_H

/* Private to pattern_source_json.c and pattern_json_faults.c: a pattern being read from JSON text. */

#include "matcher/json_int.h"
#include "matcher/pattern_int.h"

struct place {
    size_t offset;
    int line, column; /* in characters */
    int unit_column;  /* in UTF-16 code units */
};

struct json_source {
    struct pattern_source base;
    struct arena *arena;
    struct json_reader reader;
    struct place place;           /* moves forward only */
    enum json_type before;        /* the token before the present one */
    size_t before_start;          /* where it starts … */
    size_t before_end;            /* … and ends */
    struct pattern_token pending; /* a value's first token, read with its key */
    bool has_pending;
    bool faulty;                /* a string value was given whose text is wrong */
    int behind;                 /* code units that Jackson had read past the place of the fault */
    int open_line, open_column; /* of the bracket that the fault is about */
    char fault[512];
};

/* Moves the place forward to an offset. */
void json_source_move(struct json_source *s, size_t offset);
/* The string that the text breaks off in, or is wrong in, is a key. */
bool json_source_in_key(const struct json_source *s);
/* The reader stands on a fault: says it in Jackson's words (fault, behind, open_line, open_column) and returns the
 * offset of its place. */
size_t json_source_say(struct json_source *s);

#endif
