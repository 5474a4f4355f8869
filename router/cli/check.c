/* SPDX-License-Identifier: Apache-2.0 */
/* weir check: every error of a configuration in one run. */
#include <stdio.h>

#include "matcher/json.h"
#include "router/api/aws_auth.h"
#include "router/auth.h"
#include "router/cli/check_diff.h"
#include "router/cli/verbs.h"
#include "rules/ruleset.h"

#define DIAGS_MAX 1000

static void print_json(const struct diags *diags)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct weir_diag *d = &diags->list[i];
        struct buf line = BUF_INIT;
        buf_char(&line, '{');
        json_write_member(&line, "file", str_from(diags->files[i]));
        json_write_key(&line, "line");
        json_write_int(&line, d->line);
        json_write_key(&line, "column");
        json_write_int(&line, d->column);
        json_write_member(&line, "severity", d->warning ? STR("warning") : STR("error"));
        json_write_member(&line, "message", str_from(d->message));
        buf_text(&line, "}\n");
        fputs(buf_cstr(&line), stdout);
        buf_fini(&line);
    }
}

static void print_report(const struct diags *diags)
{
    struct buf report = BUF_INIT;
    ruleset_report(diags, &report);
    fputs(buf_cstr(&report), stderr);
    buf_fini(&report);
}

static void print_summary(const struct ruleset *set, const char *file)
{
    uint32_t rules, targets;

    ruleset_count(set, &rules, &targets);
    printf("%s: ok: %u rule%s on %u bus%s, %u target%s\n", file, rules, rules == 1 ? "" : "s", set->bus_count,
           set->bus_count == 1 ? "" : "es", targets, targets == 1 ? "" : "s");
}

/* A slip of the pen allows nothing, and says nothing when it should have. */
static void check_actions(const struct access *access, struct diags *diags)
{
    for (size_t i = 0; access && i < access->key_count; i++)
        for (size_t k = 0; k < access->keys[i].actions.count; k++) {
            struct str action = access->keys[i].actions.patterns[k];
            if (!aws_has_action(action))
                diag_warn(diags, access->keys[i].pos, "no operation is called '%.*s'", STR_ARG(action));
        }
}

/* What would load and still not be run is an error, too. */
static struct ruleset *load(const char *file, struct diags *diags)
{
    struct ruleset *set = ruleset_load(file, 1, diags);
    struct buf why = BUF_INIT;

    if (set && !auth_check_listen(set, &why)) {
        diag_error(diags, set->listen_pos, "%s", buf_cstr(&why));
        ruleset_unref(set);
        set = NULL;
    }
    buf_fini(&why);
    if (set)
        check_actions(set->access, diags);
    return set;
}

static int check(struct cli *cli)
{
    struct diags diags;

    if (cli->argument_count > 1)
        return cli_usage(cli, "takes one file");
    const char *file = cli->argument_count ? cli->arguments[0] : cli_config(cli);
    if (!file)
        return cli_fail(EXIT_CONFIG, "no configuration: neither ./weir.yaml nor /etc/weir/weir.yaml is there");
    if (!diags_init(&diags, DIAGS_MAX))
        return cli_fail(EXIT_INTERNAL, "out of memory");
    struct ruleset *set = load(file, &diags);
    if (cli->json)
        print_json(&diags);
    else
        print_report(&diags);
    int code = set ? EXIT_DONE : EXIT_CONFIG;
    if (set && cli_has(cli, "--diff"))
        code = check_diff(cli, set);
    else if (set && !cli->json)
        print_summary(set, file);
    ruleset_unref(set);
    diags_fini(&diags);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--config", .letter = 'c', .value = "FILE", .meaning = "the same as FILE"},
    {.name = "--diff", .meaning = "where FILE has no error, what a reload of the running router would change"},
    {0},
};

const struct cli_verb verb_check = {
    .name = "check",
    .arguments = "[FILE]",
    .summary = "every error of a configuration, with its place",
    .description = "Reads FILE and what it includes, and prints each error as FILE:LINE:COLUMN: error: …, with the "
                   "line and a caret.\n"
                   "Exit code 0: it would load; 78: it would not.",
    .options = options,
    .run = check,
};
