/* SPDX-License-Identifier: Apache-2.0 */
/* Which configuration a verb means: -c, else ./weir.yaml, else /etc/weir/weir.yaml, else none. */
#include <unistd.h>

#include "router/cli/cli.h"

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
