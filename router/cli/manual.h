/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_MANUAL_H
#define ROUTER_CLI_MANUAL_H

/* The tables of the manual by name: those of rules/manual.h, and the command line's and the metrics' own. */

#include "matcher/buf.h"

/* False: no table of that name; known_out then lists them. name "all": every table between its markers. */
bool manual_write(struct buf *out, const char *name, struct buf *known_out);

#endif
