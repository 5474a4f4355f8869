/* SPDX-License-Identifier: Apache-2.0 */
/* weir targets: the adapter table, with every option's type, default and meaning. */
#include <inttypes.h>
#include <stdio.h>

#include "matcher/json.h"
#include "router/cli/verbs.h"
#include "rules/tables.h"
#include "targets/policy.h"

typedef void option_fn(void *context, const struct option *o, const char *path);

/* The option with its dotted path, then its members behind that. */
static void each_below(const struct option *o, const char *prefix, option_fn *each, void *context)
{
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s%s%s", prefix, *prefix ? "." : "", o->key);
    if (o->type == OPTION_LIST)
        buf_text(&path, "[]");
    each(context, o, buf_cstr(&path));
    for (const struct option *m = o->members; m && m->key; m++)
        each_below(m, buf_cstr(&path), each, context);
    buf_fini(&path);
}

static void each_option(const struct adapter *adapter, option_fn *each, void *context)
{
    struct option row;

    for (size_t i = 0; policy_row(adapter, i, &row); i++)
        each_below(&row, "", each, context);
}

static void option_row(void *context, const struct option *o, const char *path)
{
    struct table *t = context;
    struct buf type = BUF_INIT;

    tables_write_type(&type, o);
    table_cell(t, "  %s", path);
    table_cell(t, "%s", buf_cstr(&type));
    table_cell(t, "%s", o->value ? o->value : o->required ? "required" : "-");
    table_cell(t, "%s", o->meaning);
    buf_fini(&type);
}

static void option_json(void *context, const struct option *o, const char *path)
{
    const struct adapter *a = context;
    struct buf line = BUF_INIT, type = BUF_INIT;

    tables_write_type(&type, o);
    buf_char(&line, '{');
    json_write_member(&line, "target", str_from(a->type));
    json_write_member(&line, "option", str_from(path));
    json_write_member(&line, "type", buf_view(&type));
    if (o->value)
        json_write_member(&line, "default", str_from(o->value));
    json_write_key(&line, "required");
    buf_text(&line, o->required ? "true" : "false");
    json_write_member(&line, "meaning", str_from(o->meaning));
    buf_text(&line, "}\n");
    fputs(buf_cstr(&line), stdout);
    buf_fini(&type);
    buf_fini(&line);
}

static int unknown_type(struct cli *cli)
{
    const char *names[32];
    size_t count = 0;

    for (const struct adapter *const *a = target_adapters; *a && count < sizeof names / sizeof *names; a++)
        names[count++] = (*a)->type;
    const char *near = diag_near(str_from(cli->arguments[0]), names, count);
    return cli_usage(cli, "unknown type '%s'%s%s%s", cli->arguments[0], near ? "; did you mean '" : "",
                     near ? near : "", near ? "'?" : "");
}

static int targets(struct cli *cli)
{
    static const char *const titles[] = {"  OPTION", "TYPE", "DEFAULT", "MEANING"};
    bool found = !cli->argument_count;

    for (const struct adapter *const *a = target_adapters; *a; a++) {
        if (cli->argument_count && strcmp(cli->arguments[0], (*a)->type) != 0)
            continue;
        if (cli->json) {
            each_option(*a, option_json, (void *)*a);
        } else {
            if ((*a)->section)
                printf("%s%s (under %s:): %s\n", a == target_adapters || cli->argument_count ? "" : "\n", (*a)->type,
                       (*a)->section, (*a)->summary);
            else
                printf("\n%s (under targets:, type: %s): %s\n", (*a)->type, (*a)->type, (*a)->summary);
            struct table *t = table_create(titles, 4);
            each_option(*a, option_row, t);
            table_print(t);
        }
        found = true;
    }
    return found ? EXIT_DONE : unknown_type(cli);
}

const struct cli_verb verb_targets = {
    .name = "targets",
    .arguments = "[TYPE]",
    .summary = "the kinds of target, and every option of each",
    .no_url = true,
    .run = targets,
};
