/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_WRAP_MALLOC_H
#define TESTS_WRAP_MALLOC_H

/*
 * Allocations that a test refuses. Programs called *_oom_test are linked with --wrap for malloc and its relatives; this
 * header defines the wrappers, so one file of a program includes it. The program sets allocation_refused: it is asked
 * before each allocation; true makes it fail. NULL: none does.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static bool (*allocation_refused)(void);

static bool refuse_this_one(void)
{
    return allocation_refused && allocation_refused();
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
int __real_posix_memalign(void **memory, size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_posix_memalign(void **memory, size_t align, size_t size);

void *__wrap_malloc(size_t size)
{
    return refuse_this_one() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size)
{
    return refuse_this_one() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *memory, size_t size)
{
    return refuse_this_one() ? NULL : __real_realloc(memory, size);
}
char *__wrap_strdup(const char *text)
{
    return refuse_this_one() ? NULL : __real_strdup(text);
}
char *__wrap_strndup(const char *text, size_t size)
{
    return refuse_this_one() ? NULL : __real_strndup(text, size);
}
int __wrap_posix_memalign(void **memory, size_t align, size_t size)
{
    return refuse_this_one() ? ENOMEM : __real_posix_memalign(memory, align, size);
}

#endif
