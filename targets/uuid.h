/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_UUID_H
#define TARGETS_UUID_H

/* UUIDs in their written form: 36 bytes and a NUL, lower case. Any thread. */

#include <stdbool.h>
#include <stdint.h>

#define UUID_SIZE 36

bool uuid_random(char out[UUID_SIZE + 1]); /* version 4; false: the kernel gives no randomness, errno is set */
/* Version 8 (RFC 9562: made by a rule of one's own): from the first 16 bytes of a digest, so the same digest gives the
 * same UUID. */
void uuid_from_digest(const uint8_t digest[16], char out[UUID_SIZE + 1]);

#endif
