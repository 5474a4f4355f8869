/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs and metrics as mdoc lists, and finding a table by its name. A verb's description may hold examples: lines that
 * begin with blanks are shown as they stand.
 */
#include "router/cli/manual.h"

#include "router/cli/cli.h"
#include "router/metrics.h"
#include "rules/manual.h"

/* ---- verbs ---- */

static void write_option(struct buf *out, const struct cli_option *o)
{
    buf_text(out, ".It");
    if (o->letter)
        buf_printf(out, " Fl %c ,", o->letter);
    buf_printf(out, " Fl %s", o->name + 1);
    if (o->value) {
        buf_text(out, " Ar");
        manual_write_argument(out, o->value);
    }
    buf_char(out, '\n');
    manual_write_text(out, o->meaning);
    if (o->many)
        manual_write_text(out, "may be repeated");
}

/* The run of lines that are, or are not, indented; *at moves behind it. */
static void write_run(struct buf *out, const char **at, bool indented)
{
    struct buf run = BUF_INIT;
    while (**at && (**at == ' ') == indented) {
        size_t size = strcspn(*at, "\n");
        buf_printf(&run, "%.*s\n", (int)size, *at);
        *at += size + ((*at)[size] == '\n');
    }
    if (indented)
        buf_printf(out, ".Bd -literal\n%s.Ed\n", buf_cstr(&run));
    else
        manual_write_text(out, buf_cstr(&run));
    out->failed |= run.failed;
    buf_fini(&run);
}

static void write_verb(struct buf *out, const struct cli_verb *v)
{
    buf_printf(out, ".It Nm Cm %s", v->name);
    if (*v->arguments) {
        buf_text(out, " Li");
        manual_write_argument(out, v->arguments);
    }
    buf_char(out, '\n');
    manual_write_text(out, v->summary);
    for (const char *at = v->description; at && *at;) {
        bool indented = *at == ' ';
        write_run(out, &at, indented);
        if (indented && *at)
            buf_text(out, ".Pp\n");
    }
    if (!v->options || !v->options->name)
        return;
    buf_text(out, ".Bl -tag -width Ds\n");
    for (const struct cli_option *o = v->options; o->name; o++)
        write_option(out, o);
    buf_text(out, ".El\n");
}

static void write_verbs(struct buf *out)
{
    buf_text(out, ".Bl -tag -width Ds\n");
    for (const struct cli_verb *const *v = cli_verbs; *v; v++)
        write_verb(out, *v);
    buf_text(out, ".El\n");
}

/* ---- metrics ---- */

static void write_metrics(struct buf *out)
{
    struct metric_info info;
    buf_text(out, ".Bl -tag -width Ds\n");
    for (enum metric m = 0; m < METRIC_COUNT; m++) {
        struct buf labels = BUF_INIT;
        metric_describe(m, &info);
        for (size_t i = 0; i < info.label_count; i++)
            buf_printf(&labels, "%s%s", i ? "," : "{", info.labels[i]);
        buf_printf(out, ".It Li %s%s%s Pq %s\n", info.name, buf_cstr(&labels), info.label_count ? "}" : "", info.type);
        manual_write_text(out, info.help);
        buf_fini(&labels);
    }
    buf_text(out, ".El\n");
}

/* ---- by name ---- */

static const struct page_table {
    const char *name;
    void (*write)(struct buf *out);
} page_tables[] = {
    {"verbs", write_verbs},
    {"metrics", write_metrics},
    {"operators", manual_write_operators},
    {"checks", manual_write_checks},
};
#define PAGE_TABLE_COUNT (sizeof page_tables / sizeof page_tables[0])

/* The index-th table's name; its text goes to out. NULL: no more. */
static const char *write_at(struct buf *out, size_t index)
{
    struct table t;
    if (index < PAGE_TABLE_COUNT) {
        page_tables[index].write(out);
        return page_tables[index].name;
    }
    if (!tables_at(index - PAGE_TABLE_COUNT, &t))
        return NULL;
    manual_write_options(out, &t);
    return t.name;
}

bool manual_write(struct buf *out, const char *name, struct buf *known_out)
{
    struct buf one = BUF_INIT;
    const char *present;
    bool all = strcmp(name, "all") == 0, found = all;
    for (size_t i = 0; (buf_clear(&one), present = write_at(&one, i)); i++) {
        buf_printf(known_out, "%s%s", i ? ", " : "", present);
        if (!all && strcmp(name, present) != 0)
            continue;
        if (all)
            buf_printf(out, ".\\\" @table %s\n%s.\\\" @end\n", present, buf_cstr(&one));
        else
            buf_str(out, buf_view(&one));
        out->failed |= one.failed;
        found = true;
    }
    buf_fini(&one);
    return found;
}
