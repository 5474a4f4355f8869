/* SPDX-License-Identifier: Apache-2.0 */
/* Columns for people: every cell is kept until the widths are known. Widths count UTF-8 characters. */
#include <stdio.h>
#include <stdlib.h>

#include "router/cli/cli.h"
#include "router/xalloc.h"

struct table {
    const char *const *titles;
    size_t columns;
    char **cells;
    size_t count, capacity;
};

static size_t width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

struct table *table_create(const char *const *titles, size_t columns)
{
    struct table *t = xalloc(sizeof *t);
    t->titles = titles;
    t->columns = columns;
    return t;
}

void table_cell(struct table *t, const char *format, ...)
{
    struct buf text = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 64;
        t->cells = xrealloc(t->cells, t->capacity * sizeof *t->cells);
    }
    t->cells[t->count++] = xtext(buf_view(&text));
    buf_fini(&text);
}

static void print_cell(const char *text, const char *title, size_t wide, bool is_last)
{
    int pad = (int)(wide - width(text));
    if (title[0] == '>')
        printf("%*s%s", pad, "", text);
    else
        printf("%s%*s", text, is_last ? 0 : pad, "");
    fputs(is_last ? "\n" : "  ", stdout);
}

void table_print(struct table *t)
{
    size_t *widths = xarray(t->columns, sizeof *widths);

    for (size_t c = 0; c < t->columns; c++)
        widths[c] = width(t->titles[c] + (t->titles[c][0] == '>'));
    for (size_t i = 0; i < t->count; i++)
        if (width(t->cells[i]) > widths[i % t->columns])
            widths[i % t->columns] = width(t->cells[i]);
    for (size_t c = 0; c < t->columns; c++)
        print_cell(t->titles[c] + (t->titles[c][0] == '>'), t->titles[c], widths[c], c + 1 == t->columns);
    for (size_t i = 0; i < t->count; i++)
        print_cell(t->cells[i], t->titles[i % t->columns], widths[i % t->columns], i % t->columns + 1 == t->columns);
    free(widths);
    table_destroy(t);
}

void table_destroy(struct table *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}
