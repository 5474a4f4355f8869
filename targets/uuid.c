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

bool uuid_random(char out[UUID_SIZE + 1])
{
    uint8_t bytes[16];
    ssize_t got;

    do {
        got = getrandom(bytes, sizeof(bytes), 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(bytes)) /* up to 256 bytes the kernel gives all or nothing */
        return false;
    format(bytes, 4, out);
    return true;
}

void uuid_from_digest(const uint8_t digest[16], char out[UUID_SIZE + 1])
{
    uint8_t bytes[16];

    memcpy(bytes, digest, sizeof(bytes));
    format(bytes, 8, out);
}
