/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection: options, what they may not say together, and opening what is sealed. It has no `open`: nothing runs.
 * One that was deauthorized by the API has no parameters any more; what is sent by it fails until it gets new ones.
 */
#include "targets/connection.h"

#include <openssl/crypto.h>
#include <stddef.h>

#include "targets/fail.h"
#include "targets/http_text.h"
#include "targets/secret.h"

#define TEXT_MAX 512 /* AWS's */

const char *const authorization_types[] = {"BASIC", "API_KEY", "OAUTH_CLIENT_CREDENTIALS", NULL};
const char *const oauth_methods[] = {"GET", "POST", "PUT", NULL};

/* ---- options ---- */

#define FIELD(member) offsetof(struct connection_options, member)

static const struct option basic_rows[] = {
    {.key = "username",
     .type = OPTION_TEXT,
     .offset = FIELD(basic.username),
     .required = true,
     .min = 1,
     .max = TEXT_MAX,
     .meaning = "the user's name"},
    {.key = "password",
     .type = OPTION_SECRET,
     .offset = FIELD(basic.password),
     .required = true,
     .meaning = "the password: {env: NAME}, or a text"},
    {0},
};

static const struct option api_key_rows[] = {
    {.key = "name",
     .type = OPTION_TEXT,
     .offset = FIELD(api_key.name),
     .required = true,
     .min = 1,
     .max = TEXT_MAX,
     .meaning = "the header that the key goes in"},
    {.key = "value",
     .type = OPTION_SECRET,
     .offset = FIELD(api_key.value),
     .required = true,
     .meaning = "the key: {env: NAME}, or a text"},
    {0},
};

static const struct option parameter_rows[] = {
    {.key = "header_parameters",
     .type = OPTION_PARAMETERS,
     .offset = offsetof(struct http_parameters, headers),
     .meaning = "headers by name; a value is a text or {env: NAME}"},
    {.key = "query_string_parameters",
     .type = OPTION_PARAMETERS,
     .offset = offsetof(struct http_parameters, queries),
     .meaning = "parameters of the query by name; a value is a text or {env: NAME}"},
    {.key = "body_parameters",
     .type = OPTION_PARAMETERS,
     .offset = offsetof(struct http_parameters, bodies),
     .meaning = "members of the body by name; a value is a text or {env: NAME}"},
    {0},
};

static const struct option oauth_rows[] = {
    {.key = "client_id",
     .type = OPTION_TEXT,
     .offset = FIELD(oauth.client_id),
     .required = true,
     .min = 1,
     .max = TEXT_MAX,
     .meaning = "the client's id"},
    {.key = "client_secret",
     .type = OPTION_SECRET,
     .offset = FIELD(oauth.client_secret),
     .required = true,
     .meaning = "the client's secret: {env: NAME}, or a text"},
    {.key = "authorization_endpoint",
     .type = OPTION_URL,
     .offset = FIELD(oauth.endpoint),
     .required = true,
     .meaning = "the URL that gives access tokens"},
    {.key = "http_method",
     .type = OPTION_ENUM,
     .offset = FIELD(oauth.method),
     .required = true,
     .names = oauth_methods,
     .meaning = "how it is asked; GET has all parameters in the query"},
    {.key = "oauth_http_parameters",
     .type = OPTION_OBJECT,
     .offset = FIELD(oauth.parameters),
     .members = parameter_rows,
     .meaning = "what goes along when a token is asked for, such as scope or audience"},
    {0},
};

static const struct option auth_rows[] = {
    {.key = "basic",
     .type = OPTION_OBJECT,
     .members = basic_rows,
     .present_offset = FIELD(basic.written),
     .meaning = "for BASIC: a user and a password"},
    {.key = "api_key",
     .type = OPTION_OBJECT,
     .members = api_key_rows,
     .present_offset = FIELD(api_key.written),
     .meaning = "for API_KEY: a header with a key"},
    {.key = "oauth",
     .type = OPTION_OBJECT,
     .members = oauth_rows,
     .present_offset = FIELD(oauth.written),
     .meaning = "for OAUTH_CLIENT_CREDENTIALS: who asks where for an access token"},
    {.key = "invocation_http_parameters",
     .type = OPTION_OBJECT,
     .offset = FIELD(invocation),
     .members = parameter_rows,
     .meaning = "what goes along with every request to the API"},
    {0},
};

static const struct option rows[] = {
    {.key = "description",
     .type = OPTION_TEXT,
     .offset = FIELD(description),
     .max = 512,
     .meaning = "what the connection is for, for people"},
    {.key = "authorization_type",
     .type = OPTION_ENUM,
     .offset = FIELD(authorization_type),
     .required = true,
     .names = authorization_types,
     .meaning = "how requests are authorized"},
    {.key = "auth_parameters",
     .type = OPTION_OBJECT,
     .members = auth_rows,
     .meaning = "what that takes, and what else goes with every request"},
    {.key = "deauthorized",
     .type = OPTION_BOOL,
     .offset = FIELD(deauthorized),
     .value = "false",
     .meaning = "true: it has no authorization at present, and what is sent by it fails"},
    {0},
};

/* ---- what the tables cannot say ---- */

static bool check_block(const struct target_def *def, const char *key, bool written, bool wanted, struct diags *diags)
{
    const struct connection_options *o = def->options;
    const char *type = authorization_types[o->authorization_type];

    if (written && !wanted)
        return diag_error(diags, def->pos, "connection '%.*s' is of type %s and has '%s' in its 'auth_parameters'",
                          STR_ARG(def->name), type, key);
    if (!written && wanted && !o->deauthorized)
        return diag_error(diags, def->pos, "connection '%.*s' is of type %s and has no '%s' in its 'auth_parameters'",
                          STR_ARG(def->name), type, key);
    return true;
}

static bool check_headers(const struct target_def *def, const struct option_list *list, struct diags *diags)
{
    const struct option_header *h = list->items;
    bool ok = true;

    for (size_t i = 0; i < list->count; i++)
        if (!http_is_header_name(h[i].name) || http_is_framing(h[i].name.ptr))
            ok = diag_error(diags, def->pos, "header '%.*s' of connection '%.*s' cannot be set", STR_ARG(h[i].name),
                            STR_ARG(def->name));
        else if (!http_is_header_value(h[i].value))
            ok = diag_error(diags, def->pos, "the value of header '%.*s' of connection '%.*s' has a control character",
                            STR_ARG(h[i].name), STR_ARG(def->name));
    return ok;
}

static bool check(const struct target_def *def, struct diags *diags)
{
    const struct connection_options *o = def->options;
    int type = o->authorization_type;
    bool ok = check_block(def, "basic", o->basic.written, type == AUTHORIZATION_BASIC, diags);

    ok &= check_block(def, "api_key", o->api_key.written, type == AUTHORIZATION_API_KEY, diags);
    ok &= check_block(def, "oauth", o->oauth.written, type == AUTHORIZATION_OAUTH, diags);
    ok &= check_headers(def, &o->invocation.headers, diags);
    ok &= check_headers(def, &o->oauth.parameters.headers, diags);
    if (o->api_key.written && (!http_is_header_name(o->api_key.name) || http_is_framing(o->api_key.name.ptr)))
        ok = diag_error(diags, def->pos, "header '%.*s' of connection '%.*s' cannot be set", STR_ARG(o->api_key.name),
                        STR_ARG(def->name));
    return ok;
}

/* ---- opening what is sealed ---- */

struct revealing {
    const struct target_def *def;
    const char *data_dir;
    struct arena *arena;
    struct weir_diag *diag;
    struct secret_key key;
    bool has_key;
};

static bool keep(struct revealing *r, struct str *text)
{
    if (!text->ptr)
        return true;
    *text = arena_str(r->arena, *text);
    return text->ptr || fail_memory(r->diag);
}

static bool reveal(struct revealing *r, bool *sealed, struct str *value)
{
    struct buf clear = BUF_INIT;

    if (!*sealed)
        return keep(r, value);
    if (!r->has_key && !(r->has_key = secret_key_read(r->data_dir, false, &r->key, r->diag)))
        return false;
    bool ok = secret_unseal(&r->key, r->def->name, *value, &clear, r->diag);
    if (ok) {
        *sealed = false;
        *value = clear.size ? buf_view(&clear) : STR("");
        ok = keep(r, value);
        OPENSSL_cleanse(clear.data, clear.size);
    }
    buf_fini(&clear);
    return ok;
}

static bool reveal_secret(struct revealing *r, struct option_secret *s)
{
    return reveal(r, &s->sealed, &s->value);
}

static bool reveal_list(struct revealing *r, struct option_list *list)
{
    struct option_header *items = arena_array(r->arena, list->count, sizeof *items);

    if (!items)
        return fail_memory(r->diag);
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    list->items = items;
    for (size_t i = 0; i < list->count; i++)
        if (!keep(r, &items[i].name) || !reveal(r, &items[i].sealed, &items[i].value))
            return false;
    return true;
}

static bool reveal_parameters(struct revealing *r, struct http_parameters *p)
{
    return reveal_list(r, &p->headers) && reveal_list(r, &p->queries) && reveal_list(r, &p->bodies);
}

static bool reveal_all(struct revealing *r, struct connection_options *o)
{
    return keep(r, &o->description) && keep(r, &o->basic.username) && reveal_secret(r, &o->basic.password) &&
           keep(r, &o->api_key.name) && reveal_secret(r, &o->api_key.value) && keep(r, &o->oauth.client_id) &&
           keep(r, &o->oauth.endpoint) && reveal_secret(r, &o->oauth.client_secret) &&
           reveal_parameters(r, &o->oauth.parameters) && reveal_parameters(r, &o->invocation);
}

bool connection_reveal(const struct target_def *def, const char *data_dir, struct arena *arena,
                       struct connection_options *out, struct weir_diag *diag)
{
    struct revealing r = {.def = def, .data_dir = data_dir, .arena = arena, .diag = diag};

    *out = *(const struct connection_options *)def->options;
    bool ok = reveal_all(&r, out);
    OPENSSL_cleanse(&r.key, sizeof r.key);
    return ok;
}

const struct adapter connection_adapter = {
    .type = "connection",
    .section = "connections",
    .summary = "says how one is authorized to somebody's HTTP API; API destinations name it, nothing is sent to it",
    .arn_format = "arn:aws:events:{region}:{account}:connection/{name}/{uuid}",
    .options = rows,
    .options_size = sizeof(struct connection_options),
    .no_target = true,
    .check = check,
};
