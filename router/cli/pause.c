/* SPDX-License-Identifier: Apache-2.0 */
/* weir pause, weir resume: deliveries to a target wait, or go on. */
#include <stdio.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"

static void print_answer(struct str answer)
{
    char target[300], paused[32];
    long long owed = show_int(answer, "owed");

    show_text(answer, "target", target, sizeof target);
    if (show_text(answer, "paused", paused, sizeof paused)[0])
        printf("%s is paused since %s; ", target, paused);
    else
        printf("%s goes on; ", target);
    printf(owed == 1 ? "1 delivery waits\n" : owed ? "%lld deliveries wait\n" : "no deliveries wait\n", owed);
}

static int call(struct cli *cli, const char *path)
{
    struct buf body = BUF_INIT;
    struct reply reply;

    if (cli->argument_count != 1)
        return cli_usage(cli, "takes one target: its name, kind/name or ARN");
    buf_char(&body, '{');
    json_write_member(&body, "target", str_from(cli->arguments[0]));
    buf_char(&body, '}');
    client_call(cli, path, buf_view(&body), NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str answer = buf_view(&reply.body);
    if (code == EXIT_DONE && cli->json)
        printf("%.*s\n", STR_ARG(answer));
    else if (code == EXIT_DONE)
        print_answer(answer);
    reply_fini(&reply);
    buf_fini(&body);
    return code;
}

static int pause_target(struct cli *cli)
{
    return call(cli, "/_weir/v1/pause");
}

static int resume_target(struct cli *cli)
{
    return call(cli, "/_weir/v1/resume");
}

const struct cli_verb verb_pause = {
    .name = "pause",
    .arguments = "TARGET",
    .summary = "deliveries to a target wait until it is resumed",
    .description = "Nothing is sent to the target any more; what is with it already may settle. Its deliveries wait on "
                   "disk, over restarts\n"
                   "and reloads. Their age goes on: what is older than its retry policy allows when the target is "
                   "resumed becomes a dead\n"
                   "letter. Queues, archives, topics and buses cannot be paused.",
    .run = pause_target,
};

const struct cli_verb verb_resume = {
    .name = "resume",
    .arguments = "TARGET",
    .summary = "deliveries to a paused target go on",
    .description = "Also tries a target at once whose circuit is open, or that asked to be left alone for a while "
                   "(Retry-After).",
    .run = resume_target,
};
