/* SPDX-License-Identifier: Apache-2.0 */
/* weir archives: what each archive holds, and whether its files are whole. */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"
#include "router/xalloc.h"
#include "targets/archive.h"
#include "targets/archive_line.h"
#include "targets/archive_sealed.h"

/* ---- list ---- */

static int list(struct cli *cli)
{
    struct reply reply;

    client_call(cli, "/_weir/v1/archives", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str archives = code == EXIT_DONE ? json_member(buf_view(&reply.body), "archives") : (struct str){0};
    if (code == EXIT_DONE && cli->json)
        show_lines(archives);
    else if (code == EXIT_DONE)
        show_archives(archives);
    reply_fini(&reply);
    return code;
}

/* ---- verify ---- */

static struct verify { /* nftw() hands no context on */
    struct cli *cli;
    uint64_t files, events, bytes, faults;
} verifying;

static void tell(const char *path, const char *message)
{
    struct buf line = BUF_INIT;

    verifying.faults++;
    if (verifying.cli->json) {
        buf_char(&line, '{');
        json_write_member(&line, "file", str_from(path));
        json_write_member(&line, "fault", str_from(message));
        buf_char(&line, '}');
        printf("%s\n", buf_cstr(&line));
    } else {
        printf("%s%s%s\n", *message == '\'' ? "" : path, *message == '\'' ? "" : ": ", message); /* some name it */
    }
    buf_fini(&line);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static void verify_sealed(const char *path, char *logical)
{
    struct weir_diag diag;
    size_t count;

    logical[strlen(logical) - strlen(ARCHIVE_SEALED_SUFFIX)] = '\0';
    struct archive_reader *r = archive_reader_open(logical, &diag);
    uint64_t faults = verifying.faults;
    if (!r)
        tell(path, diag.message);
    for (size_t next = 0; r && !archive_reader_verify(r, &next, &diag);)
        tell(path, diag.message);
    if (r && archive_reader_rebuilt(r) && faults == verifying.faults)
        tell(path, "its index is missing or damaged; the file itself is whole");
    const struct archive_frame *frames = r ? archive_reader_frames(r, &count) : NULL;
    /* Where the growing form is still there, its events are counted by that. */
    for (size_t i = 0; r && access(logical, F_OK) != 0 && i < count; i++) {
        verifying.events += frames[i].events;
        verifying.bytes += frames[i].text;
    }
    archive_reader_close(r);
}

/* A line that is no event; the last one may be half written, where a router runs or was killed. */
static void verify_growing(const char *path)
{
    FILE *f = fopen(path, "re");
    char *line = NULL, message[100];
    size_t room = 0;
    uint64_t offset = 0, faults = 0;
    ssize_t size;
    struct line_clock clock = {0};
    struct archive_line read;

    for (; f && (size = getline(&line, &room, f)) > 0; offset += (uint64_t)size) {
        struct str text = {line, (size_t)size - (line[size - 1] == '\n')};
        bool whole = line[size - 1] == '\n';
        if (whole && json_check(text, NULL, NULL) && line_read(text, &clock, &read)) {
            verifying.events++;
        } else if (whole && faults++ == 0) {
            snprintf(message, sizeof message, "offset %" PRIu64 ": the line is no event", offset);
            tell(path, message);
        }
    }
    if (!f)
        tell(path, strerror(errno));
    verifying.bytes += offset;
    free(line);
    if (f)
        fclose(f);
}

static int verify_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    if (kind != FTW_F)
        return 0;
    bool sealed = ends_with(path, ".ndjson" ARCHIVE_SEALED_SUFFIX);
    verifying.files += sealed || ends_with(path, ".ndjson");
    if (sealed) {
        char *copy = xtext(str_from(path));
        verify_sealed(path, copy);
        free(copy);
    } else if (ends_with(path, ".ndjson")) {
        verify_growing(path);
    }
    return 0;
}

/* ---- what is recorded ---- */

struct paths {
    char **list;
    size_t count;
};

static void add_path(void *context, const struct archive_file *f)
{
    struct paths *p = context;

    p->list = xrealloc(p->list, (p->count + 1) * sizeof *p->list);
    p->list[p->count++] = xtext(f->path);
}

/* NULL, or what is wrong: whether the form that is recorded is there, as long as it is recorded. */
static const char *compare(const char *data, const struct archive_file *f, struct buf *path, struct buf *fault)
{
    bool sealed = f->state == ARCHIVE_SEALED;
    int64_t bytes = sealed ? f->packed : f->bytes;
    struct stat st;

    buf_clear(path);
    buf_clear(fault);
    buf_printf(path, "%s/%.*s%s", data, STR_ARG(f->path), sealed ? ARCHIVE_SEALED_SUFFIX : "");
    if (stat(buf_cstr(path), &st) != 0)
        buf_printf(fault, "%s, but %" PRId64 " event%s of it %s recorded", strerror(errno), f->events,
                   f->events == 1 ? "" : "s", f->events == 1 ? "is" : "are");
    else if (st.st_size < bytes)
        buf_printf(fault, "it has %lld bytes, %" PRId64 " are recorded", (long long)st.st_size, bytes);
    return fault->size ? buf_cstr(fault) : NULL;
}

/* A running router seals files and lets them go meanwhile: what is wrong is asked for once more. */
static bool verify_recorded(struct store *store, const char *data, const char *path, struct weir_diag *diag)
{
    struct buf where = BUF_INIT, fault = BUF_INIT;
    const char *wrong = NULL;
    struct archive_file f;
    bool ok = true, found = true;

    for (int i = 0; ok && i < 2; i++) {
        ok = archive_file_find(store, str_from(path), &f, &found, diag);
        wrong = ok && found ? compare(data, &f, &where, &fault) : NULL;
        if (!wrong)
            break;
    }
    if (wrong)
        tell(where.data, wrong);
    buf_fini(&where);
    buf_fini(&fault);
    return ok;
}

/* A folder that is none of a router's, say a copy of an archive, has no ledger. name: of one archive; NULL: all. */
static int verify_ledger(const char *data, const char *name)
{
    struct buf db = BUF_INIT;
    struct paths paths = {0};
    struct weir_diag diag;
    bool ok = true;

    buf_printf(&db, "%s/weir.db", data);
    if (access(buf_cstr(&db), F_OK) == 0) {
        struct store *store = store_open_read(db.data, &diag);
        ok = store && (name ? archive_files(store, str_from(name), add_path, &paths, &diag)
                            : archive_files_of_all(store, add_path, &paths, &diag));
        for (size_t i = 0; i < paths.count; i++) {
            ok = ok && verify_recorded(store, data, paths.list[i], &diag);
            free(paths.list[i]);
        }
        free(paths.list);
        if (store)
            store_close(store);
    }
    buf_fini(&db);
    return ok ? EXIT_DONE : cli_fail(EXIT_IO, "cannot read which archive files are recorded: %s", diag.message);
}

/* The folder of the files: of the data folder's archives, or of one; or a folder that holds archives itself. */
static int verify_folder(struct buf *folder, const char *name)
{
    size_t data = folder->size;

    buf_char(folder, '/');
    if (name)
        archive_path_root(folder, str_from(name));
    else
        buf_text(folder, "archives");
    if (nftw(buf_cstr(folder), verify_file, 16, FTW_PHYS) == 0)
        return EXIT_DONE;
    int error = errno;
    if (!name) {
        folder->size = data;
        if (nftw(buf_cstr(folder), verify_file, 16, FTW_PHYS) == 0)
            return EXIT_DONE;
        error = errno;
    }
    if (name && error == ENOENT && verifying.faults) /* told already */
        return EXIT_DONE;
    return name && error == ENOENT
               ? cli_fail(EXIT_IO, "'%s' is no folder, and no archive: there is no '%s'", name, folder->data)
               : cli_fail(EXIT_IO, "cannot read '%s': %s", folder->data, strerror(error));
}

static void show_verified(const struct cli *cli, const char *folder)
{
    char size[16];

    if (cli->json)
        printf("{\"files\":%" PRIu64 ",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"faults\":%" PRIu64 "}\n",
               verifying.files, verifying.events, verifying.bytes, verifying.faults);
    else
        printf("%s: %" PRIu64 " event%s in %" PRIu64 " file%s, %s: %s\n", folder, verifying.events,
               verifying.events == 1 ? "" : "s", verifying.files, verifying.files == 1 ? "" : "s",
               show_bytes((long long)verifying.bytes, size), verifying.faults ? "damaged, see above" : "all whole");
}

static int verify(struct cli *cli)
{
    const char *argument = cli->argument_count > 1 ? cli->arguments[1] : NULL;
    const char *name = argument && access(argument, F_OK) != 0 && !strchr(argument, '/') ? argument : NULL;
    struct buf folder = BUF_INIT;
    int code = EXIT_DONE;

    verifying = (struct verify){.cli = cli};
    if (cli_data_folder(cli, name ? 2 : 1, &folder, &code)) {
        code = verify_ledger(buf_cstr(&folder), name);
        if (code == EXIT_DONE)
            code = verify_folder(&folder, name);
        if (code == EXIT_DONE)
            show_verified(cli, folder.data);
    }
    buf_fini(&folder);
    return code == EXIT_DONE && verifying.faults ? EXIT_DATA : code;
}

/* ---- the verb ---- */

static int archives(struct cli *cli)
{
    const char *what = cli->argument_count ? cli->arguments[0] : "list";

    if (cli->argument_count > 2 || (cli->argument_count == 2 && strcmp(what, "verify") != 0))
        return cli_usage(cli, "takes list, or verify and at most one folder or archive");
    if (strcmp(what, "verify") == 0)
        return verify(cli);
    if (strcmp(what, "list") == 0)
        return list(cli);
    return cli_usage(cli, "there is no 'archives %s'; there are list and verify", what);
}

static const struct cli_option options[] = {
    {.name = "--config",
     .letter = 'c',
     .value = "FILE",
     .meaning = "verify: the configuration that names the data folder"},
    {0},
};

const struct cli_verb verb_archives = {
    .name = "archives",
    .arguments = "[list | verify [FOLDER|NAME]]",
    .summary = "what each archive of a running router holds; whether its files are whole",
    .description =
        "'verify' asks no router: it reads every file of the data folder's archives (FOLDER, or the one of the\n"
        "configuration), or of the archive NAME, unpacks what is sealed, and tells file, offset and reason of what is\n"
        "damaged, and which files are recorded but missing or too short. Exit code 0: all whole; 65: damaged.",
    .options = options,
    .run = archives,
};
