/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_DIAG_H
#define MATCHER_DIAG_H

/*
 * What was wrong with somebody's input, and where. Libraries fill these in and return false; whoever
 * talks to the user prints them. A list is bounded: what does not fit is counted.
 *
 * Grammar (git's): lower case, no full stop, what is wrong first, the subject in single quotes, the limit
 * named, a near name for unknown names. AWS's own reasons stay letter for letter as AWS words them.
 *
 *     return diag_error(diags, pos, "unknown key '%.*s'%s", STR_ARG(key), diag_near(...));
 *
 * Printed form (diag_format): `FILE:LINE:COLUMN: error: MESSAGE`, then the source line and a caret when
 * the text of the file is at hand.
 */

#include "matcher/buf.h"
#include "matcher/weir.h"

struct diag_pos {
    const char *file; /* not copied: must live as long as the list; NULL: no file */
    int line;         /* from 1; 0: no place known */
    int column;       /* from 1, in characters */
};

struct diags {
    struct weir_diag *list;
    const char **files; /* beside list: the file of each */
    size_t count;
    size_t max;
    size_t dropped;  /* errors past max */
    size_t warnings; /* of count, how many are warnings */
    bool out_of_memory;
};

/* max diags are kept. Returns false when there is no memory even for the list; diags is then usable and drops all. */
bool diags_init(struct diags *d, size_t max);
void diags_fini(struct diags *d);

/* Both return false, so that `return diag_error(…)` is the idiom. */
bool diag_error(struct diags *d, struct diag_pos pos, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool diag_warn(struct diags *d, struct diag_pos pos, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Adds a diagnosis made elsewhere (a pattern's), with file replaced by `file` where given. */
bool diag_add(struct diags *d, const char *file, const struct weir_diag *one);
static inline bool diags_ok(const struct diags *d)
{
    return d->count == d->warnings && !d->dropped && !d->out_of_memory;
}

/* Appends one printed diagnosis. source: the whole text of the file, or {NULL,0}: no line and caret then. */
void diag_format(struct buf *out, const char *file, const struct weir_diag *one, struct str source);

/* The candidate nearest to `word` within two edits (insert, delete, substitute, transpose), or NULL. */
const char *diag_near(struct str word, const char *const *candidates, size_t count);

#endif
