/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_OPTIONS_H
#define RULES_OPTIONS_H

/*
 * The one walker over option tables (targets/adapter.h): a mapping of the configuration fills a C struct. Adapters'
 * tables go through it, and so do weir.yaml's own parts (rules/load_int.h), so that keys, defaults, bounds, near
 * names and messages are the same everywhere.
 *
 *     struct queue_options o = {0};
 *     options_fill(&reader, queue_adapter.options, node, pos, "queue 'parked'", NULL, &o);
 */

#include "rules/references.h"
#include "rules/yaml.h"

struct options_reader {
    struct arena *keep; /* what the filled structs point to */
    struct arena *temp; /* nodes read from JSON text */
    struct diags *diags;
    const struct references *names;
};

#define OPTIONS_IGNORED "x-…" /* among own keys: whatever begins with x- */

/*
 * Fills `out` (zeroed before) from map; what: "queue 'parked'", for messages. Rows marked `own` are known keys that
 * the caller reads itself; own: such keys that are in no table (ended by NULL), or NULL; pos: where a missing key is
 * reported. An empty map gives the defaults; a map that is NULL too, and then nothing is required. False: one or more
 * errors in diags; the walk goes on behind each. In documents of the APIs (rules/documents.h) a queue that is not there
 * leaves its field NULL, any other target is the `missing` one.
 */
bool options_fill(const struct options_reader *r, const struct option *table, const struct node *map,
                  struct diag_pos pos, const char *what, const char *const *own, void *out);

/* Text as the grammar of durations (500ms, 30s, 5m, 24h, 30d) and sizes (512, 64KiB, 10MiB, 1GiB) has it. */
bool options_parse_duration(struct str text, int64_t *ms_out);
bool options_parse_size(struct str text, int64_t *bytes_out);
/* A count, a slash and a unit: 100/s, 10/m, 5000/h. */
bool options_parse_rate(struct str text, struct option_rate *out);
/* The shortest such text for a value. */
void options_write_duration(struct buf *out, int64_t ms);
void options_write_size(struct buf *out, int64_t bytes);

/* A scalar's text; false: it is no text (a number wants quotes), one error in diags. what: "'region'". */
bool options_read_text(const struct options_reader *r, const struct node *n, const char *what, struct str *out);
/* Appends "; did you mean 'x'?" for the nearest of `names` (ended by NULL), or else "; known: …", all of them. */
void options_near(struct buf *out, struct str word, const char *const *names);

#endif
