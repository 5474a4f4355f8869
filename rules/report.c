/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All diagnoses of a load as people read them: by file in order of appearance, from top to bottom, each with its
 * source line. The files are read again for the lines; one that went away, or is not a file, gives no line.
 */
#include "rules/ruleset.h"

#include <stdio.h>
#include <stdlib.h>

#include "rules/yaml.h"

struct entry {
    const struct weir_diag *diag;
    const char *file;
    size_t file_order, order;
};

static int entry_cmp(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->file_order != b->file_order)
        return a->file_order < b->file_order ? -1 : 1;
    if (a->diag->line != b->diag->line)
        return a->diag->line < b->diag->line ? -1 : 1;
    if (a->diag->column != b->diag->column)
        return a->diag->column < b->diag->column ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static bool same_file(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* One entry a diagnosis, sorted; NULL: out of memory. */
static struct entry *sort_entries(const struct diags *diags)
{
    struct entry *entries = calloc(diags->count + 1, sizeof(*entries));
    for (size_t i = 0; entries && i < diags->count; i++) {
        size_t first = 0;
        while (!same_file(diags->files[first], diags->files[i]))
            first++;
        entries[i] = (struct entry){&diags->list[i], diags->files[i], first, i};
    }
    if (entries)
        qsort(entries, diags->count, sizeof(*entries), entry_cmp);
    return entries;
}

void report_source(const char *file, struct buf *text)
{
    char chunk[8192];
    size_t got;
    buf_clear(text);
    FILE *f = file ? fopen(file, "re") : NULL;
    while (f && text->size < YAML_FILE_BYTES_MAX && (got = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_add(text, chunk, got);
    if (f)
        fclose(f);
}

void ruleset_report(const struct diags *diags, struct buf *out)
{
    struct buf source = BUF_INIT;
    struct entry *entries = sort_entries(diags);
    for (size_t i = 0; entries && i < diags->count; i++) {
        if (i == 0 || !same_file(entries[i].file, entries[i - 1].file))
            report_source(entries[i].file, &source);
        diag_format(out, entries[i].file, entries[i].diag, buf_view(&source));
    }
    size_t errors = diags->count - diags->warnings + diags->dropped;
    if (diags->dropped)
        buf_printf(out, "%zu errors, the last %zu not shown\n", errors, diags->dropped);
    else if (errors > 1)
        buf_printf(out, "%zu errors\n", errors);
    if (diags->out_of_memory || !entries)
        buf_text(out, "error: out of memory\n");
    buf_fini(&source);
    free(entries);
}
