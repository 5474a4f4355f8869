/* SPDX-License-Identifier: Apache-2.0 */
/* weir lint: what loads and is most likely a mistake all the same. */
#include <stdio.h>

#include "matcher/json.h"
#include "router/cli/verbs.h"
#include "rules/lint.h"

#define DIAGS_MAX 1000
#define OFF_MAX   CLI_OPTIONS_MAX

static int print_checks(bool json)
{
    for (const struct lint_check *c = lint_checks; c->id; c++) {
        struct buf line = BUF_INIT;
        if (json) {
            buf_char(&line, '{');
            json_write_member(&line, "check", str_from(c->id));
            json_write_member(&line, "meaning", str_from(c->meaning));
            buf_char(&line, '}');
        } else
            buf_printf(&line, "%-22s %s", c->id, c->meaning);
        puts(buf_cstr(&line));
        buf_fini(&line);
    }
    return EXIT_DONE;
}

static void print_json(const struct findings *found)
{
    for (const struct finding *f = found->list; f; f = f->next) {
        struct buf line = BUF_INIT;
        buf_char(&line, '{');
        json_write_member(&line, "file", str_from(f->pos.file ? f->pos.file : ""));
        json_write_key(&line, "line");
        json_write_int(&line, f->pos.line);
        json_write_key(&line, "column");
        json_write_int(&line, f->pos.column);
        json_write_member(&line, "severity", STR("warning"));
        json_write_member(&line, "check", str_from(f->check->id));
        json_write_member(&line, "message", str_from(f->message));
        if (f->suggestion)
            json_write_member(&line, "suggestion", str_from(f->suggestion));
        buf_char(&line, '}');
        puts(buf_cstr(&line));
        buf_fini(&line);
    }
}

static void print_text(const struct findings *found, const struct ruleset *set)
{
    struct buf report = BUF_INIT;
    lint_report(found, &report);
    if (found->count == 0)
        buf_printf(&report, "%.*s: clean\n", STR_ARG(set->file));
    fputs(buf_cstr(&report), stdout);
    buf_fini(&report);
}

static int unknown_check(const struct cli *cli, const char *id)
{
    const char *names[64];
    size_t count = 0;
    for (const struct lint_check *c = lint_checks; c->id && count < sizeof names / sizeof *names; c++)
        names[count++] = c->id;
    const char *near = diag_near(str_from(id), names, count);
    return near ? cli_usage(cli, "unknown check '%s'; did you mean '%s'?", id, near)
                : cli_usage(cli, "unknown check '%s'; --checks lists them", id);
}

/* The checks to leave out. Not EXIT_DONE: said why. */
static int read_disabled(const struct cli *cli, const struct lint_check *off[OFF_MAX + 1])
{
    const char *ids[OFF_MAX];
    size_t count = cli_values(cli, "--disable", ids, OFF_MAX);
    for (size_t i = 0; i < count; i++)
        if (!(off[i] = lint_check_find(ids[i])))
            return unknown_check(cli, ids[i]);
    off[count] = NULL;
    return EXIT_DONE;
}

static int lint_set(const struct cli *cli, const struct ruleset *set, const struct diags *loaded,
                    const struct lint_check *const *off)
{
    struct findings found = {0};
    int code = EXIT_DONE;
    if (!lint_run(set, loaded, off, &found))
        code = cli_fail(EXIT_INTERNAL, "out of memory");
    else if (cli->json)
        print_json(&found);
    else
        print_text(&found, set);
    if (code == EXIT_DONE && found.count)
        code = EXIT_NO_MATCH;
    findings_fini(&found);
    return code;
}

static int lint_file(const struct cli *cli, const char *file, const struct lint_check *const *off)
{
    struct diags diags;
    if (!diags_init(&diags, DIAGS_MAX))
        return cli_fail(EXIT_INTERNAL, "out of memory");
    struct ruleset *set = ruleset_load(file, 1, &diags);
    int code = EXIT_CONFIG;
    if (set)
        code = lint_set(cli, set, &diags, off);
    else {
        struct buf report = BUF_INIT;
        ruleset_report(&diags, &report);
        fputs(buf_cstr(&report), stderr);
        buf_fini(&report);
    }
    ruleset_unref(set);
    diags_fini(&diags);
    return code;
}

static int lint(struct cli *cli)
{
    const struct lint_check *off[OFF_MAX + 1];
    int code = read_disabled(cli, off);
    if (code != EXIT_DONE)
        return code;
    if (cli_has(cli, "--checks"))
        return print_checks(cli->json);
    if (cli->argument_count > 1)
        return cli_usage(cli, "takes one file");
    const char *file = cli->argument_count ? cli->arguments[0] : cli_config(cli);
    if (!file)
        return cli_fail(EXIT_CONFIG, "no configuration: neither ./weir.yaml nor /etc/weir/weir.yaml is there");
    return lint_file(cli, file, off);
}

static const struct cli_option options[] = {
    {.name = "--config", .letter = 'c', .value = "FILE", .meaning = "the same as FILE"},
    {.name = "--disable", .value = "CHECK", .many = true, .meaning = "leave this check out"},
    {.name = "--checks", .meaning = "list the checks instead"},
    {0},
};

const struct cli_verb verb_lint = {
    .name = "lint",
    .arguments = "[FILE]",
    .summary = "what loads and is most likely a mistake all the same",
    .description = "Reads FILE and what it includes, and prints each finding as FILE:LINE:COLUMN: warning: … [CHECK], "
                   "with the\nline, a caret and, where there is one, a suggestion.\n"
                   "Exit code 0: clean; 1: there are findings; 78: the file does not load.",
    .no_url = true,
    .options = options,
    .run = lint,
};
