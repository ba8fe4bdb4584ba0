/* Label maps of PNG files: ids against the samples that tests/tools/make_image_fixtures.py wrote.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image_fixture.h"

static uint32_t *decode(const char *name, uint32_t width, uint32_t height)
{
    struct fixture file = fixture_read(name, ".png");
    uint32_t *ids = NULL;
    struct lm_error error = {0};
    if (lm_image_decode_ids(file.bytes, file.size, width, height, &ids, &error) != LM_OK)
        fail_msg("%s: %s", name, error.text);
    free(file.bytes);
    return ids;
}

/* What the picture's colours say: greys, if there is nothing else. */
static uint32_t expected_id(const struct lm_image *image, size_t pixel, bool grey)
{
    const uint8_t *rgb = image->rgb + 3 * pixel;
    return grey ? rgb[0] : (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
}

static void eight_bits_are_colours(void **state)
{
    (void)state;
    static const char *const greys[] = {"grey1", "grey2", "grey4", "grey8", "grey8_alpha"};
    static const char *const colours[] = {"rgb8", "palette4", "palette8_alpha", "rgb8_alpha"};
    for (size_t i = 0; i < 5 + 4; i++) {
        const char *name = i < 5 ? greys[i] : colours[i - 5];
        struct lm_image image = fixture_ppm(name);
        uint32_t *ids = decode(name, image.width, image.height);
        for (size_t p = 0; p < (size_t)image.width * image.height; p++)
            assert_int_equal(ids[p], expected_id(&image, p, i < 5));
        free(ids);
        lm_image_free(&image);
    }
}

static void interlaced_files_are_the_same(void **state)
{
    (void)state;
    uint32_t *ids = decode("rgb8", 13, 11), *again = decode("rgb8_interlaced", 13, 11);
    assert_memory_equal(ids, again, 13 * 11 * sizeof *ids);
    free(ids);
    free(again);
}

/* The third row of the fixture holds these, the others what rounds to the picture's 8 bits. */
static void sixteen_bits_are_whole(void **state)
{
    (void)state;
    static const uint32_t row[5] = {0, 1, 256, 255, 65535};
    struct lm_image image = fixture_ppm("grey16");
    uint32_t *ids = decode("grey16", 13, 11);
    for (size_t x = 0; x < 13; x++)
        assert_int_equal(ids[3 * 13 + x], row[x % 5]);
    for (size_t p = 0; p < 13 * 11; p++)
        assert_int_equal((ids[p] * 255u + 32767) / 65535, image.rgb[3 * p]);
    free(ids);
    lm_image_free(&image);
}

/* A PNG of colours of which every pixel is grey. */
static void greys_stored_as_colours_are_greys(void **state)
{
    (void)state;
    struct lm_image image = {0};
    uint8_t *png = NULL;
    size_t size = 0;
    uint32_t *ids = NULL;
    assert_int_equal(lm_image_create(3, 2, &image, NULL), LM_OK);
    memset(image.rgb, 7, 3);
    memset(image.rgb + 15, 200, 3);
    assert_int_equal(lm_image_encode_png(&image, &png, &size, NULL), LM_OK);
    assert_int_equal(lm_image_decode_ids(png, size, 3, 2, &ids, NULL), LM_OK);
    static const uint32_t expected[6] = {7, 0, 0, 0, 0, 200};
    assert_memory_equal(ids, expected, sizeof expected);
    free(ids);
    free(png);
    lm_image_free(&image);
}

static void expect_error(const void *bytes, size_t size, uint32_t width, enum lm_status status,
                         const char *text)
{
    uint32_t *ids = NULL;
    struct lm_error error = {0};
    assert_int_equal(lm_image_decode_ids(bytes, size, width, 11, &ids, &error), status);
    assert_string_equal(error.text, text);
    assert_null(ids);
}

static void refuses_other_files(void **state)
{
    (void)state;
    struct fixture grey = fixture_read("grey16", ".png"), rgb = fixture_read("rgb16", ".png");
    struct fixture clear = fixture_read("grey16_clear", ".png");
    struct fixture jpeg = fixture_read("grey", ".jpg");
    const char deep[] = "label map has 16 bits a channel and colours or alpha; use 16-bit grey, or "
                        "8-bit RGB";
    expect_error(grey.bytes, grey.size, 14, LM_INVALID,
                 "label map is 13 x 11 pixels, the image is 14 x 11");
    expect_error(rgb.bytes, rgb.size, 13, LM_UNSUPPORTED, deep);
    expect_error(clear.bytes, clear.size, 13, LM_UNSUPPORTED, deep);
    expect_error(jpeg.bytes, jpeg.size, 13, LM_UNSUPPORTED, "label map is not a PNG");
    expect_error("", 0, 13, LM_CORRUPT, "label map is empty (0 bytes)");
    expect_error(grey.bytes, 60, 13, LM_CORRUPT,
                 "label map is not a valid PNG: the file ends too early");
    free(grey.bytes);
    free(rgb.bytes);
    free(clear.bytes);
    free(jpeg.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_bits_are_colours),
        cmocka_unit_test(interlaced_files_are_the_same),
        cmocka_unit_test(sixteen_bits_are_whole),
        cmocka_unit_test(greys_stored_as_colours_are_greys),
        cmocka_unit_test(refuses_other_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
