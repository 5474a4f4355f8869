/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_FAIL_H
#define TARGETS_FAIL_H

/*
 * The idiom for a single diagnosis, as diag_error() is for a list of them:
 *
 *     return fail_with(diag, WEIR_E_IO, "cannot open '%s': %s", path, strerror(errno));
 */

#include "matcher/weir.h"

/* Fills diag (no place) and returns false. A message that is too long is cut. */
bool fail_with(struct weir_diag *diag, enum weir_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fail_memory(struct weir_diag *diag); /* WEIR_E_MEMORY: "out of memory" */

#endif
