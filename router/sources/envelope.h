/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SOURCES_ENVELOPE_H
#define ROUTER_SOURCES_ENVELOPE_H

/*
 * The one writer of envelopes. Members are JSON texts (strings with their quotes), so that what came in keeps its
 * spelling; an empty one is filled in where source.h says so.
 */

#include "matcher/json.h"
#include "router/sources/source.h"

#define ENVELOPE_EXTRAS_MAX 32

struct envelope {
    struct str version, id, detail_type, source, account, time, region, resources, detail;
    struct {
        struct str key, value;
    } extras[ENVELOPE_EXTRAS_MAX];
    size_t extra_count;
};

/* Appends the envelope to c->out and its span to out. source, detail_type and detail must be set. */
void envelope_write(struct source_context *c, const struct envelope *e, uint32_t flags, struct source_events *out);

/* A JSON string of text, in the context's arena. */
struct str envelope_text(struct source_context *c, struct str text);

/* Steps over the elements of a "Records" array (or the array itself, or NDJSON, or one record) with their number
 * from 1. */
struct source_records {
    struct str body;
    struct json_reader reader;
    int number;
    bool array, lines, failed;
};
/* False: a fault is in diags. */
bool source_records_open(struct source_context *c, struct source_records *r, struct str body);
/* False at the end or at a fault (r->failed, in diags). flags: JOURNAL_REPEATED_KEYS where the record repeats keys. */
bool source_records_next(struct source_context *c, struct source_records *r, struct str *record, uint32_t *flags);

/* The first record of a body (an element of "Records" or of an array, a line, the object itself), checked; {NULL,0}:
   none. For telling formats apart. */
struct str source_first_record(struct str body);

/* "record N: …" into diags; returns false. */
bool source_fault(struct source_context *c, const char *unit, int number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
