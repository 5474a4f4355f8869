/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target that is not there. It puts and does not send: failing needs no concurrency, no retries and no circuit, and
 * the dead letter is written in the transaction that would have had the message.
 */
#include "targets/missing.h"

#include <stdlib.h>

#include "targets/fail.h"

static struct target *open_missing(const struct target_def *def, struct host *host, const char *data_dir,
                                   struct weir_diag *diag)
{
    struct target *t = calloc(1, sizeof(*t));

    if (!t) {
        fail_memory(diag);
        return NULL;
    }
    *t = (struct target){.ops = &missing_adapter, .def = def, .host = host};
    return t;
}

static void close_missing(struct target *t)
{
    free(t);
}

static void put(struct target *t, const struct delivery *d, struct store *store, struct weir_time now,
                struct verdict *v)
{
    verdict_set(v, VERDICT_FAILED, "NO_RESOURCE", "there is no target '%.*s'", STR_ARG(t->def->name));
}

static const struct option options[] = {{0}};

const struct adapter missing_adapter = {
    .type = "missing",
    .summary = "stands for a target that was deleted",
    .arn_format = "{name}",
    .options = options,
    .options_size = 0,
    .open = open_missing,
    .close = close_missing,
    .put = put,
};
