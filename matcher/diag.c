/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnoses: a bounded list that is allocated once, the printed form, and the near name for "did you mean".
 *
 *     rules/orders.yaml:14:9: error: unknown key 'detial'
 *             detial: {state: [open]}
 *             ^
 *
 * The caret's line repeats the tabs of the line above it and has one space a character elsewhere, so the two stay
 * aligned whatever a tab is worth. Of a very long line (a pattern of one line) only the part around the column is
 * shown. Control characters of the source never reach the terminal.
 */
#include "matcher/diag.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "matcher/utf8.h"

/* ---- the list ---- */

bool diags_init(struct diags *d, size_t max)
{
    *d = (struct diags){.max = max};
    d->list = calloc(max, sizeof(*d->list));
    d->files = calloc(max, sizeof(*d->files));
    if (max == 0 || (d->list && d->files))
        return true;
    diags_fini(d);
    d->out_of_memory = true;
    return false;
}

void diags_fini(struct diags *d)
{
    free(d->list);
    free(d->files);
    *d = (struct diags){0};
}

static struct weir_diag *list_add(struct diags *d, const char *file, bool warning)
{
    if (d->count == d->max) {
        d->dropped += !warning;
        return NULL;
    }
    d->warnings += warning;
    d->files[d->count] = file;
    return &d->list[d->count++];
}

static void list_add_text(struct diags *d, struct diag_pos pos, bool warning, const char *format, va_list args)
{
    struct weir_diag *one = list_add(d, pos.file, warning);
    if (!one)
        return;
    *one = (struct weir_diag){.code = WEIR_E_CONFIG, .warning = warning, .line = pos.line, .column = pos.column};
    vsnprintf(one->message, sizeof(one->message), format, args);
}

bool diag_error(struct diags *d, struct diag_pos pos, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    list_add_text(d, pos, false, format, args);
    va_end(args);
    return false;
}

bool diag_warn(struct diags *d, struct diag_pos pos, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    list_add_text(d, pos, true, format, args);
    va_end(args);
    return false;
}

bool diag_add(struct diags *d, const char *file, const struct weir_diag *one)
{
    struct weir_diag *copy = list_add(d, file, one->warning);
    if (copy)
        *copy = *one;
    return false;
}

/* ---- the printed form ---- */

#define SHOWN_BEFORE 60 /* characters of a long line shown before the column … */
#define SHOWN_AFTER  40 /* … and after it: together with the file's indent, one line of a terminal */

/* AWS's reasons quote the user's keys, which may hold anything. */
static void write_message(struct buf *out, const char *message)
{
    for (; *message; message++)
        buf_char(out, (unsigned char)*message < 0x20 || *message == 0x7F ? '?' : *message);
}

static struct str find_line(struct str source, int line)
{
    const char *at = source.ptr, *end = source.ptr + source.size;
    for (; line > 1; line--) {
        at = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (!at)
            return (struct str){NULL, 0};
        at++;
    }
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    stop = stop ? stop : end;
    if (stop > at && stop[-1] == '\r')
        stop--;
    return (struct str){at, (size_t)(stop - at)};
}

/* A stray byte counts as one character, as editors count it. */
static unsigned character(struct str s, size_t at, uint32_t *code)
{
    unsigned size = utf8_decode(s.ptr + at, s.size - at, code);
    if (size)
        return size;
    *code = 0xFFFD;
    return 1;
}

static void write_character(struct buf *out, struct str s, size_t at, uint32_t code, unsigned size)
{
    if (code == '\t')
        buf_char(out, '\t');
    else if (code < 0x20 || (code >= 0x7F && code < 0xA0) || utf8_is_surrogate(code))
        buf_char(out, '?');
    else if (code == 0xFFFD)
        buf_text(out, "\xEF\xBF\xBD");
    else
        buf_add(out, s.ptr + at, size);
}

static void write_line_and_caret(struct buf *out, struct str line, int column)
{
    struct buf caret = BUF_INIT;
    int index = 1;
    bool cut = column > SHOWN_BEFORE + SHOWN_AFTER;
    if (cut) {
        buf_text(out, "…");
        buf_char(&caret, ' ');
    }
    for (size_t at = 0; at < line.size; index++) {
        uint32_t code;
        unsigned size = character(line, at, &code);
        if (index > column + SHOWN_AFTER && index > SHOWN_BEFORE + SHOWN_AFTER) {
            buf_text(out, "…");
            break;
        }
        if (!cut || index >= column - SHOWN_BEFORE) {
            write_character(out, line, at, code, size);
            if (index < column)
                buf_char(&caret, code == '\t' ? '\t' : ' ');
        }
        at += size;
    }
    buf_char(out, '\n');
    if (caret.failed)
        out->failed = true;
    buf_str(out, buf_view(&caret));
    buf_text(out, "^\n");
    buf_fini(&caret);
}

void diag_format(struct buf *out, const char *file, const struct weir_diag *one, struct str source)
{
    if (file)
        buf_printf(out, "%s:", file);
    if (one->line > 0)
        buf_printf(out, "%d:%d:", one->line, one->column);
    buf_printf(out, "%s%s: ", file || one->line > 0 ? " " : "", one->warning ? "warning" : "error");
    write_message(out, one->message);
    buf_char(out, '\n');
    if (one->line <= 0 || !source.ptr)
        return;
    struct str line = find_line(source, one->line);
    if (line.ptr)
        write_line_and_caret(out, line, one->column > 0 ? one->column : 1);
}

/* ---- near names ---- */

#define NEAR_EDITS 2
#define NEAR_SIZE  64 /* longer words are not names anyone mistypes */

static unsigned min2(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance with adjacent transpositions, over bytes; words of at most NEAR_SIZE bytes. */
static unsigned edits(struct str a, struct str b)
{
    unsigned rows[3][NEAR_SIZE + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.size; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.size; j++) {
            row[j] = min2(min2(above[j], row[j - 1]) + 1, above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]));
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = min2(row[j], before[j - 2] + 1);
        }
        unsigned *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b.size];
}

static bool equal_but_for_case(struct str a, struct str b)
{
    return a.size == b.size && strncasecmp(a.ptr, b.ptr, a.size) == 0;
}

const char *diag_near(struct str word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    unsigned best_edits = NEAR_EDITS + 1;
    for (size_t i = 0; i < count && word.size <= NEAR_SIZE; i++) {
        struct str candidate = str_from(candidates[i]);
        if (candidate.size > NEAR_SIZE)
            continue;
        unsigned distance = equal_but_for_case(word, candidate) ? 1 : edits(word, candidate);
        /* Two edits of a two-letter word are another word. */
        if (distance < best_edits && distance < candidate.size && distance < word.size) {
            best = candidates[i];
            best_edits = distance;
        }
    }
    return best;
}
