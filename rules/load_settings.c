/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The top level of a file: which keys there are, and the settings that are no lists of things. Settings stand in
 * the first file only; included files add to the sections and may repeat the version.
 */
#include "rules/load_int.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "rules/tables.h"
#include "targets/topic.h"

#define VERSION        "1"
#define ACCOUNT_DIGITS 12
#define DATA_LIMIT_MIN                                                                                                 \
    (128 << 20) /* an eighth is the reserve, and the ledger's write-ahead log alone has up to 16 MiB */
#define LISTEN_DEFAULT "127.0.0.1:4566" /* where local AWS tools look */

struct settings {
    struct str data, account, region;
    struct load_auth auth;
    struct str certificate, certificate_key;
    int64_t data_limit;
    struct option_list allowed_hosts; /* of struct str */
};

static const struct option host_options[] = {
    {.key = "host",
     .type = OPTION_TEXT,
     .offset = 0,
     .min = 1,
     .max = 255,
     .required = true,
     .scalar = true,
     .meaning = "a host name as it stands in a request's Host header, without a port"},
    {0},
};

static const struct option auth_options[] = {
    {.key = "access_keys",
     .type = OPTION_PATH,
     .offset = offsetof(struct load_auth, access_keys),
     .meaning = "a file of access keys, whose signatures the AWS protocols ask for"},
    {.key = "tokens",
     .type = OPTION_PATH,
     .offset = offsetof(struct load_auth, tokens),
     .meaning = "a file of bearer tokens, which everything but the AWS protocols asks for"},
    {.key = "public_metrics",
     .type = OPTION_BOOL,
     .offset = offsetof(struct load_auth, public_metrics),
     .value = "false",
     .meaning = "may everybody read /metrics? Else it asks for a token"},
    {0},
};

static const struct option tls_options[] = {
    {.key = "certificate",
     .type = OPTION_PATH,
     .offset = offsetof(struct settings, certificate),
     .required = true,
     .meaning = "a PEM file: the certificate, and those between it and the root"},
    {.key = "key",
     .type = OPTION_PATH,
     .offset = offsetof(struct settings, certificate_key),
     .meaning = "a PEM file with its private key; not written: it stands in the certificate's file"},
    {0},
};

const struct option root_options[] = {
    {.key = "version",
     .type = OPTION_INT,
     .own = true,
     .required = true,
     .min = 1,
     .max = 1,
     .meaning = "the version of the configuration's language"},
    {.key = "listen",
     .type = OPTION_TEXT,
     .own = true,
     .value = LISTEN_DEFAULT,
     .form = "^([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$",
     .meaning = "the address the router listens on, HOST:PORT or [IPV6]:PORT; port 0 is any free one"},
    {.key = "data",
     .type = OPTION_PATH,
     .offset = offsetof(struct settings, data),
     .value = "./weir-data",
     .meaning = "the data folder: journal, ledger and archives; made when it is missing"},
    {.key = "data_limit",
     .type = OPTION_SIZE,
     .offset = offsetof(struct settings, data_limit),
     .value = "0",
     .min = 0,
     .max = INT64_MAX,
     .meaning =
         "how large the data folder may get before no more events are taken, at least 128MiB; 0: as large as its "
         "disk allows"},
    {.key = "account",
     .type = OPTION_TEXT,
     .offset = offsetof(struct settings, account),
     .value = "000000000000",
     .form = "^[0-9]{12}$",
     .meaning = "the account that ARNs and events without one carry: 12 digits in quotes"},
    {.key = "region",
     .type = OPTION_TEXT,
     .offset = offsetof(struct settings, region),
     .value = "us-east-1",
     .min = 1,
     .max = 64,
     .form = "^[a-z0-9-]+$",
     .meaning = "the region that ARNs and events without one carry"},
    {.key = "allowed_hosts",
     .type = OPTION_LIST,
     .offset = offsetof(struct settings, allowed_hosts),
     .members = host_options,
     .item_size = sizeof(struct str),
     .meaning = "host names that requests may come under, besides addresses and localhost"},
    {.key = "auth",
     .type = OPTION_OBJECT,
     .offset = offsetof(struct settings, auth),
     .members = auth_options,
     .meaning = "who may in; without it everybody, and then only loopback addresses are listened on"},
    {.key = "tls",
     .type = OPTION_OBJECT,
     .members = tls_options,
     .meaning = "HTTPS instead of HTTP, TLS 1.2 and later"},
    {.key = "sources",
     .type = OPTION_SECTION,
     .own = true,
     .max = ADAPTER_NAME_MAX,
     .members = source_options,
     .meaning = "limits of the ways in, and watched folders"},
    {.key = "platform_applications",
     .type = OPTION_SECTION,
     .own = true,
     .max = ADAPTER_NAME_MAX,
     .members = topic_application_options,
     .meaning = "push gateways that SNS clients send to, and the devices behind them"},
    {.key = "subscriptions",
     .type = OPTION_SECTION,
     .own = true,
     .max = ADAPTER_NAME_MAX,
     .members = topic_subscription_options,
     .meaning = "subscriptions of topics by name, beside those that a topic lists itself"},
    {.key = "targets",
     .type = OPTION_SECTION,
     .own = true,
     .max = ADAPTER_NAME_MAX,
     .meaning = "targets of the other kinds by name, each with its type"},
    {.key = "event_source_mappings",
     .type = OPTION_SECTION,
     .own = true,
     .max = ADAPTER_NAME_MAX,
     .members = mapping_options,
     .meaning = "queues whose messages functions are run with"},
    {.key = "rules",
     .type = OPTION_SECTION,
     .own = true,
     .members = rule_options,
     .meaning = "rules by name, or with a name of their own"},
    {.key = "include",
     .type = OPTION_FILES,
     .own = true,
     .meaning = "further files, relative to this one; * and ? stand for file names, in the order of their bytes"},
    {0},
};

/* ---- keys ---- */

static bool is_in_table(const char *key)
{
    const struct option *o = root_options;
    while (o->key && strcmp(o->key, key) != 0)
        o++;
    return o->key;
}

/* What options_fill() is to know besides a table, ended by NULL: for the first file the rows that are not in
   root_options, for an included one, which has no table, the rows that it may have; and x-…. */
static const char *const *known_keys(struct load *l, bool included)
{
    struct option row;
    size_t rows = 0, count = 0;
    while (tables_root_row(rows, &row))
        rows++;
    const char **keys = arena_array(&l->temp, rows + 2, sizeof(*keys));
    if (!keys)
        return NULL;
    for (size_t i = 0; tables_root_row(i, &row); i++)
        if (included ? tables_may_be_included(&row) : !is_in_table(row.key))
            keys[count++] = row.key;
    keys[count] = OPTIONS_IGNORED;
    return keys;
}

static bool is_setting(struct str key)
{
    struct option row;
    return tables_find_root(key, &row) && !tables_may_be_included(&row);
}

/* Documents that another version of the program took may be of sections which this one has not. */
static void check_sections(struct load *l, const struct load_file *f)
{
    struct option row;
    for (uint32_t i = 0; i < f->root->count; i++) {
        const struct node *key = f->root->pairs[i].key;
        if (!tables_find_root(key->text, &row) || row.type != OPTION_SECTION)
            diag_error(l->diags, key->pos, "this program has no section '%.*s'", STR_ARG(key->text));
    }
}

/* An included file may not say what is said once; the other keys are checked as those of the first file are. */
static bool check_included(struct load *l, const struct load_file *f, const char *const *shared)
{
    static const struct option none[] = {{0}};
    struct node rest = *f->root;
    struct node_pair *pairs = arena_array(&l->temp, rest.count, sizeof(*pairs));
    if (!pairs)
        return false;
    rest.count = 0;
    for (uint32_t i = 0; i < f->root->count; i++) {
        const struct node *key = f->root->pairs[i].key;
        if (is_setting(key->text))
            diag_error(l->diags, key->pos, "'%.*s' belongs in the first file, %s", STR_ARG(key->text), l->files->name);
        else
            pairs[rest.count++] = f->root->pairs[i];
    }
    rest.pairs = pairs;
    options_fill(&l->options, none, &rest, rest.pos, "an included file", shared, NULL);
    return true;
}

static void check_version(struct load *l, const struct load_file *f)
{
    const struct node *version = node_get(f->root, "version");
    if (!version && f == l->files && f->root->pos.file)
        diag_error(l->diags, (struct diag_pos){f->name, 1, 1},
                   "missing key 'version'; start the file with 'version: " VERSION "'");
    if (!version || version->type == NODE_FAULT || (version->type == NODE_NUMBER && str_is(version->text, VERSION)))
        return;
    if (version->type == NODE_NUMBER)
        diag_error(l->diags, version->pos, "version '%.*s' is not served; this program reads version " VERSION,
                   STR_ARG(version->text));
    else
        diag_error(l->diags, version->pos, "'version' must be the number " VERSION ", not %s", node_type_name(version));
}

/* ---- values ---- */

static bool parse_port(struct str text, uint16_t *port)
{
    unsigned value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || i >= 5)
            return false;
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    *port = (uint16_t)value;
    return text.size && value <= 65535;
}

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.size; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", host.ptr[i]) || !host.ptr[i])
            return false;
    return host.size;
}

/* HOST:PORT, [IPV6]:PORT. */
static bool split_listen(struct str text, struct str *host, uint16_t *port)
{
    struct in6_addr address;
    char ipv6[64];
    const char *colon = text.size ? memrchr(text.ptr, ':', text.size) : NULL;
    if (!colon || !parse_port((struct str){colon + 1, text.size - (size_t)(colon + 1 - text.ptr)}, port))
        return false;
    *host = (struct str){text.ptr, (size_t)(colon - text.ptr)};
    if (host->size < 2 || host->ptr[0] != '[' || host->ptr[host->size - 1] != ']')
        return is_host(*host);
    *host = (struct str){host->ptr + 1, host->size - 2};
    if (host->size >= sizeof(ipv6))
        return false;
    memcpy(ipv6, host->ptr, host->size);
    ipv6[host->size] = '\0';
    return inet_pton(AF_INET6, ipv6, &address) == 1;
}

static bool read_listen(struct load *l, const struct node *n)
{
    struct str text = n ? n->text : STR(LISTEN_DEFAULT), host = {NULL, 0};
    if (n && n->type == NODE_FAULT)
        return true;
    if (n && n->type == NODE_NUMBER)
        diag_error(l->diags, n->pos, "listen '%.*s' has no host; write 127.0.0.1:%.*s", STR_ARG(text), STR_ARG(text));
    else if (n && n->type != NODE_TEXT)
        diag_error(l->diags, n->pos, "'listen' must be HOST:PORT, not %s", node_type_name(n));
    else if (!split_listen(text, &host, &l->set->listen_port))
        diag_error(l->diags, n->pos, "listen '%.*s' is not HOST:PORT, such as " LISTEN_DEFAULT " or [::1]:4566",
                   STR_ARG(text));
    l->set->listen_host = arena_str(&l->set->keep, host);
    return l->set->listen_host.ptr || load_out_of_memory(l);
}

static void check_data_limit(struct load *l, const struct node *n, int64_t bytes)
{
    if (n && bytes && bytes < DATA_LIMIT_MIN)
        diag_error(l->diags, n->pos, "data_limit '%.*s' is less than 128MiB", STR_ARG(n->text));
}

static void check_account(struct load *l, const struct node *n, struct str account)
{
    if (!n || n->type != NODE_TEXT)
        return;
    bool ok = account.size == ACCOUNT_DIGITS;
    for (size_t i = 0; ok && i < account.size; i++)
        ok = account.ptr[i] >= '0' && account.ptr[i] <= '9';
    if (!ok)
        diag_error(l->diags, n->pos, "account '%.*s' is not %d digits", STR_ARG(account), ACCOUNT_DIGITS);
}

static void check_region(struct load *l, const struct node *n, struct str region)
{
    if (!n || n->type != NODE_TEXT)
        return;
    for (size_t i = 0; i < region.size; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", region.ptr[i]) || !region.ptr[i]) {
            diag_error(l->diags, n->pos, "region '%.*s' has other characters than a-z, 0-9 and -", STR_ARG(region));
            return;
        }
}

/* ---- the step ---- */

bool load_settings(struct load *l)
{
    struct ruleset *set = l->set;
    struct settings s = {0};
    const struct load_file *first = l->files;
    const struct node *root = first->root;
    const char *const *known = known_keys(l, false), *const *shared = known_keys(l, true);
    if (!known || !shared)
        return load_out_of_memory(l);
    for (const struct load_file *f = first; f; f = f->next) {
        check_version(l, f);
        if (f->made)
            check_sections(l, f);
        else if (f != first && !check_included(l, f, shared))
            return load_out_of_memory(l);
    }
    struct diag_pos pos = {.file = first->name, .line = 1, .column = 1};
    options_fill(&l->options, root_options, root, pos, "the configuration", known, &s);
    set->data = s.data;
    set->certificate = s.certificate;
    set->certificate_key = s.certificate_key.ptr ? s.certificate_key : s.certificate;
    set->data_limit = s.data_limit;
    set->account = s.account;
    set->region = s.region;
    set->allowed_hosts = s.allowed_hosts.items;
    set->allowed_host_count = (uint32_t)s.allowed_hosts.count;
    check_data_limit(l, node_get(root, "data_limit"), s.data_limit);
    check_account(l, node_get(root, "account"), s.account);
    check_region(l, node_get(root, "region"), s.region);
    const struct node *listen = node_get(root, "listen");
    set->listen_pos = listen ? listen->pos : (struct diag_pos){0};
    return read_listen(l, listen) && load_access(l, node_get(root, "auth"), &s.auth) && !l->diags->out_of_memory;
}
