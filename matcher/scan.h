/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_SCAN_H
#define MATCHER_SCAN_H

/*
 * Where something stands in a JSON text: the offsets of { } [ ] : , outside strings, of every quote that opens or
 * closes a string, and of the first byte of every other run that is no white space (numbers and words, good or bad).
 * Found 64 bytes at a time by SIMD, which this is the one place of; a reader then goes from mark to mark and never
 * looks at what lies within a string.
 *
 *     struct scan s;
 *     scan_start(&s, text);
 *     for (size_t at; (at = scan_next(&s)) < text.size;) …        // text.size: no more marks
 *
 * Checked is what cannot be seen from the marks. When the last one has been given, `bad` says that a string holds a
 * control character or a backslash that begins no escape; a backslash outside strings is in a run that is no number and
 * no word. `high`: there are bytes that are not ASCII, so the text must be held against UTF-8. `slashes`: there were
 * backslashes so far. `spaces`: there is white space outside strings, so the text is not compact.
 *
 * Memory: the struct, 4 KiB. Texts of any size; they must outlive it.
 */

#include <stdint.h>

#include "matcher/str.h"

#define SCAN_STEP 1024 /* bytes looked at in one go */

struct scan {
    const char *text;
    size_t size;
    size_t base;           /* what marks count from */
    size_t end;            /* of what has been looked at */
    unsigned index, count; /* of marks */
    bool bad, high, slashes, spaces;
    /* from one block of 64 bytes to the next */
    uint64_t in_string; /* all ones: the block before ended within a string */
    uint64_t in_run;    /* 1: … within a number or word */
    uint64_t escaped;   /* 1: … with a backslash that escapes the first byte of this one */
    uint32_t marks[SCAN_STEP + 4];
};

void scan_start(struct scan *s, struct str text);
/* Looks at the next SCAN_STEP bytes; false: there are none. */
bool scan_more(struct scan *s);

static inline size_t scan_next(struct scan *s)
{
    while (s->index == s->count)
        if (!scan_more(s))
            return s->size;
    return s->base + s->marks[s->index++];
}

/* p: behind a { or [ of a text that was checked. Gives the place behind the bracket that closes it; NULL where there is
   none before end. Counts brackets, 64 bytes at a time, so it costs the same whatever is within. */
const char *scan_skip(const char *p, const char *end);
/* p: within a string of such a text, not behind a backslash. Gives the quote that closes it; NULL where there is none.
 * For long strings with many escapes; plain_quote() (plain.h) is quicker with others. */
const char *scan_string(const char *p, const char *end);

/* For tests: 0 lets the processor decide, 1 is plain C, 2 what every machine of this kind has, 3 the best. */
extern int scan_level;

#endif
