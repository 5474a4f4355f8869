/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_HTTP_TEXT_H
#define TARGETS_HTTP_TEXT_H

/* What may stand where in an HTTP request. Any thread. */

#include "matcher/buf.h"

bool http_is_header_name(struct str s);
bool http_is_header_value(struct str s); /* no control character but tabs */
/* The headers that part one request from the next: only who sends it can say them rightly. */
bool http_is_framing(const char *name);

/* Percent-encodes all but letters, digits and -._~: for a piece of a path, a query or a form. */
void http_write_encoded(struct buf *out, struct str text);

#endif
