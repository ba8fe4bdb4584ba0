/* Bit masks: sizes, set operations, bounds, boxes, segments, PNG, and the way to the input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../golden/mask_golden.h"
#include "layermask/mask.h"
#include "mask_text.h"

static void sizes_are_checked(void **state)
{
    (void)state;
    struct lm_mask mask = {.width = 99};
    struct lm_error error = {0};
    assert_int_equal(lm_mask_create(0, 5, &mask, &error), LM_INVALID);
    assert_string_equal(error.text, "mask: size is 0x5, both sides must be at least 1");
    error = (struct lm_error){0};
    assert_int_equal(lm_mask_create(UINT32_MAX, UINT32_MAX, &mask, &error), LM_LIMIT);
    assert_string_equal(error.text,
                        "mask: 4294967295x4294967295 pixels are more than the limit of 2^31");
    assert_int_equal(lm_mask_create(1, 1u << 31, &mask, NULL), LM_LIMIT);
    assert_int_equal(mask.width, 99);
    lm_mask_free(NULL);
    mask = (struct lm_mask){0};
    lm_mask_free(&mask);
    assert_int_equal(lm_mask_count(&mask), 0);
}

static void bits_beyond_the_width_stay_clear(void **state)
{
    (void)state;
    for (uint32_t width = 1; width <= 130; width++) {
        struct lm_mask mask, other;
        assert_int_equal(lm_mask_create(width, 3, &mask, NULL), LM_OK);
        assert_int_equal(lm_mask_create(width, 3, &other, NULL), LM_OK);
        assert_int_equal(mask.words, (width + 63) / 64);
        assert_int_equal(lm_mask_count(&mask), 0);
        lm_mask_fill(&mask, true);
        assert_int_equal(lm_mask_count(&mask), 3 * width);
        lm_mask_invert(&other);
        assert_masks_equal(&mask, &other);
        lm_mask_invert(&other);
        assert_int_equal(lm_mask_count(&other), 0);
        lm_mask_fill(&mask, false);
        assert_masks_equal(&mask, &other);
        lm_mask_free(&mask);
        lm_mask_free(&other);
    }
}

static void set_operations(void **state)
{
    (void)state;
    const char *const first[] = {"..##..", "######"}, *const second[] = {".##...", "..##.."};
    const char *const both[] = {"..#...", "..##.."}, *const either[] = {".###..", "######"};
    struct lm_mask a = mask_from_text(first, 2), b = mask_from_text(second, 2);
    lm_mask_unite(&a, &b);
    assert_mask_text(&a, either, 2);
    lm_mask_free(&a);
    a = mask_from_text(first, 2);
    lm_mask_intersect(&a, &b);
    assert_mask_text(&a, both, 2);
    lm_mask_free(&a);
    lm_mask_free(&b);
}

static void bounds(void **state)
{
    (void)state;
    struct lm_mask mask;
    uint32_t x = 77, y, width, height;
    assert_int_equal(lm_mask_create(200, 100, &mask, NULL), LM_OK);
    assert_false(lm_mask_bounds(&mask, &x, &y, &width, &height));
    assert_int_equal(x, 77);
    lm_mask_set(&mask, 150, 30);
    lm_mask_set(&mask, 64, 99);
    lm_mask_set(&mask, 127, 31);
    assert_true(lm_mask_bounds(&mask, &x, &y, &width, &height));
    assert_int_equal(x, 64);
    assert_int_equal(y, 30);
    assert_int_equal(width, 87);
    assert_int_equal(height, 70);
    lm_mask_fill(&mask, true);
    assert_true(lm_mask_bounds(&mask, &x, &y, &width, &height));
    assert_int_equal(x, 0);
    assert_int_equal(width, 200);
    assert_int_equal(height, 100);
    lm_mask_free(&mask);
}

static void boxes_hold_the_centres_in_them(void **state)
{
    (void)state;
    static const struct {
        double x, y, width, height;
        uint32_t left, top, right, bottom; /* right and bottom exclusive; left == right: nothing */
    } cases[] = {
        {2, 1, 3, 2, 2, 1, 5, 3},
        {0, 0, 70, 5, 0, 0, 70, 5},
        {-5, -5, 1000, 1000, 0, 0, 70, 5},
        {0.5, 0.5, 1, 1, 0, 0, 1, 1},   /* a centre on the left edge is in */
        {0.51, 0.51, 1, 1, 1, 1, 2, 2}, /* just right of it */
        {60, 0, 8, 1, 60, 0, 68, 1},    /* across words */
        {3.6, 2, 0.8, 1, 0, 0, 0, 0},   /* between two centres */
        {70, 0, 5, 5, 0, 0, 0, 0},      /* outside */
        {-1e308, -1e308, 1e308, 1e308, 0, 0, 0, 0},
        {-1e308, 0, 1.7e308, 5, 0, 0, 70, 5},
        {1e308, 1e308, 1e308, 1e308, 0, 0, 0, 0}, /* x + width overflows */
        {69, 4, 5e-324, 5e-324, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_mask mask, wanted;
        assert_int_equal(lm_mask_create(70, 5, &mask, NULL), LM_OK);
        assert_int_equal(lm_mask_create(70, 5, &wanted, NULL), LM_OK);
        for (uint32_t y = cases[i].top; y < cases[i].bottom; y++)
            for (uint32_t x = cases[i].left; x < cases[i].right; x++)
                lm_mask_set(&wanted, x, y);
        assert_int_equal(
            lm_mask_add_box(&mask, cases[i].x, cases[i].y, cases[i].width, cases[i].height, NULL),
            LM_OK);
        assert_masks_equal(&mask, &wanted);
        lm_mask_free(&mask);
        lm_mask_free(&wanted);
    }
}

static void bad_boxes(void **state)
{
    (void)state;
    struct lm_mask mask;
    struct lm_error error = {0};
    assert_int_equal(lm_mask_create(10, 10, &mask, NULL), LM_OK);
    assert_int_equal(lm_mask_add_box(&mask, 1, 1, 0, 3, &error), LM_INVALID);
    assert_string_equal(error.text, "box: width 0 and height 3 must be above 0");
    assert_int_equal(lm_mask_add_box(&mask, 1, 1, 3, -1, NULL), LM_INVALID);
    error = (struct lm_error){0};
    assert_int_equal(lm_mask_add_box(&mask, NAN, 1, 3, 3, &error), LM_INVALID);
    assert_string_equal(error.text, "box: numbers must be finite");
    assert_int_equal(lm_mask_add_box(&mask, 0, 1, INFINITY, 3, NULL), LM_INVALID);
    assert_int_equal(lm_mask_count(&mask), 0);
    lm_mask_free(&mask);
}

static void segments(void **state)
{
    (void)state;
    const int32_t labels[] = {0, 0, 1, 2, 1, 1};
    const char *const wanted[] = {"..#", ".##"};
    struct lm_mask mask;
    assert_int_equal(lm_mask_create(3, 2, &mask, NULL), LM_OK);
    lm_mask_add_segment(&mask, labels, 1);
    assert_mask_text(&mask, wanted, 2);
    lm_mask_add_segment(&mask, labels, 7);
    assert_mask_text(&mask, wanted, 2);
    lm_mask_free(&mask);
}

static void png_files(void **state)
{
    (void)state;
    struct lm_image image;
    struct lm_mask mask;
    uint8_t *png;
    size_t size;
    assert_int_equal(lm_image_create(70, 2, &image, NULL), LM_OK);
    image.rgb[3 * 69 + 2] = 1; /* blue of the first row's last pixel */
    image.rgb[3 * 70 + 0] = 9; /* red of the second row's first */
    assert_int_equal(lm_image_encode_png(&image, &png, &size, NULL), LM_OK);
    assert_int_equal(lm_mask_create(70, 2, &mask, NULL), LM_OK);
    lm_mask_set(&mask, 5, 0); /* stays: regions are added */
    assert_int_equal(lm_mask_add_png(&mask, png, size, NULL), LM_OK);
    assert_int_equal(lm_mask_count(&mask), 3);
    assert_true(lm_mask_get(&mask, 5, 0) && lm_mask_get(&mask, 69, 0) && lm_mask_get(&mask, 0, 1));

    struct lm_mask other;
    assert_int_equal(lm_mask_create(71, 2, &other, NULL), LM_OK);
    assert_int_equal(lm_mask_add_png(&other, png, size, NULL), LM_INVALID);
    assert_int_equal(lm_mask_add_png(&mask, png, size / 2, NULL), LM_CORRUPT);
    assert_int_equal(lm_mask_add_png(&mask, "GIF89a", 6, NULL), LM_UNSUPPORTED);
    assert_int_equal(lm_mask_count(&mask), 3);
    assert_int_equal(lm_mask_count(&other), 0);
    lm_mask_free(&mask);
    lm_mask_free(&other);
    lm_image_free(&image);
    free(png);
}

static struct lm_mask golden_mask(uint32_t width, uint32_t height, const char *rle)
{
    struct lm_mask mask;
    assert_int_equal(lm_mask_create(width, height, &mask, NULL), LM_OK);
    assert_int_equal(lm_mask_add_rle_string(&mask, rle, strlen(rle), NULL), LM_OK);
    return mask;
}

static void nearest_neighbour_as_numpy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_nearests / sizeof *golden_nearests; i++) {
        const struct golden_nearest *golden = &golden_nearests[i];
        struct lm_transform transform = {golden->image_width,   golden->image_height,
                                         golden->resized_width, golden->resized_height,
                                         golden->crop_x,        golden->crop_y,
                                         golden->size,          golden->size};
        struct lm_mask image =
            golden_mask(golden->image_width, golden->image_height, golden->image);
        struct lm_mask input;
        assert_int_equal(lm_mask_to_input(&image, &transform, &input, NULL), LM_OK);
        assert_int_equal(input.width, golden->size);
        assert_mask_rle(&input, golden->input);
        lm_mask_free(&image);
        lm_mask_free(&input);
    }
}

static void there_and_back(void **state)
{
    (void)state;
    /* 4 x 2 scaled to 8 x 4, the input is its middle 4 x 4: the picture's middle 2 x 2. */
    struct lm_transform transform = {4, 2, 8, 4, 2, 0, 4, 4};
    const char *const seen[] = {"#...", "....", "....", "...#"};
    const char *const drawn[] = {".#..", "..#."}, *const corner[] = {"....", "..#."};
    struct lm_mask input = mask_from_text(seen, 4), image, again;
    assert_int_equal(lm_mask_to_image(&input, &transform, &image, NULL), LM_OK);
    /* The picture's pixel (1, 0) has its centre in the input's pixel (1, 1), which is clear. */
    assert_mask_text(&image, corner, 2);
    lm_mask_free(&image);
    lm_mask_set(&input, 1, 1);
    assert_int_equal(lm_mask_to_image(&input, &transform, &image, NULL), LM_OK);
    assert_mask_text(&image, drawn, 2);
    assert_int_equal(lm_mask_to_input(&image, &transform, &again, NULL), LM_OK);
    assert_int_equal(lm_mask_count(&again), 8);
    lm_mask_free(&again);

    struct lm_error error = {0};
    assert_int_equal(lm_mask_to_input(&input, &transform, &again, &error), LM_INVALID);
    assert_string_equal(error.text, "mask: size is 4x4, the picture's is 4x2");
    error = (struct lm_error){0};
    assert_int_equal(lm_mask_to_image(&image, &transform, &again, &error), LM_INVALID);
    assert_string_equal(error.text, "mask: size is 4x2, the network input's is 4x4");
    lm_mask_free(&image);
    lm_mask_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(bits_beyond_the_width_stay_clear),
        cmocka_unit_test(set_operations),
        cmocka_unit_test(bounds),
        cmocka_unit_test(boxes_hold_the_centres_in_them),
        cmocka_unit_test(bad_boxes),
        cmocka_unit_test(segments),
        cmocka_unit_test(png_files),
        cmocka_unit_test(nearest_neighbour_as_numpy),
        cmocka_unit_test(there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
