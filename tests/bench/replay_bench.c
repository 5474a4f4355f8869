/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay, from outside: a real `weir run` with 1,000 rules and an archive of 1 KiB events on a real disk. Beside each
 * figure, in the same run, stands what reading the same files costs by itself: one thread reads (and unpacks) all of
 * them and counts the lines, as zstdcat | wc -l would.
 *
 *     replay_bench [matched|sealed|delivered]…          (default: all)
 *
 * matched: the 1,000 rules meet every event, and 8 in a thousand match one of them, while the files grow; sealed: the
 * same from the files when they are packed; delivered: one rule takes every event to a queue. What was replayed,
 * matched and queued must be what was archived: else the program fails.
 *
 * WEIR names the program (default: the one built beside this one), REPLAY_EVENTS how many events (300,000), WAY_FOLDER
 * where it writes (the working directory).
 */
#include "tests/bench/way.h"

#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "matcher/json.h"
#include "targets/archive_sealed.h"

#define RULES       1000
#define CONNECTIONS 4

static char weir[PATH_MAX], folder[PATH_MAX];
static unsigned events_wanted = 300000;

/* ---- the files by themselves ---- */

static uint64_t lines, text_bytes, file_bytes;

static void count_lines(const char *text, size_t size)
{
    const char *at = text, *end = text + size;

    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        lines++;
        at++;
    }
    text_bytes += size;
}

static void count_packed(FILE *in)
{
    size_t packed_max = ZSTD_DStreamInSize(), room = ZSTD_DStreamOutSize(), size;
    char *packed = malloc(packed_max), *text = malloc(room);
    ZSTD_DStream *z = ZSTD_createDStream();

    while (packed && text && (size = fread(packed, 1, packed_max, in)) > 0) {
        ZSTD_inBuffer from = {packed, size, 0};
        file_bytes += size;
        while (from.pos < from.size) {
            ZSTD_outBuffer to = {text, room, 0};
            if (ZSTD_isError(ZSTD_decompressStream(z, &to, &from)))
                way_fail("an archive file cannot be unpacked");
            count_lines(text, to.pos);
        }
    }
    ZSTD_freeDStream(z);
    free(packed);
    free(text);
}

static void count_plain(FILE *in)
{
    static char text[1 << 20];
    size_t size;

    while ((size = fread(text, 1, sizeof text, in)) > 0) {
        file_bytes += size;
        count_lines(text, size);
    }
}

static int count_file(const char *path, const struct stat *about, int type, struct FTW *where)
{
    size_t size = strlen(path);
    bool packed = size > 4 && strcmp(path + size - 4, ".zst") == 0;
    bool plain = size > 7 && strcmp(path + size - 7, ".ndjson") == 0;
    FILE *in = type == FTW_F && (packed || plain) ? fopen(path, "re") : NULL;

    if (!in)
        return 0;
    if (packed)
        count_packed(in);
    else
        count_plain(in);
    fclose(in);
    return 0;
}

/* Events a second of reading and unpacking alone. */
static double read_files(void)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/data/archives", folder);
    lines = text_bytes = file_bytes = 0;
    double began = way_now();
    if (nftw(path, count_file, 16, FTW_PHYS) != 0)
        way_fail("cannot read '%s'", path);
    return (double)lines / (way_now() - began);
}

/* ---- asking ---- */

static long long number(struct str object, const char *key)
{
    struct str value = json_member(object, key);
    return value.size ? strtoll(value.ptr, NULL, 10) : -1;
}

static bool is_state(struct str replay, const char *state)
{
    struct str value = json_member(replay, "state");
    return value.size > 2 && str_is((struct str){value.ptr + 1, value.size - 2}, state);
}

static void start_replay(int fd, const char *name, const char *rule)
{
    struct buf body = BUF_INIT, request = BUF_INIT, answer = BUF_INIT;

    buf_printf(&body,
               "{\"name\":\"%s\",\"archive\":\"all\",\"from\":\"2000-01-01T00:00:00Z\",\"to\":\"2100-01-01T00:00:00Z\"",
               name);
    if (rule)
        buf_printf(&body, ",\"rules\":[\"%s\"]", rule);
    buf_text(&body, "}");
    way_request(&request, "/_weir/v1/replays", "", buf_view(&body));
    if (way_ask(fd, buf_view(&request), &answer) != 201)
        way_fail("the replay was refused: %s", buf_cstr(&answer));
    buf_fini(&body);
    buf_fini(&request);
    buf_fini(&answer);
}

/* Waits for its end; *replay_out: what it says then. */
static void wait_for(int fd, const char *name, struct buf *replay_out)
{
    struct buf request = BUF_INIT;

    buf_printf(&request, "GET /_weir/v1/replays/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", name);
    do {
        usleep(5000);
        buf_clear(replay_out);
        if (way_ask(fd, buf_view(&request), replay_out) != 200 || is_state(buf_view(replay_out), "FAILED"))
            way_fail("the replay went wrong: %s", buf_cstr(replay_out));
    } while (!is_state(buf_view(replay_out), "COMPLETED"));
    buf_fini(&request);
}

static void run_replay(const struct way_router *r, const char *name, const char *rule, unsigned events, double matches,
                       const char *goal)
{
    struct buf replay = BUF_INIT;
    struct way_cpu before, after;
    int fd = way_connect(r->port);
    double files = read_files();

    if (lines != events)
        way_fail("the archive holds %llu events, not %u", (unsigned long long)lines, events);
    way_router_cpu(r, &before);
    double began = way_now();
    start_replay(fd, name, rule);
    wait_for(fd, name, &replay);
    double passed = way_now() - began;
    way_router_cpu(r, &after);
    struct str said = buf_view(&replay);
    if (number(said, "events_replayed") != events || (double)number(said, "deliveries") != matches)
        way_fail("not every event was replayed: %s", buf_cstr(&replay));
    printf("%-9s %8.0f events/s  reading alone %.0f/s  ratio %.2f  goal %s\n", name, events / passed, files,
           events / passed / files, goal);
    printf("    CPU %.2f us an event; %.0f MiB of events in %.0f MiB of files; %.0f deliveries; %.0f MiB resident\n",
           (after.all - before.all) / events * 1e6, (double)text_bytes / (1 << 20), (double)file_bytes / (1 << 20),
           matches, way_router_resident_mib(r));
    close(fd);
    buf_fini(&replay);
}

/* ---- the archive ---- */

/* What the router does with a file when its hour is over. */
static int seal_file(const char *path, const struct stat *about, int type, struct FTW *where)
{
    const atomic_bool stop = false;
    size_t size = strlen(path);
    struct weir_diag diag;
    int64_t packed;

    if (type != FTW_F || size < 7 || strcmp(path + size - 7, ".ndjson") != 0)
        return 0;
    /* A full one may be in the router's own hands at this moment: then its work is as good. */
    if (!archive_seal(AT_FDCWD, path, about->st_size, &stop, &packed, &diag)) {
        struct archive_reader *sealed = archive_reader_open(path, &diag);
        if (!sealed)
            way_fail("%s", diag.message);
        archive_reader_close(sealed);
    }
    return unlink(path);
}

static void seal_files(void)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/data/archives", folder);
    if (nftw(path, seal_file, 16, FTW_PHYS) != 0)
        way_fail("cannot seal '%s'", path);
}

static void configure(void)
{
    struct buf yaml = BUF_INIT;
    char command[PATH_MAX + 32];

    buf_text(&yaml, "version: 1\ndata: ./data\nqueues: {hits: {}, every: {}}\narchives: {all: {}}\n");
    way_rules(&yaml, RULES, "hits");
    buf_text(&yaml, "  every: {pattern: {source: [shop.orders], replay-name: [delivered]}, targets: [every]}\n");
    way_write_file(folder, "weir.yaml", &yaml);
    buf_fini(&yaml);
    snprintf(command, sizeof command, "rm -rf '%s/data'", folder);
    if (system(command) != 0)
        way_fail("cannot remove '%s/data'", folder);
}

static unsigned fill(const struct way_router *r)
{
    struct buf body = BUF_INIT, request = BUF_INIT, answer = BUF_INIT;
    int fd = way_connect(r->port);
    unsigned sent = 0;

    way_ndjson(&body, false);
    way_request(&request, "/events", "", buf_view(&body));
    for (; sent < events_wanted; sent += WAY_BATCH)
        if (way_ask(fd, buf_view(&request), &answer) != 200)
            way_fail("events were refused: %s", buf_cstr(&answer));
    for (int i = 0; way_metric(r, "weir_events_matched_total", "") < sent; i++) {
        if (i > 12000)
            way_fail("after a minute not all events are matched");
        usleep(5000);
    }
    usleep(200000); /* the last commit */
    close(fd);
    buf_fini(&body);
    buf_fini(&request);
    buf_fini(&answer);
    return sent;
}

static bool is_chosen(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    char command[PATH_MAX + 32], own[PATH_MAX];
    const char *where = getenv("WAY_FOLDER"), *count = getenv("REPLAY_EVENTS"), *program = getenv("WEIR");
    struct way_router r;

    if (count)
        events_wanted = (unsigned)atoi(count);
    snprintf(own, sizeof own, "%s/../../weir", dirname(strdupa(argv[0])));
    if (!realpath(program ? program : own, weir))
        way_fail("no program '%s'", program ? program : own);
    snprintf(folder, sizeof folder, "%s/replay-bench-XXXXXX", where ? where : ".");
    if (!mkdtemp(folder) || !realpath(strdupa(folder), folder))
        way_fail("cannot make '%s'", folder);
    configure();
    way_router_start(&r, weir, folder);
    unsigned events = fill(&r);
    if (is_chosen(argc, argv, "matched"))
        run_replay(&r, "matched", NULL, events, (double)events / WAY_BATCH * way_matches(0, WAY_BATCH), "400000");
    seal_files();
    if (is_chosen(argc, argv, "sealed"))
        run_replay(&r, "sealed", NULL, events, (double)events / WAY_BATCH * way_matches(0, WAY_BATCH), "400000");
    if (is_chosen(argc, argv, "delivered"))
        run_replay(&r, "delivered", "every", events, events, "100000");
    way_router_stop(&r);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
