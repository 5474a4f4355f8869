/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the APIs made, as documents: `weir export` writes a configuration of them. What stands under "x-aws" is between
 * the operations and themselves, and a secret leaves the router in no form, sealed or not.
 */
#include "router/api/v1_int.h"
#include "router/xalloc.h"
#include "rules/documents.h"
#include "targets/missing.h"

static void write_public(struct buf *out, const struct node *n);

static void write_pairs(struct buf *out, const struct node *map)
{
    bool sealed = map->count == 1 && str_is(map->pairs[0].key->text, "encrypted");
    bool first = true;

    buf_char(out, '{');
    for (uint32_t i = 0; i < map->count; i++) {
        if (str_is(map->pairs[i].key->text, DOCUMENT_AWS))
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        json_write_string(out, map->pairs[i].key->text);
        buf_char(out, ':');
        if (sealed)
            buf_text(out, "true");
        else
            write_public(out, map->pairs[i].value);
    }
    buf_char(out, '}');
}

static void write_public(struct buf *out, const struct node *n)
{
    if (n->type == NODE_MAP) {
        write_pairs(out, n);
        return;
    }
    if (n->type != NODE_LIST) {
        node_write_json(out, n);
        return;
    }
    buf_char(out, '[');
    for (uint32_t i = 0; i < n->count; i++) {
        if (i)
            buf_char(out, ',');
        write_public(out, n->items[i]);
    }
    buf_char(out, ']');
}

static void write_missing(struct buf *out, const struct ruleset *set)
{
    bool first = true;

    buf_char(out, '[');
    for (uint32_t i = 0; i < set->target_count; i++) {
        if (set->targets[i]->adapter != &missing_adapter)
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        json_write_string(out, set->targets[i]->name);
    }
    buf_char(out, ']');
}

static void write_documents(struct buf *out, const struct documents *documents)
{
    buf_char(out, '[');
    for (size_t i = 0; documents && i < documents->count; i++) {
        const struct document *one = documents->list[i];
        if (i)
            buf_char(out, ',');
        buf_char(out, '{');
        json_write_member(out, "section", one->section);
        json_write_member(out, "key", one->key);
        json_write_key(out, "entry");
        write_public(out, one->root);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

void v1_resources(struct http_request *r)
{
    const struct ruleset *set = http_set(r);
    struct buf out = BUF_INIT;

    buf_char(&out, '{');
    json_write_member(&out, "config", set->file);
    json_write_key(&out, "generation");
    json_write_int(&out, (int64_t)set->generation);
    json_write_member(&out, "account", set->account);
    json_write_member(&out, "region", set->region);
    json_write_key(&out, "missing");
    write_missing(&out, set);
    json_write_key(&out, "resources");
    write_documents(&out, set->documents);
    buf_char(&out, '}');
    xbuf(&out);
    http_reply_json(r, 200, &out);
    buf_fini(&out);
}
