/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_PATHS_H
#define RULES_PATHS_H

/* Paths as a configuration file means them: relative to the file they stand in. */

#include "matcher/arena.h"

/*
 * `path` as seen from the folder of `file`, absolute, leading ./ removed. file NULL: from the working directory.
 * {NULL,0}: out of memory, or the working directory has no name.
 */
struct str path_beside(struct arena *a, const char *file, struct str path);

/*
 * The same file name at the same address for the life of the process: positions in diagnoses outlive the rule set
 * that they are about. NULL: out of memory. Any thread.
 */
const char *path_intern(struct str name);

#endif
