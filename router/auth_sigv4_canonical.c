/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical request: what both sides must write alike, byte for byte, before they hash it.
 *
 *     METHOD \n path \n query \n header:value \n … \n \n signed;headers \n payload hash
 *
 * The path is normalised as for all services but S3 (no empty and dot segments) and encoded as it was sent, so once
 * more. Parameters are decoded and encoded anew, so that all spellings of one byte are the same; what handlers read is
 * decoded alike. Several headers of a name are joined by commas in their order.
 */
#include <stdlib.h>

#include "router/auth_sigv4_int.h"

/* ---- percent-encoding ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void sigv4_decode(struct buf *out, struct str text, bool plus)
{
    for (size_t i = 0; i < text.size; i++) {
        int high = -1, low = -1;
        if (text.ptr[i] == '%' && i + 2 < text.size) {
            high = digit_of(text.ptr[i + 1]);
            low = digit_of(text.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            buf_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_char(out, plus && text.ptr[i] == '+' ? ' ' : text.ptr[i]);
        }
    }
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static void encode(struct buf *out, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved(text.ptr[i])) {
            buf_char(out, text.ptr[i]);
        } else {
            buf_char(out, '%');
            buf_char(out, digits[c >> 4]);
            buf_char(out, digits[c & 15]);
        }
    }
}

/* ---- the path ---- */

/* Takes back what stands behind the last slash, and the slash. */
static void drop_segment(struct buf *out, size_t start)
{
    while (out->size > start && out->data[out->size - 1] != '/')
        out->size--;
    if (out->size > start)
        out->size--;
}

static void write_path(struct buf *out, struct str path)
{
    size_t start = out->size;

    for (size_t at = 0; at < path.size;) {
        const char *slash = memchr(path.ptr + at, '/', path.size - at);
        struct str segment = {path.ptr + at, (slash ? (size_t)(slash - path.ptr) : path.size) - at};
        at += segment.size + 1;
        if (!segment.size || str_is(segment, "."))
            continue;
        if (str_is(segment, "..")) {
            drop_segment(out, start);
            continue;
        }
        buf_char(out, '/');
        encode(out, segment);
    }
    if (out->size == start || (path.size > 1 && path.ptr[path.size - 1] == '/'))
        buf_char(out, '/');
}

/* ---- the query ---- */

struct parameter {
    size_t name, value, end; /* offsets in the encoded text */
};

struct parameters {
    struct buf text;
    struct parameter list[SIGV4_PARAMETERS_MAX];
    size_t count;
};

bool sigv4_next_parameter(struct str *rest, struct str *name, struct str *value)
{
    while (rest->size && rest->ptr[0] == '&')
        *rest = (struct str){rest->ptr + 1, rest->size - 1};
    if (!rest->size)
        return false;
    const char *end = memchr(rest->ptr, '&', rest->size);
    size_t size = end ? (size_t)(end - rest->ptr) : rest->size;
    const char *equals = memchr(rest->ptr, '=', size);
    size_t name_size = equals ? (size_t)(equals - rest->ptr) : size;

    *name = (struct str){rest->ptr, name_size};
    *value = equals ? (struct str){equals + 1, size - name_size - 1} : STR("");
    *rest = (struct str){rest->ptr + size, rest->size - size};
    return true;
}

static int parameter_cmp(const void *a, const void *b, void *context)
{
    const char *text = context;
    const struct parameter *x = a, *y = b;
    int order =
        str_cmp((struct str){text + x->name, x->value - x->name}, (struct str){text + y->name, y->value - y->name});

    return order ? order
                 : str_cmp((struct str){text + x->value, x->end - x->value},
                           (struct str){text + y->value, y->end - y->value});
}

static void add_parameter(struct parameters *p, struct str name, struct str value)
{
    struct parameter *one = &p->list[p->count++];
    struct buf plain = BUF_INIT;

    one->name = p->text.size;
    sigv4_decode(&plain, name, true);
    encode(&p->text, buf_view(&plain));
    one->value = p->text.size;
    buf_clear(&plain);
    sigv4_decode(&plain, value, true);
    encode(&p->text, buf_view(&plain));
    one->end = p->text.size;
    p->text.failed |= plain.failed;
    buf_fini(&plain);
}

static bool is_signature(struct str name)
{
    return str_is(name, "X-Amz-Signature");
}

static void write_query(struct buf *out, struct str query, bool presigned)
{
    struct parameters p = {.text = BUF_INIT};
    struct str name, value;

    while (p.count < SIGV4_PARAMETERS_MAX && sigv4_next_parameter(&query, &name, &value))
        if (!presigned || !is_signature(name))
            add_parameter(&p, name, value);
    if (p.text.failed || sigv4_next_parameter(&query, &name, &value)) {
        out->failed = true; /* no memory, or more than anybody signs */
    } else {
        char *text = p.text.data ? p.text.data : (char *)""; /* "?=" has no text at all */
        qsort_r(p.list, p.count, sizeof p.list[0], parameter_cmp, text);
        for (size_t i = 0; i < p.count; i++) {
            const struct parameter *one = &p.list[i];
            if (i)
                buf_char(out, '&');
            buf_add(out, text + one->name, one->value - one->name);
            buf_char(out, '=');
            buf_add(out, text + one->value, one->end - one->value);
        }
    }
    buf_fini(&p.text);
}

/* ---- headers ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without blanks at its ends, and with single ones within. */
static void write_trimmed(struct buf *out, struct str value)
{
    bool begun = false;

    for (size_t i = 0; i < value.size; i++) {
        if (is_blank(value.ptr[i]))
            continue;
        if (begun && is_blank(value.ptr[i - 1]))
            buf_char(out, ' ');
        buf_char(out, value.ptr[i]);
        begun = true;
    }
}

static bool is_named(struct str header, struct str lower)
{
    if (header.size != lower.size)
        return false;
    for (size_t i = 0; i < header.size; i++) {
        char c = header.ptr[i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c) != lower.ptr[i])
            return false;
    }
    return true;
}

static void write_header(const struct sigv4_request *r, struct str name, struct buf *out)
{
    bool found = false;

    buf_str(out, name);
    buf_char(out, ':');
    for (size_t i = 0; i < r->header_count; i++) {
        if (!is_named(r->headers[i].name, name))
            continue;
        if (found)
            buf_char(out, ',');
        write_trimmed(out, r->headers[i].value);
        found = true;
    }
    buf_char(out, '\n');
}

/* ---- all of it ---- */

void sigv4_write_canonical(const struct sigv4_request *r, const struct sigv4_credential *c, struct str payload_hash,
                           struct buf *out)
{
    buf_str(out, r->method);
    buf_char(out, '\n');
    write_path(out, r->path);
    buf_char(out, '\n');
    write_query(out, r->query, c->presigned);
    buf_char(out, '\n');
    for (size_t at = 0; at < c->signed_headers.size;) {
        const char *end = memchr(c->signed_headers.ptr + at, ';', c->signed_headers.size - at);
        size_t size = (end ? (size_t)(end - c->signed_headers.ptr) : c->signed_headers.size) - at;
        write_header(r, (struct str){c->signed_headers.ptr + at, size}, out);
        at += size + 1;
    }
    buf_char(out, '\n');
    buf_str(out, c->signed_headers);
    buf_char(out, '\n');
    buf_str(out, payload_hash);
}
