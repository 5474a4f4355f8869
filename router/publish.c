/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: calls wait in a list until dispatch makes a turn; each becomes the deliveries of its messages, all in one
 * turn, and is answered by that turn's commit. A turn takes so many calls that the journal keeps its share.
 *
 * A message's position is its number among all that were ever published, committed with its turn: it ascends, so it is
 * also the sequence number that FIFO topics show. Deduplication is decided in the transaction that puts the message:
 * the id is looked up, and where it is known the puts of that message are left out. That is enough, since a FIFO topic
 * has queues as subscriptions and nothing else. Ids older than five minutes are deleted by the next turn that has some.
 */
#include "router/publish.h"

#include <stdlib.h>

#include "matcher/json.h"
#include "router/xalloc.h"
#include "targets/queue.h"

#define ORIGIN        STR("publish")
#define MESSAGES_MAX  (DISPATCH_EVENTS / 2) /* of a turn's events: the journal is not to starve */
#define EXPIRED_BATCH 100

static const char *const migrations[] = {
    "CREATE TABLE publish_state (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL);"
    "INSERT INTO publish_state (one, position) VALUES (1, 0);"
    "CREATE TABLE publish_deduplication ("
    "  topic TEXT NOT NULL,"
    "  key TEXT NOT NULL,"
    "  age INTEGER NOT NULL,"
    "  message_id TEXT NOT NULL,"
    "  position INTEGER NOT NULL,"
    "  PRIMARY KEY (topic, key)) WITHOUT ROWID;"
    "CREATE INDEX publish_deduplication_age ON publish_deduplication (age)",
    NULL,
};
const struct store_schema publish_schema = {"publish", migrations};

struct publication { /* a message of a call; flights point to it until their turn is committed */
    struct publish_message *message;
    struct str topic;
    uint64_t position;
};

bool publish_is(const struct flight *f)
{
    return f->route ? f->route->published : str_eq(f->d.origin, ORIGIN);
}

bool publish_is_dropped(const struct flight *f)
{
    return publish_is(f) && !json_raw_is(json_member(f->d.event, "type"), topic_message_types[TOPIC_NOTIFICATION]);
}

/* ---- calls ---- */

static void answered(struct mail *m)
{
    struct publish_call *call = (struct publish_call *)((char *)m - offsetof(struct publish_call, mail));
    call->done(call);
}

static void answer(struct publish_call *call, int status)
{
    free(call->publications);
    call->publications = NULL;
    call->status = status;
    call->mail.deliver = answered;
    mailbox_post(call->reply, &call->mail);
}

static void call_deliver(struct mail *m)
{
    struct publish_call *call = (struct publish_call *)((char *)m - offsetof(struct publish_call, mail));
    struct dispatch *d = call->dispatch;

    if (d->stopping) {
        answer(call, 503);
        return;
    }
    STAILQ_INSERT_TAIL(&d->publishing, call, link);
    turn_again(d);
}

void dispatch_publish(struct dispatch *d, struct publish_call *call)
{
    assert(call->count <= PUBLISH_MESSAGES_MAX);
    call->dispatch = d;
    call->mail.deliver = call_deliver;
    mailbox_post(d->mailbox, &call->mail);
}

void publish_stop(struct dispatch *d)
{
    struct publish_call *call;

    while ((call = STAILQ_FIRST(&d->publishing))) {
        STAILQ_REMOVE_HEAD(&d->publishing, link);
        answer(call, 503);
    }
}

/* ---- into the turn ---- */

static bool passes(struct route *route, const struct publish_message *m)
{
    if (m->subscription.size)
        return str_eq(route->subscription, m->subscription);
    return !route->pending && route_passes_judged(route);
}

/* False: it is for one subscription, which is not there. */
static bool offer(struct dispatch *d, const struct target_def *topic, struct publication *p)
{
    const struct publish_message *m = p->message;
    struct route_span span = *route_topic_span(d->generation, topic);
    struct sieve *sieve = sieve_of(d->generation, topic);
    struct shared_event *e = event_share(ORIGIN, p->position, str_from(m->id), m->document, d->now);
    bool any = false;

    d->turn->events++;
    d->turn->bytes += m->document.size;
    d->turn->kept_events++;
    d->turn->kept_bytes += m->document.size;
    if (sieve && !m->subscription.size)
        sieve_judge(sieve, m->text, m->filterable);
    for (uint32_t i = span.first; i < span.first + span.count; i++) {
        struct route *route = &d->generation->routes[i];
        if (!passes(route, m))
            continue;
        struct flight *f = flight_make(d->generation, route, e, d->next_id++);
        if (f->d.target && f->d.target->ops->put)
            f->publication = p; /* put in this very turn */
        turn_take(d, f);
        any = true;
    }
    event_release(e);
    return any || !m->subscription.size;
}

static void take(struct dispatch *d, struct publish_call *call)
{
    const struct target_def *topic = ruleset_target(d->set, "topic", call->topic);
    bool found = topic != NULL;

    call->publications = xarray(call->count, sizeof *call->publications);
    for (unsigned i = 0; topic && i < call->count; i++) {
        struct publication *p = &call->publications[i];
        *p = (struct publication){&call->messages[i], call->topic, ++d->published};
        call->messages[i].sequence = p->position;
        found &= offer(d, topic, p);
    }
    if (!found) { /* nothing was made: what is for one subscription is a call of its own */
        answer(call, 404);
        return;
    }
    STAILQ_INSERT_TAIL(&d->turn->published, call, link);
    d->turn->awaited = true;
}

void publish_feed(struct dispatch *d)
{
    struct publish_call *call;

    while ((call = STAILQ_FIRST(&d->publishing)) && !turn_full(d->turn) && d->turn->events < MESSAGES_MAX) {
        STAILQ_REMOVE_HEAD(&d->publishing, link);
        take(d, call);
    }
}

/* ---- the ledger ---- */

bool publish_load(struct dispatch *d, struct store *store, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store, "SELECT position FROM publish_state", diag);
    bool row;

    if (!q || !store_step(store, q, &row, diag))
        return false;
    if (row)
        d->published = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return true;
}

static bool write_position(struct store *store, uint64_t position, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store, "UPDATE publish_state SET position = max(position, ?)", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, (int64_t)position);
    return store_run(store, q, diag);
}

static bool find_first(struct store *store, struct publication *p, int64_t after_age, struct weir_diag *diag)
{
    struct publish_message *m = p->message;
    sqlite3_stmt *q = store_prepare(
        store, "SELECT message_id, position FROM publish_deduplication WHERE topic = ? AND key = ? AND age > ?", diag);

    if (!q)
        return false;
    store_bind(q, 1, p->topic);
    store_bind(q, 2, m->deduplication);
    sqlite3_bind_int64(q, 3, after_age);
    if (!store_step(store, q, &m->duplicate, diag))
        return false;
    if (m->duplicate) {
        struct str id = store_column(q, 0);
        assert(id.size == UUID_SIZE);
        memcpy(m->id, id.ptr, UUID_SIZE);
        m->sequence = (uint64_t)sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
    return true;
}

static bool note_first(struct store *store, const struct publication *p, struct weir_time now, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store,
                                    "INSERT OR REPLACE INTO publish_deduplication (topic, key, age, message_id, "
                                    "position) VALUES (?, ?, ?, ?, ?)",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, p->topic);
    store_bind(q, 2, p->message->deduplication);
    sqlite3_bind_int64(q, 3, now.age_ms);
    store_bind(q, 4, str_from(p->message->id));
    sqlite3_bind_int64(q, 5, (int64_t)p->position);
    return store_run(store, q, diag);
}

/* A run that failed is run again: what the first one found out may not stand. */
static bool deduplicate(struct store *store, struct publication *p, struct weir_time now, struct weir_diag *diag)
{
    p->message->duplicate = false;
    if (!p->message->deduplication.size)
        return true;
    if (!find_first(store, p, now.age_ms - QUEUE_DEDUPLICATION_MS, diag))
        return false;
    return p->message->duplicate || note_first(store, p, now, diag);
}

static bool expire(struct store *store, struct weir_time now, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store,
                                    "DELETE FROM publish_deduplication WHERE (topic, key) IN (SELECT topic, key FROM "
                                    "publish_deduplication WHERE age <= ? ORDER BY age LIMIT ?)",
                                    diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, now.age_ms - QUEUE_DEDUPLICATION_MS);
    sqlite3_bind_int64(q, 2, EXPIRED_BATCH);
    return store_run(store, q, diag);
}

bool publish_write(struct turn *t, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct publish_call *call;
    uint64_t position = 0;
    bool ids = false;

    STAILQ_FOREACH (call, &t->published, link)
        for (unsigned i = 0; i < call->count; i++) {
            struct publication *p = &call->publications[i];
            if (!deduplicate(store, p, now, diag))
                return false;
            position = p->position;
            ids |= p->message->deduplication.size > 0;
        }
    return (!position || write_position(store, position, diag)) && (!ids || expire(store, now, diag));
}

bool publish_is_duplicate(const struct flight *f)
{
    return f->publication && f->publication->message->duplicate;
}

void publish_committed(struct turn *t)
{
    struct publish_call *call;

    while ((call = STAILQ_FIRST(&t->published))) {
        STAILQ_REMOVE_HEAD(&t->published, link);
        answer(call, 200);
    }
}

void publish_fini(struct turn *t)
{
    struct publish_call *call;

    while ((call = STAILQ_FIRST(&t->published))) {
        STAILQ_REMOVE_HEAD(&t->published, link);
        free(call->publications);
    }
}
