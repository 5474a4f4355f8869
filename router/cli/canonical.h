/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_CANONICAL_H
#define ROUTER_CLI_CANONICAL_H

/*
 * JSON in one spelling: members by name, strings escaped alike, numbers that are the same double written alike. Two
 * texts mean the same JSON when their canonical forms are the same bytes; and the two are easy to compare by eye.
 */

#include "matcher/buf.h"

/* Appends the canonical form of checked JSON. A key that an object has twice stays there twice. */
void canonical_write(struct buf *out, struct str json);
bool canonical_equal(struct str a, struct str b);

#endif
