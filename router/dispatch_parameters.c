/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a delivery to an API destination carries besides its input: the rule's `http_parameters`, constants and what
 * paths find in the event. Rendered into one block of the flight's when it is sent, as the input is.
 */
#include <stdlib.h>

#include "router/dispatch_int.h"
#include "router/xalloc.h"
#include "targets/api_destination.h"

/* The values that paths find, one behind the other, each ended by a NUL, into f->values. */
static bool find_values(struct flight *f, const struct rule_target *entry, struct weir_diag *diag)
{
    buf_clear(&f->values);
    for (uint32_t i = 0; i < entry->parameter_count; i++) {
        if (!entry->parameters[i].path)
            continue;
        if (!flight_find_text(f, entry->parameters[i].path, "http_parameters", &f->values, diag))
            return false;
        buf_char(&f->values, '\0');
    }
    xbuf(&f->values);
    return true;
}

bool flight_parameters(struct flight *f, struct weir_diag *diag)
{
    const struct rule_target *entry = f->route->entry;
    size_t at = 0;

    f->d.parameters = NULL;
    f->d.parameter_count = 0;
    if (!entry->parameter_count || f->outlet->def->adapter != &api_destination_adapter)
        return true;
    if (!find_values(f, entry, diag))
        return false;
    f->parameters = xrealloc(f->parameters, entry->parameter_count * sizeof *f->parameters);
    for (uint32_t i = 0; i < entry->parameter_count; i++) {
        const struct rule_parameter *p = &entry->parameters[i];
        struct str value = p->path ? str_from(f->values.data + at) : p->value;
        f->parameters[i] = (struct delivery_parameter){p->place, p->name, value};
        at += p->path ? value.size + 1 : 0;
    }
    f->d.parameters = f->parameters;
    f->d.parameter_count = entry->parameter_count;
    return true;
}
