/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that a benchmark starts: children on loopback, each the leader of a process group of its own. They are ended
 * by that pid and no other way; none outlives the program: exit() ends them, so do the signals that end it, and the
 * kernel does where it is killed itself.
 */
#include "tests/bench/broker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVERS_MAX 8
#define END_SECONDS 15

static pid_t running[SERVERS_MAX];
static const char *guarded;
static sigset_t fatal;

static void end_all(void)
{
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (running[i])
            broker_server_end(running[i]);
    way_place_remove(guarded);
}

static void *take_signal(void *unused)
{
    int number = 0;
    sigwait(&fatal, &number);
    exit(128 + number);
}

void broker_server_guard(const char *folder)
{
    pthread_t thread;

    guarded = folder;
    atexit(end_all);
    sigemptyset(&fatal);
    sigaddset(&fatal, SIGINT);
    sigaddset(&fatal, SIGTERM);
    sigaddset(&fatal, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &fatal, NULL);
    if (pthread_create(&thread, NULL, take_signal, NULL) != 0)
        way_fail("cannot start a thread");
    pthread_detach(thread);
}

uint16_t broker_server_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        way_fail("no free port");
    close(fd);
    return ntohs(at.sin_port);
}

static void run(const char *folder, char *const argv[], char *const environment[])
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    pthread_sigmask(SIG_UNBLOCK, &fatal, NULL);
    int in = open("/dev/null", O_RDONLY), log = -1;
    if (chdir(folder) == 0)
        log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (size_t i = 0; environment && environment[i]; i++)
        putenv(environment[i]);
    if (dup2(in, 0) >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0)
        execvp(argv[0], argv);
    _exit(127);
}

pid_t broker_server_spawn(const char *folder, char *const argv[], char *const environment[])
{
    size_t slot = 0;

    while (slot < SERVERS_MAX && running[slot])
        slot++;
    pid_t pid = slot < SERVERS_MAX ? fork() : -1;
    if (pid < 0)
        way_fail("cannot start '%s'", argv[0]);
    if (pid == 0)
        run(folder, argv, environment);
    setpgid(pid, pid); /* whichever of the two comes first */
    return running[slot] = pid;
}

static void forget(pid_t pid)
{
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (running[i] == pid)
            running[i] = 0;
}

bool broker_server_wait(struct broker_server *s, const char *package, unsigned seconds)
{
    double until = way_now() + seconds;
    int status = 0;

    while (way_now() < until) {
        int fd = way_connect(s->port);
        if (fd >= 0) {
            close(fd);
            return true;
        }
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            forget(s->pid);
            s->pid = 0;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                snprintf(s->why, sizeof s->why, "%s is not installed", package);
            else
                snprintf(s->why, sizeof s->why, "%s ended as it started, status %d", package, status);
            return false;
        }
        usleep(20000);
    }
    snprintf(s->why, sizeof s->why, "%s does not listen after %u seconds", package, seconds);
    return false;
}

void broker_server_end(pid_t pid)
{
    double until = way_now() + END_SECONDS;

    if (!pid)
        return;
    forget(pid);
    kill(-pid, SIGTERM);
    while (waitpid(pid, NULL, WNOHANG) == 0 && way_now() < until)
        usleep(20000);
    kill(-pid, SIGKILL); /* and whatever is left of its group */
    waitpid(pid, NULL, 0);
}
