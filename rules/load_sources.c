/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sources:`: limits of the ways in, by their names, and folders whose files are taken in, by names of one's own.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "rules/tables.h"

#define WHAT_SIZE 200

const char *const source_routes[] = {"events", "s3", "cloudtrail", "aws", NULL};
const char *const event_formats[] = {"auto", "events", "cloudtrail", "s3", "cloudevents", NULL};

enum { TYPE_LIMITS, TYPE_FOLDER };
static const char *const types[] = {"limits", "folder", NULL};

struct source_text {
    int type, format;
    int64_t rate, burst, concurrency;
    struct str path, bus;
};

const struct option source_options[] = {
    {.key = "type",
     .type = OPTION_ENUM,
     .offset = offsetof(struct source_text, type),
     .value = "limits",
     .names = types,
     .meaning = "folder: a watched folder; limits, which need not be said, are those of events, s3, cloudtrail or aws"},
    {.key = "rate",
     .type = OPTION_INT,
     .offset = offsetof(struct source_text, rate),
     .value = "0",
     .max = 1000000000,
     .meaning = "events a second that are taken on the long run; 0: any number"},
    {.key = "burst",
     .type = OPTION_INT,
     .offset = offsetof(struct source_text, burst),
     .value = "0",
     .max = 1000000000,
     .meaning = "events that may come at once before the rate holds; 0: as many as the rate has in a second"},
    {.key = "concurrency",
     .type = OPTION_INT,
     .offset = offsetof(struct source_text, concurrency),
     .value = "0",
     .max = 100000,
     .meaning = "requests that are worked on at once; 0: any number"},
    {.key = "path",
     .type = OPTION_PATH,
     .offset = offsetof(struct source_text, path),
     .meaning = "of a folder: where it is; files below it are taken too, once each"},
    {.key = "format",
     .type = OPTION_ENUM,
     .offset = offsetof(struct source_text, format),
     .value = "auto",
     .names = event_formats,
     .meaning = "of a folder's files: auto looks at each"},
    {.key = "bus",
     .type = OPTION_BUS,
     .offset = offsetof(struct source_text, bus),
     .value = "default",
     .meaning = "of a folder: the event bus its events go to"},
    {0},
};

static bool is_route(struct str name)
{
    for (const char *const *r = source_routes; *r; r++)
        if (str_is(name, *r))
            return true;
    return false;
}

static void check_limits(struct load *l, const struct node_pair *pair, const struct source_text *s)
{
    struct str name = pair->key->text;
    if (!is_route(name)) {
        struct buf hint = BUF_INIT;
        options_near(&hint, name, source_routes);
        diag_error(l->diags, pair->key->pos, "unknown source '%.*s'%s; or is it a folder? then say type: folder",
                   STR_ARG(name), buf_cstr(&hint));
        buf_fini(&hint);
    }
    static const char *const folders[] = {"path", "format", "bus"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        const struct node *n = node_get(pair->value, folders[i]);
        if (n)
            diag_error(l->diags, n->pos, "'%s' belongs to a folder; source '%.*s' has limits", folders[i],
                       STR_ARG(name));
    }
    if (s->burst && !s->rate)
        diag_error(l->diags, pair->key->pos, "source '%.*s' has a burst but no rate", STR_ARG(name));
}

static void check_folder(struct load *l, const struct node_pair *pair, const struct source_text *s)
{
    static const char *const limits[] = {"rate", "burst", "concurrency"};
    struct str name = pair->key->text;
    if (is_route(name))
        diag_error(l->diags, pair->key->pos, "'%.*s' is a way in and cannot name a folder", STR_ARG(name));
    load_check_name(l, "source", name, ADAPTER_NAME_MAX, pair->key->pos);
    if (!s->path.ptr)
        diag_error(l->diags, pair->key->pos, "missing key 'path' in folder '%.*s'", STR_ARG(name));
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct node *n = node_get(pair->value, limits[i]);
        if (n)
            diag_error(l->diags, n->pos, "a folder has no '%s': its files wait until there is time for them",
                       limits[i]);
    }
}

static bool read_source(struct load *l, const struct node_pair *pair, struct source_def *list)
{
    struct source_text s = {0};
    struct source_def *def = &list[l->set->source_count];
    char what[WHAT_SIZE];

    snprintf(what, sizeof(what), "source '%.*s'", STR_ARG(pair->key->text));
    options_fill(&l->options, source_options, pair->value, pair->key->pos, what, NULL, &s);
    if (s.type == TYPE_FOLDER)
        check_folder(l, pair, &s);
    else
        check_limits(l, pair, &s);
    *def = (struct source_def){.name = arena_str(&l->set->keep, pair->key->text),
                               .is_folder = s.type == TYPE_FOLDER,
                               .rate = s.rate,
                               .burst = s.burst ? s.burst : s.rate,
                               .concurrency = s.concurrency,
                               .path = s.path,
                               .format = str_from(event_formats[s.format]),
                               .bus = s.bus,
                               .pos = pair->key->pos};
    if (!def->name.ptr)
        return load_out_of_memory(l);
    if (load_declare(l, "source", STR("source"), def->name, def->pos, def))
        l->set->source_count++;
    return !l->diags->out_of_memory;
}

bool load_sources(struct load *l)
{
    struct source_def *list = arena_array(&l->set->keep, load_section_count(l, "sources") + 1, sizeof(*list));
    if (!list)
        return load_out_of_memory(l);
    l->set->sources = list;
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = load_section(l, f, "sources");
        for (uint32_t i = 0; section && i < section->count; i++)
            if (!read_source(l, &section->pairs[i], list))
                return false;
    }
    return true;
}
