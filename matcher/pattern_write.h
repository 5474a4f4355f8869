/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_PATTERN_WRITE_H
#define MATCHER_PATTERN_WRITE_H

/* Parsed patterns back as JSON: for showing what was read from YAML, and for comparing what two patterns say. */

#include "matcher/buf.h"
#include "matcher/pattern.h"

/*
 * Appends the pattern as compact JSON that parses (as PATTERN_EXTENDED) to the same conjunctions: keys in the order of
 * their paths, dotted keys as nested objects, every $or at the top with what all of its branches share beside it. Two
 * patterns that give the same text mean the same.
 */
void pattern_write(struct buf *out, const struct pattern *pattern);

/* The alternatives of one leaf, as the array that stands in a pattern. */
void pattern_write_atoms(struct buf *out, const struct pattern_leaf *leaf);

#endif
