/* SPDX-License-Identifier: Apache-2.0 */
/* The key that signs SNS's envelopes: made once, kept, and its signatures fit its certificate. */
#include "router/signer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static char folder[] = "/tmp/weir-signer-XXXXXX", file[64];

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/weir-signer-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/sns-signing.pem", folder);
    return 0;
}

static int remove_folder(void **state)
{
    unlink(file);
    return rmdir(folder);
}

static bool fits(struct str pem, const EVP_MD *digest, struct str text, const char *signature)
{
    unsigned char bytes[SIGNER_SIGNATURE_SIZE];
    BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.size);
    X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert_non_null(certificate);
    assert_int_equal(EVP_DecodeBlock(bytes, (const unsigned char *)signature, SIGNER_SIGNATURE_SIZE), 258);
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, digest, NULL, X509_get0_pubkey(certificate)), 1);
    bool ok = EVP_DigestVerify(ctx, bytes, 256, (const unsigned char *)text.ptr, text.size) == 1;
    EVP_MD_CTX_free(ctx);
    X509_free(certificate);
    BIO_free(in);
    return ok;
}

static void signatures_fit_the_certificate(void **state)
{
    struct signer *s = signer_create(folder);
    char one[SIGNER_SIGNATURE_SIZE + 1], two[SIGNER_SIGNATURE_SIZE + 1], again[SIGNER_SIGNATURE_SIZE + 1];

    assert_true(signer_sign(s, TOPIC_SIGNATURE_1, STR("text"), one));
    assert_true(signer_sign(s, TOPIC_SIGNATURE_1, STR("text"), again));
    assert_true(signer_sign(s, TOPIC_SIGNATURE_2, STR("text"), two));
    assert_string_equal(one, again);
    assert_string_not_equal(one, two);
    struct str path = signer_certificate_path(s), pem = signer_certificate(s, path);
    assert_true(str_starts(path, STR(SIGNER_PATH)));
    assert_true(fits(pem, EVP_sha1(), STR("text"), one));
    assert_true(fits(pem, EVP_sha256(), STR("text"), two));
    assert_false(fits(pem, EVP_sha256(), STR("test"), two));
    assert_null(signer_certificate(s, STR("/SimpleNotificationService-0.pem")).ptr);
    signer_destroy(s);
}

static void the_key_is_kept_for_its_owner(void **state)
{
    struct signer *s = signer_create(folder);
    char path[128], one[SIGNER_SIGNATURE_SIZE + 1], two[SIGNER_SIGNATURE_SIZE + 1];
    struct stat st;

    assert_int_equal(stat(file, &st), -1); /* nothing is made before it is wanted */
    assert_true(signer_sign(s, TOPIC_SIGNATURE_1, STR("text"), one));
    snprintf(path, sizeof path, "%.*s", STR_ARG(signer_certificate_path(s)));
    signer_destroy(s);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    s = signer_create(folder);
    assert_true(signer_sign(s, TOPIC_SIGNATURE_1, STR("text"), two));
    assert_string_equal(one, two);
    assert_true(str_is(signer_certificate_path(s), path));
    signer_destroy(s);
}

static void a_damaged_key_signs_nothing_and_is_left_alone(void **state)
{
    FILE *f = fopen(file, "w");
    char signature[SIGNER_SIGNATURE_SIZE + 1];
    struct stat st;

    fputs("no key", f);
    fclose(f);
    struct signer *s = signer_create(folder);
    assert_false(signer_sign(s, TOPIC_SIGNATURE_1, STR("text"), signature));
    assert_int_equal(signer_certificate_path(s).size, 0);
    signer_destroy(s);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, 6);
}

static void the_url_is_told(void **state)
{
    struct signer *s = signer_create(folder);
    struct arena arena = ARENA_INIT;

    assert_true(str_is(signer_url(s, &arena), ""));
    signer_set_url(s, STR("http://127.0.0.1:1"));
    assert_true(str_is(signer_url(s, &arena), "http://127.0.0.1:1"));
    arena_fini(&arena);
    signer_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signatures_fit_the_certificate, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_key_is_kept_for_its_owner, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_damaged_key_signs_nothing_and_is_left_alone, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_url_is_told, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
