/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEIR_H
#define WEIR_H

/*
 * libweir: EventBridge event patterns, compiled. Which of many patterns match this JSON event?
 *
 *     struct weir_diag diag;
 *     struct weir_builder *b = weir_builder_create();
 *     if (!weir_builder_add(b, 7, "{\"source\":[\"aws.s3\"]}", 21, &diag))
 *         fprintf(stderr, "%d:%d: %s\n", diag.line, diag.column, diag.message);
 *     struct weir_matcher *m = weir_builder_build(b, &diag);
 *     weir_builder_destroy(b);
 *
 *     struct weir_scratch *s = weir_scratch_create(m);          // one a thread
 *     const uint32_t *ids;
 *     long n = weir_match(m, s, event, event_size, WEIR_CHECKED, &ids, &diag);
 *     for (long i = 0; i < n; i++) …                            // ids[i], ascending, each once
 *
 * Semantics: AWS's documented event patterns, with event-ruler's answers where the documents are silent
 * (weir-pattern(7)). Events are RFC 8259 JSON objects in UTF-8, given as pointer and length.
 *
 * Threads: a builder belongs to one thread. A matcher is immutable: any number of threads may match with
 * it at once, each with its own scratch. Nothing here reads the clock, the environment or a file, prints,
 * or keeps global state.
 *
 * Memory: builder, matcher and scratch allocate with malloc; weir_match() does not, it uses the scratch.
 * Where memory runs out, the call fails with WEIR_E_MEMORY and what existed before stays usable.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0
#define WEIR_VERSION       "0.1.0"

#if defined(__GNUC__)
#define WEIR_API __attribute__((visibility("default")))
#else
#define WEIR_API
#endif

enum weir_code {
    WEIR_OK = 0,
    WEIR_E_PATTERN, /* a pattern that means nothing: message is AWS's reason */
    WEIR_E_JSON,    /* not JSON, not UTF-8, or not an object */
    WEIR_E_CONFIG,  /* a configuration error (never from this library) */
    WEIR_E_LIMIT,   /* over a limit: the message names it */
    WEIR_E_MEMORY,  /* out of memory */
    WEIR_E_IO       /* the outside world (never from this library) */
};

/* How AWS words the place behind a pattern's reason: "\n at [Source: (String)"…"; line: L, column: C]". */
enum weir_tail { WEIR_TAIL_NONE, WEIR_TAIL_ONCE, WEIR_TAIL_TWICE };

struct weir_diag {
    enum weir_code code;
    enum weir_tail tail;
    bool warning;      /* not an error: something worth a look */
    int line;          /* from 1; 0: no place */
    int column;        /* from 1; for patterns in JSON, the column AWS would name, less `behind` */
    int behind;        /* for patterns in JSON: how far behind a wrong character AWS's parser stands */
    size_t offset;     /* byte offset in the text where one is known, else 0 */
    int open_line;     /* of a bracket left open or closed by the wrong one: where it stands; 0: not about a bracket */
    int open_column;   /* 0: there is none, the text itself is closed */
    char message[512]; /* the bare reason, NUL-terminated, no full stop of our own, no newline */
};

struct weir_builder; /* patterns being gathered */
struct weir_matcher; /* the compiled set, immutable, reference-counted */
struct weir_scratch; /* one thread's working memory for one matcher */

/* NULL: out of memory. */
WEIR_API struct weir_builder *weir_builder_create(void);
WEIR_API void weir_builder_destroy(struct weir_builder *b);

/*
 * Patterns added from now on may use the operators that are ours and not AWS's: {"regex": "expression"}. Without this,
 * they are refused as AWS refuses them.
 */
WEIR_API void weir_builder_allow_extensions(struct weir_builder *b);

/*
 * Adds a pattern under a number of the caller's choice; several patterns may share one number (any of
 * them matching reports it). The text is read now and may be freed after. False: diag says why, and the
 * builder is as it was.
 */
WEIR_API bool weir_builder_add(struct weir_builder *b, uint32_t id, const char *pattern, size_t size,
                               struct weir_diag *diag);

/* Compiles what was added so far; the builder may go on being used. NULL: diag says why. */
WEIR_API struct weir_matcher *weir_builder_build(struct weir_builder *b, struct weir_diag *diag);

WEIR_API struct weir_matcher *weir_matcher_ref(struct weir_matcher *m);
WEIR_API void weir_matcher_unref(struct weir_matcher *m);
WEIR_API size_t weir_matcher_bytes(const struct weir_matcher *m); /* heap held by the compiled set */

/* Holds a reference to m. NULL: out of memory. */
WEIR_API struct weir_scratch *weir_scratch_create(struct weir_matcher *m);
WEIR_API void weir_scratch_destroy(struct weir_scratch *s);

enum weir_mode {
    WEIR_CHECKED, /* the event's whole text is checked against RFC 8259 and UTF-8 while it is matched */
    WEIR_TRUSTED  /* the caller knows that the event passed weir_event_check(); what no pattern names may be skipped
                     unread */
};

/*
 * The numbers of all patterns that match, ascending, without repeats, in *ids (scratch memory, good until
 * the next call with this scratch). Returns their count, or -1 with diag filled in: WEIR_E_JSON (checked
 * mode: offset, line and column say where), WEIR_E_LIMIT. A matcher of no patterns matches nothing.
 * s must have been created for m.
 */
WEIR_API long weir_match(const struct weir_matcher *m, struct weir_scratch *s, const char *event, size_t size,
                         enum weir_mode mode, const uint32_t **ids, struct weir_diag *diag);

/*
 * Regular expressions are given so much work a value and an event (weir-pattern(7), LIMITS); one that needs more counts
 * as no match. These are the numbers of the patterns that the last weir_match() with s might have found to match,
 * had it not given up: ascending, without repeats, in *ids (scratch memory, as above). Returns their count; 0 is the
 * rule, and costs nothing to ask.
 */
WEIR_API long weir_match_given_up(struct weir_scratch *s, const uint32_t **ids);

/* Is this one JSON object, grammar, UTF-8, depth and size as weir_match() takes it? No allocation. */
WEIR_API bool weir_event_check(const char *event, size_t size, struct weir_diag *diag);

WEIR_API const char *weir_version(void);

#ifdef __cplusplus
}
#endif

#endif
