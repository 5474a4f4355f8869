/* SPDX-License-Identifier: Apache-2.0 */
/* Archives for the command line: what each holds, known exactly from the ledger. */
#include <stdlib.h>

#include "router/api/v1_int.h"
#include "router/xalloc.h"

static void write_time(struct buf *out, const char *key, bool known, int64_t ms)
{
    char text[21];

    json_write_key(out, key);
    time_format_rfc3339(ms, text);
    if (known)
        json_write_string(out, str_from(text));
    else
        buf_text(out, "null");
}

static bool write_archive(struct buf *out, const struct target_def *def, struct store *s, struct weir_diag *diag)
{
    const struct archive_options *options = def->options;
    struct archive_totals n;

    if (!archive_count(s, def->name, &n, diag))
        return false;
    if (out->data[out->size - 1] == '}')
        buf_char(out, ',');
    buf_char(out, '{');
    json_write_member(out, "name", def->name);
    json_write_member(out, "bus", options->bus);
    buf_printf(out, ",\"events\":%lld,\"bytes\":%lld,\"disk_bytes\":%lld,\"files\":%lld,\"sealed_files\":%lld",
               (long long)n.events, (long long)n.bytes, (long long)n.disk_bytes, (long long)n.files,
               (long long)n.sealed_files);
    write_time(out, "from", n.events > 0, n.time_min_ms);
    write_time(out, "to", n.events > 0, n.time_max_ms);
    buf_printf(out, ",\"retention_s\":%lld}", (long long)options->retention / 1000);
    return true;
}

bool v1_write_archives(struct buf *out, const struct ruleset *set, struct store *s, struct weir_diag *diag)
{
    bool ok = true;

    buf_char(out, '[');
    for (uint32_t i = 0; i < set->target_count && ok; i++)
        if (set->targets[i]->adapter == &archive_adapter)
            ok = write_archive(out, set->targets[i], s, diag);
    buf_char(out, ']');
    return ok;
}

struct archives_call {
    struct ledger_job job;
    struct http_request *request;
    struct buf answer;
};

static bool list_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct archives_call *c = (struct archives_call *)job;

    buf_clear(&c->answer);
    buf_text(&c->answer, "{\"archives\":");
    bool ok = v1_write_archives(&c->answer, http_set(c->request), s, diag);
    buf_char(&c->answer, '}');
    return ok;
}

static void listed_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct archives_call *c = (struct archives_call *)job;

    xbuf(&c->answer);
    if (ok)
        http_reply_json(c->request, 200, &c->answer);
    else
        http_reply_error(c->request, 503, "%s", diag->message);
    buf_fini(&c->answer);
    free(c);
}

void v1_archives(struct http_request *r)
{
    struct archives_call *c = xalloc(sizeof *c);

    c->request = r;
    c->job = (struct ledger_job){.run = list_step, .done = listed_cb, .reply = http_mailbox(r)};
    ledger_submit(http_router(r)->ledger, &c->job);
}
