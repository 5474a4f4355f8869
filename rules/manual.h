/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_MANUAL_H
#define RULES_MANUAL_H

/*
 * The tables of the manual pages as mdoc(7), made from the program's own. A page holds each between two marker
 * lines, and tests/manuals.sh puts it there:
 *
 *     .\" @table queue
 *     .Bl -tag -width Ds
 *     …
 *     .\" @end
 *
 * All append to out and leave lack of memory in out->failed.
 */

#include "rules/tables.h"

void manual_write_options(struct buf *out, const struct table *table);
void manual_write_operators(struct buf *out); /* of event patterns */
void manual_write_checks(struct buf *out);    /* of weir lint */

/* ---- for other tables ---- */

/* A text as sentences, one a line: first letter in upper case, full stop at the end, mdoc's own characters escaped. */
void manual_write_text(struct buf *out, const char *text);
/* One quoted argument of a macro, with a blank before it. */
void manual_write_argument(struct buf *out, const char *text);

#endif
