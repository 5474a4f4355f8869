/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir tap: events of a running router as they are dispatched. Opens a tap, asks it again and again (each ask waits for
 * something to come), and closes it at the end.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"
#include "router/xalloc.h"

#define WAIT_MS 500 /* an ask: so long Ctrl-C may take */

static volatile sig_atomic_t ended;

static void end_cb(int number)
{
    ended = 1;
}

struct tapping {
    struct cli *cli;
    long long id, count; /* count: to be shown; 0: until it is ended */
    long long shown, missed;
    bool explains;
};

/* ---- one event ---- */

static void print_text(struct str object, const char *key)
{
    struct buf text = BUF_INIT;
    struct str raw = json_member(object, key);

    if (raw.size && raw.ptr[0] == '"')
        json_decode(&text, raw);
    fwrite(text.data, 1, text.size, stdout);
    buf_fini(&text);
}

static void print_near_miss(struct str one)
{
    struct str event = json_member(one, "event");
    char at[32], source[300], type[200], id[128];

    printf("%s %s  %s  %s\n", show_text(one, "arrived", at, sizeof at),
           show_text(event, "source", source, sizeof source), show_text(event, "detail-type", type, sizeof type),
           show_text(event, "id", id, sizeof id));
    print_text(one, "explanation_text");
    putchar('\n');
}

static bool print_events(struct tapping *t, struct str answer)
{
    struct show_list list = show_open(json_member(answer, "events"));
    struct str one;

    while ((!t->count || t->shown < t->count) && show_next(&list, &one)) {
        struct str whole = t->cli->json ? one : json_member(one, "event");
        if (t->explains && !t->cli->json)
            print_near_miss(one);
        else
            printf("%.*s\n", STR_ARG(whole));
        t->shown++;
    }
    long long missed = show_int(answer, "missed");
    if (missed)
        fprintf(stderr, "weir: %lld events came faster than they could be shown\n", missed);
    t->missed += missed;
    return fflush(stdout) == 0;
}

/* ---- the tap ---- */

static bool read_pattern(const char *argument, struct buf *out, int *code)
{
    if (*argument == '@')
        return (*code = input_read(argument + 1, out)) == EXIT_DONE;
    buf_text(out, argument);
    return true;
}

static int open_tap(struct tapping *t)
{
    static const char *const members[][2] = {{"--bus", "bus"}, {"--near-miss", "near_miss"}};
    const char *pattern = cli_value(t->cli, "--pattern", NULL);
    struct buf body = BUF_INIT, text = BUF_INIT;
    struct reply reply = {0};
    int code = EXIT_DONE;

    buf_char(&body, '{');
    for (size_t i = 0; i < 2; i++)
        if (cli_has(t->cli, members[i][0]))
            json_write_member(&body, members[i][1], str_from(cli_value(t->cli, members[i][0], "")));
    if (pattern && read_pattern(pattern, &text, &code))
        json_write_member(&body, "pattern", buf_view(&text));
    buf_char(&body, '}');
    if (code == EXIT_DONE) {
        client_call(t->cli, "/_weir/v1/taps", buf_view(&body), NULL, &reply);
        if (reply.status == 201)
            t->id = show_int(buf_view(&reply.body), "tap");
        else
            code = client_failed(t->cli, &reply);
        reply_fini(&reply);
    }
    buf_fini(&text);
    buf_fini(&body);
    return code;
}

static int ask(struct tapping *t)
{
    struct reply reply;
    char path[80];

    snprintf(path, sizeof path, "/_weir/v1/taps/%lld?wait_ms=%d", t->id, WAIT_MS);
    client_call(t->cli, path, (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(t->cli, &reply);
    if (code == EXIT_DONE && !print_events(t, buf_view(&reply.body)))
        code = cli_fail(EXIT_IO, "cannot write the output");
    reply_fini(&reply);
    return code;
}

static void close_tap(const struct tapping *t)
{
    struct reply reply;
    char path[80];

    snprintf(path, sizeof path, "/_weir/v1/taps/%lld", t->id);
    client_delete(t->cli, path, &reply);
    reply_fini(&reply);
}

static int tap(struct cli *cli)
{
    struct tapping t = {.cli = cli, .explains = cli_has(cli, "--near-miss")};
    struct sigaction action = {.sa_handler = end_cb};
    const char *count = cli_value(cli, "--count", NULL);
    char *end;

    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments; -p takes a pattern");
    t.count = count ? strtoll(count, &end, 10) : 0;
    if (count && (end == count || *end || t.count < 1))
        return cli_usage(cli, "--count takes a number from 1 on, got '%s'", count);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int code = open_tap(&t);
    if (code != EXIT_DONE)
        return code;
    while (code == EXIT_DONE && !ended && (!t.count || t.shown < t.count))
        code = ask(&t);
    if (code != EXIT_UNAVAILABLE)
        close_tap(&t);
    return ended ? EXIT_DONE : code;
}

static const struct cli_option options[] = {
    {.name = "--bus", .letter = 'b', .value = "BUS", .meaning = "events of this bus only"},
    {.name = "--pattern",
     .letter = 'p',
     .value = "PATTERN|@FILE",
     .meaning = "only events that this pattern matches; @FILE reads it from a file"},
    {.name = "--near-miss",
     .value = "RULE",
     .meaning = "only events that this rule ([BUS/]NAME) nearly matches, each with what it lacks"},
    {.name = "--count", .letter = 'n', .value = "N", .meaning = "end after N events"},
    {0},
};

const struct cli_verb verb_tap = {
    .name = "tap",
    .arguments = "",
    .summary = "events of a running router, as they go by",
    .description =
        "Prints each event as it is dispatched, one a line, until Ctrl-C; replayed ones too. With --json an object\n"
        "for each: bus, position, arrived, replay, rules (those that matched), event, explanation.\n"
        "Watching holds nothing up: events that come faster than they can be shown are left out and counted.",
    .options = options,
    .run = tap,
};
