/* SPDX-License-Identifier: Apache-2.0 */
/* The small grammar of HTTP requests: names and values of headers, and percent-encoding (RFC 9110, RFC 3986). */
#include "targets/http_text.h"

#include <ctype.h>
#include <strings.h>

bool http_is_header_name(struct str s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] == 0x7F || strchr("()<>@,;:\\\"/[]?={}", s.ptr[i]))
            return false;
    return s.size;
}

bool http_is_header_value(struct str s)
{
    for (size_t i = 0; i < s.size; i++)
        if (((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] == 0x7F)
            return false;
    return true;
}

bool http_is_framing(const char *name)
{
    return strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0;
}

void http_write_encoded(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x80 && (isalnum(c) || strchr("-._~", c)) && c)
            buf_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}
