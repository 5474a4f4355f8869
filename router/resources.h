/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_RESOURCES_H
#define ROUTER_RESOURCES_H

/*
 * Resources: what the APIs make (buses, rules with their targets, queues, topics, subscriptions, …), beside what the
 * files declare. A resource is an entry of a section of weir.yaml, as JSON text:
 *
 *     section "queues", key "orders":        {"visibility_timeout":"30s","x-aws":{"CreatedTimestamp":1700000000}}
 *     section "rules",  key "audit/root":    {"name":"root","bus":"audit","pattern":{…},"targets":[…],"x-aws":{…}}
 *
 * so that one loader gives the files' things and these their meaning, and `weir export` only has to write them down.
 * What AWS's answers need and weir.yaml has no key for (texts as they were sent, RoleArn, tags, times) stands under
 * "x-aws"; the loader keeps the whole document with the thing it made of it (`made` of struct rule, bus, target_def),
 * so an operation that only looks reads the present rule set, http_set(), and nothing else.
 *
 * A change is computed and taken on one thread, in order: `edit` sees every earlier change and says what is different.
 * Then the rule set is built anew beside the present one (the files as they were last loaded, not as they are now,
 * with the changed resources), the ledger's rows are committed, the set goes live, and only then is the caller told.
 * Changes that gathered meanwhile share one such round. One that does not load fails by itself.
 *
 * A reference of a resource may dangle, as at AWS: a rule's target whose queue was deleted stays, and what is sent
 * there fails with NO_RESOURCE. In files it is an error as ever. A file that takes the name of a resource does not
 * load, and says so.
 */

#include "matcher/buf.h"
#include "router/mailbox.h"
#include "rules/ruleset.h"

struct router;
struct resources; /* as an edit sees them */

enum resources_outcome {
    RESOURCES_DONE,       /* durable and live (or nothing was to be changed) */
    RESOURCES_UNCHANGED,  /* edit said no: the caller knows why */
    RESOURCES_REFUSED,    /* what edit made does not load: message says why, as a diagnosis of weir.yaml would */
    RESOURCES_UNAVAILABLE /* the ledger or a target's state cannot be written, there is no room in the data folder, or
                             the router stops: nothing is changed */
};

struct resources_change { /* embed it; must live until done */
    /* Main thread: looks by resources_get() and friends, and says what shall be by resources_put() and
       resources_delete(). False: nothing of it is to be done. Runs once, but for rounds that fail: then the survivors'
       run again, so it must not rely on having run. */
    bool (*edit)(struct resources_change *change, struct resources *resources);
    void (*done)(struct resources_change *change); /* delivered through reply */
    struct mailbox *reply;
    enum resources_outcome outcome; /* out */
    char message[512];              /* out: of REFUSED and UNAVAILABLE */
    uint64_t generation;            /* out: of the set in which it is live */
    struct mail mail;               /* private from here */
    struct resources_change *next;
};

/* Any thread; never fails. In a router that stops, done comes at once, with UNAVAILABLE. */
void resources_submit(struct router *router, struct resources_change *change);

/* In a ledger job: is there such a resource? One that was made is told only after its row is there. */
bool resources_stored(struct store *store, const char *section, struct str key, bool *out, struct weir_diag *diag);

/* ---- for edits ---- */

enum resources_owner {
    RESOURCES_NOBODY,
    RESOURCES_API,
    RESOURCES_FILE,   /* weir.yaml's: shown, never changed */
    RESOURCES_BUILTIN /* the bus default, the queue dead-letters: an entry of the API may say more about them */
};

enum resources_owner resources_owner(const struct resources *r, const char *section, struct str key);
/* The document, valid until the edit ends; {NULL,0}: no resource of the APIs. */
struct str resources_get(const struct resources *r, const char *section, struct str key);
/* document: one JSON object, copied. The same text as the present one changes nothing. What is no such object, or
   larger than DOCUMENT_BYTES_MAX, makes the change REFUSED. section: a top-level key of weir.yaml. */
void resources_put(struct resources *r, const char *section, struct str key, struct str document);
void resources_delete(struct resources *r, const char *section, struct str key);
/* Those of a section whose key begins with prefix, in order of keys; each returns false to stop. */
void resources_each(const struct resources *r, const char *section, struct str prefix,
                    bool (*each)(void *context, struct str key, struct str document), void *context);
/* The set in force: what the files declare, with all changes up to the last round. Look up things of the files here. */
const struct ruleset *resources_set(const struct resources *r);

extern const struct store_schema resource_schema; /* resources_store.c */

#endif
