/* SPDX-License-Identifier: Apache-2.0 */
/* The sources: a row each. */
#include "router/sources/source.h"

extern const struct source events_source, s3_source, cloudtrail_source;

const struct source *const sources[] = {&events_source, &s3_source, &cloudtrail_source, NULL};

const struct source *source_find(struct str name)
{
    for (const struct source *const *s = sources; *s; s++)
        if (str_is(name, (*s)->name))
            return *s;
    return NULL;
}
