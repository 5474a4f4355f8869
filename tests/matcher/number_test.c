/* SPDX-License-Identifier: Apache-2.0 */
/* Which literals are comparable, and which doubles they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "matcher/buf.h"
#include "matcher/number.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void check_comparable(void)
{
    static const struct {
        const char *literal;
        double value;
    } cases[] = {
        {"0", 0},
        {"-0.0", 0},
        {"0e999999999999", 0},
        {"300", 300},
        {"300.0", 300},
        {"3.0e2", 300},
        {"3E+2", 300},
        {"0.1", 0.1},
        {"0.10", 0.1},
        {"-1.5", -1.5},
        {"100000000000000000000000000000000000000", 1e38},
        {"1e22", 1e22},
        {"1e23", 1e23},
        {"123456789012345", 123456789012345.0},
        {"9007199254740992", 9007199254740992.0},
        {"9007199254740994", 9007199254740994.0},
        {"0.30000000000000004", 0.30000000000000004},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"2.2250738585072014E-308", 2.2250738585072014E-308},
        {"5e-324", 5e-324},
        {"0.000000000000000000000000000000000000000000000000001e51", 1},
        {"12345678901234567890e-19", -1}, /* 20 digits: see below */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double value = NAN;
        bool comparable = number_parse(str_from(cases[i].literal), &value);
        if (cases[i].value == -1)
            assert_false(comparable);
        else if (!comparable || value != cases[i].value || (value == 0 && signbit(value)))
            fail_msg("%s: %d %.17g", cases[i].literal, comparable, value);
    }
}

static void test_comparable(void **state)
{
    check_comparable();
}

static void test_not_comparable(void **state)
{
    static const char *const literals[] = {
        "9007199254740993",
        "12345678901234567",
        "0.10000000000000001",
        "1e400",
        "-1e400",
        "1e-400",
        "4e-324",
        "4.9e-324",
        "1.7976931348623158e309",
        "123456789012345678901234567890",
        "0.3000000000000000444",
        "1e99999999999999999999",
        "1e-99999999999999999999",
    };
    for (size_t i = 0; i < COUNT(literals); i++) {
        double value;
        if (number_parse(str_from(literals[i]), &value))
            fail_msg("%s: %.17g", literals[i], value);
    }
}

static void test_very_long_literals(void **state)
{
    struct buf text = BUF_INIT;
    double value;
    buf_text(&text, "0.");
    for (int i = 0; i < 1000000; i++)
        buf_char(&text, '0');
    buf_text(&text, "25e1000001");
    assert_true(number_parse(buf_view(&text), &value));
    assert_true(value == 2.5);
    buf_fini(&text);
}

/* The printed shortest form of a double is comparable and is that double. */
static void test_shortest_forms_of_random_doubles(void **state)
{
    uint64_t seed = 20240229;
    for (int i = 0; i < 20000; i++) {
        double value, back;
        char text[64];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = seed ^ seed >> 29;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        int digits = 1;
        while (snprintf(text, sizeof(text), "%.*e", digits - 1, value) && strtod(text, NULL) != value)
            digits++;
        if (!number_parse(str_from(text), &back) || back != value)
            fail_msg("%s", text);
    }
}

/* The shortest form of value, with zeros behind it to 17 digits. */
static void print_shortest(double value, char text[64])
{
    int digits = 1;
    while (snprintf(text, 64, "%.*e", digits - 1, value) && strtod(text, NULL) != value)
        digits++;
    char *e = strchr(text, 'e'), exponent[16];
    strcpy(exponent, e);
    snprintf(e, 40, "%s%.*s%s", digits == 1 ? "." : "", 17 - digits, "0000000000000000", exponent);
}

/* Decimals of 17 digits, in twenties side by side, and of 16, where the powers are such that integers decide. */
static void test_long_literals_side_by_side(void **state)
{
    uint64_t seed = 19730217;
    for (int i = 0; i < 3000; i++) {
        char text[64], shortest[64];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t digits = 10000000000000000u + (seed ^ seed >> 29) % 89999999999999000u;
        int power = (int)(seed >> 33) % 70 - 20; /* of the first digit */
        for (uint64_t last = 0; last < 20; last++) {
            uint64_t all = digits / 100 * 100 + last * (i % 2 ? 1 : 10);
            snprintf(text, sizeof(text), "%llu.%016llue%+03d", (unsigned long long)all / 10000000000000000u,
                     (unsigned long long)all % 10000000000000000u, power);
            double value = strtod(text, NULL), back;
            print_shortest(value, shortest);
            bool comparable = number_parse(str_from(text), &back);
            if (comparable != (strcmp(text, shortest) == 0) || (comparable && back != value))
                fail_msg("%s: %d, shortest is %s", text, comparable, shortest);
        }
    }
}

static void test_locale_has_no_say(void **state)
{
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        skip();
    check_comparable();
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparable),
        cmocka_unit_test(test_not_comparable),
        cmocka_unit_test(test_very_long_literals),
        cmocka_unit_test(test_shortest_forms_of_random_doubles),
        cmocka_unit_test(test_long_literals_side_by_side),
        cmocka_unit_test(test_locale_has_no_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
