/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_REPLAY_H
#define ROUTER_CLI_REPLAY_H

/* What the files of `weir replay` share: replay.c (the verb), replay_watch.c (how it goes), replay_files.c (from
 * files).
 */

#include "router/cli/cli.h"

/* Prints what became of a replay (or is, so far); gives the exit code. */
int replay_show_end(struct cli *cli, struct str replay);
/* Watches until it is over, or until Ctrl-C, which leaves it to the router. */
int replay_watch(struct cli *cli, const char *name);

/* A bar on stderr where that is a terminal, or with --json a line on stdout now and then. */
struct replay_bar {
    struct cli *cli;
    bool terminal;
    int64_t last_ms;      /* when it was shown last */
    long long last_count; /* events then */
    double rate;          /* events a second, of late; < 0: not known yet */
};
void replay_bar_init(struct replay_bar *b, struct cli *cli);
void replay_bar_show(struct replay_bar *b, struct str replay);
void replay_bar_end(struct replay_bar *b); /* leaves its line */

#endif
