/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_BUF_H
#define MATCHER_BUF_H

/*
 * A growing run of bytes. An append that finds no memory (or would pass `max`) sets `failed`, and every
 * later append does nothing: write a whole document, then ask once.
 *
 *     struct buf out = BUF_INIT;
 *     buf_str(&out, STR("{\"n\":"));
 *     buf_printf(&out, "%d}", n);
 *     if (out.failed) …
 *     buf_fini(&out);
 *
 * One thread at a time. `data` is owned by the buf and moves when it grows; it is never NUL-terminated
 * unless buf_cstr() is called.
 */

#include <stdarg.h>

#include "matcher/str.h"

struct buf {
    char *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t max;      /* 0: no bound but memory */
    bool failed;
};

#define BUF_INIT                                                                                                       \
    {                                                                                                                  \
        0                                                                                                              \
    }

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);  /* frees; the buf may be used again as if new */
void buf_clear(struct buf *b); /* size = 0, failed = false; memory stays */

bool buf_reserve(struct buf *b, size_t more); /* room for `more` bytes past size; false sets failed */
void buf_add_growing(struct buf *b, const void *bytes, size_t size); /* buf_add() where there may be no room */
void buf_text(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args);

/* Inline where there is room: most bytes come in small pieces. */
static inline void buf_add(struct buf *b, const void *bytes, size_t size)
{
    if (!size)
        return;
    if (b->failed || b->max || size > b->capacity - b->size) {
        buf_add_growing(b, bytes, size);
        return;
    }
    memcpy(b->data + b->size, bytes, size);
    b->size += size;
}

static inline void buf_str(struct buf *b, struct str s)
{
    buf_add(b, s.ptr, s.size);
}

/* NUL-terminates (the NUL is not counted) and returns data; "" when failed. */
const char *buf_cstr(struct buf *b);

static inline struct str buf_view(const struct buf *b)
{
    return (struct str){b->data, b->size};
}

#endif
