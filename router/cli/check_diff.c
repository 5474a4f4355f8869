/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir check --diff: what a reload would change. The running router tells what each key of its configuration says, as
 * numbers; the file, once loaded, is told the same way; both lists are sorted and walked together.
 */
#include "router/cli/check_diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/cli/show.h"
#include "router/xalloc.h"

struct thing {
    char *label; /* "rule audit/root-login" */
    size_t kind; /* size of the first word */
    struct value {
        char *key;
        uint64_t hash;
    } * values;
    size_t count;
};

struct things {
    struct thing *list;
    size_t count;
};

/* ---- both sides ---- */

static struct thing *add_thing(struct things *all, const char *kind, struct str name, size_t keys)
{
    struct buf label = BUF_INIT;

    all->list = xrealloc(all->list, (all->count + 1) * sizeof *all->list);
    struct thing *t = &all->list[all->count++];
    buf_printf(&label, "%s %.*s", kind, STR_ARG(name));
    xbuf(&label);
    *t = (struct thing){.label = xtext(buf_view(&label)), .kind = strlen(kind)};
    t->values = xarray(keys + 1, sizeof *t->values);
    buf_fini(&label);
    return t;
}

static void add_value(struct thing *t, struct str key, uint64_t hash)
{
    t->values[t->count++] = (struct value){xtext(key), hash};
}

static int thing_cmp(const void *a, const void *b)
{
    return strcmp(((const struct thing *)a)->label, ((const struct thing *)b)->label);
}

static void free_things(struct things *all)
{
    for (size_t i = 0; i < all->count; i++) {
        for (size_t k = 0; k < all->list[i].count; k++)
            free(all->list[i].values[k].key);
        free(all->list[i].values);
        free(all->list[i].label);
    }
    free(all->list);
}

static struct things of_file(const struct ruleset *set)
{
    struct things all = {0};

    for (uint32_t i = 0; i < set->part_count; i++) {
        const struct ruleset_part *p = &set->parts[i];
        struct thing *t = add_thing(&all, p->kind, p->name, p->key_count);
        for (uint32_t k = 0; k < p->key_count; k++)
            add_value(t, str_from(p->keys[k].key), p->keys[k].hash);
    }
    return all;
}

static void read_keys(struct thing *t, struct str keys)
{
    struct json_reader reader;
    struct json_token token;
    struct buf key = BUF_INIT;
    size_t capacity = 0;

    json_reader_init(&reader, keys);
    json_next(&reader, &token);
    while (json_next(&reader, &token) == JSON_KEY) {
        buf_clear(&key);
        json_decode(&key, token.raw);
        if (t->count == capacity) {
            capacity = capacity ? 2 * capacity : 8;
            t->values = xrealloc(t->values, capacity * sizeof *t->values);
        }
        json_next(&reader, &token);
        add_value(t, buf_view(&key), strtoull(token.raw.ptr + 1, NULL, 16));
    }
    buf_fini(&key);
}

static struct things of_router(struct str answer)
{
    struct things all = {0};
    struct show_list parts = show_open(json_member(answer, "parts"));
    struct str one;
    char kind[64], name[700];

    while (show_next(&parts, &one)) {
        show_text(one, "kind", kind, sizeof kind);
        show_text(one, "name", name, sizeof name);
        read_keys(add_thing(&all, kind, str_from(name), 0), json_member(one, "keys"));
    }
    return all;
}

/* ---- the difference ---- */

static const struct value *find_value(const struct thing *t, const char *key)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->values[i].key, key) == 0)
            return &t->values[i];
    return NULL;
}

static void add_key(struct buf *out, const char *key, bool json)
{
    if (out->size)
        buf_text(out, json ? "," : ", ");
    if (json)
        json_write_string(out, str_from(key));
    else
        buf_text(out, key);
}

/* The keys that say something else, or are in one of the two only. */
static void changed_keys(const struct thing *before, const struct thing *after, bool json, struct buf *out)
{
    for (size_t i = 0; i < after->count; i++) {
        const struct value *was = find_value(before, after->values[i].key);
        if (!was || was->hash != after->values[i].hash)
            add_key(out, after->values[i].key, json);
    }
    for (size_t i = 0; i < before->count; i++)
        if (!find_value(after, before->values[i].key))
            add_key(out, before->values[i].key, json);
}

static bool same_values(const struct thing *before, const struct thing *after)
{
    for (size_t i = 0; i < after->count; i++) {
        const struct value *was = find_value(before, after->values[i].key);
        if (!was || was->hash != after->values[i].hash)
            return false;
    }
    return before->count == after->count;
}

static bool needs_restart(const struct thing *t)
{
    return strcmp(t->label, "setting listen") == 0 || strcmp(t->label, "setting data") == 0;
}

static void print_json(const char *change, const struct thing *t, struct buf *keys)
{
    struct buf out = BUF_INIT;

    buf_char(&out, '{');
    json_write_member(&out, "change", str_from(change));
    json_write_member(&out, "kind", (struct str){t->label, t->kind});
    json_write_member(&out, "name", str_from(t->label + t->kind + 1));
    json_write_key(&out, "keys");
    buf_printf(&out, "[%s]", buf_cstr(keys));
    json_write_key(&out, "needs_restart");
    buf_text(&out, needs_restart(t) ? "true}" : "false}");
    xbuf(&out);
    puts(buf_cstr(&out));
    buf_fini(&out);
}

static void print_change(bool json, const char *change, char mark, const struct thing *t, struct buf *keys)
{
    if (json) {
        print_json(change, t, keys);
        return;
    }
    printf("%c %s%s%s%s\n", mark, t->label, keys->size ? ": " : "", keys->size ? buf_cstr(keys) : "",
           needs_restart(t) ? " (only a restart changes it)" : "");
}

static size_t print_difference(const struct things *before, const struct things *after, bool json)
{
    size_t b = 0, a = 0, changes = 0;
    struct buf keys = BUF_INIT;

    while (b < before->count || a < after->count) {
        int order = b == before->count  ? 1
                    : a == after->count ? -1
                                        : strcmp(before->list[b].label, after->list[a].label);
        buf_clear(&keys);
        if (order == 0 && !same_values(&before->list[b], &after->list[a])) {
            changed_keys(&before->list[b], &after->list[a], json, &keys);
            print_change(json, "changed", '~', &after->list[a], &keys);
            changes++;
        } else if (order) {
            print_change(json, order > 0 ? "added" : "removed", order > 0 ? '+' : '-',
                         order > 0 ? &after->list[a] : &before->list[b], &keys);
            changes++;
        }
        b += order <= 0;
        a += order >= 0;
    }
    buf_fini(&keys);
    return changes;
}

int check_diff(const struct cli *cli, const struct ruleset *set)
{
    struct reply reply;

    client_call(cli, "/_weir/v1/config", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    if (code == EXIT_DONE) {
        struct str answer = buf_view(&reply.body);
        struct things before = of_router(answer), after = of_file(set);
        qsort(before.list, before.count, sizeof *before.list, thing_cmp);
        qsort(after.list, after.count, sizeof *after.list, thing_cmp);
        size_t changes = print_difference(&before, &after, cli->json);
        if (!cli->json)
            printf("%zu change%s against generation %lld of the router at %s\n", changes, changes == 1 ? "" : "s",
                   show_int(answer, "generation"), cli->url);
        free_things(&before);
        free_things(&after);
    }
    reply_fini(&reply);
    return code;
}
