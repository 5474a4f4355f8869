/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for one target, as small as it can be. complete() only notes: a verdict that came while the target was in
 * send() is one that dispatch would queue, and so does this. Work goes to a thread of its own, whose end is told by an
 * eventfd. The option table is walked here as the loader walks it, without a loader.
 */
#include "tests/targets/rig.h"

#include "targets/policy.h"

#include <event2/event.h>
#include <ftw.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "rig: %s\n", what);
    abort();
}

int64_t rig_clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int rig_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int count = 0;

    need(d != NULL, "/proc/self/fd");
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

/* ---- the host ---- */

static void complete(struct host *host, struct delivery *d, const struct verdict *v)
{
    struct rig *r = (struct rig *)host;
    size_t i = (size_t)(d - r->deliveries);

    need(i < r->sent && !d->state, "a verdict for what is not in flight");
    d->state = r; /* completed */
    r->verdicts[i] = *v;
    r->order[r->completed++] = i;
}

static void append(struct work **list, struct work *w)
{
    w->next = NULL;
    while (*list)
        list = &(*list)->next;
    *list = w;
}

static void work(struct host *host, struct work *w)
{
    struct rig *r = (struct rig *)host;

    pthread_mutex_lock(&r->lock);
    append(&r->waiting, w);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

static struct weir_time now(struct host *host)
{
    return ((struct rig *)host)->now;
}

static void log_line(struct host *host, const struct target *t, struct str request_id, struct str line)
{
    struct rig *r = (struct rig *)host;

    buf_printf(&r->lines, "%.*s\n", STR_ARG(line));
}

static struct work *take(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    while ((!r->waiting || r->held) && !r->stopping)
        pthread_cond_wait(&r->wake, &r->lock);
    struct work *w = r->stopping ? NULL : r->waiting;
    if (w)
        r->waiting = w->next;
    pthread_mutex_unlock(&r->lock);
    return w;
}

static void *worker_main(void *context)
{
    struct rig *r = context;
    struct work *w;
    uint64_t one = 1;

    while ((w = take(r))) {
        w->run(w);
        pthread_mutex_lock(&r->lock);
        append(&r->finished, w);
        pthread_mutex_unlock(&r->lock);
        need(write(r->wake_fd, &one, sizeof one) == sizeof one, "eventfd");
    }
    return NULL;
}

static void wake_cb(evutil_socket_t fd, short what, void *context)
{
    struct rig *r = context;
    uint64_t count;

    need(read(fd, &count, sizeof count) == sizeof count, "eventfd");
    pthread_mutex_lock(&r->lock);
    struct work *w = r->finished;
    r->finished = NULL;
    pthread_mutex_unlock(&r->lock);
    while (w) {
        struct work *next = w->next;
        w->done(w);
        w = next;
    }
}

void rig_hold(struct rig *r, bool held)
{
    pthread_mutex_lock(&r->lock);
    r->held = held;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

static void stop_worker(struct rig *r)
{
    if (!r->working)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->worker, NULL);
    r->working = false;
}

/* ---- options ---- */

static void *field(struct rig *r, const struct option *o)
{
    return (char *)r->def.options + o->offset;
}

static const struct option *find(struct rig *r, const char *key)
{
    const struct option *o = r->def.adapter->options;

    for (;; o++) {
        need(o->key != NULL, key);
        size_t size = strlen(o->key);
        if (strcmp(o->key, key) == 0)
            return o;
        if (o->type != OPTION_OBJECT || strncmp(o->key, key, size) != 0 || key[size] != '.')
            continue;
        *((bool *)r->def.options + o->present_offset) = true;
        key += size + 1;
        o = o->members - 1;
    }
}

static int64_t amount(const char *text)
{
    static const struct {
        const char *name;
        int64_t factor;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"KiB", 1 << 10}, {"MiB", 1 << 20}};
    char *end;
    int64_t n = strtoll(text, &end, 10);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].name) == 0)
            return n * units[i].factor;
    need(false, text);
    return 0;
}

static void set_default(char *base, const struct option *o)
{
    void *out = base + o->offset;

    if (o->type == OPTION_OBJECT)
        for (const struct option *m = o->members; m->key; m++)
            set_default(out, m);
    if (!o->value)
        return;
    if (o->type == OPTION_BOOL)
        *(bool *)out = strcmp(o->value, "true") == 0;
    else if (o->type == OPTION_INT || o->type == OPTION_DURATION || o->type == OPTION_SIZE)
        *(int64_t *)out = amount(o->value);
    else if (o->type == OPTION_TEXT)
        *(struct str *)out = str_from(o->value);
    else
        need(o->type == OPTION_ENUM && strcmp(o->value, o->names[0]) == 0, o->key); /* 0 as it is */
}

void rig_int(struct rig *r, const char *key, int64_t value)
{
    const struct option *o = find(r, key);

    if (o->type == OPTION_BOOL)
        *(bool *)field(r, o) = value;
    else if (o->type == OPTION_ENUM)
        *(int *)field(r, o) = (int)value;
    else
        *(int64_t *)field(r, o) = value;
}

static struct str keep(struct rig *r, const char *text)
{
    struct str kept = arena_str(&r->arena, str_from(text));

    need(kept.ptr != NULL, "out of memory");
    return kept;
}

void rig_text(struct rig *r, const char *key, const char *value)
{
    *(struct str *)field(r, find(r, key)) = keep(r, value);
}

void rig_command(struct rig *r, const char *key, const char *const *words)
{
    size_t count = 0;

    while (words[count])
        count++;
    struct str *items = arena_array(&r->arena, count + 1, sizeof *items);
    need(items != NULL, "out of memory");
    for (size_t i = 0; i < count; i++)
        items[i] = keep(r, words[i]);
    *(struct option_list *)field(r, find(r, key)) = (struct option_list){items, count};
}

void rig_header(struct rig *r, const char *key, const char *name, const char *value)
{
    struct option_list *list = field(r, find(r, key));
    struct option_header *items = arena_array(&r->arena, list->count + 1, sizeof *items);

    need(items != NULL, "out of memory");
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    items[list->count] = (struct option_header){.name = keep(r, name), .value = keep(r, value), .secret = true};
    *list = (struct option_list){items, list->count + 1};
}

bool rig_check(struct rig *r, struct weir_diag *diag)
{
    struct diags diags;

    need(diags_init(&diags, 4), "out of memory");
    bool ok = !r->def.adapter->check || r->def.adapter->check(&r->def, &diags);
    need(ok == diags_ok(&diags), "check() says what it did");
    if (!ok)
        *diag = diags.list[0];
    diags_fini(&diags);
    return ok;
}

/* ---- deliveries ---- */

struct delivery *rig_next(struct rig *r)
{
    struct delivery *d = &r->deliveries[r->sent];

    need(r->sent < RIG_DELIVERIES, "too many deliveries");
    if (d->target)
        return d;
    *d = (struct delivery){.position = r->sent,
                           .bus = STR("default"),
                           .rule = STR("a-rule"),
                           .target_id = STR("Id1"),
                           .target = r->target,
                           .event = STR("{}"),
                           .event_id = STR("event-1"),
                           .idempotency_key = STR("event-1/a-rule/Id1")};
    return d;
}

void rig_send(struct rig *r, struct str input)
{
    struct delivery *d = rig_next(r);

    d->input = input;
    r->sent++;
    r->target->ops->send(r->target, d);
}

void rig_turn(struct rig *r, int ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};

    event_base_loopexit(r->host.base, &t);
    event_base_dispatch(r->host.base);
}

void rig_wait(struct rig *r, size_t completed)
{
    int64_t end = rig_clock_ms() + RIG_WAIT_MS;

    while (r->completed < completed) {
        need(rig_clock_ms() < end, "no verdict in time");
        rig_turn(r, 2);
    }
}

const struct verdict *rig_run(struct rig *r, struct str input)
{
    size_t i = r->sent;

    rig_send(r, input);
    rig_wait(r, r->sent);
    return &r->verdicts[i];
}

/* ---- life cycle ---- */

void rig_init(struct rig *r, const struct adapter *adapter)
{
    signal(SIGPIPE, SIG_IGN); /* as the router has them */
    signal(SIGXFSZ, SIG_IGN);
    memset(r, 0, sizeof *r);
    strcpy(r->folder, "/tmp/weir-test-XXXXXX");
    need(mkdtemp(r->folder) != NULL, "mkdtemp");
    r->host =
        (struct host){.base = event_base_new(), .complete = complete, .work = work, .now = now, .log_line = log_line};
    r->wake_fd = eventfd(0, EFD_CLOEXEC);
    need(r->host.base && r->wake_fd >= 0, "out of memory");
    r->def = (struct target_def){.adapter = adapter, .name = STR("tested"), .arn = STR("arn:tested")};
    r->def.options = arena_alloc(&r->arena, policy_block_size(adapter));
    need(r->def.options != NULL, "out of memory");
    memset(r->def.options, 0, policy_block_size(adapter));
    policy_bind(&r->def);
    struct option row;
    for (size_t i = 0; policy_row(adapter, i, &row); i++)
        set_default(r->def.options, &row);
    r->wake_event = event_new(r->host.base, r->wake_fd, EV_READ | EV_PERSIST, wake_cb, r);
    event_add(r->wake_event, NULL);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, NULL);
    r->working = pthread_create(&r->worker, NULL, worker_main, r) == 0;
    need(r->working, "pthread_create");
}

void rig_open(struct rig *r)
{
    struct weir_diag diag = {0};

    r->target = r->def.adapter->open(&r->def, &r->host, r->folder, &diag);
    if (!r->target)
        fprintf(stderr, "%s\n", diag.message);
    need(r->target != NULL, "open");
}

void rig_close(struct rig *r)
{
    stop_worker(r);
    if (r->target)
        r->target->ops->close(r->target);
    r->target = NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void rig_fini(struct rig *r)
{
    rig_close(r);
    event_free(r->wake_event);
    event_base_free(r->host.base);
    close(r->wake_fd);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    arena_fini(&r->arena);
    buf_fini(&r->lines);
    nftw(r->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *rig_path(struct rig *r, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    return keep(r, path).ptr;
}
