/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling a single diagnosis. Nothing here can fail: a diagnosis is the caller's memory and a long message
 * is cut, so an error path never makes a second error.
 */
#include "targets/fail.h"

#include <stdarg.h>
#include <stdio.h>

bool fail_with(struct weir_diag *diag, enum weir_code code, const char *format, ...)
{
    va_list args;

    *diag = (struct weir_diag){.code = code};
    va_start(args, format);
    vsnprintf(diag->message, sizeof(diag->message), format, args);
    va_end(args);
    return false;
}

bool fail_memory(struct weir_diag *diag)
{
    return fail_with(diag, WEIR_E_MEMORY, "out of memory");
}
