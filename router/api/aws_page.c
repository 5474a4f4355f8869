/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of pages, see aws_page.h: the key in hexadecimal digits behind a check sum over the list's name and the key.
 * The sum is no secret; who forges one begins at another key, which is no harm.
 */
#include "router/api/aws_page.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/hash.h"
#include "router/xalloc.h"

#define SUM_DIGITS 16

static uint64_t sum_of(const char *list, struct str key)
{
    return hash_bytes(hash_bytes(0, list, strlen(list)), key.ptr ? key.ptr : "", key.size);
}

void aws_token_write(struct buf *json, const char *list, struct str last)
{
    buf_printf(json, "\"%016llx", (unsigned long long)sum_of(list, last));
    for (size_t i = 0; i < last.size; i++)
        buf_printf(json, "%02x", (unsigned char)last.ptr[i]);
    buf_char(json, '"');
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool aws_token_read(struct arena *a, const char *list, struct str token, struct str *after)
{
    char *key, sum[SUM_DIGITS + 1];
    size_t size = token.size / 2 - SUM_DIGITS / 2;

    if (token.size < SUM_DIGITS || token.size % 2 || !(key = arena_alloc(a, size)))
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = digit(token.ptr[SUM_DIGITS + 2 * i]), low = digit(token.ptr[SUM_DIGITS + 2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (char)(high << 4 | low);
    }
    *after = (struct str){key, size};
    snprintf(sum, sizeof sum, "%016llx", (unsigned long long)sum_of(list, *after));
    return memcmp(sum, token.ptr, SUM_DIGITS) == 0;
}
