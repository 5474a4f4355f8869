/* SPDX-License-Identifier: Apache-2.0 */
/* Spellings of IP addresses that patterns take, and those they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "matcher/address.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_spellings_of_one_address(void **state)
{
    static const struct {
        const char *text, *same;
    } cases[] = {
        {"10.0.0.1", "010.0.0.1"},
        {"10.0.0.1", "10.0.0.01"},
        {"10.0.0.1", "0010.0.0.001"},
        {"255.255.255.255", "255.255.255.255"},
        {"::1", "0:0:0:0:0:0:0:1"},
        {"::1", "0000:0000:0000:0000:0000:0000:0000:0001"},
        {"2001:db8::1", "2001:DB8:0:0::0:1"},
        {"2001:db8::", "2001:db8:0:0:0:0:0:0"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1::8", "1:0::0:8"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"::", "0::"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t a[16], b[16];
        unsigned size = address_parse(str_from(cases[i].text), a);
        if (!size || address_parse(str_from(cases[i].same), b) != size || memcmp(a, b, size) != 0)
            fail_msg("%s and %s", cases[i].text, cases[i].same);
    }
}

static void test_bytes(void **state)
{
    uint8_t out[16];
    assert_int_equal(address_parse(STR("192.168.1.254"), out), 4);
    assert_memory_equal(out, "\xC0\xA8\x01\xFE", 4);
    assert_int_equal(address_parse(STR("2001:db8::ff00:42:8329"), out), 16);
    assert_memory_equal(out, "\x20\x01\x0d\xb8\0\0\0\0\0\0\xff\0\0\x42\x83\x29", 16);
}

static void test_not_addresses(void **state)
{
    static const char *const texts[] = {
        "",
        "1",
        "10.0.0",
        "10.0.0.",
        "10.0.0.1.",
        ".10.0.0.1",
        "10.0.0.0.1",
        "10..0.1",
        "256.0.0.1",
        "999.1.1.1",
        "10.0.0.x",
        "10.0.0.1 ",
        "10.0.0.-1",
        "0000000010.0.0.1",
        ":",
        ":1",
        "1:",
        ":::",
        "1:::2",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "fe80::1%eth0",
        "::ffff:1.2.3.4",
        "a:b",
        "12345::",
        "::g",
        "00001::",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint8_t out[16];
        if (address_parse(str_from(texts[i]), out))
            fail_msg("%s", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings_of_one_address),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_not_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
