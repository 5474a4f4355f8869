/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines to stderr. One line is built whole and written with one write(), so that lines of several threads do not
 * mix. A small table of messages (keyed by the address of the literal) holds back floods: LOG_BURST lines of one
 * message in LOG_WINDOW_MS, then silence, then one line that says how many were suppressed.
 */
#include "router/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "matcher/json.h"

#define LOG_BURST     5
#define LOG_WINDOW_MS 10000
#define LOG_MESSAGES  256

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    enum log_format format;
    enum log_level level;
    pthread_mutex_t lock;
    struct flood {
        const char *message;
        int64_t window_ms;
        uint32_t written, suppressed;
    } floods[LOG_MESSAGES];
} logger = {.format = LOG_FORMAT_LOGFMT, .level = LEVEL_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

void log_open(enum log_format format, enum log_level level)
{
    if (format == LOG_FORMAT_AUTO)
        format = isatty(STDERR_FILENO) ? LOG_FORMAT_LOGFMT : LOG_FORMAT_JSON;
    logger.format = format;
    logger.level = level;
}

/* May this message be written now? *suppressed: how many before it were not. */
static bool admit(enum log_level level, const char *message, int64_t now_ms, uint32_t *suppressed)
{
    *suppressed = 0;
    if (level == LEVEL_DEBUG)
        return true;
    pthread_mutex_lock(&logger.lock);
    struct flood *f = &logger.floods[((uintptr_t)message >> 3) % LOG_MESSAGES];
    if (f->message != message)
        *f = (struct flood){.message = message, .window_ms = now_ms};
    if (now_ms - f->window_ms > LOG_WINDOW_MS || now_ms < f->window_ms) {
        *suppressed = f->suppressed;
        f->window_ms = now_ms;
        f->written = f->suppressed = 0;
    }
    bool ok = f->written < LOG_BURST;
    if (ok)
        f->written++;
    else
        f->suppressed++;
    pthread_mutex_unlock(&logger.lock);
    return ok;
}

static bool needs_quotes(struct str text)
{
    if (!text.size)
        return true;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return true;
    }
    return false;
}

static void write_field(struct buf *line, bool json, const struct log_field *f)
{
    if (json) {
        buf_char(line, ',');
        json_write_string(line, str_from(f->key));
        buf_char(line, ':');
    } else {
        buf_printf(line, " %s=", f->key);
    }
    if (f->is_int)
        buf_printf(line, "%" PRId64, f->number);
    else if (json || needs_quotes(f->text))
        json_write_string(line, f->text);
    else
        buf_str(line, f->text);
}

static void write_stamp(struct buf *line, bool json, const struct timespec *now, enum log_level level)
{
    struct tm tm;
    char stamp[40];

    gmtime_r(&now->tv_sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(line, json ? "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\"" : "ts=%s.%03ldZ level=%s", stamp,
               now->tv_nsec / 1000000, level_names[level]);
}

static void write_line(enum log_level level, const struct timespec *now, const char *message,
                       const struct log_field *fields, size_t count, uint32_t suppressed)
{
    bool json = logger.format == LOG_FORMAT_JSON;
    struct buf line = BUF_INIT;

    write_stamp(&line, json, now, level);
    write_field(&line, json, &LOG_TEXT("msg", message));
    for (size_t i = 0; i < count; i++)
        write_field(&line, json, &fields[i]);
    if (suppressed)
        write_field(&line, json, &LOG_INT("suppressed", suppressed));
    buf_text(&line, json ? "}\n" : "\n");
    if (!line.failed)
        (void)!write(STDERR_FILENO, line.data, line.size);
    buf_fini(&line);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    struct timespec now;
    uint32_t suppressed;

    if (level < logger.level)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    if (admit(level, message, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, &suppressed))
        write_line(level, &now, message, fields, count, suppressed);
}

void log_each(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (level >= logger.level)
        write_line(level, &now, message, fields, count, 0);
}
