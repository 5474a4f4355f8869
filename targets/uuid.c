/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs: random ones for messages and events, and ones made from a hash where the same thing must get the same id
 * again. */
#include "targets/uuid.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void uuid_from_bytes(const unsigned char bytes[16], int version, char out[UUID_TEXT_BYTES + 1])
{
    unsigned char b[16];

    memcpy(b, bytes, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | version << 4);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, UUID_TEXT_BYTES + 1, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

void uuid_make(char out[UUID_TEXT_BYTES + 1])
{
    unsigned char bytes[16];
    size_t have = 0;

    while (have < sizeof bytes) {
        ssize_t n = getrandom(bytes + have, sizeof bytes - have, 0);
        have += n > 0 ? (size_t)n : 0;
    }
    uuid_from_bytes(bytes, 4, out);
}
