/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing: what was sealed opens, for its owner and with its key only; the key's file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "targets/secret.h"

static char folder[64];
static struct weir_diag diag;

static const char *key_path(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/" SECRET_KEY_FILE, folder);
    return path;
}

static int setup(void **state)
{
    strcpy(folder, "/tmp/weir-test-XXXXXX");
    diag.message[0] = '\0';
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    unlink(key_path());
    return rmdir(folder);
}

static struct secret_key a_key(void)
{
    struct secret_key key;
    assert_true(secret_key_read(folder, true, &key, &diag));
    return key;
}

static void round_trip(const struct secret_key *key, struct str clear)
{
    struct buf sealed = BUF_INIT, back = BUF_INIT;

    assert_true(secret_seal(key, STR("crm"), clear, &sealed));
    assert_true(secret_unseal(key, STR("crm"), buf_view(&sealed), &back, &diag));
    assert_true(str_eq(buf_view(&back), clear));
    if (clear.size > 4)
        assert_null(memmem(sealed.data, sealed.size, clear.ptr, clear.size));
    buf_fini(&sealed);
    buf_fini(&back);
}

static void what_was_sealed_opens(void **state)
{
    static char big[100000];
    struct secret_key key = a_key();

    memset(big, 'x', sizeof big);
    round_trip(&key, STR("correct horse"));
    round_trip(&key, STR(""));
    round_trip(&key, STR("a\0b"));
    for (size_t size = 1; size < 40; size++)
        round_trip(&key, (struct str){big, size});
    round_trip(&key, (struct str){big, sizeof big});
}

static void the_same_text_is_never_sealed_the_same(void **state)
{
    struct secret_key key = a_key();
    struct buf a = BUF_INIT, b = BUF_INIT;

    assert_true(secret_seal(&key, STR("crm"), STR("secret"), &a));
    assert_true(secret_seal(&key, STR("crm"), STR("secret"), &b));
    assert_false(str_eq(buf_view(&a), buf_view(&b)));
    buf_fini(&a);
    buf_fini(&b);
}

static void refused(const struct secret_key *key, struct str owner, struct str sealed, const char *message)
{
    struct buf back = BUF_INIT;

    assert_false(secret_unseal(key, owner, sealed, &back, &diag));
    assert_string_equal(diag.message, message);
    assert_int_equal(back.size, 0);
    buf_fini(&back);
}

static void what_is_changed_does_not_open(void **state)
{
    struct secret_key key = a_key(), other = key;
    struct buf sealed = BUF_INIT;

    assert_true(secret_seal(&key, STR("crm"), STR("password"), &sealed)); /* as base64 without bits to spare */
    refused(&key, STR("other"), buf_view(&sealed), "a secret of 'other' is damaged");
    other.bytes[0] ^= 1;
    refused(&other, STR("crm"), buf_view(&sealed),
            "a secret of 'crm' was sealed with another secret.key than the data folder has now");
    for (size_t i = 12; i < sealed.size; i++) { /* behind the key's name */
        char before = sealed.data[i];
        sealed.data[i] = before == 'A' ? 'B' : 'A';
        refused(&key, STR("crm"), buf_view(&sealed), "a secret of 'crm' is damaged");
        sealed.data[i] = before;
    }
    for (size_t size = 13; size < sealed.size; size++)
        refused(&key, STR("crm"), (struct str){sealed.data, size}, "a secret of 'crm' is damaged");
    refused(&key, STR("crm"), STR("v1.12345678."), "a secret of 'crm' is no sealed text");
    refused(&key, STR("crm"), STR("plain"), "a secret of 'crm' is no sealed text");
    refused(&key, STR("crm"), STR(""), "a secret of 'crm' is no sealed text");
    buf_fini(&sealed);
}

static void the_key_is_made_once_and_for_its_owner(void **state)
{
    struct secret_key first, again;
    struct stat st;

    assert_false(secret_key_read(folder, false, &first, &diag));
    assert_non_null(strstr(diag.message, "cannot open '"));
    assert_true(secret_key_read(folder, true, &first, &diag));
    assert_int_equal(stat(key_path(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(secret_key_read(folder, true, &again, &diag));
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(secret_key_read(folder, false, &again, &diag));
    assert_memory_equal(&first, &again, sizeof first);
}

static void a_file_that_is_no_key_stays(void **state)
{
    struct secret_key key = a_key();
    char message[256];

    assert_int_equal(truncate(key_path(), 31), 0);
    snprintf(message, sizeof message, "'%s' is no key: it has less than 32 bytes", key_path());
    assert_false(secret_key_read(folder, true, &key, &diag));
    assert_string_equal(diag.message, message);
    assert_int_equal(truncate(key_path(), 33), 0);
    assert_false(secret_key_read(folder, true, &key, &diag));
    assert_non_null(strstr(diag.message, "more than 32 bytes"));
}

static void a_lost_key_is_told(void **state)
{
    struct secret_key key = a_key();
    struct buf sealed = BUF_INIT, back = BUF_INIT;

    assert_true(secret_seal(&key, STR("crm"), STR("secret"), &sealed));
    assert_true(secret_key_read(folder, false, &key, &diag));
    assert_true(secret_unseal(&key, STR("crm"), buf_view(&sealed), &back, &diag));
    assert_true(str_is(buf_view(&back), "secret"));
    unlink(key_path());
    assert_false(secret_key_read(folder, false, &key, &diag));
    assert_non_null(strstr(diag.message, "/secret.key': No such file or directory"));
    buf_fini(&sealed);
    buf_fini(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_sealed_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_text_is_never_sealed_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_changed_does_not_open, setup, teardown),
        cmocka_unit_test_setup_teardown(the_key_is_made_once_and_for_its_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_key_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_key_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
