/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two small things about file names. Interned names are never freed: a process reloads the same few files for as
 * long as it runs, so their number is bounded by what the configuration ever included.
 */
#include "rules/paths.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "matcher/buf.h"

struct str path_beside(struct arena *a, const char *file, struct str path)
{
    char *cwd = NULL;
    struct buf joined = BUF_INIT;
    struct str result = {NULL, 0};
    const char *slash = file ? strrchr(file, '/') : NULL;

    if (path.size && path.ptr[0] == '/')
        return arena_str(a, path);
    if (!slash || file[0] != '/') {
        cwd = getcwd(NULL, 0);
        if (!cwd)
            return result;
        buf_text(&joined, cwd);
        buf_char(&joined, '/');
        free(cwd);
    }
    if (slash) {
        struct str folder = {file, (size_t)(slash + 1 - file)};
        while (str_starts(folder, STR("./")))
            folder = (struct str){folder.ptr + 2, folder.size - 2};
        buf_str(&joined, folder);
    }
    while (str_starts(path, STR("./")))
        path = (struct str){path.ptr + 2, path.size - 2};
    buf_str(&joined, path);
    if (!joined.failed)
        result = arena_str(a, buf_view(&joined));
    buf_fini(&joined);
    return result;
}

struct interned {
    struct interned *next;
    char name[];
};

/* Two threads that bring the same new name at once leave it there twice, which hurts nobody. */
const char *path_intern(struct str name)
{
    static _Atomic(struct interned *) all;

    for (struct interned *one = atomic_load(&all); one; one = one->next)
        if (str_is(name, one->name))
            return one->name;
    struct interned *one = malloc(sizeof(*one) + name.size + 1);
    if (!one)
        return NULL;
    if (name.size)
        memcpy(one->name, name.ptr, name.size);
    one->name[name.size] = '\0';
    one->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &one->next, one))
        ;
    return one->name;
}
