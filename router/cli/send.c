/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir send: puts the events of files on a running router. Files are taken apart into records and posted in batches,
 * each all or nothing; a refused batch stops the sending with the place in the file, and says how many went before.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/cli/records.h"
#include "router/cli/verbs.h"

#define BATCH_EVENTS 1000
#define BATCH_BYTES  ((size_t)4 << 20)
#define WAIT_SECONDS 300 /* for one batch */

struct sender {
    struct cli *cli;
    const char *bus, *source, *detail_type, *format;
    struct buf body;
    int64_t accepted; /* in all files */
    bool said_busy;
    size_t wrapper; /* bytes that stand before a detail that --source wraps */
};

static bool is_events(const struct records *r)
{
    return str_is(str_from(r->source->name), "events");
}

static bool is_cloudevents(const struct records *r)
{
    return str_is(str_from(r->source->name), "cloudevents");
}

static void append_record(struct sender *s, const struct records *r, const struct record_span *span, bool is_first)
{
    struct buf *b = &s->body;
    size_t start = b->size;

    if (!is_events(r)) {
        buf_text(b, !is_first ? "," : is_cloudevents(r) ? "[" : "{\"Records\":[");
        buf_str(b, span->text);
        return;
    }
    if (s->source) {
        buf_char(b, '{');
        json_write_member(b, "source", str_from(s->source));
        json_write_member(b, "detail-type", str_from(s->detail_type));
        json_write_key(b, "detail");
        s->wrapper = b->size - start;
    }
    if (json_check(span->text, NULL, NULL))
        json_minify(b, span->text); /* a record over several lines becomes one */
    else
        buf_str(b, span->text); /* the router says what is wrong with it */
    buf_text(b, s->source ? "}\n" : "\n");
}

static int64_t member_int(struct str object, const char *key)
{
    struct str value = json_member(object, key);
    int64_t n = 0;
    for (size_t i = 0; i < value.size && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++)
        n = n * 10 + (value.ptr[i] - '0');
    return n;
}

/* The column that the router names is one of the whole event; people count in what they wrote. */
static void own_column(const struct sender *s, const char *reason, char *out, size_t size)
{
    size_t column;
    int at = 0;

    if (s->wrapper && sscanf(reason, "column %zu:%n", &column, &at) == 1 && at && column > s->wrapper)
        snprintf(out, size, "column %zu:%s", column - s->wrapper, reason + at);
    else
        snprintf(out, size, "%s", reason);
}

static int refused(struct sender *s, const char *file, const struct records *r, size_t first, const struct reply *reply)
{
    int64_t line = reply->status == 400 ? member_int(buf_view(&reply->body), "line") : 0;
    int code = reply->status == 400 ? EXIT_DATA : 0;

    if (line > 0 && first + (size_t)line <= r->count) {
        const char *reason = strstr(reply->message, ": ");
        char own[sizeof reply->message];
        own_column(s, reason ? reason + 2 : reply->message, own, sizeof own);
        cli_fail(code, "%s:%d: error: %s", strcmp(file, "-") ? file : "stdin", r->list[first + (size_t)line - 1].line,
                 own);
    } else {
        code = client_failed(s->cli, reply);
    }
    if (s->accepted)
        fprintf(stderr, "weir: %" PRId64 " events before that were accepted\n", s->accepted);
    return code;
}

static void make_path(const struct sender *s, const struct records *r, struct buf *path)
{
    buf_printf(path, "/%s", r->source->route ? r->source->route : r->source->name);
    if (s->bus) {
        buf_char(path, '/');
        client_escape(path, str_from(s->bus));
    }
}

/* A router that is too busy says when to come again; nothing of the batch was taken. */
static void post(struct sender *s, const struct records *r, const char *path, struct reply *reply)
{
    const char *type = is_events(r)        ? "application/x-ndjson"
                       : is_cloudevents(r) ? "application/cloudevents-batch+json"
                                           : NULL;

    for (long waited = 0;; waited += reply->retry_after) {
        client_call(s->cli, path, buf_view(&s->body), type, reply);
        if ((reply->status != 429 && reply->status != 503) || reply->retry_after <= 0 ||
            waited + reply->retry_after > WAIT_SECONDS)
            return;
        if (!s->said_busy)
            fprintf(stderr, "weir: %s; waiting as it asks, and going on\n", reply->message);
        s->said_busy = true;
        sleep((unsigned)reply->retry_after);
        reply_fini(reply);
    }
}

static int send_batch(struct sender *s, const char *file, const struct records *r, size_t *next)
{
    size_t first = *next;
    struct buf path = BUF_INIT;
    struct reply reply;

    buf_clear(&s->body);
    while (*next < r->count && *next - first < BATCH_EVENTS &&
           (*next == first || s->body.size + r->list[*next].text.size < BATCH_BYTES)) {
        append_record(s, r, &r->list[*next], *next == first);
        ++*next;
    }
    if (!is_events(r))
        buf_text(&s->body, is_cloudevents(r) ? "]" : "]}");
    make_path(s, r, &path);
    post(s, r, buf_cstr(&path), &reply);
    int code = EXIT_DONE;
    if (reply.status == 200)
        s->accepted += member_int(buf_view(&reply.body), "accepted");
    else
        code = refused(s, file, r, first, &reply);
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

static int send_file(struct sender *s, const char *file)
{
    struct buf text;
    struct records records;
    int64_t before = s->accepted;
    int code = EXIT_DONE;
    size_t next = 0;

    code = input_read(file, &text);
    if (code != EXIT_DONE) {
        buf_fini(&text);
        return code;
    }
    records_split(buf_view(&text), s->source ? "events" : s->format, &records);
    while (code == EXIT_DONE && next < records.count)
        code = send_batch(s, file, &records, &next);
    if (code == EXIT_DONE && s->cli->json) {
        struct buf line = BUF_INIT;
        buf_char(&line, '{');
        json_write_member(&line, "file", str_from(file));
        json_write_member(&line, "format", str_from(records.source->name));
        json_write_key(&line, "accepted");
        json_write_int(&line, s->accepted - before);
        buf_text(&line, "}\n");
        fputs(buf_cstr(&line), stdout);
        buf_fini(&line);
    }
    records_fini(&records);
    buf_fini(&text);
    return code;
}

static int send_files(struct cli *cli)
{
    struct sender s = {
        .cli = cli,
        .bus = cli_value(cli, "--bus", NULL),
        .source = cli_value(cli, "--source", NULL),
        .detail_type = cli_value(cli, "--detail-type", NULL),
        .format = cli_value(cli, "--format", "auto"),
    };
    int code = EXIT_DONE;

    if (!s.source != !s.detail_type)
        return cli_usage(cli, "--source and --detail-type go together: they wrap bare details");
    if (strcmp(s.format, "auto") != 0 && !source_find(str_from(s.format)))
        return cli_usage(cli, "unknown format '%s'", s.format);
    if (!cli->argument_count)
        code = send_file(&s, "-");
    for (size_t i = 0; i < cli->argument_count && code == EXIT_DONE; i++)
        code = send_file(&s, cli->arguments[i]);
    if (code == EXIT_DONE && !cli->json)
        printf("sent %" PRId64 " event%s from %zu file%s\n", s.accepted, s.accepted == 1 ? "" : "s",
               cli->argument_count ? cli->argument_count : 1, cli->argument_count > 1 ? "s" : "");
    buf_fini(&s.body);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--bus", .letter = 'b', .value = "BUS", .meaning = "the event bus; default: default"},
    {.name = "--source",
     .value = "S",
     .meaning = "with --detail-type: records are bare details, wrapped in events of this source"},
    {.name = "--detail-type", .value = "T", .meaning = "the detail-type of wrapped details"},
    {.name = "--format",
     .value = "FORMAT",
     .choices = "auto events cloudtrail s3 cloudevents",
     .meaning = "auto, events, cloudtrail, s3 or cloudevents (auto: by content)"},
    {0},
};

const struct cli_verb verb_send = {
    .name = "send",
    .arguments = "[FILE…]",
    .summary = "puts events from files (or stdin) on a running router",
    .description = "Files are NDJSON, a JSON array, one JSON object, CloudTrail log files, S3 notifications or "
                   "CloudEvents; .gz and "
                   ".zst are read as they\n"
                   "are. Events go in batches of up to 1,000; each batch is accepted whole or refused whole, and when "
                   "this verb ends\n"
                   "with 0 every event is durable at the router.",
    .options = options,
    .run = send_files,
};
