/* Text on pictures: the font, lines of UTF-8 that must fit, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "render/legend.h"
#include "render/text.h"

static void test_font_complete(void **state)
{
    (void)state;
    for (int a = FONT_FIRST; a <= FONT_LAST; a++) {
        uint32_t ink = 0;
        assert_in_range(font_width((char)a), 1, 7);
        for (uint32_t y = 0; y < FONT_HEIGHT; y++) {
            assert_false(font_ink((char)a, 7, y)); /* cells stay apart */
            for (uint32_t x = 0; x < 7; x++)
                ink += font_ink((char)a, x, y);
        }
        assert_int_equal(ink > 0, a != ' ');
        for (int b = FONT_FIRST; b < a; b++) {
            bool differ = false;
            for (uint32_t y = 0; y < FONT_HEIGHT && !differ; y++)
                for (uint32_t x = 0; x < 7; x++)
                    differ |= font_ink((char)a, x, y) != font_ink((char)b, x, y);
            assert_true(differ);
        }
    }
    for (char digit = '0'; digit <= '9'; digit++)
        assert_int_equal(font_width(digit), 6);
}

static void assert_reads(const char *text, const char *wanted)
{
    for (; *wanted; wanted++)
        assert_int_equal(text_next(&text), *wanted);
    assert_int_equal(text_next(&text), '\0');
    assert_int_equal(text_next(&text), '\0');
}

static void test_utf8(void **state)
{
    (void)state;
    assert_reads("", "");
    assert_reads("a ~", "a ~");
    assert_reads("caf\xc3\xa9", "caf?");
    assert_reads("\xe2\x82\xac|\xf0\x9f\x90\xa6|", "?|?|");
    assert_reads("a\tb\nc\x7f\x01", "a?b?c??");
    assert_reads("\xff\x80x\xc3", "??x?");      /* stray bytes, cut off at the end */
    assert_reads("\xe2\x82x\xf0\x9f", "?x?");   /* cut off in the middle */
    assert_reads("\xf0\x80\x80\x80\x80", "??"); /* one continuation too many */
}

/* A title that is too long ends in dots, inside of the margin; one that just fits does not. */
static void test_truncation(void **state)
{
    (void)state;
    struct text_style style = {1, false, {0, 0, 0}};
    const char *text = "nnnnnnnnnn"; /* 10 glyphs of 6 with gaps of 2: 78 */
    assert_int_equal(text_width(text, &style, 1000), 78);
    assert_int_equal(text_width("", &style, 1000), 0);
    for (uint32_t room = 77; room <= 78; room++) {
        struct lm_image image = {0};
        assert_int_equal(lm_image_create(100, FONT_HEIGHT, &image, NULL), LM_OK);
        memset(image.rgb, 255, (size_t)300 * FONT_HEIGHT);
        text_draw(&image, 0, 0, room, text, &style);
        for (uint32_t x = room; x < 100; x++)
            for (uint32_t y = 0; y < FONT_HEIGHT; y++)
                assert_int_equal(color_get(&image, x, y).r, 255);
        /* 8 letters and three dots of 2 with gaps would be 74; dots have no ink above row 8. */
        uint32_t last_letter = room == 78 ? 77 : 61;
        assert_int_equal(color_get(&image, last_letter, 6).r, 0);
        for (uint32_t x = last_letter + 1; x < 100; x++)
            assert_int_equal(color_get(&image, x, 6).r, 255);
        assert_int_equal(color_get(&image, last_letter + 3, 8).r, room == 78 ? 255 : 0);
        lm_image_free(&image);
    }
}

/* Room for nothing, or beyond the border: nothing is written outside. */
static void test_text_clipped(void **state)
{
    (void)state;
    struct lm_image image = {0};
    assert_int_equal(lm_image_create(9, 5, &image, NULL), LM_OK);
    struct text_style style = {3, true, {255, 0, 0}};
    for (uint32_t room = 0; room < 40; room++) {
        text_draw(&image, 0, 0, room, "gW|y", &style);
        text_draw(&image, 8, 4, room, "gW|y", &style);
        text_draw(&image, 20, 20, room, "gW|y", &style);
    }
    lm_image_free(&image);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {0.21, "0.21"},
                 {0.2134, "0.21"},
                 {0.2, "0.2"},
                 {1, "1"},
                 {0.05, "0.05"},
                 {0.00123, "0.0012"},
                 {0.000999, "0.001"},
                 {0.000123, "1.2e-4"},
                 {1.2e-5, "1.2e-5"},
                 {9.99, "10"},
                 {1.25e-300, "1.2e-300"},
                 {3.456, "3.5"},
                 {12.34, "12.3"},
                 {99.96, "100"},
                 {123.4, "123"},
                 {1234.5, "1234.5"},
                 {99999.4, "99999"},
                 {99999.6, "1e5"},
                 {123456, "1.2e5"},
                 {20, "20"},
                 {300, "300"},
                 {40000, "40000"},
                 {1.7976931348623157e308, "1.8e308"},
                 {5e-324, "4.9e-324"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[LEGEND_NUMBER];
        legend_number(text, cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_font_complete), cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_truncation),    cmocka_unit_test(test_text_clipped),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
