/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource policies: IAM's statements, each of which applies or not by principal, action, resource and conditions. Most
 * members are a text or a list of texts. What cannot be judged is judged for the owner of the bus: a statement that
 * allows must apply for certain, one that denies need only perhaps.
 */
#include "router/api/events_policy.h"

#include "matcher/json.h"
#include "router/api/aws.h"
#include "rules/access.h"

enum applies { NO, PERHAPS, YES };

struct asking {
    struct arena *arena;
    const struct events_policy_question *question;
    bool unsure; /* a pattern of the statement was taken for more than it says */
};

/* The texts of a member: itself, or those in its list. False ends the walk. */
static void each_text(struct arena *a, struct str value, bool (*each)(void *context, struct str text), void *context)
{
    struct aws_list list;
    struct str one;

    if (value.ptr && json_type_of(value) == JSON_STRING) {
        each(context, json_decode_in(a, value));
        return;
    }
    if (!value.ptr || json_type_of(value) != JSON_ARRAY)
        return;
    for (aws_list_start(&list, value); aws_list_next(&list, &one);)
        if (json_type_of(one) == JSON_STRING && !each(context, json_decode_in(a, one)))
            return;
}

struct search {
    struct asking *asking;
    struct str text;
    bool patterns, fold, found;
};

/* Of IAM's two wildcards only * is known: one character (?) is taken for any text. */
static struct str widen(struct asking *x, struct str pattern)
{
    char *copy = pattern.size && memchr(pattern.ptr, '?', pattern.size) ? arena_text(x->arena, pattern) : NULL;

    for (size_t i = 0; copy && i < pattern.size; i++)
        if (copy[i] == '?')
            copy[i] = '*';
    return copy ? (struct str){copy, pattern.size} : pattern;
}

static bool match_cb(void *context, struct str text)
{
    struct search *s = context;
    struct str pattern = s->patterns ? widen(s->asking, text) : text;

    s->found = s->patterns ? access_matches(pattern, s->text, s->fold) : str_eq(text, s->text);
    s->asking->unsure |= s->found && pattern.ptr != text.ptr;
    return !s->found;
}

static bool principal_cb(void *context, struct str text)
{
    struct search *s = context;
    const struct events_policy_question *q = s->asking->question;
    struct str account = q->account, rest = text;

    if (str_starts(text, STR("arn:aws:iam::"))) /* …:ACCOUNT:root stands for all of the account */
        rest = (struct str){text.ptr + 13, text.size - 13};
    s->found = str_is(text, "*") || str_eq(text, account) || str_eq(text, q->user_arn) ||
               (rest.ptr != text.ptr && str_starts(rest, account) && rest.size == account.size + 5 &&
                memcmp(rest.ptr + account.size, ":root", 5) == 0);
    return !s->found;
}

static bool has_match(struct asking *x, struct str member, struct str text, bool patterns, bool fold)
{
    struct search s = {.asking = x, .text = text, .patterns = patterns, .fold = fold};

    each_text(x->arena, member, match_cb, &s);
    return s.found;
}

/* "*", or {"AWS": …}. */
static bool is_principal(struct asking *x, struct str principal)
{
    struct search s = {.asking = x};
    bool object = principal.ptr && json_type_of(principal) == JSON_OBJECT;

    each_text(x->arena, object ? json_member(principal, "AWS") : principal, principal_cb, &s);
    return s.found;
}

/* ---- conditions ---- */

/* The value of a condition's key; {NULL,0}: not known. */
static struct str known_key(const struct events_policy_question *q, struct str key)
{
    const struct {
        const char *name;
        struct str value;
    } keys[] = {{"aws:PrincipalAccount", q->account}, {"aws:PrincipalArn", q->user_arn}, {"events:source", q->source}};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (access_matches(str_from(keys[i].name), key, true))
            return keys[i].value;
    return (struct str){NULL, 0};
}

/* All keys under one operator. */
static enum applies check_operator(struct asking *x, struct str op, struct str keys)
{
    bool like = str_is(op, "StringLike");
    enum applies result = like || str_is(op, "StringEquals") ? YES : PERHAPS;
    struct json_reader reader;
    struct json_token t;

    if (json_type_of(keys) != JSON_OBJECT)
        return PERHAPS;
    json_reader_init_trusted(&reader, keys);
    json_next(&reader, &t);
    while (json_next(&reader, &t) == JSON_KEY) {
        struct str value = known_key(x->question, json_decode_in(x->arena, t.raw));
        json_next(&reader, &t);
        json_skip(&reader, &t);
        if (!value.ptr)
            result = PERHAPS;
        else if (result == YES && !has_match(x, t.raw, value, like, false))
            return NO;
    }
    return result;
}

static enum applies check_conditions(struct asking *x, struct str conditions)
{
    enum applies result = YES;
    struct json_reader reader;
    struct json_token t;

    if (!conditions.ptr)
        return YES;
    if (json_type_of(conditions) != JSON_OBJECT)
        return PERHAPS;
    json_reader_init_trusted(&reader, conditions);
    json_next(&reader, &t);
    while (result != NO && json_next(&reader, &t) == JSON_KEY) {
        struct str op = json_decode_in(x->arena, t.raw);
        json_next(&reader, &t);
        json_skip(&reader, &t);
        enum applies one = check_operator(x, op, t.raw);
        result = one < result ? one : result;
    }
    return result;
}

/* ---- statements ---- */

static enum applies check_statement(struct asking *x, struct str statement)
{
    static const char *const keys[] = {"Principal",    "Action",    "Resource",    "Condition",
                                       "NotPrincipal", "NotAction", "NotResource", NULL};
    struct str m[7];

    x->unsure = false;
    json_members(statement, keys, m);
    if (m[4].ptr || m[5].ptr || m[6].ptr)
        return PERHAPS;
    if (!is_principal(x, m[0]) || !has_match(x, m[1], x->question->action, true, true) ||
        (m[2].ptr && !has_match(x, m[2], x->question->resource, true, false)))
        return NO;
    enum applies result = check_conditions(x, m[3]);
    return result == YES && x->unsure ? PERHAPS : result;
}

static enum events_policy_answer judge(struct asking *x, struct str statement)
{
    struct str effect =
        json_type_of(statement) == JSON_OBJECT ? json_member(statement, "Effect") : (struct str){NULL, 0};
    bool allow = effect.ptr && json_type_of(effect) == JSON_STRING && json_raw_is(effect, "Allow");

    if (!effect.ptr)
        return EVENTS_POLICY_SILENT;
    switch (check_statement(x, statement)) {
    case YES: return allow ? EVENTS_POLICY_ALLOWS : EVENTS_POLICY_DENIES;
    case PERHAPS: return allow ? EVENTS_POLICY_SILENT : EVENTS_POLICY_DENIES;
    default: return EVENTS_POLICY_SILENT;
    }
}

enum events_policy_answer events_policy_ask(struct arena *a, struct str policy,
                                            const struct events_policy_question *question)
{
    struct asking x = {.arena = a, .question = question};
    struct str statements = policy.ptr ? json_member(policy, "Statement") : policy, one;
    enum events_policy_answer answer = EVENTS_POLICY_SILENT;
    struct aws_list list;

    if (statements.ptr && json_type_of(statements) == JSON_OBJECT)
        return judge(&x, statements);
    if (!statements.ptr || json_type_of(statements) != JSON_ARRAY)
        return answer;
    for (aws_list_start(&list, statements); answer != EVENTS_POLICY_DENIES && aws_list_next(&list, &one);) {
        enum events_policy_answer this = judge(&x, one);
        answer = this > answer ? this : answer;
    }
    return answer;
}
