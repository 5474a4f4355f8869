/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SOURCES_SOURCE_H
#define ROUTER_SOURCES_SOURCE_H

/*
 * Sources turn their input into envelopes, the one shape of an event in Weir, and hand them to the journal:
 *
 *   {"version":"0","id":…,"detail-type":…,"source":…,"account":…,"time":…,"region":…,"resources":[…],"detail":{…}}
 *
 * compact JSON, one line, members in this order; further members an event came with stand before "detail" in the order
 * they came; the texts of values are kept as they were spelled. Missing id (a new UUID), account, region (the
 * configured ones), time (now), version and resources are filled in; source, detail-type and detail must be there.
 * "replay-name" is refused: only replays set it.
 *
 * A source is one file and one row of the table: a pure function from body to envelopes, testable without sockets. All
 * or nothing: on a fault no event of the request is accepted.
 */

#include "matcher/arena.h"
#include "matcher/diag.h"
#include "router/journal.h"
#include "targets/adapter.h"

struct ruleset;

struct source_context {
    const struct ruleset *set;
    struct str bus; /* name of the bus the request named, or "default" */
    struct weir_time now;
    struct arena *arena; /* everything made lives here */
    struct diags
        *diags; /* faults: line = line of the NDJSON body, or record number (1-based) where `line` has no meaning */
    const char *unit; /* out: what diags' `line` counts: "line", "event" or "record" */
    struct buf *out;  /* envelopes' bytes, one behind the other */

    struct { /* as JSON, made when they are first wanted: what is filled in for events that come without */
        struct str account, time, region;
    } given;

    /* Of the HTTP request it came by; NULL for files. */
    void *request;
    bool (*may_send)(void *request, struct str source);     /* source: a JSON string; NULL: any */
    bool forbidden;                                         /* out: the fault is that it may not */
    const char *(*header)(void *request, const char *name); /* NULL: none */
    void (*each_header)(void *request, void (*each)(void *context, const char *name, const char *value), void *context);
};

struct source_events { /* growing list over out's bytes: offsets, since out moves; list is malloc's: free() it */
    struct source_span {
        size_t offset, size;
        uint32_t flags; /* JOURNAL_REPEATED_KEYS */
    } * list;
    size_t count, capacity;
};

struct source {
    const char *name;  /* "events", "s3", "cloudtrail": metrics label and --format … */
    const char *route; /* … and route; or the name of the source whose route it shares, by its claims(); NULL: name */
    const char *summary;
    /* False: diags says why. content_type may be NULL. */
    bool (*parse)(struct source_context *c, struct str body, const char *content_type, struct source_events *out);
    /* Is this request of the shared route mine? NULL: the route is its own. */
    bool (*claims)(const struct source_context *c, const char *content_type);
    /* Does this text look like mine? For --format auto of files. */
    bool (*recognise)(struct str body);
};
extern const struct source *const sources[]; /* ended by NULL */
const struct source *source_find(struct str name);
const struct source *source_guess(struct str body); /* what a file holds, by what it looks like */
/* Whose a request on a route is. */
const struct source *source_for(const struct source_context *c, const char *route, const char *content_type);

#endif
