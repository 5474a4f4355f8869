/* SPDX-License-Identifier: Apache-2.0 */
/* weir run: the daemon. */
#include <stdlib.h>

#include "router/cli/verbs.h"
#include "router/log.h"
#include "router/router.h"

#define DRAIN_SECONDS 10

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"auto", "logfmt", "json"};

static int index_of(const char *word, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return -1;
}

static int run(struct cli *cli)
{
    int level = index_of(cli_value(cli, "--log-level", "info"), level_names, 4);
    int format = index_of(cli_value(cli, "--log-format", "auto"), format_names, 3);
    char *end;
    const char *drain = cli_value(cli, "--drain", NULL);
    long seconds = drain ? strtol(drain, &end, 10) : DRAIN_SECONDS;

    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments, got '%s'; the configuration is named with -c", cli->arguments[0]);
    if (level < 0)
        return cli_usage(cli, "--log-level is one of debug, info, warn, error");
    if (format < 0)
        return cli_usage(cli, "--log-format is one of auto, logfmt, json");
    if (drain && (end == drain || *end || seconds < 0 || seconds > 3600))
        return cli_usage(cli, "--drain takes seconds, 0..3600");
    log_open((enum log_format)format, (enum log_level)level);
    struct router_options options = {
        .config = cli_config(cli),
        .listen = cli_value(cli, "--listen", NULL),
        .data = cli_value(cli, "--data", NULL),
        .drain_ms = seconds * 1000,
        .watch = cli_has(cli, "--watch"),
    };
    return router_run(&options);
}

static const struct cli_option options[] = {
    {.name = "--config",
     .letter = 'c',
     .value = "FILE",
     .meaning = "weir.yaml(5); default ./weir.yaml, else /etc/weir/weir.yaml, else none"},
    {.name = "--listen", .value = "HOST:PORT", .meaning = "instead of the configured address; port 0: any free one"},
    {.name = "--data", .letter = 'd', .value = "DIR", .meaning = "instead of the configured data folder"},
    {.name = "--watch", .meaning = "reload when the configuration's files change; SIGHUP does it at any time"},
    {.name = "--drain", .value = "SECONDS", .meaning = "at the end, wait so long for deliveries under way (10)"},
    {.name = "--log-level",
     .value = "LEVEL",
     .choices = "debug info warn error",
     .meaning = "debug, info, warn or error (info)"},
    {.name = "--log-format",
     .value = "FORMAT",
     .choices = "auto logfmt json",
     .meaning = "logfmt, json, or auto: logfmt on a terminal (auto)"},
    {0},
};

const struct cli_verb verb_run = {
    .name = "run",
    .arguments = "[-c FILE]",
    .summary = "the daemon: takes events in, matches, delivers",
    .description =
        "Prints where it listens and what it loaded, then logs to stderr. SIGTERM or SIGINT stop it: it "
        "takes nothing new, lets\n"
        "what is under way finish and exits 0; a second signal ends it at once. What it answered with "
        "success is on disk\n"
        "either way. SIGHUP reloads the configuration: all of it, or, where it has an error, nothing. Without a\n"
        "configuration it starts empty.",
    .no_json = true,
    .no_url = true,
    .options = options,
    .run = run,
};
