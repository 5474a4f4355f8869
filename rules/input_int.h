/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_INPUT_INT_H
#define RULES_INPUT_INT_H

/* Paths and templates as input.c keeps them; see input.h for what they mean. */

#include "rules/input.h"

/* AWS's bounds, in characters. */
#define INPUT_CONSTANT_MAX 8192
#define INPUT_TEMPLATE_MAX 8192
#define INPUT_PATH_MAX     256
#define INPUT_PAIRS_MAX    100
#define INPUT_NAME_MAX     256

/* ---- paths: $ then .key and [index] ---- */

struct path_step {
    const char *key; /* NULL: an index */
    uint32_t index;
};

struct path {
    struct str text;
    const struct path_step *steps;
    uint32_t step_count;
};

/* False: one error in diags, or out of memory there. what: "input_path", for messages. */
bool path_parse(struct arena *a, struct str text, const char *what, struct diag_pos pos, struct diags *diags,
                struct path *out);
/* The value's whole text in the event, or {NULL,0}. */
struct str path_find(const struct path *path, struct str event);

/* ---- templates ---- */

struct template; /* pieces: literal text and variables */

const struct template *template_parse(struct arena *a, const struct input_pair *paths, size_t path_count,
                                      struct str text, struct diag_pos pos, struct diags *diags);
bool template_render(const struct template *t, struct str event, const struct input_variables *variables,
                     struct buf *out, struct weir_diag *diag);

/* Fills diag with a reason and says false. */
bool input_fail(struct weir_diag *diag, enum weir_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
