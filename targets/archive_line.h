/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_ARCHIVE_LINE_H
#define TARGETS_ARCHIVE_LINE_H

/* One line of an archive: when its event happened, and where its replay-name goes. */

#include <stdbool.h>
#include <stdint.h>

#include "matcher/buf.h"

struct archive_line {
    int64_t time_ms;
    uint32_t name_at; /* replay-name goes before this byte */
};

struct line_clock { /* the time read last: neighbours mostly share it */
    char text[40];
    size_t size;
    int64_t ms;
};

/* False: it is no event. Envelopes as Weir writes them are not parsed, only looked at as far as "resources". */
bool line_read(struct str line, struct line_clock *clock, struct archive_line *out);
/* Appends the line with its "replay-name" member where AWS has it: before "resources". */
void line_name(struct buf *out, struct str line, uint32_t name_at, struct str name);
void line_name_event(struct buf *out, struct str event, struct str name); /* of a checked event, time or not */

/* Of lines one behind the other. */
struct line_times {
    uint64_t events;        /* lines that are events */
    int64_t min_ms, max_ms; /* without any: INT64_MAX, INT64_MIN */
};
struct line_times line_times(struct str text, struct line_clock *clock);

#endif
