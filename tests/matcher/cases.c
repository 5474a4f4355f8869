/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the files of test cases that the tests of several layers share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/matcher/cases.h"

static void replace_all(struct buf *text, const char *mark, char with)
{
    size_t size = strlen(mark);
    for (size_t i = 0; i + size <= text->size; i++) {
        if (memcmp(text->data + i, mark, size) != 0)
            continue;
        text->data[i] = with;
        memmove(text->data + i + 1, text->data + i + size, text->size - i - size);
        text->size -= size - 1;
    }
}

bool cases_line(struct cases *c, struct buf *line)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size;
    do {
        size = getline(&text, &capacity, c->file);
        c->line++;
    } while (size > 0 && text[0] == '#');
    buf_clear(line);
    if (size > 0)
        buf_add(line, text, (size_t)size - (text[size - 1] == '\n'));
    free(text);
    replace_all(line, "␤", '\n');
    replace_all(line, "␉", '\t');
    buf_cstr(line);
    return size >= 0;
}

bool cases_next(struct cases *c, struct buf *line)
{
    while (cases_line(c, line))
        if (line->size)
            return true;
    return false;
}

void cases_open(struct cases *c, const char *name)
{
    *c = (struct cases){.file = fopen(name, "r"), .name = name};
    if (!c->file)
        fail_msg("cannot open %s: run the tests from the top of the tree", name);
}

void cases_close(struct cases *c)
{
    fclose(c->file);
}
