/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_SCHEMA_H
#define RULES_SCHEMA_H

/*
 * The JSON Schema (draft-07) of weir.yaml, for editors: made from the loader's own tables (rules/tables.h) and the
 * operators' (matcher/pattern.h), so it names every key with its type, default and meaning. What a schema cannot
 * say is left to `weir check`: whether a reference names something, how long a duration may be, what a wildcard
 * may hold.
 */

#include "matcher/buf.h"

/* Appends the schema as one line of JSON. Out of memory: out->failed. */
void schema_write(struct buf *out);

/* The definitions of event patterns, as members of an object: "pattern" is what a `pattern:` may be. */
void schema_write_patterns(struct buf *out); /* schema_pattern.c */

#endif
