/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structure Target of the service model, and those inside it: what each member is and the bounds it has. Of
 * services that Weir does not have, members are checked as far as a target cannot be without them; all that was sent is
 * kept and shown.
 */
#include <stdio.h>

#include "router/api/events_target.h"
#include "router/xalloc.h"

#define PAIRS_MAX 100

#define MEMBER(member, type, field, ...) AWS_MEMBER(struct events_target, member, type, field, ##__VA_ARGS__)

static const struct aws_member target_members[] = {
    EVENTS_RULE_NAME(struct events_target, "Id", id),
    MEMBER("Arn", AWS_STRING, arn, .required = true, .min = 1, .max = 1600),
    MEMBER("RoleArn", AWS_STRING, role, .min = 1, .max = 1600),
    MEMBER("Input", AWS_STRING, input, .max = 8192),
    MEMBER("InputPath", AWS_STRING, input_path, .max = 256),
    MEMBER("InputTransformer", AWS_STRUCTURE, transformer),
    MEMBER("KinesisParameters", AWS_STRUCTURE, kinesis),
    MEMBER("RunCommandParameters", AWS_STRUCTURE, run),
    MEMBER("EcsParameters", AWS_STRUCTURE, ecs),
    MEMBER("BatchParameters", AWS_STRUCTURE, batch),
    MEMBER("SqsParameters", AWS_STRUCTURE, sqs),
    MEMBER("HttpParameters", AWS_STRUCTURE, http),
    MEMBER("RedshiftDataParameters", AWS_STRUCTURE, redshift),
    MEMBER("SageMakerPipelineParameters", AWS_STRUCTURE, sagemaker),
    MEMBER("DeadLetterConfig", AWS_STRUCTURE, dead_letter_config),
    MEMBER("RetryPolicy", AWS_STRUCTURE, retry),
    MEMBER("AppSyncParameters", AWS_STRUCTURE, appsync),
    {0},
};

static const struct aws_member transformer_members[] = {
    MEMBER("InputPathsMap", AWS_STRUCTURE, paths),
    MEMBER("InputTemplate", AWS_STRING, template, .required = true, .min = 1, .max = 8192),
    {0},
};
static const struct aws_member sqs_members[] = {
    MEMBER("MessageGroupId", AWS_STRING, group, .max = 100),
    {0},
};
static const struct aws_member dead_letter_members[] = {
    MEMBER("Arn", AWS_STRING, dead_letter, .min = 1, .max = 1600),
    {0},
};
static const struct aws_member retry_members[] = {
    MEMBER("MaximumRetryAttempts", AWS_INTEGER, attempts, .max = 185),
    MEMBER("MaximumEventAgeInSeconds", AWS_INTEGER, age_s, .min = 60, .max = 86400),
    {0},
};
static const struct aws_member http_members[] = {
    MEMBER("PathParameterValues", AWS_LIST, list, .element = AWS_STRING),
    MEMBER("HeaderParameters", AWS_STRUCTURE, text),
    MEMBER("QueryStringParameters", AWS_STRUCTURE, text),
    {0},
};

/* Of services that Weir does not have, as far as a target cannot be without. */
static const char *const launch_types[] = {"EC2", "FARGATE", "EXTERNAL", NULL};
static const struct aws_member kinesis_members[] = {
    MEMBER("PartitionKeyPath", AWS_STRING, text, .required = true, .max = 256),
    {0},
};
static const struct aws_member run_members[] = {
    MEMBER("RunCommandTargets", AWS_LIST, list, .required = true, .min = 1, .max = 5, .element = AWS_STRUCTURE,
           .shape = "RunCommandTarget"),
    {0},
};
static const struct aws_member ecs_members[] = {
    MEMBER("TaskDefinitionArn", AWS_STRING, text, .required = true, .min = 1, .max = 1600),
    MEMBER("TaskCount", AWS_INTEGER, number, .min = 1, .max = INT32_MAX),
    MEMBER("LaunchType", AWS_STRING, text, .values = launch_types),
    MEMBER("ReferenceId", AWS_STRING, text, .max = 1024),
    {0},
};
static const struct aws_member batch_members[] = {
    MEMBER("JobDefinition", AWS_STRING, text, .required = true),
    MEMBER("JobName", AWS_STRING, text, .required = true),
    {0},
};
static const struct aws_member redshift_members[] = {
    MEMBER("Database", AWS_STRING, text, .required = true, .min = 1, .max = 64),
    MEMBER("DbUser", AWS_STRING, text, .min = 1, .max = 128),
    MEMBER("StatementName", AWS_STRING, text, .min = 1, .max = 500),
    {0},
};
static const struct aws_member sagemaker_members[] = {
    MEMBER("PipelineParameterList", AWS_LIST, list, .max = 200, .element = AWS_STRUCTURE,
           .shape = "SageMakerPipelineParameter"),
    {0},
};
static const struct aws_member appsync_members[] = {
    MEMBER("GraphQLOperation", AWS_STRING, text, .min = 1, .max = 1048576),
    {0},
};

static const struct {
    const char *name;
    size_t offset; /* of the structure's text */
    const struct aws_member *members;
} structures[] = {
    {"inputTransformer", offsetof(struct events_target, transformer), transformer_members},
    {"kinesisParameters", offsetof(struct events_target, kinesis), kinesis_members},
    {"runCommandParameters", offsetof(struct events_target, run), run_members},
    {"ecsParameters", offsetof(struct events_target, ecs), ecs_members},
    {"batchParameters", offsetof(struct events_target, batch), batch_members},
    {"sqsParameters", offsetof(struct events_target, sqs), sqs_members},
    {"httpParameters", offsetof(struct events_target, http), http_members},
    {"redshiftDataParameters", offsetof(struct events_target, redshift), redshift_members},
    {"sageMakerPipelineParameters", offsetof(struct events_target, sagemaker), sagemaker_members},
    {"deadLetterConfig", offsetof(struct events_target, dead_letter_config), dead_letter_members},
    {"retryPolicy", offsetof(struct events_target, retry), retry_members},
    {"appSyncParameters", offsetof(struct events_target, appsync), appsync_members},
};

static struct aws_regex path_name_regex = AWS_REGEX("[A-Za-z0-9\\_\\-]+");

struct path_pair {
    struct str name, path;
};
static const struct aws_member path_name_members[] = {
    AWS_MEMBER(struct path_pair, "key", AWS_STRING, name, .min = 1, .max = 256, .regex = &path_name_regex),
    {0},
};
static const struct aws_member path_members[] = {
    AWS_MEMBER(struct path_pair, "value", AWS_STRING, path, .max = 256),
    {0},
};

/* A token as the value of an object's only member, so that it can be read as one. */
static struct str wrap(struct aws_request *r, const char *member, struct str token)
{
    struct buf json = BUF_INIT;

    buf_printf(&json, "{\"%s\":%.*s}", member, STR_ARG(token));
    return aws_keep(&r->arena, &json);
}

/* AWS has one fault for a map, whichever of its keys or values broke which constraint. */
static void note_map(struct aws_request *r, const char *path, struct str map, unsigned faults, size_t size,
                     const char *constraint)
{
    if (r->fault_count == faults)
        return;
    r->fault_count = faults;
    r->faults.size = size;
    aws_fault(r, path, "inputPathsMap", map, "%s", constraint);
}

static bool read_pairs(struct aws_request *r, const char *path, struct events_target *t, struct input_pair *pairs)
{
    struct json_reader reader;
    struct json_token token;

    json_reader_init_trusted(&reader, t->paths);
    json_next(&reader, &token);
    while (json_next(&reader, &token) == JSON_KEY) {
        struct path_pair pair = {{NULL, 0}, {NULL, 0}};
        struct str name = token.raw;
        json_next(&reader, &token);
        json_skip(&reader, &token);
        if (!aws_read(r, wrap(r, "key", name), path, path_name_members, &pair) ||
            !aws_read(r, wrap(r, "value", token.raw), path, path_members, &pair))
            return false;
        if (pair.path.ptr)
            pairs[t->pair_count++] = (struct input_pair){.name = pair.name, .path = pair.path, .shared = true};
    }
    return true;
}

/* The names and paths of InputPathsMap. False: answered. */
static bool read_paths(struct aws_request *r, const char *path, struct events_target *t)
{
    struct input_pair *pairs = arena_array(&r->arena, t->paths.size / 6 + 1, sizeof *pairs); /* "a":"", */
    unsigned faults = r->fault_count;
    size_t size = r->faults.size;

    if (!pairs)
        xfail("out of memory");
    t->pairs = pairs;
    if (!read_pairs(r, path, t, pairs))
        return false;
    note_map(r, path, t->paths, faults, size,
             "Map keys must satisfy constraint: [Member must have length less than or equal to 256, Member must have "
             "length greater than or equal to 1, Member must satisfy regular expression pattern: [A-Za-z0-9\\_\\-]+]; "
             "map values: [Member must have length less than or equal to 256]");
    if (t->pair_count > PAIRS_MAX)
        aws_fault(r, path, "inputPathsMap", t->paths, "Member must have length less than or equal to %d", PAIRS_MAX);
    return true;
}

/* An empty text is the same as none. */
static void drop_empty(struct str *text)
{
    if (!text->size)
        *text = (struct str){NULL, 0};
}

bool events_target_read(struct aws_request *r, unsigned index, struct str text, struct events_target *t)
{
    char path[96]; /* targets.100.member.sageMakerPipelineParameters. */

    snprintf(path, sizeof path, "targets.%u.member.", index);
    if (!aws_read(r, text, path, target_members, t))
        return false;
    drop_empty(&t->input);
    drop_empty(&t->input_path);
    for (size_t i = 0; i < sizeof structures / sizeof structures[0]; i++) {
        struct str structure = *(struct str *)((char *)t + structures[i].offset);
        snprintf(path, sizeof path, "targets.%u.member.%s.", index, structures[i].name);
        if (structure.ptr && !aws_read(r, structure, path, structures[i].members, t))
            return false;
    }
    snprintf(path, sizeof path, "targets.%u.member.inputTransformer.", index);
    return !t->paths.ptr || read_paths(r, path, t);
}

/* ---- the form that is kept ---- */

void events_target_write(struct buf *json, const struct events_target *t)
{
    buf_char(json, '{');
    for (const struct aws_member *m = target_members; m->name; m++) {
        struct str value = *(const struct str *)((const char *)t + m->offset);
        if (!value.ptr)
            continue;
        json_write_key(json, m->name);
        if (m->type == AWS_STRING)
            json_write_string(json, value);
        else
            json_minify(json, value);
    }
    buf_char(json, '}');
}
