/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule sets, built from files and from what the APIs made: at the start, for a reload, for a change by an API. Errors
 * of files go to stderr as `weir check` shows them, the first one also to those who ask for the state of the router.
 */
#include "router/reload_int.h"

#include <stdio.h>

#include "router/auth.h"
#include "router/cli/cli.h"
#include "router/log.h"
#include "router/tls.h"
#include "router/xalloc.h"

#define DIAGS_MAX 1000

/* tell: the configuration has just been read. */
static void keep_text(struct ruleset *set, struct str *field, struct str present, const char *setting, bool tell)
{
    if (str_eq(*field, present))
        return;
    if (tell)
        log_warn("only a restart can change this; it stays as it is", LOG_TEXT("key", setting),
                 LOG_STR("present", present), LOG_STR("configured", *field));
    *field = arena_str(&set->keep, present);
    if (!field->ptr)
        xfail("out of memory");
}

/* What was given on the command line counts at every load, so it is no difference. */
static void keep_settings(struct reloader *r, struct ruleset *set, bool tell)
{
    const struct ruleset *present = r->router->set;
    const struct router_options *o = r->options;

    if (!o->data)
        keep_text(set, &set->data, present->data, "data", tell);
    keep_text(set, &set->listen_host, present->listen_host, "listen", tell && !o->listen);
    if (tell && !o->listen && set->listen_port != present->listen_port)
        log_warn("only a restart can change the port; it stays as it is", LOG_INT("configured", set->listen_port));
    set->listen_port = present->listen_port;
}

struct ruleset *reload_build(struct reloader *r, struct files *files, struct documents *documents, struct diags *diags)
{
    const struct ruleset *present = r->router->set;
    struct ruleset *set = NULL;

    if (files_parse(files, diags))
        set = ruleset_build(files, documents, present ? present->generation + 1 : 1, diags);
    if (diags->out_of_memory)
        xfail("out of memory");
    if (set && present)
        keep_settings(r, set, files != r->present.files);
    return set;
}

/* The first error as one line, with how many more there are. */
static void write_first_error(const struct diags *diags, struct buf *out)
{
    const struct weir_diag *first = NULL;
    size_t errors = 0;

    for (size_t i = 0; i < diags->count; i++) {
        if (diags->list[i].warning)
            continue;
        if (!errors++) {
            first = &diags->list[i];
            buf_text(out, diags->files[i] ? diags->files[i] : "-");
            if (first->line)
                buf_printf(out, ":%d:%d", first->line, first->column);
            buf_printf(out, ": error: %s", first->message);
        }
    }
    if (errors > 1)
        buf_printf(out, " (and %zu more)", errors - 1);
    xbuf(out);
}

/* With the errors, and warnings, on stderr; NULL: the first error in `error` too, where given. */
static struct ruleset *build_aloud(struct reloader *r, struct files *files, struct documents *documents,
                                   struct diags *diags, struct buf *error)
{
    struct buf text = BUF_INIT;
    struct ruleset *set = reload_build(r, files, documents, diags);

    ruleset_report(diags, &text);
    fputs(buf_cstr(&text), stderr);
    if (!set && error)
        write_first_error(diags, error);
    buf_fini(&text);
    return set;
}

/* A certificate may be another one; that there is one at all belongs to the address. */
static bool load_tls(struct reloader *r, const struct ruleset *set, struct buf *error)
{
    tls_free(r->tls);
    r->tls = NULL;
    if (!set->certificate.ptr == !r->router->tls)
        return tls_load(set, &r->tls, error);
    log_warn("only a restart can change this; it stays as it is", LOG_TEXT("key", "tls"));
    return true;
}

bool reload_read(struct reloader *r, struct buf *error)
{
    struct diags diags;

    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    struct files *files = files_read(r->options->config, &diags);
    if (!files)
        xfail("out of memory");
    struct ruleset *set = build_aloud(r, files, r->present.documents, &diags, error);
    diags_fini(&diags);
    if (set && r->router->set && (!auth_check_listen(set, error) || !load_tls(r, set, error))) {
        ruleset_unref(set);
        set = NULL;
    }
    if (!set) {
        files_unref(r->refused);
        r->refused = files;
        return false;
    }
    r->offer = (struct offer){set, files, documents_ref(r->present.documents)};
    return true;
}

/* ---- the start ---- */

bool reloader_first(struct reloader *r)
{
    struct buf error = BUF_INIT;
    bool ok = reload_read(r, &error);

    buf_fini(&error);
    if (!ok)
        return false;
    r->router->set = r->offer.set;
    r->offer.set = NULL;
    offer_drop(&r->present);
    r->present = r->offer;
    r->offer = (struct offer){NULL, NULL, NULL};
    return true;
}

struct first_read {
    struct ledger_job job; /* first */
    struct documents *documents;
};

static bool first_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct first_read *read = (struct first_read *)job;
    read->documents = resources_load(store, diag);
    return read->documents;
}

enum reload_recovery reloader_recover(struct reloader *r, struct weir_diag *diag)
{
    struct first_read rows = {.job = {.run = first_run}};
    struct diags diags;

    if (!ledger_run_now(r->router->ledger, &rows.job, diag))
        return RELOAD_UNREADABLE;
    documents_unref(r->present.documents);
    r->present.documents = rows.documents;
    r->written = documents_ref(rows.documents);
    if (rows.documents->count) {
        if (!diags_init(&diags, DIAGS_MAX))
            xfail("out of memory");
        struct ruleset *set = build_aloud(r, r->present.files, rows.documents, &diags, NULL);
        diags_fini(&diags);
        if (!set)
            return RELOAD_UNFIT;
        set->generation = r->router->set->generation; /* nobody has seen the other one */
        ruleset_unref(r->router->set);
        r->router->set = set;
    }
    reload_rest(r);
    reload_note(r->router, NULL);
    return RELOAD_RECOVERED;
}
