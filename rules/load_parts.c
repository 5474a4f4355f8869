/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files say, thing by thing and key by key, as numbers: two rule sets can then be compared, also when one of
 * them is in a running router. Values are compared as they are written, so a default that is spelled out counts as a
 * difference. A rule's tests change nothing in a router and are left out.
 */
#include "matcher/hash.h"
#include "rules/load_int.h"
#include "rules/tables.h"

#define SEED 0x77656972 /* the same in every process: numbers are compared across them */

struct parts {
    struct load *load;
    struct ruleset_part *list;
    uint32_t count;
    const char *words[64]; /* kinds and keys, each kept once */
    size_t word_count;
    struct buf json;
};

static const char *keep_word(struct parts *p, struct str word)
{
    for (size_t i = 0; i < p->word_count; i++)
        if (str_is(word, p->words[i]))
            return p->words[i];
    struct str copy = arena_str(&p->load->set->keep, word);
    if (copy.ptr && p->word_count < sizeof(p->words) / sizeof(p->words[0]))
        p->words[p->word_count++] = copy.ptr;
    return copy.ptr;
}

static uint64_t hash_value(struct parts *p, const struct node *value)
{
    buf_clear(&p->json);
    node_write_json(&p->json, value);
    return hash_bytes(SEED, p->json.data ? p->json.data : "", p->json.size);
}

/* A rule's name is unique in its bus only: "audit/root-login". */
static struct str name_of(struct parts *p, struct str section, const struct node_pair *entry)
{
    const struct node *bus = str_is(section, "rules") ? node_get(entry->value, "bus") : NULL;
    const struct node *name = str_is(section, "rules") ? node_get(entry->value, "name") : NULL;
    buf_clear(&p->json);
    if (bus && !str_is(bus->text, "default"))
        buf_printf(&p->json, "%.*s/", STR_ARG(bus->text));
    buf_str(&p->json, name ? name->text : entry->key->text);
    return p->json.failed ? (struct str){NULL, 0} : arena_str(&p->load->set->keep, buf_view(&p->json));
}

static bool add_part(struct parts *p, const char *kind, struct str name, const struct node *value)
{
    struct ruleset_part *part = &p->list[p->count];
    bool is_map = value->type == NODE_MAP;
    uint32_t count = is_map ? value->count : 1;
    struct ruleset_part_key *keys = arena_array(&p->load->set->keep, count + 1, sizeof(*keys));
    if (!kind || !name.ptr || !keys)
        return false;
    *part = (struct ruleset_part){.kind = kind, .name = name, .keys = keys};
    for (uint32_t i = 0; i < count; i++) {
        struct str key = is_map ? value->pairs[i].key->text : STR("");
        if (strcmp(kind, "rule") == 0 && str_is(key, "tests"))
            continue;
        struct ruleset_part_key *k = &keys[part->key_count++];
        k->hash = hash_value(p, is_map ? value->pairs[i].value : value);
        if (!(k->key = keep_word(p, key)))
            return false;
    }
    p->count++;
    return !p->json.failed;
}

static bool add_section(struct parts *p, struct str section, const struct node *entries)
{
    for (uint32_t i = 0; i < entries->count; i++) {
        const struct node_pair *entry = &entries->pairs[i];
        const struct node *type = str_is(section, "targets") ? node_get(entry->value, "type") : NULL;
        struct str kind = type ? type->text : tables_singular(section);
        if (!add_part(p, keep_word(p, kind), name_of(p, section, entry), entry->value))
            return false;
    }
    return true;
}

static bool is_section(struct str key)
{
    struct option row;
    return tables_find_root(key, &row) && row.type == OPTION_SECTION;
}

static bool add_file(struct parts *p, const struct load_file *f)
{
    for (uint32_t i = 0; i < f->root->count; i++) {
        const struct node_pair *pair = &f->root->pairs[i];
        struct str key = pair->key->text;
        if (str_is(key, "version") || str_is(key, "include") || str_starts(key, STR("x-")))
            continue;
        bool ok = is_section(key) && pair->value->type == NODE_MAP
                      ? add_section(p, key, pair->value)
                      : add_part(p, "setting", arena_str(&p->load->set->keep, key), pair->value);
        if (!ok)
            return false;
    }
    return true;
}

static size_t count_parts(const struct load *l)
{
    size_t count = 0;
    for (const struct load_file *f = l->files; f; f = f->next)
        for (uint32_t i = 0; i < f->root->count; i++)
            count += f->root->pairs[i].value->type == NODE_MAP ? f->root->pairs[i].value->count + 1 : 1;
    return count;
}

bool load_parts(struct load *l)
{
    struct parts p = {.load = l, .list = arena_array(&l->set->keep, count_parts(l) + 1, sizeof(*p.list))};
    bool ok = p.list != NULL;
    for (const struct load_file *f = l->files; ok && f && !f->made;
         f = f->next) /* made things are compared by nobody */
        ok = add_file(&p, f);
    l->set->parts = p.list;
    l->set->part_count = p.count;
    buf_fini(&p.json);
    return ok || load_out_of_memory(l);
}
