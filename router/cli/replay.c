/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir replay: asks a running router to replay a window of an archive, then watches. The replay belongs to the router:
 * Ctrl-C only stops the watching.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"
#include "router/clock.h"
#include "targets/archive.h"

#define POLL_US   200000
#define BAR_CELLS 30

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    interrupted = 1;
}

/* Events say their time in whole seconds: `end` is rounded up, so that "now" takes those of this second too. */
static bool take_time(struct cli *cli, const char *option, const char *otherwise, bool end, char out[40])
{
    const char *text = cli_value(cli, option, otherwise);
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

static bool make_request(struct cli *cli, struct buf *body)
{
    const char *rules[CLI_OPTIONS_MAX], *name = cli_value(cli, "--name", NULL);
    size_t count = cli_values(cli, "--rule", rules, CLI_OPTIONS_MAX);
    char from[40], to[40];

    if (!take_time(cli, "--from", NULL, false, from) || !take_time(cli, "--to", "now", true, to))
        return false;
    buf_char(body, '{');
    json_write_member(body, "archive", str_from(cli->arguments[0]));
    json_write_member(body, "from", str_from(from));
    json_write_member(body, "to", str_from(to));
    if (name)
        json_write_member(body, "name", str_from(name));
    if (count) {
        json_write_key(body, "rules");
        for (size_t i = 0; i < count; i++) {
            buf_char(body, i ? ',' : '[');
            json_write_string(body, str_from(rules[i]));
        }
        buf_char(body, ']');
    }
    if (cli_has(cli, "--dry-run"))
        buf_text(body, ",\"dry_run\":true");
    buf_char(body, '}');
    return true;
}

/* ---- what is shown ---- */

static void show_dry_run(struct str answer)
{
    static const char *const titles[] = {"RULE", "TARGET", ">EVENTS"};
    struct table *t = table_create(titles, 3);
    struct show_list l = show_open(json_member(answer, "counts"));
    struct str one;
    char rule[128], target[300];

    while (show_next(&l, &one)) {
        table_cell(t, "%s", show_text(one, "rule", rule, sizeof rule));
        table_cell(t, "%s", show_text(one, "target", target, sizeof target)[0] ? target : "(matches)");
        table_cell(t, "%lld", show_int(one, "events"));
    }
    printf("%lld events in the window; nothing was delivered\n", show_int(answer, "events"));
    table_print(t);
}

static void show_progress(struct str replay, double seconds)
{
    long long total = show_int(replay, "events_total"), done = show_int(replay, "events_replayed");
    int filled = total ? (int)(done * BAR_CELLS / total) : 0;
    char state[32];

    show_text(replay, "state", state, sizeof state);
    fprintf(stderr, "\r%-10s [", state);
    for (int i = 0; i < BAR_CELLS; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %lld/%lld events, %lld matched, %.0f/s\033[K", done, total, show_int(replay, "events_matched"),
            seconds > 0 ? (double)done / seconds : 0);
    fflush(stderr);
}

/* Prints what became of it. */
static int show_end(struct cli *cli, struct str replay)
{
    char name[128], state[32], reason[512];

    int64_t deliveries = show_int(replay, "deliveries");
    show_text(replay, "name", name, sizeof name);
    show_text(replay, "state", state, sizeof state);
    show_text(replay, "reason", reason, sizeof reason);
    if (cli->json)
        printf("%.*s\n", STR_ARG(replay));
    else
        printf("replay %s %s: %lld of %lld events replayed, %lld matched, %lld %s%s%s\n", name, state,
               show_int(replay, "events_replayed"), show_int(replay, "events_total"),
               show_int(replay, "events_matched"), (long long)deliveries, deliveries == 1 ? "delivery" : "deliveries",
               reason[0] ? "; " : "", reason);
    return strcmp(state, "FAILED") == 0 ? EXIT_INTERNAL : EXIT_DONE;
}

static bool is_over(struct str replay)
{
    char state[32];
    show_text(replay, "state", state, sizeof state);
    return !strcmp(state, "COMPLETED") || !strcmp(state, "CANCELLED") || !strcmp(state, "FAILED");
}

static int watch(struct cli *cli, const char *name)
{
    struct buf path = BUF_INIT;
    bool terminal = isatty(STDERR_FILENO) && !cli->json;
    int64_t began = clock_wall_ms();
    int code = -1;

    buf_text(&path, "/_weir/v1/replays/");
    client_escape(&path, str_from(name));
    signal(SIGINT, interrupt);
    while (code < 0) {
        struct reply reply;
        client_call(cli, buf_cstr(&path), (struct str){0}, NULL, &reply);
        struct str replay = buf_view(&reply.body);
        if (reply.status == 200 && terminal)
            show_progress(replay, (double)(clock_wall_ms() - began) / 1000);
        if (terminal && (reply.status != 200 || is_over(replay) || interrupted))
            fputc('\n', stderr);
        if (reply.status != 200)
            code = client_failed(cli, &reply);
        else if (is_over(replay))
            code = show_end(cli, replay);
        else if (interrupted)
            code = fprintf(stderr, "weir: detached; replay '%s' goes on, 'weir replay --show %s' shows it\n", name,
                           name) > 0
                       ? EXIT_DONE
                       : EXIT_IO;
        else
            usleep(POLL_US);
        reply_fini(&reply);
    }
    buf_fini(&path);
    return code;
}

static int start(struct cli *cli)
{
    struct buf body = BUF_INIT;
    struct reply reply;
    char name[128];
    int code = EXIT_USAGE;

    if (!make_request(cli, &body)) {
        buf_fini(&body);
        return EXIT_USAGE;
    }
    client_call(cli, "/_weir/v1/replays", buf_view(&body), NULL, &reply);
    struct str answer = buf_view(&reply.body);
    if (reply.status == 200 && cli->json)
        code = printf("%.*s\n", STR_ARG(answer)) > 0 ? EXIT_DONE : EXIT_IO;
    else if (reply.status == 200)
        show_dry_run(answer), code = EXIT_DONE;
    else if (reply.status == 201)
        code = cli_has(cli, "--detach") ? show_end(cli, answer),
        EXIT_DONE                       : watch(cli, show_text(answer, "name", name, sizeof name));
    else
        code = client_failed(cli, &reply);
    reply_fini(&reply);
    buf_fini(&body);
    return code;
}

/* ---- list, show, cancel ---- */

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
            table_cell(t, "%s", show_text(one, "archive", archive, sizeof archive));
            table_cell(t, "%s", show_text(one, "state", state, sizeof state));
            table_cell(t, "%lld", show_int(one, "events_replayed"));
            table_cell(t, "%lld", show_int(one, "events_total"));
            table_cell(t, "%s", show_text(one, "from", from, sizeof from));
            table_cell(t, "%s", show_text(one, "to", to, sizeof to));
        }
        table_print(t);
    }
    reply_fini(&reply);
    return code;
}

static int cancel(struct cli *cli, const char *name)
{
    struct buf path = BUF_INIT;
    struct reply reply;

    buf_text(&path, "/_weir/v1/replays/");
    client_escape(&path, str_from(name));
    buf_text(&path, "/cancel");
    client_call(cli, buf_cstr(&path), STR("{}"), NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    if (code == EXIT_DONE)
        show_end(cli, buf_view(&reply.body));
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

static int replay(struct cli *cli)
{
    const char *show = cli_value(cli, "--show", NULL), *cancelled = cli_value(cli, "--cancel", NULL);

    if (show || cancelled || cli_has(cli, "--list")) {
        if (cli->argument_count)
            return cli_usage(cli, "takes no archive with --list, --show or --cancel");
        return show ? watch(cli, show) : cancelled ? cancel(cli, cancelled) : list(cli);
    }
    if (cli->argument_count != 1)
        return cli_usage(cli, "needs the name of one archive; 'weir archives' lists them");
    return start(cli);
}

static const struct cli_option options[] = {
    {.name = "--from",
     .value = "TIME",
     .meaning = "events from this event time on: RFC 3339, a date, or relative like -1h"},
    {.name = "--to", .value = "TIME", .meaning = "events before this event time (now)"},
    {.name = "--rule", .letter = 'r', .value = "RULE", .many = true, .meaning = "only to this rule"},
    {.name = "--name",
     .value = "NAME",
     .meaning = "the replay's name, which its events carry as replay-name (made up)"},
    {.name = "--dry-run", .meaning = "count per rule and target; deliver nothing"},
    {.name = "--detach", .meaning = "start it and do not watch"},
    {.name = "--list", .meaning = "list replays"},
    {.name = "--show", .value = "NAME", .meaning = "watch a replay that was started before"},
    {.name = "--cancel", .value = "NAME", .meaning = "end a replay"},
    {0},
};

const struct cli_verb verb_replay = {
    .name = "replay",
    .arguments = "ARCHIVE --from TIME [--to TIME] [--rule RULE]… [--dry-run]",
    .summary = "puts archived events through the rules again",
    .description =
        "Events go in order of event time through the present rules of the archive's bus, or through those named with "
        "--rule\n"
        "only. They carry replay-name and are not archived again. Ctrl-C stops the watching, not the replay.",
    .options = options,
    .run = replay,
};
