/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/log.h"
#include "tests/router/fixture.h"
#include "targets/archive.h"

struct fixture fixture;
struct fake fake;

static struct messages kept;

/* ---- fakes ---- */

static const struct option fake_option_table[] = {{0}};

static struct target *fake_open(const struct target_def *def, struct host *host, const char *data_dir,
                                struct weir_diag *diag)
{
    struct target *t = calloc(1, sizeof *t);
    *t = (struct target){.ops = &fake_adapter, .def = def, .host = host};
    return t;
}

static void fake_close(struct target *t)
{
    free(t);
}

static void fake_answer(evutil_socket_t fd, short what, void *context)
{
    struct delivery *d = context;
    struct verdict v = {.retry_after_ms = -1};
    struct timeval soon = {0, 1000};

    if (atomic_load(&fake.held)) {
        event_base_once(d->target->host->base, -1, EV_TIMEOUT, fake_answer, d, &soon);
        return;
    }
    pthread_mutex_lock(&fake.lock);
    fake.at_once--;
    bool stuck = fake.stuck[0] && memmem(d->input.ptr, d->input.size, fake.stuck, strlen(fake.stuck));
    bool retry = stuck || (fake.way == FAKE_RETRY && fake.retries != 0);
    if (retry && !stuck && fake.retries > 0)
        fake.retries--;
    if (retry) {
        verdict_set(&v, VERDICT_RETRY, "TIMEOUT", "no answer from the fake");
        v.retry_after_ms = fake.retry_after_ms;
    } else if (fake.way == FAKE_FAIL) {
        verdict_set(&v, VERDICT_FAILED, "NO_PERMISSIONS", "the fake says no");
    } else {
        v.kind = VERDICT_SETTLED;
        fake.settled++;
    }
    pthread_mutex_unlock(&fake.lock);
    d->target->host->complete(d->target->host, d, &v);
}

static void fake_send(struct target *t, struct delivery *d)
{
    struct timeval soon = {0, 0};

    pthread_mutex_lock(&fake.lock);
    fake.sent++;
    if (++fake.at_once > fake.most_at_once)
        fake.most_at_once = fake.at_once;
    fake.attempts = d->attempts;
    fake.in_order = fake.in_order && d->position >= fake.last_position;
    fake.last_position = d->position;
    buf_str(&fake.inputs, d->input);
    buf_char(&fake.inputs, '\n');
    snprintf(fake.key, sizeof fake.key, "%.*s", STR_ARG(d->idempotency_key));
    bool silent = fake.way == FAKE_SILENT;
    pthread_mutex_unlock(&fake.lock);
    if (!silent)
        event_base_once(t->host->base, -1, EV_TIMEOUT, fake_answer, d, &soon);
}

const struct adapter fake_adapter = {
    .type = "fake",
    .summary = "does what a test says",
    .arn_format = "arn:weir:fake:{region}:{account}:{name}",
    .options = fake_option_table,
    .concurrency = "4",
    .concurrency_max = 100000,
    .open = fake_open,
    .close = fake_close,
    .send = fake_send,
};

void fake_set(enum fake_way way, int retries)
{
    pthread_mutex_lock(&fake.lock);
    fake.way = way;
    fake.retries = retries;
    fake.retry_after_ms = -1;
    pthread_mutex_unlock(&fake.lock);
}

void fake_stick(const char *part)
{
    pthread_mutex_lock(&fake.lock);
    snprintf(fake.stuck, sizeof fake.stuck, "%s", part);
    pthread_mutex_unlock(&fake.lock);
}

/* ---- life ---- */

int fixture_set_up(void **state)
{
    log_open(LOG_FORMAT_LOGFMT, getenv("FIXTURE_LOG") ? LEVEL_DEBUG : LEVEL_ERROR + 1);
    memset(&fixture, 0, sizeof fixture);
    buf_fini(&fake.inputs);
    memset(&fake, 0, sizeof fake);
    fake.in_order = true;
    fake.retry_after_ms = -1;
    pthread_mutex_init(&fake.lock, NULL);
    strcpy(fixture.folder, "/tmp/weir-dispatch-XXXXXX");
    assert_non_null(mkdtemp(fixture.folder));
    snprintf(fixture.data, sizeof fixture.data, "%s/data", fixture.folder);
    char command[128];
    snprintf(command, sizeof command, "mkdir '%s'", fixture.data);
    return system(command);
}

static void free_messages(void)
{
    for (size_t i = 0; i < kept.count; i++) {
        free(kept.list[i].body);
        free(kept.list[i].attributes);
    }
    free(kept.list);
    kept = (struct messages){0};
}

int fixture_tear_down(void **state)
{
    char command[128];

    fixture_stop();
    free_messages();
    buf_fini(&fake.inputs);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture.folder);
    return system(command);
}

static struct ruleset *load(const char *yaml)
{
    char file[96];
    struct diags diags;
    struct buf report = BUF_INIT;

    snprintf(file, sizeof file, "%s/weir.yaml", fixture.folder);
    FILE *f = fopen(file, "w");
    fprintf(f, "version: 1\ndata: %s\n%s", fixture.data, yaml);
    fclose(f);
    assert_true(diags_init(&diags, 20));
    struct ruleset *set = ruleset_load(file, 1, &diags);
    if (!set) {
        ruleset_report(&diags, &report);
        fail_msg("%s", buf_cstr(&report));
    }
    diags_fini(&diags);
    return set;
}

static void synced(void *context, uint64_t sequence)
{
    dispatch_wake(fixture.dispatch, sequence);
}

void fixture_start(const char *yaml)
{
    struct weir_diag diag = {0};
    struct journal_report found;
    char path[128];

    fixture.set = load(yaml);
    snprintf(path, sizeof path, "%s/weir.db", fixture.data);
    fixture.ledger = ledger_open(path, &fixture.clock, &diag);
    assert_string_equal(diag.message, "");
    struct dispatch_options options = {
        .set = fixture.set, .ledger = fixture.ledger, .clock = &fixture.clock, .data_dir = fixture.data};
    fixture.dispatch = dispatch_open(&options, &diag);
    assert_string_equal(diag.message, "");
    struct journal_options journal_options = {.above = dispatch_cursor(fixture.dispatch), .synced = synced};
    snprintf(path, sizeof path, "%s/journal", fixture.data);
    fixture.journal = journal_open(path, &journal_options, &found, &diag);
    assert_string_equal(diag.message, "");
    ledger_start(fixture.ledger);
    dispatch_start(fixture.dispatch, fixture.journal);
}

void fixture_stop(void)
{
    if (!fixture.dispatch)
        return;
    dispatch_stop(fixture.dispatch, 100);
    journal_close(fixture.journal);
    ledger_close(fixture.ledger);
    dispatch_close(fixture.dispatch);
    ruleset_unref(fixture.set);
    fixture.dispatch = NULL;
}

/* ---- reloading ---- */

static struct dispatch_reload reload_call;
static atomic_bool reload_answered;

static void reloaded(struct dispatch_reload *call)
{
    atomic_store(&reload_answered, true);
}

void fixture_reload_begin(const char *yaml)
{
    reload_call = (struct dispatch_reload){.set = load(yaml), .done = reloaded};
    atomic_store(&reload_answered, false);
    dispatch_reload(fixture.dispatch, &reload_call);
}

bool fixture_reload_done(void)
{
    return atomic_load(&reload_answered);
}

bool fixture_reload_end(void)
{
    fixture_wait(fixture_reload_done());
    struct ruleset *gone = reload_call.ok ? fixture.set : reload_call.set;
    if (reload_call.ok)
        fixture.set = reload_call.set;
    ruleset_unref(gone);
    return reload_call.ok;
}

bool fixture_reload(const char *yaml)
{
    fixture_reload_begin(yaml);
    return fixture_reload_end();
}

/* ---- holding the ledger ---- */

static struct ledger_job holding_job;
static pthread_mutex_t holding = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool is_holding; /* the job is under way */

static bool hold_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    pthread_mutex_lock(&holding);
    pthread_mutex_unlock(&holding);
    return true;
}

static void hold_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    atomic_store(&is_holding, false);
}

void fixture_hold_ledger(void)
{
    fixture_wait(!atomic_exchange(&is_holding, true));
    pthread_mutex_lock(&holding);
    holding_job = (struct ledger_job){.run = hold_run, .done = hold_done};
    ledger_submit(fixture.ledger, &holding_job);
}

void fixture_release_ledger(void)
{
    pthread_mutex_unlock(&holding);
}

void fixture_crash(void (*phase)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        phase();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- sending ---- */

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

static void append(const struct journal_event *events, unsigned count)
{
    struct waiting w = {.batch = {.events = events, .count = count, .done = finished},
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .wake = PTHREAD_COND_INITIALIZER};

    assert_true(journal_submit(fixture.journal, &w.batch));
    pthread_mutex_lock(&w.lock);
    while (!w.finished)
        pthread_cond_wait(&w.wake, &w.lock);
    pthread_mutex_unlock(&w.lock);
    assert_int_equal(w.result, JOURNAL_SYNCED);
}

static void write_event(struct buf *out, int64_t second, const char *detail)
{
    char time[21];

    time_format_rfc3339(INT64_C(1767225600000) + second * 1000, time);
    buf_printf(out,
               "{\"version\":\"0\",\"id\":\"e%u\",\"detail-type\":\"t\",\"source\":\"test\",\"account\":\"1\","
               "\"time\":\"%s\",\"region\":\"r\",\"resources\":[],\"detail\":%s}",
               fixture.sent++, time, detail);
}

void fixture_send(const char *bus, const char *detail)
{
    struct buf event = BUF_INIT;

    write_event(&event, 0, detail);
    struct journal_event e = {str_from(bus), buf_view(&event), 0};
    append(&e, 1);
    buf_fini(&event);
}

void fixture_send_many(const char *bus, unsigned count, int64_t first_second, int step)
{
    struct journal_event *events = calloc(count, sizeof *events);
    struct buf *texts = calloc(count, sizeof *texts);

    for (unsigned i = 0; i < count; i++) {
        char detail[32];
        snprintf(detail, sizeof detail, "{\"n\":%u}", i);
        write_event(&texts[i], first_second + (int64_t)i * step, detail);
        events[i] = (struct journal_event){str_from(bus), buf_view(&texts[i]), 0};
    }
    append(events, count);
    for (unsigned i = 0; i < count; i++)
        buf_fini(&texts[i]);
    free(texts);
    free(events);
}

void fixture_nap(void)
{
    usleep(5000);
}

void fixture_dispatched(void)
{
    fixture_wait(dispatch_cursor(fixture.dispatch) == journal_synced(fixture.journal));
}

/* ---- looking ---- */

struct looking {
    struct ledger_job job;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool finished;
    const char *text;
    int64_t number;
};

static void looked(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct looking *l = (struct looking *)job;
    if (!ok)
        fprintf(stderr, "%s\n", diag->message);
    pthread_mutex_lock(&l->lock);
    l->finished = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

static void look(struct looking *l)
{
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    l->job.done = looked;
    ledger_submit(fixture.ledger, &l->job);
    pthread_mutex_lock(&l->lock);
    while (!l->finished)
        pthread_cond_wait(&l->wake, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

static bool look_number(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct looking *l = (struct looking *)job;
    sqlite3_stmt *q;

    if (sqlite3_prepare_v2(store_handle(store), l->text, -1, &q, NULL) != SQLITE_OK)
        return store_error(store, l->text, diag);
    l->number = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : -1;
    sqlite3_finalize(q);
    return true;
}

int64_t fixture_number(const char *sql)
{
    struct looking l = {.job.run = look_number, .text = sql};
    look(&l);
    return l.number;
}

void fixture_wait_number(const char *sql, int64_t wanted)
{
    int64_t last = -1;

    for (int i = 0; i < 2000; i++) {
        if ((last = fixture_number(sql)) == wanted)
            return;
        fixture_nap();
    }
    fail_msg("%s is %lld, not %lld", sql, (long long)last, (long long)wanted);
}

static char *text_of(struct str s)
{
    return strndup(s.ptr ? s.ptr : "", s.size);
}

static void keep_message(void *context, const struct queue_message *m)
{
    kept.list = realloc(kept.list, (kept.count + 1) * sizeof *kept.list);
    kept.list[kept.count++] = (struct message){text_of(m->body), text_of(m->attributes)};
}

static bool look_messages(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct looking *l = (struct looking *)job;
    return queue_peek(store, str_from(l->text), 0, 100000, keep_message, NULL, diag);
}

struct messages fixture_messages(const char *queue)
{
    struct looking l = {.job.run = look_messages, .text = queue};
    free_messages();
    look(&l);
    return kept;
}

const char *fixture_attribute(const struct message *m, const char *name)
{
    static char value[512];
    struct str attribute = json_member(str_from(m->attributes), name);
    struct str raw = attribute.size ? json_member(attribute, "Value") : (struct str){0};

    snprintf(value, sizeof value, "%.*s", raw.size ? (int)raw.size - 2 : 0, raw.size ? raw.ptr + 1 : "");
    return value;
}

/* ---- replays ---- */

struct calling {
    struct replay_call call;
    bool finished;
};

static void call_done(struct replay_call *call)
{
    ((struct calling *)call)->finished = true;
}

int fixture_replay(int what, const struct replay_request *request, struct buf *out)
{
    struct event_base *base = event_base_new();
    struct mailbox *mailbox = mailbox_create(base);
    struct calling c = {.call = {.reply = mailbox, .done = call_done, .request = *request}};

    c.call.what = what;
    replay_submit(fixture.dispatch, &c.call);
    while (!c.finished)
        event_base_loop(base, EVLOOP_ONCE);
    buf_str(out, buf_view(&c.call.json));
    buf_cstr(out);
    buf_fini(&c.call.json);
    mailbox_destroy(mailbox);
    event_base_free(base);
    return c.call.status;
}
