/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal against torn files: every cut of the tail, every flipped bit of the last records, damage in the middle,
 * lost headers, and the ordinary life of segments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/crc32c.h"
#include "router/journal.h"
#include "router/journal_verify.h"
#include "router/log.h"

static char folder[64];
static char journal_path[80];

static int set_up(void **state)
{
    log_open(LOG_FORMAT_LOGFMT, LEVEL_ERROR + 1); /* silent: damage is what these tests are about */
    strcpy(folder, "/tmp/weir-journal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(journal_path, sizeof journal_path, "%s/journal", folder);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* ---- helpers ---- */

struct waiting {
    struct journal_batch batch;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool finished;
    enum journal_result result;
};

static void finished(struct journal_batch *b, enum journal_result result)
{
    struct waiting *w = (struct waiting *)b;
    pthread_mutex_lock(&w->lock);
    w->finished = true;
    w->result = result;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static enum journal_result append(struct journal *j, const struct journal_event *events, uint32_t count)
{
    struct waiting w = {.batch = {.events = events, .count = count, .done = finished},
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .wake = PTHREAD_COND_INITIALIZER};
    if (!journal_submit(j, &w.batch))
        return JOURNAL_FAILED;
    pthread_mutex_lock(&w.lock);
    while (!w.finished)
        pthread_cond_wait(&w.wake, &w.lock);
    pthread_mutex_unlock(&w.lock);
    return w.result;
}

static void append_number(struct journal *j, unsigned n)
{
    char text[64];
    snprintf(text, sizeof text, "{\"n\":%u,\"padding\":\"%.*s\"}", n, (int)(n % 20), "....................");
    struct journal_event e = {STR("default"), str_from(text), n & JOURNAL_REPEATED_KEYS};
    assert_int_equal(append(j, &e, 1), JOURNAL_SYNCED);
}

static struct journal *open_with(uint64_t above, uint64_t segment_bytes, struct journal_report *report)
{
    struct journal_options options = {.above = above, .segment_bytes = segment_bytes};
    struct weir_diag diag = {0};
    struct journal *j = journal_open(journal_path, &options, report, &diag);
    if (!j)
        fail_msg("journal_open: %s", diag.message);
    return j;
}

/* Reads from `from` on; checks that numbers ascend and bodies belong to their numbers; returns how many there are. */
static unsigned read_all(struct journal *j, uint64_t from, uint64_t *last_out)
{
    struct journal_reader *r = journal_reader_open(j, from);
    struct journal_record record;
    struct weir_diag diag;
    uint64_t last = 0;
    unsigned count = 0, n;
    int got;

    while ((got = journal_read(r, &record, &diag)) == 1) {
        assert_true(record.sequence > last && record.sequence >= from);
        last = record.sequence;
        assert_true(str_is(record.bus, "default"));
        assert_int_equal(sscanf(record.event.ptr, "{\"n\":%u,", &n), 1);
        assert_int_equal(n, record.sequence);
        assert_int_equal(record.flags, n & JOURNAL_REPEATED_KEYS);
        count++;
    }
    assert_int_equal(got, 0);
    journal_reader_close(r);
    if (last_out)
        *last_out = last;
    return count;
}

static void segment_path(char out[160], unsigned first)
{
    snprintf(out, 160, "%s/%020u.seg", journal_path, first);
}

static size_t slurp(const char *path, char *bytes, size_t max)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, max, f);
    fclose(f);
    return n;
}

static void spill(const char *path, const char *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static char image[1 << 16];

/* A journal of `count` records, one group each, as the bytes of its one segment. */
static size_t make_image(unsigned count)
{
    struct journal_report report;
    char path[160];
    struct journal *j = open_with(0, 0, &report);
    for (unsigned n = 1; n <= count; n++)
        append_number(j, n);
    journal_close(j);
    segment_path(path, 1);
    return slurp(path, image, sizeof image);
}

/* ---- tests ---- */

static void checksum_is_castagnoli(void **state)
{
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283); /* the check value of RFC 3720's polynomial */
    char bytes[2000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37);
    for (size_t i = 0; i < sizeof bytes - 8; i++) /* sizes below, at and above those that parts are made of */
        assert_int_equal(crc32c(7, bytes + i % 8, i), crc32c_plain(7, bytes + i % 8, i));
}

static void what_was_answered_is_read_again(void **state)
{
    struct journal_report report;
    uint64_t last;
    struct journal *j = open_with(0, 0, &report);

    assert_int_equal(report.records, 0);
    for (unsigned n = 1; n <= 50; n++)
        append_number(j, n);
    assert_int_equal(journal_synced(j), 50);
    assert_int_equal(read_all(j, 1, &last), 50);
    journal_close(j);

    j = open_with(0, 0, &report);
    assert_int_equal(report.records, 50);
    assert_int_equal(report.torn_bytes, 0);
    assert_int_equal(read_all(j, 20, &last), 31);
    append_number(j, 51); /* goes on in the same segment */
    assert_int_equal(read_all(j, 1, &last), 51);
    struct journal_stats stats;
    journal_stats(j, &stats);
    assert_int_equal(stats.segments, 1);
    journal_close(j);
}

static void a_batch_is_one_unit(void **state)
{
    struct journal_report report;
    struct journal_event events[100];
    char texts[100][32];
    struct journal *j = open_with(0, 0, &report);

    for (unsigned i = 0; i < 100; i++) {
        snprintf(texts[i], sizeof texts[i], "{\"n\":%u,}", i + 1);
        events[i] = (struct journal_event){STR("default"), str_from(texts[i]), (i + 1) & JOURNAL_REPEATED_KEYS};
    }
    assert_int_equal(append(j, events, 100), JOURNAL_SYNCED);
    assert_int_equal(read_all(j, 1, NULL), 100);
    struct journal_stats stats;
    journal_stats(j, &stats);
    assert_int_equal(stats.syncs, 1);
    journal_close(j);
}

static void numbering_resumes_above_the_cursor(void **state)
{
    struct journal_report report;
    struct journal *j = open_with(0, 0, &report);
    append_number(j, 1);
    journal_close(j);

    j = open_with(40, 0, &report); /* the ledger knows of 40: the journal lost its tail with its disk */
    assert_int_equal(journal_synced(j), 40);
    append_number(j, 41);
    uint64_t last;
    assert_int_equal(read_all(j, 41, &last), 1);
    assert_int_equal(last, 41);
    journal_close(j);
}

static void segments_roll_and_are_released(void **state)
{
    struct journal_report report;
    struct journal_stats stats;
    char path[160];
    struct journal *j = open_with(0, 1000, &report);

    for (unsigned n = 1; n <= 60; n++)
        append_number(j, n);
    journal_stats(j, &stats);
    assert_true(stats.segments > 4);
    assert_int_equal(read_all(j, 1, NULL), 60);

    struct journal_reader *r = journal_reader_open(j, 1); /* a reader keeps its open segment */
    struct journal_record record;
    struct weir_diag diag;
    assert_int_equal(journal_read(r, &record, &diag), 1);
    journal_release(j, 60);
    segment_path(path, 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(journal_read(r, &record, &diag), 1);
    assert_int_equal(record.sequence, 2);
    journal_reader_close(r);
    uint64_t last;
    assert_true(read_all(j, 60, &last) == 1 && last == 60);
    journal_close(j);

    j = open_with(0, 1000, &report);
    assert_int_equal(report.last, 60);
    append_number(j, 61);
    journal_close(j);
}

static void every_cut_of_the_tail_recovers(void **state)
{
    enum { RECORDS = 6 };
    struct journal_report report;
    char path[160];
    size_t size = make_image(RECORDS);
    unsigned seen = 0;

    segment_path(path, 1);
    for (size_t cut = 0; cut <= size; cut++) {
        spill(path, image, cut);
        struct journal *j = open_with(0, 0, &report);
        unsigned count = read_all(j, 1, NULL);
        assert_true(count >= seen && count <= RECORDS);
        seen = count;
        assert_int_equal(report.skipped, 0);
        append_number(j, count + 1);
        assert_int_equal(read_all(j, 1, NULL), count + 1);
        journal_close(j);
        char command[128];
        snprintf(command, sizeof command, "rm -f '%s'/*", journal_path);
        assert_int_equal(system(command), 0);
    }
    assert_int_equal(seen, RECORDS);
}

/* What a killed process leaves: zeros up to the room that it had taken. */
static void room_behind_the_records_is_no_damage(void **state)
{
    enum { ROOM = 1 << 20, RECORDS = 4 };
    static char left[ROOM + 1];
    struct journal_report report;
    char path[160];
    struct journal *j = open_with(0, 0, &report);

    for (unsigned n = 1; n <= RECORDS; n++)
        append_number(j, n);
    segment_path(path, 1);
    size_t size = slurp(path, left, sizeof left);
    journal_close(j);
    size_t used = slurp(path, image, sizeof image);
    assert_true(used < sizeof image && memcmp(left, image, used) == 0);
    if (size == used)
        skip(); /* a file system that knows no fallocate() */
    assert_int_equal(size, ROOM);

    spill(path, left, size);
    j = open_with(0, 0, &report);
    assert_int_equal(report.torn_bytes, 0);
    assert_string_equal(report.detail, "");
    assert_int_equal(report.records, RECORDS);
    append_number(j, RECORDS + 1);
    assert_int_equal(read_all(j, 1, NULL), RECORDS + 1);
    journal_close(j);

    left[used - 10] ^= 1; /* in the last record, which is then a torn tail: the room is no part of it */
    spill(path, left, size);
    j = open_with(0, 0, &report);
    assert_int_equal(report.records, RECORDS - 1);
    assert_in_range(report.torn_bytes, 1, 200);
    append_number(j, RECORDS);
    assert_int_equal(read_all(j, 1, NULL), RECORDS);
    journal_close(j);
}

/* Each record was synced before the next one was written, so only the last one may be taken for a torn tail. */
static void every_flipped_byte_is_skipped_or_cut(void **state)
{
    enum { RECORDS = 5 };
    struct journal_report report;
    char path[160];
    size_t size = make_image(RECORDS);

    segment_path(path, 1);
    for (size_t at = 0; at < size; at++) {
        image[at] ^= 0x10;
        spill(path, image, size);
        image[at] ^= 0x10;
        struct journal *j = open_with(0, 0, &report);
        uint64_t last = 0;
        unsigned count = read_all(j, 1, &last);
        assert_true(count >= RECORDS - 1);
        if (count < RECORDS)
            assert_true(report.detail[0]);
        assert_true(report.skipped == (count < RECORDS && last == RECORDS) || at < 32);
        append_number(j, (unsigned)(last > RECORDS - 1 ? RECORDS : RECORDS - 1) + 1);
        journal_close(j);
        char command[128];
        snprintf(command, sizeof command, "rm -f '%s'/*", journal_path);
        assert_int_equal(system(command), 0);
    }
}

static void damage_in_the_middle_costs_only_what_is_damaged(void **state)
{
    struct journal_report report;
    char path[160];
    size_t size = make_image(20);

    segment_path(path, 1);
    memset(image + 32 + 300, 0xee, 200); /* some records */
    spill(path, image, size);
    struct journal *j = open_with(0, 0, &report);
    assert_true(report.skipped >= 2 && report.skipped <= 5);
    assert_non_null(strstr(report.detail, "damaged, skipped"));
    uint64_t last;
    assert_int_equal(read_all(j, 1, &last), 20 - report.skipped);
    assert_int_equal(last, 20);
    append_number(j, 21);
    journal_close(j);
}

static void an_older_segment_with_damage_is_read_around(void **state)
{
    struct journal_report report;
    char path[160];
    struct journal *j = open_with(0, 1000, &report);
    for (unsigned n = 1; n <= 40; n++)
        append_number(j, n);
    journal_close(j);

    segment_path(path, 1);
    size_t size = slurp(path, image, sizeof image);
    image[32 + 48 + 3] ^= 1;  /* the first record's body */
    image[size - 20] ^= 0x40; /* the last one's */
    image[2] ^= 1;            /* and the header of the segment */
    spill(path, image, size);
    j = open_with(0, 1000, &report);
    uint64_t last;
    assert_int_equal(read_all(j, 1, &last), 38);
    assert_int_equal(last, 40);
    journal_close(j);
}

static void a_newer_file_that_never_got_its_header_is_removed(void **state)
{
    struct journal_report report;
    char path[160];
    make_image(3);
    segment_path(path, 4);
    spill(path, "WEIR", 4);
    struct journal *j = open_with(0, 0, &report);
    assert_non_null(strstr(report.detail, "never finished"));
    assert_int_equal(read_all(j, 1, NULL), 3);
    append_number(j, 4);
    assert_int_equal(read_all(j, 1, NULL), 4);
    journal_close(j);
}

struct producer {
    struct journal *journal;
    unsigned accepted;
};

static void *produce(void *context)
{
    struct producer *p = context;
    struct journal_event e = {STR("default"), STR("{\"n\":0,\"x\":1}"), 0};
    for (int i = 0; i < 500; i++)
        if (append(p->journal, &e, 1) == JOURNAL_SYNCED)
            p->accepted++;
    return NULL;
}

static void many_producers_share_syncs(void **state)
{
    enum { PRODUCERS = 8 };
    struct journal_report report;
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    struct journal *j = open_with(0, 20000, &report);

    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){j, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    struct journal_reader *r = journal_reader_open(j, 1); /* reads along */
    struct journal_record record;
    struct weir_diag diag;
    uint64_t expected = 1;
    while (expected <= 500 * PRODUCERS) {
        int got = journal_read(r, &record, &diag);
        assert_true(got >= 0);
        if (got)
            assert_int_equal(record.sequence, expected++);
        else
            usleep(200);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(producers[i].accepted, 500);
    }
    struct journal_stats stats;
    journal_stats(j, &stats);
    assert_int_equal(stats.records, 500 * PRODUCERS);
    assert_true(stats.syncs < stats.records);
    journal_reader_close(r);
    journal_close(j);
}

/* ---- verifying ---- */

struct verified {
    unsigned records, faults;
    struct journal_fault first;
};

static bool count_record(void *context, const struct journal_record *r)
{
    struct verified *v = context;
    v->records++;
    return true;
}

static void note_fault(void *context, const struct journal_fault *f)
{
    struct verified *v = context;
    if (!v->faults++)
        v->first = *f;
}

static struct verified verify(void)
{
    struct verified v = {0};
    struct journal_walk walk = {.context = &v, .record = count_record, .fault = note_fault};
    struct weir_diag diag;
    if (!journal_walk_files(journal_path, false, &walk, &diag))
        fail_msg("journal_walk_files: %s", diag.message);
    return v;
}

/* Where the record with the byte `at` begins; 0: the byte is the segment header's. */
static uint64_t record_around(size_t at, unsigned count)
{
    size_t offset = 32;
    uint32_t size;

    for (unsigned n = 0; n < count && at >= 32; n++) {
        memcpy(&size, image + offset + 8, sizeof size);
        size_t next = offset + 48 + ((size + 7) & ~7u);
        if (at < next)
            return offset;
        offset = next;
    }
    return 0;
}

static void verify_tells_the_place_of_every_flipped_bit(void **state)
{
    enum { COUNT = 6 };
    size_t size = make_image(COUNT);
    char path[160];

    segment_path(path, 1);
    assert_int_equal(verify().faults, 0);
    assert_int_equal(verify().records, COUNT);
    for (size_t at = 0; at < size; at++) {
        image[at] ^= (char)(1 << at % 8);
        spill(path, image, size);
        image[at] ^= (char)(1 << at % 8);
        struct verified v = verify();
        assert_int_equal(v.faults, 1);
        assert_int_equal(v.first.offset, record_around(at, COUNT));
        assert_true(v.first.reason[0]);
        /* One that is whole but for its padding is passed over too. */
        assert_int_equal(v.records, at < 32 ? COUNT : COUNT - 1);
    }
}

static void verify_tells_where_a_file_was_cut(void **state)
{
    enum { COUNT = 6 };
    size_t size = make_image(COUNT);
    char path[160];

    segment_path(path, 1);
    for (size_t cut = 1; cut < size; cut++) {
        spill(path, image, cut);
        struct verified v = verify();
        bool between = cut == 32 || (cut > 32 && record_around(cut, COUNT) == cut);
        assert_int_equal(v.faults, !between);
        if (between)
            continue;
        assert_int_equal(v.first.offset, record_around(cut, COUNT));
        assert_true(v.first.torn);
    }
}

static void verify_misses_no_record_that_is_gone(void **state)
{
    enum { COUNT = 6 };
    size_t size = make_image(COUNT);
    char path[160];
    uint32_t body;

    memcpy(&body, image + 32 + 8, sizeof body); /* takes the first one out */
    size_t first = 48 + ((body + 7) & ~7u);
    memmove(image + 32, image + 32 + first, size - 32 - first);
    segment_path(path, 1);
    spill(path, image, size - first);
    struct verified v = verify();
    assert_int_equal(v.faults, 1);
    assert_int_equal(v.first.offset, 32);
    assert_int_equal(v.first.bytes, 0);
    assert_string_equal(v.first.reason, "record number 2 where 1 should be");
    assert_int_equal(v.records, COUNT - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(checksum_is_castagnoli),
        TEST(what_was_answered_is_read_again),
        TEST(a_batch_is_one_unit),
        TEST(numbering_resumes_above_the_cursor),
        TEST(segments_roll_and_are_released),
        TEST(every_cut_of_the_tail_recovers),
        TEST(room_behind_the_records_is_no_damage),
        TEST(every_flipped_byte_is_skipped_or_cut),
        TEST(damage_in_the_middle_costs_only_what_is_damaged),
        TEST(an_older_segment_with_damage_is_read_around),
        TEST(a_newer_file_that_never_got_its_header_is_removed),
        TEST(verify_tells_the_place_of_every_flipped_bit),
        TEST(verify_tells_where_a_file_was_cut),
        TEST(verify_misses_no_record_that_is_gone),
        TEST(many_producers_share_syncs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
