/* SPDX-License-Identifier: Apache-2.0 */
/* Message attributes: read, refused, kept, shown; and their MD5, against digests of other implementations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "router/api/message_attributes.h"

static void check_fault(const char *map, const char *wanted)
{
    struct arena arena = ARENA_INIT;
    struct message_attributes m;
    struct message_fault fault;

    assert_false(message_attributes_read(&arena, str_from(map), &m, &fault));
    assert_string_equal(fault.code, "InvalidParameterValue");
    assert_string_equal(fault.message, wanted);
    arena_fini(&arena);
}

static void test_kept_and_shown(void **state)
{
    static const char shown[] = "{\"n\":{\"DataType\":\"Number.int\",\"StringValue\":\"5\"},"
                                "\"b\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AAH/\"},"
                                "\"s\":{\"DataType\":\"String\",\"StringValue\":\"\\\"\xC3\xA9\"}}";
    static const char kept[] = "{\"n\":{\"Type\":\"Number.int\",\"Value\":\"5\"},\"b\":{\"Type\":\"Binary\",\"Value\":"
                               "\"AAH/\"},\"s\":{\"Type\":\"String\",\"Value\":\"\\\"\xC3\xA9\"}}";
    struct arena arena = ARENA_INIT;
    struct message_attributes m;
    struct message_fault fault;
    struct buf out = BUF_INIT;

    assert_true(message_attributes_read(&arena, STR(shown), &m, &fault));
    assert_int_equal(m.count, 3);
    assert_int_equal(m.bytes, 1 + 10 + 1 + 1 + 6 + 3 + 1 + 6 + 3);
    assert_memory_equal(m.all[1].value.ptr, "\0\1\xFF", 3);
    message_attributes_store(&out, &m);
    assert_string_equal(buf_cstr(&out), kept);
    message_attributes_load(&arena, STR(kept), &m);
    buf_clear(&out);
    message_attributes_write(&out, &m);
    assert_string_equal(buf_cstr(&out), shown);
    buf_fini(&out);
    arena_fini(&arena);
}

static void test_what_is_kept_may_be_anything(void **state)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "[]",
                                        "{}",
                                        "{\"a\":\"text\"}",
                                        "{\"a\":{\"Type\":5,\"Value\":\"v\"}}",
                                        "{\"a\":{\"Type\":\"Binary\",\"Value\":\"?\"}}"};
    struct arena arena = ARENA_INIT;
    struct message_attributes m;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        message_attributes_load(&arena, str_from(texts[i]), &m);
        assert_int_equal(m.count, 0);
    }
    arena_fini(&arena);
}

static void test_faults(void **state)
{
    check_fault("{\"\":{}}", "Message (user) attribute names must be between 1 and 256 characters long.");
    check_fault("{\"aws.x\":{}}",
                "Message (user) attribute names must not start with reserved prefixes (AWS., Amazon.).");
    check_fault("{\"a.\":{}}", "Message (user) attribute name 'a.' can only contain alphanumeric characters, hyphens, "
                               "underscores and dots, and no dot at its start, its end or beside another.");
    check_fault("{\"a\":{}}", "The message attribute 'a' must contain non-empty message attribute type.");
    check_fault("{\"a\":5}", "The message attribute 'a' is not a structure.");
    check_fault(
        "{\"a\":{\"DataType\":\"Strings\",\"StringValue\":\"x\"}}",
        "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is "
        "Binary, Number, and String.");
    check_fault("{\"a\":{\"DataType\":\"String\"}}",
                "The message attribute 'a' must contain non-empty message attribute "
                "value for message attribute type 'String'.");
    for (size_t i = 0; i < 4; i++) {
        static const char *const texts[] = {"\\u0001", "a\\u0000", "\\ud800", "\\uffff"};
        char map[80];
        snprintf(map, sizeof map, "{\"a\":{\"DataType\":\"String\",\"StringValue\":\"%s\"}}", texts[i]);
        check_fault(map, "The message attribute 'a' has a value with invalid characters. Valid unicode characters are "
                         "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF");
        snprintf(map, sizeof map, "{\"a\":{\"DataType\":\"String.%s\",\"StringValue\":\"x\"}}", texts[i]);
        check_fault(map, "The message attribute 'a' has an invalid message attribute type, the set of supported type "
                         "prefixes is Binary, Number, and String.");
    }
    for (size_t i = 0; i < 7; i++) {
        static const char *const numbers[] = {"x", " 1", "1 ", "0x10", "nan", "inf", "1e"};
        char map[80];
        snprintf(map, sizeof map, "{\"a\":{\"DataType\":\"Number\",\"StringValue\":\"%s\"}}", numbers[i]);
        check_fault(map, "Can't cast the value of message (user) attribute 'a' to a number.");
    }
    for (size_t i = 0; i < 4; i++) {
        static const char *const codes[] = {"A", "AAA", "AB==", "    "};
        char map[80];
        snprintf(map, sizeof map, "{\"a\":{\"DataType\":\"Binary\",\"BinaryValue\":\"%s\"}}", codes[i]);
        check_fault(map, "The message attribute 'a' has a binary value that is not base64.");
    }
}

static void check_digest(const char *map, const char *wanted)
{
    struct arena arena = ARENA_INIT;
    struct message_attributes m;
    struct message_fault fault;
    char md5[MD5_DIGITS + 1];

    assert_true(message_attributes_read(&arena, str_from(map), &m, &fault));
    message_attributes_digest(&m, md5);
    assert_string_equal(md5, wanted);
    arena_fini(&arena);
}

static void test_digests(void **state)
{
    char md5[MD5_DIGITS + 1];

    md5_write(STR(""), md5);
    assert_string_equal(md5, "d41d8cd98f00b204e9800998ecf8427e");
    md5_write(STR("hello"), md5);
    assert_string_equal(md5, "5d41402abc4b2a76b9719d911017c592");
    check_digest("{\"timestamp\":{\"DataType\":\"Number\",\"StringValue\":\"1493147359900\"}}",
                 "235c5c510d26fb653d073faed50ae77c");
    check_digest("{\"b\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AAH/\"},"
                 "\"a\":{\"DataType\":\"String\",\"StringValue\":\"\xC3\xA9\"}}",
                 "72c3124f78c4b9e78c0a4719018168b7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_and_shown),
        cmocka_unit_test(test_what_is_kept_may_be_anything),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
