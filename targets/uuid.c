/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDs as messages carry them: random ones, and ones derived from a digest, which stay the same when the same
 * message is sent again.
 */
#include "targets/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static void format(uint8_t bytes[16], unsigned version, char *out)
{
    static const char digits[] = "0123456789abcdef";

    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | version << 4);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

#define POOL_BYTES 4096 /* of the kernel's randomness, a thread: one call for 256 identifiers */

/* Used bytes are wiped: what was given out is nowhere else. A process that forks and goes on in the child must not have
   made identifiers before. */
static _Thread_local struct {
    uint8_t bytes[POOL_BYTES];
    size_t left;
} pool;

static bool fill_pool(void)
{
    size_t have = 0;

    while (have < POOL_BYTES) {
        ssize_t got = getrandom(pool.bytes + have, POOL_BYTES - have, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    pool.left = POOL_BYTES;
    return true;
}

bool uuid_random(char out[UUID_SIZE + 1])
{
    uint8_t bytes[16];

    if (pool.left < sizeof(bytes) && !fill_pool())
        return false;
    pool.left -= sizeof(bytes);
    memcpy(bytes, pool.bytes + pool.left, sizeof(bytes));
    memset(pool.bytes + pool.left, 0, sizeof(bytes));
    format(bytes, 4, out);
    return true;
}

void uuid_from_digest(const uint8_t digest[16], char out[UUID_SIZE + 1])
{
    uint8_t bytes[16];

    memcpy(bytes, digest, sizeof(bytes));
    format(bytes, 8, out);
}
