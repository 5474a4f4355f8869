/* SPDX-License-Identifier: Apache-2.0 */
/* weir deliveries: what became of one event. */
#include <stdio.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"

static void print_step(struct str one)
{
    char at[32], result[32], code[64], message[300];

    printf("  %s  ", show_text(one, "at", at, sizeof at));
    show_text(one, "result", result, sizeof result);
    if (strcmp(result, "retried") == 0)
        printf("attempt %lld failed", show_int(one, "attempts"));
    else if (strcmp(result, "queued") == 0)
        printf("lined up behind others");
    else
        printf("%s%s", strcmp(result, "dead_lettered") == 0 ? "dead-lettered" : result,
               show_int(one, "attempts") > 1 ? " after several attempts" : "");
    if (show_text(one, "code", code, sizeof code)[0])
        printf(": %s: %s", code, show_text(one, "message", message, sizeof message));
    putchar('\n');
}

static void print_delivery(struct str one)
{
    char bus[300], rule[128], target[200], id[128], via[200], replay[128], state[32];
    struct show_list history = show_open(json_member(one, "history"));
    struct str step;

    show_text(one, "bus", bus, sizeof bus);
    show_text(one, "target", target, sizeof target);
    printf("rule %s on bus %s, to %s", show_text(one, "rule", rule, sizeof rule), bus, target);
    if (show_text(one, "subscription", via, sizeof via)[0])
        printf(" by %s", via);
    else if (!strstr(target, show_text(one, "target_id", id, sizeof id)))
        printf(" (%s)", id);
    if (show_text(one, "replay", replay, sizeof replay)[0])
        printf(", replay %s", replay);
    printf(": %s\n", strcmp(show_text(one, "state", state, sizeof state), "dead_lettered") ? state : "dead-lettered");
    while (show_next(&history, &step))
        print_step(step);
}

static void print_journal(struct str journal)
{
    char arrived[32], bus[300];

    printf("arrived %s on bus %s, journal record %lld%s\n", show_text(journal, "arrived", arrived, sizeof arrived),
           show_text(journal, "bus", bus, sizeof bus), show_int(journal, "record"),
           show_bool(journal, "dispatched") ? "" : ", not dispatched yet");
}

static int print_answer(const char *id, struct str answer)
{
    struct str journal = json_member(answer, "journal"), one;
    struct show_list list = show_open(json_member(answer, "deliveries"));
    char since[32] = "";
    bool any = false;

    if (journal.size)
        print_journal(journal);
    for (; show_next(&list, &one); any = true)
        print_delivery(one);
    if (any)
        return EXIT_DONE;
    show_text(answer, "since", since, sizeof since);
    if (journal.size && show_bool(journal, "dispatched"))
        printf("no delivery is noted: it matched no rule, or one that only archives%s\n",
               since[0] ? "" : ", or its deliveries are under way");
    else if (!journal.size)
        return cli_fail(EXIT_NO_MATCH, "nothing is known of event '%s'; the log reaches back to %s", id,
                        since[0] ? since : "nowhere: it is empty");
    return EXIT_DONE;
}

static int deliveries(struct cli *cli)
{
    struct buf path = BUF_INIT;
    struct reply reply;

    if (cli->argument_count != 1)
        return cli_usage(cli, "takes an event's id");
    buf_text(&path, "/_weir/v1/deliveries?event=");
    client_escape(&path, str_from(cli->arguments[0]));
    client_call(cli, buf_cstr(&path), (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    if (code == EXIT_DONE && cli->json)
        printf("%.*s\n", STR_ARG(buf_view(&reply.body)));
    else if (code == EXIT_DONE)
        code = print_answer(cli->arguments[0], buf_view(&reply.body));
    reply_fini(&reply);
    buf_fini(&path);
    return code;
}

const struct cli_verb verb_deliveries = {
    .name = "deliveries",
    .arguments = "EVENT-ID",
    .summary = "what became of one event",
    .description =
        "Shows each delivery that was made of the event, with its attempts, their times and why they failed.\n"
        "It is read from a log that is bounded (64 MiB, some million deliveries) and may lack the last\n"
        "moments before a crash; deliveries into archives are not in it.\n"
        "Exit code 1: nothing is known of the event.",
    .run = deliveries,
};
