/* SPDX-License-Identifier: Apache-2.0 */
/* weir: the program. Everything is in the library of the same folder, so that tests can link it. */
#include "router/cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
