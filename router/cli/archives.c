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
    char *copy;

    if (kind != FTW_F)
        return 0;
    bool sealed = ends_with(path, ".ndjson" ARCHIVE_SEALED_SUFFIX);
    verifying.files += sealed || ends_with(path, ".ndjson");
    if (sealed && (copy = strdup(path))) {
        verify_sealed(path, copy);
        free(copy);
    } else if (ends_with(path, ".ndjson")) {
        verify_growing(path);
    }
    return 0;
}

static int verify(struct cli *cli)
{
    struct buf folder = BUF_INIT;
    char size[16];
    int code = EXIT_DONE;

    verifying = (struct verify){.cli = cli};
    if (cli_data_folder(cli, 1, &folder, &code)) {
        size_t data = folder.size;
        buf_text(&folder, "/archives");
        if (nftw(buf_cstr(&folder), verify_file, 16, FTW_PHYS) != 0) {
            folder.size = data; /* perhaps a folder of archives itself */
            if (nftw(buf_cstr(&folder), verify_file, 16, FTW_PHYS) != 0)
                code = cli_fail(EXIT_IO, "cannot read '%s': %s", folder.data, strerror(errno));
        }
    }
    if (code == EXIT_DONE && cli->json)
        printf("{\"files\":%" PRIu64 ",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"faults\":%" PRIu64 "}\n",
               verifying.files, verifying.events, verifying.bytes, verifying.faults);
    else if (code == EXIT_DONE)
        printf("%s: %" PRIu64 " event%s in %" PRIu64 " file%s, %s: %s\n", folder.data, verifying.events,
               verifying.events == 1 ? "" : "s", verifying.files, verifying.files == 1 ? "" : "s",
               show_bytes((long long)verifying.bytes, size), verifying.faults ? "damaged, see above" : "all whole");
    buf_fini(&folder);
    return code == EXIT_DONE && verifying.faults ? EXIT_DATA : code;
}

/* ---- the verb ---- */

static int archives(struct cli *cli)
{
    const char *what = cli->argument_count ? cli->arguments[0] : "list";

    if (cli->argument_count > 2 || (cli->argument_count == 2 && strcmp(what, "verify") != 0))
        return cli_usage(cli, "takes list, or verify and at most one folder");
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
    .arguments = "[list | verify [FOLDER]]",
    .summary = "what each archive of a running router holds; whether its files are whole",
    .description =
        "'verify' asks no router: it reads every file of the data folder's archives, unpacks what is sealed,\n"
        "and tells file, offset and reason of what is damaged. Exit code 0: all whole; 65: damaged.",
    .options = options,
    .run = archives,
};
