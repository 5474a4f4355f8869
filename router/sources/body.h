/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SOURCES_BODY_H
#define ROUTER_SOURCES_BODY_H

/*
 * The forms a body of many records comes in, told apart by what it starts with: one JSON object over any number of
 * lines, a JSON array of objects, or NDJSON (blank lines are skipped); and where `wrapper` is given ("Records"), each
 * object may hold its records in an array member of that name. No bytes at all are no records.
 */

#include "matcher/json.h"
#include "router/sources/source.h"

struct body_record {
    struct str text;                /* checked: one JSON object */
    const struct json_parts *parts; /* its members, and whether it is compact; NULL: not taken apart */
    bool repeated_keys;             /* some object in it repeats a key */
    int number; /* line of the body, or position among the records, from 1: see source_context.unit */
};

/* One record: adds its events, or a diagnosis with line = record->number and returns false. */
typedef bool body_record_function(struct source_context *c, const struct body_record *record,
                                  struct source_events *out);

bool body_each(struct source_context *c, struct str body, const char *wrapper, body_record_function *each,
               struct source_events *out);

/* The first record of a body that may be faulty further on; {NULL,0} where there is none. */
struct str body_first(struct str body, const char *wrapper);

/* Adds a diagnosis about a record; false. */
bool body_error(struct source_context *c, const struct body_record *record, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
