/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_ACCESS_H
#define RULES_ACCESS_H

/*
 * Who may in: the access keys and bearer tokens that `auth:` names files of, and what each of them may do. Loaded with
 * the rule set, immutable afterwards. A rule set that is built anew from what was read before shares it, so it counts
 * its references itself.
 *
 *     const struct access_holder *key = access_find_key(set->access, id);
 *     if (key && access_may_act(key, STR("events:PutRule")) && access_may_use_bus(key, bus->name))
 *         …
 *
 * A list that was not written allows everything, but for sources: those that begin with "aws." are nobody's unless
 * somebody wrote them down.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "matcher/arena.h"
#include "targets/adapter.h"

enum access_route { /* what a token may be for, in the order of access_routes */
                    ACCESS_EVENTS,
                    ACCESS_S3,
                    ACCESS_CLOUDTRAIL,
                    ACCESS_METRICS,
                    ACCESS_V1, /* all that the command line does with a running router */
                    ACCESS_ROUTE_COUNT
};
extern const char *const access_routes[]; /* their names, ended by NULL */

struct access_list { /* patterns in which * stands for any text */
    const struct str *patterns;
    size_t count;
    bool written;
};

struct access_holder { /* an access key or a token */
    struct str id;     /* of a key; of a token its name */
    struct str secret; /* never shown; at least ACCESS_SECRET_MIN bytes */
    struct str name;   /* the user, in messages */
    struct str account;
    unsigned routes; /* of a token: bits by enum access_route */
    struct access_list actions, buses, sources;
    struct diag_pos pos;
};

#define ACCESS_SECRET_MIN 16
#define ACCESS_SECRET_MAX 1024

struct access {
    atomic_uint references;
    uint64_t serial; /* of no other in the life of the process */
    struct arena keep;
    const struct access_holder *keys, *tokens;
    size_t key_count, token_count;
    bool public_metrics;
};

void access_unref(struct access *a);

const struct access_holder *access_find_key(const struct access *a, struct str id); /* NULL: none */

bool access_may_act(const struct access_holder *h, struct str action); /* "events:PutRule"; case does not count */
bool access_may_use_bus(const struct access_holder *h, struct str bus);
/* inherent: the route itself says where events come from (/s3, /cloudtrail), so "aws." is no forgery. */
bool access_may_send(const struct access_holder *h, struct str source, bool inherent);

/* * in pattern stands for any text, the empty one too; fold: case of ASCII letters does not count. */
bool access_matches(struct str pattern, struct str text, bool fold);

/* Is this what one may listen on without `auth:`? An address of the loopback network, or localhost; other names are
   for whoever resolves them. */
bool access_is_loopback(struct str host);

#endif
