/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that may be secrets: of headers, of parameters, and those that are nothing else. Each is text, {env: NAME} for
 * what the environment has, or, but for headers, {encrypted: TEXT} as the APIs keep it (targets/secret.h), which stays
 * sealed until a target needs it. No message shows a value.
 */
#include "rules/options_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "targets/http_text.h"

struct value {
    struct str text;
    bool secret, sealed;
};

/* {KEY: TEXT} and nothing else; NULL: it is something else. */
static const struct node *only_member(const struct node *n, const char *key)
{
    const struct node *value = n->type == NODE_MAP && n->count == 1 ? node_get(n, key) : NULL;
    return value && value->type == NODE_TEXT ? value : NULL;
}

/* The variable's value. */
static bool read_env(const struct field *f, const struct node *name, struct str *out)
{
    const char *value = memchr(name->text.ptr, '\0', name->text.size) ? NULL : getenv(name->text.ptr);
    if (!value)
        return diag_error(f->r->diags, name->pos, "environment variable '%.*s' is not set", STR_ARG(name->text));
    *out = arena_str(f->r->keep, str_from(value));
    return out->ptr || options_out_of_memory(f->r);
}

/* what: "header 'X'", for messages; wanted: what it may be. */
static bool read_value(const struct field *f, const char *what, bool may_be_sealed, struct value *out)
{
    const struct node *env = only_member(f->node, "env");
    const struct node *sealed = may_be_sealed ? only_member(f->node, "encrypted") : NULL;
    *out = (struct value){.secret = env || sealed, .sealed = sealed};
    if (env)
        return read_env(f, env, &out->text);
    if (!may_be_sealed && f->node->type != NODE_MAP) /* no secret, so the message may show it */
        return options_read_text(f->r, f->node, what, &out->text);
    if (f->node->type != NODE_TEXT && !sealed) {
        if (f->node->type != NODE_FAULT)
            diag_error(f->r->diags, f->node->pos, "%s must be text or {env: NAME}, not %s%s", what,
                       node_type_name(f->node), f->node->type == NODE_NUMBER ? "; quote it" : "");
        return false;
    }
    out->text = arena_str(f->r->keep, sealed ? sealed->text : f->node->text);
    return out->text.ptr || options_out_of_memory(f->r);
}

static bool fill_header(const struct field *f, const struct node *key, struct option_header *header)
{
    char what[OPTIONS_WHAT_SIZE];
    struct value value;
    bool plain = f->option->type == OPTION_PARAMETERS;
    if (!plain && !http_is_header_name(key->text))
        return diag_error(f->r->diags, key->pos, "'%.*s' is not the name of a header", STR_ARG(key->text));
    snprintf(what, sizeof(what), "%s '%.*s'", plain ? "parameter" : "header", STR_ARG(key->text));
    header->name = arena_str(f->r->keep, key->text);
    if (!header->name.ptr)
        return options_out_of_memory(f->r);
    if (!read_value(f, what, plain, &value))
        return false;
    header->value = value.text;
    header->secret = value.secret;
    header->sealed = value.sealed;
    if (!plain && !http_is_header_value(header->value))
        return diag_error(f->r->diags, f->node->pos, "the value of %s has a control character", what);
    return true;
}

bool options_fill_headers(const struct field *f)
{
    struct option_list *list = f->out;
    bool ok = true;
    if (f->node->type != NODE_MAP)
        return options_expect(f, "a mapping of names to values");
    struct option_header *headers = arena_array(f->r->keep, f->node->count, sizeof(*headers));
    if (!headers)
        return options_out_of_memory(f->r);
    for (uint32_t i = 0; i < f->node->count; i++) {
        struct field value = *f;
        value.node = f->node->pairs[i].value;
        ok &= fill_header(&value, f->node->pairs[i].key, &headers[i]);
    }
    *list = (struct option_list){headers, f->node->count};
    return ok;
}

bool options_fill_secret(const struct field *f)
{
    struct option_secret *secret = f->out;
    char what[OPTIONS_WHAT_SIZE];
    struct value value;
    snprintf(what, sizeof(what), "'%s'", f->option->key);
    if (!read_value(f, what, true, &value))
        return false;
    *secret = (struct option_secret){.value = value.text, .secret = value.secret, .sealed = value.sealed};
    return true;
}
