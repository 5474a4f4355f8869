/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_SHOW_H
#define ROUTER_CLI_SHOW_H

/* Reading the router's JSON answers and showing them: members by name, lists, and the tables that several verbs print.
 */

#include "matcher/json.h"

/* The text member `key`, decoded into out (cut to size, NUL-terminated; "" when it is not there); returns out. */
const char *show_text(struct str object, const char *key, char *out, size_t size);
long long show_int(struct str object, const char *key); /* 0 when it is not there */
bool show_bool(struct str object, const char *key);
const char *show_duration(long long seconds); /* "3m20s"; a static buffer, good until the next call */
const char *show_bytes(long long bytes, char out[16]);

struct show_list {
    struct json_reader reader;
    bool open;
};
struct show_list show_open(struct str array);
bool show_next(struct show_list *l, struct str *out); /* the next element's whole text */

void show_queues(struct str queues);
void show_archives(struct str archives);

/* One line for each element of an array member: for --json. */
void show_lines(struct str array);

#endif
