/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_MISSING_H
#define TARGETS_MISSING_H

/*
 * What stands where a reference of a resource dangles: a rule that an API made keeps its target when the queue behind
 * it was deleted, as at AWS, and what would go there fails with NO_RESOURCE. Not in the table of adapters, since nobody
 * can write it; name and ARN of such a definition are the reference as it was written.
 */

#include "targets/adapter.h"

extern const struct adapter missing_adapter;

#endif
