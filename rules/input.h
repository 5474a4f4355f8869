/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_INPUT_H
#define RULES_INPUT_H

/*
 * What a target is given instead of the whole event: input (constant JSON), input_path, or
 * input_transformer (input_paths_map and input_template), with EventBridge's recorded semantics:
 * JSON templates and string templates, <aws.events.…> variables, values spliced unescaped, a missing path
 * is an empty text. Rendering happens at send; what cannot render (no valid JSON comes out, a path that is not there
 * for input_path) is a permanent failure with its reason.
 */

#include "matcher/arena.h"
#include "matcher/diag.h"

struct input;
struct node; /* rules/yaml.h */

struct input_variables {
    struct str rule_arn, rule_name;
    struct str ingestion_time; /* RFC 3339 */
};

/* Each returns NULL with an error in diags. Texts are copied into a. */
const struct input *input_constant(struct arena *a, struct str json, struct diag_pos pos, struct diags *diags);
const struct input *input_path(struct arena *a, struct str path, struct diag_pos pos, struct diags *diags);
/* The same under another key of the configuration, for messages: "order_by". */
const struct input *input_path_of(struct arena *a, const char *key, struct str path, struct diag_pos pos,
                                  struct diags *diags);
struct input_pair {
    struct str name, path;
    struct diag_pos pos;
    bool shared; /* stands there for other templates too: need not be used in this one */
};
/*
 * scalar: the node that template was read from, for places inside it; NULL: there is none. What AWS takes and then
 * never delivers, and what is likely a slip, gives a warning.
 */
const struct input *input_transformer(struct arena *a, const struct input_pair *paths, size_t path_count,
                                      struct str template, const struct node *scalar, struct diags *diags);

/* What it was made of, to be shown: one of them, the others are {NULL,0}. */
struct input_source {
    struct str constant, path, template;
};
struct input_source input_source(const struct input *input);
/* The index-th name that the template uses, each once, and the path it stands for; false: no more. */
bool input_source_pair(const struct input *input, size_t index, struct str *name, struct str *path);

/* Appends the rendered input for this event (checked JSON). False: diag has the reason. Any thread. */
bool input_render(const struct input *input, struct str event, const struct input_variables *variables, struct buf *out,
                  struct weir_diag *diag);

#endif
