/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round: all changes that wait are carried out on one list of documents, and one rule set is built from the outcome.
 * Where that does not load, the guilty one is looked for by halves: each half is tried on top of what was good so far,
 * so that of n changes with one bad one about 2 log n sets are built, and the others go through. Rounds are bounded,
 * and with them the time that the main thread is busy.
 *
 * A change that was carried out waits in r->round until its set is in force; the others are answered at once.
 */
#include "router/reload_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "router/space.h"
#include "router/xalloc.h"

#define ROUND_MAX 256

struct attempt {
    struct reloader *reloader;
    struct resources view;
    struct ruleset *good; /* built from all that was carried out so far; NULL: nothing was */
};

/* ---- answers ---- */

static void deliver_cb(struct mail *m)
{
    struct resources_change *change = (struct resources_change *)((char *)m - offsetof(struct resources_change, mail));
    change->done(change);
}

static void answer(struct resources_change *change)
{
    change->mail.deliver = deliver_cb;
    mailbox_post(change->reply, &change->mail);
}

static void set_outcome(struct resources_change *change, enum resources_outcome outcome, const char *message)
{
    change->outcome = outcome;
    snprintf(change->message, sizeof change->message, "%.511s", message);
}

void round_answer(struct reloader *r, enum resources_outcome outcome, const char *message)
{
    while (r->round) {
        struct resources_change *change = r->round;
        r->round = change->next; /* change may be gone after this */
        set_outcome(change, outcome, message);
        change->generation = r->router->set->generation;
        answer(change);
    }
}

/* ---- one change ---- */

/* Bytes more need room, as events do; what makes room is always welcome. */
static bool has_room(struct attempt *a, struct resources_change *change)
{
    struct space_refusal no;
    if (a->view.grown <= 0 || space_take(a->reloader->router->space, 0, (size_t)a->view.grown, &no))
        return true;
    set_outcome(change, RESOURCES_UNAVAILABLE, no.message);
    return false;
}

static void carry_out(struct attempt *a, struct resources_change *change)
{
    size_t mark = a->view.count;

    a->view.fault[0] = '\0';
    a->view.grown = 0;
    set_outcome(change, RESOURCES_DONE, "");
    if (!change->edit(change, &a->view))
        set_outcome(change, RESOURCES_UNCHANGED, "");
    else if (a->view.fault[0])
        set_outcome(change, RESOURCES_REFUSED, a->view.fault);
    else if (has_room(a, change))
        return;
    resources_undo(&a->view, mark);
}

/* ---- a set of all that was carried out ---- */

static struct ruleset *build(struct attempt *a, struct resources_change *only)
{
    struct diags diags;

    if (!diags_init(&diags, 4))
        xfail("out of memory");
    struct ruleset *set = reload_build(a->reloader, a->reloader->present.files, a->view.next, &diags);
    for (size_t i = 0; !set && i < diags.count; i++)
        if (!diags.list[i].warning) {
            set_outcome(only, RESOURCES_REFUSED, diags.list[i].message);
            break;
        }
    diags_fini(&diags);
    return set;
}

static void attempt(struct attempt *a, struct resources_change **list, size_t count)
{
    size_t mark = a->view.count;

    for (size_t i = 0; i < count; i++)
        carry_out(a, list[i]);
    if (a->view.count == mark)
        return;
    /* The message is the first change's only where there is no other; those that are tried again lose it. */
    struct ruleset *set = build(a, list[0]);
    if (set) {
        ruleset_unref(a->good);
        a->good = set;
        return;
    }
    resources_undo(&a->view, mark);
    if (count == 1)
        return;
    attempt(a, list, count / 2);
    attempt(a, list + count / 2, count - count / 2);
}

/* ---- the round ---- */

static size_t gather(struct reloader *r, struct resources_change *list[ROUND_MAX])
{
    size_t count = 0;

    pthread_mutex_lock(&r->lock);
    while (r->first && count < ROUND_MAX) {
        list[count++] = r->first;
        r->first = r->first->next;
    }
    if (!r->first)
        r->last = &r->first;
    pthread_mutex_unlock(&r->lock);
    return count;
}

/* What is done waits for the set, if there is a new one. */
static void answer_or_keep(struct reloader *r, struct resources_change **list, size_t count, bool wait)
{
    struct resources_change **end = &r->round;

    for (size_t i = 0; i < count; i++) {
        if (wait && list[i]->outcome == RESOURCES_DONE) {
            list[i]->next = NULL;
            *end = list[i];
            end = &list[i]->next;
            continue;
        }
        list[i]->generation = r->router->set->generation;
        answer(list[i]);
    }
}

bool round_begin(struct reloader *r)
{
    struct resources_change *list[ROUND_MAX];
    struct attempt a = {.reloader = r};
    size_t count = gather(r, list);

    if (!count)
        return false;
    resources_open(&a.view, r->router->set, r->present.documents);
    attempt(&a, list, count);
    answer_or_keep(r, list, count, a.good != NULL);
    if (a.good)
        r->offer = (struct offer){a.good, files_ref(r->present.files), documents_ref(a.view.next)};
    resources_close(&a.view);
    return a.good != NULL;
}

/* ---- coming in ---- */

bool round_waits(struct reloader *r)
{
    pthread_mutex_lock(&r->lock);
    bool waits = r->first;
    pthread_mutex_unlock(&r->lock);
    return waits;
}

static void refuse(struct resources_change *change)
{
    set_outcome(change, RESOURCES_UNAVAILABLE, "the router is stopping");
    answer(change);
}

void resources_submit(struct router *router, struct resources_change *change)
{
    struct reloader *r = router->reloader;

    change->next = NULL;
    pthread_mutex_lock(&r->lock);
    bool stopping = r->stopping, first = !r->first;
    if (!stopping) {
        *r->last = change;
        r->last = &change->next;
    }
    pthread_mutex_unlock(&r->lock);
    if (stopping)
        refuse(change);
    else if (first)
        reload_wake(r);
}

void round_refuse_waiting(struct reloader *r)
{
    pthread_mutex_lock(&r->lock);
    struct resources_change *waiting = r->first;
    r->first = NULL;
    r->last = &r->first;
    r->stopping = true;
    pthread_mutex_unlock(&r->lock);
    while (waiting) {
        struct resources_change *change = waiting;
        waiting = change->next;
        refuse(change);
    }
}
