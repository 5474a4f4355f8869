/* SPDX-License-Identifier: Apache-2.0 */
/* See archive_delete.h. Two transactions, since unlinking cannot be undone: what is unlinked in the second was given up
   for good in the first. */
#include "router/archive_delete.h"

#include "matcher/buf.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "targets/archive.h"

struct finishing {
    struct ledger_job job;
    const char *data_dir;
    struct buf names; /* each with a NUL behind it */
};

static void add_name(void *context, struct str name)
{
    struct buf *names = context;
    buf_str(names, name);
    buf_char(names, '\0');
}

static bool each_name(const struct finishing *f,
                      bool (*step)(const struct finishing *f, struct store *store, struct str name,
                                   struct weir_diag *diag),
                      struct store *store, struct weir_diag *diag)
{
    for (size_t at = 0; at < f->names.size;) {
        struct str name = str_from(f->names.data + at);
        if (!step(f, store, name, diag))
            return false;
        at += name.size + 1;
    }
    return true;
}

static bool discard(const struct finishing *f, struct store *store, struct str name, struct weir_diag *diag)
{
    return archive_discard(store, name, diag);
}

static bool bury(const struct finishing *f, struct store *store, struct str name, struct weir_diag *diag)
{
    log_info("an archive that was deleted loses its files", LOG_STR("archive", name));
    return archive_bury(store, f->data_dir, name, diag);
}

static bool discard_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct finishing *f = (struct finishing *)job;

    buf_clear(&f->names);
    if (!archive_each_doomed(store, add_name, &f->names, diag))
        return false;
    xbuf(&f->names);
    return each_name(f, discard, store, diag);
}

static bool bury_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    return each_name((struct finishing *)job, bury, store, diag);
}

bool archive_deletions_finish(struct ledger *ledger, const char *data_dir, struct weir_diag *diag)
{
    struct finishing f = {.job = {.run = discard_run}, .data_dir = data_dir};
    bool ok = ledger_run_now(ledger, &f.job, diag);

    if (ok && f.names.size) {
        f.job.run = bury_run;
        if (!ledger_run_now(ledger, &f.job, diag))
            log_warn("files of a deleted archive stay for now", LOG_TEXT("reason", diag->message));
    }
    buf_fini(&f.names);
    return ok;
}
