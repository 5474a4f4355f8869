/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal against a plain file: the same 1 KiB events in the same batches, appended with one write and one
 * fdatasync a batch. Prints both rates and their ratio; the journal adds headers, checksums, numbering, a thread and
 * its wake-ups.
 *
 * usage: journal_bench [FOLDER]     (default: a temporary folder below the working directory, removed at the end)
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "router/journal.h"

#define EVENT_BYTES   1024
#define SEGMENT_BYTES (64u << 20)
#define SECONDS       1.5

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char event[EVENT_BYTES];

static double plain(const char *folder, unsigned batch)
{
    char path[256];
    char *bytes = malloc((size_t)batch * EVENT_BYTES);
    uint64_t events = 0;

    snprintf(path, sizeof path, "%s/plain", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (unsigned i = 0; bytes && i < batch; i++)
        memcpy(bytes + (size_t)i * EVENT_BYTES, event, EVENT_BYTES);
    double began = now(), passed = 0;
    while (fd >= 0 && bytes && passed < SECONDS) {
        if (write(fd, bytes, (size_t)batch * EVENT_BYTES) < 0 || fdatasync(fd) != 0)
            break;
        events += batch;
        if (events * EVENT_BYTES % SEGMENT_BYTES <
            (uint64_t)batch * EVENT_BYTES) { /* a new file as often as the journal begins one */
            close(fd);
            unlink(path);
            fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        }
        passed = now() - began;
    }
    close(fd);
    unlink(path);
    free(bytes);
    return passed > 0 ? (double)events / passed : 0;
}

struct waiting {
    struct journal_batch batch;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int finished; /* 1: synced, -1: refused */
};

static void done(struct journal_batch *b, enum journal_result result)
{
    struct waiting *w = (struct waiting *)b;
    pthread_mutex_lock(&w->lock);
    w->finished = result == JOURNAL_SYNCED ? 1 : -1;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static double journaled(const char *folder, unsigned batch)
{
    char path[256];
    struct journal_report report;
    struct weir_diag diag;
    struct journal_options options = {0};
    struct journal_event *events = calloc(batch, sizeof *events);
    struct waiting w = {.batch = {.events = events, .count = batch, .done = done},
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .wake = PTHREAD_COND_INITIALIZER};
    uint64_t count = 0;

    snprintf(path, sizeof path, "%s/journal", folder);
    struct journal *j = journal_open(path, &options, &report, &diag);
    if (!j || !events) {
        fprintf(stderr, "journal_bench: %s\n", j ? "out of memory" : diag.message);
        exit(70);
    }
    for (unsigned i = 0; i < batch; i++)
        events[i] = (struct journal_event){STR("default"), {event, EVENT_BYTES}, 0};
    double began = now(), passed = 0;
    while (passed < SECONDS) {
        w.finished = 0;
        if (!journal_submit(j, &w.batch))
            break;
        pthread_mutex_lock(&w.lock);
        while (!w.finished)
            pthread_cond_wait(&w.wake, &w.lock);
        pthread_mutex_unlock(&w.lock);
        if (w.finished < 0)
            break;
        count += batch;
        journal_release(j, journal_synced(j));
        passed = now() - began;
    }
    journal_close(j);
    free(events);
    return passed > 0 ? (double)count / passed : 0;
}

int main(int argc, char **argv)
{
    static const unsigned batches[] = {1, 10, 100, 1000};
    char folder[64] = "bench-journal-XXXXXX";
    const char *where = argc > 1 ? argv[1] : mkdtemp(folder);
    char command[300];

    memset(event, 'x', sizeof event);
    printf("%-18s %14s %14s %8s\n", "events a sync", "plain file/s", "journal/s", "ratio");
    for (size_t i = 0; where && i < sizeof batches / sizeof batches[0]; i++) {
        double a = plain(where, batches[i]), b = journaled(where, batches[i]);
        printf("%-18u %14.0f %14.0f %8.2f\n", batches[i], a, b, a > 0 ? b / a : 0);
    }
    snprintf(command, sizeof command, "rm -rf '%s/journal'", where ? where : "/nonexistent");
    if (system(command) != 0 || (argc < 2 && where && rmdir(where) != 0))
        return 74;
    return 0;
}
