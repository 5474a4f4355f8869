/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_UUID_H
#define TARGETS_UUID_H

#define UUID_TEXT_BYTES 36

/* A random UUID (RFC 4122, version 4) as its 36 characters and a NUL. */
void uuid_make(char out[UUID_TEXT_BYTES + 1]);
/* The same text from 16 bytes of the caller's (a hash), with version and variant set. */
void uuid_from_bytes(const unsigned char bytes[16], int version, char out[UUID_TEXT_BYTES + 1]);

#endif
