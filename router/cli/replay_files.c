/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays of files. The router keeps the replay, its choice and how many records of the files it has done with; this
 * side has the files, and feeds them from there, batch after batch: so it may be interrupted, or the router killed, and
 * goes on with --resume. Records are counted through all files in their order, or in the order of event time, for which
 * all of them are held in memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/cli/records.h"
#include "router/cli/replay.h"
#include "router/cli/show.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define BATCH_RECORDS 2000
#define BATCH_BYTES   ((size_t)4 << 20)
#define POLL_US       50000
#define SORT_BYTES    ((size_t)1 << 30) /* of text that --by event takes */

struct line { /* one record */
    struct str text;
    const char *file, *format;
    int number;
    int64_t time_ms; /* --by event */
};

struct feeder {
    struct cli *cli;
    char name[128];
    struct buf request; /* of a dry run: its first line; else nothing */
    struct line *lines; /* of the present file, or of all */
    size_t count, capacity;
    uint64_t read; /* records that the router has done with, or that a dry run has counted */
    uint64_t seen; /* records of files before the present one */
    size_t files, file;
    int64_t left; /* dry runs: of --limit; -1: none */
    struct replay_bar bar;
    bool over; /* the replay needs no more */

    /* dry runs */
    int64_t events;
    struct tally {
        char rule[128], target[300];
        int64_t events;
    } * tallies;
    size_t tally_count;
};

/* ---- records ---- */

static void add_line(struct feeder *f, const struct records *r, const struct record_span *span, const char *file)
{
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 1024;
        f->lines = xrealloc(f->lines, f->capacity * sizeof *f->lines);
    }
    f->lines[f->count++] = (struct line){span->text, file, r->source->name, span->line, 0};
}

/* Its texts are slices of *text. */
static int read_file(struct feeder *f, const char *file, struct buf *text)
{
    struct records records;
    int code = input_read(file, text);

    if (code != EXIT_DONE)
        return code;
    records_split(buf_view(text), cli_value(f->cli, "--format", "auto"), &records);
    for (size_t i = 0; i < records.count; i++)
        add_line(f, &records, &records.list[i], file);
    records_fini(&records);
    return EXIT_DONE;
}

static int64_t time_of(struct str record)
{
    static const char *const keys[] = {"time", "eventTime", NULL};
    struct str values[2] = {{0}};
    int64_t ms = INT64_MAX; /* the router finds its fault, or gives it the present time */

    if (json_check(record, NULL, NULL) && json_type_of(record) == JSON_OBJECT)
        json_members(record, keys, values);
    struct str raw = values[0].size ? values[0] : values[1];
    if (raw.size > 2 && raw.ptr[0] == '"')
        time_parse_rfc3339((struct str){raw.ptr + 1, raw.size - 2}, &ms);
    return ms;
}

static int compare(const void *a, const void *b)
{
    const struct line *x = *(const struct line *const *)a, *y = *(const struct line *const *)b;
    return x->time_ms != y->time_ms ? (x->time_ms < y->time_ms ? -1 : 1) : (x > y) - (x < y);
}

static void sort(struct feeder *f)
{
    struct line **order = xarray(f->count + 1, sizeof(struct line *)), *sorted = xarray(f->count + 1, sizeof *sorted);

    for (size_t i = 0; i < f->count; i++) {
        f->lines[i].time_ms = time_of(f->lines[i].text);
        order[i] = &f->lines[i];
    }
    qsort(order, f->count, sizeof(struct line *), compare);
    for (size_t i = 0; i < f->count; i++)
        sorted[i] = *order[i];
    free(order);
    free(f->lines);
    f->lines = sorted;
    f->capacity = f->count + 1;
}

/* ---- one batch ---- */

/* Lines of one format, from number `first` on. */
static size_t write_batch(const struct feeder *f, size_t first, struct buf *body)
{
    size_t i = first, start = body->size;

    for (; i < f->count && i - first < BATCH_RECORDS && f->lines[i].format == f->lines[first].format; i++) {
        struct str text = f->lines[i].text;
        if (i > first && body->size - start + text.size > BATCH_BYTES)
            break;
        if (json_check(text, NULL, NULL))
            json_minify(body, text); /* a record over several lines becomes one */
        else
            buf_str(body, text); /* the router says what is wrong with it */
        buf_char(body, '\n');
    }
    xbuf(body);
    return i - first;
}

static int refused(struct feeder *f, size_t first, const struct reply *reply)
{
    long long line = reply->status == 400 ? show_int(buf_view(&reply->body), "line") : 0;
    const struct line *at = line > 0 && first + (size_t)line <= f->count ? &f->lines[first + (size_t)line - 1] : NULL;
    int code = at ? cli_fail(EXIT_DATA, "%s:%d: error: %s", strcmp(at->file, "-") ? at->file : "stdin", at->number,
                             reply->message)
                  : client_failed(f->cli, reply);

    if (f->name[0])
        fprintf(stderr,
                "weir: %" PRIu64 " records are done; 'weir replay --resume %s FILE...' goes on, --cancel %s ends it\n",
                f->read, f->name, f->name);
    return code;
}

static void take_progress(struct feeder *f, struct str replay, size_t first)
{
    f->read = (uint64_t)show_int(replay, "records_read");
    f->over = replay_is_over(replay);
    double part = f->count ? (double)first / (double)f->count : 1;
    f->bar.part = ((double)f->file + part) / (double)f->files;
    replay_bar_show(&f->bar, replay);
}

static int interrupted(struct feeder *f)
{
    replay_bar_end(&f->bar);
    fprintf(stderr, "weir: stopped; 'weir replay --resume %s FILE...' goes on, --cancel %s ends it\n", f->name,
            f->name);
    return EXIT_NO_MATCH;
}

/* Until the router is through with them. */
static int wait_for(struct feeder *f, size_t first, uint64_t wanted)
{
    struct buf path = BUF_INIT;
    int code = EXIT_DONE;

    buf_text(&path, "/_weir/v1/replays/");
    client_escape(&path, str_from(f->name));
    while (code == EXIT_DONE && !f->over && f->read < wanted) {
        struct reply reply;
        if (replay_interrupted()) {
            code = interrupted(f);
            break;
        }
        usleep(POLL_US);
        client_call(f->cli, buf_cstr(&path), (struct str){0}, NULL, &reply);
        if (reply.status == 200)
            take_progress(f, buf_view(&reply.body), first);
        else
            code = refused(f, first, &reply);
        reply_fini(&reply);
    }
    buf_fini(&path);
    return code;
}

static int feed(struct feeder *f, size_t first, size_t *count_out)
{
    struct buf body = BUF_INIT, path = BUF_INIT;
    struct reply reply;
    int code = EXIT_DONE;

    *count_out = write_batch(f, first, &body);
    buf_text(&path, "/_weir/v1/replays/");
    client_escape(&path, str_from(f->name));
    buf_printf(&path, "/records?first=%" PRIu64 "&format=%s", f->seen + first, f->lines[first].format);
    client_call(f->cli, buf_cstr(&path), buf_view(&body), "application/x-ndjson", &reply);
    if (reply.status == 200)
        take_progress(f, buf_view(&reply.body), first);
    else
        code = refused(f, first, &reply);
    reply_fini(&reply);
    buf_fini(&body);
    buf_fini(&path);
    return code == EXIT_DONE ? wait_for(f, first, f->seen + first + *count_out) : code;
}

/* ---- dry runs ---- */

static void tally(struct feeder *f, struct str one)
{
    struct tally t = {.events = show_int(one, "events")};
    size_t i = 0;

    show_text(one, "rule", t.rule, sizeof t.rule);
    show_text(one, "target", t.target, sizeof t.target);
    while (i < f->tally_count &&
           (strcmp(f->tallies[i].rule, t.rule) != 0 || strcmp(f->tallies[i].target, t.target) != 0))
        i++;
    if (i < f->tally_count) {
        f->tallies[i].events += t.events;
        return;
    }
    f->tallies = xrealloc(f->tallies, (f->tally_count + 1) * sizeof *f->tallies);
    f->tallies[f->tally_count++] = t;
}

static int count(struct feeder *f, size_t first, size_t *count_out)
{
    struct buf body = BUF_INIT, path = BUF_INIT;
    struct reply reply;
    struct str one;
    int code = EXIT_DONE;

    if (f->left > 0) /* of two of them the first counts */
        buf_printf(&body, "{\"limit\":%" PRId64 ",%s}\n", f->left, buf_cstr(&f->request) + 1);
    else
        buf_printf(&body, "%s}\n", buf_cstr(&f->request));
    *count_out = write_batch(f, first, &body);
    buf_printf(&path, "/_weir/v1/dry-runs?format=%s", f->lines[first].format);
    client_call(f->cli, buf_cstr(&path), buf_view(&body), "application/x-ndjson", &reply);
    if (reply.status == 200) {
        struct show_list l = show_open(json_member(buf_view(&reply.body), "counts"));
        while (show_next(&l, &one))
            tally(f, one);
        f->events += show_int(buf_view(&reply.body), "events");
        f->left -= f->left > 0 ? show_int(buf_view(&reply.body), "events") : 0;
        f->over = f->left == 0;
    } else {
        code = refused(f, first, &reply);
    }
    reply_fini(&reply);
    buf_fini(&body);
    buf_fini(&path);
    return code;
}

static void show_counts(const struct feeder *f)
{
    struct buf out = BUF_INIT;

    buf_printf(&out, "{\"files\":true,\"events\":%" PRId64 ",\"counts\":[", f->events);
    for (size_t i = 0; i < f->tally_count; i++) {
        buf_text(&out, i ? ",{" : "{");
        json_write_member(&out, "rule", str_from(f->tallies[i].rule));
        json_write_member(&out, "target", str_from(f->tallies[i].target));
        json_write_key(&out, "events");
        json_write_int(&out, f->tallies[i].events);
        buf_char(&out, '}');
    }
    buf_text(&out, "]}");
    if (f->cli->json)
        puts(buf_cstr(&out));
    else
        replay_show_dry_run(buf_view(&out));
    buf_fini(&out);
}

/* ---- all files ---- */

static int feed_lines(struct feeder *f)
{
    int code = EXIT_DONE;
    size_t taken = 0;

    /* What was done before an interruption. */
    size_t first = f->read > f->seen ? (size_t)(f->read - f->seen) : 0;
    for (; code == EXIT_DONE && !f->over && first < f->count; first += taken) {
        if (replay_interrupted() && f->name[0])
            return interrupted(f);
        code = f->name[0] ? feed(f, first, &taken) : count(f, first, &taken);
    }
    f->seen += f->count;
    f->count = 0;
    return code;
}

static int feed_in_file_order(struct feeder *f)
{
    int code = EXIT_DONE;

    for (f->file = 0; f->file < f->files && code == EXIT_DONE && !f->over; f->file++) {
        struct buf text;
        code = read_file(f, f->cli->arguments[f->file], &text);
        if (code == EXIT_DONE)
            code = feed_lines(f);
        buf_fini(&text);
    }
    return code;
}

static int feed_by_event_time(struct feeder *f)
{
    struct buf *texts = xarray(f->files, sizeof *texts);
    size_t bytes = 0, files = f->files;
    int code = EXIT_DONE;

    for (size_t i = 0; i < files && code == EXIT_DONE; i++) {
        code = read_file(f, f->cli->arguments[i], &texts[i]);
        bytes += texts[i].size;
        if (code == EXIT_DONE && bytes > SORT_BYTES)
            code =
                cli_fail(EXIT_USAGE, "--by event holds all files in memory, and takes 1 GiB of text at most: archive "
                                     "the events, or replay the files in their own order");
    }
    f->files = 1;
    if (code == EXIT_DONE) {
        sort(f);
        code = feed_lines(f);
    }
    for (size_t i = 0; i < files; i++)
        buf_fini(&texts[i]);
    free(texts);
    return code;
}

/* ---- the replay ---- */

static bool add_time(struct cli *cli, struct buf *body, const char *option, bool end)
{
    const char *text = cli_value(cli, option, NULL);
    char time[40];

    if (!text)
        return true;
    if (!replay_time(cli, option, text, end, time))
        return false;
    json_write_member(body, option + 2, str_from(time));
    return true;
}

static int make_request(struct cli *cli, struct buf *body)
{
    const char *bus = cli_value(cli, "--bus", NULL);

    buf_text(body, "{\"files\":true");
    if (!cli_value(cli, "--by", NULL))
        json_write_member(body, "by", STR("arrival"));
    if (bus)
        json_write_member(body, "bus", str_from(bus));
    if (!add_time(cli, body, "--from", false) || !add_time(cli, body, "--to", true))
        return EXIT_USAGE;
    return replay_add_choice(cli, body);
}

/* Starts a new one, or finds the one to go on with. */
static int open_replay(struct feeder *f, const char *resumed, struct buf *request)
{
    const struct str none = {0};
    struct buf path = BUF_INIT;
    struct reply reply;
    int code = EXIT_DONE;

    buf_text(&path, "/_weir/v1/replays");
    if (resumed) {
        buf_char(&path, '/');
        client_escape(&path, str_from(resumed));
    }
    client_call(f->cli, buf_cstr(&path), resumed ? none : buf_view(request), NULL, &reply);
    struct str replay = buf_view(&reply.body);
    if (reply.status / 100 != 2)
        code = client_failed(f->cli, &reply);
    else if (resumed && !show_bool(replay, "files"))
        code = cli_fail(EXIT_USAGE, "replay '%s' is one of an archive: --resume takes no files", resumed);
    else if (replay_is_over(replay))
        code = cli_fail(EXIT_USAGE, "replay '%s' is over", resumed);
    show_text(replay, "name", f->name, sizeof f->name);
    f->read = code == EXIT_DONE ? (uint64_t)show_int(replay, "records_read") : 0;
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

static int finish(struct feeder *f)
{
    const struct str none = {0};
    struct buf path = BUF_INIT;
    struct reply reply;

    buf_text(&path, "/_weir/v1/replays/");
    client_escape(&path, str_from(f->name));
    if (!f->over)
        buf_text(&path, "/finish");
    client_call(f->cli, buf_cstr(&path), f->over ? none : STR("{}"), NULL, &reply);
    f->bar.part = 1;
    if (reply.status == 200)
        replay_bar_show(&f->bar, buf_view(&reply.body));
    replay_bar_end(&f->bar);
    int code = reply.status == 200 ? replay_show_end(f->cli, buf_view(&reply.body)) : client_failed(f->cli, &reply);
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

static int run(struct feeder *f, const char *order)
{
    int code = strcmp(order, "event") == 0 ? feed_by_event_time(f) : feed_in_file_order(f);

    if (code == EXIT_DONE && f->name[0])
        return finish(f);
    if (code == EXIT_DONE)
        show_counts(f);
    return code;
}

/* Before a replay is made: one whose files are not there would be active until somebody cancels it. */
static int check_files(const struct cli *cli)
{
    for (size_t i = 0; i < cli->argument_count; i++) {
        const char *file = cli->arguments[i];
        if (strcmp(file, "-") != 0 && access(file, R_OK) != 0)
            return cli_fail(EXIT_IO, "cannot read '%s': %s", file, strerror(errno));
    }
    return EXIT_DONE;
}

int replay_files(struct cli *cli)
{
    const char *resumed = cli_value(cli, "--resume", NULL), *format = cli_value(cli, "--format", "auto");
    bool dry = cli_has(cli, "--dry-run");
    struct feeder f = {.cli = cli, .files = cli->argument_count, .left = atoll(cli_value(cli, "--limit", "-1"))};
    struct buf request = BUF_INIT;
    int code = EXIT_DONE;

    if (strcmp(format, "auto") != 0 && !source_find(str_from(format)))
        return cli_usage(cli, "unknown format '%s'", format);
    if ((code = check_files(cli)) == EXIT_DONE && !resumed)
        code = make_request(cli, dry ? &f.request : &request);
    buf_char(&request, '}');
    if (code == EXIT_DONE)
        replay_bar_init(&f.bar, cli);
    if (code == EXIT_DONE && !dry)
        code = open_replay(&f, resumed, &request);
    if (code == EXIT_DONE)
        code = run(&f, cli_value(cli, "--by", "arrival"));
    buf_fini(&request);
    buf_fini(&f.request);
    free(f.lines);
    free(f.tallies);
    return code;
}
