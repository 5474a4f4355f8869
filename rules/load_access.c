/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that `auth:` names: access keys and tokens, each a mapping of ids to what the holder may do.
 *
 *     AKIAMINE:                                   minio:
 *       secret: {env: MINE_SECRET}                  token: {env: MINIO_TOKEN}
 *       actions: [events:PutEvents, "sqs:*"]        routes: [s3]
 *       buses: [default, "team-*"]                  buses: [uploads]
 *
 * They are files of their own so that a configuration can be shown around and kept in version control. A file that
 * holds a secret in clear must not be readable by everybody, and none may be writable by everybody.
 */
#include "rules/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "rules/load_int.h"
#include "rules/tables.h"

#define ID_MAX    128
#define WHAT_SIZE 200

struct holder_text {
    struct option_secret secret;
    struct str user, account;
    struct option_list actions, buses, sources, routes; /* of struct str */
};

/* clang-format off */
static const struct option pattern_options[] = {
    {.key = "pattern", .type = OPTION_TEXT, .offset = 0, .min = 1, .max = 256, .required = true, .scalar = true,
     .meaning = "a text in which * stands for any text"},
    {0},
};
static const struct option route_options[] = {
    {.key = "route", .type = OPTION_TEXT, .offset = 0, .min = 1, .max = 64, .required = true, .scalar = true,
     .meaning = "one of events, s3, cloudtrail, metrics, v1"},
    {0},
};

#define LIST(name, of, ...)                                                                                            \
    {.key = #name, .type = OPTION_LIST, .offset = offsetof(struct holder_text, name), .members = (of),                 \
     .item_size = sizeof(struct str), ##__VA_ARGS__}
#define LIST_BUSES                                                                                                     \
    LIST(buses, pattern_options,                                                                                       \
         .meaning = "names of the event buses it may use, in which * stands for any text; not written: all")

const struct option access_key_options[] = {
    {.key = "secret", .type = OPTION_SECRET, .offset = offsetof(struct holder_text, secret), .required = true,
     .meaning = "the secret access key, or {env: NAME}; at least 16 characters"},
    {.key = "user", .type = OPTION_TEXT, .offset = offsetof(struct holder_text, user), .min = 1, .max = 64,
     .meaning = "the user's name in messages and ARNs; not written: the access key's id"},
    {.key = "account", .type = OPTION_TEXT, .offset = offsetof(struct holder_text, account), .form = "^[0-9]{12}$",
     .meaning = "the account the key belongs to, 12 digits in quotes; one that is not the router's own may only put "
                "events on event buses whose permissions let it"},
    LIST(actions, pattern_options,
         .meaning = "what it may do, as events:PutEvents, \"sqs:*\" or \"*\"; not written: everything"),
    LIST_BUSES,
    LIST(sources, pattern_options,
         .meaning = "the sources of events it may put, in which * stands for any text; not written: all but "
                    "AWS's own, aws.*"),
    {0},
};

const struct option access_token_options[] = {
    {.key = "token", .type = OPTION_SECRET, .offset = offsetof(struct holder_text, secret), .required = true,
     .meaning = "what stands behind Bearer in the header Authorization, or {env: NAME}; at least 16 characters"},
    LIST(routes, route_options, .required = true,
         .meaning = "what it is for: events, s3, cloudtrail, metrics, and v1, which is all that the command line does"),
    LIST_BUSES,
    LIST(sources, pattern_options,
         .meaning = "the sources of events it may put, in which * stands for any text; not written: all but "
                    "AWS's own, aws.*, which only the routes s3 and cloudtrail may put then"),
    {0},
};
/* clang-format on */

struct kind {
    const char *what, *secret; /* "access key", the key that holds its secret */
    const struct option *options;
    bool is_token;
};
static const struct kind key_kind = {"access key", "secret", access_key_options, false};
static const struct kind token_kind = {"token", "token", access_token_options, true};

/* ---- one holder ---- */

static bool is_graphic(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7F)
            return false;
    return true;
}

/* A secret that stands in the file itself asks for a file that not everybody can read. */
static bool check_secret(struct load *l, const struct kind *kind, const struct file_tree *f, const struct node *n,
                         const char *what, const struct option_secret *secret)
{
    size_t size = secret->value.size;

    if (secret->sealed)
        return diag_error(l->diags, n->pos, "the %s of %s cannot be one that an API encrypted", kind->secret, what);
    if (size < ACCESS_SECRET_MIN || size > ACCESS_SECRET_MAX || !is_graphic(secret->value))
        return diag_error(l->diags, n->pos,
                          "the %s of %s must have %d..%d characters, none of them a blank; "
                          "'openssl rand -hex 20' makes a good one",
                          kind->secret, what, ACCESS_SECRET_MIN, ACCESS_SECRET_MAX);
    if (!secret->secret && (f->mode & S_IROTH))
        return diag_error(l->diags, n->pos,
                          "'%s' holds secrets and can be read by everybody; say 'chmod o-rwx' of it, or write {env: "
                          "NAME}",
                          f->name);
    return true;
}

static struct access_list list_of(const struct option_list *list)
{
    return (struct access_list){list->items, list->count, list->items != NULL};
}

static void check_id(struct load *l, const struct kind *kind, const struct node *key)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    bool ok = key->text.size >= 1 && key->text.size <= ID_MAX;

    for (size_t i = 0; ok && i < key->text.size; i++)
        ok = key->text.ptr[i] && strchr(good, key->text.ptr[i]);
    if (!ok)
        diag_error(l->diags, key->pos, "%s '%.*s' must have 1..%d characters of A-Z a-z 0-9 _ . -", kind->what,
                   STR_ARG(key->text), ID_MAX);
}

/* "*", "service:*", "service:Operation". */
static void check_actions(struct load *l, const struct node *list, const struct option_list *actions)
{
    static const char *const services[] = {"events", "sqs", "sns", "lambda", NULL};

    for (size_t i = 0; i < actions->count; i++) {
        struct str action = ((const struct str *)actions->items)[i];
        const char *colon = memchr(action.ptr, ':', action.size);
        struct str service = {action.ptr, colon ? (size_t)(colon - action.ptr) : action.size};
        bool known = str_is(action, "*");
        for (size_t k = 0; !known && colon && services[k]; k++)
            known = str_is(service, services[k]);
        struct buf hint = BUF_INIT;
        if (!known)
            options_near(&hint, service, services);
        if (!known)
            diag_error(l->diags, list->items[i]->pos, "unknown service in action '%.*s'%s", STR_ARG(action),
                       buf_cstr(&hint));
        buf_fini(&hint);
    }
}

static unsigned read_routes(struct load *l, const struct node *list, const struct option_list *routes)
{
    unsigned bits = 0;

    for (size_t i = 0; i < routes->count; i++) {
        struct str name = ((const struct str *)routes->items)[i];
        unsigned k = 0;
        while (access_routes[k] && !str_is(name, access_routes[k]))
            k++;
        bits |= access_routes[k] ? 1u << k : 0;
        struct buf hint = BUF_INIT;
        if (!access_routes[k])
            options_near(&hint, name, access_routes);
        if (!access_routes[k])
            diag_error(l->diags, list->items[i]->pos, "unknown route '%.*s'%s", STR_ARG(name), buf_cstr(&hint));
        buf_fini(&hint);
    }
    return bits;
}

static void check_account(struct load *l, const struct node *n, struct str account)
{
    if (n && account.size && (account.size != 12 || strspn(account.ptr, "0123456789") != 12))
        diag_error(l->diags, n->pos, "account '%.*s' is not 12 digits", STR_ARG(account));
}

static bool read_holder(struct load *l, const struct kind *kind, const struct file_tree *f,
                        const struct node_pair *pair, struct access_holder *h)
{
    struct holder_text text = {0};
    char what[WHAT_SIZE];

    snprintf(what, sizeof(what), "%s '%.*s'", kind->what, STR_ARG(pair->key->text));
    check_id(l, kind, pair->key);
    bool ok = options_fill(&l->options, kind->options, pair->value, pair->key->pos, what, NULL, &text);
    *h = (struct access_holder){.id = arena_str(l->options.keep, pair->key->text),
                                .account =
                                    text.account.size ? text.account : arena_str(l->options.keep, l->set->account),
                                .actions = list_of(&text.actions),
                                .buses = list_of(&text.buses),
                                .sources = list_of(&text.sources),
                                .pos = pair->key->pos};
    h->name = text.user.size ? text.user : h->id;
    h->secret = text.secret.value;
    if (!ok || !check_secret(l, kind, f, node_get(pair->value, kind->secret), what, &text.secret))
        return !l->diags->out_of_memory;
    check_account(l, node_get(pair->value, "account"), text.account);
    check_actions(l, node_get(pair->value, "actions"), &text.actions);
    h->routes = read_routes(l, node_get(pair->value, "routes"), &text.routes);
    return h->id.ptr && h->account.ptr ? true : load_out_of_memory(l);
}

/* ---- a file ---- */

static bool is_ignored(const struct node_pair *pair)
{
    return str_starts(pair->key->text, STR("x-"));
}

/* Two holders with one token could not be told apart. */
static void check_unique(struct load *l, const struct kind *kind, const struct access_holder *list, size_t count)
{
    for (size_t i = 0; kind->is_token && i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (list[i].secret.size && str_eq(list[i].secret, list[k].secret))
                diag_error(l->diags, list[i].pos, "token '%.*s' is the same as token '%.*s'", STR_ARG(list[i].id),
                           STR_ARG(list[k].id));
}

static bool read_holders(struct load *l, const struct kind *kind, struct str path, struct diag_pos pos,
                         const struct access_holder **out, size_t *count_out)
{
    const struct file_tree *f = path.ptr ? files_beside(l->sources, path) : NULL;

    if (!path.ptr)
        return true;
    if (!f)
        return diag_error(l->diags, pos, "'auth' needs a file to be relative to; this text has none") || true;
    struct access_holder *list = arena_array(l->options.keep, f->root->count + 1, sizeof(*list));
    if (!list)
        return load_out_of_memory(l);
    if (f->mode & S_IWOTH)
        diag_error(l->diags, pos, "'%s' can be written by everybody; say 'chmod o-rwx' of it", f->name);
    for (uint32_t i = 0; i < f->root->count; i++)
        if (!is_ignored(&f->root->pairs[i]) && !read_holder(l, kind, f, &f->root->pairs[i], &list[(*count_out)++]))
            return false;
    check_unique(l, kind, list, *count_out);
    *out = list;
    return true;
}

/* ---- the step ---- */

static struct access *access_create(void)
{
    static atomic_uint_fast64_t serials;
    struct access *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    atomic_init(&a->references, 1);
    a->serial = atomic_fetch_add(&serials, 1) + 1;
    return a;
}

static struct diag_pos place_of(const struct node *auth, const char *key)
{
    const struct node *n = node_get(auth, key);
    return n ? n->pos : auth->pos;
}

bool load_access(struct load *l, const struct node *auth, const struct load_auth *settings)
{
    struct arena *keep = l->options.keep;

    if (!auth || auth->type == NODE_FAULT)
        return true;
    if (auth->type == NODE_MAP && !settings->access_keys.ptr && !settings->tokens.ptr)
        diag_warn(l->diags, auth->pos, "'auth' lets nobody in; name a file of access_keys, or of tokens");
    struct access *a = l->set->access = access_create();
    if (!a)
        return load_out_of_memory(l);
    a->public_metrics = settings->public_metrics;
    l->options.keep = &a->keep;
    bool ok =
        read_holders(l, &key_kind, settings->access_keys, place_of(auth, "access_keys"), &a->keys, &a->key_count) &&
        read_holders(l, &token_kind, settings->tokens, place_of(auth, "tokens"), &a->tokens, &a->token_count);
    l->options.keep = keep;
    return (ok && !a->keep.failed) || load_out_of_memory(l);
}
