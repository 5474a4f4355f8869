/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file's name to trees: the file, and what its `include` names, and what those include. Globs are relative to
 * the file they stand in and taken in byte order; a file that is reached twice, over a circle or not, is an error,
 * since every name in it would be there twice. A file that cannot be read or is no YAML counts as empty after its
 * error, so that the others are still checked.
 */
#include "rules/load_int.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/paths.h"

static const struct node empty_map = {.type = NODE_MAP, .weight = 1};

/* ---- one file ---- */

/* The whole of fd, in the temp arena. False: an error was reported, or memory ran out. */
static bool read_all(struct load *l, const char *name, struct diag_pos pos, int fd, size_t size, struct str *out)
{
    char *text = arena_alloc(&l->temp, size + 1);
    size_t got = 0;
    ssize_t n = 0;
    if (!text)
        return load_out_of_memory(l);
    while (got < size && (n = read(fd, text + got, size - got)) > 0)
        got += (size_t)n;
    if (n < 0)
        return diag_error(l->diags, pos, "cannot read '%s': %s", name, strerror(errno));
    *out = (struct str){text, got};
    return true;
}

static bool read_file(struct load *l, struct load_file *f, struct diag_pos pos, struct str *out)
{
    struct stat st = {0};
    int fd = open(f->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold it up */
    int error = errno;
    if ((fd < 0 ? stat(f->name, &st) : fstat(fd, &st)) == 0) {
        f->device = st.st_dev;
        f->inode = st.st_ino;
        f->size = st.st_size;
        f->changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
    if (fd < 0)
        return diag_error(l->diags, pos, "cannot open '%s': %s", f->name, strerror(error));
    bool ok = S_ISREG(st.st_mode) || diag_error(l->diags, pos, "'%s' is not a regular file", f->name);
    if (ok && st.st_size > (off_t)YAML_FILE_BYTES_MAX)
        ok = diag_error(l->diags, pos, "'%s' is larger than %u bytes", f->name, YAML_FILE_BYTES_MAX);
    ok = ok && read_all(l, f->name, pos, fd, (size_t)st.st_size, out);
    close(fd);
    return ok;
}

static struct load_file *file_add(struct load *l, struct str name, struct diag_pos included)
{
    struct load_file *f = arena_new(&l->temp, struct load_file);
    if (!f || !(f->name = path_intern(name))) {
        load_out_of_memory(l);
        return NULL;
    }
    f->root = &empty_map;
    f->included = included;
    return f;
}

static void file_append(struct load *l, struct load_file *f)
{
    *l->files_end = f;
    l->files_end = &f->next;
    l->file_count++;
}

static void file_parse(struct load *l, struct load_file *f, struct str text)
{
    const struct node *root = yaml_parse(&l->temp, f->name, text, l->diags);
    if (!root)
        return;
    struct node *nothing = node_is_empty(root) ? arena_new(&l->temp, struct node) : NULL;
    if (nothing) {
        *nothing = empty_map;
        nothing->pos = (struct diag_pos){f->name, 1, 1};
        f->root = nothing;
    } else if (root->type == NODE_MAP)
        f->root = root;
    else
        diag_error(l->diags, root->pos, "a configuration file must be a mapping, not %s", node_type_name(root));
}

static const struct load_file *find_same(const struct load *l, const struct load_file *f)
{
    for (const struct load_file *other = l->files; other; other = other->next)
        if (other->device == f->device && other->inode == f->inode)
            return other;
    return NULL;
}

/* ---- includes ---- */

static bool is_glob_special(char c)
{
    return c == '*' || c == '?' || c == '[' || c == '\\';
}

static void add_escaped(struct buf *out, struct str path)
{
    for (size_t i = 0; i < path.size; i++) {
        if (is_glob_special(path.ptr[i]))
            buf_char(out, '\\');
        buf_char(out, path.ptr[i]);
    }
}

/* The folder of `file` with glob's own characters escaped, then the pattern. */
static void join_glob(struct buf *out, const char *file, struct str pattern)
{
    const char *slash = strrchr(file, '/');
    if (slash && pattern.ptr[0] != '/')
        add_escaped(out, (struct str){file, (size_t)(slash - file) + 1});
    while (str_starts(pattern, STR("./")))
        pattern = (struct str){pattern.ptr + 2, pattern.size - 2};
    buf_str(out, pattern);
}

static bool has_glob(struct str pattern)
{
    for (size_t i = 0; i < pattern.size; i++)
        if (is_glob_special(pattern.ptr[i]))
            return true;
    return false;
}

static bool include_one(struct load *l, const char *name, struct diag_pos pos)
{
    struct load_file *f = file_add(l, str_from(name), pos);
    struct str text;
    if (!f)
        return false;
    if (l->file_count >= LOAD_FILES_MAX) {
        diag_error(l->diags, pos, "more than %d files are included", LOAD_FILES_MAX);
        return true;
    }
    if (!read_file(l, f, pos, &text))
        return !l->diags->out_of_memory;
    const struct load_file *same = find_same(l, f);
    if (same && same->included.file)
        diag_error(l->diags, pos, "'%s' is included already, in %s:%d", name, same->included.file, same->included.line);
    else if (same)
        diag_error(l->diags, pos, "'%s' includes itself", name);
    else {
        file_append(l, f);
        file_parse(l, f, text);
    }
    return true;
}

static int name_cmp(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool watch_add(struct load *l, struct str path)
{
    struct load_glob *g = arena_new(&l->temp, struct load_glob);
    struct str copy = arena_str(&l->set->keep, path);
    if (!g || !copy.ptr)
        return load_out_of_memory(l);
    g->path = copy.ptr;
    *l->globs_end = g;
    l->globs_end = &g->next;
    return true;
}

static bool include_glob(struct load *l, const struct load_file *f, const struct node *pattern)
{
    struct buf path = BUF_INIT;
    glob_t found = {0};
    bool ok = true;
    join_glob(&path, f->name, pattern->text);
    int status =
        path.failed || !watch_add(l, buf_view(&path)) ? GLOB_NOSPACE : glob(buf_cstr(&path), GLOB_NOSORT, NULL, &found);
    if (status == GLOB_NOSPACE)
        ok = load_out_of_memory(l);
    else if (status == GLOB_NOMATCH && !has_glob(pattern->text))
        diag_error(l->diags, pattern->pos, "cannot open '%s': %s", buf_cstr(&path), strerror(ENOENT));
    else if (status != 0 && status != GLOB_NOMATCH)
        diag_error(l->diags, pattern->pos, "cannot read the folder of '%s'", buf_cstr(&path));
    else if (status == 0) {
        qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), name_cmp);
        for (size_t i = 0; ok && i < found.gl_pathc; i++)
            ok = include_one(l, found.gl_pathv[i], pattern->pos);
    }
    if (status == 0)
        globfree(&found);
    buf_fini(&path);
    return ok;
}

static bool include_all(struct load *l, const struct load_file *f)
{
    const struct node *list = node_get(f->root, "include");
    if (!list || node_is_empty(list) || list->type == NODE_FAULT)
        return true;
    if (list->type != NODE_LIST) {
        diag_error(l->diags, list->pos, "'include' must be a list, not %s; write [rules.d/*.yaml]",
                   node_type_name(list));
        return true;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node *pattern = list->items[i];
        if (pattern->type == NODE_FAULT)
            continue;
        if (pattern->type != NODE_TEXT || !pattern->text.size || memchr(pattern->text.ptr, '\0', pattern->text.size))
            diag_error(l->diags, pattern->pos, "'include' must list file names, not %s", node_type_name(pattern));
        else if (!include_glob(l, f, pattern))
            return false;
    }
    return true;
}

/* ---- the steps ---- */

bool load_files(struct load *l, const char *file)
{
    struct load_file *first = file_add(l, str_from(file), (struct diag_pos){0});
    struct str text;
    if (!first)
        return false;
    struct buf name = BUF_INIT;
    add_escaped(&name, str_from(first->name));
    bool watched = !name.failed && watch_add(l, buf_view(&name));
    buf_fini(&name);
    if (!watched)
        return load_out_of_memory(l);
    bool readable = read_file(l, first, (struct diag_pos){.file = first->name}, &text);
    file_append(l, first);
    if (!readable)
        return !l->diags->out_of_memory;
    file_parse(l, first, text);
    for (const struct load_file *f = l->files; f; f = f->next) /* the list grows as it is walked */
        if (!include_all(l, f))
            return false;
    return true;
}

bool load_text(struct load *l, const char *name, struct str text)
{
    struct load_file *first = file_add(l, str_from(name), (struct diag_pos){0});
    if (!first)
        return false;
    file_append(l, first);
    file_parse(l, first, text);
    const struct node *include = node_get(first->root, "include");
    if (include)
        diag_error(l->diags, include->pos, "'include' needs a file to be relative to; this text has none");
    return true;
}
