/* SPDX-License-Identifier: Apache-2.0 */
/* The file target on real files: order, batches, rotation, torn lines, full disks, pipes, the end. */
#include "targets/adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/targets/rig.h"

extern const struct adapter file_adapter;

static struct rig r;

static const char *open_at(const char *name)
{
    rig_init(&r, &file_adapter);
    const char *path = rig_path(&r, name);
    rig_text(&r, "path", path);
    rig_open(&r);
    return path;
}

static int teardown(void **state)
{
    rig_fini(&r);
    return 0;
}

static char text[1 << 20];

static const char *contents(const char *path)
{
    FILE *f = fopen(path, "r");

    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
    return text;
}

static void put(const char *path, const char *bytes)
{
    FILE *f = fopen(path, "a");

    assert_non_null(f);
    fputs(bytes, f);
    fclose(f);
}

static void settles(const char *input)
{
    const struct verdict *v = rig_run(&r, str_from(input));

    assert_string_equal(v->message, "");
    assert_int_equal(v->kind, VERDICT_SETTLED);
}

static void fails(const char *input, const char *code, const char *message)
{
    const struct verdict *v = rig_run(&r, str_from(input));

    assert_int_equal(v->kind, VERDICT_RETRY);
    assert_int_equal(v->retry_after_ms, -1);
    assert_string_equal(v->code, code);
    assert_non_null(strstr(v->message, message));
}

static void one_line_each(void **state)
{
    const char *path = open_at("out.ndjson");

    settles("{\"a\":1}");
    settles("");
    settles("{\n  \"b\": \"two words\",\r\n  \"c\": [1, 2]\n}");
    settles("not JSON\nbut\r\ntext");
    settles("\"escapes \\n stay\"");
    assert_string_equal(contents(path), "{\"a\":1}\n\n{\"b\":\"two words\",\"c\":[1,2]}\nnot JSON but  text\n"
                                        "\"escapes \\n stay\"\n");
}

static void a_thousand_in_order(void **state)
{
    static char inputs[3000][16];
    const char *path = open_at("out.ndjson");

    for (size_t i = 0; i < 3000; i += 1000) { /* never more than its concurrency at once */
        for (size_t j = i; j < i + 1000; j++) {
            snprintf(inputs[j], sizeof inputs[j], "{\"n\":%zu}", j);
            rig_send(&r, str_from(inputs[j]));
        }
        assert_true(r.completed <= i); /* nothing is completed inside of send */
        rig_wait(&r, i + 1000);
    }
    const char *at = contents(path);
    for (size_t i = 0; i < 3000; i++) {
        assert_int_equal(r.order[i], i);
        assert_int_equal(r.verdicts[i].kind, VERDICT_SETTLED);
        size_t size = strlen(inputs[i]);
        assert_memory_equal(at, inputs[i], size);
        assert_int_equal(at[size], '\n');
        at += size + 1;
    }
    assert_string_equal(at, "");
}

static void what_comes_meanwhile_is_the_next_batch(void **state)
{
    const char *path = open_at("out.ndjson");
    struct stat st;

    rig_hold(&r, true);
    for (int i = 0; i < 10; i++)
        rig_send(&r, STR("1"));
    rig_turn(&r, 20);
    assert_int_equal(r.completed, 0);
    assert_int_equal(stat(path, &st), -1); /* files are a worker's affair */
    rig_hold(&r, false);
    rig_wait(&r, 10);
    assert_string_equal(contents(path), "1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n");
}

/* More than a batch holds: in pieces, but all of it and in order. */
static void big_lines(void **state)
{
    enum { SIZE = 1536 << 10, COUNT = 12 };
    const char *path = open_at("out.ndjson");
    static char big[COUNT][SIZE];
    struct stat st;

    for (int i = 0; i < COUNT; i++) {
        memset(big[i], 'a' + i, SIZE);
        rig_send(&r, (struct str){big[i], SIZE});
    }
    rig_wait(&r, COUNT);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, COUNT * (SIZE + 1));
    FILE *f = fopen(path, "r");
    for (int i = 0; i < COUNT; i++) {
        fseek(f, i * (SIZE + 1L), SEEK_SET);
        assert_int_equal(fgetc(f), 'a' + i);
        assert_int_equal(r.verdicts[i].kind, VERDICT_SETTLED);
    }
    fclose(f);
}

static void rotation(void **state)
{
    const char *path = open_at("out.ndjson"), *old = rig_path(&r, "out.1");

    settles("1");
    assert_int_equal(rename(path, old), 0);
    settles("2");
    assert_string_equal(contents(old), "1\n");
    assert_string_equal(contents(path), "2\n");
    assert_int_equal(truncate(path, 0), 0); /* copytruncate */
    settles("3");
    assert_string_equal(contents(path), "3\n");
    assert_int_equal(unlink(path), 0);
    settles("4");
    assert_string_equal(contents(path), "4\n");
}

static void a_torn_line_stays_alone(void **state)
{
    const char *path = open_at("out.ndjson");

    put(path, "{\"whole\":1}\n{\"tor");
    settles("1");
    settles("2");
    assert_string_equal(contents(path), "{\"whole\":1}\n{\"tor\n1\n2\n");
}

static void everything_can_be_mended(void **state)
{
    const char *path = open_at("no/such/out.ndjson");

    fails("1", "IO_ERROR", "No such file or directory");
    assert_int_equal(mkdir(rig_path(&r, "no"), 0755) | mkdir(rig_path(&r, "no/such"), 0755), 0);
    settles("1");
    unlink(path);
    assert_int_equal(mkdir(path, 0755), 0);
    fails("2", "IO_ERROR", "Is a directory");
    rmdir(path);
    settles("2");
    assert_string_equal(contents(path), "2\n");
}

static void without_sync(void **state)
{
    rig_init(&r, &file_adapter);
    const char *path = rig_path(&r, "out");
    rig_text(&r, "path", path);
    rig_int(&r, "sync", false);
    rig_open(&r);
    settles("1");
    assert_string_equal(contents(path), "1\n");
}

static void a_device(void **state)
{
    rig_init(&r, &file_adapter);
    rig_text(&r, "path", "/dev/full");
    rig_open(&r);
    fails("1", "NO_SPACE", "cannot write '/dev/full': No space left on device");
}

static void a_pipe(void **state)
{
    const char *path = open_at("pipe");
    char line[64];

    assert_int_equal(mkfifo(path, 0600), 0);
    fails("1", "IO_ERROR", "No such device or address"); /* nobody reads: does not wait */
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    settles("one");
    ssize_t n = read(reader, line, sizeof line);
    assert_int_equal(n, 4);
    assert_memory_equal(line, "one\n", 4);
    close(reader);
    fails("2", "IO_ERROR", "Broken pipe");
    reader = open(path, O_RDONLY | O_NONBLOCK);
    settles("three");
    close(reader);
}

/* A limit in the middle of a batch: a child, since the limit is the process's. */
static void full_disk(void)
{
    static char line[300];
    const char *path = open_at("out.ndjson");
    struct rlimit limit = {1000, RLIM_INFINITY};

    memset(line, 'x', sizeof line - 1);
    settles(line);
    settles(line);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rig_hold(&r, true);
    for (int i = 0; i < 3; i++)
        rig_send(&r, str_from(line));
    rig_hold(&r, false);
    rig_wait(&r, 5);
    for (int i = 2; i < 5; i++)
        assert_int_equal(r.verdicts[i].kind,
                         i == 2 && r.verdicts[2].kind == VERDICT_SETTLED ? VERDICT_SETTLED : VERDICT_RETRY);
    size_t size = strlen(contents(path));
    assert_int_equal(size % 300, 0); /* no line is torn */
    assert_int_equal(text[size - 1], '\n');
    limit.rlim_cur = RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    settles("after");
    assert_string_equal(contents(path) + size, "after\n");
    rig_fini(&r);
}

static void a_full_disk_tears_nothing(void **state)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        full_disk();
        _exit(0);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static void end_while_busy(void **state)
{
    open_at("out.ndjson");
    rig_hold(&r, true);
    for (int i = 0; i < 5; i++)
        rig_send(&r, STR("1"));
    rig_close(&r); /* what waits is dropped, and completes nothing */
    assert_int_equal(r.completed, 0);
}

static void no_descriptor_is_left(void **state)
{
    int before = rig_descriptors();

    for (int i = 0; i < 5; i++) {
        const char *path = open_at("out");
        for (int j = 0; j < 5; j++) {
            settles("1");
            unlink(path);
        }
        rig_fini(&r);
    }
    assert_int_equal(rig_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_line_each, teardown),
        cmocka_unit_test_teardown(a_thousand_in_order, teardown),
        cmocka_unit_test_teardown(what_comes_meanwhile_is_the_next_batch, teardown),
        cmocka_unit_test_teardown(big_lines, teardown),
        cmocka_unit_test_teardown(rotation, teardown),
        cmocka_unit_test_teardown(a_torn_line_stays_alone, teardown),
        cmocka_unit_test_teardown(everything_can_be_mended, teardown),
        cmocka_unit_test_teardown(without_sync, teardown),
        cmocka_unit_test_teardown(a_device, teardown),
        cmocka_unit_test_teardown(a_pipe, teardown),
        cmocka_unit_test(a_full_disk_tears_nothing),
        cmocka_unit_test_teardown(end_while_busy, teardown),
        cmocka_unit_test(no_descriptor_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
