/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is served of AWS's APIs, from the very tables that serve it: a row for all operations of a service that differ
 * from AWS in the same way.
 */
#include "router/api/aws_coverage.h"

#include "router/api/aws.h"

static bool same(const struct aws_operation *a, const struct aws_operation *b)
{
    return !a->run == !b->run && str_eq(str_from(a->differs), str_from(b->differs));
}

static bool is_first(const struct aws_service *service, const struct aws_operation *one)
{
    for (const struct aws_operation *before = service->operations; before < one; before++)
        if (same(before, one))
            return false;
    return true;
}

static void write_row(struct buf *out, const struct aws_service *service, const struct aws_operation *first)
{
    const char *comma = "";

    buf_text(out, "| ");
    for (const struct aws_operation *one = first; one->name; one++) {
        if (!same(one, first))
            continue;
        buf_printf(out, "%s%s", comma, one->name);
        comma = ", ";
    }
    buf_printf(out, " | %s | %s |\n", first->run ? "yes" : "no", first->differs ? first->differs : "");
}

static void write_service(struct buf *out, const struct aws_service *service)
{
    unsigned served = 0, count = 0;

    for (const struct aws_operation *one = service->operations; one->name; one++, count++)
        served += one->run != NULL;
    if (!count)
        return;
    buf_printf(
        out,
        "\n**%s**: %u of %u operations.\n\n| operations | served | differs from AWS, on purpose |\n|---|---|---|\n",
        service->title, served, count);
    for (const struct aws_operation *one = service->operations; one->name; one++)
        if (is_first(service, one))
            write_row(out, service, one);
}

void aws_coverage_write(struct buf *out)
{
    for (const struct aws_service *const *one = aws_services; *one; one++)
        write_service(out, *one);
    buf_char(out, '\n');
}
