/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_HASH_H
#define MATCHER_HASH_H

/*
 * A quick hash of short byte strings, eight bytes a step, for tables whose keys come from patterns: events only look
 * keys up, so they cannot build long chains.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The first eight bytes as a number, zeros behind a shorter text: with the size it decides most comparisons. */
static inline uint64_t hash_head(const char *bytes, size_t size)
{
    uint64_t head = 0;
    if (size >= sizeof(head)) {
        memcpy(&head, bytes, sizeof(head));
        return head;
    }
    char *to = (char *)&head;
    if (size & 4) {
        memcpy(to, bytes, 4);
        to += 4, bytes += 4;
    }
    if (size & 2) {
        memcpy(to, bytes, 2);
        to += 2, bytes += 2;
    }
    if (size & 1)
        *to = *bytes;
    return head;
}

/* The same of bytes within a text that ends at `end`: in one load where the text goes on behind them. */
static inline uint64_t hash_head_within(const char *bytes, size_t size, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t head;
    if (size < sizeof(head) && end - bytes >= (ptrdiff_t)sizeof(head)) {
        memcpy(&head, bytes, sizeof(head));
        return size ? head & UINT64_MAX >> (64 - 8 * size) : 0;
    }
#endif
    return hash_head(bytes, size);
}

static inline uint64_t hash_mix(uint64_t h, uint64_t eight)
{
    h = (h ^ eight) * 0x9E3779B97F4A7C15u; /* 2^64 divided by the golden ratio */
    return h ^ h >> 32;
}

static inline uint64_t hash_bytes(uint64_t seed, const char *bytes, size_t size)
{
    uint64_t h = hash_mix(seed, size);
    for (; size > 8; bytes += 8, size -= 8)
        h = hash_mix(h, hash_head(bytes, 8));
    return hash_mix(h, hash_head(bytes, size)) * 0xD6E8FEB86659FD93u >> 16;
}

#endif
