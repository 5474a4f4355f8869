/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_AUTH_SIGV4_INT_H
#define ROUTER_AUTH_SIGV4_INT_H

/* Private to auth_sigv4*.c. */

#include "router/auth_sigv4.h"

#define SIGV4_HASH_SIZE 32
#define SIGV4_HEX_SIZE  64

struct sigv4_hash {
    unsigned char bytes[SIGV4_HASH_SIZE];
};

void sigv4_digest(struct str text, char hex[SIGV4_HEX_SIZE + 1]);
void sigv4_sign(const struct sigv4_hash *key, struct str text, char hex[SIGV4_HEX_SIZE + 1]);
bool sigv4_equal(struct str hex, struct str other); /* in constant time */
bool sigv4_fail(struct sigv4_result *out, enum sigv4_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The only header of that name; {NULL,0}: none. *twice_out: there are several. */
struct str sigv4_header(const struct sigv4_request *r, const char *name, bool *twice_out);

#define SIGV4_MISMATCH_TEXT                                                                                            \
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key " \
    "and signing method. Consult the service documentation for details."

/* ---- auth_sigv4_parse.c ---- */
/* Reads what a request says about its signature; texts are copied into strings. False: *out says what is wrong. */
bool sigv4_parse(const struct sigv4_request *r, struct sigv4_credential *c, struct buf *strings,
                 struct sigv4_result *out);

/* ---- auth_sigv4_canonical.c ---- */
/* Appends with percent-decoding; plus: + is a blank. */
void sigv4_decode(struct buf *out, struct str text, bool plus);
/* The next "name=value" of a query; false: no more. */
bool sigv4_next_parameter(struct str *rest, struct str *name, struct str *value);

/* ---- auth_sigv4_chunks.c ---- */
/* A body in signed chunks, into out->body. */
bool sigv4_unchunk(const struct sigv4_request *r, const struct sigv4_credential *c, const struct sigv4_hash *key,
                   bool trailer, struct sigv4_result *out);

#endif
