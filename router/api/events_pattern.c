/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event patterns as they come by the API: what the matcher's parser says is put into AWS's words here. AWS reads
 * patterns with Jackson, whose exceptions end in the place and the text they were found in:
 *
 *     Event pattern is not valid. Reason: "a" must be an object or an array
 *      at [Source: (String)"{"a":"x"}"; line: 1, column: 7]
 *
 * Jackson shows 500 characters of the text, and control characters but for line ends as escapes.
 */
#include "matcher/utf8.h"
#include "router/api/events.h"
#include "router/xalloc.h"

#define SNIPPET_LENGTH_MAX 500 /* UTF-16 code units, as Java counts */

static void write_snippet(struct buf *out, struct str text)
{
    size_t length = aws_length(text), at = 0, shown = 0;

    buf_char(out, '"');
    while (at < text.size && shown < SNIPPET_LENGTH_MAX) {
        uint32_t code;
        unsigned size = utf8_decode(text.ptr + at, text.size - at, &code);
        if (!size)
            size = 1, code = 0xFFFD;
        if ((code < ' ' && code != '\r' && code != '\n') || (code >= 0x7f && code < 0xa0))
            buf_printf(out, "\\u%04X", (unsigned)code);
        else
            buf_add(out, text.ptr + at, size);
        at += size;
        shown += code > 0xFFFF ? 2 : 1;
    }
    buf_char(out, '"');
    if (shown < length)
        buf_printf(out, "[truncated %zu chars]", length - SNIPPET_LENGTH_MAX);
}

static void write_place(struct buf *out, struct str text, int line, int column)
{
    buf_text(out, "[Source: (String)");
    write_snippet(out, text);
    buf_printf(out, "; line: %d, column: %d]", line, column);
}

/* Where the bracket stands that is not closed, or not by its own kind; column 0 is the text itself. */
static void write_opening(struct buf *out, struct str text, const struct weir_diag *diag)
{
    const char *kind = strstr(diag->message, "expected '}'") ? "Object" : "Array";

    if (!diag->open_line)
        return;
    if (strstr(diag->message, "end-of-input"))
        buf_text(out, " (start marker at ");
    else
        buf_printf(out, " (for %s starting at ", diag->open_column ? kind : "root");
    write_place(out, text, diag->open_line, diag->open_column);
    buf_char(out, ')');
}

static void fail(struct aws_request *r, struct str text, const struct weir_diag *diag)
{
    struct buf reason = BUF_INIT;

    if (diag->code == WEIR_E_MEMORY)
        xfail("out of memory");
    buf_text(&reason, diag->message);
    write_opening(&reason, text, diag);
    for (int i = 0; i < (int)diag->tail; i++) {
        buf_text(&reason, "\n at ");
        write_place(&reason, text, diag->line, diag->column + diag->behind);
    }
    xbuf(&reason);
    aws_fail(r, 400, "InvalidEventPatternException", "Event pattern is not valid. Reason: %.*s",
             STR_ARG(buf_view(&reason)));
    buf_fini(&reason);
}

const struct pattern *events_parse_pattern(struct aws_request *r, struct str text)
{
    struct weir_diag diag = {0};
    const struct pattern *pattern = pattern_parse_json(&r->arena, text, &diag);

    if (!pattern) {
        fail(r, text, &diag);
        return NULL;
    }
    if (!pattern_too_complex(pattern))
        return pattern;
    aws_fail(r, 400, "InvalidEventPatternException",
             "Event pattern is not valid. Reason: Rule is too complex - try using fewer wildcard characters or fewer "
             "repeating character sequences after a wildcard character");
    return NULL;
}
