/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_YAML_WRITE_H
#define RULES_YAML_WRITE_H

/*
 * Nodes written as YAML for people: block style, with small lists and mappings in braces on one line, texts of several
 * lines as literal blocks, and quotes only where a bare word would be read as something else. What is written reads
 * back (yaml_parse()) as the same values, but for numbers that Weir's YAML has no spelling for: yaml_can_write() tells.
 */

#include "rules/yaml.h"

/* The pairs of a mapping, a line or more each, `indent` blanks before. blocks: so many levels are never put into
   braces: 1: the pairs' own values, 2: those of their pairs too. */
void yaml_write(struct buf *out, const struct node *map, unsigned indent, unsigned blocks);
/* Does every number in there read as a number again? (One of 12 digits does not: it wants quotes, and is text then.) */
bool yaml_can_write(const struct node *n);

#endif
