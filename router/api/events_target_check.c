/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service model does not say of a target and AWS checks, in its words: at most one input, JSON and paths that
 * can be read, known placeholders, a message group for a FIFO queue, an ARN. A bare name is taken as one of weir.yaml's
 * references, where it names a target.
 *
 * That an ARN names nothing is no error, as at AWS; which it may, and what then becomes of events, is the loader's.
 */
#include "router/api/events_target.h"
#include "router/xalloc.h"
#include "targets/archive.h"
#include "targets/bus.h"
#include "targets/missing.h"
#include "targets/queue.h"

#define DIAGS_MAX      8
#define INPUT_SHOWN    11 /* bytes of an input that AWS repeats in an error */
#define ARN_COLONS_MIN 5  /* arn:partition:service:region:account:resource */

static bool fail(struct aws_request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct aws_request *r, const char *format, ...)
{
    struct buf message = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    struct str kept = aws_keep(&r->arena, &message);
    aws_fail(r, 400, "ValidationException", "%.*s", STR_ARG(kept));
    return false;
}

static bool is_arn(struct str text)
{
    unsigned colons = 0;

    for (size_t i = 0; i < text.size; i++)
        colons += text.ptr[i] == ':';
    return str_starts(text, STR("arn:")) && colons >= ARN_COLONS_MIN;
}

const struct target_def *events_target_find(const struct ruleset *set, struct str reference)
{
    const char *slash = reference.size ? memchr(reference.ptr, '/', reference.size) : NULL;

    if (str_starts(reference, STR("arn:"))) {
        for (uint32_t i = 0; i < set->target_count; i++)
            if (str_eq(set->targets[i]->arn, reference) && set->targets[i]->adapter != &missing_adapter)
                return set->targets[i];
        return NULL;
    }
    if (!slash)
        return ruleset_target(set, NULL, reference);
    struct str kind = {reference.ptr, (size_t)(slash - reference.ptr)};
    const struct adapter *adapter = target_adapter_find(kind);
    return adapter ? ruleset_target(set, adapter->type, (struct str){slash + 1, reference.size - kind.size - 1}) : NULL;
}

static bool check_reference(struct aws_request *r, const struct ruleset *set, struct str reference)
{
    return is_arn(reference) || (!str_starts(reference, STR("arn:")) && events_target_find(set, reference)) ||
           fail(r, "Parameter %.*s is not valid. Reason: Provided Arn is not in correct format.", STR_ARG(reference));
}

/* By its ARN alone where the queue is not there (yet). */
static bool is_queue(const struct ruleset *set, struct str reference)
{
    const struct target_def *def = events_target_find(set, reference);

    return def ? def->adapter == &queue_adapter
               : memmem(reference.ptr, reference.size, ":sqs:", strlen(":sqs:")) != NULL;
}

static bool check_input(struct aws_request *r, const struct events_target *t)
{
    struct weir_diag diag;

    if (!t->input.ptr || json_check(t->input, NULL, &diag))
        return true;
    struct str shown = {t->input.ptr, t->input.size < INPUT_SHOWN ? t->input.size : INPUT_SHOWN};
    while (shown.size < t->input.size && shown.size && ((unsigned char)shown.ptr[shown.size] & 0xC0) == 0x80)
        shown.size--;
    return fail(r, "JSON syntax error in input for target %.*s: [Source: (String)\"%.*s%s\"; line: %d, column: %d]",
                STR_ARG(t->id), STR_ARG(shown), shown.size < t->input.size ? "..<removed_extra_data>" : "", diag.line,
                diag.column);
}

/* The first error of what the rules' own readers say. */
static bool fail_by(struct aws_request *r, const char *what, const struct events_target *t, const struct diags *diags)
{
    for (size_t i = 0; i < diags->count; i++)
        if (!diags->list[i].warning)
            return fail(r, "Invalid %s for target %.*s : %s.", what, STR_ARG(t->id), diags->list[i].message);
    xfail("out of memory");
}

/* The name of a placeholder that means nothing; {NULL,0}: all do. The reader's message has it in <>. */
static struct str bad_placeholder(const struct diags *diags)
{
    for (size_t i = 0; i < diags->count; i++) {
        const char *found = strstr(diags->list[i].message, "invalid placeholder '<");
        const char *name = found ? strchr(found, '<') + 1 : NULL;
        if (name)
            return (struct str){name, strcspn(name, ">")};
    }
    return (struct str){NULL, 0};
}

/* ok: it can be read. */
static bool answer_input(struct aws_request *r, const char *what, const struct events_target *t, struct diags *diags,
                         bool ok)
{
    struct str placeholder = bad_placeholder(diags);

    if (placeholder.ptr)
        ok = fail(r, "InputTemplate for target %.*s contains invalid placeholder %.*s.", STR_ARG(t->id),
                  STR_ARG(placeholder));
    else if (!ok)
        ok = fail_by(r, what, t, diags);
    diags_fini(diags);
    return ok;
}

static bool check_path(struct aws_request *r, const struct events_target *t)
{
    struct diags diags;

    if (!t->input_path.size)
        return true;
    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    bool ok = input_path(&r->arena, t->input_path, (struct diag_pos){0}, &diags) != NULL;
    return answer_input(r, "InputPath", t, &diags, ok);
}

static bool check_transformer(struct aws_request *r, const struct events_target *t)
{
    struct diags diags;

    if (!t->transformer.ptr)
        return true;
    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    bool ok = input_transformer(&r->arena, t->pairs, t->pair_count, t->template, NULL, &diags) != NULL;
    return answer_input(r, "InputTemplate", t, &diags, ok);
}

static bool check_inputs(struct aws_request *r, const struct events_target *t)
{
    if ((t->input.ptr != NULL) + (t->input_path.ptr != NULL) + (t->transformer.ptr != NULL) > 1)
        return fail(r, "Only one of Input, InputPath, or InputTransformer must be provided for target %.*s.",
                    STR_ARG(t->id));
    return check_input(r, t) && check_path(r, t) && check_transformer(r, t);
}

static bool check_dead_letter(struct aws_request *r, const struct ruleset *set, const struct events_target *t)
{
    if (!t->dead_letter.ptr)
        return true;
    if (!check_reference(r, set, t->dead_letter))
        return false;
    return (is_queue(set, t->dead_letter) && !queue_is_fifo(t->dead_letter)) ||
           fail(r,
                "Parameter DeadLetterConfig is not valid for target %.*s. Reason: a dead-letter queue is a standard "
                "queue of SQS.",
                STR_ARG(t->id));
}

/* What weir.yaml would not take either. */
static bool check_suits(struct aws_request *r, const struct ruleset *set, struct str bus, const struct events_target *t)
{
    const struct target_def *def = events_target_find(set, t->arn);
    bool has_input = t->input.ptr || t->input_path.ptr || t->transformer.ptr;

    if (def && def->adapter == &archive_adapter) {
        const struct archive_options *archive = def->options;
        return !archive->bus.ptr || str_eq(archive->bus, bus) ||
               fail(r, "Parameter %.*s is not valid. Reason: Archive %.*s does not belong to EventBus %.*s.",
                    STR_ARG(t->arn), STR_ARG(def->name), STR_ARG(bus));
    }
    if (!def || def->adapter != &bus_adapter)
        return true;
    if (str_eq(def->name, bus))
        return fail(r, "Parameter %.*s is not valid. Reason: EventBus %.*s cannot be a target of its own rules.",
                    STR_ARG(t->arn), STR_ARG(bus));
    return !has_input || fail(r,
                              "Input, InputPath and InputTransformer are not supported for target %.*s: an event "
                              "bus takes the event as it is.",
                              STR_ARG(t->id));
}

bool events_target_check(struct aws_request *r, struct str bus, const struct events_target *t)
{
    const struct ruleset *set = http_set(r->http);

    if (!check_reference(r, set, t->arn) || !check_inputs(r, t) || !check_dead_letter(r, set, t) ||
        !check_suits(r, set, bus, t))
        return false;
    return t->group.size || !is_queue(set, t->arn) || !queue_is_fifo(t->arn) ||
           fail(r, "Parameter(s) SqsParameters must be specified for target: %.*s.", STR_ARG(t->id));
}
