/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_COMPLETION_H
#define ROUTER_CLI_COMPLETION_H

/*
 * What may stand at a place of a command line, read off the verb table; and the scripts that tell a shell so. A shell
 * is one writer.
 */

#include "router/cli/cli.h"

enum completion_kind {
    COMPLETION_NONE,
    COMPLETION_FILES,
    COMPLETION_WORDS, /* these words */
    COMPLETION_NAMES  /* what `weir completion --names KIND` prints */
};

struct completion {
    enum completion_kind kind;
    char text[256]; /* WORDS: with spaces between; NAMES: the kind */
};

struct completion completion_of_option(const struct cli_option *o);
/* For what is no option. */
struct completion completion_of_arguments(const struct cli_verb *v);

void completion_write_bash(struct buf *out);
void completion_write_zsh(struct buf *out);
void completion_write_fish(struct buf *out);

#endif
