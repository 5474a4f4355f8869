/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_HTTP_CLIENT_H
#define TARGETS_HTTP_CLIENT_H

/*
 * HTTP requests on the dispatch loop, for adapters: libcurl's multi interface says which sockets and which time-out it
 * waits for, libevent tells it when they are due, and connections are kept open between requests.
 *
 *     start ─► easy handle into the multi ─► socket_cb, timer_cb register ─► ready_cb, due_cb drive ─► call->done
 *
 * A call is embedded in whatever the adapter keeps of a request. It is prepared, gets its headers and goes; later,
 * never from inside http_call_start(), done is called from the loop, once, with the results filled in. The call then
 * is the adapter's again: http_call_fini() it. A client that is closed forgets its calls without a word.
 *
 * Redirects are not followed, since that would hand the headers (secrets among them) to whoever the answer names.
 * Proxies of the environment are not used.
 */

#include <curl/curl.h>
#include <sys/queue.h>

#include "targets/adapter.h"

#define HTTP_ANSWER_BYTES 160 /* of an answer's body, for messages */

struct http_call;
TAILQ_HEAD(http_calls, http_call);
TAILQ_HEAD(http_sockets, http_socket);

struct http_client {
    struct host *host;
    long connections; /* kept open */
    CURLM *multi;     /* NULL: it ran out of memory and was dropped */
    struct event *timer;
    struct http_calls calls;
    struct http_sockets sockets;
};

enum http_failure {
    HTTP_ANSWERED,  /* status says how */
    HTTP_TIMED_OUT, /* no whole answer in time */
    HTTP_BROKEN,    /* the connection, the name, TLS: message has libcurl's words */
    HTTP_OUT_OF_MEMORY
};

struct http_call {
    /* The adapter's, before the start. */
    void (*done)(struct http_call *call);
    struct buf *whole_answer; /* takes the answer's body, up to its max; NULL: nobody wants it */

    /* Results. */
    enum http_failure failure;
    int status;
    bool has_retry_after;
    int64_t retry_after_ms;             /* below 0: the server wants it never again */
    char answer[HTTP_ANSWER_BYTES + 1]; /* the beginning of the body, as one line of plain characters */
    char message[CURL_ERROR_SIZE];      /* of what is not ANSWERED */

    /* Private. */
    TAILQ_ENTRY(http_call) link;
    struct http_client *client; /* NULL: not under way */
    CURL *curl;
    struct curl_slist *headers;
    size_t answer_size;
};

struct http_request_line {
    const char *url, *method, *user_agent;
    int64_t timeout, connect_timeout; /* ms */
    struct str body;                  /* must live until done */
    bool bodiless;                    /* no body and no Content-Length go out */
};

/* False: out of memory; http_client_fini() is fine in any case, as for a zeroed one. */
bool http_client_init(struct http_client *c, struct host *host, long connections);
void http_client_fini(struct http_client *c);

/* To be done first; whole_answer and done are kept. */
void http_call_init(struct http_call *call);
/* Values come from events too: what could end the line or begin another header is percent-encoded. False: memory. */
bool http_call_header(struct http_call *call, const char *name, struct str value);
/* False: out of memory, and done will not be called. */
bool http_call_start(struct http_client *c, struct http_call *call, const struct http_request_line *line);
void http_call_fini(struct http_call *call); /* under way: it is given up */

/* What a call's end means for a delivery. 2xx is done; again (ended by 0) and 5xx, and everything that happens to
   connections, is tried again, not before the Retry-After that the server gave; the rest is for good. show_answer: the
   message may have the beginning of the body. */
void http_call_judge(const struct http_call *call, const int *again, bool show_answer, struct verdict *v);

#endif
