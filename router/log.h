/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_LOG_H
#define ROUTER_LOG_H

/*
 * The log: one line an event on stderr, JSON or logfmt (logfmt on a terminal unless told otherwise). Any thread.
 * A line is written with one write(). Payloads and secrets are never logged. The same message from the same call is
 * written at most 5 times in 10 s (debug: unlimited); the next one then says how many were suppressed.
 *
 *     log_warn("delivery failed", LOG_STR("rule", d->rule), LOG_INT("attempt", n), LOG_TEXT("code", v.code));
 *     ts=2026-11-21T04:00:00.123Z level=warn msg="delivery failed" rule=orders attempt=3 code=TIMEOUT
 */

#include <stdint.h>

#include "matcher/str.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_field {
    const char *key;
    bool is_int;
    int64_t number;
    struct str text;
};

#define LOG_STR(k, s)  ((struct log_field){.key = (k), .text = (s)})
#define LOG_TEXT(k, t) ((struct log_field){.key = (k), .text = str_from(t)})
#define LOG_INT(k, n)  ((struct log_field){.key = (k), .is_int = true, .number = (int64_t)(n)})

void log_open(enum log_format format, enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count);
/* The same for lines that somebody asked for one by one: none is suppressed. */
void log_each(enum log_level level, const char *message, const struct log_field *fields, size_t count);

#define LOG_FIELDS(...)                                                                                                \
    (const struct log_field[])                                                                                         \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define LOG_AT(level, message, ...)                                                                                    \
    log_write((level), (message), LOG_FIELDS({0}, ##__VA_ARGS__) + 1,                                                  \
              sizeof LOG_FIELDS({0}, ##__VA_ARGS__) / sizeof(struct log_field) - 1)
#define log_debug(message, ...) LOG_AT(LEVEL_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...)  LOG_AT(LEVEL_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...)  LOG_AT(LEVEL_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_AT(LEVEL_ERROR, message, ##__VA_ARGS__)

#endif
