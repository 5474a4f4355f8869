/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_COMPILE_H
#define MATCHER_COMPILE_H

/*
 * The builder's door for patterns that were parsed elsewhere (from YAML): the same as weir_builder_add(), without
 * the text. The builder copies what it needs; the pattern's arena may go afterwards.
 */

#include "matcher/pattern.h"

bool builder_add_pattern(struct weir_builder *b, uint32_t id, const struct pattern *pattern, struct weir_diag *diag);

#endif
