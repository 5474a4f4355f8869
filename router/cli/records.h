/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_RECORDS_H
#define ROUTER_CLI_RECORDS_H

/*
 * A file of events taken apart into records: NDJSON lines, elements of a JSON array, elements of "Records" (CloudTrail,
 * S3 notifications), or one JSON object over many lines.
 */

#include "matcher/buf.h"
#include "router/sources/source.h"

struct record_span {
    struct str text; /* the record as it stands in the file */
    int line;        /* where it starts in the file */
};

struct records {
    struct record_span *list;
    size_t count, capacity;
    const struct source *source; /* what they are */
    bool wrapped;                /* they stood in {"Records": […]} */
};

/* format: "auto" or the name of a source. text must outlive the records. What is not one JSON text is taken for lines,
   faulty or not: whoever reads a record finds its fault, and record_span.line says where it stands. */
void records_split(struct str text, const char *format, struct records *out);
void records_fini(struct records *r);

/* What `auto` takes this text for. */
const struct source *records_guess(struct str text);

#endif
