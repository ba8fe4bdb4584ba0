/* Scaling: against pictures that Pillow scaled, and a window against the same part of the whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image/image_room.h"
#include "image_fixture.h"

static void test_as_pillow(void **state)
{
    (void)state;
    static const char *const expected[] = {"resize_32x22", "resize_7x5",   "resize_1x1",
                                           "resize_61x9",  "resize_90x43", "resize_120x80",
                                           "resize_3x90"};
    struct lm_image source = fixture_ppm("resize_source");
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct lm_image right = fixture_ppm(expected[i]), scaled = {0};
        assert_int_equal(lm_image_resize(&source, right.width, right.height, &scaled, NULL), LM_OK);
        assert_int_equal(fixture_distance(&scaled, &right), 0);
        lm_image_free(&scaled);
        lm_image_free(&right);
    }
    lm_image_free(&source);
}

static void test_same_size(void **state)
{
    (void)state;
    struct lm_image source = fixture_ppm("resize_source"), same = {0};
    assert_int_equal(lm_image_resize(&source, source.width, source.height, &same, NULL), LM_OK);
    assert_int_equal(fixture_distance(&source, &same), 0);
    lm_image_free(&source);
    lm_image_free(&same);
}

/* Black and white are the ends of the range: weights must add up to 1. */
static void test_flat_stays_flat(void **state)
{
    (void)state;
    static const uint8_t levels[] = {0, 1, 128, 254, 255};
    for (size_t level = 0; level < sizeof levels; level++)
        for (uint32_t side = 1; side < 90; side += 4) {
            struct lm_image flat = {0}, scaled = {0};
            assert_int_equal(lm_image_create(31, 64, &flat, NULL), LM_OK);
            memset(flat.rgb, levels[level], 3 * 31 * 64);
            assert_int_equal(lm_image_resize(&flat, side, 91 - side, &scaled, NULL), LM_OK);
            for (size_t i = 0; i < (size_t)3 * side * (91 - side); i++)
                assert_int_equal(scaled.rgb[i], levels[level]);
            lm_image_free(&flat);
            lm_image_free(&scaled);
        }
}

static void check_window(const struct lm_image *source, const struct lm_image *whole, uint32_t x,
                         uint32_t y, uint32_t width, uint32_t height)
{
    struct image_window window = {whole->width, whole->height, x, y, width, height};
    struct lm_image part = {0};
    assert_int_equal(image_resize_window(source, &window, &part, NULL), LM_OK);
    assert_true(part.width == width && part.height == height);
    for (uint32_t row = 0; row < height; row++)
        assert_memory_equal(part.rgb + (size_t)3 * width * row,
                            whole->rgb + 3 * ((size_t)whole->width * (y + row) + x), 3 * width);
    lm_image_free(&part);
}

static void test_window_is_part_of_whole(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{40, 29}, {97, 110}, {61, 43}, {12, 90}};
    struct lm_image source = fixture_ppm("resize_source");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct lm_image whole = {0};
        uint32_t width = sizes[i][0], height = sizes[i][1];
        assert_int_equal(lm_image_resize(&source, width, height, &whole, NULL), LM_OK);
        for (uint32_t x = 0; x < width; x += 5)
            for (uint32_t y = 0; y < height; y += 7) {
                check_window(&source, &whole, x, y, 1, 1);
                check_window(&source, &whole, x, y, width - x, height - y);
                check_window(&source, &whole, x, y, (width - x + 2) / 3, (height - y + 1) / 2);
            }
        lm_image_free(&whole);
    }
    lm_image_free(&source);
}

static void test_long_and_thin(void **state)
{
    (void)state;
    struct lm_image thin = {0}, scaled = {0};
    assert_int_equal(lm_image_create(1, 60000, &thin, NULL), LM_OK);
    memset(thin.rgb, 200, 3 * 60000);
    assert_int_equal(lm_image_resize(&thin, 3, 2, &scaled, NULL), LM_OK);
    for (int i = 0; i < 18; i++)
        assert_in_range(scaled.rgb[i], 199, 201);
    lm_image_free(&scaled);
    struct image_window window = {256, 15360000, 16, 7679888, 224, 224};
    assert_int_equal(image_resize_window(&thin, &window, &scaled, NULL), LM_OK);
    for (size_t i = 0; i < 3 * 224 * 224; i++)
        assert_int_equal(scaled.rgb[i], 200);
    lm_image_free(&scaled);
    lm_image_free(&thin);
}

static void test_errors(void **state)
{
    (void)state;
    struct lm_image empty = {0}, image = {0}, scaled = {0};
    struct lm_error error = {0};
    assert_int_equal(lm_image_resize(&empty, 5, 5, &scaled, &error), LM_INVALID);
    assert_string_equal(error.text, "image to resize is empty");
    assert_int_equal(lm_image_create(4, 4, &image, NULL), LM_OK);
    error = (struct lm_error){0};
    assert_int_equal(lm_image_resize(&image, 5, 0, &scaled, &error), LM_INVALID);
    assert_string_equal(error.text, "image size is 5 x 0; a side is at least 1");
    assert_int_equal(lm_image_resize(&image, 100000, 100000, &scaled, NULL), LM_LIMIT);
    assert_null(scaled.rgb);
    lm_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_pillow),       cmocka_unit_test(test_same_size),
        cmocka_unit_test(test_flat_stays_flat), cmocka_unit_test(test_window_is_part_of_whole),
        cmocka_unit_test(test_long_and_thin),   cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
