/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_XALLOC_H
#define ROUTER_XALLOC_H

/*
 * Allocation in the router proper: no memory ends the process (exit code 70, one line on stderr), which loses
 * nothing: what was answered is on disk. Inputs have bounds, so this is not how a client can stop a router.
 */

#include <stddef.h>

#include "matcher/buf.h"

void *xalloc(size_t size); /* zeroed */
void *xarray(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xtext(struct str s);      /* NUL-terminated copy */
struct str xstr(struct str s);  /* the same; free(result.ptr) */
void xbuf(const struct buf *b); /* ends the process when the buf failed for want of memory */
_Noreturn void xfail(const char *what);

/* What was asked of an arena; out of memory ends the process. */
static inline void *xgot(void *memory)
{
    if (!memory)
        xfail("out of memory");
    return memory;
}

#endif
