/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_spawn with all that a program run by a daemon wants. Every step that can fail is asked: a file action that
 * found no memory would leave the command with descriptors of ours.
 */
#include "targets/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

static bool is_same_name(const char *a, const char *b) /* of two NAME=VALUE */
{
    return strncmp(a, b, strcspn(a, "=") + 1) == 0;
}

/* What says where and for whom a program runs; all else may be a secret that was meant for the router alone. */
static bool is_handed_on(const char *entry)
{
    static const char *const names[] = {
        "PATH=", "HOME=", "USER=", "LOGNAME=", "SHELL=", "LANG=", "LANGUAGE=", "LC_", "TZ=", "TMPDIR="};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* `more`, then what is handed on under other names. NULL: out of memory. */
static char **make_environment(char *const *more, size_t count)
{
    size_t inherited = 0, size = count;

    while (environ[inherited])
        inherited++;
    char **list = calloc(count + inherited + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        list[i] = more[i];
    for (char **entry = environ; list && *entry; entry++) {
        size_t i = 0;
        while (i < count && !is_same_name(more[i], *entry))
            i++;
        if (i == count && is_handed_on(*entry))
            list[size++] = *entry;
    }
    return list;
}

/* A process group, a signal mask and signal handlers as fresh from the boot. */
static void set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(attributes);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
}

/* theirs: what becomes their stdin, stdout and stderr. */
static int add_actions(posix_spawn_file_actions_t *actions, const int theirs[3], struct str folder)
{
    int error = 0;

    for (int i = 0; i < 3 && !error;
         i++) /* in this order, since a pipe made with stdin closed may be one of the three */
        error = posix_spawn_file_actions_adddup2(actions, theirs[i], i);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    if (!error && folder.size)
        error = posix_spawn_file_actions_addchdir_np(actions, folder.ptr);
    return error;
}

static int spawn_words(char *const *argv, char *const *environment, struct str folder, const int theirs[3], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    set_attributes(&attributes);
    posix_spawn_file_actions_init(&actions);
    int error = add_actions(&actions, theirs, folder);
    if (!error)
        error = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static char **make_words(const struct option_list *command)
{
    const struct str *words = command->items;
    char **argv = calloc(command->count + 1, sizeof *argv);

    for (size_t i = 0; argv && i < command->count; i++)
        argv[i] = (char *)words[i].ptr;
    return argv;
}

static void close_all(int fds[3])
{
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static int open_pipes(int ours[3], int theirs[3])
{
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return errno;
        ours[i] = ends[i == 0];
        theirs[i] = ends[i != 0];
        if (fcntl(ours[i], F_SETFL, fcntl(ours[i], F_GETFL) | O_NONBLOCK) != 0)
            return errno;
    }
    return 0;
}

int spawn_start(const struct option_list *command, struct str folder, char *const *more, size_t count,
                struct spawned *out)
{
    int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1};
    char **argv = make_words(command), **environment = make_environment(more, count);
    int error = argv && environment ? open_pipes(ours, theirs) : ENOMEM;

    if (!error)
        error = spawn_words(argv, environment, folder, theirs, &out->pid);
    free(argv);
    free(environment);
    close_all(theirs);
    if (error)
        close_all(ours);
    out->in = ours[0];
    out->out = ours[1];
    out->err = ours[2];
    return error;
}
