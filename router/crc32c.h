/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CRC32C_H
#define ROUTER_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 B.4) of bytes, going on from `crc` (0 to start). By the processor's instruction where
 * it has one. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);
/* The same without the instruction: what the other one is tested against. */
uint32_t crc32c_plain(uint32_t crc, const void *bytes, size_t size);

#endif
