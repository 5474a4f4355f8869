/* SPDX-License-Identifier: Apache-2.0 */
/* weir dlq: dead letters, and why each became one; looks without receiving. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"
#include "targets/queue.h"

#define PAGE 100

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

/* One page; *after becomes the last row's id. Returns how many rows there were, -1: failed with *code. */
static long page(struct cli *cli, const char *queue, long long *after, struct table *t, int *code)
{
    struct buf path = BUF_INIT;
    struct reply reply;
    struct str one;
    long count = -1;

    buf_text(&path, "/_weir/v1/queues/");
    client_escape(&path, str_from(queue));
    buf_printf(&path, "/messages?after=%lld&limit=%d", *after, PAGE);
    client_call(cli, buf_cstr(&path), (struct str){0}, NULL, &reply);
    if (reply.status == 200) {
        struct show_list l = show_open(json_member(buf_view(&reply.body), "messages"));
        for (count = 0; show_next(&l, &one); count++) {
            *after = show_int(one, "id");
            if (cli->json)
                printf("%.*s\n", STR_ARG(one));
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

static int dlq(struct cli *cli)
{
    static const char *const titles[] = {"SENT", "EVENT", "RULE", "TARGET", "CODE", ">RETRIES", "REASON"};
    const char *queue = cli->argument_count ? cli->arguments[0] : QUEUE_DEAD_LETTERS;
    long long after = 0, total = 0;
    int code = EXIT_DONE;
    long count;

    if (cli->argument_count > 1)
        return cli_usage(cli, "takes one queue");
    struct table *t = table_create(titles, 7);
    do {
        count = page(cli, queue, &after, t, &code);
        total += count > 0 ? count : 0;
    } while (count == PAGE);
    if (!cli->json && code == EXIT_DONE && total == 0)
        printf("no dead letters in queue '%s'\n", queue);
    if (!cli->json && total)
        table_print(t);
    else
        table_destroy(t);
    return code;
}

const struct cli_verb verb_dlq = {
    .name = "dlq",
    .arguments = "[QUEUE]",
    .summary = "dead letters, and why each became one",
    .description = "Shows what is in a dead-letter queue without receiving it (default: " QUEUE_DEAD_LETTERS
                   ", where every target's dead letters go\n"
                   "that names no queue of its own). 'weir queues receive QUEUE' takes messages out.",
    .run = dlq,
};
