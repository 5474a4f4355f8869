/* SPDX-License-Identifier: Apache-2.0 */
/* weir schema: the JSON Schema of weir.yaml. */
#include <stdio.h>

#include "router/cli/verbs.h"
#include "rules/schema.h"

static int schema(struct cli *cli)
{
    struct buf out = BUF_INIT;
    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments");
    schema_write(&out);
    if (out.failed)
        return cli_fail(EXIT_INTERNAL, "out of memory");
    buf_char(&out, '\n');
    fputs(buf_cstr(&out), stdout);
    buf_fini(&out);
    return EXIT_DONE;
}

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
    .run = schema,
};
