/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SOURCES_ENVELOPE_H
#define ROUTER_SOURCES_ENVELOPE_H

/*
 * The one writer of envelopes. Members are JSON texts as they shall be spelled (strings with their quotes), checked
 * by the caller; what is {NULL,0} is filled in, but for source, detail_type and detail, which must be there.
 */

#include "router/sources/body.h"

struct envelope {
    struct str version, id, detail_type, source, account, time, region, resources, detail;
    bool compact;      /* the values hold no white space between their tokens */
    struct str others; /* an object: its members that are none of the envelope's own stand before detail; or {NULL,0} */
};

/* Writes it to c->out and lists it. False: over LIMIT_EVENT_BYTES, or out of memory (diags). */
bool envelope_add(struct source_context *c, const struct envelope *e, const struct body_record *record,
                  struct source_events *out);

/* The texts of the members by name, in the order they are written; for readers of envelopes. */
struct envelope_member {
    const char *name;
    size_t name_size;
    size_t offset; /* of its struct str in struct envelope */
};
#define ENVELOPE_MEMBERS 9
extern const struct envelope_member envelope_members[ENVELOPE_MEMBERS];
/* Index into envelope_members, or -1. key: a key token's text with its quotes. */
int envelope_member_find(struct str key);

/* A text as JSON, in c->arena; {NULL,0} when out of memory. */
struct str envelope_quote(struct source_context *c, struct str text);
/* Is value (a JSON string) an RFC 3339 time? */
bool envelope_is_time(struct str value);

#endif
