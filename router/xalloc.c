/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that ends the process when there is no memory. The router can afford that: whatever it answered is on
 * disk, and a restart goes on where it was. Libraries below report instead.
 */
#include "router/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_INTERNAL = 70 };

_Noreturn void xfail(const char *what)
{
    (void)!write(STDERR_FILENO, "weir: ", 6);
    (void)!write(STDERR_FILENO, what, strlen(what));
    (void)!write(STDERR_FILENO, "\n", 1);
    _exit(EXIT_INTERNAL);
}

void *xarray(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        xfail("out of memory");
    return memory;
}

void *xalloc(size_t size)
{
    return xarray(1, size);
}

void *xrealloc(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        xfail("out of memory");
    return memory;
}

char *xtext(struct str s)
{
    char *text = xalloc(s.size + 1);
    if (s.size)
        memcpy(text, s.ptr, s.size);
    return text;
}

struct str xstr(struct str s)
{
    return (struct str){xtext(s), s.size};
}

void xbuf(const struct buf *b)
{
    if (b->failed)
        xfail("out of memory");
}
