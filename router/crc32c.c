/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C for the journal. SSE 4.2 has the polynomial as an instruction (8 bytes in 3 cycles); elsewhere a table of 256
 * entries does a byte at a time, which is slower than the disk only for large bodies.
 */
#include "router/crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82F63B78u /* reflected 0x1EDC6F41 */

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ POLYNOMIAL : c >> 1;
        table[i] = c;
    }
}

uint32_t crc32c_plain(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;

    pthread_once(&table_once, make_table);
    crc = ~crc;
    while (size--)
        crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    uint64_t c = ~crc, word;

    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&word, p, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    uint32_t rest = (uint32_t)c;
    while (size--)
        rest = __builtin_ia32_crc32qi(rest, *p++);
    return ~rest;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, bytes, size) : crc32c_plain(crc, bytes, size);
}
#else
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    return crc32c_plain(crc, bytes, size);
}
#endif
