/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allow lists, in AWS's words. EventBridge says AccessDeniedException, SNS AuthorizationError, and each protocol has a
 * name of its own for a signature that is not one.
 */
#include "router/api/aws_auth.h"

#include <stdio.h>
#include <strings.h>

#include "router/api/api.h"
#include "router/api/events_policy.h"
#include "router/api/events_rules.h"
#include "router/auth.h"
#include "router/http.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/xalloc.h"

/* ---- not signed, or not well ---- */

static const char *const names[] = {
    [SIGV4_MISSING] = "MissingAuthenticationTokenException",
    [SIGV4_INCOMPLETE] = "IncompleteSignatureException",
    [SIGV4_UNKNOWN_KEY] = "UnrecognizedClientException",
    [SIGV4_MISMATCH] = "InvalidSignatureException",
    [SIGV4_EXPIRED] = "RequestExpired",
};

static void fail_signature(struct aws_request *r, enum sigv4_fault fault, const char *message)
{
    aws_fail(r, r->protocol == AWS_REST ? 403 : 400, names[fault], "%s", message);
}

static const struct aws_service *service_of(const char *target)
{
    for (const struct aws_service *const *one = aws_services; *one; one++)
        if ((*one)->target && strncmp(target, (*one)->target, strlen((*one)->target)) == 0)
            return *one;
    return &aws_events;
}

void aws_refuse_signature(struct http_request *http, const struct sigv4_result *result)
{
    const char *target = http_header(http, "X-Amz-Target");
    bool query = !target && strcmp(http_route_name(http), "lambda") != 0; /* by POST, or as a link */
    struct aws_request *r = aws_create(http, query ? AWS_QUERY : target ? AWS_JSON : AWS_REST);

    r->service = query ? &aws_sqs : service_of(target ? target : "");
    fail_signature(r, result->fault, result->message);
}

/* ---- not allowed ---- */

static bool is_sns(const struct aws_request *r)
{
    return strcmp(r->service->prefix, "sns") == 0;
}

static const char *denied(const struct aws_request *r)
{
    return is_sns(r) ? "AuthorizationError" : "AccessDeniedException";
}

/* The operation as policies name it: batches are what they are batches of. */
static void write_name(const char *prefix, const char *name, struct buf *out)
{
    size_t size = strlen(name);

    if (strcmp(prefix, "lambda") == 0 && strncmp(name, "Invoke", 6) == 0)
        name = "InvokeFunction", size = strlen(name);
    else if (size > 5 && strcmp(name + size - 5, "Batch") == 0)
        size -= 5;
    buf_printf(out, "%s:%.*s", prefix, (int)size, name);
}

static void write_action(const struct aws_request *r, struct buf *out)
{
    write_name(r->service->prefix, r->operation->name, out);
}

bool aws_has_action(struct str pattern)
{
    struct buf action = BUF_INIT;
    bool found = false;

    for (const struct aws_service *const *service = aws_services; *service && !found; service++)
        for (const struct aws_operation *one = (*service)->operations; one->name && !found; one++) {
            buf_clear(&action);
            write_name((*service)->prefix, one->name, &action);
            found = access_matches(pattern, buf_view(&action), true);
        }
    buf_fini(&action);
    return found;
}

static void write_denial(const struct access_holder *h, struct str action, struct str resource, struct buf *out)
{
    buf_printf(out, "User: arn:aws:iam::%.*s:user/%.*s is not authorized to perform: %.*s on resource: %.*s",
               STR_ARG(h->account), STR_ARG(h->name), STR_ARG(action), STR_ARG(resource));
}

/* policy: the kind that allows nothing of this. */
static void write_reason(const char *policy, struct str action, struct buf *out)
{
    buf_printf(out, " because no %s policy allows the %.*s action", policy, STR_ARG(action));
}

static bool deny(struct aws_request *r, const struct access_holder *h, struct str resource)
{
    struct buf action = BUF_INIT, text = BUF_INIT;

    series_add(metric(METRIC_AUTH_REFUSED, http_route_name(r->http), "not_allowed"), 1);
    write_action(r, &action);
    write_denial(h, buf_view(&action), resource, &text);
    write_reason("identity-based", buf_view(&action), &text);
    aws_fail(r, r->protocol == AWS_JSON ? 400 : 403, denied(r), "%s", buf_cstr(&text));
    buf_fini(&action);
    buf_fini(&text);
    return false;
}

/* A key of another account has no business here but PutEvents on a bus whose permissions let it. */
static bool is_foreign(const struct aws_request *r, const struct access_holder *h)
{
    return !str_eq(h->account, http_set(r->http)->account);
}

/* What a link in a message does: what it carries is the secret. */
static bool is_open(const struct aws_request *r)
{
    return is_sns(r) && r->operation &&
           (strcmp(r->operation->name, "ConfirmSubscription") == 0 || strcmp(r->operation->name, "Unsubscribe") == 0);
}

/* A browser sends no Origin with a GET for a page's image or link, but says that it is for a page of elsewhere. Where
   there is an Origin, it is one that may be. */
static bool is_for_a_page(const struct aws_request *r)
{
    const char *site = http_header(r->http, "Sec-Fetch-Site");

    return site && strcmp(site, "none") != 0 && strcmp(site, "same-origin") != 0 && !http_header(r->http, "Origin");
}

static bool fail_page(struct aws_request *r)
{
    aws_fail(r, 403, denied(r), "Requests of web pages are refused (Sec-Fetch-Site).");
    return false;
}

static bool fail_unsigned(struct aws_request *r)
{
    fail_signature(r, SIGV4_MISSING, "Missing Authentication Token");
    return false;
}

static bool fail_service(struct aws_request *r)
{
    char message[80];

    snprintf(message, sizeof message, "Credential should be scoped to correct service: '%s'. ", r->service->prefix);
    fail_signature(r, SIGV4_MISMATCH, message);
    return false;
}

bool aws_may_act(struct aws_request *r)
{
    const struct access_holder *h = auth_holder(r->http);
    struct buf action = BUF_INIT;

    if (!h && !is_open(r))
        return http_set(r->http)->access ? fail_unsigned(r) : !is_for_a_page(r) || fail_page(r);
    if (!h)
        return true;
    if (strcmp(http_auth(r->http)->service, r->service->prefix) != 0)
        return fail_service(r);
    if (!r->operation)
        return true; /* which it says so itself */
    write_action(r, &action);
    bool may =
        access_may_act(h, buf_view(&action)) && (!is_foreign(r, h) || str_is(buf_view(&action), "events:PutEvents"));
    buf_fini(&action);
    return may || deny(r, h, STR("*"));
}

/* ---- event buses ---- */

#define PUT_EVENTS STR("events:PutEvents")

/* Where an operation of EventBridge names its bus. */
static const struct place {
    const char *operation, *member;
    bool otherwise_default;
} places[] = {
    {"CreateEventBus", "Name", false},
    {"UpdateEventBus", "Name", true},
    {"DeleteEventBus", "Name", false},
    {"DescribeEventBus", "Name", true},
    {"PutPermission", "EventBusName", true},
    {"RemovePermission", "EventBusName", true},
    {"PutRule", "EventBusName", true},
    {"DescribeRule", "EventBusName", true},
    {"ListRules", "EventBusName", true},
    {"ListRuleNamesByTarget", "EventBusName", true},
    {"EnableRule", "EventBusName", true},
    {"DisableRule", "EventBusName", true},
    {"DeleteRule", "EventBusName", true},
    {"PutTargets", "EventBusName", true},
    {"RemoveTargets", "EventBusName", true},
    {"ListTargetsByRule", "EventBusName", true},
    {"CreateArchive", "EventSourceArn", false},
    {"StartReplay", "Destination", false},
    {"TagResource", "ResourceARN", false},
    {"UntagResource", "ResourceARN", false},
    {"ListTagsForResource", "ResourceARN", false},
};

/* Those that name an archive, which belongs to a bus. */
static const char *const archive_operations[] = {"DescribeArchive", "UpdateArchive", "DeleteArchive", NULL};

static struct str text_member(struct aws_request *r, struct str object, const char *name)
{
    struct str value = json_member(object, name);
    return value.size && json_type_of(value) == JSON_STRING ? json_decode_in(&r->arena, value) : (struct str){NULL, 0};
}

/* The bus of an ARN of EventBridge: event-bus/BUS, rule/BUS/NAME, rule/NAME; a name that is no ARN stands for itself.
 */
static struct str bus_of(struct str text)
{
    const char *colon = memrchr(text.ptr, ':', text.size);
    struct str rest = {colon ? colon + 1 : text.ptr, 0};

    rest.size = text.size - (size_t)(rest.ptr - text.ptr);
    if (!colon)
        return text;
    if (str_starts(rest, STR("event-bus/")))
        return (struct str){rest.ptr + 10, rest.size - 10};
    if (!str_starts(rest, STR("rule/")))
        return (struct str){NULL, 0};
    rest = (struct str){rest.ptr + 5, rest.size - 5};
    const char *slash = memchr(rest.ptr, '/', rest.size);
    return slash ? (struct str){rest.ptr, (size_t)(slash - rest.ptr)} : STR("default");
}

/* {NULL,0}: the operation is about no bus, or about something that is not there. */
static struct str archive_bus(struct aws_request *r)
{
    struct str name = text_member(r, r->input, "ArchiveName");
    const struct target_def *def = name.ptr ? ruleset_target(http_set(r->http), "archive", name) : NULL;

    for (uint32_t i = 0; def && i < http_set(r->http)->rule_count; i++) {
        const struct rule *rule = &http_set(r->http)->rules[i];
        if (rule->is_archive && rule->target_count && rule->targets[0].target == def)
            return rule->bus;
    }
    return (struct str){NULL, 0};
}

static struct str find_bus(struct aws_request *r)
{
    for (size_t i = 0; archive_operations[i]; i++)
        if (strcmp(archive_operations[i], r->operation->name) == 0)
            return archive_bus(r);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (strcmp(places[i].operation, r->operation->name) != 0)
            continue;
        struct str text = strcmp(places[i].member, "Destination") == 0
                              ? text_member(r, json_member(r->input, "Destination"), "Arn")
                              : text_member(r, r->input, places[i].member);
        return text.ptr ? bus_of(text) : places[i].otherwise_default ? STR("default") : (struct str){NULL, 0};
    }
    return (struct str){NULL, 0};
}

static bool may_use_bus(struct aws_request *r, const struct access_holder *h, struct str bus)
{
    return !bus.ptr || access_may_use_bus(h, bus) || deny(r, h, events_bus_arn(&r->arena, http_set(r->http), bus));
}

/* The bus that a target's ARN, or its name, stands for; {NULL,0}: it is something else. */
static struct str target_bus(struct aws_request *r, struct str target)
{
    static const struct str type = {"bus/", sizeof "bus/" - 1};
    struct str arn = json_type_of(target) == JSON_OBJECT ? text_member(r, target, "Arn") : STR("");

    if (memchr(arn.ptr ? arn.ptr : "", ':', arn.size))
        return memmem(arn.ptr, arn.size, ":event-bus/", 11) ? bus_of(arn) : (struct str){NULL, 0};
    if (str_starts(arn, type))
        return (struct str){arn.ptr + type.size, arn.size - type.size};
    return ruleset_bus(http_set(r->http), arn) ? arn : (struct str){NULL, 0};
}

/* Who may not put events on a bus may not let a rule do it for him. */
static bool may_use_targets(struct aws_request *r, const struct access_holder *h)
{
    struct str list = json_member(r->input, "Targets"), target;
    struct aws_list targets;

    if (strcmp(r->operation->name, "PutTargets") != 0 || !list.size || json_type_of(list) != JSON_ARRAY)
        return true;
    aws_list_start(&targets, list);
    while (aws_list_next(&targets, &target))
        if (!may_use_bus(r, h, target_bus(r, target)))
            return false;
    return true;
}

bool aws_may_use(struct aws_request *r)
{
    const struct access_holder *h = auth_holder(r->http);

    if (!h || !h->buses.written || r->service != &aws_events)
        return true;
    return may_use_bus(r, h, find_bus(r)) && may_use_targets(r, h);
}

/* What the bus's permissions say of him; of one that is not there they say nothing. */
static enum events_policy_answer ask_policy(struct aws_request *r, const struct access_holder *h, struct str bus,
                                            struct str source)
{
    const struct bus *found = ruleset_bus(http_set(r->http), bus);
    struct str policy = found ? events_kept_text(&r->arena, found->made, "Policy") : (struct str){NULL, 0};
    struct buf arn = BUF_INIT;

    buf_printf(&arn, "arn:aws:iam::%.*s:user/%.*s", STR_ARG(h->account), STR_ARG(h->name));
    const struct events_policy_question question = {.account = h->account,
                                                    .user_arn = aws_keep(&r->arena, &arn),
                                                    .action = PUT_EVENTS,
                                                    .resource = events_bus_arn(&r->arena, http_set(r->http), bus),
                                                    .source = source};
    return events_policy_ask(&r->arena, policy, &question);
}

static const char *deny_entry(struct aws_request *r, const struct access_holder *h, struct str bus, const char *policy,
                              const char **reason)
{
    struct buf text = BUF_INIT;

    write_denial(h, PUT_EVENTS, events_bus_arn(&r->arena, http_set(r->http), bus), &text);
    if (policy)
        write_reason(policy, PUT_EVENTS, &text);
    else
        buf_text(&text, " with an explicit deny in a resource-based policy");
    *reason = aws_keep(&r->arena, &text).ptr;
    return "AccessDeniedException";
}

const char *aws_refuse_entry(struct aws_request *r, struct str bus, struct str source, const char **reason)
{
    const struct access_holder *h = auth_holder(r->http);

    if (!h)
        return NULL;
    if (!access_may_use_bus(h, bus))
        return deny_entry(r, h, bus, "identity-based", reason);
    enum events_policy_answer answer = ask_policy(r, h, bus, source);
    if (answer == EVENTS_POLICY_DENIES)
        return deny_entry(r, h, bus, NULL, reason);
    if (is_foreign(r, h) && answer != EVENTS_POLICY_ALLOWS)
        return deny_entry(r, h, bus, "resource-based", reason);
    *reason = "Not authorized for the source.";
    return auth_may_send(r->http, source) ? NULL : "NotAuthorizedForSourceException";
}
