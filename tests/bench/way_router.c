/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router under measurement: a child process, asked for its port by the line it prints, looked at through /proc and
 * /metrics. CPU time comes from each thread's schedstat, in nanoseconds: it says what a part costs also on a machine
 * that is busy with something else.
 */
#include "tests/bench/way.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_SECONDS 30
#define AWAIT_SECONDS 120

static uint16_t read_port(int out)
{
    char text[4096];
    size_t size = 0;
    ssize_t n;

    while (size < sizeof text - 1 && (n = read(out, text + size, sizeof text - 1 - size)) > 0) {
        size += (size_t)n;
        text[size] = '\0';
        const char *at = strstr(text, "http://127.0.0.1:");
        if (at && strchr(at, '\n'))
            return (uint16_t)atoi(at + strlen("http://127.0.0.1:"));
    }
    way_fail("weir run does not say where it listens");
}

static bool is_ready(uint16_t port)
{
    struct buf request = BUF_INIT, body = BUF_INIT;
    int fd = way_connect(port);

    buf_text(&request, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    bool ready = fd >= 0 && way_ask(fd, buf_view(&request), &body) == 200;
    buf_fini(&request);
    buf_fini(&body);
    close(fd);
    return ready;
}

static void run(const char *weir, const char *folder, int out)
{
    char log[300];

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* way_fail() leaves none behind */
    snprintf(log, sizeof log, "%s/log", folder);
    int to = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (chdir(folder) == 0 && to >= 0 && dup2(to, 2) >= 0 && dup2(out, 1) >= 0)
        execl(weir, weir, "run", "-c", "weir.yaml", "--listen", "127.0.0.1:0", (char *)NULL);
    _exit(127);
}

void way_router_start(struct way_router *r, const char *weir, const char *folder)
{
    int out[2];
    double began = way_now();

    if (pipe2(out, O_CLOEXEC) != 0 || (r->pid = fork()) < 0)
        way_fail("cannot start a process");
    if (r->pid == 0)
        run(weir, folder, out[1]);
    close(out[1]);
    r->port = read_port(out[0]);
    while (!is_ready(r->port)) {
        if (way_now() - began > READY_SECONDS)
            way_fail("the router does not get ready");
        usleep(1000);
    }
    r->start_seconds = way_now() - began;
}

void way_router_stop(struct way_router *r)
{
    int status = 0;

    kill(r->pid, SIGTERM);
    waitpid(r->pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        way_fail("the router did not end well: %d", status);
}

static size_t read_proc(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static struct way_part *part(struct way_cpu *cpu, const char *name)
{
    for (size_t i = 0; i < cpu->count; i++)
        if (strcmp(cpu->parts[i].name, name) == 0)
            return &cpu->parts[i];
    struct way_part *one = &cpu->parts[cpu->count < WAY_PARTS ? cpu->count++ : WAY_PARTS - 1];
    snprintf(one->name, sizeof one->name, "%.15s", name);
    return one;
}

void way_router_cpu(const struct way_router *r, struct way_cpu *out)
{
    char path[300], name[32], text[128];
    struct dirent *entry;

    *out = (struct way_cpu){0};
    snprintf(path, sizeof path, "/proc/%d/task", r->pid);
    DIR *d = opendir(path);
    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/comm", r->pid, entry->d_name);
        name[read_proc(path, name, sizeof name) ? strcspn(name, "\n") : 0] = '\0';
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", r->pid, entry->d_name);
        read_proc(path, text, sizeof text);
        double seconds = strtod(text, NULL) / 1e9;
        part(out, name)->seconds += seconds;
        out->all += seconds;
    }
    if (d)
        closedir(d);
}

double way_router_resident_mib(const struct way_router *r)
{
    char path[64], text[4096];

    snprintf(path, sizeof path, "/proc/%d/status", r->pid);
    read_proc(path, text, sizeof text);
    const char *at = strstr(text, "VmRSS:");
    return at ? strtod(at + strlen("VmRSS:"), NULL) / 1024 : 0;
}

double way_metric(const struct way_router *r, const char *family, const char *label)
{
    struct buf request = BUF_INIT, body = BUF_INIT;
    double sum = 0;
    size_t size = strlen(family);
    int fd = way_connect(r->port);

    buf_text(&request, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (fd < 0 || way_ask(fd, buf_view(&request), &body) != 200)
        way_fail("no metrics");
    close(fd);
    for (char *line = (char *)buf_cstr(&body); line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        if (strncmp(line, family, size) == 0 && (line[size] == '{' || line[size] == ' ') && strstr(line, label))
            sum += strtod(strrchr(line, ' '), NULL);
        line = end ? end + 1 : NULL;
    }
    buf_fini(&request);
    buf_fini(&body);
    return sum;
}

void way_metric_await(const struct way_router *r, const char *family, const char *label, double value)
{
    double until = way_now() + AWAIT_SECONDS;

    while (way_metric(r, family, label) < value) {
        if (way_now() > until)
            way_fail("after %d seconds %s is %.0f, not %.0f", AWAIT_SECONDS, family, way_metric(r, family, label),
                     value);
        usleep(5000);
    }
}

void way_write_file(const char *folder, const char *name, const struct buf *text)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(text->data, 1, text->size, f) != text->size || fclose(f) != 0)
        way_fail("cannot write '%s'", path);
}
