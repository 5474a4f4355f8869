/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_ARCHIVE_SEALED_H
#define TARGETS_ARCHIVE_SEALED_H

/*
 * Sealed archive files: a file of an hour that is over, packed, with an index.
 *
 *     events.ndjson            while it grows
 *     events.ndjson.zst        sealed: zstd frames one behind the other, each of whole lines, about a MiB of text, with
 *                              checksums; zstdcat reads it
 *     events.ndjson.zst.idx    JSON, one object a line: the file, each frame, and a hash of all lines before it:
 *         {"version":1,"frames":2,"text":1500000,"packed":90000,"events":1400}
 *         {"text_at":0,"text":1048000,"packed_at":0,"packed":63000,"events":980,"time_min":…,"time_max":…}
 *         {"text_at":1048000,"text":452000,"packed_at":63000,"packed":27000,"events":420,"time_min":…,"time_max":…}
 *         {"hash":"0123456789abcdef"}
 *     (times: ms since 1970, of the events in it; a frame of lines that are no events has time_min above time_max)
 *
 * An index that is missing or damaged is made again by reading the file. What of it is no whole frame then is a gap:
 * nobody knows how much text it held. Places in a file are places in its text, sealed or not: who noted one while the
 * file grew finds it again.
 *
 * Any thread; a reader belongs to one at a time. Errors name the file and the offset.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "matcher/buf.h"
#include "matcher/weir.h"

#define ARCHIVE_SEALED_SUFFIX ".zst"
#define ARCHIVE_INDEX_SUFFIX  ".zst.idx"
#define ARCHIVE_FRAME_BYTES   (1u << 20) /* of text; a longer line is a frame of its own */

/* Of text: the doubling that finds the end of the longest event, 16 MiB and its envelope, ends here. A frame that says
   it holds more is damaged. */
#define ARCHIVE_FRAME_BYTES_MAX (32u << 20)

struct archive_frame {
    uint64_t text_at, text;     /* bytes of the file's text */
    uint64_t packed_at, packed; /* bytes of the sealed file */
    uint64_t events;            /* lines that are events */
    int64_t time_min_ms, time_max_ms;
};

/* ---- sealing: blocking, for a thread of its own ---- */

/* Packs the first `bytes` bytes of the file `path` (below data_fd) into its sealed form and index, beside it; both are
   whole and synced when it returns, and nothing else has changed. stop: give up when it becomes true (then false, with
   an empty message). */
bool archive_seal(int data_fd, const char *path, int64_t bytes, const atomic_bool *stop, int64_t *packed_out,
                  struct weir_diag *diag);

/* ---- reading ---- */

struct archive_reader;

/* Of a file `path` as it is named while it grows, with folders. NULL: diag; WEIR_E_IO where there is none. */
struct archive_reader *archive_reader_open(const char *path, struct weir_diag *diag);
void archive_reader_close(struct archive_reader *r);
const struct archive_frame *archive_reader_frames(const struct archive_reader *r, size_t *count_out);
bool archive_reader_rebuilt(const struct archive_reader *r); /* the index had to be made again */
/* Appends `size` bytes of the file's text from `at` on. False for text behind a gap: its place is not known. */
bool archive_reader_text(struct archive_reader *r, uint64_t at, size_t size, struct buf *out, struct weir_diag *diag);

/* Reads all of it: every frame unpacks to what the index says, and there is no gap. False: a fault. *next, 0 at first,
   goes on: called again, it tells what is wrong behind that. */
bool archive_reader_verify(struct archive_reader *r, size_t *next, struct weir_diag *diag);

/* ---- messages ---- */

/* The file's path for a message: of a long one the end, behind "…", so that what follows it is not cut off. */
#define ARCHIVE_SHOWN_BYTES 200
const char *archive_path_show(const char *path, char out[ARCHIVE_SHOWN_BYTES]);

#endif
