/* SPDX-License-Identifier: Apache-2.0 */
/* What verbs read: files of events, plain, gzip or zstd by their first bytes, and times as people write them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/cli/cli.h"
#include "router/unpack.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define PIECE_BYTES 262144

enum exit_code input_open(struct input_file *in, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;

    *in = (struct input_file){.name = is_stdin ? "stdin" : path};
    in->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    return in->fd >= 0 ? EXIT_DONE : cli_fail(EXIT_IO, "cannot read '%s': %s", in->name, strerror(errno));
}

void input_close(struct input_file *in)
{
    if (in->fd > STDIN_FILENO)
        close(in->fd);
    unpacker_destroy(in->unpacker);
    buf_fini(&in->packed);
}

static enum exit_code need_room(const struct input_file *in, struct buf *out)
{
    if (buf_reserve(out, PIECE_BYTES))
        return EXIT_DONE;
    if (!out->max)
        xfail("out of memory");
    return cli_fail(EXIT_IO, "'%s' holds more than %zu bytes, too many to be read as one text", in->name, out->max);
}

/* Appends some bytes as they stand in the file; none: it has ended. */
static enum exit_code read_piece(struct input_file *in, struct buf *out)
{
    enum exit_code code = need_room(in, out);
    ssize_t n;

    if (code != EXIT_DONE)
        return code;
    while ((n = read(in->fd, out->data + out->size, PIECE_BYTES)) < 0 && errno == EINTR)
        ;
    if (n < 0)
        return cli_fail(EXIT_IO, "cannot read '%s': %s", in->name, strerror(errno));
    out->size += (size_t)n;
    in->ended = n == 0;
    return EXIT_DONE;
}

static enum exit_code fail_packed(const struct input_file *in, const char *reason)
{
    return cli_fail(EXIT_DATA, "%s: %s data is damaged: %s", in->name, in->kind, reason);
}

static enum exit_code more_unpacked(struct input_file *in, struct buf *out)
{
    enum exit_code code = need_room(in, out);
    size_t size = out->size;

    while (code == EXIT_DONE && out->size == size && !in->ended) {
        if (in->packed_at == in->packed.size && !unpacker_is_full(in->unpacker)) {
            buf_clear(&in->packed);
            in->packed_at = 0;
            code = read_piece(in, &in->packed);
            if (code != EXIT_DONE)
                break;
            if (in->ended && !unpacker_is_whole(in->unpacker))
                return fail_packed(in, "it is cut short");
        }
        struct str rest = {in->packed.data + in->packed_at, in->packed.size - in->packed_at};
        const char *reason = unpacker_step(in->unpacker, &rest, out);
        if (reason)
            return fail_packed(in, reason);
        in->packed_at = in->packed.size - rest.size;
    }
    return code;
}

static enum exit_code more(struct input_file *in, struct buf *out)
{
    return in->unpacker ? more_unpacked(in, out) : read_piece(in, out);
}

/* Some programs put a byte order mark before UTF-8; it is no part of the text. */
static void drop_mark(struct buf *text)
{
    if (str_starts(buf_view(text), STR("\xef\xbb\xbf")))
        memmove(text->data, text->data + 3, text->size -= 3);
}

/* The first bytes say what it is. */
static enum exit_code begin(struct input_file *in, struct buf *out)
{
    enum exit_code code = EXIT_DONE;
    struct buf first = BUF_INIT;

    in->begun = true;
    while (code == EXIT_DONE && !in->ended && in->packed.size < 4)
        code = read_piece(in, &in->packed);
    if (code != EXIT_DONE)
        return code;
    in->kind = unpack_kind(buf_view(&in->packed));
    if (in->kind && !(in->unpacker = unpacker_create(in->kind)))
        xfail("out of memory");
    if (in->kind && in->ended)
        return fail_packed(in, "it is cut short");
    if (!in->kind)
        buf_str(&first, buf_view(&in->packed));
    while (code == EXIT_DONE && in->kind && !in->ended && first.size < 3)
        code = more(in, &first);
    drop_mark(&first);
    buf_str(out, buf_view(&first));
    buf_fini(&first);
    return code;
}

enum exit_code input_more(struct input_file *in, struct buf *out)
{
    return in->begun ? more(in, out) : begin(in, out);
}

enum exit_code input_read(const char *path, struct buf *out)
{
    struct input_file in;
    enum exit_code code = input_open(&in, path);

    buf_init(out, INPUT_BYTES_MAX);
    while (code == EXIT_DONE && !in.ended)
        code = input_more(&in, out);
    input_close(&in);
    return code;
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
