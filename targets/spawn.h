/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_SPAWN_H
#define TARGETS_SPAWN_H

/*
 * Starts a command at the other ends of three pipes, in a process group of its own, with nothing of this process but
 * PATH, HOME, USER, LOGNAME, SHELL, LANG, LANGUAGE, LC_…, TZ and TMPDIR: no descriptors, no signal mask, no handlers,
 * nothing ignored. Any thread. Returns when the exec is done.
 */

#include <sys/types.h>

#include "targets/adapter.h"

struct spawned {
    pid_t pid;        /* also its group; whoever starts it reaps it */
    int in, out, err; /* our ends, not blocking, closed on exec: the caller closes them. -1: none */
};

/*
 * command: words (struct str, each with a NUL behind it); the first one is looked for in PATH. folder: where it runs,
 * "": here. more: `count` texts NAME=VALUE, which replace what is handed on of the same names. Returns 0, or the errno
 * that says why not: nothing is open then.
 */
int spawn_start(const struct option_list *command, struct str folder, char *const *more, size_t count,
                struct spawned *out);

#endif
