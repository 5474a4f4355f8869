/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of sources: a new one is one file and one row here. Every row is a route, a metrics label and a --format.
 * The order is that in which a file's format is guessed: the most particular first.
 */
#include "router/sources/source.h"

extern const struct source source_s3, source_cloudtrail, source_cloudevents, source_events;

const struct source *const sources[] = {&source_s3, &source_cloudtrail, &source_cloudevents, &source_events, NULL};

const struct source *source_find(struct str name)
{
    for (const struct source *const *s = sources; *s; s++)
        if (str_is(name, (*s)->name))
            return *s;
    return NULL;
}

const struct source *source_for(const struct source_context *c, const char *route, const char *content_type)
{
    for (const struct source *const *s = sources; *s; s++)
        if ((*s)->route && strcmp((*s)->route, route) == 0 && (*s)->claims(c, content_type))
            return *s;
    return source_find(str_from(route));
}

const struct source *source_guess(struct str body)
{
    for (const struct source *const *s = sources; *s; s++)
        if (*s != &source_events && (*s)->recognise && (*s)->recognise(body))
            return *s;
    return &source_events;
}
