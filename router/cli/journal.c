/* SPDX-License-Identifier: Apache-2.0 */
/* weir journal: looking at the journal's files, of a router that runs or not. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/cli/show.h"
#include "router/cli/verbs.h"
#include "router/journal_verify.h"
#include "targets/archive.h"

struct looking {
    struct cli *cli;
    struct buf folder; /* of the segments */
    bool growing;      /* a router runs on it */
    struct table *table;
    uint64_t segments, records, bytes, faults;
    const char *bus; /* cat: of this bus only; NULL: all */
    uint64_t from;   /* cat: from this number on */
};

/* ---- which folder ---- */

static bool is_locked(const char *folder)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s/lock", folder);
    int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
    bool locked = fd >= 0 && fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    buf_fini(&path);
    return locked;
}

/* A folder that is there and holds no segment: a name that was mistyped must not pass for a journal that is whole. */
static bool holds_none(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    bool none = d != NULL;

    while (none && (e = readdir(d)))
        none = !strstr(e->d_name, ".seg");
    if (d)
        closedir(d);
    return none;
}

/* The data folder, or its journal/ itself. */
static bool find_folder(struct looking *l, int *code)
{
    if (!cli_data_folder(l->cli, 1, &l->folder, code))
        return false;
    size_t size = l->folder.size;
    buf_text(&l->folder, "/journal");
    if (access(buf_cstr(&l->folder), F_OK) == 0) {
        l->folder.data[size] = '\0';
        l->growing = is_locked(l->folder.data);
        l->folder.data[size] = '/';
    } else {
        l->folder.size = size;
        if (holds_none(buf_cstr(&l->folder))) {
            *code = cli_fail(EXIT_IO, "there is no journal in '%s'", l->folder.data);
            return false;
        }
    }
    return true;
}

static int walk(struct looking *l, const struct journal_walk *calls)
{
    struct weir_diag diag;

    if (!journal_walk_files(l->folder.data, l->growing, calls, &diag))
        return cli_fail(EXIT_IO, "%s", diag.message);
    return EXIT_DONE;
}

/* ---- verify ---- */

static void show_fault(void *context, const struct journal_fault *f)
{
    struct looking *l = context;
    struct buf line = BUF_INIT;

    l->faults++;
    if (l->cli->json) {
        buf_char(&line, '{');
        json_write_member(&line, "file", str_from(f->file));
        buf_printf(&line, ",\"offset\":%" PRIu64 ",\"record\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"torn\":%s,",
                   f->offset, f->sequence, f->bytes, f->torn ? "true" : "false");
        json_write_member(&line, "reason", str_from(f->reason));
        buf_char(&line, '}');
    } else {
        buf_printf(&line, "%s/%s: offset %" PRIu64 ", record %" PRIu64 ": %s", l->folder.data, f->file, f->offset,
                   f->sequence, f->reason);
        if (f->torn)
            buf_printf(&line, "; no whole record behind it (%" PRIu64 " bytes)", f->bytes);
        else if (f->bytes)
            buf_printf(&line, "; %" PRIu64 " bytes on there is a whole one again", f->bytes);
    }
    printf("%s\n", buf_cstr(&line));
    buf_fini(&line);
}

static void count_segment(void *context, const struct journal_segment *s)
{
    struct looking *l = context;

    l->segments++;
    l->records += s->records;
    l->bytes += s->bytes;
}

static int verify(struct looking *l)
{
    const struct journal_walk calls = {.context = l, .fault = show_fault, .segment = count_segment};
    char size[16];
    int code = walk(l, &calls);

    if (code != EXIT_DONE)
        return code;
    if (l->cli->json)
        printf("{\"segments\":%" PRIu64 ",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"faults\":%" PRIu64 "}\n",
               l->segments, l->records, l->bytes, l->faults);
    else
        printf("%s: %" PRIu64 " record%s in %" PRIu64 " segment%s, %s: %s\n", l->folder.data, l->records,
               l->records == 1 ? "" : "s", l->segments, l->segments == 1 ? "" : "s",
               show_bytes((long long)l->bytes, size), l->faults ? "damaged, see above" : "every record is whole");
    return l->faults ? EXIT_DATA : EXIT_DONE;
}

/* ---- list ---- */

static void list_segment(void *context, const struct journal_segment *s)
{
    struct looking *l = context;
    char size[16], from[21] = "-", to[21] = "-";

    if (s->records) {
        time_format_rfc3339(s->first_time_ms, from);
        time_format_rfc3339(s->last_time_ms, to);
    }
    if (l->cli->json) {
        printf("{\"file\":\"%s\",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"from\":\"%s\",\"to\":\"%s\",\"faults\":%" PRIu64 "}\n",
               s->file, s->first, s->last, s->records, s->bytes, from, to, s->faults);
        return;
    }
    table_cell(l->table, "%s", s->file);
    table_cell(l->table, "%" PRIu64, s->first);
    table_cell(l->table, "%" PRIu64, s->records);
    table_cell(l->table, "%s", show_bytes((long long)s->bytes, size));
    table_cell(l->table, "%s", from);
    table_cell(l->table, "%s", to);
    table_cell(l->table, "%" PRIu64, s->faults);
}

static int list(struct looking *l)
{
    static const char *const titles[] = {"SEGMENT", ">FIRST RECORD", ">RECORDS", ">SIZE", "FROM", "TO", ">FAULTS"};
    const struct journal_walk calls = {.context = l, .segment = list_segment};

    l->table = table_create(titles, 7);
    int code = walk(l, &calls);
    if (code == EXIT_DONE && !l->cli->json)
        table_print(l->table);
    else
        table_destroy(l->table);
    return code;
}

/* ---- cat ---- */

static bool print_record(void *context, const struct journal_record *r)
{
    struct looking *l = context;
    struct buf line = BUF_INIT;
    char time[21];

    if (r->sequence < l->from || (l->bus && !str_is(r->bus, l->bus)))
        return true;
    if (l->cli->json) {
        time_format_rfc3339(r->time_ms, time);
        buf_printf(&line, "{\"record\":%" PRIu64 ",", r->sequence);
        json_write_member(&line, "arrived", str_from(time));
        buf_char(&line, ',');
        json_write_member(&line, "bus", r->bus);
        buf_text(&line, ",\"event\":");
    }
    buf_str(&line, r->event);
    buf_text(&line, l->cli->json ? "}\n" : "\n");
    bool ok = fwrite(line.data, 1, line.size, stdout) == line.size;
    buf_fini(&line);
    return ok;
}

static void warn_fault(void *context, const struct journal_fault *f)
{
    struct looking *l = context;

    l->faults++;
    fprintf(stderr, "weir: %s/%s: offset %" PRIu64 ", record %" PRIu64 ": %s\n", l->folder.data, f->file, f->offset,
            f->sequence, f->reason);
}

static int cat(struct looking *l)
{
    const struct journal_walk calls = {.context = l, .record = print_record, .fault = warn_fault};
    const char *from = cli_value(l->cli, "--from", NULL);
    char *end;

    l->bus = cli_value(l->cli, "--bus", NULL);
    if (from) {
        l->from = strtoull(from, &end, 10);
        if (end == from || *end || *from == '-')
            return cli_usage(l->cli, "--from takes the number of a record, got '%s'", from);
    }
    int code = walk(l, &calls);
    return code == EXIT_DONE && l->faults ? EXIT_DATA : code;
}

/* ---- the verb ---- */

static const struct {
    const char *name;
    int (*run)(struct looking *l);
} actions[] = {{"verify", verify}, {"list", list}, {"cat", cat}};
#define ACTIONS (sizeof actions / sizeof actions[0])

static int journal(struct cli *cli)
{
    const char *names[ACTIONS];
    struct looking l = {.cli = cli};
    size_t i = 0;
    int code = EXIT_DONE;

    if (!cli->argument_count || cli->argument_count > 2)
        return cli_usage(cli, "takes verify, list or cat, and at most one folder");
    for (size_t n = 0; n < ACTIONS; n++)
        names[n] = actions[n].name;
    while (i < ACTIONS && strcmp(cli->arguments[0], actions[i].name) != 0)
        i++;
    if (i == ACTIONS) {
        const char *near = diag_near(str_from(cli->arguments[0]), names, ACTIONS);
        return cli_usage(cli, "there is no 'journal %s'%s%s%s", cli->arguments[0], near ? "; did you mean '" : "",
                         near ? near : "", near ? "'?" : "");
    }
    if (find_folder(&l, &code))
        code = actions[i].run(&l);
    buf_fini(&l.folder);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--config", .letter = 'c', .value = "FILE", .meaning = "the configuration that names the data folder"},
    {.name = "--bus", .value = "BUS", .meaning = "cat: events of this bus only"},
    {.name = "--from", .value = "RECORD", .meaning = "cat: from this record number on"},
    {0},
};

const struct cli_verb verb_journal = {
    .name = "journal",
    .arguments = "verify|list|cat [FOLDER]",
    .summary = "what the journal's files hold, and whether they are whole",
    .description =
        "'verify' reads every record and tells offset and reason of each that is bad; 'list' shows the segments;\n"
        "'cat' prints the events, one a line (--json: each with its record number, bus and time of arrival).\n"
        "FOLDER is a data folder, or the journal/ in one; without it, that of the configuration.\n"
        "The files are read as they are, also beside a running router, and nothing is changed.\n"
        "Segments whose events are dispatched are removed: the journal holds what is recent, not all there was.\n"
        "Exit code 0: whole; 65: damaged.",
    .no_url = true,
    .options = options,
    .run = journal,
};
