/* SPDX-License-Identifier: Apache-2.0 */
/*
 * %-encoding as it comes in keys of S3 notifications and in CloudEvents' headers. What becomes of it is bytes: whether
 * they are UTF-8 is the caller's question.
 */
#include "router/sources/percent.h"

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

bool percent_decode(struct buf *out, struct str text, bool plus_is_space)
{
    bool whole = true;

    for (size_t i = 0; i < text.size; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.size ? hex(text.ptr[i + 2]) : -1;
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            } else {
                whole = false;
            }
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        buf_char(out, c);
    }
    return whole;
}
