/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_EXPORT_H
#define RULES_EXPORT_H

/*
 * A configuration written down: documents of the APIs, and files beside them where wanted, as one text of weir.yaml's
 * language. Sections and keys stand in the order of the option tables. What only AWS's answers need ("x-aws") is left
 * out; what is secret becomes {env: NAME}; names are put for ARNs, absolute paths for relative ones; a reference that
 * dangles is left out with what cannot be without it. Comments at the top say what is left out, and which variables
 * have to be set.
 */

#include "rules/documents.h"
#include "rules/files.h"

struct export_from {
    const struct documents *documents;
    const struct files *files; /* NULL: only the documents */
    struct str account, region;
    const struct str *missing; /* references that dangle, as they are written */
    size_t missing_count;
};

/* False: out of memory. */
bool export_write(struct buf *out, const struct export_from *from);

#endif
