/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir dlq: dead letters. list counts them by rule, target and code; show looks at them without receiving; redrive
 * sends them through their rules again, chunk by chunk, so that Ctrl-C ends it between two; purge deletes them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"
#include "targets/queue.h"

#define PAGE       100
#define QUEUES_MAX 1000

static const char *queue_of(const struct cli *cli)
{
    return cli->argument_count > 1 ? cli->arguments[1] : QUEUE_DEAD_LETTERS;
}

/* ---- list ---- */

static void kind_cells(struct table *t, struct str kind)
{
    char rule[300], target[300], code[64], oldest[40];

    table_cell(t, "%s", show_text(kind, "rule", rule, sizeof rule)[0] ? rule : "-");
    table_cell(t, "%s", show_text(kind, "target", target, sizeof target)[0] ? target : "-");
    table_cell(t, "%s", show_text(kind, "code", code, sizeof code)[0] ? code : "-");
    table_cell(t, "%lld", show_int(kind, "messages"));
    table_cell(t, "%s", show_text(kind, "oldest", oldest, sizeof oldest));
}

static void queue_rows(struct table *t, struct str queue)
{
    struct show_list kinds = show_open(json_member(queue, "kinds"));
    long long messages = show_int(queue, "messages"), counted = show_int(queue, "counted");
    struct str one;
    char name[128];

    show_text(queue, "queue", name, sizeof name);
    for (; show_next(&kinds, &one);) {
        table_cell(t, "%s", name);
        kind_cells(t, one);
    }
    if (messages && messages <= counted)
        return;
    static const char *const rest[] = {"-", "-", "-"};
    table_cell(t, "%s", name);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        table_cell(t, "%s", messages ? "(more)" : rest[i]);
    table_cell(t, "%lld", messages > counted ? messages - counted : 0);
    table_cell(t, "-");
}

static int list(struct cli *cli)
{
    static const char *const titles[] = {"QUEUE", "RULE", "TARGET", "CODE", ">MESSAGES", "OLDEST"};
    struct reply reply;
    struct str one;

    client_call(cli, "/_weir/v1/dlq", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str queues = code == EXIT_DONE ? json_member(buf_view(&reply.body), "queues") : (struct str){0};
    if (code == EXIT_DONE && cli->json) {
        show_lines(queues);
    } else if (code == EXIT_DONE) {
        struct table *t = table_create(titles, 6);
        struct show_list l = show_open(queues);
        while (show_next(&l, &one))
            queue_rows(t, one);
        table_print(t);
    }
    reply_fini(&reply);
    return code;
}

/* Is it the dead-letter queue of anything? *messages: how many there are. EXIT_DONE: it is. */
static int find_queue(struct cli *cli, const char *queue, long long *messages)
{
    char names[QUEUES_MAX][128];
    const char *known[QUEUES_MAX];
    struct reply reply;
    struct str one;
    size_t count = 0;
    bool found = false;

    client_call(cli, "/_weir/v1/dlq?kinds=0", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct show_list l = show_open(code == EXIT_DONE ? json_member(buf_view(&reply.body), "queues") : STR("[]"));
    for (; count < QUEUES_MAX && !found && show_next(&l, &one); count++) {
        known[count] = show_text(one, "queue", names[count], sizeof names[count]);
        found = strcmp(known[count], queue) == 0;
        *messages = show_int(one, "messages");
    }
    reply_fini(&reply);
    if (code != EXIT_DONE || found)
        return code;
    const char *near = diag_near(str_from(queue), known, count);
    return cli_fail(EXIT_USAGE, "'%s' is not the dead-letter queue of anything%s%s%s", queue,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- show ---- */

static void row(struct table *t, struct str message)
{
    struct str attributes = json_member(message, "attributes");
    struct buf body = BUF_INIT;
    char sent[40], rule[256], target[256], code[64], reason[256], retries[16], id[64];

    json_decode(&body, json_member(message, "body"));
    bool is_event = json_check(buf_view(&body), NULL, NULL) && json_type_of(buf_view(&body)) == JSON_OBJECT;
    table_cell(t, "%s", show_text(message, "sent", sent, sizeof sent));
    table_cell(t, "%s", is_event && show_text(buf_view(&body), "id", id, sizeof id)[0] ? id : "-");
    const char *slash = strrchr(show_text(attributes, "RULE_ARN", rule, sizeof rule), '/');
    table_cell(t, "%s", slash ? slash + 1 : "-");
    const char *colon = strrchr(show_text(attributes, "TARGET_ARN", target, sizeof target), ':');
    table_cell(t, "%s", colon ? colon + 1 : "-");
    table_cell(t, "%s", show_text(attributes, "ERROR_CODE", code, sizeof code)[0] ? code : "-");
    table_cell(t, "%s", show_text(attributes, "RETRY_ATTEMPTS", retries, sizeof retries)[0] ? retries : "-");
    table_cell(t, "%s", show_text(attributes, "ERROR_MESSAGE", reason, sizeof reason));
    buf_fini(&body);
}

/* All there is to it: attributes, one a line, and the event. */
static void print_whole(struct str message)
{
    struct json_reader reader;
    struct json_token key, value;
    struct buf text = BUF_INIT;
    char sent[40], id[64];

    printf("%s, sent %s\n", show_text(message, "messageId", id, sizeof id),
           show_text(message, "sent", sent, sizeof sent));
    json_reader_init(&reader, json_member(message, "attributes"));
    json_next(&reader, &key);
    while (json_next(&reader, &key) == JSON_KEY && json_next(&reader, &value) == JSON_STRING) {
        buf_clear(&text);
        json_decode(&text, key.raw);
        printf("  %-25s ", buf_cstr(&text));
        buf_clear(&text);
        json_decode(&text, value.raw);
        printf("%s\n", buf_cstr(&text));
    }
    buf_clear(&text);
    json_decode(&text, json_member(message, "body"));
    printf("  %s\n", buf_cstr(&text));
    buf_fini(&text);
}

/* --limit, or no bound. False: said what is wrong. */
static bool read_limit(const struct cli *cli, long long *out)
{
    const char *limit = cli_value(cli, "--limit", "1000000000");
    char *end;

    *out = strtoll(limit, &end, 10);
    if (*limit && !*end && *out >= 1 && *out <= 1000000000)
        return true;
    cli_usage(cli, "--limit takes 1..1000000000, not '%s'", limit);
    return false;
}

/* One page; *after becomes the last row's id. Returns how many rows there were, -1: failed with *code. */
static long page(struct cli *cli, const char *queue, long long limit, long long *after, struct table *t, int *code)
{
    struct buf path = BUF_INIT;
    struct reply reply;
    struct str one;
    long count = -1;

    buf_text(&path, "/_weir/v1/queues/");
    client_escape(&path, str_from(queue));
    buf_printf(&path, "/messages?after=%lld&limit=%lld", *after, limit);
    client_call(cli, buf_cstr(&path), (struct str){0}, NULL, &reply);
    if (reply.status == 200) {
        struct show_list l = show_open(json_member(buf_view(&reply.body), "messages"));
        for (count = 0; show_next(&l, &one); count++) {
            *after = show_int(one, "id");
            if (cli->json)
                printf("%.*s\n", STR_ARG(one));
            else if (cli_has(cli, "--whole"))
                print_whole(one);
            else
                row(t, one);
        }
    } else {
        *code = client_failed(cli, &reply);
    }
    reply_fini(&reply);
    buf_fini(&path);
    return count;
}

static int show(struct cli *cli)
{
    static const char *const titles[] = {"SENT", "EVENT", "RULE", "TARGET", "CODE", ">RETRIES", "REASON"};
    const char *queue = queue_of(cli);
    bool lines = cli->json || cli_has(cli, "--whole");
    long long after = 0, total = 0, limit, wanted;
    int code = EXIT_DONE;
    long count;

    if (!read_limit(cli, &limit))
        return EXIT_USAGE;
    struct table *t = table_create(titles, 7);
    do {
        wanted = limit - total < PAGE ? limit - total : PAGE;
        count = page(cli, queue, wanted, &after, t, &code);
        total += count > 0 ? count : 0;
    } while (count == wanted && total < limit);
    if (!cli->json && code == EXIT_DONE && total == 0)
        printf("no dead letters in queue '%s'\n", queue);
    if (!lines && total)
        table_print(t);
    else
        table_destroy(t);
    return code;
}

/* ---- redrive ---- */

struct stayed { /* why, as the router calls it, and in words */
    const char *name, *words;
    long long count;
};

struct redrive {
    const char *queue;
    long long limit, after, before_ms, redriven, skipped, stays;
    struct stayed stayed[6];
    bool more, terminal;
};

static void write_request(struct buf *out, const struct cli *cli, const struct redrive *r)
{
    const char *rule = cli_value(cli, "--rule", NULL), *target = cli_value(cli, "--target", NULL);

    buf_printf(out, "{\"limit\":%lld,\"after\":%lld,\"before_ms\":%lld", r->limit - r->redriven, r->after,
               r->before_ms);
    if (rule)
        json_write_member(out, "rule", str_from(rule));
    if (target)
        json_write_member(out, "target", str_from(target));
    buf_char(out, '}');
}

static void take_answer(struct redrive *r, struct str answer)
{
    struct str stayed = json_member(answer, "stayed");

    r->redriven += show_int(answer, "redriven");
    r->skipped += show_int(answer, "skipped");
    for (size_t i = 0; i < sizeof r->stayed / sizeof r->stayed[0]; i++) {
        long long n = show_int(stayed, r->stayed[i].name);
        r->stayed[i].count += n;
        r->stays += n;
    }
    r->after = show_int(answer, "after");
    r->before_ms = show_int(answer, "before_ms");
    r->more = show_bool(answer, "more") && r->redriven < r->limit;
    if (r->terminal)
        fprintf(stderr, "\r%s: %lld redriven, %lld stay ", r->queue, r->redriven, r->stays);
}

static int redrive_chunk(struct cli *cli, struct redrive *r)
{
    struct buf path = BUF_INIT, body = BUF_INIT;
    struct reply reply;

    buf_text(&path, "/_weir/v1/dlq/");
    client_escape(&path, str_from(r->queue));
    buf_text(&path, "/redrive");
    write_request(&body, cli, r);
    client_call(cli, buf_cstr(&path), buf_view(&body), NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    if (code == EXIT_DONE)
        take_answer(r, buf_view(&reply.body));
    reply_fini(&reply);
    buf_fini(&path);
    buf_fini(&body);
    return code;
}

static void print_summary(const struct cli *cli, const struct redrive *r)
{
    struct buf json = BUF_INIT;
    const char *comma = "";

    buf_char(&json, '{');
    json_write_member(&json, "queue", str_from(r->queue));
    buf_printf(&json, ",\"redriven\":%lld,\"skipped\":%lld,\"stayed\":{", r->redriven, r->skipped);
    if (!cli->json)
        printf("%s: %lld redriven\n", r->queue, r->redriven);
    for (size_t i = 0; i < sizeof r->stayed / sizeof r->stayed[0]; i++) {
        const struct stayed *s = &r->stayed[i];
        if (!s->count)
            continue;
        buf_printf(&json, "%s\"%s\":%lld", comma, s->name, s->count);
        comma = ",";
        if (!cli->json)
            printf(s->count == 1 ? "%lld stays: %s\n" : "%lld stay: %s\n", s->count, s->words);
    }
    if (cli->json)
        printf("%s}}\n", buf_cstr(&json));
    buf_fini(&json);
}

static int redrive(struct cli *cli)
{
    long long messages;
    struct redrive r = {
        .queue = queue_of(cli),
        .stayed = {{"not_of_a_rule", "no rule sent it, or it could not be matched", 0},
                   {"rule_gone", "its rule is not configured any more", 0},
                   {"target_gone", "its rule does not lead to its target any more", 0},
                   {"cannot_be_sent_again", "its target is an archive, or a bus that is forwarded to", 0},
                   {"backlog_full", "its target's backlog is full", 0},
                   {"in_flight", "somebody has received it", 0}},
        .terminal = isatty(STDERR_FILENO) && !cli->json,
    };

    if (!read_limit(cli, &r.limit))
        return EXIT_USAGE;
    int code = find_queue(cli, r.queue, &messages);
    if (code != EXIT_DONE)
        return code;
    do
        code = redrive_chunk(cli, &r);
    while (code == EXIT_DONE && r.more);
    if (r.terminal)
        fprintf(stderr, "\r\033[K");
    print_summary(cli, &r);
    return code;
}

/* ---- purge ---- */

static const char *plural(long long messages)
{
    return messages == 1 ? "message" : "messages";
}

static bool confirm(const char *queue, long long messages)
{
    char line[16] = "";

    fprintf(stderr, "delete %lld %s of queue '%s' for good? [y/N] ", messages, plural(messages), queue);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static int purge(struct cli *cli)
{
    const char *queue = queue_of(cli);
    long long messages = 0;
    struct buf path = BUF_INIT;
    struct reply reply;

    if (cli->argument_count < 2)
        return cli_usage(cli, "purge needs the name of a queue");
    int code = find_queue(cli, queue, &messages);
    if (code != EXIT_DONE)
        return code;
    if (!cli_has(cli, "--yes") && !isatty(STDIN_FILENO))
        return cli_usage(cli, "%lld %s of queue '%s' would be deleted for good; say --yes", messages, plural(messages),
                         queue);
    if (!cli_has(cli, "--yes") && !confirm(queue, messages))
        return cli_fail(EXIT_NO_MATCH, "nothing was deleted");
    buf_text(&path, "/_weir/v1/queues/");
    client_escape(&path, str_from(queue));
    buf_text(&path, "/purge");
    client_call(cli, buf_cstr(&path), STR("{}"), NULL, &reply);
    code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str answer = buf_view(&reply.body);
    if (code == EXIT_DONE && cli->json)
        printf("%.*s\n", STR_ARG(answer));
    else if (code == EXIT_DONE)
        printf("%s: %lld purged\n", queue, show_int(answer, "purged"));
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

/* ---- the verb ---- */

static int dlq(struct cli *cli)
{
    static const struct {
        const char *name;
        int (*run)(struct cli *cli);
        size_t arguments; /* at most, with the name */
    } actions[] = {{"list", list, 1}, {"show", show, 2}, {"redrive", redrive, 2}, {"purge", purge, 2}};
    static const char *const names[] = {"list", "show", "redrive", "purge"};

    if (!cli->argument_count)
        return list(cli);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(cli->arguments[0], actions[i].name) == 0)
            return cli->argument_count > actions[i].arguments ? cli_usage(cli, "too many arguments for %s", names[i])
                                                              : actions[i].run(cli);
    const char *near = diag_near(str_from(cli->arguments[0]), names, sizeof names / sizeof names[0]);
    return cli_usage(cli, "unknown action '%s'%s%s%s", cli->arguments[0], near ? "; did you mean '" : "; it is one of ",
                     near ? near : "list, show, redrive, purge", near ? "'?" : "");
}

static const struct cli_option options[] = {
    {.name = "--rule", .letter = 'r', .value = "RULE", .meaning = "redrive: only what this rule sent; its name or ARN"},
    {.name = "--target", .value = "TARGET", .meaning = "redrive: only what was for this target"},
    {.name = "--limit", .value = "N", .meaning = "show, redrive: at most N messages"},
    {.name = "--whole", .meaning = "show: each message with all its attributes and its event"},
    {.name = "--yes", .meaning = "purge: without asking"},
    {0},
};

const struct cli_verb verb_dlq = {
    .name = "dlq",
    .arguments = "[list | show [QUEUE] | redrive [QUEUE] | purge QUEUE]",
    .summary = "dead letters: count, show, redrive, purge",
    .description = "list counts what is in each dead-letter queue by rule, target and error code.\n"
                   "show looks at a queue's messages without receiving them. QUEUE is " QUEUE_DEAD_LETTERS
                   " where none is named: what no\n"
                   "target's dead_letter names goes there. 'weir queues receive QUEUE' takes messages out.\n"
                   "redrive sends each event through its rule to its target again, as both are defined now, with new "
                   "attempts and a new\n"
                   "age. A message leaves the queue in the moment its delivery is on disk. What has no rule or target "
                   "any more stays, and\n"
                   "so does what fails again: it comes back as a new message.",
    .options = options,
    .run = dlq,
};
