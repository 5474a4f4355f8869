/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to a running router: one libcurl handle for the process, so that a verb's calls share a connection. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/cli/cli.h"
#include "router/xalloc.h"

#define CONNECT_SECONDS 5

static CURL *handle(void)
{
    static CURL *curl;
    if (!curl)
        curl = curl_easy_init();
    if (!curl)
        xfail("out of memory");
    curl_easy_reset(curl);
    return curl;
}

static size_t receive_cb(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;
    buf_add(body, bytes, size * count);
    return body->failed ? 0 : size * count;
}

void reply_fini(struct reply *r)
{
    buf_fini(&r->body);
}

static void take_message(struct reply *r)
{
    struct str text = json_check(buf_view(&r->body), NULL, NULL) && json_type_of(buf_view(&r->body)) == JSON_OBJECT
                          ? json_member(buf_view(&r->body), "message")
                          : (struct str){0};
    struct buf decoded = BUF_INIT;

    if (text.size && text.ptr[0] == '"')
        json_decode(&decoded, text);
    snprintf(r->message, sizeof r->message, "%s", decoded.size ? buf_cstr(&decoded) : "no reason given");
    buf_fini(&decoded);
}

/* The token, or what its file holds but for white space at the end; NULL: none, or no such file, as it says then. */
static const char *token_of(const struct cli *cli)
{
    static struct buf text = BUF_INIT;

    if (!cli->token || cli->token[0] != '@' || text.size)
        return text.size ? buf_cstr(&text) : cli->token;
    if (input_read(cli->token + 1, &text) != EXIT_DONE)
        return NULL;
    while (text.size && text.data[text.size - 1] <= ' ')
        text.size--;
    return buf_cstr(&text);
}

static struct curl_slist *add_token(const struct cli *cli, struct curl_slist *headers)
{
    const char *token = token_of(cli);
    struct buf line = BUF_INIT;

    if (!token)
        return headers;
    buf_printf(&line, "Authorization: Bearer %s", token);
    headers = curl_slist_append(headers, buf_cstr(&line));
    buf_fini(&line);
    return headers;
}

static void call(const struct cli *cli, const char *method, const char *path, struct str body, const char *content_type,
                 struct reply *out)
{
    CURL *curl = handle();
    struct buf url = BUF_INIT, type = BUF_INIT;
    struct curl_slist *headers = NULL;

    *out = (struct reply){0};
    buf_printf(&url, "%.*s%s", (int)(strlen(cli->url) - (*cli->url && cli->url[strlen(cli->url) - 1] == '/')), cli->url,
               path);
    buf_printf(&type, "Content-Type: %s", content_type ? content_type : "application/json");
    headers = add_token(cli, curl_slist_append(NULL, "Expect:"));
    if (body.ptr)
        headers = curl_slist_append(headers, buf_cstr(&type));
    curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&url));
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive_cb);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &out->body);
    if (body.ptr) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.ptr);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (cli->cacert)
        curl_easy_setopt(curl, CURLOPT_CAINFO, cli->cacert);
    if (method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
        curl_off_t wait = 0;
        if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK)
            out->retry_after = (long)wait;
        if (out->status / 100 != 2)
            take_message(out);
    } else if (code == CURLE_COULDNT_CONNECT) {
        snprintf(out->message, sizeof out->message,
                 "no router answers at %s; start one with 'weir run', or name it with --url", cli->url);
    } else {
        snprintf(out->message, sizeof out->message, "%s: %s", cli->url, curl_easy_strerror(code));
    }
    curl_slist_free_all(headers);
    buf_fini(&type);
    buf_fini(&url);
}

void client_call(const struct cli *cli, const char *path, struct str body, const char *content_type, struct reply *out)
{
    call(cli, NULL, path, body, content_type, out);
}

void client_delete(const struct cli *cli, const char *path, struct reply *out)
{
    call(cli, "DELETE", path, (struct str){0}, NULL, out);
}

int client_failed(const struct cli *cli, const struct reply *r)
{
    if (r->status == 401)
        return cli_fail(EXIT_UNAVAILABLE, "%s asks who you are: %s; see --token", cli->url, r->message);
    int code = r->status == 0 || r->status == 503 ? EXIT_UNAVAILABLE
               : r->status == 404                 ? EXIT_USAGE
               : r->status / 100 == 4             ? EXIT_DATA
                                                  : EXIT_INTERNAL;
    return cli_fail(code, "%s", r->message);
}

void client_escape(struct buf *out, struct str segment)
{
    for (size_t i = 0; i < segment.size; i++) {
        unsigned char c = (unsigned char)segment.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
        if (plain && c)
            buf_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}
