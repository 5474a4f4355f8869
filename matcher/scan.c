/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixty-four bytes become six masks, a bit a byte, by comparing many bytes at once: that is all that differs between
 * machines (AVX2 where the processor has it, SSE2 on every x86-64, a table of classes elsewhere). The rest is
 * arithmetic on masks:
 *
 *     {"a\"b": 1.5}
 *      1  1 1   quotes, less those behind a backslash        in strings: ones from each opening quote to before its
 *      1111100  in strings                                   closing one, the exclusive or of all quotes before a place
 *     1       1    1   { } [ ] : , outside strings           runs: what is none of these and no white space; the first
 *               1      first bytes of runs                   byte of each is a mark
 *
 * Cost: about a tenth of a nanosecond a byte with AVX2, and one step for every mark.
 */
#include "matcher/scan.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define BLOCK 64

struct masks {
    uint64_t quote, slash, high;
    uint64_t low;   /* below the space; may hold bytes that are not ASCII */
    uint64_t blank; /* the space */
    uint64_t mark;  /* { } [ ] : , */
};

struct brackets {
    uint64_t quote, slash, open, close;
};

int scan_level;

/* ---- bytes to masks ---- */

/* A kind of machine looks at 64 bytes. */
typedef void look_function(const char *p, struct masks *m);
typedef void look_brackets_function(const char *p, struct brackets *m);

enum { QUOTE = 1, SLASH = 2, LOW = 4, BLANK = 8, MARK = 16, HIGH = 32 };

static const uint8_t classes[256] = {
    [0 ... 31] = LOW, [' '] = BLANK, ['"'] = QUOTE, ['\\'] = SLASH, ['{'] = MARK,         ['}'] = MARK,
    ['['] = MARK,     [']'] = MARK,  [':'] = MARK,  [','] = MARK,   [128 ... 255] = HIGH,
};

static inline void look_plain(const char *p, struct masks *m)
{
    *m = (struct masks){0};
    for (unsigned i = 0; i < BLOCK; i++) {
        uint64_t class = classes[(unsigned char)p[i]];
        m->quote |= (class & 1) << i;
        m->slash |= (class >> 1 & 1) << i;
        m->low |= (class >> 2 & 1) << i;
        m->blank |= (class >> 3 & 1) << i;
        m->mark |= (class >> 4 & 1) << i;
        m->high |= (class >> 5) << i;
    }
}

static inline void look_brackets_plain(const char *p, struct brackets *m)
{
    *m = (struct brackets){0};
    for (unsigned i = 0; i < BLOCK; i++) {
        m->quote |= (uint64_t)(p[i] == '"') << i;
        m->slash |= (uint64_t)(p[i] == '\\') << i;
        m->open |= (uint64_t)((p[i] | 0x20) == '{') << i;
        m->close |= (uint64_t)((p[i] | 0x20) == '}') << i;
    }
}

#ifdef __x86_64__
/* { and [ differ from each other by one bit that no other byte here has, and so do } and ]. Signed, what is not ASCII
   is below the space. */
static inline void look_sse2(const char *p, struct masks *m)
{
    *m = (struct masks){0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(p + i));
        __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        __m128i brackets =
            _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')), _mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
        __m128i points =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8(',')));
#define BITS(x) ((uint64_t)(uint32_t)_mm_movemask_epi8(x) << i)
        m->quote |= BITS(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
        m->slash |= BITS(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        m->low |= BITS(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')));
        m->blank |= BITS(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')));
        m->mark |= BITS(_mm_or_si128(brackets, points));
        m->high |= BITS(bytes);
#undef BITS
    }
}

static inline void look_brackets_sse2(const char *p, struct brackets *m)
{
    *m = (struct brackets){0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(p + i)), folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
#define BITS(x, c) ((uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8(c))) << i)
        m->quote |= BITS(bytes, '"');
        m->slash |= BITS(bytes, '\\');
        m->open |= BITS(folded, '{');
        m->close |= BITS(folded, '}');
#undef BITS
    }
}

__attribute__((target("avx2"))) static inline void look_avx2(const char *p, struct masks *m)
{
    *m = (struct masks){0};
#pragma GCC unroll 2
    for (unsigned i = 0; i < BLOCK; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(p + i));
        __m256i folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
        __m256i brackets = _mm256_or_si256(_mm256_cmpeq_epi8(folded, _mm256_set1_epi8('{')),
                                           _mm256_cmpeq_epi8(folded, _mm256_set1_epi8('}')));
        __m256i points = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(':')),
                                         _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(',')));
#define BITS(x) ((uint64_t)(uint32_t)_mm256_movemask_epi8(x) << i)
        m->quote |= BITS(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"')));
        m->slash |= BITS(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
        m->low |= BITS(_mm256_cmpgt_epi8(_mm256_set1_epi8(' '), bytes));
        m->blank |= BITS(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' ')));
        m->mark |= BITS(_mm256_or_si256(brackets, points));
        m->high |= BITS(bytes);
#undef BITS
    }
}

__attribute__((target("avx2"))) static inline void look_brackets_avx2(const char *p, struct brackets *m)
{
    *m = (struct brackets){0};
    for (unsigned i = 0; i < BLOCK; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(p + i)),
                folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
#define BITS(x, c) ((uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(c))) << i)
        m->quote |= BITS(bytes, '"');
        m->slash |= BITS(bytes, '\\');
        m->open |= BITS(folded, '{');
        m->close |= BITS(folded, '}');
#undef BITS
    }
}
#endif

/* ---- masks to marks ---- */

/* Does an escape stand behind the backslash at `at`? */
static bool is_escape(const struct scan *s, size_t at)
{
    const char *p = s->text + at + 1;

    if (at + 1 == s->size)
        return false;
    switch (*p) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return true;
    case 'u': break;
    default: return false;
    }
    if (s->size - at < 6)
        return false;
    for (int i = 1; i <= 4; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f')))
            return false;
    return true;
}

/* The bytes that a backslash before them escapes; *carry: whether the block's first one is, then whether the next's. */
static inline uint64_t escaped_bytes(uint64_t slashes, uint64_t *carry)
{
    uint64_t escaped = *carry;

    if (!(slashes & (slashes << 1 | escaped))) { /* no two in a row: each escapes what is behind it */
        *carry = slashes >> 63;
        return slashes << 1 | escaped;
    }
    *carry = 0;
    for (slashes &= ~escaped; slashes;) {
        uint64_t one = slashes & -slashes;
        escaped |= one << 1;
        *carry = one >> 63;
        slashes &= ~(one | one << 1);
    }
    return escaped;
}

/* The same of the block at s->end, whose escapes are looked at. */
static uint64_t checked_escapes(struct scan *s, uint64_t slashes)
{
    uint64_t escaped = escaped_bytes(slashes, &s->escaped);

    s->slashes = true;
    for (uint64_t starts = slashes & ~escaped; starts; starts &= starts - 1)
        s->bad |= !is_escape(s, s->end + (unsigned)__builtin_ctzll(starts));
    return escaped;
}

/* Bit i of the result: the exclusive or of bits 0 … i. */
static inline uint64_t running_xor(uint64_t bits)
{
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    return bits;
}

/* Bytes below the space: which of them are white space. */
static uint64_t low_blanks(const char *p, uint64_t low)
{
    uint64_t blanks = 0;
    for (; low; low &= low - 1) {
        char c = p[__builtin_ctzll(low)];
        if (c == '\t' || c == '\n' || c == '\r')
            blanks |= low & -low;
    }
    return blanks;
}

/* p: 64 bytes; valid: those that belong to the text. Their marks. */
static inline __attribute__((always_inline)) uint64_t marks_of(struct scan *s, const char *p, struct masks *m,
                                                               uint64_t valid)
{
    uint64_t quote = m->quote & valid, low = m->low & ~m->high & valid, blank = m->blank;

    s->high |= (m->high & valid) != 0;
    if (m->slash | s->escaped)
        quote &= ~checked_escapes(s, m->slash);
    uint64_t in_string = running_xor(quote) ^ s->in_string;
    s->in_string = 0 - (in_string >> 63);
    if (low) {
        s->bad |= (low & in_string) != 0;
        blank |= low_blanks(p, low);
    }
    uint64_t outside = ~in_string & ~quote & valid;
    s->spaces |= (blank & outside) != 0;
    uint64_t mark = m->mark & outside, run = outside & ~mark & ~blank;
    uint64_t run_starts = run & ~(run << 1 | s->in_run);
    s->in_run = run >> 63;
    return quote | mark | run_starts;
}

/* Four a step, whether or not so many are left: what is too much is written over, and the loop's end is guessed right
   more often. */
static inline unsigned note_marks(uint32_t *to, uint32_t base, uint64_t marks)
{
    unsigned count = (unsigned)__builtin_popcountll(marks);
    for (unsigned i = 0; i < count; i += 4)
#pragma GCC unroll 4
        for (unsigned k = 0; k < 4; k++, marks &= marks - 1)
            to[i + k] = base + (uint32_t)__builtin_ctzll(marks | (uint64_t)1 << 63);
    return count;
}

/* The template that is compiled once for each kind of machine. */
static inline __attribute__((always_inline)) void look(struct scan *s, look_function *masks_of)
{
    struct masks m;
    char last[BLOCK];
    size_t stop = s->size - s->base < SCAN_STEP ? s->size : s->base + SCAN_STEP;

    for (; s->end + BLOCK <= stop; s->end += BLOCK) {
        masks_of(s->text + s->end, &m);
        uint64_t marks = marks_of(s, s->text + s->end, &m, UINT64_MAX);
        s->count += note_marks(s->marks + s->count, (uint32_t)(s->end - s->base), marks);
    }
    if (s->end < stop) { /* the text's end: nothing behind it is read */
        size_t size = stop - s->end;
        memset(last, ' ', sizeof last);
        memcpy(last, s->text + s->end, size);
        masks_of(last, &m);
        uint64_t marks = marks_of(s, last, &m, UINT64_MAX >> (BLOCK - size));
        s->count += note_marks(s->marks + s->count, (uint32_t)(s->end - s->base), marks);
        s->end = stop;
    }
}

static void more_plain(struct scan *s)
{
    look(s, look_plain);
}

#ifdef __x86_64__
static void more_sse2(struct scan *s)
{
    look(s, look_sse2);
}

__attribute__((target("avx2,bmi,popcnt"))) static void more_avx2(struct scan *s)
{
    look(s, look_avx2);
}
#endif

void scan_start(struct scan *s, struct str text)
{
    s->text = text.ptr;
    s->size = text.size;
    s->base = s->end = 0;
    s->index = s->count = 0;
    s->bad = s->high = s->slashes = s->spaces = false;
    s->in_string = s->in_run = s->escaped = 0;
}

static int level(void)
{
#ifdef __x86_64__
    return scan_level ? scan_level : __builtin_cpu_supports("avx2") ? 3 : 2;
#else
    return 1;
#endif
}

bool scan_more(struct scan *s)
{
    if (s->end == s->size)
        return false;
    s->base = s->end;
    s->index = s->count = 0;
    switch (level()) {
#ifdef __x86_64__
    case 3: more_avx2(s); break;
    case 2: more_sse2(s); break;
#endif
    default: more_plain(s);
    }
    return true;
}

/* ---- skipping ---- */

/* Does the level come to nothing within a block, and where? Else it is what it is behind the block. */
static bool ends_in(uint64_t open, uint64_t close, size_t *level, unsigned *at)
{
    for (; close; close &= close - 1) {
        *at = (unsigned)__builtin_ctzll(close);
        uint64_t behind = UINT64_MAX << *at;
        *level += (size_t)__builtin_popcountll(open & ~behind);
        open &= behind;
        if (!--*level)
            return true;
    }
    *level += (size_t)__builtin_popcountll(open);
    return false;
}

static inline __attribute__((always_inline)) const char *skip(const char *p, const char *end,
                                                              look_brackets_function *brackets_of)
{
    struct brackets m;
    uint64_t in_string = 0, escaped = 0;
    size_t level = 1;
    char last[BLOCK];

    for (; p < end; p += BLOCK) {
        const char *block = p;
        if (end - p < BLOCK) {
            memset(last, ' ', sizeof last);
            block = memcpy(last, p, (size_t)(end - p));
        }
        brackets_of(block, &m);
        if (m.slash | escaped)
            m.quote &= ~escaped_bytes(m.slash, &escaped);
        uint64_t inside = running_xor(m.quote) ^ in_string;
        in_string = 0 - (inside >> 63);
        uint64_t open = m.open & ~inside, close = m.close & ~inside;
        size_t closes = (size_t)__builtin_popcountll(close);
        if (closes >= level) { /* else it cannot end here */
            unsigned at = 0;
            if (ends_in(open, close, &level, &at))
                return p + at + 1;
        } else {
            level += (size_t)__builtin_popcountll(open) - closes;
        }
    }
    return NULL;
}

static inline __attribute__((always_inline)) const char *find_quote(const char *p, const char *end,
                                                                    look_brackets_function *brackets_of)
{
    struct brackets m;
    uint64_t escaped = 0;
    char last[BLOCK];

    for (; p < end; p += BLOCK) {
        const char *block = p;
        if (end - p < BLOCK) {
            memset(last, ' ', sizeof last);
            block = memcpy(last, p, (size_t)(end - p));
        }
        brackets_of(block, &m);
        if (m.slash | escaped)
            m.quote &= ~escaped_bytes(m.slash, &escaped);
        if (m.quote)
            return p + __builtin_ctzll(m.quote);
    }
    return NULL;
}

static const char *skip_plain(const char *p, const char *end)
{
    return skip(p, end, look_brackets_plain);
}
static const char *find_quote_plain(const char *p, const char *end)
{
    return find_quote(p, end, look_brackets_plain);
}

#ifdef __x86_64__
static const char *skip_sse2(const char *p, const char *end)
{
    return skip(p, end, look_brackets_sse2);
}
static const char *find_quote_sse2(const char *p, const char *end)
{
    return find_quote(p, end, look_brackets_sse2);
}

__attribute__((target("avx2,bmi,popcnt"))) static const char *skip_avx2(const char *p, const char *end)
{
    return skip(p, end, look_brackets_avx2);
}
__attribute__((target("avx2,bmi,popcnt"))) static const char *find_quote_avx2(const char *p, const char *end)
{
    return find_quote(p, end, look_brackets_avx2);
}
#endif

const char *scan_skip(const char *p, const char *end)
{
    switch (level()) {
#ifdef __x86_64__
    case 3: return skip_avx2(p, end);
    case 2: return skip_sse2(p, end);
#endif
    default: return skip_plain(p, end);
    }
}

const char *scan_string(const char *p, const char *end)
{
    switch (level()) {
#ifdef __x86_64__
    case 3: return find_quote_avx2(p, end);
    case 2: return find_quote_sse2(p, end);
#endif
    default: return find_quote_plain(p, end);
    }
}
