/* From picture to input and back: sizes and crops as torchvision computed them, coordinates, and
 * the numbers that a network gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image_fixture.h"
#include "layermask/image.h"

static struct lm_preprocess preprocess_of(uint32_t shorter, uint32_t side)
{
    return (struct lm_preprocess){
        .width = side,
        .height = side,
        .resize_shorter = shorter,
        .center_crop = true,
        .std = {1, 1, 1},
    };
}

/* Written down from torchvision 0.14's resize and center_crop. */
static void test_plan_as_torchvision(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height, shorter, side, resized_width, resized_height, x, y;
    } rows[] = {
        {500, 375, 256, 224, 341, 256, 58, 16},  {375, 500, 256, 224, 256, 341, 16, 58},
        {224, 224, 256, 224, 256, 256, 16, 16},  {500, 333, 256, 224, 384, 256, 80, 16},
        {333, 500, 256, 224, 256, 384, 16, 80},  {601, 600, 256, 224, 256, 256, 16, 16},
        {1000, 999, 256, 224, 256, 256, 16, 16}, {259, 256, 256, 224, 259, 256, 18, 16},
        {261, 256, 256, 224, 261, 256, 18, 16},  {263, 256, 256, 224, 263, 256, 20, 16},
        {3, 7, 33, 32, 33, 77, 0, 22},           {640, 427, 232, 224, 347, 232, 62, 4},
        {32, 32, 32, 32, 32, 32, 0, 0},          {257, 1024, 160, 128, 160, 637, 16, 254},
        {17, 1999, 40, 33, 40, 4703, 4, 2335},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct lm_preprocess preprocess = preprocess_of(rows[i].shorter, rows[i].side);
        struct lm_transform plan = {0};
        assert_int_equal(lm_transform_plan(&preprocess, rows[i].width, rows[i].height, &plan, NULL),
                         LM_OK);
        assert_int_equal(plan.image_width, rows[i].width);
        assert_int_equal(plan.image_height, rows[i].height);
        assert_int_equal(plan.resized_width, rows[i].resized_width);
        assert_int_equal(plan.resized_height, rows[i].resized_height);
        assert_int_equal(plan.crop_x, rows[i].x);
        assert_int_equal(plan.crop_y, rows[i].y);
        assert_int_equal(plan.input_width, rows[i].side);
        assert_int_equal(plan.input_height, rows[i].side);
    }
}

static void test_plan_stretches(void **state)
{
    (void)state;
    struct lm_preprocess preprocess = {.width = 50, .height = 20};
    struct lm_transform plan = {0};
    for (int crop = 0; crop < 2; crop++) {
        preprocess.center_crop = crop;
        assert_int_equal(lm_transform_plan(&preprocess, 333, 7, &plan, NULL), LM_OK);
        assert_true(plan.resized_width == 50 && plan.resized_height == 20);
        assert_true(plan.crop_x == 0 && plan.crop_y == 0);
    }
}

static void expect_plan_error(const struct lm_preprocess *preprocess, uint32_t width,
                              uint32_t height, enum lm_status status, const char *text)
{
    struct lm_transform plan = {.crop_x = 77};
    struct lm_error error = {0};
    assert_int_equal(lm_transform_plan(preprocess, width, height, &plan, &error), status);
    assert_string_equal(error.text, text);
    assert_int_equal(plan.crop_x, 77);
}

static void test_plan_errors(void **state)
{
    (void)state;
    struct lm_preprocess preprocess = preprocess_of(200, 224);
    expect_plan_error(&preprocess, 400, 300, LM_INVALID,
                      "image scaled to 266 x 200 pixels is smaller than the input of 224 x 224");
    preprocess = preprocess_of(224, 224);
    preprocess.center_crop = false;
    expect_plan_error(&preprocess, 300, 400, LM_INVALID,
                      "image scaled to 224 x 298 pixels is not the input's 224 x 224, and there "
                      "is no crop");
    expect_plan_error(&preprocess, 0, 400, LM_INVALID,
                      "image size is 0 x 400; a side is at least 1");
    preprocess = preprocess_of(4000000, 224);
    expect_plan_error(&preprocess, 1, 1000, LM_LIMIT,
                      "image of 1 x 1000 pixels with its shorter side scaled to 4000000 is "
                      "4000000000 long, above the limit of 2147483648");
    preprocess = preprocess_of(256, 224);
    expect_plan_error(&preprocess, 4000000000u, 9, LM_LIMIT,
                      "image of 4000000000 x 9 pixels for an input of 224 x 224: a side is above "
                      "the limit of 2147483648");
    preprocess.width = 0;
    expect_plan_error(&preprocess, 500, 400, LM_INVALID,
                      "input size is 0 x 224; a side is at least 1");
}

static void test_apply_crops_what_was_resized(void **state)
{
    (void)state;
    struct lm_image source = fixture_ppm("resize_source"), whole = {0}, input = {0};
    struct lm_preprocess preprocess = preprocess_of(30, 25);
    struct lm_transform plan = {0};
    assert_int_equal(lm_transform_plan(&preprocess, source.width, source.height, &plan, NULL),
                     LM_OK);
    assert_int_equal(lm_transform_apply(&plan, &source, &input, NULL), LM_OK);
    assert_int_equal(lm_image_resize(&source, 42, 30, &whole, NULL), LM_OK);
    for (size_t y = 0; y < 25; y++)
        assert_memory_equal(input.rgb + 75 * y, whole.rgb + 3 * (42 * (y + 2) + 8), 75);
    struct lm_error error = {0};
    assert_int_equal(lm_transform_apply(&plan, &whole, &input, &error), LM_INVALID);
    assert_string_equal(error.text, "image is 42 x 30 pixels, the transform is for 61 x 43");
    lm_image_free(&source);
    lm_image_free(&whole);
    lm_image_free(&input);
}

static void test_long_picture_costs_little(void **state)
{
    (void)state;
    struct lm_image source = {0}, input = {0};
    struct lm_preprocess preprocess = preprocess_of(256, 224);
    struct lm_transform plan = {0};
    assert_int_equal(lm_image_create(1, 60000, &source, NULL), LM_OK);
    assert_int_equal(lm_transform_plan(&preprocess, 1, 60000, &plan, NULL), LM_OK);
    assert_int_equal(plan.resized_height, 15360000);
    assert_int_equal(lm_transform_apply(&plan, &source, &input, NULL), LM_OK);
    assert_true(input.width == 224 && input.height == 224);
    lm_image_free(&source);
    lm_image_free(&input);
}

/* Bounds of one axis: the exact coordinate (x + crop + 0.5) * image / resized lies in the pixel. */
static void check_there_and_back(const struct lm_transform *plan)
{
    for (uint32_t y = 0; y < plan->input_height; y++)
        for (uint32_t x = 0; x < plan->input_width; x++) {
            uint32_t image_x, image_y;
            lm_transform_to_image(plan, x, y, &image_x, &image_y);
            assert_true(image_x < plan->image_width && image_y < plan->image_height);
            double at = (x + plan->crop_x + 0.5) * plan->image_width / plan->resized_width;
            assert_true(image_x <= at + 1e-9 && at < image_x + 1 + 1e-9);
            at = (y + plan->crop_y + 0.5) * plan->image_height / plan->resized_height;
            assert_true(image_y <= at + 1e-9 && at < image_y + 1 + 1e-9);
        }
}

/* Where the picture shrinks, every input pixel's source pixel leads back to it or beside it. */
static void check_back_and_there(const struct lm_transform *plan)
{
    for (uint32_t image_y = 0; image_y < plan->image_height; image_y++)
        for (uint32_t image_x = 0; image_x < plan->image_width; image_x++) {
            uint32_t x = 0, y = 0;
            double at_x = (image_x + 0.5) * plan->resized_width / plan->image_width - plan->crop_x;
            double at_y =
                (image_y + 0.5) * plan->resized_height / plan->image_height - plan->crop_y;
            bool inside = at_x >= -1e-9 && at_x < plan->input_width - 1e-9 && at_y >= -1e-9 &&
                          at_y < plan->input_height - 1e-9;
            assert_int_equal(lm_transform_to_input(plan, image_x, image_y, &x, &y), inside);
            if (inside)
                assert_true(x <= at_x + 1e-9 && at_x < x + 1 + 1e-9 && y <= at_y + 1e-9 &&
                            at_y < y + 1 + 1e-9);
        }
}

static void test_coordinates(void **state)
{
    (void)state;
    static const uint32_t sizes[][4] = {
        {61, 43, 30, 25}, {43, 61, 64, 64}, {7, 3, 33, 20}, {100, 100, 40, 40}, {1, 50, 3, 2}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct lm_preprocess preprocess = preprocess_of(sizes[i][2], sizes[i][3]);
        struct lm_transform plan = {0};
        assert_int_equal(lm_transform_plan(&preprocess, sizes[i][0], sizes[i][1], &plan, NULL),
                         LM_OK);
        check_there_and_back(&plan);
        check_back_and_there(&plan);
    }
}

static void test_unscaled_coordinates(void **state)
{
    (void)state;
    struct lm_preprocess preprocess = preprocess_of(30, 20);
    struct lm_transform plan = {0};
    uint32_t x, y;
    assert_int_equal(lm_transform_plan(&preprocess, 40, 30, &plan, NULL), LM_OK);
    lm_transform_to_image(&plan, 0, 19, &x, &y);
    assert_true(x == 10 && y == 24);
    assert_true(lm_transform_to_input(&plan, 29, 5, &x, &y));
    assert_true(x == 19 && y == 0);
    assert_false(lm_transform_to_input(&plan, 30, 5, &x, &y));
    assert_false(lm_transform_to_input(&plan, 9, 5, &x, &y));
    assert_false(lm_transform_to_input(&plan, 20, 4, &x, &y));
    assert_false(lm_transform_to_input(&plan, 20, 25, &x, &y));
}

static void test_normalise(void **state)
{
    (void)state;
    uint8_t rgb[] = {0, 10, 255, 30, 128, 7};
    struct lm_image input = {.width = 2, .height = 1, .rgb = rgb};
    struct lm_preprocess preprocess = {
        .width = 2, .height = 1, .mean = {10, 20, 30}, .std = {2, 4, 8}};
    float planes[6];
    lm_normalise(&preprocess, &input, planes);
    const float right[] = {-5, 10, -2.5f, 27, 28.125f, -2.875f};
    assert_memory_equal(planes, right, sizeof right);
    preprocess.channels = LM_BGR;
    lm_normalise(&preprocess, &input, planes);
    const float swapped[] = {122.5f, -1.5f, -2.5f, 27, -3.75f, 0};
    assert_memory_equal(planes, swapped, sizeof swapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_as_torchvision),
        cmocka_unit_test(test_plan_stretches),
        cmocka_unit_test(test_plan_errors),
        cmocka_unit_test(test_apply_crops_what_was_resized),
        cmocka_unit_test(test_long_picture_costs_little),
        cmocka_unit_test(test_coordinates),
        cmocka_unit_test(test_unscaled_coordinates),
        cmocka_unit_test(test_normalise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
