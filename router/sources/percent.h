/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SOURCES_PERCENT_H
#define ROUTER_SOURCES_PERCENT_H

#include "matcher/buf.h"

/* Undoes %-encoding; with plus_is_space, as forms have it. A % that begins no encoding stays as it is, and false says
   that there was one. */
bool percent_decode(struct buf *out, struct str text, bool plus_is_space);

#endif
