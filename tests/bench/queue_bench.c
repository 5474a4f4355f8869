/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues against a plain file: messages of BODY_BYTES put PUT_BATCH a transaction, then received and deleted ten at a
 * time, with an empty queue and with a backlog. Beside each figure stands a loop of write and fdatasync of the same
 * bytes, as many messages a sync, in the same run.
 *
 * A consumer's ten are one ledger job; the ledger commits once for all jobs that wait: one job a commit is a lone
 * consumer, JOBS_A_COMMIT are what a few dozen consumers give it.
 *
 * usage: queue_bench [FOLDER [BACKLOG [BODY_BYTES]]]      (a temporary folder below the working directory, 1000000,
 * 1024)
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "targets/queue.h"

#define PUT_BATCH     1000
#define TAKE_BATCH    10
#define JOBS_A_COMMIT 32
#define SECONDS       2.0
#define BODY_MAX      65536

static const struct store_schema *const schemas[] = {&queue_schema, NULL};
static struct queue_options options = {
    .visibility_timeout = 30000, .retention = 345600000, .maximum_message_size = QUEUE_MESSAGE_BYTES_MAX};
static const struct target_def queue = {.adapter = &queue_adapter, .name = {"bench", 5}, .options = &options};

static char body[BODY_MAX];
static size_t body_bytes = 1024;
static double slowest; /* commit with its work, since it was last set to 0 */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct weir_time clock_read(void)
{
    int64_t ms = (int64_t)(now() * 1000);
    return (struct weir_time){.wall_ms = ms, .age_ms = ms};
}

static void need(bool ok, const struct weir_diag *diag)
{
    if (ok)
        return;
    fprintf(stderr, "queue_bench: %s\n", diag->message);
    exit(74);
}

/* Messages a second of a plain file, `batch` a sync. */
static double plain(const char *folder, unsigned batch)
{
    char path[256];
    char *bytes = calloc(batch, body_bytes);
    uint64_t count = 0, written = 0;

    snprintf(path, sizeof path, "%s/plain", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    double began = now(), passed = 0;
    while (fd >= 0 && bytes && passed < SECONDS / 2) {
        if (write(fd, bytes, batch * body_bytes) < 0 || fdatasync(fd) != 0)
            break;
        count += batch;
        written += batch * body_bytes;
        if (written > 256u << 20 && lseek(fd, 0, SEEK_SET) == 0)
            written = 0;
        passed = now() - began;
    }
    close(fd);
    unlink(path);
    free(bytes);
    return passed > 0 ? (double)count / passed : 0;
}

static void committed(struct store *s, double began)
{
    struct weir_diag diag;

    need(store_commit(s, &diag), &diag);
    if (now() - began > slowest)
        slowest = now() - began;
    need(store_checkpoint(s, &diag), &diag);
}

static void put_batch(struct store *s)
{
    struct weir_diag diag;
    double began = now();

    need(store_begin(s, &diag), &diag);
    for (int i = 0; i < PUT_BATCH; i++)
        need(queue_put(s, &queue, &(struct queue_send){.body = {body, body_bytes}}, clock_read(), NULL, &diag), &diag);
    committed(s, began);
}

static double put_for(struct store *s, double seconds, uint64_t *count)
{
    double began = now();
    uint64_t before = *count;

    do {
        put_batch(s);
        *count += PUT_BATCH;
    } while (now() - began < seconds);
    return (double)(*count - before) / (now() - began);
}

struct taken {
    char handles[JOBS_A_COMMIT * TAKE_BATCH][80];
    unsigned count;
};

static void take(void *context, const struct queue_message *m)
{
    struct taken *t = context;
    snprintf(t->handles[t->count++], sizeof t->handles[0], "%.*s", STR_ARG(m->receipt_handle));
}

static unsigned take_round(struct store *s, unsigned jobs)
{
    static struct taken t;
    struct weir_diag diag;
    struct queue_want want = {.max = TAKE_BATCH, .visibility_ms = -1, .each = take, .context = &t};
    bool found;
    double began = now();

    t.count = 0;
    need(store_begin(s, &diag), &diag);
    for (unsigned i = 0; i < jobs; i++)
        need(store_savepoint(s, &diag) && queue_receive(s, &queue, &want, clock_read(), NULL, &diag) &&
                 store_release(s, &diag),
             &diag);
    committed(s, began);
    began = now();
    need(store_begin(s, &diag), &diag);
    for (unsigned i = 0; i < t.count; i++) {
        if (i % TAKE_BATCH == 0)
            need(store_savepoint(s, &diag), &diag);
        need(queue_delete(s, queue.name, str_from(t.handles[i]), clock_read(), &found, &diag) && found, &diag);
        if (i % TAKE_BATCH == TAKE_BATCH - 1 || i == t.count - 1)
            need(store_release(s, &diag), &diag);
    }
    committed(s, began);
    return t.count;
}

static double take_for(struct store *s, unsigned jobs, double seconds)
{
    double began = now();
    uint64_t count = 0;
    unsigned got;

    do {
        got = take_round(s, jobs);
        count += got;
    } while (got && now() - began < seconds);
    return (double)count / (now() - began);
}

static void show(const char *what, double rate, double reference)
{
    printf("%-46s %10.0f %12.0f %7.2f %10.1f\n", what, rate, reference, reference > 0 ? rate / reference : 0,
           slowest * 1000);
    fflush(stdout);
    slowest = 0;
}

static void measure(struct store *s, const char *folder, const char *backlog)
{
    char text[64];
    uint64_t count = 0;

    snprintf(text, sizeof text, "put, %d a commit, backlog %s", PUT_BATCH, backlog);
    double reference = plain(folder, PUT_BATCH);
    double rate = put_for(s, SECONDS, &count);
    show(text, rate, reference);
    snprintf(text, sizeof text, "receive+delete, %d a commit, %s", TAKE_BATCH, backlog);
    reference = plain(folder, TAKE_BATCH);
    rate = take_for(s, 1, SECONDS / 2);
    show(text, rate, reference);
    snprintf(text, sizeof text, "receive+delete, %d x %d a commit, %s", JOBS_A_COMMIT, TAKE_BATCH, backlog);
    reference = plain(folder, JOBS_A_COMMIT * TAKE_BATCH);
    rate = take_for(s, JOBS_A_COMMIT, SECONDS / 2);
    show(text, rate, reference);
}

int main(int argc, char **argv)
{
    char temporary[] = "bench-queue-XXXXXX", path[300], command[400];
    const char *folder = argc > 1 ? argv[1] : mkdtemp(temporary);
    long backlog = argc > 2 ? atol(argv[2]) : 1000000;
    uint64_t count = 0;
    struct weir_diag diag;

    body_bytes = argc > 3 ? (size_t)atol(argv[3]) : body_bytes;
    if (!folder || body_bytes > sizeof body || backlog < 0)
        return 64;
    memset(body, 'x', sizeof body);
    snprintf(path, sizeof path, "%s/weir.db", folder);
    struct store *s = store_open(path, schemas, &diag);
    need(s != NULL, &diag);
    printf("%-46s %10s %12s %7s %10s\n", "bodies of 1 KiB unless said otherwise", "queue/s", "plain file/s", "ratio",
           "slowest ms");
    measure(s, folder, "0");
    double began = now();
    while ((long)count < backlog)
        put_for(s, 0, &count);
    if (backlog) {
        snprintf(path, sizeof path, "put the backlog of %ld", backlog);
        show(path, (double)count / (now() - began), 0);
        snprintf(path, sizeof path, "%ld", backlog);
        measure(s, folder, path);
    }
    store_close(s);
    snprintf(command, sizeof command, "rm -f '%s/weir.db'", folder);
    if (system(command) != 0 || (argc < 2 && rmdir(folder) != 0))
        return 74;
    return 0;
}
