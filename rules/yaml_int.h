/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_YAML_INT_H
#define RULES_YAML_INT_H

/* What the two readers that make nodes, YAML's and JSON's, share. */

#include "rules/yaml.h"

/* Reports every key of map that was written before in it, and takes it out. False only when out of memory. */
bool node_drop_repeats(struct node *map, struct arena *a, struct diags *diags);

/* Takes the pointers above `bottom` off a stack of const struct node *, into the arena; NULL when out of memory. */
const struct node *const *node_stack_take(struct arena *a, struct buf *stack, size_t bottom, uint32_t *count);

#endif
