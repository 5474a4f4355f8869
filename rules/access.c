/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deciding by the allow lists of access.h. Patterns are few and short, and texts have bounds of their own, so matching
 * goes back to the last star only: linear in practice, quadratic at worst.
 */
#include "rules/access.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

const char *const access_routes[] = {"events", "s3", "cloudtrail", "metrics", "v1", NULL};

void access_unref(struct access *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < a->key_count + a->token_count; i++) { /* secrets do not stay in freed memory */
        const struct access_holder *h = i < a->key_count ? &a->keys[i] : &a->tokens[i - a->key_count];
        if (h->secret.size)
            explicit_bzero((char *)h->secret.ptr, h->secret.size);
    }
    arena_fini(&a->keep);
    free(a);
}

const struct access_holder *access_find_key(const struct access *a, struct str id)
{
    for (size_t i = 0; i < a->key_count; i++)
        if (str_eq(a->keys[i].id, id))
            return &a->keys[i];
    return NULL;
}

/* ---- patterns ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool access_matches(struct str pattern, struct str text, bool fold)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

    while (t < text.size) {
        if (p < pattern.size && pattern.ptr[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size &&
                   (fold ? lower(pattern.ptr[p]) == lower(text.ptr[t]) : pattern.ptr[p] == text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.ptr[p] == '*')
        p++;
    return p == pattern.size;
}

static bool is_listed(const struct access_list *list, struct str text, bool fold)
{
    for (size_t i = 0; i < list->count; i++)
        if (access_matches(list->patterns[i], text, fold))
            return true;
    return false;
}

bool access_may_act(const struct access_holder *h, struct str action)
{
    return !h->actions.written || is_listed(&h->actions, action, true);
}

bool access_may_use_bus(const struct access_holder *h, struct str bus)
{
    return !h->buses.written || is_listed(&h->buses, bus, false);
}

bool access_may_send(const struct access_holder *h, struct str source, bool inherent)
{
    if (h->sources.written)
        return is_listed(&h->sources, source, false);
    return inherent || !str_starts(source, STR("aws."));
}

/* ---- listening ---- */

bool access_is_loopback(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;

    if (host.size >= sizeof(text))
        return false;
    memcpy(text, host.ptr, host.size);
    text[host.size] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, text, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    return strcasecmp(text, "localhost") == 0;
}
