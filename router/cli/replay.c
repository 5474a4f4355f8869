/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir replay: asks a running router to replay a window of an archive, then watches (replay_watch.c). The replay
 * belongs to the router: Ctrl-C only stops the watching.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "matcher/weir.h"
#include "router/cli/replay.h"
#include "router/cli/show.h"
#include "router/cli/verbs.h"
#include "router/clock.h"
#include "targets/archive.h"

/* Events say their time in whole seconds: an end is rounded up, so that "now" takes those of this second too. */
bool replay_time(struct cli *cli, const char *option, const char *text, bool end, char out[40])
{
    int64_t ms;

    if (!text) {
        cli_usage(cli, "needs %s: a time like 2026-11-21T04:00:00Z, 2026-11-21, -1h or now", option);
        return false;
    }
    if (!input_time(text, clock_wall_ms(), &ms)) {
        cli_usage(cli, "%s '%s' is not a time: write 2026-11-21T04:00:00Z, 2026-11-21, -1h or now", option, text);
        return false;
    }
    time_format_rfc3339(end ? ms + 999 : ms, out);
    return true;
}

/* "500/s", "30/m", "10/h", or just "500"; a second. 0: it is none. */
static double read_rate(const char *text)
{
    char *end;
    double rate = strtod(text, &end);

    if (end == text || rate <= 0 || rate > 1e9)
        return 0;
    return !*end || !strcmp(end, "/s") ? rate : !strcmp(end, "/m") ? rate / 60 : !strcmp(end, "/h") ? rate / 3600 : 0;
}

static double read_speed(const char *text)
{
    char *end;
    double speed = strtod(text, &end);
    return end == text || speed <= 0 || speed > 1e9 || (*end && strcmp(end, "x") != 0) ? 0 : speed;
}

static bool add_number(struct cli *cli, struct buf *body, const char *option, double (*read)(const char *text),
                       const char *like)
{
    const char *text = cli_value(cli, option, NULL);
    double value = text ? read(text) : 0;

    if (text && value <= 0) {
        cli_usage(cli, "%s '%s' is not a %s: write %s", option, text, option + 2, like);
        return false;
    }
    if (text) {
        json_write_key(body, option + 2);
        buf_printf(body, "%.15g", value);
    }
    return true;
}

static bool add_limit(struct cli *cli, struct buf *body)
{
    const char *text = cli_value(cli, "--limit", NULL);
    char *end = NULL;
    long long limit = text ? strtoll(text, &end, 10) : 0;

    if (text && (limit < 1 || *end)) {
        cli_usage(cli, "--limit '%s' is not a number of events", text);
        return false;
    }
    if (text) {
        json_write_key(body, "limit");
        json_write_int(body, limit);
    }
    return true;
}

static void add_rules(struct cli *cli, struct buf *body)
{
    const char *rules[CLI_OPTIONS_MAX];
    size_t count = cli_values(cli, "--rule", rules, CLI_OPTIONS_MAX);

    for (size_t i = 0; i < count; i++) {
        if (i == 0)
            json_write_key(body, "rules");
        buf_char(body, i ? ',' : '[');
        json_write_string(body, str_from(rules[i]));
    }
    buf_text(body, count ? "]" : "");
}

static void add_text(struct cli *cli, struct buf *body, const char *option)
{
    const char *text = cli_value(cli, option, NULL);
    if (text)
        json_write_member(body, option + 2, str_from(text));
}

static int add_pattern(struct cli *cli, struct buf *body)
{
    const char *argument = cli_value(cli, "--pattern", NULL);
    struct weir_matcher *matcher;
    struct buf text;

    if (!argument)
        return EXIT_DONE;
    int code = cli_pattern(argument, &text, &matcher);
    if (code == EXIT_DONE) {
        json_write_key(body, "pattern");
        json_minify(body, buf_view(&text));
    }
    weir_matcher_unref(matcher);
    buf_fini(&text);
    return code;
}

int replay_add_choice(struct cli *cli, struct buf *body)
{
    add_text(cli, body, "--name");
    add_text(cli, body, "--by");
    add_rules(cli, body);
    add_text(cli, body, "--target");
    if (!add_number(cli, body, "--rate", read_rate, "500/s, 30/m or 10/h") ||
        !add_number(cli, body, "--speed", read_speed, "1x, 10x or 0.5x") || !add_limit(cli, body))
        return EXIT_USAGE;
    if (cli_has(cli, "--dry-run"))
        buf_text(body, ",\"dry_run\":true");
    return add_pattern(cli, body);
}

static int make_request(struct cli *cli, struct buf *body)
{
    char from[40], to[40];

    if (!replay_time(cli, "--from", cli_value(cli, "--from", NULL), false, from) ||
        !replay_time(cli, "--to", cli_value(cli, "--to", "now"), true, to))
        return EXIT_USAGE;
    buf_char(body, '{');
    json_write_member(body, "archive", str_from(cli->arguments[0]));
    json_write_member(body, "from", str_from(from));
    json_write_member(body, "to", str_from(to));
    int code = replay_add_choice(cli, body);
    buf_char(body, '}');
    return code;
}

/* ---- what is shown ---- */

void replay_show_dry_run(struct str answer)
{
    static const char *const titles[] = {"RULE", "TARGET", ">EVENTS"};
    struct table *t = table_create(titles, 3);
    struct show_list l = show_open(json_member(answer, "counts"));
    struct str one;
    char rule[128], target[300];
    bool any = false;

    for (; show_next(&l, &one); any = true) {
        table_cell(t, "%s", show_text(one, "rule", rule, sizeof rule));
        table_cell(t, "%s", show_text(one, "target", target, sizeof target)[0] ? target : "(matches)");
        table_cell(t, "%lld", show_int(one, "events"));
    }
    printf("%lld events in the window; nothing was delivered\n", show_int(answer, "events"));
    if (any) {
        table_print(t);
    } else {
        printf("no rule matches any of them\n");
        table_destroy(t);
    }
}

static int start(struct cli *cli)
{
    struct buf body = BUF_INIT;
    struct reply reply;
    char name[128];
    int code = make_request(cli, &body);

    if (code != EXIT_DONE) {
        buf_fini(&body);
        return code;
    }
    client_call(cli, "/_weir/v1/replays", buf_view(&body), NULL, &reply);
    struct str answer = buf_view(&reply.body);
    if (reply.status == 200 && cli->json)
        code = printf("%.*s\n", STR_ARG(answer)) > 0 ? EXIT_DONE : EXIT_IO;
    else if (reply.status == 200)
        replay_show_dry_run(answer);
    else if (reply.status == 201)
        code = cli_has(cli, "--detach") ? replay_show_end(cli, answer)
                                        : replay_watch(cli, show_text(answer, "name", name, sizeof name));
    else
        code = client_failed(cli, &reply);
    reply_fini(&reply);
    buf_fini(&body);
    return code;
}

/* ---- list, pause, resume, cancel ---- */

static int list(struct cli *cli)
{
    static const char *const titles[] = {"REPLAY", "ARCHIVE", "STATE", ">EVENTS", ">OF", "FROM", "TO"};
    struct reply reply;
    char name[128], archive[128], state[32], from[40], to[40];

    client_call(cli, "/_weir/v1/replays", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str replays = code == EXIT_DONE ? json_member(buf_view(&reply.body), "replays") : (struct str){0};
    if (code == EXIT_DONE && cli->json) {
        show_lines(replays);
    } else if (code == EXIT_DONE) {
        struct table *t = table_create(titles, 7);
        struct show_list l = show_open(replays);
        struct str one;
        while (show_next(&l, &one)) {
            table_cell(t, "%s", show_text(one, "name", name, sizeof name));
            table_cell(t, "%s",
                       show_bool(one, "files") ? "(files)" : show_text(one, "archive", archive, sizeof archive));
            table_cell(t, "%s%s", show_text(one, "state", state, sizeof state),
                       show_bool(one, "paused")    ? " (paused)"
                       : show_bool(one, "waiting") ? " (waiting)"
                                                   : "");
            table_cell(t, "%lld", show_int(one, "events_replayed"));
            table_cell(t, "%lld", show_int(one, "events_total"));
            table_cell(t, "%s", show_text(one, "from", from, sizeof from)[0] ? from : "-");
            table_cell(t, "%s", show_text(one, "to", to, sizeof to)[0] ? to : "-");
        }
        table_print(t);
    }
    reply_fini(&reply);
    return code;
}

/* verb: "cancel", "pause" or "resume". */
static int change(struct cli *cli, const char *name, const char *verb)
{
    struct buf path = BUF_INIT;
    struct reply reply;

    buf_text(&path, "/_weir/v1/replays/");
    client_escape(&path, str_from(name));
    buf_printf(&path, "/%s", verb);
    client_call(cli, buf_cstr(&path), STR("{}"), NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    if (code == EXIT_DONE)
        replay_show_end(cli, buf_view(&reply.body));
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

/* ---- archive or files ---- */

static bool is_archive(struct cli *cli, const char *name)
{
    struct reply reply;
    struct str one;
    char text[128];
    bool found = false;

    client_call(cli, "/_weir/v1/archives", (struct str){0}, NULL, &reply);
    struct show_list l =
        show_open(reply.status == 200 ? json_member(buf_view(&reply.body), "archives") : (struct str){0});
    while (!found && show_next(&l, &one))
        found = strcmp(show_text(one, "name", text, sizeof text), name) == 0;
    reply_fini(&reply);
    return found;
}

/* What can only be a file is one: a path, several of them, stdin, or what has a bus or a format. A bare name that is
   both means the archive. */
static bool means_files(struct cli *cli)
{
    const char *name = cli->arguments[0];

    if (cli->argument_count > 1 || !strcmp(name, "-") || strchr(name, '/') || cli_value(cli, "--bus", NULL) ||
        cli_value(cli, "--format", NULL) || cli_value(cli, "--resume", NULL))
        return true;
    return access(name, F_OK) == 0 && !is_archive(cli, name);
}

static int replay(struct cli *cli)
{
    static const char *const changes[] = {"--pause", "--resume", "--cancel"};
    const char *shown = cli_value(cli, "--show", NULL), *changed = NULL, *verb = NULL;
    bool feeds = cli->argument_count && cli_value(cli, "--resume", NULL);

    for (size_t i = 0; i < sizeof changes / sizeof changes[0] && !changed; i++) {
        changed = cli_value(cli, changes[i], NULL);
        verb = changes[i] + 2;
    }
    if (!feeds && (shown || changed || cli_has(cli, "--list"))) {
        if (cli->argument_count)
            return cli_usage(cli, "takes no archive with --list, --show, --pause or --cancel");
        return shown ? replay_watch(cli, shown) : changed ? change(cli, changed, verb) : list(cli);
    }
    if (!cli->argument_count)
        return cli_usage(cli, "needs the name of an archive, or files; 'weir archives' lists archives");
    return means_files(cli) ? replay_files(cli) : start(cli);
}

static const struct cli_option options[] = {
    {.name = "--from",
     .value = "TIME",
     .meaning = "events from this event time on: RFC 3339, a date, or relative like -1h"},
    {.name = "--to", .value = "TIME", .meaning = "events before this event time (now)"},
    {.name = "--by",
     .value = "ORDER",
     .choices = "event arrival",
     .meaning =
         "event: in order of event time, then arrival (the default); arrival: in the archive's order, and --from "
         "and --to mean hours of arrival"},
    {.name = "--rule", .letter = 'r', .value = "RULE", .many = true, .meaning = "only to this rule"},
    {.name = "--target",
     .letter = 't',
     .value = "TARGET",
     .meaning = "only to this target of those rules: NAME or KIND/NAME"},
    {.name = "--pattern",
     .letter = 'p',
     .value = "PATTERN|@FILE",
     .meaning = "only events that match this event pattern too"},
    {.name = "--rate", .value = "N/s", .meaning = "at most so many events a second (or /m, /h)"},
    {.name = "--speed",
     .value = "10x",
     .meaning = "in step with the events' own times, so many times as fast; 1x is as it was"},
    {.name = "--limit", .value = "N", .meaning = "end after so many events"},
    {.name = "--bus", .letter = 'b', .value = "BUS", .meaning = "of files: whose rules they meet (default)"},
    {.name = "--format",
     .value = "FORMAT",
     .choices = "auto events cloudtrail s3 cloudevents",
     .meaning = "of files: auto, events, cloudtrail, s3 or cloudevents (auto: by content)"},
    {.name = "--name",
     .value = "NAME",
     .meaning = "the replay's name, which its events carry as replay-name (made up)"},
    {.name = "--dry-run", .meaning = "count per rule and target; deliver nothing"},
    {.name = "--detach", .meaning = "start it and do not watch"},
    {.name = "--list", .meaning = "list replays"},
    {.name = "--show", .value = "NAME", .meaning = "watch a replay that was started before"},
    {.name = "--pause", .value = "NAME", .meaning = "hold a replay where it is, over restarts too"},
    {.name = "--resume",
     .value = "NAME",
     .meaning = "let a paused replay go on; with FILE…, feed a replay of these files from where it is"},
    {.name = "--cancel", .value = "NAME", .meaning = "end a replay"},
    {0},
};

const struct cli_verb verb_replay = {
    .name = "replay",
    .arguments = "ARCHIVE|FILE… --from TIME [--to TIME] [--rule RULE]… [--target TARGET] [-p PATTERN] [--rate N/s] "
                 "[--speed 10x] [--limit N] [--dry-run]",
    .summary = "puts archived events, or those of files, through the rules again",
    .description =
        "Events go in order of event time through the present rules of the archive's bus, or through those named with "
        "--rule\n"
        "only. They carry replay-name and are not archived again. Ctrl-C stops the watching, not the replay.\n"
        "Files (what weir send reads; those of -b BUS) go in their own order, --from and --to may be left out, and "
        "Ctrl-C\n"
        "stops them until --resume NAME FILE…. A bare name means an archive where there is one: write ./NAME for the "
        "file.",
    .options = options,
    .run = replay,
};
