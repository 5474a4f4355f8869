/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rig of resources_test and resources_bench, see resources_rig.h. The test's thread turns the loop that the main
 * thread turns in the router, and answers come to a mailbox of the same thread.
 */
#include "tests/router/resources_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <event2/thread.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/log.h"

struct resources_rig rig;

/* ---- a router without HTTP, its main thread being the test ---- */

void rig_config(const char *yaml)
{
    FILE *f = fopen(rig.config, "we");
    fprintf(f, "version: 1\ndata: %s/data\n%s", rig.folder, yaml);
    fclose(f);
}

static void synced(void *context, uint64_t sequence)
{
    dispatch_wake(context, sequence);
}

enum reload_recovery rig_recover(struct weir_diag *diag)
{
    struct router *r = &rig.router;
    char path[128];

    snprintf(path, sizeof path, "%s/data/weir.db", rig.folder);
    *r = (struct router){.data = rig.folder};
    pthread_mutex_init(&r->set_lock, NULL);
    r->reloader = reloader_create(r, &rig.options);
    assert_true(reloader_first(r->reloader));
    r->ledger = ledger_open(path, &r->clock, diag);
    assert_non_null(r->ledger);
    return reloader_recover(r->reloader, diag);
}

void rig_start(void)
{
    struct router *r = &rig.router;
    struct weir_diag diag = {0};
    struct journal_report report;
    char path[128];

    assert_int_equal(rig_recover(&diag), RELOAD_RECOVERED);
    struct dispatch_options dispatch = {
        .set = r->set, .ledger = r->ledger, .clock = &r->clock, .data_dir = rig.targets};
    r->dispatch = dispatch_open(&dispatch, &diag);
    assert_string_equal(diag.message, "");
    struct journal_options journal = {.synced = synced, .context = r->dispatch};
    snprintf(path, sizeof path, "%s/data/journal", rig.folder);
    r->journal = journal_open(path, &journal, &report, &diag);
    assert_string_equal(diag.message, "");
    ledger_start(r->ledger);
    dispatch_start(r->dispatch, r->journal);
}

void rig_stop(void)
{
    struct router *r = &rig.router;

    if (!r->reloader)
        return;
    reloader_stop(r->reloader);
    if (r->dispatch)
        dispatch_stop(r->dispatch, 100);
    journal_close(r->journal);
    ledger_close(r->ledger);
    if (r->dispatch)
        dispatch_close(r->dispatch);
    reloader_destroy(r->reloader);
    ruleset_unref(r->set);
    pthread_mutex_destroy(&r->set_lock);
    *r = (struct router){0};
}

int rig_set_up(void **state)
{
    char command[192];

    log_open(LOG_FORMAT_LOGFMT, getenv("FIXTURE_LOG") ? LEVEL_DEBUG : LEVEL_ERROR + 1);
    evthread_use_pthreads();
    memset(&rig, 0, sizeof rig);
    strcpy(rig.folder, "/tmp/weir-resources-XXXXXX");
    assert_non_null(mkdtemp(rig.folder));
    snprintf(rig.config, sizeof rig.config, "%s/weir.yaml", rig.folder);
    snprintf(command, sizeof command, "mkdir '%s/data' '%s/targets'", rig.folder, rig.folder);
    snprintf(rig.targets, sizeof rig.targets, "%s/targets", rig.folder);
    rig.options.config = rig.config;
    rig.base = event_base_new();
    rig.mailbox = mailbox_create(rig.base);
    rig_config("");
    return system(command);
}

int rig_tear_down(void **state)
{
    char command[128];

    rig_stop();
    mailbox_destroy(rig.mailbox);
    event_base_free(rig.base);
    snprintf(command, sizeof command, "rm -rf '%s'", rig.folder);
    return system(command);
}

/* ---- changes ---- */

static bool edit(struct resources_change *change, struct resources *r)
{
    struct change *c = (struct change *)change;

    c->runs++;
    for (const struct change_step *s = c->steps; s < c->steps + CHANGE_STEPS_MAX && s->section; s++) {
        if (s->document)
            resources_put(r, s->section, str_from(s->key), str_from(s->document));
        else
            resources_delete(r, s->section, str_from(s->key));
    }
    return !c->unless.section || !resources_get(r, c->unless.section, str_from(c->unless.key)).ptr;
}

static void done(struct resources_change *change)
{
    ((struct change *)change)->done = true;
}

void change_submit(struct change *c)
{
    c->change.edit = c->change.edit ? c->change.edit : edit;
    c->change.done = done;
    c->change.reply = rig.mailbox;
    resources_submit(&rig.router, &c->change);
}

/* The main thread's loop, until it is answered. */
void change_wait(const bool *flag)
{
    for (int turns = 0; !*flag; turns++) {
        struct pollfd fd = {.fd = reloader_fd(rig.router.reloader), .events = POLLIN};
        if (poll(&fd, 1, 5) > 0)
            reloader_done(rig.router.reloader);
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
        assert_true(turns < 4000);
    }
}

struct change change_carry_out(const char *section, const char *key, const char *document)
{
    struct change c = {.steps = {{section, key, document}}};

    change_submit(&c);
    change_wait(&c.done);
    return c;
}
