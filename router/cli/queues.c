/* SPDX-License-Identifier: Apache-2.0 */
/* weir queues: list, receive, send, purge, move. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/arena.h"
#include "matcher/json.h"
#include "router/cli/show.h"
#include "router/cli/verbs.h"

#define RECEIVE_BATCH    100
#define WAIT_SECONDS_MAX 20

static void queue_path(struct buf *path, const char *queue, const char *what)
{
    buf_text(path, "/_weir/v1/queues/");
    client_escape(path, str_from(queue));
    buf_text(path, what);
}

static bool number_option(struct cli *cli, const char *name, long long otherwise, long long min, long long max,
                          long long *out)
{
    const char *text = cli_value(cli, name, NULL);
    char *end;

    *out = text ? strtoll(text, &end, 10) : otherwise;
    if (text && (end == text || *end || *out < min || *out > max)) {
        cli_usage(cli, "%s takes a number, %lld..%lld, got '%s'", name, min, max, text);
        return false;
    }
    return true;
}

/* ---- list ---- */

static int list(struct cli *cli)
{
    struct reply reply;

    client_call(cli, "/_weir/v1/queues", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str queues = code == EXIT_DONE ? json_member(buf_view(&reply.body), "queues") : (struct str){0};
    if (code == EXIT_DONE && cli->json)
        show_lines(queues);
    else if (code == EXIT_DONE)
        show_queues(queues);
    reply_fini(&reply);
    return code;
}

/* ---- receive ---- */

static int delete_received(struct cli *cli, const char *queue, struct str messages)
{
    struct buf body = BUF_INIT, path = BUF_INIT;
    struct show_list l = show_open(messages);
    struct reply reply;
    struct str one;
    const char *comma = "";

    buf_text(&body, "{\"receiptHandles\":[");
    for (; show_next(&l, &one); comma = ",") {
        buf_text(&body, comma);
        buf_str(&body, json_member(one, "receiptHandle"));
    }
    buf_text(&body, "]}");
    queue_path(&path, queue, "/delete");
    client_call(cli, buf_cstr(&path), buf_view(&body), NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    reply_fini(&reply);
    buf_fini(&path);
    buf_fini(&body);
    return code;
}

/* Bodies, one a line; with --json the whole message, one object a line. Returns how many. */
static size_t print_messages(struct cli *cli, struct str messages)
{
    struct show_list l = show_open(messages);
    struct str one;
    size_t count = 0;

    for (; show_next(&l, &one); count++) {
        struct buf body = BUF_INIT;
        if (cli->json)
            buf_str(&body, one);
        else
            json_decode(&body, json_member(one, "body"));
        fwrite(body.data, 1, body.size, stdout);
        putchar('\n');
        buf_fini(&body);
    }
    return count;
}

static int receive_batch(struct cli *cli, const char *queue, long long max, long long wait, size_t *count)
{
    struct buf body = BUF_INIT, path = BUF_INIT;
    const char *visibility = cli_value(cli, "--visibility-timeout", NULL);
    struct reply reply;

    buf_printf(&body, "{\"max\":%lld,\"wait_ms\":%lld", max, wait * 1000);
    if (visibility)
        buf_printf(&body, ",\"visibility_timeout_ms\":%lld", strtoll(visibility, NULL, 10) * 1000);
    buf_char(&body, '}');
    queue_path(&path, queue, "/receive");
    client_call(cli, buf_cstr(&path), buf_view(&body), NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    if (code == EXIT_DONE) {
        struct str messages = json_member(buf_view(&reply.body), "messages");
        *count = print_messages(cli, messages);
        /* Deleted only once they are out: a message that could not be printed comes back. */
        if (fflush(stdout) != 0)
            code = cli_fail(EXIT_IO, "cannot write the output; nothing was deleted");
        else if (*count && cli_has(cli, "--delete"))
            code = delete_received(cli, queue, messages);
    }
    reply_fini(&reply);
    buf_fini(&path);
    buf_fini(&body);
    return code;
}

static int receive(struct cli *cli)
{
    long long max, wait, visibility, total = 0;
    size_t count = 1;
    int code = EXIT_DONE;

    if (!number_option(cli, "--max", 10, 1, 1000000000, &max) ||
        !number_option(cli, "--wait", 0, 0, WAIT_SECONDS_MAX, &wait) ||
        !number_option(cli, "--visibility-timeout", 0, 0, 43200, &visibility))
        return EXIT_USAGE;
    if (cli_has(cli, "--all"))
        max = INT64_MAX;
    while (code == EXIT_DONE && count && total < max) {
        long long batch = max - total < RECEIVE_BATCH ? max - total : RECEIVE_BATCH;
        count = 0;
        code = receive_batch(cli, cli->arguments[1], batch, total ? 0 : wait, &count);
        total += (long long)count;
        if (cli_has(cli, "--visibility-timeout") && !visibility)
            break; /* what was received can be received again at once: asking on would not end */
    }
    return code;
}

/* ---- send, purge ---- */

static void print_member(const char *said, struct str value)
{
    struct arena arena = ARENA_INIT;
    struct str text = json_type_of(value) == JSON_STRING ? json_decode_in(&arena, value) : value;

    printf("%s %.*s\n", said, STR_ARG(text));
    arena_fini(&arena);
}

static int call_and_print(struct cli *cli, const char *what, struct str body, const char *member, const char *said)
{
    struct buf path = BUF_INIT;
    struct reply reply;

    queue_path(&path, cli->arguments[1], what);
    client_call(cli, buf_cstr(&path), body, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str answer = buf_view(&reply.body);
    if (code == EXIT_DONE && cli->json)
        printf("%.*s\n", STR_ARG(answer));
    else if (code == EXIT_DONE)
        print_member(said, json_member(answer, member));
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

static int send_message(struct cli *cli)
{
    const char *group = cli_value(cli, "--group", NULL), *id = cli_value(cli, "--deduplication-id", NULL);
    struct buf body = BUF_INIT;
    long long delay;

    if (cli->argument_count != 3)
        return cli_usage(cli, "send takes a queue and a body");
    if (!number_option(cli, "--delay", -1, 0, 900, &delay))
        return EXIT_USAGE;
    buf_char(&body, '{');
    json_write_member(&body, "body", str_from(cli->arguments[2]));
    if (group)
        json_write_member(&body, "group", str_from(group));
    if (id)
        json_write_member(&body, "deduplication_id", str_from(id));
    if (delay >= 0)
        buf_printf(&body, ",\"delay_ms\":%lld", delay * 1000);
    buf_char(&body, '}');
    int code = call_and_print(cli, "/send", buf_view(&body), "messageId", "sent");
    buf_fini(&body);
    return code;
}

static int purge(struct cli *cli)
{
    return call_and_print(cli, "/purge", STR("{}"), "purged", "purged");
}

/* ---- moving ---- */

static void print_move(struct str move)
{
    struct arena arena = ARENA_INIT;
    struct str target = json_member(move, "target"), failure = json_member(move, "failure");

    printf("%.*s  from %.*s", STR_ARG(json_decode_in(&arena, json_member(move, "state"))),
           STR_ARG(json_decode_in(&arena, json_member(move, "source"))));
    if (target.size)
        printf(" to %.*s", STR_ARG(json_decode_in(&arena, target)));
    printf("  %.*s of %.*s", STR_ARG(json_member(move, "moved")), STR_ARG(json_member(move, "total")));
    if (failure.size)
        printf("  %.*s", STR_ARG(json_decode_in(&arena, failure)));
    putchar('\n');
    arena_fini(&arena);
}

static int move(struct cli *cli)
{
    struct buf body = BUF_INIT, path = BUF_INIT;
    struct reply reply;
    long long rate;

    if (!number_option(cli, "--rate", 0, 1, 1000000, &rate))
        return EXIT_USAGE;
    buf_char(&body, '{');
    if (cli->argument_count > 2)
        json_write_member(&body, "target", str_from(cli->arguments[2]));
    if (rate)
        buf_printf(&body, "%s\"rate\":%lld", body.size > 1 ? "," : "", rate);
    buf_char(&body, '}');
    queue_path(&path, cli->arguments[1], "/move");
    client_call(cli, buf_cstr(&path), buf_view(&body), NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str answer = buf_view(&reply.body);
    if (code == EXIT_DONE && cli->json)
        printf("%.*s\n", STR_ARG(answer));
    else if (code == EXIT_DONE)
        print_move(answer);
    reply_fini(&reply);
    buf_fini(&path);
    buf_fini(&body);
    return code;
}

static int moves(struct cli *cli)
{
    struct buf path = BUF_INIT;
    struct reply reply;
    struct str one;

    queue_path(&path, cli->arguments[1], "/moves");
    client_call(cli, buf_cstr(&path), (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str list = code == EXIT_DONE ? json_member(buf_view(&reply.body), "moves") : (struct str){0};
    if (code == EXIT_DONE && cli->json) {
        show_lines(list);
    } else if (code == EXIT_DONE) {
        struct show_list l = show_open(list);
        while (show_next(&l, &one))
            print_move(one);
    }
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

static int cancel_move(struct cli *cli)
{
    return call_and_print(cli, "/cancel-move", STR("{}"), "cancelled", "cancelled");
}

static int queues(struct cli *cli)
{
    static const struct {
        const char *name;
        int (*run)(struct cli *cli);
    } actions[] = {{"receive", receive}, {"send", send_message}, {"purge", purge},
                   {"move", move},       {"moves", moves},       {"cancel-move", cancel_move}};

    if (!cli->argument_count || (strcmp(cli->arguments[0], "list") == 0 && cli->argument_count == 1))
        return list(cli);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(cli->arguments[0], actions[i].name) == 0)
            return cli->argument_count < 2 ? cli_usage(cli, "%s needs the name of a queue", actions[i].name)
                                           : actions[i].run(cli);
    return cli_usage(cli, "unknown action '%s'; it is one of list, receive, send, purge, move, moves, cancel-move",
                     cli->arguments[0]);
}

static const struct cli_option options[] = {
    {.name = "--delete", .meaning = "receive: delete each message once it is printed"},
    {.name = "--max", .letter = 'n', .value = "N", .meaning = "receive: at most N messages (10)"},
    {.name = "--all", .meaning = "receive: until the queue gives no more"},
    {.name = "--wait", .value = "SECONDS", .meaning = "receive: wait so long for a first message, 0..20 (0)"},
    {.name = "--visibility-timeout", .value = "SECONDS", .meaning = "receive: instead of the queue's own"},
    {.name = "--rate", .value = "N", .meaning = "move: at most N messages a second"},
    {.name = "--delay",
     .value = "SECONDS",
     .meaning = "send: hide the message so long, 0..900, instead of the queue's own"},
    {.name = "--group", .value = "ID", .meaning = "send: the message group, on a FIFO queue"},
    {.name = "--deduplication-id",
     .value = "ID",
     .meaning = "send: a second message with this id is not kept, on a FIFO queue"},
    {0},
};

const struct cli_verb verb_queues = {
    .name = "queues",
    .arguments =
        "[list | receive NAME | send NAME BODY | purge NAME | move NAME [TARGET] | moves NAME | cancel-move NAME]",
    .summary = "the queues of a running router: list, receive, send, purge, move",
    .description =
        "receive prints message bodies, one a line (--json: the whole message). Without --delete a message "
        "comes back when its\n"
        "visibility timeout has passed. move takes the messages of a dead-letter queue back to the queues whose\n"
        "redrive policy brought them there, or to TARGET; it goes on by itself, moves says how far it came.",
    .options = options,
    .run = queues,
};
