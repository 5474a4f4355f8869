/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_BROKER_H
#define TESTS_BENCH_BROKER_H

/*
 * What brokers_bench.c measures side by side: one `struct broker` a row of its table, each in broker_KIND.c. All get
 * the same events, in windows of as many: so many are sent, and only then must answers come.
 *
 *     server start, wait ── for each cell: begin ── connections × (connect, send …, close) ── settle ── verify ── end
 * ── stop
 *
 * A server that is not there, or does not start, is a row that says so (server->why). What fails once it serves ends
 * the program; servers are children and are killed with it.
 */

#include "tests/bench/way.h"

#define BROKER_EVENTS 1000 /* different ones; no window is larger */

extern char broker_events[BROKER_EVENTS][WAY_EVENT_BYTES];

struct broker_server {
    const char *weir;   /* the program */
    const char *folder; /* its own, on the same disk as the others', empty */
    pid_t pid;
    uint16_t port;
    pid_t helper; /* another process it needs; 0: none */
    char why[300];
};

struct broker {
    const char *kind;  /* names it on the command line */
    const char *name;  /* what it is called in the table */
    const char *sends; /* what a window of N events is here, and what an answer promises: for the legend */
    const char *lacks; /* the package it was built without; NULL: none */
    unsigned most;     /* events in a window */
    bool (*start)(struct broker_server *s); /* false: s->why says why not */
    void (*stop)(struct broker_server *s);
    void (*begin)(struct broker_server *s); /* a place for events that is empty */
    void *(*connect)(const struct broker_server *s);
    uint64_t (*send)(void *client, unsigned window, double until); /* how many were answered */
    void (*close)(void *client);
    void (*settle)(const struct broker_server *s,
                   uint64_t events); /* timed: until all can be had; NULL: when answered */
    void (*verify)(const struct broker_server *s, uint64_t events); /* not timed: all are there; or NULL */
    void (*end)(struct broker_server *s);
};

extern const struct broker broker_weir_bare, broker_weir_queue, broker_nats_sync, broker_nats_async,
    broker_rabbitmq_classic, broker_rabbitmq_quorum, broker_redis;

/* ---- broker_server.c ---- */

/* Before any other thread: ends the servers and removes the folder however the program ends, ^C included. */
void broker_server_guard(const char *folder);
uint16_t broker_server_port(void); /* one that is free now */
/* A child in the server's folder, its output in folder/log; it dies with this program. environment: "NAME=VALUE"… */
pid_t broker_server_spawn(const char *folder, char *const argv[], char *const environment[]);
/* Until something listens on s->port; false where s->pid has ended (127: not installed) or the time is up. */
bool broker_server_wait(struct broker_server *s, const char *package, unsigned seconds);
void broker_server_end(pid_t pid); /* SIGTERM, and SIGKILL after some seconds */

#endif
