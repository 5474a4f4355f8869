/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AddPermission, RemovePermission and GetPolicy: statements of a function's policy by their ids. Scripts add one before
 * they let a rule or a topic call the function, so they are kept, in a table of their own beside the function that
 * weir.yaml declares, and shown as they would be at AWS. Who may do what is said by allow lists: no statement gives or
 * takes anything here.
 */
#include <openssl/evp.h>

#include "router/api/aws_change.h"
#include "router/api/lambda.h"
#include "router/ledger.h"
#include "router/router.h"
#include "router/xalloc.h"

#define POLICY_BYTES_MAX 20480 /* AWS's */

static const char *const migrations[] = {
    "CREATE TABLE lambda_permission ("
    "  function TEXT NOT NULL,"
    "  id TEXT NOT NULL,"
    "  statement TEXT NOT NULL,"
    "  PRIMARY KEY (function, id)) WITHOUT ROWID",
    NULL,
};
const struct store_schema lambda_permission_schema = {"lambda_permissions", migrations};

struct members {
    struct str id, action, principal, source_arn, source_account, token, organisation, url_auth;
};
static struct aws_regex id_regex = AWS_REGEX("([a-zA-Z0-9-_]+)"),
                        action_regex = AWS_REGEX("(lambda:[*]|lambda:[a-zA-Z]+|[*])"),
                        principal_regex = AWS_REGEX("[^\\s]+"), account_regex = AWS_REGEX("\\d{12}");
static const char *const url_auths[] = {"NONE", "AWS_IAM", NULL};
static const struct aws_member added[] = {
    AWS_MEMBER(struct members, "StatementId", AWS_STRING, id, .required = true, .min = 1, .max = 100,
               .regex = &id_regex),
    AWS_MEMBER(struct members, "Action", AWS_STRING, action, .required = true, .regex = &action_regex),
    AWS_MEMBER(struct members, "Principal", AWS_STRING, principal, .required = true, .regex = &principal_regex),
    AWS_MEMBER(struct members, "SourceArn", AWS_STRING, source_arn),
    AWS_MEMBER(struct members, "SourceAccount", AWS_STRING, source_account, .regex = &account_regex),
    AWS_MEMBER(struct members, "EventSourceToken", AWS_STRING, token, .min = 0, .max = 256),
    AWS_MEMBER(struct members, "PrincipalOrgID", AWS_STRING, organisation, .min = 12, .max = 34),
    AWS_MEMBER(struct members, "FunctionUrlAuthType", AWS_STRING, url_auth, .values = url_auths),
    {0},
};
static const struct aws_member removed[] = {
    AWS_MEMBER(struct members, "StatementId", AWS_STRING, id, .required = true, .min = 1, .max = 100,
               .regex = &id_regex),
    {0},
};

/* ---- statements ---- */

static bool is_account(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.size == 12;
}

static void write_principal(struct buf *out, struct str principal)
{
    json_write_key(out, "Principal");
    if (str_is(principal, "*")) {
        json_write_string(out, principal);
    } else if (is_account(principal)) {
        buf_printf(out, "{\"AWS\":\"arn:aws:iam::%.*s:root\"}", STR_ARG(principal));
    } else {
        buf_printf(out, "{\"%s\":", str_starts(principal, STR("arn:")) ? "AWS" : "Service");
        json_write_string(out, principal);
        buf_char(out, '}');
    }
}

static void write_conditions(struct buf *out, const struct members *m)
{
    const struct {
        const char *key;
        struct str value;
    } equals[] = {{"AWS:SourceAccount", m->source_account},
                  {"lambda:EventSourceToken", m->token},
                  {"aws:PrincipalOrgID", m->organisation},
                  {"lambda:FunctionUrlAuthType", m->url_auth}};
    struct buf all = BUF_INIT, texts = BUF_INIT;

    buf_char(&all, '{');
    buf_char(&texts, '{');
    for (size_t i = 0; i < sizeof equals / sizeof equals[0]; i++)
        if (equals[i].value.size)
            json_write_member(&texts, equals[i].key, equals[i].value);
    buf_char(&texts, '}');
    if (texts.size > 2) {
        json_write_key(&all, "StringEquals");
        buf_str(&all, buf_view(&texts));
    }
    if (m->source_arn.size) {
        json_write_key(&all, "ArnLike");
        buf_char(&all, '{');
        json_write_member(&all, "AWS:SourceArn", m->source_arn);
        buf_char(&all, '}');
    }
    buf_char(&all, '}');
    xbuf(&texts);
    if (all.size > 2) {
        json_write_key(out, "Condition");
        buf_str(out, buf_view(&all));
    }
    out->failed |= all.failed;
    buf_fini(&texts);
    buf_fini(&all);
}

static struct str make_statement(struct aws_request *r, const struct members *m, const struct target_def *function)
{
    struct buf out = BUF_INIT;

    buf_char(&out, '{');
    json_write_member(&out, "Sid", m->id);
    json_write_member(&out, "Effect", STR("Allow"));
    write_principal(&out, m->principal);
    json_write_member(&out, "Action", m->action);
    json_write_member(&out, "Resource", function->arn);
    write_conditions(&out, m);
    buf_char(&out, '}');
    return aws_keep(&r->arena, &out);
}

/* ---- calls: one ledger job each ---- */

struct call {
    struct ledger_job job; /* first */
    struct aws_request *request;
    struct str function, id, statement;
    bool found;         /* there is a statement of this id */
    struct buf policy;  /* all statements, with commas between them */
    size_t policy_size; /* what they would be together */
};

static bool read_policy(struct store *s, struct call *c, struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s, "SELECT id, statement FROM lambda_permission WHERE function = ? ORDER BY id", diag);
    bool row = true, ok = q != NULL;

    buf_clear(&c->policy);
    c->found = false;
    if (q)
        store_bind(q, 1, c->function);
    while (ok && (ok = store_step(s, q, &row, diag)) && row) {
        c->found |= str_eq(store_column(q, 0), c->id);
        buf_text(&c->policy, c->policy.size ? "," : "");
        buf_str(&c->policy, store_column(q, 1));
    }
    c->policy_size = c->policy.size + c->statement.size;
    return ok;
}

static bool change(struct store *s, const char *sql, const struct call *c, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, sql, diag);

    if (!q)
        return false;
    store_bind(q, 1, c->function);
    store_bind(q, 2, c->id);
    if (c->statement.size)
        store_bind(q, 3, c->statement);
    return store_run(s, q, diag);
}

static bool run_get(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    return read_policy(s, (struct call *)job, diag);
}

static bool run_add(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct call *c = (struct call *)job;

    return read_policy(s, c, diag) &&
           (c->found || c->policy_size > POLICY_BYTES_MAX ||
            change(s, "INSERT INTO lambda_permission (function, id, statement) VALUES (?,?,?)", c, diag));
}

static bool run_remove(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct call *c = (struct call *)job;

    return read_policy(s, c, diag) &&
           (!c->found || change(s, "DELETE FROM lambda_permission WHERE function = ? AND id = ?", c, diag));
}

/* Takes the policy; false: answered, since the job was undone. */
static bool take(struct call *c, bool ok, const struct weir_diag *diag, struct buf *policy)
{
    *policy = c->policy;
    xbuf(policy);
    if (ok)
        return true;
    buf_fini(policy);
    aws_fail(c->request, 503, "ServiceException", "%s", diag->message);
    return false;
}

static void reply(struct aws_request *r, int status, struct buf *json)
{
    xbuf(json);
    aws_reply_raw(r, status, "application/json", buf_view(json));
    buf_fini(json);
}

static void added_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct call *c = (struct call *)job;
    struct buf policy, json = BUF_INIT;

    if (!take(c, ok, diag, &policy))
        return;
    buf_fini(&policy);
    if (c->found) {
        aws_fail(c->request, 409, "ResourceConflictException",
                 "The statement id (%.*s) provided already exists. Please provide a new statement id, or remove the "
                 "existing statement.",
                 STR_ARG(c->id));
    } else if (c->policy_size > POLICY_BYTES_MAX) {
        aws_fail(c->request, 400, "PolicyLengthExceededException",
                 "The final policy size (%zu) is bigger than the limit (%d).", c->policy_size, POLICY_BYTES_MAX);
    } else {
        buf_char(&json, '{');
        json_write_member(&json, "Statement", c->statement);
        buf_char(&json, '}');
        reply(c->request, 201, &json);
    }
}

static void removed_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct call *c = (struct call *)job;
    struct buf policy;

    if (!take(c, ok, diag, &policy))
        return;
    buf_fini(&policy);
    if (c->found)
        aws_reply_raw(c->request, 204, "application/json", STR(""));
    else
        aws_fail(c->request, 404, "ResourceNotFoundException", "Statement %.*s is not found in resource policy.",
                 STR_ARG(c->id));
}

static void write_revision(struct buf *out, struct str policy)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char id[UUID_SIZE + 1];

    if (EVP_Digest(policy.ptr, policy.size, digest, NULL, EVP_sha256(), NULL) != 1)
        xfail("no SHA-256");
    uuid_from_digest(digest, id);
    json_write_member(out, "RevisionId", str_from(id));
}

static void got_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct call *c = (struct call *)job;
    struct buf policy, whole = BUF_INIT, json = BUF_INIT;

    if (!take(c, ok, diag, &policy))
        return;
    if (policy.size) {
        buf_printf(&whole, "{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[%.*s]}", (int)policy.size,
                   policy.data);
        xbuf(&whole);
        buf_char(&json, '{');
        json_write_member(&json, "Policy", buf_view(&whole));
        write_revision(&json, buf_view(&whole));
        buf_char(&json, '}');
        reply(c->request, 200, &json);
    } else {
        aws_fail(c->request, 404, "ResourceNotFoundException", "The resource you requested does not exist.");
    }
    buf_fini(&whole);
    buf_fini(&policy);
}

/* ---- operations ---- */

static struct call *call_new(struct aws_request *r, struct str function)
{
    struct call *c = xgot(arena_new(&r->arena, struct call));

    c->request = r;
    c->function = function;
    c->job.reply = http_mailbox(r->http);
    return c;
}

static void submit(struct call *c)
{
    ledger_submit(http_router(c->request->http)->ledger, &c->job);
}

void lambda_add_permission(struct aws_request *r)
{
    struct members m = {0};
    const struct target_def *function;

    if (!aws_read(r, r->input, "", added, &m) || !aws_valid(r) || !(function = lambda_named(r)))
        return;
    struct call *c = call_new(r, function->name);
    c->id = m.id;
    c->statement = make_statement(r, &m, function);
    c->job.run = run_add;
    c->job.done = added_cb;
    submit(c);
}

void lambda_remove_permission(struct aws_request *r)
{
    struct members m = {0};
    const struct target_def *function;

    if (!aws_read(r, r->input, "", removed, &m) || !aws_valid(r) || !(function = lambda_named(r)))
        return;
    struct call *c = call_new(r, function->name);
    c->id = m.id;
    c->job.run = run_remove;
    c->job.done = removed_cb;
    submit(c);
}

void lambda_get_policy(struct aws_request *r)
{
    const struct target_def *function = lambda_named(r);

    if (!function)
        return;
    struct call *c = call_new(r, function->name);
    c->job.run = run_get;
    c->job.done = got_cb;
    submit(c);
}
