/* SPDX-License-Identifier: Apache-2.0 */
/* Functions, with real processes: every way to end, what they are given, and that nothing of them is left over. */
#include "targets/policy.h"

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

extern const struct adapter function_adapter;

static struct rig r;

/* A rig whose function is a shell script; $0 is the rig's folder. Options may follow before open(). */
static void prepare(const char *script)
{
    rig_init(&r, &function_adapter);
    rig_command(&r, "command", (const char *[]){"/bin/sh", "-c", script, r.folder, NULL});
}

static void open_script(const char *script)
{
    prepare(script);
    rig_open(&r);
}

static int teardown(void **state)
{
    rig_fini(&r);
    return 0;
}

static const char *contents(const char *name)
{
    static char text[1 << 16];
    FILE *f = fopen(rig_path(&r, name), "r");

    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
    return text;
}

static void ends(const char *input, enum verdict_kind kind, const char *code, const char *message)
{
    const struct verdict *v = rig_run(&r, str_from(input));

    assert_string_equal(v->message, message);
    assert_string_equal(v->code, code);
    assert_int_equal(v->kind, kind);
}

/* Is the process whose number stands in the file gone, within a second? */
static bool is_gone(const char *name)
{
    pid_t pid = (pid_t)atoi(contents(name));
    char path[64], line[256];

    assert_true(pid > 1);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *f = fopen(path, "r");
        if (!f)
            return true;
        bool zombie = fgets(line, sizeof line, f) && strstr(line, ") Z ");
        fclose(f);
        if (zombie)
            return true;
        usleep(5000);
    }
    return false;
}

/* ---- what it is given ---- */

static void input_and_environment(void **state)
{
    setenv("WEIR_RULE", "of an outer router", 1);
    setenv("OUTER", "a secret", 1);
    setenv("LC_OUTER", "handed on", 1);
    open_script("cat >$0/in; env | grep -E "
                "'^(WEIR_(ATTEMPT|BUS|EVENT_ID|IDEMPOTENCY_KEY|RULE|TARGET_ID)|AWS_LAMBDA_[A-Z_]*|(LC_)?OUTER)=' | "
                "sort >$0/env");
    struct delivery *d = rig_next(&r);
    d->attempts = 2;
    ends("{\"a\":1}", VERDICT_SETTLED, "", "");
    unsetenv("WEIR_RULE");
    unsetenv("OUTER");
    unsetenv("LC_OUTER");
    assert_string_equal(contents("in"), "{\"a\":1}");
    assert_string_equal(contents("env"),
                        "AWS_LAMBDA_FUNCTION_NAME=tested\nLC_OUTER=handed on\nWEIR_ATTEMPT=3\nWEIR_BUS=default\n"
                        "WEIR_EVENT_ID=event-1\nWEIR_IDEMPOTENCY_KEY=event-1/a-rule/Id1\nWEIR_RULE=a-rule\n"
                        "WEIR_TARGET_ID=Id1\n");
}

/* Nothing of the router's: descriptors, signal mask, handlers, process group. */
static void a_clean_start(void **state)
{
    int kept = dup(STDERR_FILENO); /* without O_CLOEXEC, as a library may have one */
    sigset_t mask, before;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    open_script("cd /proc/$$/fd; set -- *; echo $* >$0/fds; cut -d' ' -f1,5 /proc/$$/stat >$0/group;"
                "exec grep -e SigBlk -e SigIgn /proc/self/status >$0/signals"); /* a shell that forks blocks signals */
    ends("", VERDICT_SETTLED, "", "");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(kept);
    assert_string_equal(contents("fds"), "0 1 2 3\n"); /* 3: the folder that lists them */
    unsigned long blocked = 1, ignored = 1;
    int pid = 0, group = 1;
    assert_int_equal(sscanf(contents("signals"), "SigBlk: %lx SigIgn: %lx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    assert_int_equal(ignored & 0x7fffffff, 0); /* above are libc's own two */
    assert_int_equal(sscanf(contents("group"), "%d %d", &pid, &group), 2);
    assert_int_equal(pid, group);
}

static void working_directory(void **state)
{
    prepare("pwd -P >$0/where");
    rig_text(&r, "working_directory", "/usr/bin");
    rig_open(&r);
    ends("", VERDICT_SETTLED, "", "");
    assert_string_equal(contents("where"), "/usr/bin\n");
}

/* ---- batches ---- */

static void prepare_batch(const char *script)
{
    prepare(script);
    rig_int(&r, "batch.max_events", 3);
}

static void send_three(void)
{
    static char keys[3][8] = {"a", "b", "c"};

    for (int i = 0; i < 3; i++) {
        rig_next(&r)->idempotency_key = str_from(keys[i]);
        rig_send(&r, STR("{\"n\":1}"));
    }
    rig_wait(&r, 3);
}

static void a_run_gets_a_batch_and_names_what_failed(void **state)
{
    prepare_batch("cat >$0/in; env | grep ^WEIR_BATCH >$0/env;"
                  "echo '{\"batchItemFailures\": [{\"itemIdentifier\": \"b\"}]}'");
    rig_int(&r, "batch.envelope", 1);
    rig_open(&r);
    send_three();
    assert_string_equal(contents("in"), "[{\"itemIdentifier\":\"a\",\"input\":{\"n\":1}},{\"itemIdentifier\":\"b\","
                                        "\"input\":{\"n\":1}},{\"itemIdentifier\":\"c\",\"input\":{\"n\":1}}]");
    assert_string_equal(contents("env"), "WEIR_BATCH_SIZE=3\n");
    assert_int_equal(r.verdicts[0].kind, VERDICT_SETTLED);
    assert_int_equal(r.verdicts[1].kind, VERDICT_RETRY);
    assert_string_equal(r.verdicts[1].code, "BATCH_ITEM_FAILURE");
    assert_int_equal(r.verdicts[2].kind, VERDICT_SETTLED);
}

static void other_output_of_a_batch_says_nothing(void **state)
{
    prepare_batch("cat >/dev/null; echo done 3");
    rig_open(&r);
    send_three();
    for (int i = 0; i < 3; i++)
        assert_int_equal(r.verdicts[i].kind, VERDICT_SETTLED);
}

static void a_failed_batch_is_tried_again_by_the_age_of_each(void **state)
{
    prepare_batch("exit 1");
    rig_int(&r, "async.maximum_retry_attempts", 1);
    rig_open(&r);
    rig_next(&r)->attempts = 1;
    send_three();
    assert_int_equal(r.verdicts[0].kind, VERDICT_FAILED);
    assert_int_equal(r.verdicts[1].kind, VERDICT_RETRY);
    assert_int_equal(r.verdicts[1].retry_after_ms, 60000);
    assert_int_equal(r.verdicts[2].kind, VERDICT_RETRY);
}

/* ---- how it ends ---- */

static void exit_statuses(void **state)
{
    open_script("read word; eval \"$word\"");
    ends("exit 0\n", VERDICT_SETTLED, "", "");
    ends("exit 1\n", VERDICT_FAILED, "FUNCTION_ERROR", "exit status 1");
    ends("exit 75\n", VERDICT_RETRY, "TEMPFAIL", "exit status 75");
    ends("exit 255\n", VERDICT_FAILED, "FUNCTION_ERROR", "exit status 255");
    ends("kill -9 $$\n", VERDICT_FAILED, "FUNCTION_ERROR", "killed by signal 9");
    ends("kill -15 $$\n", VERDICT_FAILED, "FUNCTION_ERROR", "killed by signal 15");
    for (int i = 0; i < 6; i++)
        assert_int_equal(r.verdicts[i].retry_after_ms, -1);
}

static void the_last_line_of_stderr(void **state)
{
    open_script("cat >&2; exit 3");
    ends("first\nno such table\n\n  \n", VERDICT_FAILED, "FUNCTION_ERROR", "exit status 3: no such table");
    ends("\n\n", VERDICT_FAILED, "FUNCTION_ERROR", "exit status 3");
    ends("tab\there, \033[31mred, caf\303\251, cut \303", VERDICT_FAILED, "FUNCTION_ERROR",
         "exit status 3: tab here,  [31mred, caf\303\251, cut  ");
}

static void a_long_line_of_stderr(void **state)
{
    static char input[20000], wanted[256];

    open_script("cat >&2; exit 75");
    memset(input, 'x', sizeof input - 1);
    memcpy(input + 15000, "\n\303\251", 3);
    for (size_t i = 15001; i + 1 < sizeof input; i += 2)
        memcpy(input + i, "\303\251", 2);
    input[15001 + 600] = '\0';
    snprintf(wanted, sizeof wanted, "exit status 75: %.158s", input + 15001);
    ends(input, VERDICT_RETRY, "TEMPFAIL", wanted);
}

static void what_cannot_run(void **state)
{
    rig_init(&r, &function_adapter);
    rig_command(&r, "command", (const char *[]){"/no/such/command", NULL});
    rig_open(&r);
    ends("", VERDICT_FAILED, "NO_RESOURCE", "cannot run '/no/such/command': No such file or directory");
    rig_close(&r);
    rig_command(&r, "command", (const char *[]){"no-such-command-in-the-path", NULL});
    rig_open(&r);
    ends("", VERDICT_FAILED, "NO_RESOURCE", "cannot run 'no-such-command-in-the-path': No such file or directory");
    rig_close(&r);
    rig_command(&r, "command", (const char *[]){"/etc/passwd", NULL});
    rig_open(&r);
    ends("", VERDICT_FAILED, "NO_RESOURCE", "cannot run '/etc/passwd': Permission denied");
    rig_close(&r);
    rig_command(&r, "command", (const char *[]){"true", NULL});
    rig_open(&r);
    ends("", VERDICT_SETTLED, "", "");
    rig_close(&r);
    rig_text(&r, "working_directory", "/no/such/folder");
    rig_open(&r);
    ends("", VERDICT_FAILED, "NO_RESOURCE", "cannot run 'true': No such file or directory");
}

static void out_of_descriptors(void **state)
{
    struct rlimit all, few;

    open_script("exit 0");
    getrlimit(RLIMIT_NOFILE, &all);
    few = all;
    few.rlim_cur = (rlim_t)rig_descriptors();     /* "." and ".." are counted there: about two are free */
    for (int i = 0; i < 8; i++, few.rlim_cur++) { /* the first pipe fails, the second, ... the pidfd */
        setrlimit(RLIMIT_NOFILE, &few);
        const struct verdict *v = rig_run(&r, STR(""));
        setrlimit(RLIMIT_NOFILE, &all);
        if (v->kind != VERDICT_SETTLED)
            assert_string_equal(v->code, "THROTTLING");
    }
    assert_int_equal(r.verdicts[0].kind, VERDICT_RETRY);
    assert_int_equal(r.verdicts[7].kind, VERDICT_SETTLED);
}

static void timeout_kills_the_group(void **state)
{
    prepare("sleep 300 & echo $! >$0/child; echo $$ >$0/leader; echo waiting for it >&2; wait");
    rig_int(&r, "timeout", 300);
    rig_open(&r);
    int64_t began = rig_clock_ms();
    ends("", VERDICT_RETRY, "TIMEOUT", "did not end within 300 ms: waiting for it");
    int64_t took = rig_clock_ms() - began;
    assert_true(took >= 300 && took < 5000);
    assert_true(is_gone("leader"));
    assert_true(is_gone("child"));
}

static void a_timeout_cannot_be_ignored(void **state)
{
    prepare("trap '' TERM INT HUP; while :; do sleep 1; done");
    rig_int(&r, "timeout", 200);
    rig_open(&r);
    ends("", VERDICT_RETRY, "TIMEOUT", "did not end within 200 ms");
}

/* The end of the process is the end, though its stdout is still open; what it left behind goes with it. */
static void a_grandchild_holds_stdout(void **state)
{
    open_script("sleep 300 & echo $! >$0/child; echo done");
    int64_t began = rig_clock_ms();
    ends("", VERDICT_SETTLED, "", "");
    assert_true(rig_clock_ms() - began < 5000);
    assert_true(is_gone("child"));
}

/* ---- pipes ---- */

static void input_that_nobody_reads(void **state)
{
    static char big[4 << 20];

    memset(big, 'x', sizeof big);
    open_script("exit 0");
    rig_run(&r, (struct str){big, sizeof big});
    assert_int_equal(r.verdicts[0].kind, VERDICT_SETTLED);
    rig_close(&r);
    rig_command(&r, "command", (const char *[]){"/bin/sh", "-c", "exec <&-; sleep 0.2; exit 75", NULL});
    rig_open(&r);
    rig_run(&r, (struct str){big, sizeof big});
    assert_int_equal(r.verdicts[1].kind, VERDICT_RETRY);
    rig_close(&r);
    rig_command(&r, "command", (const char *[]){"/bin/sh", "-c", "sleep 0.2", NULL}); /* open, but unread */
    rig_open(&r);
    rig_run(&r, (struct str){big, sizeof big});
    assert_int_equal(r.verdicts[2].kind, VERDICT_SETTLED);
}

/* It writes while it reads, both more than a pipe holds. */
static void both_ways_at_once(void **state)
{
    static char big[4 << 20];

    memset(big, 'x', sizeof big);
    open_script("tee $0/copy | tail -c 100000 >&2");
    rig_run(&r, (struct str){big, sizeof big});
    assert_int_equal(r.verdicts[0].kind, VERDICT_SETTLED);
    rig_close(&r);
    rig_command(&r, "command", (const char *[]){"tee", rig_path(&r, "copy"), NULL});
    rig_open(&r);
    rig_run(&r, (struct str){big, sizeof big});
    assert_int_equal(r.verdicts[1].kind, VERDICT_SETTLED);
    struct stat st;
    assert_int_equal(stat(rig_path(&r, "copy"), &st), 0);
    assert_int_equal(st.st_size, sizeof big);
}

static void too_much_output(void **state)
{
    open_script("head -c $(cat) /dev/zero");
    ends("6291456", VERDICT_SETTLED, "", "");
    ends("6291457", VERDICT_FAILED, "FUNCTION_ERROR", "wrote more than 6291456 bytes to its standard output");
    ends("1000000000000", VERDICT_FAILED, "FUNCTION_ERROR", "wrote more than 6291456 bytes to its standard output");
}

/* ---- many, and the end ---- */

static void out_of_order(void **state)
{
    open_script("sleep $(cat)");
    assert_int_equal(r.target->def->policy->concurrency, 4);
    rig_send(&r, STR("0.6"));
    rig_send(&r, STR("0.3"));
    rig_send(&r, STR("0"));
    assert_int_equal(r.completed, 0);
    rig_wait(&r, 3);
    assert_int_equal(r.order[0], 2);
    assert_int_equal(r.order[1], 1);
    assert_int_equal(r.order[2], 0);
}

static void close_while_it_runs(void **state)
{
    open_script("sleep 300 & echo $! >$0/child; echo $$ >$0/leader; wait");
    rig_send(&r, STR(""));
    while (!*contents("leader"))
        rig_turn(&r, 10);
    rig_close(&r);
    assert_true(is_gone("leader"));
    assert_true(is_gone("child"));
    rig_turn(&r, 20);
    assert_int_equal(r.completed, 0);
}

static void nothing_is_left(void **state)
{
    int before = rig_descriptors();

    open_script("exit $(cat)");
    for (int i = 0; i < 60; i++)
        rig_run(&r, i % 3 ? STR("0") : STR("7"));
    rig_fini(&r);
    assert_int_equal(rig_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no children, dead or alive */
    assert_int_equal(errno, ECHILD);
}

static void an_empty_command_is_refused(void **state)
{
    struct weir_diag diag = {0};

    rig_init(&r, &function_adapter);
    assert_false(rig_check(&r, &diag));
    assert_string_equal(diag.message, "command of function 'tested' is empty");
    rig_command(&r, "command", (const char *[]){"", "x", NULL});
    assert_false(rig_check(&r, &diag));
    rig_command(&r, "command", (const char *[]){"x", NULL});
    assert_true(rig_check(&r, &diag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(input_and_environment, teardown),
        cmocka_unit_test_teardown(a_clean_start, teardown),
        cmocka_unit_test_teardown(working_directory, teardown),
        cmocka_unit_test_teardown(a_run_gets_a_batch_and_names_what_failed, teardown),
        cmocka_unit_test_teardown(other_output_of_a_batch_says_nothing, teardown),
        cmocka_unit_test_teardown(a_failed_batch_is_tried_again_by_the_age_of_each, teardown),
        cmocka_unit_test_teardown(exit_statuses, teardown),
        cmocka_unit_test_teardown(the_last_line_of_stderr, teardown),
        cmocka_unit_test_teardown(a_long_line_of_stderr, teardown),
        cmocka_unit_test_teardown(what_cannot_run, teardown),
        cmocka_unit_test_teardown(out_of_descriptors, teardown),
        cmocka_unit_test_teardown(timeout_kills_the_group, teardown),
        cmocka_unit_test_teardown(a_timeout_cannot_be_ignored, teardown),
        cmocka_unit_test_teardown(a_grandchild_holds_stdout, teardown),
        cmocka_unit_test_teardown(input_that_nobody_reads, teardown),
        cmocka_unit_test_teardown(both_ways_at_once, teardown),
        cmocka_unit_test_teardown(too_much_output, teardown),
        cmocka_unit_test_teardown(out_of_order, teardown),
        cmocka_unit_test_teardown(close_while_it_runs, teardown),
        cmocka_unit_test(nothing_is_left),
        cmocka_unit_test_teardown(an_empty_command_is_refused, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
