/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_ID_MEMORY_H
#define ROUTER_ID_MEMORY_H

/*
 * Digests of ids with the age at which each was noted; the oldest go first. It grows with what it holds, up to
 * ID_MEMORY_BYTES for each of `max` ids; where it is full the oldest is forgotten for a new one, and counted. Empty, it
 * holds no memory. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_DIGEST_BYTES 16
#define ID_MEMORY_BYTES 40 /* an id, at most: an entry of 24, and of 2 to 4 slots of 4 */
#define ID_MEMORY_MAX   100000000

struct id_digest {
    unsigned char bytes[ID_DIGEST_BYTES];
};

struct id_memory {
    size_t max;
    size_t count;
    uint64_t forgotten; /* before their time, since it was full */

    /* private */
    uint64_t seed; /* set by the owner: spreads the slots so that nobody can build long chains */
    struct id_entry {
        struct id_digest digest;
        int64_t age;
    } * ring;
    size_t capacity, first;
    uint32_t *slots; /* place in the ring + 1; 0 is free */
    size_t slot_count;
};

/* True: it is there, noted after `until`. Else it is noted now, as of `age`; ages never go down. What was noted at
   `until` or before is forgotten by the way. */
bool id_memory_note(struct id_memory *m, const struct id_digest *digest, int64_t age, int64_t until);
void id_memory_expire(struct id_memory *m, int64_t until);
int64_t id_memory_oldest(const struct id_memory *m);   /* its age; INT64_MAX: none */
void id_memory_limit(struct id_memory *m, size_t max); /* 1..ID_MEMORY_MAX; forgets what does not fit any more */
void id_memory_fini(struct id_memory *m);

#endif
