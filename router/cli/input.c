/* SPDX-License-Identifier: Apache-2.0 */
/* What verbs read: files of events, plain, gzip or zstd by their first bytes, and times as people write them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/cli/cli.h"
#include "router/unpack.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define INPUT_BYTES_MAX ((size_t)2 << 30) /* a file, unpacked: against bombs */

static bool read_plain(FILE *f, struct buf *out)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(out, chunk, n);
    return !ferror(f);
}

/* Some programs put a byte order mark before UTF-8; it is no part of the text. */
static void drop_mark(struct buf *text)
{
    if (str_starts(buf_view(text), STR("\xef\xbb\xbf")))
        memmove(text->data, text->data + 3, text->size -= 3);
}

enum exit_code input_unpack(const char *name, struct buf *out)
{
    struct buf plain = {.max = INPUT_BYTES_MAX};
    struct str packed = buf_view(out);
    const char *kind = unpack_kind(packed);

    if (!kind) {
        drop_mark(out);
        return EXIT_DONE;
    }
    bool ok = unpack(packed, &plain);
    if (!ok)
        cli_fail(EXIT_DATA, "%s: %s data is damaged, cut short or too large", name, kind);
    buf_fini(out);
    *out = plain;
    drop_mark(out);
    return ok ? EXIT_DONE : EXIT_DATA;
}

enum exit_code input_read(const char *path, struct buf *out)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");

    if (is_stdin)
        path = "stdin";
    buf_init(out, INPUT_BYTES_MAX);
    bool ok = f && read_plain(f, out);
    if (!ok)
        cli_fail(EXIT_IO, "cannot read '%s': %s", path, strerror(errno));
    if (f && !is_stdin)
        fclose(f);
    if (ok && out->failed)
        ok = cli_fail(EXIT_IO, "'%s' is larger than %zu bytes", path, INPUT_BYTES_MAX) == EXIT_DONE;
    return ok ? input_unpack(path, out) : EXIT_IO;
}

static bool relative_time(const char *text, int64_t now_ms, int64_t *out_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
    char *end;

    if (*text != '-' && *text != '+')
        return false;
    errno = 0;
    int64_t n = strtoll(text, &end, 10);
    if (end == text + 1 || errno || !*end || end[1] || n > 1000000 || n < -1000000)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (units[i].unit == *end) {
            *out_ms = now_ms + n * units[i].ms;
            return true;
        }
    return false;
}

bool input_time(const char *text, int64_t now_ms, int64_t *out_ms)
{
    char with_clock[32];

    if (strcmp(text, "now") == 0) {
        *out_ms = now_ms;
        return true;
    }
    if (relative_time(text, now_ms, out_ms) || time_parse_rfc3339(str_from(text), out_ms))
        return true;
    snprintf(with_clock, sizeof with_clock, "%.10sT00:00:00Z", text); /* a bare date is its midnight, UTC */
    return strlen(text) == 10 && time_parse_rfc3339(str_from(with_clock), out_ms);
}
