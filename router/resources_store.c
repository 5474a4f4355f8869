/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what the APIs made: the documents as they are. Written are only the rows in which two lists differ; they
 * share their unchanged documents, so comparing them costs a pointer each.
 */
#include "router/reload_int.h"

#include <stdio.h>

#include "router/xalloc.h"

static const char *const migrations[] = {
    "CREATE TABLE resource ("
    "  section TEXT NOT NULL,"
    "  key TEXT NOT NULL,"
    "  document TEXT NOT NULL,"
    "  PRIMARY KEY (section, key)) WITHOUT ROWID",
    NULL,
};
const struct store_schema resource_schema = {"resources", migrations};

/* ---- reading ---- */

static bool add_row(struct documents *list, sqlite3_stmt *q, struct weir_diag *diag)
{
    struct str section = store_column(q, 0), key = store_column(q, 1);
    struct document *one = document_create(section, key, store_column(q, 2), diag);
    if (one && documents_put(list, one))
        return true;
    if (!one && diag->code != WEIR_E_MEMORY) {
        char why[sizeof diag->message];
        snprintf(why, sizeof why, "%s", diag->message);
        snprintf(diag->message, sizeof diag->message, "the ledger's row of %.*s '%.*s' is damaged: %.100s",
                 STR_ARG(section), STR_ARG(key), why);
        return false;
    }
    xfail("out of memory");
}

struct documents *resources_load(struct store *store, struct weir_diag *diag)
{
    struct documents *list = documents_create();
    bool more = true;
    sqlite3_stmt *q = store_prepare(store, "SELECT section, key, document FROM resource ORDER BY section, key", diag);

    if (!list)
        xfail("out of memory");
    bool ok = q != NULL;
    while (ok && (ok = store_step(store, q, &more, diag)) && more)
        ok = add_row(list, q, diag);
    if (q)
        sqlite3_reset(q);
    if (ok)
        return list;
    documents_unref(list);
    return NULL;
}

bool resources_stored(struct store *store, const char *section, struct str key, bool *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store, "SELECT 1 FROM resource WHERE section = ? AND key = ?", diag);

    if (!q)
        return false;
    store_bind(q, 1, str_from(section));
    store_bind(q, 2, key);
    if (!store_step(store, q, out, diag))
        return false;
    sqlite3_reset(q);
    return true;
}

/* ---- writing ---- */

static bool put_row(struct store *store, const struct document *one, struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(store, "INSERT OR REPLACE INTO resource (section, key, document) VALUES (?,?,?)", diag);
    if (!q)
        return false;
    store_bind(q, 1, one->section);
    store_bind(q, 2, one->key);
    store_bind(q, 3, one->text);
    return store_run(store, q, diag);
}

static bool delete_row(struct store *store, const struct document *one, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store, "DELETE FROM resource WHERE section = ? AND key = ?", diag);
    if (!q)
        return false;
    store_bind(q, 1, one->section);
    store_bind(q, 2, one->key);
    return store_run(store, q, diag);
}

/* <0: only the left one has it, >0: only the right one. */
static int next_cmp(const struct documents *a, size_t i, const struct documents *b, size_t k)
{
    if (i == a->count || k == b->count)
        return i == a->count ? 1 : -1;
    int order = str_cmp(a->list[i]->section, b->list[k]->section);
    return order ? order : str_cmp(a->list[i]->key, b->list[k]->key);
}

bool resources_write(struct store *store, const struct documents *from, const struct documents *to,
                     struct weir_diag *diag)
{
    bool ok = true;

    for (size_t i = 0, k = 0; ok && (i < from->count || k < to->count);) {
        if (i < from->count && k < to->count && from->list[i] == to->list[k]) {
            i++, k++;
            continue;
        }
        int order = next_cmp(from, i, to, k);
        ok = order < 0 ? delete_row(store, from->list[i], diag) : put_row(store, to->list[k], diag);
        i += order <= 0;
        k += order >= 0;
    }
    return ok;
}
