/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching a replay: its row is asked for a few times a second. On a terminal a bar says how far it is, how fast it
 * goes and when it will be done; with --json each change is a line, the replay with events_per_s and eta_s.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "router/cli/replay.h"
#include "router/cli/show.h"
#include "router/clock.h"

#define POLL_US   200000
#define LINE_MS   1000 /* --json: not more often */
#define BAR_CELLS 30
#define NEW_SHARE 0.3 /* of the present rate in the one that is shown */

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    interrupted = 1;
}

static bool is_state(struct str replay, const char *state)
{
    char text[32];
    return strcmp(show_text(replay, "state", text, sizeof text), state) == 0;
}

bool replay_is_over(struct str replay)
{
    return is_state(replay, "COMPLETED") || is_state(replay, "CANCELLED") || is_state(replay, "FAILED");
}

static long long count_done(struct str replay)
{
    return show_int(replay, "events_replayed") + show_int(replay, "events_filtered");
}

/* ---- the end ---- */

static const char *plural(long long n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

static void print_end(struct str replay)
{
    char name[128], state[32], reason[512];
    long long deliveries = show_int(replay, "deliveries"), filtered = show_int(replay, "events_filtered");
    bool paused = show_bool(replay, "paused");

    printf("replay %s %s%s: %lld of %s%lld events replayed, ", show_text(replay, "name", name, sizeof name),
           show_text(replay, "state", state, sizeof state), paused ? " (paused)" : "",
           show_int(replay, "events_replayed"), show_bool(replay, "events_total_exact") ? "" : "up to ",
           show_int(replay, "events_total"));
    if (filtered)
        printf("%lld kept away by the pattern, ", filtered);
    show_text(replay, "reason", reason, sizeof reason);
    printf("%lld matched, %lld %s%s%s\n", show_int(replay, "events_matched"), deliveries,
           plural(deliveries, "delivery", "deliveries"), reason[0] ? "; " : "", reason);
}

int replay_show_end(struct cli *cli, struct str replay)
{
    if (cli->json)
        printf("%.*s\n", STR_ARG(replay));
    else
        print_end(replay);
    fflush(stdout);
    return is_state(replay, "FAILED") ? EXIT_INTERNAL : EXIT_DONE;
}

/* ---- on the way ---- */

void replay_bar_init(struct replay_bar *b, struct cli *cli)
{
    *b = (struct replay_bar){.cli = cli,
                             .terminal = isatty(STDERR_FILENO) && !cli->json,
                             .part = -1,
                             .began_ms = clock_wall_ms(),
                             .rate = -1};
    signal(SIGINT, interrupt);
}

bool replay_interrupted(void)
{
    return interrupted;
}

static void measure(struct replay_bar *b, long long count, int64_t now)
{
    if (b->last_ms && now > b->last_ms) {
        double rate = (double)(count - b->last_count) * 1000 / (double)(now - b->last_ms);
        b->rate = b->rate < 0 ? rate : b->rate * (1 - NEW_SHARE) + rate * NEW_SHARE;
    }
    b->last_ms = now;
    b->last_count = count;
}

/* Seconds; -1: nobody knows. */
static long long eta(const struct replay_bar *b, struct str replay)
{
    long long left = show_int(replay, "events_total") - count_done(replay);
    double passed = (double)(clock_wall_ms() - b->began_ms) / 1000;

    if (b->part >= 0)
        return b->part > 0 && passed > 1 ? (long long)(passed * (1 - b->part) / b->part + 0.5) : -1;
    return b->rate >= 1e-3 && left >= 0 && left / b->rate < 1e9 ? (long long)((double)left / b->rate + 0.5) : -1;
}

static void show_line(const struct replay_bar *b, struct str replay)
{
    printf("%.*s", (int)replay.size - 1, replay.ptr);
    if (b->rate >= 0)
        printf(",\"events_per_s\":%.1f", b->rate);
    if (eta(b, replay) >= 0)
        printf(",\"eta_s\":%lld", eta(b, replay));
    printf("}\n");
    fflush(stdout);
}

static const char *how_it_is(struct str replay, char state[32])
{
    if (replay_is_over(replay))
        return show_text(replay, "state", state, 32);
    return show_bool(replay, "paused")    ? "PAUSED"
           : show_bool(replay, "waiting") ? "WAITING"
                                          : show_text(replay, "state", state, 32);
}

static void show_cells(const struct replay_bar *b, long long done, long long total)
{
    int filled = b->part >= 0 ? (int)(b->part * BAR_CELLS) : total ? (int)(done * BAR_CELLS / total) : 0;

    for (int i = 0; i < BAR_CELLS; i++)
        fputc(i < filled ? '#' : '.', stderr);
}

static void show_waiting(struct str replay)
{
    char what[300];

    if (strcmp(show_text(replay, "waiting_for", what, sizeof what), "events") == 0)
        fputs("; accepted events go first", stderr);
    else if (*what)
        fprintf(stderr, "; %s is far behind", what);
}

static void show_bar(const struct replay_bar *b, struct str replay)
{
    long long total = show_int(replay, "events_total"), done = count_done(replay), left = eta(b, replay);
    char state[32];

    fprintf(stderr, "\r%-10s [", how_it_is(replay, state));
    show_cells(b, done, total);
    fprintf(stderr, "] %lld", done);
    if (b->part < 0)
        fprintf(stderr, "/%s%lld", show_bool(replay, "events_total_exact") ? "" : "~", total);
    fprintf(stderr, " events, %lld matched", show_int(replay, "events_matched"));
    if (b->rate >= 0 && !replay_is_over(replay))
        fprintf(stderr, ", %.0f/s", b->rate);
    if (left >= 0 && !replay_is_over(replay))
        fprintf(stderr, ", %s left", show_duration(left));
    show_waiting(replay);
    fputs("\033[K", stderr);
    fflush(stderr);
}

void replay_bar_show(struct replay_bar *b, struct str replay)
{
    int64_t now = clock_wall_ms();
    long long done = count_done(replay);

    if (b->terminal) {
        measure(b, done, now);
        show_bar(b, replay);
    } else if (b->cli->json && now - b->last_ms >= LINE_MS && !replay_is_over(replay)) {
        measure(b, done, now);
        show_line(b, replay);
    }
}

void replay_bar_end(struct replay_bar *b)
{
    if (b->terminal)
        fputc('\n', stderr);
}

static int detached(const char *name)
{
    fprintf(stderr, "weir: detached; replay '%s' goes on, 'weir replay --show %s' shows it\n", name, name);
    return EXIT_DONE;
}

int replay_watch(struct cli *cli, const char *name)
{
    struct buf path = BUF_INIT;
    struct replay_bar bar;
    int code = -1;

    buf_text(&path, "/_weir/v1/replays/");
    client_escape(&path, str_from(name));
    replay_bar_init(&bar, cli);
    while (code < 0) {
        struct reply reply;
        client_call(cli, buf_cstr(&path), (struct str){0}, NULL, &reply);
        struct str replay = buf_view(&reply.body);
        if (reply.status == 200)
            replay_bar_show(&bar, replay);
        if (reply.status != 200 || replay_is_over(replay) || interrupted)
            replay_bar_end(&bar);
        if (reply.status != 200)
            code = client_failed(cli, &reply);
        else if (replay_is_over(replay))
            code = replay_show_end(cli, replay);
        else if (interrupted)
            code = detached(name);
        else
            usleep(POLL_US);
        reply_fini(&reply);
    }
    buf_fini(&path);
    return code;
}
