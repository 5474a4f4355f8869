/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed archive files: the same text as before, over damage to the index, damage to the file, and crashes at each
 * step. */
#include "targets/archive_sealed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "targets/archive.h"
#include "tests/targets/sandbox.h"

#define HOUR   3600000
#define NOON   1795262400000 /* 2026-11-21T12:00:00Z */
#define FOLDER "archives/audit/bus=default/date=2026-11-21/hour=12"
#define PLAIN  FOLDER "/events.ndjson"
#define SECOND FOLDER "/events.2.ndjson"

static const struct store_schema *const schemas[] = {&archive_schema, NULL};
static struct archive_options options;
static struct target_def audit;

struct world {
    struct sandbox f;
    struct target *t;
    int data_fd;
};

static bool recover(struct world *w)
{
    sandbox_begin(&w->f);
    bool ok = archive_adapter.recover(w->t, w->f.store, &w->f.diag);
    if (ok)
        sandbox_commit(&w->f);
    else
        store_rollback(w->f.store);
    return ok;
}

static void start(struct world *w)
{
    sandbox_open(&w->f, schemas);
    w->t = archive_adapter.open(&audit, NULL, w->f.folder, &w->f.diag);
    assert_non_null(w->t);
    w->data_fd = open(w->f.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(recover(w));
}

static void crash(struct world *w)
{
    archive_adapter.close(w->t);
    store_rollback(w->f.store);
    sandbox_close(&w->f);
    close(w->data_fd);
}

static int setup(void **state)
{
    static struct world w;

    options = (struct archive_options){.bus = STR("default")};
    audit = (struct target_def){.adapter = &archive_adapter, .name = STR("audit"), .options = &options};
    sandbox_init(&w.f);
    start(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    crash(w);
    sandbox_fini(&w->f);
    return 0;
}

static struct weir_time at(int64_t ms_after_noon)
{
    return (struct weir_time){.wall_ms = NOON + ms_after_noon, .age_ms = 100 * HOUR + ms_after_noon};
}

/* Events number first..last, of very different sizes, in one commit. */
static void batch(struct world *w, unsigned first, unsigned last, struct weir_time now)
{
    static char event[400000];

    sandbox_begin(&w->f);
    for (unsigned n = first; n <= last; n++) {
        struct verdict v;
        unsigned pad = n % 97 == 0 ? 300000 : n % 7 * 300;
        int size = snprintf(
            event, sizeof event,
            "{\"version\":\"0\",\"id\":\"%u\",\"detail-type\":\"t\",\"source\":\"s\",\"account\":\"1\","
            "\"time\":\"2026-11-21T%02u:00:00Z\",\"region\":\"r\",\"resources\":[],\"detail\":{\"x\":\"%0*u\"}}",
            n, n % 24, (int)pad + 1, n * 2654435761u % 1000003);
        struct delivery d = {.target = w->t, .position = n, .event = {event, (size_t)size}};
        archive_adapter.put(w->t, &d, w->f.store, now, &v);
        assert_int_equal(v.kind, VERDICT_SETTLED);
    }
    assert_true(archive_adapter.flush(w->t, w->f.store, now, &w->f.diag));
    sandbox_commit(&w->f);
}

static struct archive_seal_job next(struct world *w, struct weir_time now)
{
    struct archive_seal_job job = {0};

    sandbox_begin(&w->f);
    assert_true(archive_seal_next(w->f.store, now, &job, &w->f.diag));
    sandbox_commit(&w->f);
    return job;
}

static int64_t pack(struct world *w, const struct archive_seal_job *job)
{
    int64_t packed;
    if (!archive_seal(w->data_fd, job->path, job->bytes, NULL, &packed, &w->f.diag))
        fail_msg("archive_seal: %s", w->f.diag.message);
    return packed;
}

static void done(struct world *w, const struct archive_seal_job *job, int64_t packed)
{
    sandbox_begin(&w->f);
    assert_true(archive_seal_done(w->f.store, job, packed, &w->f.diag));
    sandbox_commit(&w->f);
}

static void clear_trash(struct world *w)
{
    int64_t count;
    sandbox_begin(&w->f);
    assert_true(archive_expire(w->t, w->f.store, at(HOUR), &count, &w->f.diag));
    sandbox_commit(&w->f);
}

static char *path_of(struct world *w, const char *name)
{
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", w->f.folder, name);
    return path;
}

static bool is_there(struct world *w, const char *name)
{
    return access(path_of(w, name), F_OK) == 0;
}

static struct buf slurp(struct world *w, const char *name)
{
    struct buf out = BUF_INIT;
    FILE *f = fopen(path_of(w, name), "rb");
    char part[65536];
    size_t n;

    assert_non_null(f);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_add(&out, part, n);
    fclose(f);
    return out;
}

static void spill(struct world *w, const char *name, const char *bytes, size_t size)
{
    FILE *f = fopen(path_of(w, name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static struct archive_reader *open_reader(struct world *w)
{
    struct archive_reader *r = archive_reader_open(path_of(w, PLAIN), &w->f.diag);
    if (!r)
        fail_msg("archive_reader_open: %s", w->f.diag.message);
    return r;
}

/* All of the text, and pieces of it at odd places. */
static void expect_text(struct world *w, struct archive_reader *r, struct str text)
{
    struct buf out = BUF_INIT;

    assert_true(archive_reader_text(r, 0, text.size, &out, &w->f.diag));
    assert_true(str_eq(buf_view(&out), text));
    for (size_t from = 0; from < text.size; from += text.size / 37 + 1) {
        size_t size = from * 7 % (text.size - from) + 1;
        buf_clear(&out);
        assert_true(archive_reader_text(r, from, size, &out, &w->f.diag));
        assert_true(str_eq(buf_view(&out), (struct str){text.ptr + from, size}));
    }
    assert_false(archive_reader_text(r, text.size - 1, 2, &out, &w->f.diag));
    assert_non_null(strstr(w->f.diag.message, ".zst'"));
    buf_fini(&out);
}

static struct archive_totals totals(struct world *w)
{
    struct archive_totals out;
    sandbox_begin(&w->f);
    assert_true(archive_count(w->f.store, audit.name, &out, &w->f.diag));
    sandbox_commit(&w->f);
    return out;
}

/* ---- tests ---- */

static void sealed_text_is_the_same(void **state)
{
    struct world *w = *state;
    size_t count;

    batch(w, 1, 700, at(0));
    batch(w, 701, 1500, at(1000));
    assert_string_equal(next(w, at(1000)).path, ""); /* the hour is not over */
    struct buf text = slurp(w, PLAIN);
    struct archive_seal_job job = next(w, at(HOUR));
    assert_string_equal(job.path, PLAIN);
    assert_int_equal(job.bytes, text.size);
    int64_t packed = pack(w, &job);
    done(w, &job, packed);
    assert_true(is_there(w, PLAIN)); /* until that is committed */
    clear_trash(w);
    assert_false(is_there(w, PLAIN));
    assert_string_equal(next(w, at(9 * HOUR)).path, "");

    struct archive_reader *r = open_reader(w);
    assert_false(archive_reader_rebuilt(r));
    const struct archive_frame *frames = archive_reader_frames(r, &count);
    assert_true(count >= 3);
    uint64_t events = 0;
    for (size_t i = 0; i < count; i++) {
        events += frames[i].events;
        assert_true(frames[i].time_min_ms <= frames[i].time_max_ms);
        assert_int_equal(text.data[frames[i].text_at + frames[i].text - 1], '\n'); /* whole lines */
    }
    assert_int_equal(events, 1500);
    expect_text(w, r, buf_view(&text));
    assert_true(archive_reader_verify(r, &(size_t){0}, &w->f.diag));
    archive_reader_close(r);

    struct archive_totals t = totals(w);
    assert_int_equal(t.events, 1500);
    assert_int_equal(t.bytes, text.size);
    assert_int_equal(t.sealed_files, 1);
    assert_int_equal(t.disk_bytes, packed);
    buf_fini(&text);
}

static void an_index_is_made_again(void **state)
{
    struct world *w = *state;
    size_t count, count_again;

    batch(w, 1, 1500, at(0));
    struct buf text = slurp(w, PLAIN);
    struct archive_seal_job job = next(w, at(HOUR));
    done(w, &job, pack(w, &job));
    struct archive_reader *r = open_reader(w);
    const struct archive_frame *frames = archive_reader_frames(r, &count);
    struct buf index = slurp(w, PLAIN ARCHIVE_INDEX_SUFFIX);
    for (size_t at_byte = 0; at_byte <= index.size; at_byte += at_byte < index.size ? index.size / 50 + 1 : 1) {
        if (at_byte < index.size) {
            index.data[at_byte] ^= 1;
            spill(w, PLAIN ARCHIVE_INDEX_SUFFIX, index.data, index.size);
            index.data[at_byte] ^= 1;
        } else {
            assert_int_equal(unlink(path_of(w, PLAIN ARCHIVE_INDEX_SUFFIX)), 0);
        }
        struct archive_reader *again = open_reader(w);
        assert_true(archive_reader_rebuilt(again));
        const struct archive_frame *frames_again = archive_reader_frames(again, &count_again);
        assert_int_equal(count_again, count);
        assert_memory_equal(frames_again, frames, count * sizeof *frames);
        if (at_byte == 0)
            expect_text(w, again, buf_view(&text));
        archive_reader_close(again);
        if (at_byte >= index.size)
            break;
        if (at_byte + index.size / 50 + 1 > index.size)
            at_byte = index.size - index.size / 50 - 1; /* the last one: without an index */
    }
    archive_reader_close(r);
    buf_fini(&index);
    buf_fini(&text);
}

static void damage_is_told_by_its_place(void **state)
{
    struct world *w = *state;

    batch(w, 1, 1500, at(0));
    struct archive_seal_job job = next(w, at(HOUR));
    done(w, &job, pack(w, &job));
    struct buf bytes = slurp(w, PLAIN ARCHIVE_SEALED_SUFFIX);
    for (size_t i = 0; i < 60; i++) {
        size_t place = i * 7919 * 131 % bytes.size;
        bytes.data[place] ^= 0x10;
        spill(w, PLAIN ARCHIVE_SEALED_SUFFIX, bytes.data, bytes.size);
        bytes.data[place] ^= 0x10;
        struct archive_reader *r = open_reader(w); /* by its index */
        size_t count, bad = 0;
        const struct archive_frame *frames = archive_reader_frames(r, &count);
        struct buf out = BUF_INIT;
        char where[40];
        for (size_t k = 0; k < count; k++)
            if (!archive_reader_text(r, frames[k].text_at, (size_t)frames[k].text, &out, &w->f.diag)) {
                bad++;
                snprintf(where, sizeof where, "offset %llu:", (unsigned long long)frames[k].packed_at);
                assert_non_null(strstr(w->f.diag.message, where));
                assert_true(place >= frames[k].packed_at && place < frames[k].packed_at + frames[k].packed);
            }
        assert_int_equal(bad, 1); /* the rest is served */
        assert_false(archive_reader_verify(r, &(size_t){0}, &w->f.diag));
        buf_fini(&out);
        archive_reader_close(r);
    }
    for (size_t cut = 1; cut < bytes.size; cut += bytes.size / 40 + 1) {
        spill(w, PLAIN ARCHIVE_SEALED_SUFFIX, bytes.data, cut); /* then its index is not believed */
        struct archive_reader *r = open_reader(w);
        assert_false(archive_reader_verify(r, &(size_t){0}, &w->f.diag));
        assert_non_null(strstr(w->f.diag.message, "offset"));
        archive_reader_close(r);
    }
    buf_fini(&bytes);
}

static uint64_t events_in(const struct archive_frame *frames, size_t count)
{
    uint64_t events = 0;
    for (size_t i = 0; i < count; i++)
        events += frames[i].events;
    return events;
}

/* Without an index, every frame but the damaged one is found, and only text before the gap has a place. */
static void frames_behind_a_gap_are_kept(void **state)
{
    struct world *w = *state;
    struct buf out = BUF_INIT;
    size_t count, found;

    batch(w, 1, 1500, at(0));
    struct buf text = slurp(w, PLAIN);
    struct archive_seal_job job = next(w, at(HOUR));
    done(w, &job, pack(w, &job));
    struct archive_reader *whole = open_reader(w);
    const struct archive_frame *frames = archive_reader_frames(whole, &count);
    struct buf bytes = slurp(w, PLAIN ARCHIVE_SEALED_SUFFIX);
    unlink(path_of(w, PLAIN ARCHIVE_INDEX_SUFFIX));
    for (size_t bad = 0; bad < count; bad++) {
        size_t place = frames[bad].packed_at + frames[bad].packed * bad / count, next = 0;
        char where[60];
        bytes.data[place] ^= 0x10;
        spill(w, PLAIN ARCHIVE_SEALED_SUFFIX, bytes.data, bytes.size);
        bytes.data[place] ^= 0x10;
        struct archive_reader *r = open_reader(w);
        const struct archive_frame *rest = archive_reader_frames(r, &found);
        assert_int_equal(found, count - 1);
        assert_int_equal(events_in(rest, found), events_in(frames, count) - frames[bad].events);
        assert_false(archive_reader_verify(r, &next, &w->f.diag));
        snprintf(where, sizeof where, "offset %llu:", (unsigned long long)frames[bad].packed_at);
        assert_non_null(strstr(w->f.diag.message, where));
        snprintf(where, sizeof where, "; %llu bytes are lost", (unsigned long long)frames[bad].packed);
        assert_non_null(strstr(w->f.diag.message, where));
        assert_true(archive_reader_verify(r, &next, &w->f.diag)); /* the others are whole */
        buf_clear(&out);
        assert_true(archive_reader_text(r, 0, (size_t)frames[bad].text_at, &out, &w->f.diag));
        assert_true(str_eq(buf_view(&out), (struct str){text.data, (size_t)frames[bad].text_at}));
        assert_false(archive_reader_text(r, frames[bad].text_at, 1, &out, &w->f.diag));
        assert_false(archive_reader_text(r, text.size - 1, 1, &out, &w->f.diag));
        archive_reader_close(r);
    }
    archive_reader_close(whole);
    buf_fini(&bytes);
    buf_fini(&text);
    buf_fini(&out);
}

/* A header that claims the most a frame can hold, and nothing behind it. */
static void a_frame_that_claims_too_much(void **state)
{
    static const char claims[] = "\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x40\x01\x00\x00"; /* 1 GiB, an empty last block */
    struct world *w = *state;

    batch(w, 1, 10, at(0));
    spill(w, PLAIN ARCHIVE_SEALED_SUFFIX, claims, sizeof claims - 1);
    struct archive_reader *r = open_reader(w);
    assert_false(archive_reader_verify(r, &(size_t){0}, &w->f.diag));
    assert_non_null(strstr(w->f.diag.message, "offset 0: a frame claims to hold more than 32 MiB; 12 bytes are lost"));
    archive_reader_close(r);
}

static void long_paths_do_not_hide_the_reason(void **state)
{
    char path[1200], shown[ARCHIVE_SHOWN_BYTES];
    struct weir_diag diag;

    (void)state;
    assert_string_equal(archive_path_show("a/b.ndjson", shown), "a/b.ndjson");
    for (size_t size = 0; size < 900; size++)
        snprintf(path + size, sizeof path - size, "%s", size % 50 ? "\xc3" : "/");
    strcat(path, "/hour=12/events.ndjson");
    assert_true(strlen(archive_path_show(path, shown)) < ARCHIVE_SHOWN_BYTES);
    assert_memory_equal(shown, "…/", strlen("…/"));
    assert_non_null(strstr(shown, "/hour=12/events.ndjson"));
    assert_null(archive_reader_open(path, &diag));
    assert_non_null(strstr(diag.message, "/hour=12/events.ndjson.zst': "));
    assert_non_null(strstr(diag.message, strerror(ENAMETOOLONG)) ?: strstr(diag.message, strerror(ENOENT)));
}

static void whoever_appends_gets_another_file(void **state)
{
    struct world *w = *state;

    batch(w, 1, 10, at(0));
    struct archive_seal_job job = next(w, at(HOUR));
    batch(w, 11, 20, at(10)); /* the clock was set back while it is packed */
    assert_true(is_there(w, SECOND));
    done(w, &job, pack(w, &job));
    clear_trash(w);
    batch(w, 21, 30, at(20));
    assert_false(is_there(w, PLAIN));
    assert_int_equal(totals(w).events, 30);
    assert_int_equal(totals(w).files, 2);
    job = next(w, at(HOUR));
    assert_string_equal(job.path, SECOND);
    done(w, &job, pack(w, &job));
    clear_trash(w);
    assert_int_equal(totals(w).sealed_files, 2);
}

/* Sealing in five steps; after each of them everything stops, and is found whole. */
static void crashes_lose_nothing(void **state)
{
    struct world *w = *state;

    for (int stop = 0; stop < 5; stop++) {
        unsigned first = (unsigned)stop * 100 + 1;
        struct weir_time now = at(stop * 24 * HOUR);
        batch(w, first, first + 99, now);
        now.wall_ms += HOUR;
        struct archive_seal_job job = {0};
        int64_t packed = 0;
        if (stop >= 1)
            job = next(w, now);
        if (stop >= 2)
            packed = pack(w, &job);
        if (stop == 3) { /* not committed */
            sandbox_begin(&w->f);
            assert_true(archive_seal_done(w->f.store, &job, packed, &w->f.diag));
        }
        if (stop >= 4)
            done(w, &job, packed);
        crash(w);
        start(w);
        assert_int_equal(totals(w).events, first + 99);
        job = next(w, now);
        assert_int_equal(job.path[0] != '\0', stop < 4);
        if (job.path[0])
            done(w, &job, pack(w, &job));
        crash(w);
        start(w);
        assert_int_equal(totals(w).sealed_files, stop + 1);
        char name[256];
        snprintf(name, sizeof name, "archives/audit/bus=default/date=2026-11-%d/hour=12/events.ndjson", 21 + stop);
        assert_false(is_there(w, name));
        struct archive_reader *r = archive_reader_open(path_of(w, name), &w->f.diag);
        assert_non_null(r);
        assert_true(archive_reader_verify(r, &(size_t){0}, &w->f.diag));
        archive_reader_close(r);
    }
}

static void leftovers_are_swept(void **state)
{
    struct world *w = *state;

    batch(w, 1, 10, at(0));
    struct archive_seal_job job = next(w, at(HOUR));
    pack(w, &job);
    spill(w, PLAIN ARCHIVE_SEALED_SUFFIX ".tmp", "x", 1);
    spill(w, FOLDER "/events.9.ndjson.zst", "x", 1);
    crash(w);
    start(w);
    assert_true(is_there(w, PLAIN));
    assert_false(is_there(w, PLAIN ARCHIVE_SEALED_SUFFIX));
    assert_false(is_there(w, PLAIN ARCHIVE_INDEX_SUFFIX));
    assert_false(is_there(w, PLAIN ARCHIVE_SEALED_SUFFIX ".tmp"));
    assert_true(is_there(w, FOLDER "/events.9.ndjson.zst.uncommitted")); /* nobody knows it: not ours to delete */
}

static void retention_takes_sealed_files(void **state)
{
    struct world *w = *state;
    int64_t count;

    options.retention = 2 * HOUR;
    batch(w, 1, 10, at(0));
    struct archive_seal_job job = next(w, at(HOUR));
    done(w, &job, pack(w, &job));
    clear_trash(w);
    for (int i = 0; i < 2; i++) {
        sandbox_begin(&w->f);
        assert_true(archive_expire(w->t, w->f.store, at(9 * HOUR), &count, &w->f.diag));
        sandbox_commit(&w->f);
    }
    assert_int_equal(totals(w).files, 0);
    assert_false(is_there(w, FOLDER));
}

static void one_that_expires_while_it_is_packed(void **state)
{
    struct world *w = *state;
    int64_t count;

    options.retention = 2 * HOUR;
    batch(w, 1, 10, at(0));
    struct archive_seal_job job = next(w, at(HOUR));
    sandbox_begin(&w->f);
    assert_true(archive_expire(w->t, w->f.store, at(9 * HOUR), &count, &w->f.diag));
    sandbox_commit(&w->f);
    int64_t packed = pack(w, &job);
    clear_trash(w);
    done(w, &job, packed);
    clear_trash(w);
    assert_int_equal(totals(w).files, 0);
    assert_false(is_there(w, FOLDER));
}

static void others_are_sealed_past_one_that_cannot_be(void **state)
{
    struct world *w = *state;

    batch(w, 1, 10, at(0));
    batch(w, 11, 20, at(HOUR));
    batch(w, 21, 30, at(2 * HOUR));
    struct archive_seal_job first = next(w, at(2 * HOUR)), second = {.file = first.file};
    sandbox_begin(&w->f);
    assert_true(archive_seal_next(w->f.store, at(2 * HOUR), &second, &w->f.diag));
    sandbox_commit(&w->f);
    assert_string_not_equal(first.path, second.path);
    done(w, &second, pack(w, &second));
    assert_true(is_there(w, second.path));
    assert_true(archive_seal_clear(w->f.store, w->f.folder, &second, &w->f.diag));
    assert_false(is_there(w, second.path));
    assert_true(archive_seal_clear(w->f.store, w->f.folder, &first, &w->f.diag)); /* it is not sealed */
    assert_true(is_there(w, first.path));
    struct archive_seal_job again = next(w, at(2 * HOUR));
    assert_string_equal(again.path, first.path);
    sandbox_begin(&w->f);
    assert_true(archive_seal_next(w->f.store, at(2 * HOUR), &again, &w->f.diag));
    sandbox_commit(&w->f);
    assert_string_equal(again.path, ""); /* the last hour is not over */
}

static void what_cannot_be_packed_is_told(void **state)
{
    struct world *w = *state;
    atomic_bool stop = true;
    int64_t packed;

    batch(w, 1, 10, at(0));
    struct archive_seal_job job = next(w, at(HOUR));
    assert_false(archive_seal(w->data_fd, job.path, job.bytes + 5, NULL, &packed, &w->f.diag));
    assert_non_null(strstr(w->f.diag.message, PLAIN));
    assert_false(archive_seal(w->data_fd, job.path, job.bytes, &stop, &packed, &w->f.diag));
    assert_false(archive_seal(w->data_fd, "nowhere/x", 5, NULL, &packed, &w->f.diag));
    assert_false(is_there(w, PLAIN ARCHIVE_SEALED_SUFFIX ".tmp"));
    assert_null(archive_reader_open(path_of(w, PLAIN), &w->f.diag));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(sealed_text_is_the_same),
        TEST(an_index_is_made_again),
        TEST(damage_is_told_by_its_place),
        TEST(whoever_appends_gets_another_file),
        TEST(crashes_lose_nothing),
        TEST(leftovers_are_swept),
        TEST(retention_takes_sealed_files),
        TEST(one_that_expires_while_it_is_packed),
        TEST(frames_behind_a_gap_are_kept),
        TEST(a_frame_that_claims_too_much),
        TEST(long_paths_do_not_hide_the_reason),
        TEST(what_cannot_be_packed_is_told),
        TEST(others_are_sealed_past_one_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
