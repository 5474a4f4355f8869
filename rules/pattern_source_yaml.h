/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_PATTERN_SOURCE_YAML_H
#define RULES_PATTERN_SOURCE_YAML_H

/*
 * An event pattern from a node: a mapping, or a scalar that holds the pattern as JSON text. The reasons are AWS's;
 * the places are those of the YAML file. keep gets the pattern, temp the nodes read from JSON text. NULL: at least
 * one error in diags, or nothing where the node's fault was reported before.
 */

#include "matcher/pattern.h"
#include "rules/yaml.h"

const struct pattern *pattern_parse_node(struct arena *keep, struct arena *temp, const struct node *n,
                                         struct diags *diags);

#endif
