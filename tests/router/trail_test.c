/* SPDX-License-Identifier: Apache-2.0 */
/* The log of outcomes: what is noted is found again, after a restart, behind torn ends, over both files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/trail.h"

static char folder[64], file[2][96];

static int set_up(void **state)
{
    log_open(LOG_FORMAT_LOGFMT, LEVEL_ERROR + 1);
    strcpy(folder, "/tmp/weir-trail-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++)
        snprintf(file[i], sizeof file[i], "%s/deliveries/%d.log", folder, i);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Notes an outcome of a delivery by rule number `rule`. */
static void note(struct trail *t, const char *id, unsigned rule, enum trail_state state, unsigned attempts)
{
    char name[32];
    struct outlet outlet = {.key = STR("http/hook")};
    struct flight f = {.outlet = &outlet, .attempts = attempts};

    snprintf(name, sizeof name, "rule-%u", rule);
    f.d = (struct delivery){.bus = STR("default"),
                            .rule = str_from(name),
                            .target_id = STR("hook"),
                            .subscription = STR(""),
                            .origin = STR(""),
                            .event_id = str_from(id)};
    verdict_set(&f.verdict, VERDICT_RETRY, "TIMEOUT", "no answer to %s", name);
    trail_note(t, &f, state, 1000000 + attempts);
}

struct found {
    unsigned count;
    enum trail_state last;
    uint32_t attempts;
    char rule[32], message[64];
};

static void take(void *context, const struct trail_entry *e)
{
    struct found *f = context;
    f->count++;
    f->last = e->state;
    f->attempts = e->attempts;
    assert_true(str_is(e->bus, "default") && str_is(e->target, "http/hook"));
    snprintf(f->rule, sizeof f->rule, "%.*s", STR_ARG(e->rule));
    snprintf(f->message, sizeof f->message, "%.*s", STR_ARG(e->message));
}

static struct found find(const char *id)
{
    struct found f = {0};
    struct weir_diag diag;
    int64_t since;
    if (!trail_find(folder, str_from(id), take, &f, &since, &diag))
        fail_msg("%s", diag.message);
    return f;
}

static void what_is_noted_is_found(void **state)
{
    struct trail *t = trail_open(folder);
    note(t, "a", 1, TRAIL_QUEUED, 0);
    note(t, "b", 2, TRAIL_DELIVERED, 1);
    note(t, "a", 1, TRAIL_RETRIED, 1);
    note(t, "a", 1, TRAIL_DEAD_LETTERED, 2);
    assert_int_equal(find("a").count, 0); /* not written yet */
    trail_flush(t);
    struct found a = find("a"), b = find("b");
    assert_int_equal(a.count, 3);
    assert_int_equal(a.last, TRAIL_DEAD_LETTERED);
    assert_int_equal(a.attempts, 2);
    assert_string_equal(a.message, "no answer to rule-1");
    assert_int_equal(b.count, 1);
    assert_string_equal(b.rule, "rule-2");
    assert_string_equal(b.message, "");
    trail_close(t);
    t = trail_open(folder); /* names are numbered anew */
    note(t, "a", 7, TRAIL_DELIVERED, 1);
    trail_close(t);
    assert_int_equal(find("a").count, 4);
    assert_string_equal(find("a").rule, "rule-7");
    assert_int_equal(find("c").count, 0);
}

static void more_names_than_slots(void **state)
{
    struct trail *t = trail_open(folder);
    char id[16];
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(id, sizeof id, "e%u", i);
        note(t, id, i, TRAIL_DELIVERED, 1);
    }
    trail_close(t);
    for (unsigned i = 0; i < 10000; i += 97) {
        char rule[32];
        snprintf(id, sizeof id, "e%u", i);
        snprintf(rule, sizeof rule, "rule-%u", i);
        assert_string_equal(find(id).rule, rule);
    }
}

static void the_older_file_is_given_up(void **state)
{
    struct trail *t = trail_open(folder);
    struct stat st[2];
    char id[16];
    unsigned n = 0;

    note(t, "first", 1, TRAIL_DELIVERED, 1);
    do {
        if (n > 5000000)
            fail_msg("the files do not roll");
        for (unsigned i = 0; i < 200000; i++) {
            snprintf(id, sizeof id, "e%u", n++);
            note(t, id, 1, TRAIL_DELIVERED, 1);
            if (i % 1000 == 999)
                trail_flush(t);
        }
    } while (find("first").count);
    assert_true(n > TRAIL_FILE_BYTES / 32); /* it lasted longer than one file */
    trail_close(t);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stat(file[i], &st[i]), 0);
        assert_true(st[i].st_size <= TRAIL_FILE_BYTES + 100000);
    }
    assert_int_equal(find(id).count, 1);
}

static void a_torn_end_is_cut(void **state)
{
    struct trail *t = trail_open(folder);
    struct stat st;

    note(t, "a", 1, TRAIL_DELIVERED, 1);
    trail_flush(t);
    assert_int_equal(stat(file[0], &st), 0);
    off_t whole = st.st_size;
    note(t, "b", 1, TRAIL_DEAD_LETTERED, 3);
    trail_close(t);
    assert_int_equal(stat(file[0], &st), 0);
    for (off_t cut = st.st_size - 1; cut >= 0; cut--) {
        assert_int_equal(truncate(file[0], cut), 0);
        assert_int_equal(find("b").count, 0);
        assert_int_equal(find("a").count, cut >= whole);
    }
    t = trail_open(folder); /* nothing is left: it begins anew */
    note(t, "c", 1, TRAIL_DELIVERED, 1);
    trail_close(t);
    assert_int_equal(find("c").count, 1);
}

static void what_comes_after_a_torn_end_is_found(void **state)
{
    struct trail *t = trail_open(folder);
    struct stat st;

    note(t, "a", 1, TRAIL_DELIVERED, 1);
    note(t, "b", 1, TRAIL_DELIVERED, 1);
    trail_close(t);
    assert_int_equal(stat(file[0], &st), 0);
    assert_int_equal(truncate(file[0], st.st_size - 5), 0);
    t = trail_open(folder);
    note(t, "c", 2, TRAIL_DROPPED, 1);
    trail_close(t);
    assert_int_equal(find("a").count, 1);
    assert_int_equal(find("b").count, 0);
    assert_int_equal(find("c").count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_noted_is_found),
        TEST(more_names_than_slots),
        TEST(the_older_file_is_given_up),
        TEST(a_torn_end_is_cut),
        TEST(what_comes_after_a_torn_end_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
