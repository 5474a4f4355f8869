/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_UNPACK_H
#define ROUTER_UNPACK_H

/*
 * Files that may be packed with gzip or zstd, told by their first bytes; whole, or piece by piece in bounded memory.
 * Several gzip members or zstd frames one behind the other are one text.
 */

#include "matcher/buf.h"

/* What the text is packed with, "gzip" or "zstd"; NULL: it is plain. */
const char *unpack_kind(struct str text);
/* Appends the plain text to out (out->max bounds it). False: damaged, cut short, too large or out of memory. */
bool unpack(struct str packed, struct buf *out);

struct unpacker;

/* kind: as unpack_kind() gave it. NULL: out of memory. */
struct unpacker *unpacker_create(const char *kind);
void unpacker_destroy(struct unpacker *u);
/* Takes bytes off the front of *packed and appends a piece of plain text (none, where it takes more to make one).
   NULL, or what is wrong: damaged data, or no memory. */
const char *unpacker_step(struct unpacker *u, struct str *packed, struct buf *out);
bool unpacker_is_full(const struct unpacker *u);  /* the last step had more to give: step before giving it more */
bool unpacker_is_whole(const struct unpacker *u); /* what it was given ended with a whole member or frame */

#endif
