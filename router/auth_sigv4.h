/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_AUTH_SIGV4_H
#define ROUTER_AUTH_SIGV4_H

/*
 * AWS Signature Version 4, the verifier's side: a request as it came, the keys, the time; out comes whose it is, or
 * what is wrong with it in AWS's words. Pure: no sockets, no clock, no log. Any thread; derived signing keys are
 * remembered by each thread for itself.
 *
 * Taken are the header form (Authorization: AWS4-HMAC-SHA256 …) and the query form (presigned URLs); payloads whose
 * hash is signed, chunked payloads whose chunks are (STREAMING-AWS4-HMAC-SHA256-PAYLOAD, -TRAILER too), and, over TLS
 * only, UNSIGNED-PAYLOAD. Host and every X-Amz-… header that is there must be signed. Session tokens are refused: no
 * key here has any.
 */

#include "matcher/buf.h"
#include "rules/access.h"

#define SIGV4_SKEW_SECONDS   300
#define SIGV4_EXPIRES_MAX    604800 /* seconds a presigned request may be good for */
#define SIGV4_SIGNED_MAX     64     /* signed headers */
#define SIGV4_PARAMETERS_MAX 256    /* of the query */

struct sigv4_header {
    struct str name, value;
};

struct sigv4_request {
    struct str method;
    struct str path, query; /* as they stand in the request line */
    const struct sigv4_header *headers;
    size_t header_count;
    struct str body;
    bool tls;
};

enum sigv4_fault {
    SIGV4_GOOD,
    SIGV4_MISSING,     /* it is not signed at all */
    SIGV4_INCOMPLETE,  /* parts of the signature are not there, or not readable */
    SIGV4_UNKNOWN_KEY, /* no such access key; or a session token */
    SIGV4_MISMATCH,    /* not signed by that key, or other things were; or too early, or too late */
    SIGV4_EXPIRED      /* presigned, and it has had its time */
};

struct sigv4_result {
    enum sigv4_fault fault;
    const struct access_holder *key; /* NULL but for SIGV4_GOOD */
    char service[16];                /* "events": of the credential's scope */
    bool decoded;                    /* the body is `body`: it came in signed chunks */
    struct buf body;                 /* the caller's to free */
    char message[400];               /* of a fault */
};

/* True: out->fault is SIGV4_GOOD. Out of memory shows as out->body.failed with SIGV4_MISMATCH. */
bool sigv4_verify(const struct sigv4_request *r, const struct access *access, int64_t now_ms, struct sigv4_result *out);

/* ---- for tests ---- */
/* The canonical request without its payload hash's check: what is hashed and signed. */
struct sigv4_credential {                 /* what a request says about its signature */
    struct str id, date, region, service; /* date: YYYYMMDD */
    struct str signed_headers, signature; /* "host;x-amz-date"; hex */
    struct str time;                      /* YYYYMMDDTHHMMSSZ */
    struct str payload_hash;              /* as sent; {NULL,0}: none */
    struct str scope;                     /* date/region/service/aws4_request */
    int64_t expires;                      /* presigned: seconds */
    bool presigned;
};
void sigv4_write_canonical(const struct sigv4_request *r, const struct sigv4_credential *c, struct str payload_hash,
                           struct buf *out);

#endif
