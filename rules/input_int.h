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

enum piece_kind {
    PIECE_TEXT,
    PIECE_PATH,
    PIECE_RULE_ARN,
    PIECE_RULE_NAME,
    PIECE_INGESTION_TIME,
    PIECE_EVENT,     /* the envelope without detail, detail-type as detailType */
    PIECE_EVENT_JSON /* the whole event */
};

struct piece {
    enum piece_kind kind;
    bool quoted;             /* stands inside quotes */
    struct str text;         /* as it stands in the template: TEXT, or <name> */
    const struct path *path; /* PATH */
};

struct template
{
    bool is_json;    /* starts with { or [ */
    struct str text; /* trimmed */
    const struct piece *pieces;
    uint32_t piece_count;
};

const struct template *template_parse(struct arena *a, const struct input_pair *paths, size_t path_count,
                                      struct str text, const struct node *scalar, struct diags *diags);

/* Where a template stands: for diagnoses about a part of it. */
struct template_place {
    const struct node *scalar; /* NULL: nowhere */
    size_t skipped;            /* white space of the scalar's text in front of the template */
};
struct diag_pos template_pos(const struct template_place *place, size_t offset);

/* Warns of what can never be delivered, and of likely slips (input_check.c). paths: those of pairs. */
void template_check(const struct template *t, const struct template_place *place, const struct input_pair *pairs,
                    const struct path *paths, size_t pair_count, struct diags *diags);

/* trial: what every path finds, instead of what is in the event; {NULL,0}: nothing. NULL: this is no trial. */
bool template_try(const struct template *t, const struct str *trial, struct weir_diag *diag, bool *out_of_memory);
bool template_render(const struct template *t, struct str event, const struct input_variables *variables,
                     struct buf *out, struct weir_diag *diag);

/* Fills diag with a reason and says false. */
bool input_fail(struct weir_diag *diag, enum weir_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
