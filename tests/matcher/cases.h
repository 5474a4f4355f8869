/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MATCHER_CASES_H
#define TESTS_MATCHER_CASES_H

/*
 * Test cases as text: a case is some lines, a blank line ends it, # starts a comment, and ␤ and ␉ stand for a line feed
 * and a tab.
 */

#include <stdio.h>

#include "matcher/buf.h"

struct cases {
    FILE *file;
    const char *name;
    int line;
};

void cases_open(struct cases *c, const char *name); /* fails the test where there is no such file */
void cases_close(struct cases *c);
/* The next line that is no comment, without its end, NUL-terminated; false at the end of the file. */
bool cases_line(struct cases *c, struct buf *line);
/* The first line of the next case. */
bool cases_next(struct cases *c, struct buf *line);

#endif
