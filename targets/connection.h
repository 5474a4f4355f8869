/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_CONNECTION_H
#define TARGETS_CONNECTION_H

/*
 * A connection: how one authorizes oneself to somebody's HTTP API, and what goes with every request there. It is no
 * target; API destinations name one. Its secrets are texts of the file, of the environment, or sealed (secret.h) as the
 * APIs keep them; who talks by it gets a copy in which all is in clear.
 */

#include "targets/adapter.h"

enum authorization_type { AUTHORIZATION_BASIC, AUTHORIZATION_API_KEY, AUTHORIZATION_OAUTH };
extern const char *const authorization_types[]; /* AWS's names, by that index; ended by NULL */

struct http_parameters {
    struct option_list headers, queries, bodies; /* of struct option_header */
};

struct connection_options {
    struct str description;
    int authorization_type;
    bool deauthorized;
    struct {
        bool written;
        struct str username;
        struct option_secret password;
    } basic;
    struct {
        bool written;
        struct str name;
        struct option_secret value;
    } api_key;
    struct {
        bool written;
        struct str client_id;
        struct option_secret client_secret;
        struct str endpoint;
        int method; /* index into oauth_methods */
        struct http_parameters parameters;
    } oauth;
    struct http_parameters invocation;
};

extern const char *const oauth_methods[]; /* GET, POST, PUT; ended by NULL */
extern const struct adapter connection_adapter;

/* Fills out with the definition's options, all secrets in clear; its texts lie in the arena. False: diag says
   why one cannot be opened (the key is lost, …). */
bool connection_reveal(const struct target_def *def, const char *data_dir, struct arena *arena,
                       struct connection_options *out, struct weir_diag *diag);

#endif
