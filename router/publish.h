/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_PUBLISH_H
#define ROUTER_PUBLISH_H

/*
 * Publishing to a topic without a rule, as SNS clients do. The messages do not go through the journal: dispatch makes
 * their deliveries in its present turn, one a subscription that lets them pass, and the caller is answered when that
 * turn is committed. So what was answered is on its queues, or owed in rows; from there on it is delivered, tried again
 * and dead-lettered as what rules make is (rule "topic/NAME" of no bus, and the message's id in place of an event's).
 *
 *     io thread ── publish_call ──► dispatch: judged, deliveries made ──► ledger: FIFO topics' deduplication ids are
 *     (signs it)                    (publish_feed, in a turn)             looked up, puts, rows ──► answer
 *
 * What is kept as the delivery's event is a document of what SNS's envelope says (publish_document()), so that it is
 * rendered for each subscription at send, with the signature that was made when it was published.
 */

#include "router/dispatch_int.h"
#include "targets/topic.h"

extern const struct store_schema publish_schema;

#define PUBLISH_MESSAGES_MAX 10

struct publish_message {
    struct str subscription;  /* its name: only to it, and though it is pending; "": to all that are confirmed */
    struct str document;      /* by publish_document() */
    struct str text;          /* JSON or not: what policies on the message look at */
    struct str filterable;    /* JSON object: its attributes as policies on them look at them */
    struct str deduplication; /* FIFO: id, with the group where that is the scope; else "" */
    char id[UUID_SIZE + 1];   /* in the document too; out: of a duplicate, that of the first one */
    uint64_t sequence;        /* out */
    bool duplicate;           /* out: FIFO: it was published in the last five minutes */
};

/*
 * All messages of a call are for one topic and committed together. status: 200, 404 (no such topic, or no such
 * subscription), 503. Called on any thread; done is delivered through `reply`.
 */
struct publish_call {
    struct str topic; /* its name; what it and the messages point to lives until done */
    struct publish_message messages[PUBLISH_MESSAGES_MAX];
    unsigned count;
    struct mailbox *reply;
    void (*done)(struct publish_call *call);
    int status;       /* out */
    struct mail mail; /* private from here */
    STAILQ_ENTRY(publish_call) link;
    struct dispatch *dispatch;
    struct publication *publications;
};
void dispatch_publish(struct dispatch *d, struct publish_call *call);

/* ---- the document ---- */

/* per_protocol: m->text is a JSON object of texts by protocol; group, deduplication: FIFO, or "". */
void publish_document(struct buf *out, const struct topic_message *m, bool per_protocol, struct str group,
                      struct str deduplication);
struct published {                /* a document, read */
    struct topic_message message; /* but for its sequence and its subscription */
    bool per_protocol;
    struct str group, deduplication;
};
void publish_read(struct str document, struct arena *arena, struct published *out);
/* The text for a protocol ("sqs", "https", …) of per_protocol messages. {NULL,0}: not even a default. */
struct str publish_text_for(struct str texts, const char *protocol, struct arena *arena);

/* ---- for dispatch ---- */

bool publish_is(const struct flight *f);         /* it was published */
bool publish_is_dropped(const struct flight *f); /* when it fails: no dead letter is made of a confirmation */
bool publish_load(struct dispatch *d, struct store *store, struct weir_diag *diag); /* at start-up */
void publish_feed(struct dispatch *d);                                              /* into the present turn */
void publish_stop(struct dispatch *d);                                              /* what waits is refused */
/* Ledger thread, in a turn's run, before its puts. */
bool publish_write(struct turn *t, struct store *store, struct weir_time now, struct weir_diag *diag);
bool publish_is_duplicate(const struct flight *f);
void publish_committed(struct turn *t);
void publish_fini(struct turn *t);

#endif
