/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_OPTIONS_INT_H
#define RULES_OPTIONS_INT_H

/* What the fillers of option types share: each reads one node and writes one field, or reports and says false. */

#include "rules/options.h"

#define OPTIONS_WHAT_SIZE 320 /* "'subscriptions' of topic 'NAME'", the longest names included */

struct field {
    const struct options_reader *r;
    const struct option *option;
    const struct node *node;
    const char *what; /* whose option it is */
    void *out;
};

/* "'timeout' must be WANTED, not a list"; a NODE_FAULT was reported already. False. */
bool options_expect(const struct field *f, const char *wanted);
bool options_out_of_memory(const struct options_reader *r); /* false */

/* options_headers.c: OPTION_HEADERS and OPTION_PARAMETERS; OPTION_SECRET */
bool options_fill_headers(const struct field *f);
bool options_fill_secret(const struct field *f);

#endif
