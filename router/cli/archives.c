/* SPDX-License-Identifier: Apache-2.0 */
/* weir archives: what each archive holds. */
#include <stdio.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"

static int archives(struct cli *cli)
{
    struct reply reply;

    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments");
    client_call(cli, "/_weir/v1/archives", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str list = code == EXIT_DONE ? json_member(buf_view(&reply.body), "archives") : (struct str){0};
    if (code == EXIT_DONE && cli->json)
        show_lines(list);
    else if (code == EXIT_DONE)
        show_archives(list);
    reply_fini(&reply);
    return code;
}

const struct cli_verb verb_archives = {
    .name = "archives",
    .arguments = "",
    .summary = "what each archive of a running router holds",
    .run = archives,
};
