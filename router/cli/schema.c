/* SPDX-License-Identifier: Apache-2.0 */
/* weir schema: the JSON Schema of weir.yaml. */
#include <stdio.h>

#include "router/api/aws_coverage.h"
#include "router/cli/manual.h"
#include "router/cli/verbs.h"
#include "rules/schema.h"

static int print_table(const struct cli *cli, const char *name, struct buf *out)
{
    struct buf known = BUF_INIT;
    bool found = manual_write(out, name, &known);
    int code = found ? EXIT_DONE : cli_usage(cli, "no table '%s'; known: all, %s", name, buf_cstr(&known));
    buf_fini(&known);
    return code;
}

static int schema(struct cli *cli)
{
    struct buf out = BUF_INIT;
    const char *table = cli_value(cli, "--mdoc", NULL);
    int code = EXIT_DONE;
    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments");
    if (table)
        code = print_table(cli, table, &out);
    else if (cli_has(cli, "--operations"))
        aws_coverage_write(&out);
    else {
        schema_write(&out);
        buf_char(&out, '\n');
    }
    if (out.failed)
        code = cli_fail(EXIT_INTERNAL, "out of memory");
    else
        fputs(buf_cstr(&out), stdout);
    buf_fini(&out);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--mdoc", .value = "TABLE", .meaning = "print a table of the manual as mdoc(7) instead; all: every one"},
    {.name = "--operations", .meaning = "print the operations of AWS's APIs that are served, in Markdown, instead"},
    {0},
};

const struct cli_verb verb_schema = {
    .name = "schema",
    .arguments = "",
    .summary = "the JSON Schema of weir.yaml, for editors",
    .description =
        "Prints a JSON Schema (draft-07) of the configuration, event patterns included. Editors with a YAML\n"
        "language server check and complete a file by it when the file says where it is:\n"
        "    weir schema >weir.schema.json\n"
        "    # yaml-language-server: $schema=weir.schema.json      (the first line of weir.yaml)\n"
        "'make' writes it beside the examples, 'make install' to share/weir/weir.schema.json. 'weir check' finds\n"
        "more: names that nothing has, bounds of durations and sizes, patterns that AWS refuses.",
    .no_json = true,
    .no_url = true,
    .options = options,
    .run = schema,
};
