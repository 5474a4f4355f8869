/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts: what became of one attempt at a delivery. Texts are cut to their fields, so a verdict can be
 * copied and kept without owning anything.
 */
#include "targets/adapter.h"

#include <stdarg.h>
#include <stdio.h>

void verdict_set(struct verdict *v, enum verdict_kind kind, const char *code, const char *format, ...)
{
    va_list args;

    *v = (struct verdict){.kind = kind, .retry_after_ms = -1};
    snprintf(v->code, sizeof(v->code), "%s", code ? code : "");
    va_start(args, format);
    vsnprintf(v->message, sizeof(v->message), format, args);
    va_end(args);
}
