/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_JSON_KEYS_H
#define MATCHER_JSON_KEYS_H

/*
 * Private to json_check.c: the keys of the objects that are open, to find out whether one is repeated.
 *
 *     struct json_keys_level outer = json_keys_open(&keys);      // at {
 *     json_keys_push(&keys, raw, end, escaped);                  // at each key
 *     json_keys_close(&keys, &outer);                            // at }
 */

#include "matcher/json_int.h"

#define JSON_KEYS_LOCAL 128 /* live keys held without malloc: more than real events have at one time */

struct json_key {
    struct str raw;
    uint64_t head; /* first eight decoded bytes */
    uint32_t size; /* decoded, cut to 32 bits: equal keys have equal sizes all the same */
    bool escaped;
};

struct json_keys {
    struct json_key *list;
    size_t count, capacity;
    uint64_t seen; /* bits of the present object's keys */
    bool repeats;  /* it has two keys of one bit */
    bool repeated; /* a key was there twice in some object that was closed */
    bool failed;   /* out of memory */
    struct json_key local[JSON_KEYS_LOCAL];
};

struct json_keys_level { /* of the object around the present one */
    uint64_t seen;
    uint32_t count;
    bool repeats;
};

void json_keys_init(struct json_keys *keys);
void json_keys_fini(struct json_keys *keys);
struct json_keys_level json_keys_open(struct json_keys *keys);
void json_keys_push(struct json_keys *keys, struct str raw, const char *end,
                    bool escaped); /* raw: with its quotes; end: of the text */
void json_keys_close(struct json_keys *keys, const struct json_keys_level *outer);

#endif
