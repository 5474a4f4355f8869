/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partner event sources: event buses that companies with a contract fill from outside. There are none here and none can
 * come, so what lists them finds nothing, what names one does not find it, and what would make, change or feed one is
 * answered with OperationDisabledException, which the service model has for places without them. Requests are checked
 * as any other's.
 */
#include "router/api/events.h"

struct input { /* no operation uses what it is given, but for names in messages */
    struct str name, prefix, account, token, entries;
    int64_t limit;
};

struct partner_entry {
    int64_t time_ms;
    struct str source, resources, detail_type, detail;
};

static struct aws_regex source_regex = AWS_REGEX("aws\\.partner(/[\\.\\-_A-Za-z0-9]+){2,}");
static struct aws_regex prefix_regex = AWS_REGEX("[/\\.\\-_A-Za-z0-9]+");
static struct aws_regex partner_prefix_regex = AWS_REGEX("aws\\.partner/[\\.\\-_A-Za-z0-9]+/[/\\.\\-_A-Za-z0-9]*");
static struct aws_regex account_regex = AWS_REGEX("\\d{12}");

#define SOURCE_NAME(member)                                                                                            \
    AWS_MEMBER(struct input, member, AWS_STRING, name, .required = true, .min = 1, .max = 256, .regex = &source_regex)
#define PAGE                                                                                                           \
    AWS_MEMBER(struct input, "NextToken", AWS_STRING, token, .min = 1, .max = 2048),                                   \
        AWS_MEMBER(struct input, "Limit", AWS_INTEGER, limit, .min = 1, .max = 100)

static const struct aws_member name_members[] = {
    SOURCE_NAME("Name"),
    {0},
};

static const struct aws_member account_members[] = {
    SOURCE_NAME("Name"),
    AWS_MEMBER(struct input, "Account", AWS_STRING, account, .required = true, .min = 12, .max = 12,
               .regex = &account_regex),
    {0},
};

static const struct aws_member list_members[] = {
    AWS_MEMBER(struct input, "NamePrefix", AWS_STRING, prefix, .min = 1, .max = 256, .regex = &prefix_regex),
    PAGE,
    {0},
};

static const struct aws_member partner_list_members[] = {
    AWS_MEMBER(struct input, "NamePrefix", AWS_STRING, prefix, .required = true, .min = 1, .max = 256,
               .regex = &partner_prefix_regex),
    PAGE,
    {0},
};

static const struct aws_member accounts_members[] = {
    SOURCE_NAME("EventSourceName"),
    PAGE,
    {0},
};

static const struct aws_member put_members[] = {
    AWS_MEMBER(struct input, "Entries", AWS_LIST, entries, .required = true, .min = 1, .max = 20,
               .element = AWS_STRUCTURE, .shape = "PutPartnerEventsRequestEntry"),
    {0},
};

static const struct aws_member entry_members[] = {
    AWS_MEMBER(struct partner_entry, "Time", AWS_TIMESTAMP, time_ms),
    AWS_MEMBER(struct partner_entry, "Source", AWS_STRING, source, .min = 1, .max = 256, .regex = &source_regex),
    AWS_MEMBER(struct partner_entry, "Resources", AWS_LIST, resources, .element = AWS_STRING),
    AWS_MEMBER(struct partner_entry, "DetailType", AWS_STRING, detail_type),
    AWS_MEMBER(struct partner_entry, "Detail", AWS_STRING, detail),
    {0},
};

void events_fail_disabled(struct aws_request *r)
{
    aws_fail(r, 400, "OperationDisabledException", "The operation you are attempting is not available in this region.");
}

static bool read(struct aws_request *r, const struct aws_member *members, struct input *in)
{
    return aws_read(r, r->input, "", members, in) && aws_valid(r);
}

static void list_none(struct aws_request *r, const struct aws_member *members, const char *key)
{
    struct input in = {0};
    struct buf json = BUF_INIT;

    if (!read(r, members, &in))
        return;
    buf_printf(&json, "{\"%s\":[]}", key);
    aws_reply(r, &json);
    buf_fini(&json);
}

static void find_none(struct aws_request *r, const struct aws_member *members)
{
    struct input in = {0};

    if (read(r, members, &in))
        aws_fail(r, 400, "ResourceNotFoundException", "Event source %.*s does not exist.", STR_ARG(in.name));
}

static void refuse(struct aws_request *r, const struct aws_member *members)
{
    struct input in = {0};

    if (read(r, members, &in))
        events_fail_disabled(r);
}

void events_list_event_sources(struct aws_request *r)
{
    list_none(r, list_members, "EventSources");
}

void events_list_partner_event_sources(struct aws_request *r)
{
    list_none(r, partner_list_members, "PartnerEventSources");
}

void events_list_partner_event_source_accounts(struct aws_request *r)
{
    find_none(r, accounts_members);
}

void events_describe_event_source(struct aws_request *r)
{
    find_none(r, name_members);
}

void events_change_event_source(struct aws_request *r)
{
    refuse(r, name_members);
}

void events_change_partner_event_source(struct aws_request *r)
{
    refuse(r, account_members);
}

void events_put_partner_events(struct aws_request *r)
{
    struct input in = {0};
    struct aws_list list;
    struct str one;
    struct buf path = BUF_INIT;
    bool ok = aws_read(r, r->input, "", put_members, &in);

    for (aws_list_start(&list, in.entries.ptr ? in.entries : STR("[]")); ok && aws_list_next(&list, &one);) {
        struct partner_entry entry;
        buf_clear(&path);
        buf_printf(&path, "entries.%u.member.", list.index);
        ok = aws_read(r, one, buf_cstr(&path), entry_members, &entry);
    }
    buf_fini(&path);
    if (ok && aws_valid(r))
        events_fail_disabled(r);
}
