/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_WAY_H
#define TESTS_BENCH_WAY_H

/*
 * The whole way of an event, measured from outside: a real `weir run` on a free port with its data on a real disk, and
 * a client on the same machine. way_bench.c makes the runs; the parts:
 *
 *     way_place.c    the program, a folder on a real disk, and a plain file there as the yardstick
 *     way_router.c   starts and ends the router, reads its metrics, its memory and its threads' CPU time
 *     way_events.c   the events, the rules, and how often the rules must match
 *     way_client.c   keep-alive connections that ask and wait for 200; a target that notes when it was called
 *
 * What goes wrong ends the program with a message: a benchmark that lost an event has no figure.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "matcher/buf.h"

#define WAY_BATCH       1000 /* events of an NDJSON request */
#define WAY_EVENT_BYTES 1024
#define WAY_ENTRIES     10 /* of a PutEvents request */

double way_now(void);          /* seconds */
double way_own_cpu(void);      /* seconds, user and system, of this process */
double way_children_cpu(void); /* … of those it has waited for */
__attribute__((noreturn, format(printf, 1, 2))) void way_fail(const char *format, ...);

/* ---- way_place.c ---- */

/* The program built beside argv0, or $WEIR; a new folder bench-NAME-… in $WAY_FOLDER or here. PATH_MAX bytes each. */
void way_place_make(const char *argv0, const char *name, char *weir, char *folder);
bool way_place_remove(const char *path);
/* Events a second of a plain file in the folder: batches appended with one write and one fdatasync each. */
double way_plain_rate(const char *folder, size_t batch_bytes, unsigned events, double seconds);

/* ---- way_router.c ---- */

#define WAY_PARTS 8
struct way_cpu { /* seconds that each kind of thread has run, by the thread's name */
    struct way_part {
        char name[16];
        double seconds;
    } parts[WAY_PARTS];
    size_t count;
    double all;
};

struct way_router {
    pid_t pid;
    uint16_t port;
    double start_seconds; /* from fork to ready */
};

/* folder/weir.yaml is what it runs, folder/data what it writes. */
void way_router_start(struct way_router *r, const char *weir, const char *folder);
void way_router_stop(struct way_router *r);
void way_router_cpu(const struct way_router *r, struct way_cpu *out);
double way_router_resident_mib(const struct way_router *r);
/* The sum of a family's series whose labels hold `label`: way_metric(r, "weir_events_matched_total", "\"matched\""). */
double way_metric(const struct way_router *r, const char *family, const char *label);
void way_metric_await(const struct way_router *r, const char *family, const char *label, double value); /* or more */
void way_write_file(const char *folder, const char *name, const struct buf *text);

/* ---- way_events.c ---- */

/* Event `number` of a batch, WAY_EVENT_BYTES long; complete: with all members an envelope has. */
void way_event(struct buf *out, unsigned number, bool complete);
void way_ndjson(struct buf *out, bool complete);       /* a batch */
void way_put_events(struct buf *out, unsigned number); /* a request with events number … number + WAY_ENTRIES - 1 */
void way_rules(struct buf *out, unsigned count, const char *target); /* of eight kinds, below a line "rules:" */
unsigned way_matches(unsigned first, unsigned count);                /* how often the rules match these events */

/* ---- way_client.c ---- */

struct way_requests {       /* sent over and over, in turn */
    const struct buf *list; /* whole requests, with their heads */
    size_t count;
    const char *expected; /* what the body of each answer holds */
    uint64_t most;        /* at most about so many are sent in all; 0: as many as there is time for */
};
void way_request(struct buf *out, const char *path, const char *headers, struct str body);

/* `connections` connections with one request under way each, for so long; then those under way are waited for. */
uint64_t way_load(uint16_t port, const struct way_requests *requests, unsigned connections, double seconds);
int way_connect(uint16_t port);
/* Sends and reads the answer, whose body is put in `out`; its status. */
int way_ask(int fd, struct str request, struct buf *out);

struct way_target { /* answers 200 to every POST and notes when it came */
    int fd;
    uint16_t port;
};
void way_target_open(struct way_target *t);
/* Waits for one call and answers it; when it had come whole. Keeps its connection in *fd (-1 at first). */
double way_target_take(const struct way_target *t, int *fd);

#endif
