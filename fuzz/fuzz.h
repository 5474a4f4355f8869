/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

/*
 * What the fuzz targets share. A target is one function over bytes; libFuzzer calls it (make fuzz), or
 * standalone_main.c does with files (make check).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_text {
    const char *at;
    size_t size;
};

/* The next line of *rest, without its end, which moves behind it. False: there is none. */
static inline bool fuzz_line(struct fuzz_text *rest, struct fuzz_text *line)
{
    const char *end;

    if (rest->size == 0)
        return false;
    end = memchr(rest->at, '\n', rest->size);
    *line = (struct fuzz_text){rest->at, end != NULL ? (size_t)(end - rest->at) : rest->size};
    rest->at += line->size + (end != NULL);
    rest->size -= line->size + (end != NULL);
    return true;
}

/* A copy of exactly that size on the heap, so that a sanitizer sees the first byte read behind it. */
static inline char *fuzz_exact(const void *at, size_t size)
{
    char *copy = malloc(size);

    if (copy == NULL && size > 0)
        abort();
    if (size > 0)
        memcpy(copy, at, size);
    return copy;
}

#endif
