/* SPDX-License-Identifier: Apache-2.0 */
/* Clock, mailbox, metrics and log: the small parts that everything else in the router stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/clock.h"
#include "router/log.h"
#include "router/mailbox.h"
#include "router/metrics.h"

/* ---- clock ---- */

static void ages_go_on_over_a_restart(void **state)
{
    struct clock c = {0};
    int64_t wall = clock_wall_ms();

    assert_true(clock_start(&c, (struct weir_time){0, 0}));
    assert_in_range(clock_now(&c).age_ms, 0, 1000);
    assert_true(clock_start(&c, (struct weir_time){wall - 60000, 5000})); /* stopped for a minute */
    assert_in_range(clock_now(&c).age_ms, 65000, 66000);
    assert_false(clock_start(&c, (struct weir_time){wall + 3600000, 5000})); /* the wall clock went back */
    assert_in_range(clock_now(&c).age_ms, 5000, 6000);
    assert_false(clock_start(&c, (struct weir_time){wall - INT64_C(30) * 86400000, 5000})); /* leapt a month */
    assert_in_range(clock_now(&c).age_ms, 5000, 6000);
}

/* ---- mailbox ---- */

enum { POSTERS = 4, MAILS = 5000 };

struct numbered {
    struct mail mail; /* first */
    int poster, number;
};

static int next_of[POSTERS], delivered;
static struct event_base *base;

static void deliver(struct mail *m)
{
    struct numbered *n = (struct numbered *)m;
    assert_int_equal(n->number, next_of[n->poster]++); /* each poster's mails in its order */
    free(n);
    if (++delivered == POSTERS * MAILS)
        event_base_loopbreak(base);
}

static struct mailbox *box;

static void *post(void *context)
{
    int poster = (int)(intptr_t)context;
    for (int i = 0; i < MAILS; i++) {
        struct numbered *n = malloc(sizeof *n);
        *n = (struct numbered){.mail = {.deliver = deliver}, .poster = poster, .number = i};
        mailbox_post(box, &n->mail);
    }
    return NULL;
}

static void every_mail_is_delivered_once_in_order(void **state)
{
    pthread_t threads[POSTERS];

    base = event_base_new();
    box = mailbox_create(base);
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post, (void *)(intptr_t)i), 0);
    event_base_dispatch(base);
    assert_int_equal(delivered, POSTERS * MAILS);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    mailbox_destroy(box);
    event_base_free(base);
}

/* ---- metrics ---- */

static void refresh(void *context)
{
    series_set(metric(METRIC_JOURNAL_LAG), *(int *)context);
}

static void the_exposition_is_prometheus_text(void **state)
{
    static int lag = 7;
    struct buf out = BUF_INIT;
    struct series *s = metric(METRIC_RULE_MATCHES, "default", "a \"quoted\"\\rule\n");

    series_add(s, 2);
    series_add(metric(METRIC_RULE_MATCHES, "default", "a \"quoted\"\\rule\n"), 1); /* the same series */
    assert_int_equal(series_get(s), 3);
    struct series *seconds = metric(METRIC_DELIVERY_SECONDS, "http/x");
    series_observe_ms(seconds, 1);
    series_observe_ms(seconds, 40);
    series_observe_ms(seconds, 999999);
    series_add(metric(METRIC_JOURNAL_SYNC_SECONDS), 1234);
    metrics_on_collect(refresh, &lag);
    metrics_write(&out);
    const char *text = buf_cstr(&out);
    assert_non_null(strstr(text, "# TYPE weir_rule_matches_total counter\n"
                                 "weir_rule_matches_total{bus=\"default\",rule=\"a \\\"quoted\\\"\\\\rule\\n\"} 3\n"));
    assert_non_null(strstr(text, "weir_delivery_seconds_bucket{target=\"http/x\",le=\"0.001\"} 1\n"));
    assert_non_null(strstr(text, "weir_delivery_seconds_bucket{target=\"http/x\",le=\"0.05\"} 2\n"));
    assert_non_null(strstr(text, "weir_delivery_seconds_bucket{target=\"http/x\",le=\"30\"} 2\n"));
    assert_non_null(strstr(text, "weir_delivery_seconds_bucket{target=\"http/x\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "weir_delivery_seconds_count{target=\"http/x\"} 3\n"));
    assert_non_null(strstr(text, "weir_journal_sync_seconds_total 1.234\n"));
    assert_non_null(strstr(text, "weir_journal_lag_events 7\n"));
    assert_non_null(strstr(text, "weir_build_info{version=\"" WEIR_VERSION "\"} 1\n"));
    assert_null(strstr(text, "weir_archive_bytes")); /* families without series are not there */
    buf_fini(&out);
}

/* ---- log ---- */

static size_t capture(char *out, size_t size, void (*write_lines)(void))
{
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    write_lines();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    size_t have = 0;
    ssize_t n;
    while ((n = read(ends[0], out + have, size - 1 - have)) > 0)
        have += (size_t)n;
    close(ends[0]);
    out[have] = '\0';
    return have;
}

static void write_both(void)
{
    log_open(LOG_FORMAT_LOGFMT, LEVEL_INFO);
    log_info("hello there", LOG_STR("rule", STR("a b")), LOG_INT("n", -3), LOG_TEXT("code", "TIMEOUT"));
    log_debug("not at this level");
    log_open(LOG_FORMAT_JSON, LEVEL_INFO);
    log_error("with \"quotes\"", LOG_TEXT("line", "a\nb"));
}

static void write_flood(void)
{
    log_open(LOG_FORMAT_LOGFMT, LEVEL_INFO);
    for (int i = 0; i < 1000; i++)
        log_warn("flood");
}

static void lines_are_logfmt_or_json_and_floods_are_held_back(void **state)
{
    char text[8192];

    capture(text, sizeof text, write_both);
    assert_non_null(strstr(text, "Z level=info msg=\"hello there\" rule=\"a b\" n=-3 code=TIMEOUT\n"));
    assert_non_null(strstr(text, ",\"level\":\"error\",\"msg\":\"with \\\"quotes\\\"\",\"line\":\"a\\nb\"}\n"));
    assert_null(strstr(text, "not at this level"));
    capture(text, sizeof text, write_flood);
    int lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ages_go_on_over_a_restart),
        cmocka_unit_test(every_mail_is_delivered_once_in_order),
        cmocka_unit_test(the_exposition_is_prometheus_text),
        cmocka_unit_test(lines_are_logfmt_or_json_and_floods_are_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
