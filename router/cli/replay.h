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

/* What is chosen, and how fast, as members of a request's JSON. Else: message printed. */
int replay_add_choice(struct cli *cli, struct buf *body);
/* --from or --to; text NULL: a usage error. end: rounded up to whole seconds. */
bool replay_time(struct cli *cli, const char *option, const char *text, bool end, char out[40]);
void replay_show_dry_run(struct str answer);

/* From files: starts a replay and feeds it, or goes on with the one that --resume names. */
int replay_files(struct cli *cli);

/* A bar on stderr where that is a terminal, or with --json a line on stdout now and then. */
struct replay_bar {
    struct cli *cli;
    bool terminal;
    double part; /* of the files that is fed; < 0: no files, the replay says it */
    int64_t began_ms;
    int64_t last_ms;      /* when it was shown last */
    long long last_count; /* events then */
    double rate;          /* events a second, of late; < 0: not known yet */
};
void replay_bar_init(struct replay_bar *b, struct cli *cli);
void replay_bar_show(struct replay_bar *b, struct str replay);
bool replay_interrupted(void); /* Ctrl-C, since the first bar */
bool replay_is_over(struct str replay);
void replay_bar_end(struct replay_bar *b); /* leaves its line */

#endif
