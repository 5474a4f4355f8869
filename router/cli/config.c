/* SPDX-License-Identifier: Apache-2.0 */
/* Which configuration a verb means: -c, else ./weir.yaml, else /etc/weir/weir.yaml, else none; and whose data. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "router/cli/cli.h"
#include "rules/ruleset.h"

const char *cli_config(const struct cli *cli)
{
    static const char *const places[] = {"weir.yaml", "/etc/weir/weir.yaml"};
    const char *given = cli_value(cli, "--config", NULL);

    if (given)
        return given;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], F_OK) == 0)
            return places[i];
    return NULL;
}

bool cli_data_folder(const struct cli *cli, size_t argument, struct buf *out, int *code)
{
    const char *config = cli_config(cli);
    struct diags diags;

    if (cli->argument_count > argument) {
        buf_text(out, cli->arguments[argument]);
        return true;
    }
    if (config && access(config, R_OK) != 0) {
        *code = cli_fail(EXIT_CONFIG, "cannot read '%s': %s", config, strerror(errno));
        return false;
    }
    if (!diags_init(&diags, 1)) {
        *code = cli_fail(EXIT_INTERNAL, "out of memory");
        return false;
    }
    struct ruleset *set = ruleset_load(config, 1, &diags);
    if (set)
        buf_str(out, set->data);
    else
        *code = cli_fail(EXIT_CONFIG, "%s has errors ('weir check' shows them); name the data folder instead", config);
    ruleset_unref(set);
    diags_fini(&diags);
    return set != NULL;
}
