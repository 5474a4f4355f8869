/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives against a plain file: events of 1 KiB put BATCH a transaction (write, sync, row), then sealed; beside it a
 * loop of write and fdatasync of the same bytes in the same batches. "both" is what a router does for as long as it
 * likes: a batch is put, a file that is full is sealed, on one processor after the other. Ends with a count: what was
 * put is what a reader of the sealed files finds.
 *
 * usage: archive_bench [FOLDER [EVENTS]]      (a temporary folder below the working directory, 600000)
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "targets/archive.h"
#include "targets/archive_sealed.h"

#define BATCH       1000
#define EVENT_BYTES 1024

static const struct store_schema *const schemas[] = {&archive_schema, NULL};
static struct archive_options options = {.bus = {"default", 7}};
static const struct target_def def = {.adapter = &archive_adapter, .name = {"bench", 5}, .options = &options};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this process, in the kernel too: other than the rates it says the same on a machine that is busy. */
static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void need(bool ok, const struct weir_diag *diag)
{
    if (ok)
        return;
    fprintf(stderr, "archive_bench: %s\n", diag->message);
    exit(74);
}

/* An event as a router writes it, and in its detail what real ones are made of: words, numbers, addresses. */
static size_t make_event(char *out, uint64_t n)
{
    int size =
        snprintf(out, EVENT_BYTES,
                 "{\"version\":\"0\",\"id\":\"%08llx-0000-4000-8000-%012llx\",\"detail-type\":\"Order Placed\","
                 "\"source\":\"shop.orders\",\"account\":\"000000000000\",\"time\":\"2026-11-21T%02u:%02u:%02uZ\","
                 "\"region\":\"us-east-1\",\"resources\":[],\"detail\":{\"order\":%llu,\"items\":[",
                 (unsigned long long)n * 2654435761 % 0xffffffff, (unsigned long long)n, (unsigned)(n / 3600000 % 24),
                 (unsigned)(n / 60000 % 60), (unsigned)(n / 1000 % 60), (unsigned long long)n);
    for (unsigned i = 0; size < EVENT_BYTES - 120; i++)
        size +=
            snprintf(out + size, EVENT_BYTES - (size_t)size,
                     "%s{\"sku\":\"A-%05llu\",\"count\":%llu,\"price\":%llu.%02llu,\"from\":\"10.%llu.%llu.7\"}",
                     i ? "," : "", (unsigned long long)(n * 31 + i * 977) % 99991, (unsigned long long)(n + i) % 7 + 1,
                     (unsigned long long)(n * 17 + i) % 900, (unsigned long long)(n * 13 + i) % 100,
                     (unsigned long long)n % 200, (unsigned long long)(n / 200 + i) % 250);
    return (size_t)(size + snprintf(out + size, EVENT_BYTES - (size_t)size, "]}}"));
}

static double plain(const char *folder, const char *bytes, size_t size, uint64_t batches)
{
    char path[256];

    snprintf(path, sizeof path, "%s/plain", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    double began = now();
    for (uint64_t i = 0; fd >= 0 && i < batches; i++)
        if (write(fd, bytes, size) < 0 || fdatasync(fd) != 0)
            exit(74);
    double passed = now() - began;
    close(fd);
    unlink(path);
    return (double)(batches * BATCH) / passed;
}

struct bench {
    struct store *store;
    struct target *target;
    int data_fd;
    char *events;
    size_t sizes[BATCH];
    uint64_t count;
    struct weir_diag diag;
};

static void put_batch(struct bench *b, struct weir_time at)
{
    struct verdict v = {0};
    size_t offset = 0;

    need(store_begin(b->store, &b->diag), &b->diag);
    for (unsigned i = 0; i < BATCH; offset += b->sizes[i], i++) {
        struct delivery d = {.target = b->target, .position = b->count++, .event = {b->events + offset, b->sizes[i]}};
        archive_adapter.put(b->target, &d, b->store, at, &v);
    }
    need(v.kind == VERDICT_SETTLED && archive_adapter.flush(b->target, b->store, at, &b->diag) &&
             store_commit(b->store, &b->diag),
         &b->diag);
}

/* Seals what can be; the bytes of text that were. */
static int64_t seal_all(struct bench *b, struct weir_time at, int64_t *packed_out)
{
    int64_t text = 0, packed;

    for (;;) {
        struct archive_seal_job job = {0};
        need(store_begin(b->store, &b->diag) && archive_seal_next(b->store, at, &job, &b->diag) &&
                 store_commit(b->store, &b->diag),
             &b->diag);
        if (!job.path[0])
            return text;
        need(archive_seal(b->data_fd, job.path, job.bytes, NULL, &packed, &b->diag), &b->diag);
        need(store_begin(b->store, &b->diag) && archive_seal_done(b->store, &job, packed, &b->diag) &&
                 store_commit(b->store, &b->diag),
             &b->diag);
        text += job.bytes;
        *packed_out += packed;
    }
}

static void add_events(void *context, const struct archive_file *f)
{
    struct bench *b = ((void **)context)[0];
    uint64_t *events = ((void **)context)[1];
    const char *folder = ((void **)context)[2];
    char path[600];
    size_t count;

    snprintf(path, sizeof path, "%s/%s", folder, f->path.ptr);
    struct archive_reader *r = archive_reader_open(path, &b->diag);
    need(r && archive_reader_verify(r, &(size_t){0}, &b->diag), &b->diag);
    const struct archive_frame *frames = archive_reader_frames(r, &count);
    for (size_t i = 0; i < count; i++)
        *events += frames[i].events;
    archive_reader_close(r);
}

int main(int argc, char **argv)
{
    char made[] = "weir-archive-bench-XXXXXX", path[256], command[300];
    const char *folder = argc > 1 ? argv[1] : mkdtemp(made);
    uint64_t events = argc > 2 ? strtoull(argv[2], NULL, 10) : 600000, batches = events / BATCH + 1, found = 0;
    struct bench b = {0};
    int64_t packed = 0, wall = 1795262400000;
    size_t size = 0;

    snprintf(path, sizeof path, "%s/weir.db", folder);
    b.store = store_open(path, schemas, &b.diag);
    need(b.store, &b.diag);
    b.target = archive_adapter.open(&def, NULL, folder, &b.diag);
    b.data_fd = open(folder, O_RDONLY | O_DIRECTORY);
    b.events = malloc((size_t)BATCH * EVENT_BYTES);
    need(b.target && b.data_fd >= 0 && b.events, &b.diag);
    for (unsigned i = 0; i < BATCH; i++)
        size += b.sizes[i] = make_event(b.events + size, i);

    double file = plain(folder, b.events, size, batches / 2);
    double began = now(), cpu_began = cpu();
    for (uint64_t i = 0; i < batches; i++)
        put_batch(&b, (struct weir_time){wall, wall + (int64_t)i});
    double put = (double)b.count / (now() - began), put_cpu = (cpu() - cpu_began) / (double)b.count * 1e6;
    struct weir_time later = {wall + 2 * 3600000, wall + 2 * 3600000};
    began = now();
    cpu_began = cpu();
    int64_t text = seal_all(&b, later, &packed);
    double passed = now() - began, seal = (double)b.count / passed;
    double seal_cpu = (cpu() - cpu_began) / (double)b.count * 1e6;
    printf("events of %zu bytes on average, %d a commit; a plain file of the same batches takes %.0f/s\n", size / BATCH,
           BATCH, file);
    printf("  put   %9.0f events/s  %5.2f us of CPU each   %.2f of the plain file\n", put, put_cpu, put / file);
    printf("  seal  %9.0f events/s  %5.2f us of CPU each   %.0f MB/s, %.1f times smaller\n", seal, seal_cpu,
           (double)text / passed / 1e6, (double)text / (double)packed);
    printf("  both  %9.0f events/s  %5.2f us of CPU each, on one processor\n", 1 / (1 / put + 1 / seal),
           put_cpu + seal_cpu);
    need(archive_files(b.store, def.name, add_events, (void *[]){&b, &found, (void *)folder}, &b.diag), &b.diag);
    printf("  %llu events put, %llu found in sealed files\n", (unsigned long long)b.count, (unsigned long long)found);
    archive_adapter.close(b.target);
    store_close(b.store);
    if (argc < 2) {
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        (void)!system(command);
    }
    return found == b.count ? 0 : 70;
}
