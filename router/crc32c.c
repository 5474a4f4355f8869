/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C for the journal. SSE 4.2 has the polynomial as an instruction: 8 bytes, and the next one may begin a cycle
 * later, but an instruction that needs the result waits for three. So three parts of a text are worked on side by side
 * and put together by a table that says what a CRC becomes behind a part of zeros (it is linear). Elsewhere a table of
 * 256 entries does a byte at a time, which is slower than the disk only for large bodies.
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
/* What a CRC becomes behind `size` zeros, by its four bytes. */
struct behind_zeros {
    size_t size;
    uint32_t table[4][256];
};

/* Three long parts, then three short ones, then one by one: a record of 1 KiB is mostly the first. */
static struct behind_zeros parts[] = {{.size = 256}, {.size = 64}};
static pthread_once_t parts_once = PTHREAD_ONCE_INIT;

static uint32_t behind(const struct behind_zeros *z, uint32_t crc)
{
    return z->table[0][crc & 0xff] ^ z->table[1][crc >> 8 & 0xff] ^ z->table[2][crc >> 16 & 0xff] ^
           z->table[3][crc >> 24];
}

static void make_parts(void)
{
    static const uint8_t zeros[256];

    for (struct behind_zeros *z = parts; z < parts + sizeof parts / sizeof parts[0]; z++)
        for (unsigned byte = 0; byte < 4; byte++)
            for (uint32_t i = 0; i < 256; i++)
                z->table[byte][i] = ~crc32c_plain(~(i << 8 * byte), zeros, z->size);
}

__attribute__((target("sse4.2"))) static uint64_t step(uint64_t c, const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return __builtin_ia32_crc32di(c, word);
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    uint64_t c = ~crc;

    pthread_once(&parts_once, make_parts);
    for (const struct behind_zeros *z = parts; z < parts + sizeof parts / sizeof parts[0]; z++)
        for (; size >= 3 * z->size; p += 3 * z->size, size -= 3 * z->size) {
            uint64_t second = 0, third = 0;
            for (size_t i = 0; i < z->size; i += 8) {
                c = step(c, p + i);
                second = step(second, p + z->size + i);
                third = step(third, p + 2 * z->size + i);
            }
            c = behind(z, behind(z, (uint32_t)c) ^ (uint32_t)second) ^ (uint32_t)third;
        }
    for (; size >= 8; p += 8, size -= 8)
        c = step(c, p);
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
