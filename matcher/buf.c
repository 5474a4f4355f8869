/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing byte buffers. Capacity doubles, so a document of n bytes costs O(n) copying in all; with a bound
 * it never grows past that bound. Failure is sticky: callers write everything and ask once.
 */
#include "matcher/buf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Most bufs hold a line of JSON; smaller starts only cost reallocs. */
#define CAPACITY_MIN 256

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->size = 0;
    b->failed = false;
}

static bool fail(struct buf *b)
{
    b->failed = true;
    return false;
}

bool buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more <= b->capacity - b->size && (!b->max || more <= b->max - b->size))
        return true;
    if (more > SIZE_MAX - b->size || (b->max && more > b->max - b->size))
        return fail(b);

    size_t need = b->size + more;
    size_t capacity = b->capacity > SIZE_MAX / 2 ? need : b->capacity * 2;
    if (capacity < need)
        capacity = need;
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN;
    if (b->max && capacity > b->max)
        capacity = b->max;
    char *data = realloc(b->data, capacity);
    if (!data)
        return fail(b);
    b->data = data;
    b->capacity = capacity;
    return true;
}

void buf_add_growing(struct buf *b, const void *bytes, size_t size)
{
    if (!buf_reserve(b, size))
        return;
    memcpy(b->data + b->size, bytes, size);
    b->size += size;
}

void buf_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
    if (buf_reserve(b, 1))
        b->data[b->size++] = c;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    char small[CAPACITY_MIN];
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(small, sizeof(small), format, args);
    assert(size >= 0);
    if ((size_t)size < sizeof(small)) {
        buf_add(b, small, (size_t)size);
    } else if (buf_reserve(b, (size_t)size)) {
        /* vsnprintf writes a NUL that is not ours: it must not count against max, so it gets its own room. */
        size_t max = b->max;
        b->max = 0;
        if (buf_reserve(b, (size_t)size + 1)) {
            vsnprintf(b->data + b->size, (size_t)size + 1, format, again);
            b->size += (size_t)size;
        }
        b->max = max;
    }
    va_end(again);
}

const char *buf_cstr(struct buf *b)
{
    size_t max = b->max;
    b->max = 0; /* the NUL is not counted */
    bool room = buf_reserve(b, 1);
    b->max = max;
    if (!room)
        return "";
    b->data[b->size] = '\0';
    return b->data;
}
