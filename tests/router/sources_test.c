/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources, from the data in tests/router/sources: NAME.json is a body, NAME.expected the envelopes made of it, one a
 * line, with ID and NOW where Weir fills in ("repeated" in front: flagged as repeating keys); faults.cases are bodies
 * and what is said of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/sources/source.h"
#include "rules/ruleset.h"

#define DATA "tests/router/sources/"

static struct ruleset set = {.account = STR("000000000000"), .region = STR("us-east-1")};

struct parsed {
    struct arena arena;
    struct diags diags;
    struct buf out;
    struct source_events events;
    const char *unit;
    bool ok;
};

static void parse(struct parsed *p, const struct source *source, struct str body)
{
    *p = (struct parsed){0};
    assert_true(diags_init(&p->diags, 4));
    struct source_context context = {
        .set = &set,
        .bus = STR("default"),
        .now = {.wall_ms = 1700000000000},
        .arena = &p->arena,
        .diags = &p->diags,
        .out = &p->out,
    };
    p->ok = source->parse(&context, body, NULL, &p->events);
    p->unit = context.unit;
}

static void parsed_fini(struct parsed *p)
{
    free(p->events.list);
    buf_fini(&p->out);
    diags_fini(&p->diags);
    arena_fini(&p->arena);
}

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    char chunk[4096];
    size_t n;

    if (!f)
        fail_msg("cannot read %s (run from the top folder)", path);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(out, chunk, n);
    fclose(f);
}

static struct str next_line(struct str *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->size);
    struct str line = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->size};
    size_t taken = line.size + (end != NULL);
    *rest = (struct str){rest->ptr + taken, rest->size - taken};
    return line;
}

/* The envelope with what differs from run to run replaced, as it stands in the files. */
static void show(struct buf *out, const struct parsed *p, size_t index)
{
    const struct source_span *span = &p->events.list[index];
    struct str event = {p->out.data + span->offset, span->size}, id = json_member(event, "id");
    static const char now[] = "\"2023-11-14T22:13:20Z\"";

    buf_clear(out);
    if (span->flags & JOURNAL_REPEATED_KEYS)
        buf_text(out, "repeated ");
    assert_true(json_check(event, NULL, NULL));
    for (size_t i = 0; i < event.size; i++) {
        const char *at = event.ptr + i;
        if (at == id.ptr && id.size == 38 && id.ptr[15] == '4' && id.ptr[9] == '-') { /* "xxxxxxxx-xxxx-4… */
            buf_text(out, "\"ID\"");
            i += id.size - 1;
        } else if (str_starts((struct str){at, event.size - i}, STR(now))) {
            buf_text(out, "\"NOW\"");
            i += sizeof now - 2;
        } else {
            buf_char(out, *at);
        }
    }
}

static void check_file(const char *source, const char *name)
{
    char path[128];
    struct buf body = BUF_INIT, expected = BUF_INIT, shown = BUF_INIT;
    struct parsed p;
    size_t i = 0;

    snprintf(path, sizeof path, DATA "%s.json", name);
    read_file(path, &body);
    snprintf(path, sizeof path, DATA "%s.expected", name);
    read_file(path, &expected);
    parse(&p, source_find(str_from(source)), buf_view(&body));
    if (!p.ok)
        fail_msg("%s: %d: %s", name, p.diags.list[0].line, p.diags.list[0].message);
    struct str rest = buf_view(&expected);
    for (; rest.size; i++) {
        struct str line = next_line(&rest);
        assert_in_range(i, 0, p.events.count - 1);
        show(&shown, &p, i);
        if (!str_eq(buf_view(&shown), line))
            fail_msg("%s %zu:\n%s\nwanted:\n%.*s", name, i + 1, buf_cstr(&shown), STR_ARG(line));
    }
    assert_int_equal(i, p.events.count);
    parsed_fini(&p);
    buf_fini(&shown);
    buf_fini(&expected);
    buf_fini(&body);
}

static void test_files(void **state)
{
    check_file("events", "events");
    check_file("events", "events-array");
    check_file("events", "events-object");
    check_file("s3", "s3");
    check_file("s3", "s3-look-alikes");
    check_file("cloudevents", "cloudevents");
    check_file("cloudtrail", "cloudtrail");
}

static void check_fault(struct str given, struct str wanted)
{
    const char *space = memchr(given.ptr, ' ', given.size);
    struct str name = {given.ptr, (size_t)(space - given.ptr)};
    struct buf body = BUF_INIT, said = BUF_INIT;
    struct parsed p;

    buf_add(&body, space + 1, given.size - name.size - 1);
    for (size_t i = 0; i < body.size; i++)
        if (body.data[i] == '~')
            body.data[i] = '\n';
    parse(&p, source_find(name), buf_view(&body));
    if (p.ok)
        buf_printf(&said, "ok %zu", p.events.count);
    else
        buf_printf(&said, "%s %d: %s", p.unit, p.diags.list[0].line, p.diags.list[0].message);
    if (!str_eq(buf_view(&said), wanted))
        fail_msg("%.*s\nsaid:   %s\nwanted: %.*s", STR_ARG(given), buf_cstr(&said), STR_ARG(wanted));
    assert_true(p.ok == (p.diags.count == 0));
    parsed_fini(&p);
    buf_fini(&said);
    buf_fini(&body);
}

static void test_faults(void **state)
{
    struct buf text = BUF_INIT;

    read_file(DATA "faults.cases", &text);
    for (struct str rest = buf_view(&text); rest.size;) {
        struct str given = next_line(&rest);
        if (given.ptr[0] == '#')
            continue;
        struct str wanted = next_line(&rest);
        assert_true(str_starts(wanted, STR("=> ")));
        check_fault(given, (struct str){wanted.ptr + 3, wanted.size - 3});
    }
    buf_fini(&text);
}

/* An event may be as large as the limit says, and no larger: with what is filled in. */
static void test_event_limit(void **state)
{
    static const char head[] = "{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":{\"x\":\"";
    struct buf body = BUF_INIT;
    struct parsed p;

    buf_text(&body, head);
    assert_true(buf_reserve(&body, LIMIT_EVENT_BYTES));
    memset(body.data + body.size, 'x', LIMIT_EVENT_BYTES - 1000);
    body.size += LIMIT_EVENT_BYTES - 1000;
    size_t plain = body.size;
    buf_text(&body, "\"}}");
    parse(&p, source_find(STR("events")), buf_view(&body));
    assert_true(p.ok);
    size_t filled = p.events.list[0].size - body.size;
    parsed_fini(&p);
    for (int over = 0; over <= 1; over++) {
        body.size = plain;
        while (body.size < LIMIT_EVENT_BYTES - filled - 3 + (size_t)over)
            buf_char(&body, 'y');
        buf_text(&body, "\"}}");
        parse(&p, source_find(STR("events")), buf_view(&body));
        assert_int_equal(p.ok, !over);
        if (over)
            assert_non_null(strstr(p.diags.list[0].message, "the limit is 16777216 (LIMIT_EVENT_BYTES)"));
        parsed_fini(&p);
    }
    buf_fini(&body);
}

static void test_recognise(void **state)
{
    static const struct {
        const char *body, *source;
    } cases[] = {
        {"{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":{}}", "events"},
        {"[{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":{}}]", "events"},
        {"{\"Records\":[{\"eventSource\":\"aws:s3\",\"s3\":{}}]}", "s3"},
        {"{\"Records\":[{\"eventSource\":\"iam.amazonaws.com\",\"eventType\":\"AwsApiCall\"}], \"cut", "cloudtrail"},
        {"{\"eventSource\":\"iam.amazonaws.com\",\"eventType\":\"AwsApiCall\"}\n{}", "cloudtrail"},
        {"{\"detail-type\":\"AWS API Call via CloudTrail\",\"detail\":{\"eventSource\":\"x\",\"eventType\":\"y\"}}",
         "events"},
        {"{\"a\":1}", NULL},
        {"", NULL},
        {"{\"Records\":[", NULL},
        {"nonsense", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = NULL;
        for (const struct source *const *s = sources; *s && !found; s++)
            if ((*s)->recognise(str_from(cases[i].body)))
                found = (*s)->name;
        if ((found != NULL) != (cases[i].source != NULL) || (found && strcmp(found, cases[i].source)))
            fail_msg("%s: %s", cases[i].body, found ? found : "none");
    }
    assert_null(source_find(STR("nosuch")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_event_limit),
        cmocka_unit_test(test_recognise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
