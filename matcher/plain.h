/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_PLAIN_H
#define MATCHER_PLAIN_H

/*
 * How far a JSON string goes on with bytes that mean themselves: everything but the quote, the backslash, control
 * characters and what is not ASCII. Sixteen bytes a step with SSE2, which every x86-64 has; eight elsewhere.
 */

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

#define PLAIN_STEP 16

/* A bit for each byte that is not plain. Signed, what is not ASCII is below the space too. */
static inline unsigned plain_marks(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), low));
}

/* A bit for each quote and backslash. */
static inline unsigned plain_quotes(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(quote, slash));
}

/* A bit for each backslash. */
static inline unsigned plain_slashes(const char *p)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('\\')));
}

static inline size_t plain_first(unsigned marks)
{
    return (size_t)__builtin_ctz(marks);
}
#else
#define PLAIN_STEP 8
#define PLAIN_ONES 0x0101010101010101u

/* The first byte lowest. */
static inline uint64_t plain_load(const char *p)
{
    uint64_t bytes;
    memcpy(&bytes, p, sizeof(bytes));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return bytes;
}

/* The top bit of each byte that is c; carries can mark bytes behind the first one wrongly, never before it. */
static inline uint64_t plain_equal(uint64_t bytes, char c)
{
    uint64_t x = bytes ^ (PLAIN_ONES * (uint8_t)c);
    return (x - PLAIN_ONES) & ~x & PLAIN_ONES << 7;
}

/* The top bit of each byte that is not plain. */
static inline uint64_t plain_marks(const char *p)
{
    uint64_t bytes = plain_load(p), low = (bytes - PLAIN_ONES * 0x20) & ~bytes;
    return plain_equal(bytes, '"') | plain_equal(bytes, '\\') | ((low | bytes) & PLAIN_ONES << 7);
}

static inline uint64_t plain_quotes(const char *p)
{
    uint64_t bytes = plain_load(p);
    return plain_equal(bytes, '"') | plain_equal(bytes, '\\');
}

static inline uint64_t plain_slashes(const char *p)
{
    return plain_equal(plain_load(p), '\\');
}

static inline size_t plain_first(uint64_t marks)
{
    return (size_t)__builtin_ctzll(marks) / 8;
}
#endif

/* The first byte from p on that is not plain, or end. */
static inline const char *plain_end(const char *p, const char *end)
{
    for (; end - p >= PLAIN_STEP; p += PLAIN_STEP) {
        __typeof__(plain_marks(p)) marks = plain_marks(p);
        if (marks)
            return p + plain_first(marks);
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= ' ' && (unsigned char)*p < 0x80)
        p++;
    return p;
}

/* The first quote or backslash from p on, or end: for texts that were checked. */
static inline const char *plain_quote(const char *p, const char *end)
{
    for (; end - p >= PLAIN_STEP; p += PLAIN_STEP) {
        __typeof__(plain_quotes(p)) marks = plain_quotes(p);
        if (marks)
            return p + plain_first(marks);
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

#endif
