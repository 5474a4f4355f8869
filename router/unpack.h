/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_UNPACK_H
#define ROUTER_UNPACK_H

/* Files that may be packed with gzip or zstd, told by their first bytes. */

#include "matcher/buf.h"

/* What the text is packed with, "gzip" or "zstd"; NULL: it is plain. */
const char *unpack_kind(struct str text);
/* Appends the plain text to out (out->max bounds it). False: damaged, cut short, too large or out of memory. */
bool unpack(struct str packed, struct buf *out);

#endif
