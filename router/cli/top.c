/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir top: a running router, live. Asks for the status each interval and shows what changed in between. On a terminal
 * it takes the screen until q or Ctrl-C, and goes on asking when no router answers; elsewhere it prints one screen
 * after the other.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "router/cli/show.h"
#include "router/cli/top_int.h"
#include "router/cli/verbs.h"
#include "router/xalloc.h"

#define INTERVAL_MIN 0.1
#define INTERVAL_MAX 3600.0
#define SECTION_MIN  3 /* lines that each section gets, where it has them */

static volatile sig_atomic_t ended;

static void end_cb(int number)
{
    ended = 1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- sections ---- */

static void cell_rate(struct table *t, double rate)
{
    if (rate == 0)
        table_cell(t, "-");
    else
        table_cell(t, rate < 10 ? "%.1f" : "%.0f", rate);
}

static void cell_age(struct table *t, int64_t seconds, bool any)
{
    table_cell(t, "%s", any ? show_duration(seconds) : "-");
}

static void bus_cells(struct table *t, const struct top_line *l)
{
    cell_rate(t, l->rates[0]);
    table_cell(t, "%" PRId64, l->counters[0]);
}

static void rule_cells(struct table *t, const struct top_line *l)
{
    bus_cells(t, l);
    table_cell(t, "%s", l->note);
}

static void target_cells(struct table *t, const struct top_line *l)
{
    for (int i = 0; i < TOP_COUNTERS; i++)
        cell_rate(t, l->rates[i]);
    table_cell(t, "%" PRId64, l->gauges[0]);
    cell_age(t, l->oldest_s, l->gauges[0] > 0);
    table_cell(t, "%s", l->note);
}

static void queue_cells(struct table *t, const struct top_line *l)
{
    table_cell(t, "%" PRId64, l->gauges[0]);
    table_cell(t, "%" PRId64, l->gauges[1]);
    cell_age(t, l->oldest_s, l->gauges[0] + l->gauges[1] > 0);
    table_cell(t, "%s", l->note);
}

static const struct section {
    enum top_kind kind;
    const char *titles[8];
    size_t columns;
    void (*cells)(struct table *t, const struct top_line *l);
} sections[] = {
    {TOP_TARGET,
     {"TARGET", ">DELIVERED/s", ">RETRIED/s", ">DEAD/s", ">DROPPED/s", ">OWED", ">OLDEST", ""},
     8,
     target_cells},
    {TOP_RULE, {"RULE", ">MATCHED/s", ">MATCHED", ""}, 4, rule_cells},
    {TOP_BUS, {"BUS", ">ACCEPTED/s", ">ACCEPTED"}, 3, bus_cells},
    {TOP_QUEUE, {"QUEUE", ">VISIBLE", ">IN FLIGHT", ">OLDEST", ""}, 5, queue_cells},
};
#define SECTIONS (sizeof sections / sizeof sections[0])

static void show_section(const struct top_sample *s, const struct section *section, size_t rows)
{
    size_t count;
    const struct top_line **list = top_busiest(s, section->kind, &count);

    if (count && rows) {
        struct table *t = table_create(section->titles, section->columns);
        for (size_t i = 0; i < count && i < rows; i++) {
            table_cell(t, "%s", list[i]->name);
            section->cells(t, list[i]);
        }
        putchar('\n');
        table_print(t);
        if (count > rows)
            printf("… and %zu more\n", count - rows);
    }
    free(list);
}

/* Lines for each section: a few for all, then one at a time to those that want more. rows 0: no bound. */
static void share_rows(const struct top_sample *s, size_t rows, size_t out[SECTIONS])
{
    size_t wanted[SECTIONS] = {0}, used = 0;
    bool given = true;

    for (size_t n = 0; n < SECTIONS; n++) {
        for (size_t i = 0; i < s->count; i++)
            wanted[n] += s->lines[i].kind == sections[n].kind;
        out[n] = !rows ? wanted[n] : wanted[n] < SECTION_MIN ? wanted[n] : SECTION_MIN;
        used += wanted[n] ? out[n] + 3 : 0; /* a blank line, the titles, "… and N more" */
    }
    while (rows && given && used < rows) {
        given = false;
        for (size_t n = 0; n < SECTIONS && used < rows; n++)
            if (out[n] < wanted[n]) {
                out[n]++;
                used++;
                given = true;
            }
    }
}

static void show(const struct top_sample *s, size_t rows)
{
    size_t shares[SECTIONS];

    printf("weir %s on %s, up %s\n", s->version, s->listen, show_duration(s->uptime_s));
    printf("accepted %.0f/s (%" PRId64 "), journal %.0f/s, waiting for dispatch %" PRId64 "\n", s->accepted_rate,
           s->accepted, s->synced_rate, s->lag);
    share_rows(s, rows > 3 ? rows - 3 : rows, shares);
    for (size_t n = 0; n < SECTIONS; n++)
        show_section(s, &sections[n], shares[n]);
}

/* ---- the terminal ---- */

struct screen {
    bool taken;
    struct termios before;
    bool keys; /* stdin is a terminal too */
};

static void take_screen(struct screen *s)
{
    s->taken = isatty(STDOUT_FILENO);
    s->keys = s->taken && tcgetattr(STDIN_FILENO, &s->before) == 0;
    if (s->keys) {
        struct termios raw = s->before;
        raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    if (s->taken)
        fputs("\033[?1049h\033[?25l\033[?7l", stdout); /* another screen, no cursor, long lines are cut */
}

static void give_screen_back(const struct screen *s)
{
    if (s->taken)
        fputs("\033[?7h\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    if (s->keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
}

static size_t screen_rows(const struct screen *s)
{
    struct winsize w;
    if (!s->taken)
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row ? w.ws_row : 24;
}

/* Waits out the interval. False: it is time to end. */
static bool wait_for(const struct screen *s, double until)
{
    struct pollfd keys = {.fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN};
    double left;

    while (!ended && (left = until - now()) > 0) {
        char key = 0;
        if (poll(&keys, 1, (int)(left * 1000) + 1) > 0 && (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q'))
            return false;
    }
    return !ended;
}

/* ---- the loop ---- */

struct top {
    struct cli *cli;
    struct screen screen;
    double interval;
    long long screens; /* to be shown; 0: until it is ended */
    struct top_sample *last;
};

/* False: no router, and nobody to wait for one. */
static bool sample(struct top *t, int *code)
{
    struct reply reply;

    client_call(t->cli, "/_weir/v1/status", (struct str){0}, NULL, &reply);
    bool ok = reply.status == 200;
    if (ok) {
        struct top_sample *s = top_sample_create(buf_view(&reply.body), now(), t->last);
        top_sample_destroy(t->last);
        t->last = s;
    } else if (t->screen.taken && t->last) {
        printf("\033[H\033[J%s\n", reply.message);
        fflush(stdout);
        ok = true;
    } else {
        give_screen_back(&t->screen);
        t->screen = (struct screen){0};
        *code = client_failed(t->cli, &reply);
    }
    bool shown = ok && reply.status == 200;
    reply_fini(&reply);
    if (!shown)
        return ok;
    struct buf json = BUF_INIT;
    if (t->screen.taken)
        fputs("\033[H\033[J", stdout);
    if (t->cli->json) {
        top_write_json(t->last, &json);
        printf("%s\n", buf_cstr(&json));
        buf_fini(&json);
    } else {
        show(t->last, screen_rows(&t->screen));
        if (!t->screen.taken)
            putchar('\n');
    }
    fflush(stdout);
    return true;
}

/* The first status is shown with the next one, when there are rates. */
static bool prime(struct top *t, int *code)
{
    struct reply reply;

    client_call(t->cli, "/_weir/v1/status", (struct str){0}, NULL, &reply);
    bool ok = reply.status == 200;
    if (ok)
        t->last = top_sample_create(buf_view(&reply.body), now(), NULL);
    else
        *code = client_failed(t->cli, &reply);
    reply_fini(&reply);
    return ok;
}

static bool read_options(struct top *t)
{
    const char *interval = cli_value(t->cli, "--interval", "1"), *count = cli_value(t->cli, "--count", NULL);
    char *end;

    t->interval = strtod(interval, &end);
    if (end == interval || *end || !(t->interval >= INTERVAL_MIN && t->interval <= INTERVAL_MAX))
        return !cli_usage(t->cli, "--interval takes seconds, 0.1..3600, got '%s'", interval);
    t->screens = count ? strtoll(count, &end, 10) : 0;
    if (count && (end == count || *end || t->screens < 1))
        return !cli_usage(t->cli, "--count takes a number from 1 on, got '%s'", count);
    return true;
}

static int top(struct cli *cli)
{
    struct top t = {.cli = cli};
    struct sigaction action = {.sa_handler = end_cb};
    int code = EXIT_DONE;

    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments");
    if (!read_options(&t))
        return EXIT_USAGE;
    if (!prime(&t, &code))
        return code;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (!cli->json)
        take_screen(&t.screen);
    double next = now();
    for (long long n = 0; !t.screens || n < t.screens; n++) {
        next += n == 0 && t.interval > 0.5 ? 0.5 : t.interval; /* the first one soon */
        if (!wait_for(&t.screen, next) || !sample(&t, &code))
            break;
    }
    give_screen_back(&t.screen);
    top_sample_destroy(t.last);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--interval", .value = "SECONDS", .meaning = "between two looks, 0.1..3600 (1)"},
    {.name = "--count", .letter = 'n', .value = "N", .meaning = "end after N screens"},
    {0},
};

const struct cli_verb verb_top = {
    .name = "top",
    .arguments = "",
    .summary = "a running router, live: rates, backlogs, what is in trouble",
    .description =
        "Shows targets, rules, buses and queues, busiest first; q or Ctrl-C ends it. Where the output is no\n"
        "terminal, prints one screen after the other; with --json one object for each look.",
    .options = options,
    .run = top,
};
