/* SPDX-License-Identifier: Apache-2.0 */
/* An event pattern that an argument names: JSON, or @FILE. What is wrong with it is shown with its line and a caret. */
#include <stdio.h>

#include "router/cli/cli.h"

static struct weir_matcher *compile(const char *name, struct str pattern)
{
    struct weir_diag diag;
    struct weir_matcher *m = NULL;
    struct weir_builder *b = weir_builder_create();

    if (b)
        weir_builder_allow_extensions(b);
    if (b && weir_builder_add(b, 0, pattern.ptr, pattern.size, &diag))
        m = weir_builder_build(b, &diag);
    if (!b)
        cli_fail(EXIT_INTERNAL, "out of memory");
    else if (!m) {
        struct buf text = BUF_INIT;
        diag_format(&text, name, &diag, pattern);
        fputs(buf_cstr(&text), stderr);
        buf_fini(&text);
    }
    weir_builder_destroy(b);
    return m;
}

enum exit_code cli_pattern(const char *argument, struct buf *text, struct weir_matcher **out)
{
    const char *name = "pattern";
    enum exit_code code = EXIT_DONE;

    *out = NULL;
    *text = (struct buf)BUF_INIT;
    if (*argument == '@')
        code = input_read(name = argument + 1, text);
    else
        buf_text(text, argument);
    if (code == EXIT_DONE)
        *out = compile(name, buf_view(text));
    return code == EXIT_DONE && !*out ? EXIT_CONFIG : code;
}
